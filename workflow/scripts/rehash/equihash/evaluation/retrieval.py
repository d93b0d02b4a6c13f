"""Counts of what a partition of an inverted index answers, and the metrics that are computed from the counts.

Counts are a table of whole numbers with a row for each distinct outcome, whose last column says how often the outcome
occurred. Such tables of several partitions and blocks of queries add up (`add_up`) to the same table however the work
was divided, and all metrics with their bootstrap intervals follow from it exactly. It has few rows, where a list of
values would have one for each query.

What a partition finds is given by two arrays of places among its `ids`, `low` and `high`: the items that have a query's
fingerprint are ids[low:high], ascending (`rehash.equihash.index.partitions.Partition.ranges`). The database of the
first n items has the ids below n, so one partition answers for databases of several sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import fsum

import numpy as np
import pandas as pd

from rehash.bits import Codes, random_distances
from rehash.equihash.databases.queries import Relevant
from rehash.intervals import bootstrap_interval, clopper_pearson
from rehash.seeds import stream

OUTCOME = ["database_size", "retrieved", "relevant", "hits", "queries"]
RADII = range(4)  # bits, of recall_at_r and fallout_at_r
_BLOCK = 2**22  # queries and relevant ids that are looked up at once


def positive_outcomes(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant, sizes: Sequence[int]
) -> pd.DataFrame:
    """Count the outcomes of queries whose label is in the database.

    Args:
        ids: of the partition, ints (n,). low, high: what it finds, int64 (q,) each.
        relevant: the relevant ids of these queries in the whole database, whether in this partition or not.
        sizes: database sizes.

    Returns:
        database_size; retrieved, relevant and hits, the numbers of ids in the bucket, of relevant ids, and of those
        that are both; queries, how many had this outcome. A query does not count for a database size at which no item
        has its label.
    """
    counted = [_empty()]
    for part, owner, hit in _matches(ids, low, high, relevant):
        wanted = relevant.ids[relevant.offsets[part.start] : relevant.offsets[part.stop]]
        first, n_queries = low[part], part.stop - part.start
        for size in sizes:
            inside = wanted < size
            n_relevant = np.bincount(owner[inside], minlength=n_queries)
            n_hits = np.bincount(owner[inside & hit], minlength=n_queries)
            n_retrieved = _places(ids, first, high[part], np.full(n_queries, size)) - first
            asked = n_relevant > 0
            counted.append(_outcomes(size, n_retrieved[asked], n_relevant[asked], n_hits[asked]))
    return add_up(counted)


def negative_outcomes(ids: np.ndarray, low: np.ndarray, high: np.ndarray, sizes: Sequence[int]) -> pd.DataFrame:
    """Count the outcomes of queries whose label is not in the database, as `positive_outcomes`, with none relevant."""
    none = np.zeros(len(low), np.int64)
    counted = [_outcomes(size, _places(ids, low, high, none + size) - low, none, none) for size in sizes]
    return add_up([_empty(), *counted])


def add_up(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Add up tables of counts: rows that are equal in all columns but the last become one row, in ascending order."""
    together = pd.concat(tables, ignore_index=True)
    return together.groupby(list(together)[:-1], as_index=False, sort=True).sum()


def hits(ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant) -> np.ndarray:
    """Count the relevant ids of each query that are in its bucket, int64 (q,)."""
    found = np.zeros(len(low), np.int64)
    for part, owner, hit in _matches(ids, low, high, relevant):
        found[part] = np.bincount(owner[hit], minlength=part.stop - part.start)
    return found


def _matches(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield whether each relevant id is in its query's bucket, for a block of queries at a time.

    An id is looked up by bisection of the bucket, so that a bucket of any size costs no memory.

    Yields:
        The slice of the queries; for each of their relevant ids the query, int64, counted from the block's first; and
        whether the id is in the bucket, bool.
    """
    weight = relevant.offsets + np.arange(len(relevant.offsets))
    start = 0
    while start < len(low):
        stop = max(start + 1, int(np.searchsorted(weight, weight[start] + _BLOCK, "right")) - 1)
        offsets = relevant.offsets[start : stop + 1]
        wanted = relevant.ids[offsets[0] : offsets[-1]]
        owner = np.repeat(np.arange(stop - start), np.diff(offsets))
        first, end = low[start:stop][owner], high[start:stop][owner]
        place = _places(ids, first, end, wanted)
        hit = place < end
        hit[hit] = ids[place[hit]] == wanted[hit]
        yield slice(start, stop), owner, hit
        start = stop


def _places(ids: np.ndarray, low: np.ndarray, high: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the first place in [low, high) whose id is at least the wanted one, or else high, int64 (m,)."""
    low, high = low.copy(), high.copy()
    open_ = np.flatnonzero(low < high)
    while len(open_):
        middle = (low[open_] + high[open_]) // 2
        below = ids[middle] < wanted[open_]
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
        open_ = open_[low[open_] < high[open_]]
    return low


def _outcomes(size: int, retrieved: np.ndarray, relevant: np.ndarray, hits: np.ndarray) -> pd.DataFrame:
    return add_up([pd.DataFrame(dict(zip(OUTCOME, (size, retrieved, relevant, hits, 1))), dtype=np.int64)])


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=OUTCOME, dtype=np.int64)


