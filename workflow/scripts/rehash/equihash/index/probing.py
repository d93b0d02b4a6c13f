"""Multi-probing: the fingerprints that a query may have had instead of its own, the likeliest first.

The bits of a query whose logits are nearest to 0 are the likeliest to differ in another view of its label. A probe is
the fingerprint with some bits flipped; its cost is the sum of the flipped bits' |logit|; probes come in order of cost
(query-directed probing: Lv et al. 2007).

Which sets of bits can be among the T cheapest at all? Sort a query's bits by |logit|. A set A of places in this order
is below a set B if A has no more places, A's last place is at most B's last, A's last but one at most B's, and so on.
Then A costs no more than B, whatever the logits. So B can be among the T cheapest only if fewer than T other sets are
below it, and these candidates depend on T and the number of bits alone: 8,956 sets for T = 1,000 and 64 bits. A query
needs their costs and the T smallest of them, which is done for many queries at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rehash.bits import pack
from rehash.errors import InputError

_BLOCK = 64  # queries whose costs are held at once: a few MB, which stay in the cache


class _Candidates(NamedTuple):
    """C sets of places (0 to K - 1) that can be among the cheapest, ordered by size, then by places from the last on.

    Attributes:
        places: int64 (C, most), the places of each set from the last on, filled up with K.
        levels: the slices of the sets with 1, 2, ... places.
        parents: int64 (C,), the number of the set without its first place; for the empty set its own number.
        first: int64 (C,), the first place of each set; K for the empty set.
    """

    places: np.ndarray
    levels: tuple[slice, ...]
    parents: np.ndarray
    first: np.ndarray


def probe_masks(abs_logits: np.ndarray, probes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits that each query's `probes` cheapest probes flip, and their costs; the first probe flips no bit.

    Args:
        abs_logits: float (q, K), |logit| of each bit.
        probes: how many; of K bits there are at most 2^K.

    Returns:
        flips: uint8 (q, T, ceil(K / 8)), packed codes to xor with the fingerprints, T = min(probes, 2^K).
        costs: float64 (q, T), ascending: sums of |logit| in float64, from the largest on.

    Let the bits be ordered by |logit|, equal ones by number. Of probes of equal cost, the one with fewer flipped bits
    comes first; then the one whose last flipped bit is earlier in this order; then the one whose last but one is; and
    so on.

    Memory: the results (T * (8 + K / 8) bytes a query), and some MB.

    Raises:
        InputError: an |logit| is negative or NaN, or `probes` is below 1.
    """
    n_queries, n_bits = abs_logits.shape
    if not (abs_logits >= 0).all():
        raise InputError("multi-probing: |logits| with a negative value or NaN; expected 0 or more")
    if probes < 1:
        raise InputError(f"multi-probing: {probes} probes; expected 1 or more")
    probes = min(probes, 2**n_bits)
    candidates = _candidates(n_bits, probes)
    width = -(-n_bits // 8)
    words = np.zeros((n_bits + 1, -(-width // 8) * 8), np.uint8)  # the last row stands for no bit
    words[:n_bits, :width] = pack(np.eye(n_bits, dtype=bool))
    words = words.view(np.uint64)
    flips = np.empty((n_queries, probes, width), np.uint8)
    costs = np.empty((n_queries, probes))
    for start in range(0, n_queries, _BLOCK):
        block = slice(start, start + _BLOCK)
        order = np.argsort(abs_logits[block], axis=1, kind="stable")
        ordered = np.take_along_axis(abs_logits[block], order, axis=1).astype(np.float64)
        chosen, costs[block] = _cheapest(_costs(ordered, candidates), probes)
        bit_at = np.pad(order, ((0, 0), (0, 1)), constant_values=n_bits)
        codes = np.zeros((*chosen.shape, words.shape[1]), np.uint64)
        for places in candidates.places.T:
            codes |= words[np.take_along_axis(bit_at, places[chosen], axis=1)]
        flips[block] = codes.view(np.uint8)[..., :width]
    return flips, costs


def _costs(ordered: np.ndarray, candidates: _Candidates) -> np.ndarray:
    """Compute the costs of all candidates, float64 (q, C), from sorted |logits|, float64 (q, K).

    The cost of a set is that of its parent plus that of its first place. So costs are added from the last place on, and
    rounding makes no set cheaper than one that is below it.
    """
    by_place = np.ascontiguousarray(ordered.T)
    costs = np.zeros((len(candidates.parents), len(ordered)))
    for level in candidates.levels:
        costs[level] = costs[candidates.parents[level]] + by_place[candidates.first[level]]
    return np.ascontiguousarray(costs.T)


def _cheapest(costs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns, int64 (q, count), and costs of the `count` smallest of each row, in order, ties by column."""
    bound = np.partition(costs, count - 1, axis=1)[:, count - 1 : count]
    taken = costs <= bound
    for row in np.flatnonzero(taken.sum(axis=1) > count):
        last = np.flatnonzero(costs[row] == bound[row])
        taken[row, last[len(last) - (taken[row].sum() - count) :]] = False
    columns = np.nonzero(taken)[1].reshape(len(costs), count)
    found = np.take_along_axis(costs, columns, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(found, order, axis=1)


@lru_cache(maxsize=8)
def _candidates(n_bits: int, probes: int) -> _Candidates:
    levels = list(_levels(n_bits, probes))
    ends = np.cumsum([len(sets) for sets, _ in levels]).tolist()
    most = len(levels) - 1
    return _Candidates(
        places=np.concatenate(
            [np.pad(sets, ((0, 0), (0, most - size)), constant_values=n_bits) for size, (sets, _) in enumerate(levels)]
        ),
        levels=tuple(slice(*edges) for edges in pairwise(ends)),
        parents=np.concatenate([rows + first for (_, rows), first in zip(levels, [0, 0, *ends])]),
        first=np.concatenate([[n_bits], *(sets[:, -1] for sets, _ in levels[1:])]),
    )


def _levels(n_bits: int, probes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, for each size, the places of the candidates, int64 (n, size), and their parents' rows one size below.

    A candidate's parent is below it, hence a candidate too; so adding smaller places to candidates finds them all.
    """
    sets, rows = np.empty((1, 0), np.int64), np.zeros(1, np.int64)
    while len(sets):
        yield sets, rows
        room = sets[:, -1] if sets.shape[1] else np.full(1, n_bits)
        rows = np.repeat(np.arange(len(sets)), room)
        added = np.arange(len(rows)) - np.repeat(np.cumsum(room) - room, room)
        if sets.shape[1]:
            # A cheap bound, for codes of many bits: the number of pairs that are below the set's last and first place.
            few = (added + 1) * (2 * sets[rows, 0] - added) // 2 < probes
            rows, added = rows[few], added[few]
        sets = np.concatenate([sets[rows], added[:, None]], axis=1)
        kept = _count_below(sets) <= probes
        sets, rows = sets[kept], rows[kept]


def _count_below(sets: np.ndarray) -> np.ndarray:
    """Count the sets that are below each set, itself and the empty set included, int64 (n,).

    With s the places of a set from the largest on, let g(t, x) count the ways to go on from the t-th place with places
    below x: g(t, x) = 1 + the sum of g(t + 1, a) over a < x with a at most s_t. The result is g(0, x) for an x above
    all places.
    """
    bounds = np.arange(sets.max(initial=0) + 2)
    ways = np.ones((len(sets), len(bounds)), np.int64)
    for places in sets.T[::-1]:
        sums = np.cumsum(ways, axis=1) - ways
        ways = 1 + np.take_along_axis(sums, np.minimum(bounds, places[:, None] + 1), axis=1)
    return ways[:, -1]
