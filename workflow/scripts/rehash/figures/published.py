"""Published curves beside ours."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from rehash.figures.style import COLOURS, DASHES, MARKERS, panels

_NAMES = {
    "redundancy_train": "redundancy ratio (train)",
    "redundancy_test": "redundancy ratio (test)",
    "kmeans_train": "K-Means (training codes)",
    "kmeans_test": "K-Means (test codes)",
    "knn": "K-NN",
    "lr": "logistic regression",
    "accuracy_test": "network accuracy (test)",
}
_AXES = {
    "capacity": ("layer width (hidden units)", "linear"),
    "sample_size": ("sample size (training inputs)", "log"),
    "training_time": ("training time (epochs)", "symlog"),
}


def plot_published(table: pd.DataFrame) -> Figure:
    """A row of panels for each study and protocol, a panel a property: published markers, our means with error bars.

    Args:
        table: as rehash.hash_encoders.published.compare makes it; an empty one gives a figure that says so.
    """
    blocks = list(table.groupby(["study", "protocol"], sort=True))
    figure, axes = panels(len(_NAMES), max(1, len(blocks)), width=2.7, height=2.7)
    if not blocks:
        axes[0].text(0, 0.5, "no published point has a counterpart in these studies")
    else:
        first = table.iloc[0]
        what = "comparison" if first.role == "comparison" else "CONTEXT ONLY, other data"
        figure.suptitle(
            f"ours on {first.dataset} beside the published curves on {first.published_dataset} ({what}); "
            "open markers: published, lines: our mean, bars: one standard deviation plus reading error",
            fontsize=9,
        )
    for row, ((study, protocol), block) in enumerate(blocks):
        for panel, (metric, name) in zip(axes[row * len(_NAMES) :], _NAMES.items()):
            points = block[block.metric == metric]
            panel.set_title(f"{name}\n{study.replace('_', ' ')}, {protocol}", fontsize=8)
            if points.empty:
                panel.text(
                    0.5, 0.5, "none published\nat these points", ha="center", transform=panel.transAxes, color="0.4"
                )
                panel.set_axis_off()
                continue
            _draw(panel, points, study)
    for panel in axes:
        if not panel.has_data() and not panel.texts:
            panel.set_axis_off()
    return figure


def _draw(panel: Axes, points: pd.DataFrame, study: str) -> None:
    label, scale = _AXES[study]
    lines = [("", points)] if study == "capacity" else points.groupby("layer_width")
    for series, (width, line) in enumerate(lines):
        line = line.sort_values("x")
        colour, marker, dashes = (cycle[series % len(cycle)] for cycle in (COLOURS, MARKERS, DASHES))
        bars = line.sd.fillna(0) + line.reading_error
        name = f"width {width}" if width else "ours"
        panel.errorbar(line.x, line.ours, bars, color=colour, linestyle=dashes, capsize=2, label=name)
        panel.plot(line.x, line.published, marker, color=colour, markerfacecolor="none", markersize=6)
    panel.set(xlabel=label, xscale=scale, ylim=(-0.03, 1.03))
    if scale == "symlog":
        panel.xaxis.set_minor_locator(NullLocator())
    panel.legend(fontsize=6)
