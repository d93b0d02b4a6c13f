"""Summaries that figures, tables and claims share: means over pairs of tasks, and shares of generated images."""

from __future__ import annotations

import pandas as pd

from rehash.tables import summarise

STATES = ("untrained", "trained")
_MOST_DISTANCES, _BINS = 20, 12
_SEEN = ("recognised", "nearest")


def by_distance(similarity: pd.DataFrame) -> pd.DataFrame:
    """Average similarities over pairs of tasks of about one distance, then take mean and deviation over networks.

    Columns: distance (pixels), pairs, n, similarity_(state)_mean and _sd. Many different distances are binned, with
    about as many pairs in each bin. The table is empty for one task.
    """
    pairs = similarity[similarity.task_a < similarity.task_b]
    columns = [f"similarity_{state}" for state in STATES]
    if pairs.empty:
        return pd.DataFrame(columns=["distance", "pairs", "n"])
    group = pairs.distance.round(6)  # distances that are equal in theory may differ in the last bit
    if group.nunique() > _MOST_DISTANCES:
        group = pd.qcut(group, _BINS, labels=False, duplicates="drop")
    means = pairs.assign(group=group).groupby(["group", "repeat"], as_index=False)[["distance", *columns]].mean()
    sizes = group[pairs.repeat == pairs.repeat.min()].value_counts()
    rows = summarise(means, ["group"], columns)
    distance = means.groupby("group").distance.mean()
    return rows.assign(distance=rows.group.map(distance), pairs=rows.group.map(sizes)).drop(columns="group")


def right_shares(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute the shares of generated images that are right: columns `by`, recognised and nearest.

    Args:
        table: columns `by`, digit (the true one), recognised and nearest (the digits that were found).
    """
    right = {name: table[name].eq(table.digit).astype(float) for name in _SEEN}
    return table.assign(**right).groupby(by, as_index=False)[list(_SEEN)].mean()
