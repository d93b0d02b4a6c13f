"""The measured activation hash phase chart: where codes are unique, where they categorize, and the regimes between.

He et al. 2021 (arXiv 2101.05490) divide the space of model size, training time and sample size into three regimes,
which they define in words. We found no published thresholds, so ours come from the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd

from rehash.errors import InputError
from rehash.hash_encoders.blocks import of_all_inputs
from rehash.intervals import mean_interval, ratio_interval
from rehash.tables import summarise

SUFFICIENT, CRITICAL, UNDER = "sufficiently-expressive", "critically-expressive", "under-expressive"
NEITHER = "unique but not categorizing"

# A plane's horizontal and vertical coordinate. Tiles that differ in another coordinate lie in another panel.
PLANES = {
    "sample_size": ("sample_size", "layer_width"),
    "training_time": ("epoch", "layer_width"),
    "depth": ("depth", "layer_width"),
    "sample_size_training_time": ("epoch", "sample_size"),
}
PLACE = ["depth", "layer_width", "sample_size", "epoch"]  # of a tile; epoch is missing at the end of a training
KEYS = ["paper", "dataset", "protocol", "plane", *PLACE, "n"]
VALUES = ["code_bits", "redundancy", "redundancy_sd", "categorization", "categorization_sd"]
INTERVALS = ["redundancy_low", "redundancy_high", "share_low", "share_high"]
_METRICS = {"redundancy_train": "redundancy", "knn": "categorization", "code_bits": "code_bits"}


def phase_networks(
    sample_size: pd.DataFrame, training_time: pd.DataFrame, capacity: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Place the networks of study tables (columns: see `columns`) on the planes of the chart.

    Layer width lies against sample size at the end of training (epoch 0 is left out), and against the epochs of one
    training on the full sample (epoch 0 included). Trained networks of the capacity study, which use the full sample,
    are added to the first plane at the sample-size study's depths, if that study has no networks of their protocol,
    depth, width and sample size. If the capacity study has several depths, a plane has layer width against depth; if
    the training-time study has several samples, a plane has sample size against epochs.

    Returns:
        A row per network and plane: paper, dataset, protocol, plane, PLACE, repeat, code_bits, redundancy (of
        redundancy_train), categorization (of knn). Networks that diverged are left out.

    Raises:
        InputError: the tables are of several papers or datasets.
    """
    trained = sample_size[sample_size.epoch > 0].assign(epoch=np.nan)
    full = None if capacity is None else capacity[capacity.epoch > 0].assign(epoch=np.nan)
    planes = []
    if full is not None:
        cell = ["protocol", "depth", "layer_width", "sample_size"]
        there = pd.MultiIndex.from_frame(full[cell]).isin(pd.MultiIndex.from_frame(trained[cell]))
        trained = pd.concat([trained, full[~there & full.depth.isin(trained.depth)]])
        if full.depth.nunique() > 1:
            planes.append(full.assign(plane="depth"))
    whole = of_all_inputs(training_time)
    planes += [trained.assign(plane="sample_size"), training_time[whole].assign(plane="training_time")]
    if not whole.all():
        planes.append(training_time.assign(plane="sample_size_training_time"))
    table = pd.concat(planes, ignore_index=True)
    _check_one_space(table)
    found = table.dropna(subset=list(_METRICS)).rename(columns=_METRICS)
    return found[["paper", "dataset", "protocol", "plane", *PLACE, "repeat", *_METRICS.values()]]


def _check_one_space(table: pd.DataFrame) -> None:
    for column in ("paper", "dataset"):
        if table[column].nunique() > 1:
            found = table.groupby("study")[column].unique()
            what = ", ".join(f"{study} has {' and '.join(map(str, values))}" for study, values in found.items())
            raise InputError(f"phase chart: the studies differ in {column}: {what}; expected the same in all of them")


