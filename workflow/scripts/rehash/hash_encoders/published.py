"""Published curves beside ours, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.hash_encoders.columns import METRICS
from rehash.store import read_csv
from rehash.tables import summarise

PUBLISHED_COLUMNS = ["study", "dataset", "metric", "layer_width", "x", "value"]
# How well a value can be read off the published figures. The panels with a line for each width have many crossings.
READING_ERROR = {"capacity": 0.005, "sample_size": 0.01, "training_time": 0.01}
# The column of our tables that is the horizontal axis of the published figure.
AXES = {"capacity": "layer_width", "sample_size": "sample_size", "training_time": "epoch"}
# The published K-Means curve does not say which split's codes were clustered.
OURS = {"kmeans": ("kmeans_train", "kmeans_test")}
_KEYS = ["paper", "dataset", "published_dataset", "role", "study", "protocol", "depth", "metric", "layer_width", "x"]


def compare(tables: Iterable[pd.DataFrame], published: pd.DataFrame, *, dataset: str, role: str) -> pd.DataFrame:
    """A row for each published point that a study table has a counterpart of.

    Columns: keys; published, reading_error, ours (mean), sd, n, difference (ours - published), verdict: "inside" where
    |difference| <= sd + reading_error, "outside" else; "no spread" for one network; "context" where the data differ.

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
        means = summarise(rows, by, METRICS).assign(x=lambda means, axis=axis: means[axis])
        for theirs, points in published[published.study == study].groupby("metric"):
            for metric in OURS.get(str(theirs), (theirs,)):
                part = means.merge(points[["layer_width", "x", "value"]], on=["layer_width", "x"])
                part = part.assign(metric=metric, published=part.value, ours=part[f"{metric}_mean"])
                parts.append(part.assign(sd=part[f"{metric}_sd"], reading_error=READING_ERROR[study]))
    values = ["published", "reading_error", "ours", "sd", "n", "difference", "verdict"]
    if not parts:
        return pd.DataFrame(columns=[*_KEYS, *values])
    found = pd.concat(parts, ignore_index=True).assign(published_dataset=dataset, role=role)
    found["difference"] = found.ours - found.published
    within = found.difference.abs() <= found.sd + found.reading_error
    found["verdict"] = np.select(
        [np.full(len(found), role == "context"), found.n < 2, within], ["context", "no spread", "inside"], "outside"
    )
    return found[[*_KEYS, *values]].sort_values(_KEYS, ignore_index=True)


def compare_published(tables: Iterable[str | Path], published: str | Path, *, dataset: str, role: str) -> pd.DataFrame:
    """As `compare`, from files."""
    studies = [read_csv(path, ["study", "protocol", "layer_width", "epoch", *METRICS]) for path in tables]
    return compare(studies, read_csv(published, PUBLISHED_COLUMNS), dataset=dataset, role=role)


def tally(table: pd.DataFrame) -> pd.DataFrame:
    """By study, protocol and metric: points, how many inside, the mean and the largest difference."""
    groups = table.groupby(["study", "protocol", "metric"], sort=True)
    return groups.apply(
        lambda part: pd.Series(
            {
                "n": int(part.n.min()),
                "points": len(part),
                "inside": int((part.verdict == "inside").sum()) if (part.role == "comparison").all() else np.nan,
                "mean_difference": part.difference.mean(),
                "largest_difference": part.difference.loc[part.difference.abs().idxmax()],
            }
        ),
        include_groups=False,
    ).reset_index()
