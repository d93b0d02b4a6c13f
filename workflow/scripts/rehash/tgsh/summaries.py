"""Summaries that figures, tables and claims share: means over pairs of tasks, and shares of generated images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rehash.intervals import RESAMPLES, percentile_interval, resampled
from rehash.seeds import stream
from rehash.tables import summarise

STATES = ("untrained", "trained")
_MOST_DISTANCES, _BINS = 20, 12
_SEEN = ("recognised", "nearest")


def by_distance(similarity: pd.DataFrame) -> pd.DataFrame:
    """Average similarities over pairs of tasks of about one distance, then take mean and deviation over networks.

    Columns: distance (pixels), pairs, n, similarity_(state)_mean and _sd. Many different distances are binned, with
    about as many pairs in each bin. Pairs without a distance do not count; the table is empty if there is none with it.
    """
    pairs = similarity[similarity.task_a < similarity.task_b]
    return along(pairs, "distance", [f"similarity_{state}" for state in STATES])


def along(pairs: pd.DataFrame, axis: str, columns: Sequence[str]) -> pd.DataFrame:
    """Average columns over pairs of tasks with about one value of `axis`, then take mean and deviation over networks.

    Columns: axis, pairs (of one network), n, (column)_mean and _sd. Many different values are binned, with about as
    many pairs in each bin. Pairs without a value do not count; the table is empty if there is none with it.
    """
    pairs = pairs[pairs[axis].notna()]
    if pairs.empty:
        return pd.DataFrame(columns=[axis, "pairs", "n"])
    group = pairs[axis].round(6)  # distances that are equal in theory may differ in the last bit
    if group.nunique() > _MOST_DISTANCES:
        group = pd.qcut(group, _BINS, labels=False, duplicates="drop")
    means = pairs.assign(group=group).groupby(["group", "repeat"], as_index=False)[[axis, *columns]].mean()
    sizes = group[pairs.repeat == pairs.repeat.min()].value_counts()
    rows = summarise(means, ["group"], columns)
    places = means.groupby("group")[axis].mean()
    return rows.assign(**{axis: rows.group.map(places), "pairs": rows.group.map(sizes)}).drop(columns="group")


def digit_chance(table: pd.DataFrame) -> float:
    """Return the share of generated images that are right by chance: tasks tell their own digits apart.

    Args:
        table: columns task and digit.
    """
    return 1 / table.groupby("task").digit.nunique().mean()


def right_shares(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute the shares of generated images that are right: columns `by`, recognised and nearest.

    Args:
        table: columns `by`, digit (the true one), recognised and nearest (the digits that were found).
    """
    right = {name: table[name].eq(table.digit).astype(float) for name in _SEEN}
    return table.assign(**right).groupby(by, as_index=False)[list(_SEEN)].mean()


def tasks_interval(pairs: pd.DataFrame, column: str) -> tuple[float, float]:
    """Compute a 95% interval of the mean of a column over ordered pairs of two tasks, by a bootstrap over the tasks.

    A pair counts as often as its first and its second task were drawn, multiplied. For one network; NaN for fewer than
    three tasks.
    """
    table = pairs.pivot(index="task_a", columns="task_b", values=column)
    if len(table) < 3:
        return float("nan"), float("nan")
    values, generator = table.fillna(0).to_numpy(), stream(0, "tgsh", "bootstrap", column)
    there, samples = table.notna().to_numpy().astype(float), []
    for _ in range(RESAMPLES):
        times = resampled(np.ones(len(table), np.int64), generator).astype(float)
        samples.append(times @ values @ times / (times @ there @ times or np.nan))
    low, high = percentile_interval(np.array(samples)[:, None])
    return float(low[0]), float(high[0])
