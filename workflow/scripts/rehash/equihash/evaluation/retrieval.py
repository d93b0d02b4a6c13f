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
from rehash.equihash.databases.queries import ITEMS, Relevant
from rehash.intervals import bootstrap_interval, clopper_pearson
from rehash.seeds import stream

OUTCOME = ["database_size", "retrieved", "relevant", "hits", "own", "queries"]
RADII = range(4)  # bits, of recall_at_r and fallout_at_r
# What is only known of a query if all items of its label are, or if it has one that no item carries.
_OF_LABELS = ["false_positive_rate", "recall", "jaccard"]
_OF_LABELS += [f"{kind}_retrieval_rate" for kind in ("perfect", "complete", "sound")]
_BLOCK = 2**22  # queries and relevant ids that are looked up at once


def positive_outcomes(
    ids: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    relevant: Relevant,
    sizes: Sequence[int],
    own: np.ndarray | None = None,
) -> pd.DataFrame:
    """Count the outcomes of queries whose label is in the database.

    Args:
        ids: of the partition, ints (n,). low, high: what it finds, int64 (q,) each.
        relevant: the relevant ids of these queries in the whole database, whether in this partition or not.
        sizes: database sizes.
        own: the item that each query is seen again, int64 (q,), one of its relevant ids; -1, the default, for none.

    Returns:
        database_size; retrieved, relevant and hits, the numbers of ids in the bucket, of relevant ids, and of those
        that are both; own, 1 where the query's own item is in the bucket, else 0; queries, how many had this outcome. A
        query does not count for a database size at which no item has its label.
    """
    own = np.full(len(low), -1) if own is None else own
    counted = [_empty()]
    for size, _, numbers in _numbers(ids, low, high, relevant, sizes, own):
        counted.append(_outcomes(size, *numbers[:, numbers[1] > 0]))
    return add_up(counted)


def outcomes_of(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant, size: int, own: np.ndarray
) -> np.ndarray:
    """Return the outcome of each query, int64 (4, q): retrieved, relevant, hits and own (see `positive_outcomes`)."""
    found = np.zeros((4, len(low)), np.int64)
    for _, part, numbers in _numbers(ids, low, high, relevant, [size], own):
        found[:, part] = numbers
    return found


def _numbers(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant, sizes: Sequence[int], own: np.ndarray
) -> Iterator[tuple[int, slice, np.ndarray]]:
    """Yield outcomes of queries, a block at a time: the size, the slice of the queries, and int64 (4, n)."""
    for part, owner, wanted, hit in _matches(ids, low, high, relevant):
        first, n_queries = low[part], part.stop - part.start
        found_again = hit & (wanted == own[part][owner])
        for size in sizes:
            inside = wanted < size
            n_relevant = np.bincount(owner[inside], minlength=n_queries)
            n_hits = np.bincount(owner[inside & hit], minlength=n_queries)
            n_own = np.bincount(owner[inside & found_again], minlength=n_queries)
            n_retrieved = _places(ids, first, high[part], np.full(n_queries, size)) - first
            yield size, part, np.stack([n_retrieved, n_relevant, n_hits, n_own])


def negative_outcomes(ids: np.ndarray, low: np.ndarray, high: np.ndarray, sizes: Sequence[int]) -> pd.DataFrame:
    """Count the outcomes of queries whose label is not in the database, as `positive_outcomes`, with none relevant."""
    none = np.zeros(len(low), np.int64)
    counted = [_outcomes(size, _places(ids, low, high, none + size) - low, *[none] * 3) for size in sizes]
    return add_up([_empty(), *counted])


def add_up(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Add up tables of counts: rows that are equal in all columns but the last become one row, in ascending order."""
    together = pd.concat(tables, ignore_index=True)
    return together.groupby(list(together)[:-1], as_index=False, sort=True).sum()


def hits(ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant) -> np.ndarray:
    """Count the relevant ids of each query that are in its bucket, int64 (q,)."""
    found = np.zeros(len(low), np.int64)
    for part, owner, _, hit in _matches(ids, low, high, relevant):
        found[part] = np.bincount(owner[hit], minlength=part.stop - part.start)
    return found


def _matches(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, relevant: Relevant
) -> Iterator[tuple[slice, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield whether each relevant id is in its query's bucket, for a block of queries at a time.

    An id is looked up by bisection of the bucket, so that a bucket of any size costs no memory.

    Yields:
        The slice of the queries; for each of their relevant ids the query, int64, counted from the block's first; the
        id; and whether it is in the bucket, bool.
    """
    weight = np.concatenate([[0], np.cumsum(relevant.counts + 1)])
    start = 0
    while start < len(low):
        stop = max(start + 1, int(np.searchsorted(weight, weight[start] + _BLOCK, "right")) - 1)
        owner, wanted = relevant.of(start, stop)
        first, end = low[start:stop][owner], high[start:stop][owner]
        place = _places(ids, first, end, wanted)
        hit = place < end
        hit[hit] = ids[place[hit]] == wanted[hit]
        yield slice(start, stop), owner, wanted, hit
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


def _outcomes(size: int, *counts: np.ndarray) -> pd.DataFrame:
    return add_up([pd.DataFrame(dict(zip(OUTCOME, (size, *counts, 1))), dtype=np.int64)])


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=OUTCOME, dtype=np.int64)


