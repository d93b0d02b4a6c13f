"""The items of an index whose fingerprints are nearest to a query's, by comparing all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rehash.bits import Codes, pack, unpack
from rehash.equihash.index.lookup import Index
from rehash.errors import InputError
from rehash.progress import progress

_BITS = 2**22  # of the fingerprints that are compared at once: where all tie, each takes eight bytes


class Nearest(NamedTuple):
    """The items nearest to one query, nearest first.

    Attributes:
        ids: int64 (n,). codes: their fingerprints, uint8 (n, bits / 8).
        distances: int64 (n,), bits that differ. costs: float64 (n,), the sum of these bits' |logit|.
        counts: int64 (bits + 1,), how many of all items are at each distance.
    """

    ids: np.ndarray
    codes: Codes
    distances: np.ndarray
    costs: np.ndarray
    counts: np.ndarray


def nearest(index: Index, logits: np.ndarray, count: int) -> list[Nearest]:
    """Find the `count` items nearest to each query: by Hamming distance, then by cost, then by number.

    The cost of an item is the sum of the |logit| of the bits in which its fingerprint differs from the query's, by
    which multi-probing goes, too: of two items at one distance, that comes first whose differing bits the network was
    less sure of. All fingerprints are read once, from the first partition to the last, whatever the number of queries.

    Args:
        logits: float (q, bits), finite.

    Memory: some tens of MB, however many items there are.

    Raises:
        InputError: the logits have another width.
    """
    bits = index.origin.bits
    if logits.ndim != 2 or logits.shape[1] != bits:
        raise InputError(f"logits of queries are {logits.shape}; expected (n, {bits})")
    queries, weights = pack(logits > 0), np.abs(logits).astype(np.float64)
    none = np.empty(0, np.int64)
    empty = Nearest(none, np.empty((0, index.origin.width), np.uint8), none, np.empty(0), np.zeros(bits + 1, np.int64))
    found = [empty] * len(queries)
    for number in progress(range(index.partitions), "nearest fingerprints", "partition"):
        partition = index.mapped(number)
        step = max(1, _BITS // len(weights[0])) if len(weights) else len(partition)
        for start in range(0, len(partition), step):
            rows = slice(start, start + step)
            codes, ids = partition.codes[rows], partition.ids[rows]
            for place, (query, weight) in enumerate(zip(queries, weights)):
                found[place] = _nearer(found[place], codes, ids, query, weight, count)
    return found


def _nearer(
    so_far: Nearest, codes: Codes, ids: np.ndarray, query: np.ndarray, weight: np.ndarray, count: int
) -> Nearest:
    """Return the nearest of those so far and of some more items."""
    distances = _distances(codes, query)
    counts = so_far.counts + np.bincount(distances, minlength=len(so_far.counts))
    full = len(so_far.ids) == count
    near = np.flatnonzero(distances <= (so_far.distances[-1] if full else len(weight)))
    if not full and len(near) > count:  # none beyond the distance of the last that can be taken
        near = near[distances[near] <= np.partition(distances[near], count - 1)[count - 1]]
    costs = (unpack(codes[near] ^ query, len(weight)) * weight).sum(axis=1)
    both = (
        np.concatenate(pair)
        for pair in (
            (so_far.ids, ids[near].astype(np.int64)),
            (so_far.codes, codes[near]),
            (so_far.distances, distances[near]),
            (so_far.costs, costs),
        )
    )
    ids, codes, distances, costs = both
    order = np.lexsort((ids, costs, distances))[:count]
    return Nearest(ids[order], codes[order], distances[order], costs[order], counts)


def _distances(codes: Codes, query: np.ndarray) -> np.ndarray:
    """Return the Hamming distance of each code to one query, int64 (n,); whole words at a time where they fill."""
    if codes.shape[1] % 8 == 0:
        codes, query = (np.ascontiguousarray(each).view(np.uint64) for each in (codes, query))
    return np.bitwise_count(codes ^ query).sum(axis=-1, dtype=np.int64)
