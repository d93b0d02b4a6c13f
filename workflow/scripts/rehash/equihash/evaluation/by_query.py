"""What each query of a database retrieves, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.databases.queries import ITEMS, Queries, Relevant
from rehash.equihash.evaluation.retrieval import outcomes_of
from rehash.equihash.index.fingerprints import partition_of
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.query_codes import QueryCodes
from rehash.progress import progress
from rehash.store import write_csv


def list_queries(
    partitions: Sequence[str | Path],
    codes: str | Path,
    queries: str | Path,
    output: str | Path,
    *,
    keys: dict[str, Any],
) -> dict[str, Any]:
    """Write a row for each query and size of a database: what an exact look-up retrieves (CSV).

    Columns: the keys, database_size, kind (positive or negative), query (its number among these), label, and the
    numbers of items retrieved, of relevant items, and of hits, which are both; of a database that is asked its items
    also own, 1 where the item that the query is was retrieved. Positive queries of a size are asked of that size;
    negative ones of each. Of unknown labels a label is the number of the item, the only one that is relevant.

    Args:
        partitions: of the index. codes: of the queries. keys: task, model, variant, seed, database.

    Memory: the queries and their rows, some hundred bytes each; buckets are not read.

    Raises:
        InputError: the files do not fit together.
    """
    index, asked, wanted = Index.open(partitions), QueryCodes.read(codes), Queries.read(queries)
    index.origin.check(asked.origin, codes, f"{partitions[0]} is")
    asked.check(queries, codes)
    none = Relevant(np.zeros(len(wanted.negative) + 1, np.int64), np.empty(0, np.int64))
    lists = [(size, "positive", *wanted.positive[size], found) for size, found in asked.positive.items()]
    lists += [(size, "negative", wanted.negative, none, asked.negative) for size in sorted(wanted.positive)]
    tables = []
    for size, kind, labels, relevant, of_list in progress(lists, "queries", "list"):
        numbers = np.zeros((4, len(labels)), np.int64)
        own = wanted.own(np.arange(len(labels))) if kind == "positive" else np.full(len(labels), -1)
        places = partition_of(of_list, index.partitions)
        for number in range(index.partitions):
            rows, partition = np.flatnonzero(places == number), index.partition(number)
            numbers[:, rows] = outcomes_of(
                partition.ids, *partition.ranges(of_list[rows]), relevant.take(rows), size, own[rows]
            )
        columns = dict(zip(("retrieved", "relevant", "hits", *(["own"] if wanted.asked == ITEMS else [])), numbers))
        about = {"database_size": size, "kind": kind, "query": np.arange(len(labels)), "label": labels}
        tables.append(pd.DataFrame({**about, **columns}))
    table = pd.concat(tables, ignore_index=True)
    write_csv(table.assign(**keys)[[*keys, *table]], output)
    return {"queries": len(table), "digests": dict.fromkeys(map(str, partitions), index.digest)}
