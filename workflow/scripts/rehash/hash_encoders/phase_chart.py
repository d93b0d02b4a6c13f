"""The measured activation hash phase chart: where codes are unique, where they categorize, and the regimes between.

He et al. 2021 (arXiv 2101.05490) divide the space of model size, training time and sample size into three regimes,
which they define in words. We found no published thresholds, so ours come from the config.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rehash.errors import InputError
from rehash.tables import summarise

SUFFICIENT, CRITICAL, UNDER = "sufficiently-expressive", "critically-expressive", "under-expressive"
NEITHER = "unique but not categorizing"

KEYS = ["paper", "dataset", "protocol", "plane", "layer_width", "x", "n"]
VALUES = ["code_bits", "redundancy", "redundancy_sd", "categorization", "categorization_sd"]


def phase_points(
    sample_size: pd.DataFrame, training_time: pd.DataFrame, capacity: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Average study tables (columns: see `columns`) over the networks of every measured configuration.

    The chart has two planes: layer width against sample size, at the end of training (epoch 0 is left out), and layer
    width against the epochs of one training on the full sample (epoch 0 included). Trained networks of the capacity
    study, which use the full sample, are added to the first plane if the sample-size study has no networks of their
    protocol, width and sample size.

    Returns:
        One row per protocol, plane (sample_size or training_time), layer width and x (the sample size, or the epoch):
        columns KEYS and VALUES. redundancy is the mean of redundancy_train, categorization that of knn; sd is the
        sample standard deviation over n networks, NaN for one. Networks that diverged do not count; there is no row if
        all did.

    Raises:
        InputError: the tables are of several papers, datasets or depths.
    """
    trained = sample_size[sample_size.epoch > 0]
    if capacity is not None:
        cell = ["protocol", "layer_width", "sample_size"]
        full = capacity[capacity.epoch > 0]
        there = pd.MultiIndex.from_frame(full[cell]).isin(pd.MultiIndex.from_frame(trained[cell]))
        trained = pd.concat([trained, full[~there]])
    planes = [
        trained.assign(plane="sample_size", x=trained.sample_size),
        training_time.assign(plane="training_time", x=training_time.epoch),
    ]
    table = pd.concat(planes, ignore_index=True)
    _check_one_space(table)
    rows = summarise(table, [key for key in KEYS if key != "n"], ["code_bits", "redundancy_train", "knn"])
    names = {"redundancy_train": "redundancy", "knn": "categorization", "code_bits": "code_bits"}
    rows = rows.rename(columns={f"{old}_mean": new for old, new in names.items()})
    return rows.rename(columns={f"{old}_sd": f"{new}_sd" for old, new in names.items()})[[*KEYS, *VALUES]]


def _check_one_space(table: pd.DataFrame) -> None:
    for column in ("paper", "dataset", "depth"):
        if table[column].nunique() > 1:
            found = table.groupby("study")[column].unique()
            what = ", ".join(f"{study} has {' and '.join(map(str, values))}" for study, values in found.items())
            raise InputError(f"phase chart: the studies differ in {column}: {what}; expected the same in all of them")


def with_regimes(points: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Add two columns to the points: categorization_share, and regime, which follows from the row's other columns.

    categorization_share is the K-NN accuracy as a share of the best mean K-NN accuracy of the same protocol anywhere on
    the chart (both planes). The thresholds of categorization apply to this share, since the accuracy that can be
    reached differs by dataset (above 0.9 on MNIST, about a half on CIFAR-10): "high and flat" means close to the best
    that the same networks reach, which is not known beforehand.

    ===========================  =======================  ====================
    regime                       redundancy               categorization_share
    ===========================  =======================  ====================
    sufficiently-expressive      <= redundancy_near_zero  >= categorization_high
    under-expressive             >= redundancy_high       < categorization_high
    unique but not categorizing  <= redundancy_near_zero  <= categorization_low
    critically-expressive        all others
    ===========================  =======================  ====================

    "Unique but not categorizing" fits none of the paper's three definitions. An example is a tiny sample: its inputs
    easily get a code each, however poor the codes are on other inputs.

    Args:
        thresholds: shares, by the names in the table above (the config's schema describes them).
    """
    best = points.groupby("protocol").categorization.transform("max")
    # If no input is classified correctly, the best is 0, and its share is set to 0.
    share = (points.categorization / best.where(best > 0)).fillna(0.0)
    unique = points.redundancy <= thresholds["redundancy_near_zero"]
    high = share >= thresholds["categorization_high"]
    regimes = {
        NEITHER: unique & (share <= thresholds["categorization_low"]),
        SUFFICIENT: unique & high,
        UNDER: (points.redundancy >= thresholds["redundancy_high"]) & ~high,
    }
    regime = np.select(list(regimes.values()), list(regimes), default=CRITICAL)
    return points.assign(categorization_share=share, regime=regime)


def phase_table(
    sample_size: pd.DataFrame,
    training_time: pd.DataFrame,
    capacity: pd.DataFrame | None = None,
    *,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Return the chart as a tidy table, sorted by its keys: KEYS, VALUES, categorization_share, regime.

    Raises:
        InputError: see `phase_points`.
    """
    return with_regimes(phase_points(sample_size, training_time, capacity), thresholds)
