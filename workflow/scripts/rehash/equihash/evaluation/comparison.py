"""Networks side by side: on one database, in a family of ablations, and beside the published rates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.labels import UNKNOWN, Database
from rehash.equihash.evaluation.retrieval import distance_statistics
from rehash.store import read_csv, write_csv
from rehash.tables import concatenated

_READING_ERROR = 0.001  # of the published rates, half of their last digit and the sampling error they state
_LEAST = 0.01  # labels; smaller expected numbers are not listed
_PUBLISHED_LABELS = 65_536**2  # of a bank of 65,536 images, two a mosaic


def expected_multiplicities(database: Database, size: int) -> pd.DataFrame:
    """Return how many labels have 1, 2, ... of the first `size` items, on average over databases.

    If each label has one bucket and each bucket one label, these are the sizes of an index's buckets. A label may be
    several members of a pool. Columns database_size, bucket_size, buckets (float).
    """
    from scipy.stats import binom  # which takes a second, and jobs that only compare need it not

    labels, pool = database.label_count, database.pool_size
    members = np.arange(1, _most(pool / labels)) if pool else np.ones(1)
    with_members = labels * (binom.pmf(members, pool, 1 / labels) if pool else np.ones(1))
    chance = np.minimum(members / (pool or labels), 1)
    counts = np.arange(1, min(_most(size * chance[-1]), size) + 1)
    expected = with_members @ binom.pmf(counts, size, chance[:, None])
    table = pd.DataFrame({"database_size": size, "bucket_size": counts, "buckets": expected})
    return table[table.buckets >= _LEAST]


def _most(mean: float) -> int:
    """Return a number that a Poisson or binomial variable with this mean practically never reaches."""
    return int(mean + 12 * mean**0.5 + 20)


def compare_models(
    tables: dict[str, Sequence[str | Path]],
    predicted: Sequence[str | Path],
    labels: str | Path,
    outputs: dict[str, str | Path],
) -> None:
    """Stack the tables of a database's networks (see `rehash.equihash.evaluation.summary`), each kind in a file (CSV).

    The table of bucket sizes ends with rows of the model `labels`, variant `expected` (`expected_multiplicities`; of
    unknown labels there are none). Two more tables are computed from the others: predicted, the metrics of synthetic
    fingerprints beside their theoretical values (`found_and_predicted`), and distances_statistics
    (`distance_statistics` of distances).

    Args:
        tables: by name (retrieval, bucket_sizes, query_buckets, probes, distances), of all networks.
        predicted: of the synthetic networks, in the folders of their other tables (`rehash.equihash.index.synthetic`).
        labels: of the database. outputs: by the same names, predicted and distances_statistics.
    """
    database = Labels.open(labels).database
    whole = {name: concatenated(paths) for name, paths in tables.items()}
    buckets = whole["bucket_sizes"]
    sizes = buckets.database_size.unique()
    known = [] if database.source == UNKNOWN else sizes
    expected = [expected_multiplicities(database, int(size)) for size in known]
    expected = pd.concat(
        [pd.DataFrame(columns=["database_size", "bucket_size", "buckets"]), *expected], ignore_index=True
    )
    about = {"task": buckets.task.iloc[0], "model": "labels", "variant": "expected", "database": database.name}
    expected = expected.assign(**about)[[c for c in buckets if c != "seed"]]
    buckets = pd.concat([buckets, expected], ignore_index=True)
    whole["bucket_sizes"] = buckets.assign(seed=buckets.seed.astype("Int64"))
    whole["distances_statistics"] = distance_statistics(whole["distances"])
    runs = {Path(path).parent: path for path in tables["retrieval"]}
    whole["predicted"] = found_and_predicted([(runs[Path(path).parent], path) for path in predicted])
    for name, path in outputs.items():
        write_csv(whole[name], path)


def found_and_predicted(pairs: Sequence[tuple[str | Path, str | Path]]) -> pd.DataFrame:
    """Return the metrics of networks beside their predicted values, a row for each metric and database size.

    Columns: task, model, variant, seed, database, database_size, metric, found, low, high, n, predicted.

    Args:
        pairs: for each network its evaluation and its predictions (CSV).
    """
    keys = ["database_size", "metric"]
    parts = [read_csv(found).merge(read_csv(expected), on=keys) for found, expected in pairs]
    names = {"value": "found", "expected": "predicted"}
    columns = ["task", "model", "variant", "seed", "database", *keys, "found", "low", "high", "n", "predicted"]
    table = pd.concat(parts, ignore_index=True).rename(columns=names) if parts else pd.DataFrame(columns=columns)
    return table[columns]


def compare_perfect_retrieval(
    retrievals: Sequence[str | Path],
    labels: Sequence[str | Path],
    published: str | Path,
    output: str | Path,
    *,
    differences: dict[str, str],
) -> None:
    """Write published perfect-retrieval rates beside ours (CSV).

    Perfect is meant as published in 2023: a query is an item seen again, whose bucket holds that item and nothing else
    (`alone_in_bucket_rate`, which only databases that are asked items have). Columns task, database, model, variant,
    seed, database_size, published, value, low, high, n, status and why. status is "inside" or "outside" for a published
    rate against our interval, widened by the reading error; "not run" for a published rate without ours; "no published
    value" for ours without a published rate; and "not comparable" where our database of a published task is another
    one, which `why` then says.

    Args:
        retrievals: tables of `compare_models`. labels: for each of them the labels of its database.
        published: CSV with task, model, database_size and published.
        differences: by database, in what its settings differ from the published ones, in words; not of its labels.
    """
    keys = ["task", "model", "database_size"]
    theirs = read_csv(published, [*keys, "published"])
    columns = ["task", "database", "model", "variant", "seed", "database_size", "value", "low", "high", "n"]
    ours = [pd.DataFrame(columns=[*columns, "metric", "why"])]
    for retrieval, of_labels in zip(retrievals, labels, strict=True):
        table, database = read_csv(retrieval, [*keys, "metric", "value"]), Labels.open(of_labels).database
        reasons = [differences[database.name]] if differences.get(database.name) else []
        if database.label_count != _PUBLISHED_LABELS:
            reasons.append(f"{database.label_count:,} labels (published: {_PUBLISHED_LABELS:,})")
        ours.append(table.assign(why="; ".join(reasons) or None))
    mine = pd.concat(ours[1:] or ours, ignore_index=True)
    mine = mine[mine.metric == "alone_in_bucket_rate"][[*columns, "why"]]
    mine = mine.astype({**dict.fromkeys(("seed", "n"), "Int64"), **dict.fromkeys(("value", "low", "high"), float)})
    table = theirs.merge(mine, how="outer", on=keys, sort=False)
    table["why"] = table.why.where(table.published.notna())
    near = table.published.between(table.low - _READING_ERROR, table.high + _READING_ERROR)
    table["status"] = np.select(
        [table.value.isna(), table.published.isna(), table.why.notna(), near],
        ["not run", "no published value", "not comparable", "inside"],
        "outside",
    )
    order = [*columns[:6], "published", *columns[6:], "status", "why"]
    write_csv(table[order].sort_values(["task", "database", "model", "variant", "seed", "database_size"]), output)


def collect_family(
    evaluations: Sequence[str | Path], output: str | Path, *, family: str, parameters: dict[str, dict[str, Any]]
) -> None:
    """Stack the evaluations of a family's runs, and add columns with the parameters that vary and their values (CSV).

    Args:
        parameters: variant -> {parameter: value}, of the parameters that vary.

    Columns: those of the evaluations, with family, parameter and parameter_value behind the variant; where several
    parameters vary, their names and values are joined by commas.
    """
    table = concatenated(evaluations)
    names = {variant: ", ".join(values) for variant, values in parameters.items()}
    values = {
        variant: next(iter(values.values())) if len(values) == 1 else ", ".join(map(str, values.values()))
        for variant, values in parameters.items()
    }
    at = table.columns.get_loc("variant") + 1
    table.insert(at, "family", family)
    table.insert(at + 1, "parameter", table["variant"].map(names))
    table.insert(at + 2, "parameter_value", table["variant"].map(values))
    write_csv(table, output)
