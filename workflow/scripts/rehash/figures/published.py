"""Published curves beside ours."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, DASHES, MARKERS, panels, say, set_scale

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
_COLUMNS = 4


def plot_published(table: pd.DataFrame) -> Figure:
    """A panel for each study, protocol and property: published markers, our means with error bars.

    Args:
        table: as rehash.hash_encoders.published.compare makes it; an empty one gives a figure that says so.
    """
    blocks = [
        (study, protocol, metric, points)
        for (study, protocol), block in table.groupby(["study", "protocol"], sort=True)
        for metric, points in sorted(block.groupby("metric"), key=lambda pair: list(_NAMES).index(pair[0]))
    ]
    figure, axes = panels(_COLUMNS, -(-max(1, len(blocks)) // _COLUMNS), width=3.3, height=2.7)
    for panel in axes[len(blocks) :]:
        panel.set_axis_off()
    if not blocks:
        say(axes[0], "no published point has a counterpart in these studies")
        axes[0].set_axis_off()
        return figure
    first = table.iloc[0]
    what = "comparison" if first.role == "comparison" else "CONTEXT ONLY, other data"
    figure.suptitle(
        f"ours on {first.dataset} beside the published curves on {first.published_dataset} ({what})\n"
        "open markers: published; lines: our mean; bars: one standard deviation plus reading error",
        fontsize=9,
    )
    for panel, (study, protocol, metric, points) in zip(axes, blocks):
        unsure = ", split unknown" if (points.verdict == "split unknown").any() else ""
        panel.set_title(f"{_NAMES[metric]}{unsure}\n{study.replace('_', ' ')}, protocol {protocol}", fontsize=8)
        _draw(panel, points, study)
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
    panel.set(xlabel=label, ylim=(-0.03, 1.03))
    set_scale(panel, scale)
    if points.x.nunique() == 1:
        panel.set_xticks(points.x.unique())
    panel.legend(fontsize=6)