def retrieval_rows(
    outcomes: pd.DataFrame, seed: int, asked: str, sizes: Sequence[int] | None = None, *, labelled: bool = True
) -> pd.DataFrame:
    """Compute the metrics of an equiset and an equidict from all partitions' outcomes, positive and negative together.

    Columns database_size, metric, value, low, high, n; n counts queries. A retrieval is complete if all relevant ids
    are retrieved, sound if nothing else is (so that a query that retrieves nothing is sound), and perfect if it is
    both. These and other rates have Clopper-Pearson intervals. Recall (the share of relevant ids that are hits), the
    mean Jaccard index and the mean number of items that a positive query retrieves have bootstrap intervals over
    queries, each with a random stream of its own. All intervals are at 95%. Without queries a value is NaN.

    Args:
        sizes: database sizes, also those that nothing was asked; by default those with an outcome.
        labelled: whether labels are known. If they are not, what is relevant besides a query's own item is not, either,
            and there are no rows of the metrics that it decides.
        asked: what the positive queries are, `queries.LABELS`, ITEMS or FILE. Of ITEMS there are two rates more, the
            recall and the perfect retrieval rate of the public code of 2023: own_item_rate, the share of queries whose
            bucket holds the item that they are; and alone_in_bucket_rate, the share whose bucket holds it and nothing
            else, so that another item of the same label counts as an error.
    """
    rows = []
    for size in sorted(outcomes.database_size.unique()) if sizes is None else sizes:
        table = outcomes[outcomes.database_size == size]
        negative, positive = table[table.relevant == 0], table[table.relevant > 0]
        complete, sound = positive.hits == positive.relevant, positive.hits == positive.retrieved
        jaccard = positive.hits / (positive.relevant + positive.retrieved - positive.hits)
        metrics = {
            "true_positive_rate": _rate(positive.queries, positive.retrieved > 0),
            "false_positive_rate": _rate(negative.queries, negative.retrieved > 0),
            "recall": _ratio(positive.queries, positive.hits, positive.relevant, (seed, size, "recall")),
            "jaccard": _ratio(positive.queries, jaccard, jaccard**0, (seed, size, "jaccard")),
            "perfect_retrieval_rate": _rate(positive.queries, complete & sound),
            "complete_retrieval_rate": _rate(positive.queries, complete),
            "sound_retrieval_rate": _rate(positive.queries, sound),
            "items_retrieved": _ratio(
                positive.queries, positive.retrieved, positive.retrieved**0, (seed, size, "items retrieved")
            ),
        }
        if asked == ITEMS:
            metrics["own_item_rate"] = _rate(positive.queries, positive.own == 1)
            metrics["alone_in_bucket_rate"] = _rate(positive.queries, (positive.own == 1) & (positive.retrieved == 1))
        kept = [metric for metric in metrics if labelled or metric not in _OF_LABELS]
        rows += [{"database_size": size, "metric": metric, **metrics[metric]} for metric in kept]
    return pd.DataFrame(rows)


def bucket_table(outcomes: pd.DataFrame, asked: str) -> pd.DataFrame:
    """Count queries by how many items they retrieve, from all partitions' outcomes.

    Columns: database_size; asked, `found` for a positive query that retrieved a relevant item (or, where positive
    queries are ITEMS, the item that it is), `missed` for one that did not, and `negative` for a query whose label no
    item has; retrieved, items in its bucket; queries.
    """
    success = outcomes.own == 1 if asked == ITEMS else outcomes.hits > 0
    kinds = np.select([outcomes.relevant == 0, success], ["negative", "found"], "missed")
    return add_up([outcomes.assign(asked=kinds)[["database_size", "asked", "retrieved", "queries"]]])


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


def distance_table(same: np.ndarray, different: np.ndarray, items: np.ndarray | None = None) -> pd.DataFrame:
    """Return histograms of `distance_counts` as one table: pairs_of (same, different, items), distance, count.

    Args:
        items: of pairs of a database's own items, of different labels; left out if there are none.
    """
    histograms = {"same": same, "different": different}
    if items is not None and items.any():
        histograms["items"] = items
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
        shares = shares / (pairs or np.nan)
        mean = (shares * shares.index).sum()
        deviation = (shares * (shares.index - mean) ** 2).sum() ** 0.5
        apart = np.abs(shares - random_distances(bits)).sum() / 2
        rows.append((*names, pairs, mean, deviation, apart))
    return pd.DataFrame(rows, columns=[*keys, "pairs", "mean", "deviation", "binomial"])