def phase_points(networks: pd.DataFrame) -> pd.DataFrame:
    """Average networks that lie on one tile: columns KEYS and VALUES, sorted by the keys.

    sd is the sample standard deviation over n networks, NaN for one.
    """
    # groupby leaves out rows whose key is missing.
    rows = summarise(networks.fillna({"epoch": -1}), [key for key in KEYS if key != "n"], list(_METRICS.values()))
    rows["epoch"] = rows.epoch.where(rows.epoch >= 0)
    return rows.rename(columns={f"{name}_mean": name for name in _METRICS.values()})[[*KEYS, *VALUES]]


def regimes(redundancy: np.ndarray, share: np.ndarray, thresholds: Mapping[str, float]) -> np.ndarray:
    """Return the regimes of redundancies and shares of the best categorization, as names of the same shape.

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
    unique, high = redundancy <= thresholds["redundancy_near_zero"], share >= thresholds["categorization_high"]
    found = {
        NEITHER: unique & (share <= thresholds["categorization_low"]),
        SUFFICIENT: unique & high,
        UNDER: (redundancy >= thresholds["redundancy_high"]) & ~high,
    }
    return np.select(list(found.values()), list(found), default=CRITICAL)


def with_regimes(points: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Add two columns to the points: categorization_share, and regime, which follows from the row's other columns.

    categorization_share is the K-NN accuracy as a share of the best mean K-NN accuracy of the same protocol anywhere on
    the chart (all planes). The thresholds of categorization apply to this share, since the accuracy that can be reached
    differs by dataset (above 0.9 on MNIST, about a half on CIFAR-10): "high and flat" means close to the best that the
    same networks reach, which is not known beforehand.
    """
    best = points.groupby("protocol").categorization.transform("max")
    # If no input is classified correctly, the best is 0, and its share is set to 0.
    share = (points.categorization / best.where(best > 0)).fillna(0.0)
    return points.assign(categorization_share=share, regime=regimes(points.redundancy, share, thresholds))


def with_decisions(points: pd.DataFrame, networks: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Add INTERVALS and `decided` to the points of networks: whether a tile's regime is beyond doubt.

    The intervals hold the mean redundancy and the share of the best categorization with a confidence of 95% each, over
    repeats. The share is that of values paired by repeat, since repeat r starts from the same network in all tiles of
    one shape. A regime is decided if it is the same at all ends of both intervals, so that neither reaches across a
    threshold on which the regime depends. One network has no interval and decides nothing. That the best tile was
    chosen for its mean, and that many tiles are looked at, is not accounted for.
    """
    keys = ["protocol", "plane", *PLACE]
    tiles = {key: part.set_index("repeat") for key, part in networks.fillna({"epoch": -1}).groupby(keys)}
    best = {
        protocol: _key(part.loc[part.categorization.idxmax()], keys) for protocol, part in points.groupby("protocol")
    }
    rows = []
    for _, point in points.iterrows():
        tile, top = tiles[_key(point, keys)], tiles[best[point.protocol]]
        pairs = pd.concat([tile.categorization.rename("own"), top.categorization.rename("best")], axis=1).dropna()
        ends = [mean_interval(tile.redundancy), ratio_interval(pairs.own, pairs.best)]
        corners = [regimes(np.float64(r), np.float64(s), thresholds) for r, s in product(*ends)]
        known = not np.isnan(ends).any()
        rows.append([*ends[0], *ends[1], known and all(corner == point.regime for corner in corners)])
    found = pd.DataFrame(rows, columns=[*INTERVALS, "decided"], index=points.index)
    return points.assign(**found)


def _key(row: pd.Series, keys: list[str]) -> tuple:
    return tuple(-1 if key == "epoch" and pd.isna(row[key]) else row[key] for key in keys)


def phase_table(
    sample_size: pd.DataFrame,
    training_time: pd.DataFrame,
    capacity: pd.DataFrame | None = None,
    *,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Return the chart as a tidy table: KEYS, VALUES, categorization_share, regime, INTERVALS, decided.

    Raises:
        InputError: see `phase_networks`.
    """
    networks = phase_networks(sample_size, training_time, capacity)
    points = with_regimes(phase_points(networks), thresholds)
    return with_decisions(points, networks, thresholds)
