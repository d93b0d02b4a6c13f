"""What multi-probing (`rehash.equihash.index.probing`) finds in a partition; recall against the number of probes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rehash.equihash.databases.queries import Relevant
from rehash.equihash.evaluation.retrieval import hits
from rehash.intervals import RESAMPLES, percentile_interval, resampled


def probe_hits(
    ids: np.ndarray, low: np.ndarray, high: np.ndarray, queries: np.ndarray, ranks: np.ndarray, relevant: Relevant
) -> pd.DataFrame:
    """Return what probes find in a partition; the tables of several partitions are simply concatenated.

    Args:
        ids, low, high: of m probes, as in `retrieval.positive_outcomes`.
        queries: int (m,), the query of each probe, a row of `relevant`.
        ranks: int (m,), the place of each probe among its query's probes, from 0.
        relevant: of all queries.

    Returns:
        A row for each probe whose bucket is not empty: query, rank, retrieved (ids in the bucket), hits (relevant
        ids).
    """
    found = np.flatnonzero(low < high)
    return pd.DataFrame(
        {
            "query": queries[found],
            "rank": ranks[found],
            "retrieved": high[found] - low[found],
            "hits": hits(ids, low[found], high[found], relevant.take(queries[found])),
        }
    )


def recall_against_probes(
    found: pd.DataFrame,
    n_relevant: np.ndarray,
    probes: int,
    generator: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
) -> pd.DataFrame:
    """Compute recall and precision of the first 1, 2, ... `probes` probes, with intervals.

    Recall is the number of relevant ids retrieved, summed over queries, divided by the number of all relevant ids;
    precision is the same divided by the number of all ids retrieved, NaN while there is none. Intervals, at 95%, are
    percentiles of the bootstrap over queries; samples that retrieve nothing do not count for precision. Without queries
    all is NaN.

    Args:
        found: rows of `probe_hits`, of all partitions, in any order.
        n_relevant: int (q,), how many relevant ids each query has.

    Returns:
        probes, metric (recall, precision), value, low, high, n (queries).
    """
    if not len(n_relevant):
        empty = {"probes": np.arange(1, probes + 1), "value": np.nan, "low": np.nan, "high": np.nan, "n": 0}
        tables = [pd.DataFrame(empty).assign(metric=metric) for metric in ("recall", "precision")]
        return pd.concat(tables, ignore_index=True)[["probes", "metric", "value", "low", "high", "n"]]
    found = found[found["rank"] < probes].sort_values(["query", "rank"])
    queries, ranks = found["query"].to_numpy(), found["rank"].to_numpy()

    def curves(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return recall and precision, float64 (probes,) each, with query j counted times[j] times."""
        relevant, retrieved = (
            np.bincount(ranks, weights=times[queries] * found[what], minlength=probes).cumsum()
            for what in ("hits", "retrieved")
        )
        with np.errstate(invalid="ignore"):  # 0 / 0
            return relevant / (times @ n_relevant), relevant / retrieved

    once = np.ones(len(n_relevant), np.int64)
    samples = [curves(resampled(once, generator)) for _ in range(resamples)]
    tables = []
    for metric, value, sampled in zip(("recall", "precision"), curves(once), zip(*samples)):
        low, high = percentile_interval(np.stack(sampled))
        tables.append(
            pd.DataFrame(
                {"probes": np.arange(1, probes + 1), "metric": metric, "value": value, "low": low, "high": high}
            )
        )
    return pd.concat(tables, ignore_index=True).assign(n=len(n_relevant))
