"""Internal collisions of a database, pairs of items with one fingerprint and different labels; and their rate.

The irrelevant collision rate (ICR) is the probability that two views of different labels have one fingerprint. Of n
items with k internal collisions it is estimated by x / P(labels differ), x = 2k / (n^2 - n).

Its interval is derived as follows. Items are independent draws of a label and a view of it. With h_ij = 1 where items i
and j collide internally, 0 elsewhere, x is the mean of h over all pairs, a U-statistic of expectation X = E h_12. Two
pairs without a common item are independent, each pair has 2n - 4 others that share one item with it, and
h_12^2 = h_12, so

    var x = 2 / (n^2 - n) * (X - X^2 + (2n - 4) (E h_12 h_13 - X^2))
          = 2 / (n^2 - n) * (X + (2n - 4) E h_12 h_13 - (2n - 3) X^2).

Let p_f be the probability of fingerprint f. If h_12 h_13 = 1, three independent items have one fingerprint; so

    E h_12 h_13 <= sum of p_f^3 <= (sum of p_f^2)^1.5 <= (X + a)^1.5,

the second because the 3-norm of a vector is at most its 2-norm; the third because two items of one fingerprint either
have different labels, with probability X, or one label, with probability a at most. One may take for a the largest
probability of a label, or the probability that two items have one label, which is no larger. Chebyshev's inequality
then says that

    (x - X)^2 <= V(X) / (1 - confidence),    V(X) = 2 / (n^2 - n) * (X + (2n - 4) (X + a)^1.5 - (2n - 3) X^2)

with probability `confidence` at least, whatever the fingerprints; the interval is from the smallest to the largest X
that satisfies it. Items of a database that draws from a pool of labels are independent draws given the pool: there the
interval is of the rate among its labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from rehash.bits import Codes
from rehash.equihash.databases.labels import Database
from rehash.equihash.evaluation.retrieval import add_up
from rehash.equihash.index.fingerprints import compare_words, words
from rehash.errors import InputError
from rehash.intervals import CONFIDENCE

_BLOCK = 2**22  # items of a block, which has whole buckets


def label_match(database: Database) -> float:
    """Return the probability that two items of a database have one label; P(labels differ) is 1 minus this.

    It is 1 / L for labels drawn from all L. From a pool of M random labels, two items draw the same member with
    probability 1 / M, and two members have one label with probability 1 / L: 1 / M + (1 - 1 / M) / L.
    """
    by_chance = 1 / database.label_count
    return by_chance if database.pool_size is None else by_chance + (1 - by_chance) / database.pool_size


def bucket_sizes(codes: Codes, ids: np.ndarray, sizes: Sequence[int]) -> pd.DataFrame:
    """Count the buckets of a partition with 1, 2, ... items, in the databases of the ids below each of `sizes`.

    Args:
        codes, ids: the partition, ascending by code.

    Returns:
        database_size, bucket_size, buckets; tables of several partitions add up (`retrieval.add_up`).
    """
    tables = [_table([], bucket_size=[], buckets=[])]
    for items, starts in _buckets(codes):
        for size in sizes:
            inside, buckets = np.unique(_counts(ids[items] < size, starts), return_counts=True)
            tables.append(_table(size, bucket_size=inside[inside > 0], buckets=buckets[inside > 0]))
    return add_up(tables)


def matching_pairs(
    codes: Codes, ids: np.ndarray, labels_of: Callable[[np.ndarray], np.ndarray], sizes: Sequence[int]
) -> pd.DataFrame:
    """Count the pairs of a partition's items that have one fingerprint and one label.

    Args:
        codes, ids: the partition, ascending by code.
        labels_of: returns the labels, ints (m,), of items, ids (m,) in any order. It is called only for items that
            share their fingerprint with another, with some millions of items at once.
        sizes: database sizes.

    Returns:
        database_size, pairs; tables of several partitions add up (`retrieval.add_up`).
    """
    totals = dict.fromkeys(sizes, 0)
    for items, starts in _buckets(codes):
        lengths = np.diff(starts, append=items.stop - items.start)
        shared = np.repeat(lengths > 1, lengths)
        if not shared.any():
            continue
        held, buckets = ids[items][shared], np.repeat(np.arange(len(starts)), lengths)[shared]
        labels = labels_of(held)
        order = np.lexsort((labels, buckets))
        held, buckets, labels = held[order], buckets[order], labels[order]
        changes = (np.diff(buckets) != 0) | (np.diff(labels) != 0)
        groups = np.flatnonzero(np.append(True, changes))
        for size in sizes:
            totals[size] += int(_pairs(_counts(held < size, groups)).sum())
    return _table(list(totals), pairs=list(totals.values()))


def internal_collisions(buckets: pd.DataFrame, matching: pd.DataFrame) -> dict[int, int]:
    """Compute the internal collisions by database size from `bucket_sizes` and `matching_pairs` of all partitions.

    Raises:
        InputError: the buckets do not hold as many items as a database size says.
    """
    same_label = dict(zip(matching.database_size.tolist(), matching.pairs.tolist()))
    found = {}
    for size, table in buckets.groupby("database_size"):
        held = sum(np.multiply(table.bucket_size, table.buckets).tolist())
        if held != size:
            raise InputError(
                f"internal collisions: the buckets hold {held} of the first {size} items; expected all partitions of a "
                f"database of {size} items or more, each once"
            )
        alike = sum(
            count * n for count, n in zip(_pairs(table.bucket_size.to_numpy()).tolist(), table.buckets.tolist())
        )
        found[int(size)] = alike - same_label[size]
    return found


def icr_interval(collisions: int, n_items: int, match: float) -> tuple[float, float]:
    """Compute the Chebyshev interval of the irrelevant collision rate (see above) from the collisions of n items.

    Args:
        match: the probability that two items have one label (`label_match`).

    Returns:
        low and high; NaN for fewer than two items, or if all labels are one.
    """
    if n_items < 2 or match >= 1:
        return np.nan, np.nan
    n, seen = float(n_items), _estimate(collisions, n_items)

    def inside(x: float) -> bool:
        variance = 2 / (n * (n - 1)) * (x + (2 * n - 4) * (x + match) ** 1.5 - (2 * n - 3) * x**2)
        return (seen - x) ** 2 <= variance / (1 - CONFIDENCE)

    high = _edge(inside, seen, max(seen, 1 - match))  # items that collide have different labels
    return _edge(inside, seen, 0.0) / (1 - match), high / (1 - match)


def collision_rows(collisions: dict[int, int], match: float) -> pd.DataFrame:
    """Return the metrics internal_collisions and irrelevant_collision_rate, from the result of `internal_collisions`.

    Columns database_size, metric, value (float64), low, high, n; n counts items. Intervals are Chebyshev's at 95%; that
    of the internal collisions is of their expectation.
    """
    rows = []
    for size, count in collisions.items():
        low, high = icr_interval(count, size, match)
        icr = _estimate(count, size) / (1 - match) if size > 1 and match < 1 else np.nan
        expected = (1 - match) * size * (size - 1) / 2  # collisions for an ICR of 1
        for metric, values in {
            "internal_collisions": (count, low * expected, high * expected),
            "irrelevant_collision_rate": (icr, low, high),
        }.items():
            rows.append(
                {"database_size": size, "metric": metric, **dict(zip(("value", "low", "high"), values)), "n": size}
            )
    return pd.DataFrame(rows)


def _edge(inside: Callable[[float], bool], start: float, end: float) -> float:
    """Return the end, between `start` and `end`, of the interval that contains `start`, by bisection.

    There is only one such end: with D = V(X) / (1 - confidence) - (x - X)^2, D is convex and then concave in X, is not
    negative at x, and does not fall there while it is convex.
    """
    if inside(end):
        return end
    for _ in range(1100):  # enough bisections to get from 1 to the smallest float
        middle = (start + end) / 2
        if middle in (start, end):
            break
        start, end = (middle, end) if inside(middle) else (start, middle)
    return start


def _estimate(collisions: int, n_items: int) -> float:
    return 2 * collisions / (n_items * (n_items - 1))


def _pairs(counts: np.ndarray) -> np.ndarray:
    """Return n (n - 1) / 2, int64, without an overflow on the way."""
    return counts // 2 * (counts - 1 + counts % 2)


def _counts(members: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Count the members, bool (n,), of each group; groups begin at `starts`; int64."""
    return np.add.reduceat(members, starts, dtype=np.int64)


def _table(size: int | list[int], **columns: Sequence[int]) -> pd.DataFrame:
    return pd.DataFrame({"database_size": size, **columns}, dtype=np.int64)


def _buckets(codes: Codes) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of whole buckets: the slice of their items, and where in the block each bucket begins."""
    start, size = 0, _BLOCK
    while start < len(codes):
        stop = min(start + size, len(codes))
        block = words(codes[start:stop])
        if not compare_words(block[:-1], block[1:], np.less_equal).all():
            raise InputError("fingerprints that are not in order; expected them sorted, as a merge writes them")
        begins = np.flatnonzero(np.append(True, (block[1:] != block[:-1]).any(axis=1)))
        if stop < len(codes):  # the last bucket may go on behind the block
            if len(begins) == 1:
                size *= 2
                continue
            stop, begins = start + int(begins[-1]), begins[:-1]
        yield slice(start, stop), begins
        start, size = stop, _BLOCK
