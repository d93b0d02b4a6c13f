"""The metrics of a network on a whole database, from the counts of its index's partitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.labels import UNKNOWN
from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.collisions import collision_rows, internal_collisions, label_match
from rehash.equihash.evaluation.counts import check_counts
from rehash.equihash.evaluation.item_pairs import item_distances
from rehash.equihash.evaluation.probing import recall_against_probes
from rehash.equihash.evaluation.retrieval import (
    add_up,
    bucket_table,
    distance_counts,
    distance_rows,
    distance_table,
    retrieval_rows,
)
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.query_codes import QueryCodes
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_csv


def evaluate_index(
    counts: Sequence[str | Path],
    codes: str | Path,
    queries: str | Path,
    partitions: Sequence[str | Path],
    labels: str | Path,
    outputs: dict[str, str | Path],
    *,
    keys: dict[str, Any],
    probes: int,
    item_pairs: int,
    seed: int,
) -> dict[str, Any]:
    """Write a network's metrics, sizes of buckets, recall against probes, and distances of pairs (CSV).

    All tables begin with the keys. Their other columns are:

    evaluation: database_size, metric, value, low, high, n; see `retrieval_rows`, `collision_rows` and, for the whole
    database, `distance_rows`. bucket_sizes: database_size, bucket_size, buckets. query_buckets: `bucket_table`. probes:
    database_size and `recall_against_probes`, of the whole database. distances: `distance_table`, and bits. Of unknown
    labels there are no metrics of collisions, nor those that `retrieval_rows` leaves out; what probes find is compared
    with the query's own item, and pairs of items may have one label.

    Args:
        counts: of all partitions (`counts.evaluate_partition`). codes, queries: as there.
        partitions: of the index. labels: of the database.
        outputs: evaluation, bucket_sizes, query_buckets, probes and distances.
        keys: task, model, variant, seed, database.
        item_pairs: how many pairs of items are drawn (`item_distances`); the partitions are not read if 0.
        seed: of the bootstrap and of the pairs of items.

    Raises:
        InputError: the files do not fit together.
    """
    parts, asked, wanted = check_counts(counts), QueryCodes.read(codes), Queries.read(queries)
    origin = parts[0].origin
    origin.check(asked.origin, codes, f"{counts[0]} is")
    asked.check(queries, codes)
    if parts[0].queries != asked.queries:
        raise InputError(f"{counts[0]}: counts of other queries than those of {codes}; expected the same")
    index, carried = Index.open(partitions), Labels.open(labels)
    origin.check(index.origin, partitions[0], f"{counts[0]} is")
    wanted.check(carried.database, queries)
    tables = {name: add_up([part.tables[name] for part in parts]) for name in ("outcomes", "buckets", "matching")}
    first, second, other = asked.triplets
    same, different = (distance_counts(first, views, origin.bits) for views in (second, other))
    largest, labelled = max(wanted.positive), wanted.database.source != UNKNOWN
    pairs = distance_rows(same, different).assign(database_size=largest)
    rows = [retrieval_rows(tables["outcomes"], seed, wanted.asked, sorted(wanted.positive), labelled=labelled)]
    if labelled:
        collisions = internal_collisions(tables["buckets"], tables["matching"])
        rows.append(collision_rows(collisions, label_match(wanted.database)))
    rows.append(pairs)
    relevant = wanted.positive[largest][1].counts[: len(asked.abs_logits)]
    found = pd.concat([part.tables["probes"] for part in parts], ignore_index=True)
    random = stream(seed, "equihash", "bootstrap", "probes")
    probed = recall_against_probes(found, relevant, min(probes, 2**origin.bits), random)
    probed.insert(0, "database_size", largest)
    items = item_distances(index, carried, item_pairs, seed) if item_pairs else None
    distances = distance_table(same, different, items).assign(bits=origin.bits)
    written = {
        "evaluation": pd.concat(rows, ignore_index=True),
        "bucket_sizes": tables["buckets"],
        "query_buckets": bucket_table(tables["outcomes"], wanted.asked),
        "probes": probed,
        "distances": distances,
    }
    digests = {carried.path: carried.checksum} | dict.fromkeys(map(str, partitions), index.digest)
    for name, table in written.items():
        whole = table.assign(**keys)
        write_csv(whole[[*keys, *table.columns]], outputs[name])
    return {
        "items": origin.n_items,
        "fingerprints": {"model": origin.model, "config": origin.config},
        "digests": digests,
    }
