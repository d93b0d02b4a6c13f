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

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from rehash.bits import Codes
from rehash.compiled import compiled, inlined
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.mixing import mix
from rehash.equihash.evaluation.retrieval import add_up
from rehash.equihash.index.fingerprints import big_endian, units
from rehash.errors import InputError
from rehash.intervals import CONFIDENCE

_BLOCK = 2**22  # items of a block, which has whole buckets, or is a part of a larger one
_SLOTS = 2**25  # of a table of labels, 16 bytes each; a power of 2
_LabelsOf = Callable[[np.ndarray], np.ndarray]
_mixed = inlined(mix)


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
        codes, ids: the partition, ascending by code, and by id where codes are equal.

    Returns:
        database_size, bucket_size, buckets; tables of several partitions add up (`retrieval.add_up`).
    """
    tables = [_table([], bucket_size=[], buckets=[])]
    for items, starts in _buckets(codes):
        for size in sizes:
            counts = _counts(ids[items] < size, starts) if _fits(items) else [bisect_left(ids[items], size)]
            inside, buckets = np.unique(counts, return_counts=True)
            tables.append(_table(size, bucket_size=inside[inside > 0], buckets=buckets[inside > 0]))
    return add_up(tables)


def matching_pairs(codes: Codes, ids: np.ndarray, labels_of: _LabelsOf, sizes: Sequence[int]) -> pd.DataFrame:
    """Count the pairs of a partition's items that have one fingerprint and one label.

    Args:
        codes, ids: the partition, ascending by code, and by id where codes are equal.
        labels_of: returns the labels, ints (m,), of items, ids (m,) in any order. It is called only for items that
            share their fingerprint with another, with some millions of items at once; and several times for those of a
            bucket with tens of millions of labels.
        sizes: database sizes.

    Returns:
        database_size, pairs; tables of several partitions add up (`retrieval.add_up`).

    Memory: some hundred MB; 500 MB more for a bucket of more than some millions of items.
    """
    totals = dict.fromkeys(sizes, 0)
    for items, starts in _buckets(codes):
        if not _fits(items):
            for size, pairs in _pairs_of_a_bucket(ids[items], labels_of, sizes).items():
                totals[size] += pairs
            continue
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


def _pairs_of_a_bucket(ids: np.ndarray, labels_of: _LabelsOf, sizes: Sequence[int]) -> dict[int, int]:
    """Count the pairs of one label among a bucket's items, ids (n,) ascending, below each size.

    A table holds how many items of each label were met. Where it cannot hold all labels, it is filled with those of an
    even hash, and then with those of an odd one; and each of these are halved in turn as often as is needed.
    """
    ordered = sorted(sizes)
    ends, table = [bisect_left(ids, size) for size in ordered], np.empty((2, _SLOTS), np.int64)
    totals, todo = np.zeros(len(ends), np.int64), [(0, 1)]
    while todo:
        turn, turns = todo.pop()
        found = _pairs_in_turn(ids, ends, labels_of, turn, turns, table)
        if found is None:
            todo += [(turn, 2 * turns), (turn + turns, 2 * turns)]
        else:
            totals += found
    return dict(zip(ordered, totals.tolist()))


def _pairs_in_turn(
    ids: np.ndarray, ends: Sequence[int], labels_of: _LabelsOf, turn: int, turns: int, table: np.ndarray
) -> np.ndarray | None:
    """Count the pairs among the first items up to each end, of labels whose hash is `turn` modulo `turns`: int64.

    Returns None if they are too many for the table, int64 (2, _SLOTS).
    """
    table[1], used, pairs, found = 0, 0, 0, []
    for start, end in pairwise([0, *ends]):
        for low in range(start, end, _BLOCK):
            labels = np.ascontiguousarray(labels_of(ids[low : min(low + _BLOCK, end)]), np.int64)
            more, used = _meet(labels, turn, turns, used, *table)
            if used < 0:
                return None
            pairs += more
        found.append(pairs)
    return np.array(found, np.int64)


@compiled
def _meet(labels, turn, turns, used, seen, counts):
    """Put the labels whose hash is `turn` modulo `turns`, a power of 2, into a table of labels and their counts.

    Returns:
        The pairs that they form with those of their label that were met before, and how many places of the table are
        used; -1 for these if more than three quarters would be.
    """
    pairs, end = 0, np.uint64(len(seen) - 1)
    for label in labels:
        mixed = _mixed(np.uint64(label))
        if mixed & np.uint64(turns - 1) != np.uint64(turn):
            continue
        slot = mixed >> np.uint64(32) & end
        while counts[slot] and seen[slot] != label:
            slot = slot + np.uint64(1) & end
        if not counts[slot]:
            used += 1
            if 4 * used > 3 * len(seen):
                return pairs, -1
            seen[slot] = label
        pairs += counts[slot]
        counts[slot] += 1
    return pairs, used


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


def _fits(items: slice) -> bool:
    """Return whether a block of `_buckets` can be held; else it is one bucket."""
    return items.stop - items.start <= _BLOCK


def _buckets(codes: Codes) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of whole buckets: the slice of their items, and where in the block each bucket begins.

    A block has up to `_BLOCK` items, or it is one bucket that has more.
    """
    start = 0
    while start < len(codes):
        stop = min(start + _BLOCK, len(codes))
        begins = _begins(codes[start:stop])
        if len(begins) > 1 and stop < len(codes):  # the last bucket may go on behind the block
            stop, begins = start + int(begins[-1]), begins[:-1]
        else:
            while stop < len(codes):  # and the only bucket does
                more = _begins(codes[stop - 1 : stop + _BLOCK])
                stop += len(codes[stop : stop + _BLOCK]) if len(more) == 1 else int(more[1]) - 1
                if len(more) > 1:
                    break
        yield slice(start, stop), begins
        start = stop


def _begins(codes: Codes) -> np.ndarray:
    """Return where the buckets of items begin, int64; raise an InputError if codes are not in order."""
    numbers, found = units(codes), np.empty(len(codes), np.int64)
    count = _find_begins(numbers, codes.shape[1] // numbers.itemsize, found)
    if count < 0:
        raise InputError("fingerprints that are not in order; expected them sorted, as a merge writes them")
    return found[:count]


@compiled
def _find_begins(codes, width, found):
    """Write down the rows whose code is not that of the row before; return how many, -1 if codes are not in order."""
    count = 0
    for row in range(len(found)):
        begins = row == 0
        for place in range(row * width, 0 if begins else (row + 1) * width):
            before, mine = big_endian(codes[place - width]), big_endian(codes[place])
            if before > mine:
                return -1
            if before < mine:
                begins = True
                break
        if begins:
            found[count] = row
            count += 1
    return count
