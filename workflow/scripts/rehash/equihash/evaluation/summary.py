"""The metrics of a network on a whole database, from the counts of its index's partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.collisions import collision_rows, internal_collisions, label_match
from rehash.equihash.evaluation.counts import check_counts
from rehash.equihash.evaluation.probing import recall_against_probes
from rehash.equihash.evaluation.retrieval import add_up, distance_counts, distance_rows, distance_table, retrieval_rows
from rehash.equihash.index.query_codes import QueryCodes
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_csv


def evaluate_index(
    counts: Sequence[str | Path],
    codes: str | Path,
    queries: str | Path,
    outputs: dict[str, str | Path],
    *,
    keys: dict[str, Any],
    probes: int,
    seed: int,
) -> dict[str, Any]:
    """Write a network's metrics, sizes of buckets, recall against probes, and distances of pairs (CSV).

    All tables begin with the keys. Their other columns are:

    evaluation: database_size, metric, value, low, high, n; see `retrieval_rows`, `collision_rows` and, for the whole
    database, `distance_rows`. bucket_sizes: database_size, bucket_size, buckets. probes: database_size and
    `recall_against_probes`, of the whole database. distances: `distance_table`, and bits.

    Args:
        counts: of all partitions (`counts.evaluate_partition`). codes, queries: as there.
        outputs: evaluation, bucket_sizes, probes and distances.
        keys: task, model, variant, seed, database.
        seed: of the bootstrap.

    Raises:
        InputError: the files do not fit together.
    """
    parts, asked, wanted = check_counts(counts), QueryCodes.read(codes), Queries.read(queries)
    origin = parts[0].origin
    origin.check(asked.origin, codes, f"{counts[0]} is")
    asked.check(queries, codes)
    if parts[0].queries != asked.queries:
        raise InputError(f"{counts[0]}: counts of other queries than those of {codes}; expected the same")
    tables = {name: add_up([part.tables[name] for part in parts]) for name in ("outcomes", "buckets", "matching")}
    collisions = internal_collisions(tables["buckets"], tables["matching"])
    first, second, other = asked.triplets
    same, different = (distance_counts(first, views, origin.bits) for views in (second, other))
    largest = max(wanted.positive)
    pairs = distance_rows(same, different).assign(database_size=largest)
    rows = [retrieval_rows(tables["outcomes"], seed), collision_rows(collisions, label_match(wanted.database)), pairs]
    relevant = np.diff(wanted.positive[largest][1].offsets)[: len(asked.abs_logits)]
    found = pd.concat([part.tables["probes"] for part in parts], ignore_index=True)
    random = stream(seed, "equihash", "bootstrap", "probes")
    probed = recall_against_probes(found, relevant, min(probes, 2**origin.bits), random)
    probed.insert(0, "database_size", largest)
    distances = distance_table(same, different).assign(bits=origin.bits)
    written = {
        "evaluation": pd.concat(rows, ignore_index=True),
        "bucket_sizes": tables["buckets"],
        "probes": probed,
        "distances": distances,
    }
    for name, table in written.items():
        whole = table.assign(**keys)
        write_csv(whole[[*keys, *table.columns]], outputs[name])
    return {"items": origin.n_items, "fingerprints": {"model": origin.model, "config": origin.config}}
