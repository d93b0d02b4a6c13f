"""Networks on one database side by side, and their perfect-retrieval rates beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from rehash.equihash.label_shards import LabelFile
from rehash.equihash.labels import Database
from rehash.store import read_csv, write_csv
from rehash.tables import concatenated

_READING_ERROR = 0.001  # of the published rates, half of their last digit and the sampling error they state
_LEAST = 0.01  # labels: expected numbers below are not listed


def expected_multiplicities(database: Database, size: int) -> pd.DataFrame:
    """How many labels have 1, 2, ... of the first `size` items, on average over databases.

    With one bucket a label and one label a bucket, these are the sizes of an index's buckets. A label may be several
    members of a pool. Columns database_size, bucket_size, buckets (float).
    """
    labels, pool = database.label_count, database.pool_size
    members = np.arange(1, _most(pool / labels)) if pool else np.ones(1)
    with_members = labels * (binom.pmf(members, pool, 1 / labels) if pool else np.ones(1))
    chance = np.minimum(members / (pool or labels), 1)
    counts = np.arange(1, min(_most(size * chance[-1]), size) + 1)
    expected = with_members @ binom.pmf(counts, size, chance[:, None])
    table = pd.DataFrame({"database_size": size, "bucket_size": counts, "buckets": expected})
    return table[table.buckets >= _LEAST]


def _most(mean: float) -> int:
    """What a number that is Poisson or binomial, with this mean, does not reach."""
    return int(mean + 12 * mean**0.5 + 20)


def compare_models(tables: dict[str, Sequence[str | Path]], labels: str | Path, outputs: dict[str, str | Path]) -> None:
    """Stack the tables of a database's networks (`rehash.equihash.evaluate`), each kind in a file (CSV).

    Those of bucket sizes are followed by rows of the model `labels`, variant `expected`: `expected_multiplicities`.

    Args:
        tables: by name, of all networks. labels: any of the database's label files. outputs: by the same names.
    """
    database = LabelFile.open(labels).database
    for name, paths in tables.items():
        table = concatenated(paths)
        if name == "bucket_sizes":
            sizes = table.database_size.unique()
            expected = pd.concat([expected_multiplicities(database, int(size)) for size in sizes], ignore_index=True)
            about = {"task": table.task.iloc[0], "model": "labels", "variant": "expected", "database": database.name}
            table = pd.concat([table, expected.assign(**about)[[c for c in table if c != "seed"]]], ignore_index=True)
            table["seed"] = table.seed.astype("Int64")
        write_csv(table, outputs[name])


def compare_perfect_retrieval(retrievals: Sequence[str | Path], published: str | Path, output: str | Path) -> None:
    """Put published perfect-retrieval rates beside ours (CSV).

    Columns task, database, model, variant, seed, database_size, published, value, low, high, n, status and why. status
    is "not comparable" for each published rate whose row says why it cannot be compared (then in `why`), whatever ours
    is; else "inside" or "outside", a published rate against our interval and its reading error; "not run", a published
    rate alone; "no published value", one of ours alone.

    Args:
        retrievals: tables of `compare_models`. published: CSV with task, model, database_size, published and
            why_not_comparable (empty where it can be compared).
    """
    keys = ["task", "model", "database_size"]
    theirs = read_csv(published, [*keys, "published", "why_not_comparable"])
    ours = [read_csv(path, [*keys, "metric", "value"]) for path in retrievals]
    columns = ["task", "database", "model", "variant", "seed", "database_size", "value", "low", "high", "n"]
    mine = pd.concat(ours, ignore_index=True) if ours else pd.DataFrame(columns=[*columns, "metric"])
    mine = mine[mine.metric == "perfect_retrieval_rate"][columns]
    mine = mine.astype({**dict.fromkeys(("seed", "n"), "Int64"), **dict.fromkeys(("value", "low", "high"), float)})
    table = theirs.merge(mine, how="outer", on=keys, sort=False)
    near = table.published.between(table.low - _READING_ERROR, table.high + _READING_ERROR)
    table = table.rename(columns={"why_not_comparable": "why"})
    table["status"] = np.select(
        [table.why.notna(), table.value.isna(), table.published.isna(), near],
        ["not comparable", "not run", "no published value", "inside"],
        "outside",
    )
    order = [*columns[:6], "published", *columns[6:], "status", "why"]
    write_csv(table[order].sort_values(["task", "database", "model", "variant", "seed", "database_size"]), output)
