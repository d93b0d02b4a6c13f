"""What is found among the first items of a ranking with ties: the expectation over a random order of tied items.

Hamming distances tie: with 64 bits, a query's distances to 54,000 items have at most 65 values. The items of a tie come
in any order, and which one a sort gives is an accident, so all here are expectations in which each order within each
tie is equally likely (McSherry & Najork, Computing information retrieval performance measures efficiently in the
presence of tied scores, ECIR 2008). They follow from the number of items and of relevant items in each tie. A ranking
without ties is the case in which a tie has one item, and is what `in_order` computes directly.

Throughout, q is the number of queries, M of items, T of a query's relevant items; places in a ranking count from 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

# Of a hypergeometric distribution at most 2 e^-TAIL is left out on each side (Bernstein's inequality).
_TAIL = 40


@dataclass(frozen=True)
class Ties:
    """The ties of the rankings of q queries, in the order of the ranking.

    Attributes:
        ends: int64 (q, G), how many items there are up to the end of each tie, from the first item of all; a tie may be
            empty. Items behind the last tie are irrelevant.
        found: int64 (q, G), how many of these are relevant.
    """

    ends: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, ends: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Ties:
        """Return the ties of several rankings; ends and found are int64 (G,) of each, of any length above 0."""
        both = np.empty((2, len(ends), max(map(len, ends))), np.int64)
        for number, each in enumerate(zip(ends, found)):
            for row, values in zip(both[:, number], each):
                row[: len(values)], row[len(values) :] = values, values[-1]
        return cls(*both)


@dataclass(frozen=True)
class Found:
    """What is found among the first k items, for several k: float64 (q, number of k) each.

    Attributes:
        relevant: the number of relevant items.
        precisions: the sum, over the relevant items, of the precision at their place, that is the share of relevant
            items up to and with that place.
        gains: the sum, over the relevant items, of 1 / log2(place + 1) (Järvelin & Kekäläinen 2002).
    """

    relevant: np.ndarray
    precisions: np.ndarray
    gains: np.ndarray


@lru_cache(maxsize=2)
def harmonic(items: int) -> np.ndarray:
    """Compute the harmonic numbers, sums of 1 / i for i up to 0 ... items, long double (items + 1,).

    Ties need small differences of large ones, which is why they have the digits that the machine can give.
    """
    return np.append(0, np.cumsum(1 / np.arange(1, items + 1, dtype=np.longdouble)))


@lru_cache(maxsize=2)
def _gains(items: int) -> np.ndarray:
    """Compute 1 / log2(i + 1) for i = 1 ... items, float64 (items + 1,), with 0 before."""
    return np.append(0, 1 / np.log2(np.arange(2, items + 2)))


@lru_cache(maxsize=2)
def most_gained(items: int) -> np.ndarray:
    """Compute the sums of 1 / log2(i + 1) for i up to 0 ... items, float64 (items + 1,)."""
    return np.cumsum(_gains(items))


@lru_cache(maxsize=2)
def _log_factorials(items: int) -> np.ndarray:
    return gammaln(np.arange(1.0, items + 2))


def in_order(ranks: np.ndarray, places: np.ndarray, items: int) -> Found:
    """Compute what is found among the first k items of one ranking without ties; q is 1.

    Args:
        ranks: int64 (T,), the ascending places of the relevant items. places: int64, the k. items: M.
    """
    found = np.searchsorted(ranks, places, side="right")
    precisions, gains = np.zeros((2, len(ranks) + 1))
    np.cumsum(np.arange(1.0, len(ranks) + 1) / ranks, out=precisions[1:])
    np.cumsum(_gains(items)[ranks], out=gains[1:])
    return Found(*(each[None].astype(float) for each in (found, precisions[found], gains[found])))


def expected(ties: Ties, places: np.ndarray, items: int) -> Found:
    """Compute what is expected among the first k items, over a random order of ties.

    Args:
        places: int64, the k, from 1 to M. items: M.
    """
    cut = _cut(ties, places, items)
    share = cut.inside * cut.relevant / np.maximum(cut.items, 1)
    table = most_gained(items)
    start, stop = _starts(ties.ends), ties.ends
    gains = np.diff(ties.found, prepend=0) / np.maximum(stop - start, 1) * (table[stop] - table[start])
    gain = cut.relevant / np.maximum(cut.items, 1) * (table[cut.start + cut.inside] - table[cut.start])
    return Found(
        cut.before + share, cut.precisions + cut.more(items), _at(_starts(np.cumsum(gains, 1)), cut.tie) + gain
    )


def expected_averages(ties: Ties, places: np.ndarray, items: int) -> np.ndarray:
    """Compute the expected average of the precisions at the relevant items found among the first k, (q, number of k).

    It is 0 if none is found. Where a tie goes across the k-th place, the number of relevant items before it is random,
    and with it the denominator: with m places left for the n items of the tie, r of them relevant, h are found with the
    hypergeometric probability C(r, h) C(n - r, m - h) / C(n, m), and these h lie at random places among the m.

    Args:
        places: int64, the k, from 1 to M. items: M.
    """
    cut = _cut(ties, places, items)
    flat = _Cut(*(np.ravel(each) for each in vars(cut).values()))
    drawn, size = flat.inside, np.maximum(flat.items, 1)
    spread = np.sqrt(2 * _TAIL * drawn * flat.relevant / size * (1 - flat.relevant / size)) + 2 / 3 * _TAIL
    middle = drawn * flat.relevant / size
    least = np.maximum(np.maximum(0, drawn - (flat.items - flat.relevant)), np.floor(middle - spread).astype(int))
    most = np.minimum(np.minimum(flat.relevant, drawn), np.ceil(middle + spread).astype(int))
    counts = most - least + 1
    firsts = _starts(np.cumsum(counts))
    case = np.repeat(np.arange(len(counts)), counts)
    hits = np.arange(len(case)) - firsts[case] + least[case]
    probable = _hypergeometric(hits, flat.items[case], flat.relevant[case], drawn[case], items)
    inner = _precisions(flat.start[case], drawn[case], flat.before[case], hits, drawn[case], items)
    averages = (flat.precisions[case] + inner) / np.maximum(flat.before[case] + hits, 1)
    sums = np.add.reduceat(np.stack([probable * averages, probable]), firsts, axis=1)
    return (sums[0] / sums[1]).reshape(cut.tie.shape)


@dataclass(frozen=True)
class _Cut:
    """For several k, the tie that holds the k-th place (or the nearest one with relevant items), and what is before it.

    tie: its number. start: items before it. items, relevant: its items. before: relevant items before it. inside: how
    many of its items are among the first k. precisions: the expected sum of precisions before it. All (q, number of k).
    """

    tie: np.ndarray
    start: np.ndarray
    items: np.ndarray
    relevant: np.ndarray
    before: np.ndarray
    inside: np.ndarray
    precisions: np.ndarray

    def more(self, total: int) -> np.ndarray:
        """Return the expected sum of precisions at the relevant items of the tie that are among the first k."""
        return _precisions(self.start, self.items, self.before, self.relevant, self.inside, total)


def _cut(ties: Ties, places: np.ndarray, total: int) -> _Cut:
    start, before = _starts(ties.ends), _starts(ties.found)
    items, relevant = ties.ends - start, ties.found - before
    sums = np.cumsum(_precisions(start, items, before, relevant, items, total), axis=1)
    tie = np.stack([np.searchsorted(ends, places) for ends in ties.ends])
    tie = np.minimum(tie, ties.ends.shape[1] - 1)
    of_tie = [_at(each, tie) for each in (start, items, relevant, before)]
    inside = np.clip(places - of_tie[0], 0, of_tie[1])
    return _Cut(tie, *of_tie, inside, _at(_starts(sums), tie))


def _precisions(
    start: np.ndarray, items: np.ndarray, before: np.ndarray, relevant: np.ndarray, inside: np.ndarray, total: int
) -> np.ndarray:
    """Compute the expected sum of the precisions at the relevant ones of the first `inside` items of a tie, float64.

    The item at place N + i of a tie of n items, r of them relevant, that follows N items, R of them relevant, is
    relevant with probability r / n; then (i - 1) (r - 1) / (n - 1) of those before it in the tie are, on average. Hence
    r / n sum_i (R + 1 + (i - 1) (r - 1) / (n - 1)) / (N + i), whose sums are differences of harmonic numbers.
    """
    table = harmonic(total)
    reciprocals = table[start + inside] - table[start]
    share, slope = relevant / np.maximum(items, 1), (relevant - 1) / np.maximum(items - 1, 1)
    return (share * ((before + 1) * reciprocals + slope * (inside - (start + 1) * reciprocals))).astype(float)


def _hypergeometric(hits: np.ndarray, items: np.ndarray, relevant: np.ndarray, drawn: np.ndarray, total: int):
    logs = _log_factorials(total)

    def choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return logs[n] - logs[k] - logs[n - k]

    return np.exp(choose(relevant, hits) + choose(items - relevant, drawn - hits) - choose(items, drawn))


def _starts(ends: np.ndarray) -> np.ndarray:
    """Return the cumulative sums before each place from those up to it, along the last axis."""
    starts = np.zeros_like(ends)
    starts[..., 1:] = ends[..., :-1]
    return starts


def _at(values: np.ndarray, tie: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, tie, axis=1)
