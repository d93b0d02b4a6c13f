"""A network on a whole database: its metrics, from what was counted in the partitions of its index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.collisions import collision_rows, internal_collisions, label_match
from rehash.equihash.counts import check_counts
from rehash.equihash.probing import recall_against_probes
from rehash.equihash.queries import Queries
from rehash.equihash.query_codes import QueryCodes
from rehash.equihash.retrieval import add_up, distance_counts, distance_rows, distance_table, retrieval_rows
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_csv


def evaluate(
    counts: Sequence[str | Path],
    codes: str | Path,
    queries: str | Path,
    outputs: dict[str, str | Path],
    *,
    keys: dict[str, Any],
    probes: int,
    seed: int,
) -> dict[str, Any]:
    """Write the metrics of the spec, the sizes of buckets, recall against probes, and distances of pairs (CSV).

    All tables begin with the keys.

    evaluation: database_size, metric, value, low, high, n; see `retrieval_rows`, `collision_rows` and, for the whole
    database, `distance_rows`. bucket_sizes: database_size, bucket_size, buckets. probes: database_size and
    `recall_against_probes`, of the whole database. distances: `distance_table`, and bits.

    Args:
        counts: of all partitions (`counts.evaluate_partition`). codes, queries: as there.
        outputs: evaluation, bucket_sizes, probes and distances.
        keys: task, model, variant, seed, database.
        seed: of the bootstrap.

    Raises:
        InputError: files that do not fit together.
    """
    parts, asked, wanted = check_counts(counts), QueryCodes.read(codes), Queries.read(queries)
    identity = parts[0].identity
    identity.check(asked.identity, codes, f"{counts[0]} is")
    asked.check(queries, codes)
    if parts[0].queries != asked.queries:
        raise InputError(f"{counts[0]}: counts of other queries than those of {codes}; expected the same")
    tables = {name: add_up([part.tables[name] for part in parts]) for name in ("outcomes", "buckets", "matching")}
    collisions = internal_collisions(tables["buckets"], tables["matching"])
    first, second, other = asked.triplets
    same, different = (distance_counts(first, views, identity.bits) for views in (second, other))
    largest = max(wanted.positive)
    pairs = distance_rows(same, different).assign(database_size=largest)
    rows = [retrieval_rows(tables["outcomes"], seed), collision_rows(collisions, label_match(wanted.database)), pairs]
    relevant = np.diff(wanted.positive[largest][1].offsets)[: len(asked.abs_logits)]
    found = pd.concat([part.tables["probes"] for part in parts], ignore_index=True)
    random = stream(seed, "equihash", "bootstrap", "probes")
    probed = recall_against_probes(found, relevant, min(probes, 2**identity.bits), random)
    probed.insert(0, "database_size", largest)
    distances = distance_table(same, different).assign(bits=identity.bits)
    written = {
        "evaluation": pd.concat(rows, ignore_index=True),
        "bucket_sizes": tables["buckets"],
        "probes": probed,
        "distances": distances,
    }
    for name, table in written.items():
        whole = table.assign(**keys)
        write_csv(whole[[*keys, *table.columns]], outputs[name])
    return {"items": identity.n_items, "fingerprints": {"model": identity.model, "config": identity.config}}
