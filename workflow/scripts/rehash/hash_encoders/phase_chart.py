"""The activation hash phase chart, measured: where codes are unique, where they categorize, and the regimes between.

He et al. 2021 (arXiv 2101.05490) divide the space of model size, training time and sample size into three regimes, in
words. The paper publishes no thresholds that we could find, so ours come from the config.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rehash.errors import InputError, unknown
from rehash.tables import summarise

THRESHOLDS = {
    "redundancy_near_zero": 0.05,
    "redundancy_high": 0.5,
    "categorization_low": 0.6,
    "categorization_high": 0.9,
}
SUFFICIENT, CRITICAL, UNDER = "sufficiently-expressive", "critically-expressive", "under-expressive"
NEITHER = "unique but not categorizing"

KEYS = ["paper", "dataset", "protocol", "plane", "layer_width", "x", "n"]
VALUES = ["code_bits", "redundancy", "redundancy_sd", "categorization", "categorization_sd"]
_WHERE = "config: hash_encoders.phase_chart.thresholds"


def phase_points(
    sample_size: pd.DataFrame, training_time: pd.DataFrame, capacity: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Means over the networks of every measured configuration, from study tables (columns: see `columns`).

    Two planes: layer width against sample size, at the end of training (epoch 0 is left out), and layer width against
    the epochs of one training on the full sample (epoch 0 included). Trained networks of the capacity study, which have
    the full sample, join the first plane where the sample-size study has no networks of that protocol, width and size.

    Returns:
        One row a protocol, plane (sample_size or training_time), layer width and x (the sample size, or the epoch):
        columns KEYS and VALUES. redundancy is the mean of redundancy_train, categorization that of knn; sd is the
        sample standard deviation over n networks, NaN for one. Networks that diverged do not count.

    Raises:
        InputError: the tables are of several datasets or depths, or hold no network that was measured.
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
    if rows.empty:
        raise InputError("phase chart: the study tables hold no measured network; expected at least one")
    names = {"redundancy_train": "redundancy", "knn": "categorization", "code_bits": "code_bits"}
    rows = rows.rename(columns={f"{old}_mean": new for old, new in names.items()})
    return rows.rename(columns={f"{old}_sd": f"{new}_sd" for old, new in names.items()})[[*KEYS, *VALUES]]


def _check_one_space(table: pd.DataFrame) -> None:
    for column in ("paper", "dataset", "depth"):
        if table[column].nunique() > 1:
            found = table.groupby("study")[column].unique()
            what = ", ".join(f"{study} has {' and '.join(map(str, values))}" for study, values in found.items())
            raise InputError(f"phase chart: the studies differ in {column}: {what}; expected the same in all of them")


def with_regimes(points: pd.DataFrame, thresholds: Mapping[str, float] = THRESHOLDS) -> pd.DataFrame:
    """The points with two more columns: categorization_share and regime, which follows from the row alone.

    categorization_share is the K-NN accuracy as a share of the best mean K-NN accuracy of the same protocol anywhere on
    the chart (both planes). Thresholds of categorization are on this share, since the accuracy that can be reached
    differs by dataset (above 0.9 on MNIST, about a half on CIFAR-10): "high and flat" is near what the same networks
    reach at best, and it is not known beforehand how high that is.

    ===========================  =======================  ====================
    regime                       redundancy               categorization_share
    ===========================  =======================  ====================
    sufficiently-expressive      <= redundancy_near_zero  >= categorization_high
    under-expressive             >= redundancy_high       < categorization_high
    unique but not categorizing  <= redundancy_near_zero  <= categorization_low
    critically-expressive        all others
    ===========================  =======================  ====================

    "Unique but not categorizing" fits none of the paper's three definitions: a tiny sample, for one, is easily given a
    code for each input, whatever the codes are worth on other inputs.

    Args:
        thresholds: by the names of THRESHOLDS; those not given have its values.

    Raises:
        InputError: a threshold is unknown, no share from 0 to 1, or not below its upper partner.
    """
    limits = _checked(thresholds)
    best = points.groupby("protocol").categorization.transform("max")
    # Where not a single input is classified, the best is 0 and no share of it is an achievement.
    share = (points.categorization / best.where(best > 0)).fillna(0.0)
    unique = points.redundancy <= limits["redundancy_near_zero"]
    high = share >= limits["categorization_high"]
    regimes = {
        NEITHER: unique & (share <= limits["categorization_low"]),
        SUFFICIENT: unique & high,
        UNDER: (points.redundancy >= limits["redundancy_high"]) & ~high,
    }
    regime = np.select(list(regimes.values()), list(regimes), default=CRITICAL)
    return points.assign(categorization_share=share, regime=regime)


def _checked(thresholds: Mapping[str, float]) -> dict[str, float]:
    for name, value in thresholds.items():
        if name not in THRESHOLDS:
            raise unknown("threshold", name, THRESHOLDS, _WHERE)
        if not 0 <= value <= 1:
            raise InputError(f"{_WHERE}.{name}: {value}; expected a share from 0 to 1")
    limits = {**THRESHOLDS, **thresholds}
    for low, high in (("redundancy_near_zero", "redundancy_high"), ("categorization_low", "categorization_high")):
        if not limits[low] < limits[high]:
            raise InputError(f"{_WHERE}: {low} is {limits[low]}; expected less than {high}, which is {limits[high]}")
    return limits


def phase_table(
    sample_size: pd.DataFrame,
    training_time: pd.DataFrame,
    capacity: pd.DataFrame | None = None,
    thresholds: Mapping[str, float] = THRESHOLDS,
) -> pd.DataFrame:
    """The chart as a tidy table, sorted by its keys: KEYS, VALUES, categorization_share, regime.

    Raises:
        InputError: see `phase_points` and `with_regimes`.
    """
    return with_regimes(phase_points(sample_size, training_time, capacity), thresholds)
