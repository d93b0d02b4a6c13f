"""Published curves beside ours, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.hash_encoders.columns import METRICS, kmeans_split
from rehash.store import read_csv
from rehash.tables import summarise

PUBLISHED_COLUMNS = ["study", "dataset", "metric", "layer_width", "x", "value", "error", "figure"]
# Hidden layers of the published networks.
DEPTH = {"mnist": 1, "cifar10": 5}
# The column of our tables that is the horizontal axis of the published figure.
AXES = {"capacity": "layer_width", "sample_size": "sample_size", "training_time": "epoch"}
_KEYS = ["paper", "dataset", "published_dataset", "role", "study", "protocol", "depth", "metric", "layer_width", "x"]


def counterparts(metric: str, study: str, dataset: str) -> tuple[str, ...]:
    """The columns of our tables that a published metric is set beside."""
    if metric != "kmeans":
        return (metric,)
    split = kmeans_split(study, dataset)
    return (f"kmeans_{split}",) if split else ("kmeans_train", "kmeans_test")


def compare(tables: Iterable[pd.DataFrame], published: pd.DataFrame, *, dataset: str, role: str) -> pd.DataFrame:
    """A row for each published point that a study table has a counterpart of.

    Columns: keys; published, reading_error (how well that value could be read off its figure, about one standard
    deviation), ours (mean), sd, n, difference (ours - published), verdict: "inside" where |difference| <= sd +
    reading_error, "outside" else; "no spread" for one network; "split unknown" for K-Means where the published panel
    does not say whose codes were clustered; "context" where the data or the depth differ; "diverged" where no network
    was left to measure.

    Args:
        published: PUBLISHED_COLUMNS; `dataset` names the published one to compare with.
        role: "comparison", or "context" where ours is other data.
    """
    published = published[published.dataset == dataset]
    parts = []
    for table in tables:
        study = table.study.iloc[0]
        axis = AXES[study]
        rows = table if study == "training_time" else table[table.epoch > 0]
        by = list(dict.fromkeys(["paper", "dataset", "study", "protocol", "depth", "layer_width", axis]))
        # All configurations stay, those too of which every network diverged.
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
    """As `compare`, from files."""
    studies = [read_csv(path, ["study", "protocol", "layer_width", "epoch", *METRICS]) for path in tables]
    return compare(studies, read_csv(published, PUBLISHED_COLUMNS), dataset=dataset, role=role)


def tally(table: pd.DataFrame) -> pd.DataFrame:
    """By study, protocol and metric: n (the least), points, judged, inside; the mean and the largest difference.

    Judged are the points with a verdict for or against: inside or outside.
    """
    lines = []
    for (study, protocol, metric), part in table.groupby(["study", "protocol", "metric"], sort=True):
        differences = part.difference.dropna()
        lines.append(
            {
                "study": study,
                "protocol": protocol,
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
        "metric",
        "n",
        "points",
        "judged",
        "inside",
        "mean_difference",
        "largest_difference",
    ]
    return pd.DataFrame(lines, columns=columns)
