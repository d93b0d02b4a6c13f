"""Hamming distances of pairs of a database's own items, whose labels differ.

A database has far more pairs of items than pairs of queries: with millions of them the distances of unrelated views are
seen to the share of one in a million.
"""

from __future__ import annotations

import numpy as np

from rehash.equihash.databases.label_files import Labels
from rehash.equihash.evaluation.retrieval import distance_counts
from rehash.equihash.index.lookup import Index
from rehash.seeds import stream

_COMPARED = 2**20  # pairs whose codes are held side by side


def item_distances(index: Index, labels: Labels, pairs: int, seed: int) -> np.ndarray:
    """Count random pairs of items of different labels at Hamming distance 0, 1, ... bits, int64 (bits + 1,).

    Both items of a pair are drawn from all items, each equally likely, by a stream of the database's own; pairs of one
    label, or of one item, are left out, so that the counts sum to slightly less than `pairs`. What is drawn depends on
    no number of shards or partitions.

    Args:
        index: of the database. labels: of the database.
        pairs: how many are drawn.

    Memory: 72 bytes a pair and four times a fingerprint, and some hundred MB.
    """
    origin, random = index.origin, stream(seed, "equihash", "item pairs", labels.database.name)
    drawn = random.integers(origin.n_items, size=(pairs, 2))
    items, places = np.unique(drawn, return_inverse=True)
    places = places.reshape(drawn.shape)
    del drawn
    carried, codes = labels.take(items), index.codes_of(items)
    counts = np.zeros(origin.bits + 1, np.int64)
    for start in range(0, pairs, _COMPARED):
        first, second = places[start : start + _COMPARED].T
        apart = carried[first] != carried[second]
        counts += distance_counts(codes[first[apart]], codes[second[apart]], origin.bits)
    return counts
