"""How well a search by codes finds a query's class again: the metrics of retrieval, with intervals over queries.

A query is answered by the gallery in the order of its distance (`rankings`); an item is relevant if it has the query's
label. All metrics of ranks are expectations over a random order of ties (`ties`); what a stable sort in the gallery's
order gives stands beside them, and shows what that accident is worth. With T relevant items in a gallery of M, and
p_i the share of relevant items among the first i, each metric is a mean over queries:

- map: 1/T times the sum of p_i over the places i of relevant items (average precision).
- map_at (R): the sum of p_i over places up to R, divided by the number of relevant items up to R; 0 if there are none.
  This is what the field's toolboxes compute (the function CalcTopMap, which many of them copy).
- map_at_of_all (R): the same sum, divided by min(R, T).
- precision_at, recall_at (k): the number of relevant items among the first k, divided by k, and by T.
- ndcg_at (k): the sum of 1 / log2(i + 1) over the places i up to k of relevant items, divided by what it is if the
  first min(k, T) are all relevant (Järvelin & Kekäläinen 2002).
- precision_within, recall_within (radius): the number of relevant items within so many bits, divided by that of all
  items within, 0 if there are none; and divided by T.
- found_within (radius): 1 if any item is within so many bits, else 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rehash.comparison.rankings import Cosine, Hamming, Ranking
from rehash.comparison.ties import Found, Ties, expected, expected_averages, in_order, most_gained
from rehash.intervals import ResampledSums, percentile_interval

BY_RADIUS, BY_RANK = "precision_recall_by_radius", "precision_recall_by_rank"
_POINTS = 10  # of a curve by rank, in each decade of k
_BYTES = 2**27  # about what a block of queries needs


@dataclass(frozen=True)
class Asked:
    """Where metrics are measured, in a gallery of `items`.

    Attributes:
        at: the R of mAP@R. cutoffs: the k of precision, recall and NDCG. radii: in bits; none of real numbers.
    """

    items: int
    at: tuple[int, ...]
    cutoffs: tuple[int, ...]
    radii: tuple[int, ...] = ()

    @property
    def curve(self) -> np.ndarray:
        """Return the k of the curve by rank, int64: about ten a decade, and all items."""
        steps = np.arange(np.log10(self.items) * _POINTS)
        return np.unique(np.append(np.rint(10 ** (steps / _POINTS)), self.items).astype(np.int64))

    @property
    def places(self) -> np.ndarray:
        """Return all k, ascending, int64."""
        return np.unique(np.concatenate([self.at, self.cutoffs, self.curve]).astype(np.int64))


Name = tuple[str, int | None]  # a metric, and its R, k or radius


def metrics_of_ranks(found: Found, averages: np.ndarray, relevant: np.ndarray, asked: Asked) -> dict[Name, np.ndarray]:
    """Compute the metrics of ranks of each query, float64 (q,) each.

    Args:
        found: what is found among the first asked.places. averages: of the precisions among the first asked.at, (q, R).
        relevant: T, (q,).
    """

    def at(values: np.ndarray, k: int) -> np.ndarray:
        return values[:, np.searchsorted(asked.places, k)]

    metrics: dict[Name, np.ndarray] = {("map", None): at(found.precisions, asked.items) / relevant}
    metrics |= {("map_at", k): averages[:, number] for number, k in enumerate(asked.at)}
    metrics |= {("map_at_of_all", k): at(found.precisions, k) / np.minimum(k, relevant) for k in asked.at}
    metrics |= {("precision_at", k): at(found.relevant, k) / k for k in asked.cutoffs}
    metrics |= {("recall_at", k): at(found.relevant, k) / relevant for k in asked.cutoffs}
    best = most_gained(asked.items)
    metrics |= {("ndcg_at", k): at(found.gains, k) / best[np.minimum(k, relevant)] for k in asked.cutoffs}
    return metrics


def metrics_of_radii(ties: Ties, relevant: np.ndarray, asked: Asked) -> dict[Name, np.ndarray]:
    """Compute the metrics within Hamming radii of each query, float64 (q,) each.

    Args:
        ties: by distance, 0, 1, ... bits. relevant: T, (q,).
    """
    metrics: dict[Name, np.ndarray] = {}
    for radius in asked.radii:
        tie = min(radius, ties.ends.shape[1] - 1)
        items, hits = ties.ends[:, tie], ties.found[:, tie]
        metrics["precision_within", radius] = hits / np.maximum(items, 1)
        metrics["recall_within", radius] = hits / relevant
        metrics["found_within", radius] = (items > 0).astype(float)
    return metrics


def in_stable_order(rankings: Sequence[Ranking], relevant: np.ndarray, asked: Asked) -> dict[Name, np.ndarray]:
    """Compute the metrics of ranks of each query in the order of a stable sort, float64 (q,) each; or none of them."""
    if rankings[0].ranks is None:
        return {}
    each = [in_order(ranking.ranks, asked.places, asked.items) for ranking in rankings]
    found = Found(*(np.concatenate([vars(one)[name] for one in each]) for name in Found.__dataclass_fields__))
    places = np.searchsorted(asked.places, asked.at)
    averages = found.precisions[:, places] / np.maximum(found.relevant[:, places], 1)
    return metrics_of_ranks(found, averages, relevant, asked)


@dataclass(frozen=True)
class Measured:
    """What a block of queries gives: columns of a row a query.

    Attributes:
        metrics: by name. stable: those of ranks, in the order of a stable sort, if that was asked for.
        curve: relevant items expected among the first asked.curve, as shares of these and of all: (q, 2, .).
        pairs: int64 (q, 2, bits + 1), all and relevant items within each radius; (q, 2, 0) of real numbers.
    """

    metrics: dict[Name, np.ndarray]
    stable: dict[Name, np.ndarray]
    curve: np.ndarray
    pairs: np.ndarray

    def columns(self) -> np.ndarray:
        """Return all as one table, float64 (q, columns)."""
        flat = [np.reshape(part, (len(part), -1)) for part in (self.curve, self.pairs)]
        return np.column_stack([*self.metrics.values(), *self.stable.values(), *flat])


def measure_block(searched: Hamming | Cosine, part: np.ndarray, asked: Asked) -> Measured:
    """Measure the queries of these numbers, int64 (q,).

    Each query must have a relevant item, and no R, k or radius may be larger than the gallery or below 1 (a radius: 0).
    """
    rankings = searched.rankings(part)
    ties = Ties.of([ranking.ends for ranking in rankings], [ranking.found for ranking in rankings])
    relevant = ties.found[:, -1]
    found = expected(ties, asked.places, asked.items)
    averages = expected_averages(ties, np.array(asked.at, np.int64), asked.items)
    metrics = metrics_of_ranks(found, averages, relevant, asked)
    pairs = np.empty((len(part), 2, 0))
    if isinstance(searched, Hamming):
        metrics |= metrics_of_radii(ties, relevant, asked)
        pairs = np.stack([ties.ends, ties.found], axis=1)
    expected_relevant = found.relevant[:, np.searchsorted(asked.places, asked.curve)]
    curve = np.stack([expected_relevant / asked.curve, expected_relevant / relevant[:, None]], axis=1)
    return Measured(metrics, in_stable_order(rankings, relevant, asked), curve, pairs)


def measured_blocks(
    searched: Hamming | Cosine, query_labels: np.ndarray, asked: Asked, threads: int = 1
) -> Iterator[tuple[np.ndarray, Measured]]:
    """Measure all queries, block by block; yield the numbers of a block's queries and what was measured.

    Blocks depend on the size of the gallery alone, and no query's numbers on others'. Memory: about 0.2 GB a thread.
    """
    size = min(256, max(1, _BYTES // (4 * asked.items + 128 * (searched.ties + len(asked.places)))))
    order = np.argsort(query_labels, kind="stable")
    blocks = [order[start : start + size] for start in range(0, len(order), size)]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        # A few blocks ahead, so that no more of them are held than are needed.
        waiting = []
        for block in blocks:
            waiting.append((block, pool.submit(measure_block, searched, block, asked)))
            if len(waiting) > threads:
                done, future = waiting.pop(0)
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def measure(
    searched: Hamming | Cosine,
    query_labels: np.ndarray,
    asked: Asked,
    generator: np.random.Generator,
    *,
    resamples: int,
    threads: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure a search by one encoder's codes, with 95% percentile bootstrap intervals over queries.

    Args:
        query_labels: int64 (Q,), each the label of an item at least; asked: see `measure_block`.
        generator: of the bootstrap's samples; encoders that are to be compared get equal ones, and so equal samples.
        threads: how many compute; they change no number.

    Returns:
        A table of metrics: metric, at (R, k or radius; NA if there is none), value, low, high, n (queries), stable (the
        value in the order of a stable sort, of metrics of ranks, if the search has it; else NaN). And one of curves:
        curve, x, precision, precision_low, precision_high, recall, recall_low, recall_high, n. In BY_RADIUS x is 0 ...
        bits, and both are ratios of totals over all pairs of a query and an item within x (precision is NaN if there
        are none); in BY_RANK x is k, and both are means over queries.
    """
    sums = None
    for part, block in measured_blocks(searched, query_labels, asked, threads):
        columns = block.columns()
        if sums is None:
            sums = ResampledSums(len(query_labels), columns.shape[1], generator, resamples)
        sums.add(part, columns)
    n, values = len(query_labels), sums.total / len(query_labels)
    low, high = percentile_interval(sums.samples / n)
    places = dict(zip(block.metrics, range(len(block.metrics))))
    stable = dict(zip(block.stable, range(len(places), len(places) + len(block.stable))))
    metrics = [
        {
            "metric": name[0],
            "at": name[1],
            "value": values[place],
            "low": low[place],
            "high": high[place],
            "n": n,
            "stable": values[stable[name]] if name in stable else np.nan,
        }
        for name, place in places.items()
    ]
    start = len(places) + len(stable)
    ks, radii = len(asked.curve), block.pairs.shape[2]
    by_rank = slice(start, start + 2 * ks)
    table = pd.DataFrame(metrics).astype({"at": "Int64"})
    curves = [_curve(BY_RANK, asked.curve, *(each[by_rank].reshape(2, ks) for each in (values, low, high)), n)]
    if radii:
        pairs = slice(start + 2 * ks, None)
        ratios = _ratios(sums.total[None, pairs].reshape(1, 2, radii))
        ends = percentile_interval(_ratios(sums.samples[:, pairs].reshape(-1, 2, radii)).reshape(-1, 2 * radii))
        curves = [_curve(BY_RADIUS, np.arange(radii), ratios[0], *(end.reshape(2, radii) for end in ends), n), *curves]
    return table, pd.concat(curves, ignore_index=True)


def _ratios(pairs: np.ndarray) -> np.ndarray:
    """Compute precision and recall, (., 2, radii), from the numbers of all and of relevant pairs within each radius."""
    items, hits = pairs[:, 0], pairs[:, 1]
    precision = np.divide(hits, items, out=np.full_like(hits, np.nan), where=items > 0)
    return np.stack([precision, hits / hits[:, -1:]], axis=1)


def _curve(name: str, x: np.ndarray, values: np.ndarray, low: np.ndarray, high: np.ndarray, n: int) -> pd.DataFrame:
    table: dict[str, object] = {"curve": name, "x": x}
    for number, metric in enumerate(("precision", "recall")):
        table |= {metric: values[number], f"{metric}_low": low[number], f"{metric}_high": high[number]}
    return pd.DataFrame({**table, "n": n})
