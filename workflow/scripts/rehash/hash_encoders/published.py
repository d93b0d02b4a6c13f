"""Comparison of published curves with ours, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.hash_encoders.blocks import of_all_inputs
from rehash.hash_encoders.columns import METRICS, kmeans_split
from rehash.hash_encoders.studies import STUDIES
from rehash.store import read_csv
from rehash.tables import summarise

PUBLISHED_COLUMNS = ["study", "dataset", "metric", "layer_width", "x", "value", "error", "figure"]
# Hidden layers of the published networks.
DEPTH = {"mnist": 1, "cifar10": 5}
_KEYS = ["paper", "dataset", "published_dataset", "role", "study", "protocol", "depth", "metric", "layer_width", "x"]


def counterparts(metric: str, study: str, dataset: str) -> tuple[str, ...]:
    """Return the columns of our tables with which a published metric is compared."""
    if metric != "kmeans":
        return (metric,)
    split = kmeans_split(study, dataset)
    return (f"kmeans_{split}",) if split else ("kmeans_train", "kmeans_test")


def compare(tables: Iterable[pd.DataFrame], published: pd.DataFrame, *, dataset: str, role: str) -> pd.DataFrame:
    """Compare study tables with published points; return one row for each point that has a counterpart.

    Columns: keys; published, reading_error (how precisely that value could be read off its figure, about one standard
    deviation), ours (mean), sd, n, difference (ours - published) and verdict. The verdict is "inside" if |difference|
    <= sd + reading_error, and "outside" otherwise; "no spread" for one network; "split unknown" for K-Means if the
    published panel does not say whose codes were clustered; "context" if the data or the depth differ; "diverged" if
    no network was left to measure. Of a table of several depths only the published one is compared, if it is there, and
    of one of several samples along a training only the whole.

    Args:
        published: a table of PUBLISHED_COLUMNS. dataset: the published dataset to compare with.
        role: "comparison", or "context" if our tables are of other data.
    """
    published = published[published.dataset == dataset]
    parts = []
    for table in tables:
        study = table.study.iloc[0]
        axis = STUDIES[study].column
        rows = table if STUDIES[study].snapshots else table[table.epoch > 0]
        if (rows.depth == DEPTH.get(dataset)).any():
            rows = rows[rows.depth == DEPTH[dataset]]
        if STUDIES[study].snapshots:
            rows = rows[of_all_inputs(rows)]
        by = list(dict.fromkeys(["paper", "dataset", "study", "protocol", "depth", "layer_width", axis]))
        # Keep all configurations, also those in which every network diverged.
        means = rows[by].drop_duplicates().merge(summarise(rows, by, METRICS), how="left", on=by)
        means = means.assign(x=means[axis], n=means.n.fillna(0).astype(int))
        for theirs, points in published[published.study == study].groupby("metric"):
            metrics = counterparts(str(theirs), study, dataset)
            for metric in metrics:
                part = means.merge(points[["layer_width", "x", "value", "error"]], on=["layer_width", "x"])
                part = part.assign(metric=metric, published=part.value, ours=part[f"{metric}_mean"])
                part = part.assign(sd=part[f"{metric}_sd"], reading_error=part.error, unknown_split=len(metrics) > 1)
                parts.append(part)
    values = ["published", "reading_error", "ours", "sd", "n", "difference", "verdict"]
    if not parts:
        return pd.DataFrame(columns=[*_KEYS, *values])
    found = pd.concat(parts, ignore_index=True).assign(published_dataset=dataset, role=role)
    found["difference"] = found.ours - found.published
    within = found.difference.abs() <= found.sd + found.reading_error
    context = (role == "context") | (found.depth != DEPTH.get(dataset, found.depth))
    found["verdict"] = np.select(
        [context, found.n == 0, found.n == 1, found.unknown_split, within],
        ["context", "diverged", "no spread", "split unknown", "inside"],
        "outside",
    )
    return found[[*_KEYS, *values]].sort_values(_KEYS, ignore_index=True)


def compare_published(tables: Iterable[str | Path], published: str | Path, *, dataset: str, role: str) -> pd.DataFrame:
    """Compare study tables with published points as `compare` does, from CSV files."""
    studies = [read_csv(path, ["study", "protocol", "layer_width", "epoch", *METRICS]) for path in tables]
    return compare(studies, read_csv(published, PUBLISHED_COLUMNS), dataset=dataset, role=role)


def tally(table: pd.DataFrame) -> pd.DataFrame:
    """Count the points and verdicts of a comparison by study, protocol, depth and metric.

    Columns: the four keys; n (the smallest), points, judged (those with the verdict inside or outside), inside,
    mean_difference, largest_difference (in absolute value, with its sign).
    """
    lines = []
    for (study, protocol, depth, metric), part in table.groupby(["study", "protocol", "depth", "metric"], sort=True):
        differences = part.difference.dropna()
        lines.append(
            {
                "study": study,
                "protocol": protocol,
                "depth": depth,
                "metric": metric,
                "n": int(part.n.min()),
                "points": len(part),
                "judged": int(part.verdict.isin(["inside", "outside"]).sum()),
                "inside": int((part.verdict == "inside").sum()),
                "mean_difference": differences.mean(),
                "largest_difference": differences.loc[differences.abs().idxmax()] if len(differences) else np.nan,
            }
        )
    columns = [
        "study",
        "protocol",
        "depth",
        "metric",
        "n",
        "points",
        "judged",
        "inside",
        "mean_difference",
        "largest_difference",
    ]
    return pd.DataFrame(lines, columns=columns)
