"""The figure of depth: encoding properties of a capacity study's networks against their number of hidden layers."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say
from rehash.hash_encoders.figures.titles import ALL_DIVERGED, study_title
from rehash.hash_encoders.studies import DEPTH_AXIS, PROPERTIES
from rehash.tables import summarise, with_state

_DRAWN = ("redundancy_train", "redundancy_test", "knn", "lr")


def plot_depth(table: pd.DataFrame) -> Figure:
    """Draw four panels for each protocol: the redundancy ratio of both splits, and K-NN and logistic regression.

    A line is of one layer width, the mean over repeats with a band of one standard deviation; faint lines are the same
    networks before training.

    Args:
        table: of a capacity study (columns: rehash.hash_encoders.columns).
    """
    protocols = list(table.groupby("protocol", sort=True))
    figure, axes = panels(len(_DRAWN), len(protocols), width=3.3, height=3.1)
    figure.suptitle(study_title(table), fontsize=9)
    for row, (protocol, part) in enumerate(protocols):
        rows = summarise(with_state(part), ["layer_width", "state", "depth"], _DRAWN)
        for panel, metric in zip(axes[len(_DRAWN) * row :], _DRAWN):
            _draw(panel, rows, metric)
            panel.set(title=f"{PROPERTIES[metric]}\n(protocol {protocol})", ylim=(-0.03, 1.03), xlabel=DEPTH_AXIS)
            panel.title.set_fontsize(8.5)
            panel.set_xticks(sorted(part.depth.unique()))
        if len(rows):
            axes[len(_DRAWN) * row].legend(fontsize=6.5)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, metric: str) -> None:
    if rows.empty:
        say(panel, ALL_DIVERGED)
    for series, (width, lines) in enumerate(rows.groupby("layer_width", sort=True)):
        for state, text in (("trained", f"width {width}"), ("untrained", f"width {width}, before training")):
            line = lines[lines.state == state]
            mean, sd = line[f"{metric}_mean"], line[f"{metric}_sd"].fillna(0)
            draw_spread(panel, line.depth, mean, sd, series=series, label=text, faint=state == "untrained")