def retrieval_rows(outcomes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Compute the metrics of an equiset and an equidict from all partitions' outcomes, positive and negative together.

    Columns database_size, metric, value, low, high, n; n counts queries. Rates have Clopper-Pearson intervals. Recall
    (the share of relevant ids that are hits) and the mean Jaccard index have bootstrap intervals over queries, each
    with a random stream of its own. All intervals are at 95%. Without queries a value is NaN.
    """
    rows = []
    for size, table in outcomes.groupby("database_size"):
        negative, positive = table[table.relevant == 0], table[table.relevant > 0]
        perfect = (positive.hits == positive.relevant) & (positive.hits == positive.retrieved)
        jaccard = positive.hits / (positive.relevant + positive.retrieved - positive.hits)
        metrics = {
            "true_positive_rate": _rate(positive.queries, positive.retrieved > 0),
            "false_positive_rate": _rate(negative.queries, negative.retrieved > 0),
            "recall": _ratio(positive.queries, positive.hits, positive.relevant, (seed, size, "recall")),
            "jaccard": _ratio(positive.queries, jaccard, jaccard**0, (seed, size, "jaccard")),
            "perfect_retrieval_rate": _rate(positive.queries, perfect),
        }
        rows += [{"database_size": size, "metric": metric, **row} for metric, row in metrics.items()]
    return pd.DataFrame(rows)


def _rate(counts: np.ndarray, success: np.ndarray) -> dict[str, float]:
    successes, n = int(counts[success].sum()), int(counts.sum())
    low, high = clopper_pearson(successes, n)
    return {"value": successes / n if n else np.nan, "low": low, "high": high, "n": n}


def _ratio(
    queries: pd.Series, numerators: pd.Series, denominators: pd.Series, names: tuple[int, int, str]
) -> dict[str, float]:
    seed, *rest = names
    low, high = bootstrap_interval(
        numerators, stream(seed, "equihash", "bootstrap", *rest), denominators=denominators, counts=queries
    )
    total = fsum(queries * denominators)
    value = fsum(queries * numerators) / total if total else np.nan
    return {"value": value, "low": low, "high": high, "n": int(queries.sum())}


def distance_counts(a: Codes, b: Codes, n_bits: int) -> np.ndarray:
    """Count the pairs (a[i], b[i]) at Hamming distance 0, 1, ... n_bits, int64 (n_bits + 1,).

    The counts of several shards add up.
    """
    return np.bincount(np.bitwise_count(a ^ b).sum(axis=1, dtype=np.int64), minlength=n_bits + 1)


def distance_rows(same: np.ndarray, different: np.ndarray) -> pd.DataFrame:
    """Compute recall and fallout of a binary equihash: the shares of pairs of views within r bits, r = 0 to 3.

    Args:
        same, different: `distance_counts` of two views of one label (recall), and of views of two (fallout). A triplet
            gives one pair of each kind; Clopper and Pearson's interval needs pairs that are drawn independently.

    Returns:
        metric (recall_at_0, ... fallout_at_3), value, low, high, n (pairs).
    """
    rows = []
    for metric, counts in (("recall_at", same), ("fallout_at", different)):
        distances = np.arange(len(counts))
        rows += [{"metric": f"{metric}_{r}", **_rate(counts, distances <= r)} for r in RADII]
    return pd.DataFrame(rows)


def distance_table(same: np.ndarray, different: np.ndarray) -> pd.DataFrame:
    """Return both histograms of `distance_counts` as one table: pairs_of (same, different), distance, count."""
    histograms = {"same": same, "different": different}
    tables = [
        pd.DataFrame({"pairs_of": pairs_of, "distance": np.arange(len(counts)), "count": counts})
        for pairs_of, counts in histograms.items()
    ]
    return pd.concat(tables, ignore_index=True)


def distance_statistics(histogram: pd.DataFrame) -> pd.DataFrame:
    """Compute statistics of the distances of each network and kind of pairs, a row for each.

    Columns: the histogram's except distance and count; then pairs, mean and deviation (bits), and binomial: the total
    variation distance to Binomial(bits, 1/2), 0 for the same distribution and 1 for one that shares nothing with it.

    Args:
        histogram: keys, pairs_of, distance, count and bits; see `distance_table`.
    """
    keys = [name for name in histogram if name not in ("distance", "count")]
    rows = []
    for names, found in histogram.groupby(keys, sort=False):
        bits = int(found.bits.iloc[0])
        shares = found.set_index("distance")["count"].reindex(range(bits + 1)).fillna(0)
        pairs = int(shares.sum())
        shares = shares / pairs
        mean = (shares * shares.index).sum()
        deviation = (shares * (shares.index - mean) ** 2).sum() ** 0.5
        apart = np.abs(shares - random_distances(bits)).sum() / 2
        rows.append((*names, pairs, mean, deviation, apart))
    return pd.DataFrame(rows, columns=[*keys, "pairs", "mean", "deviation", "binomial"])
