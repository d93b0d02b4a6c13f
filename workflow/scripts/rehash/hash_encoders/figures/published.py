"""The figure that compares published curves with ours."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, DASHES, MARKERS, panels, say, set_scale
from rehash.hash_encoders.studies import PROPERTIES, STUDIES

_COLUMNS = 4


def plot_published(table: pd.DataFrame) -> Figure:
    """Draw a panel for each study, protocol, depth and property: published values as markers, our means with bars.

    Args:
        table: as `rehash.hash_encoders.published.compare` returns it; an empty one gives a figure that says so.
    """
    blocks = [
        (study, f"protocol {protocol}" + (f", depth {depth}" if table.depth.nunique() > 1 else ""), metric, points)
        for (study, protocol, depth), block in table.groupby(["study", "protocol", "depth"], sort=True)
        for metric, points in sorted(block.groupby("metric"), key=lambda pair: list(PROPERTIES).index(pair[0]))
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
    for panel, (study, networks, metric, points) in zip(axes, blocks):
        unsure = ", split unknown" if (points.verdict == "split unknown").any() else ""
        panel.set_title(f"{PROPERTIES[metric]}{unsure}\n{study.replace('_', ' ')}, {networks}", fontsize=8)
        _draw(panel, points, study)
    return figure


def _draw(panel: Axes, points: pd.DataFrame, study: str) -> None:
    varied = STUDIES[study]
    lines = [("", points)] if varied.column == "layer_width" else points.groupby("layer_width")
    for series, (width, line) in enumerate(lines):
        line = line.sort_values("x")
        colour, marker, dashes = (cycle[series % len(cycle)] for cycle in (COLOURS, MARKERS, DASHES))
        bars = line.sd.fillna(0) + line.reading_error
        name = f"width {width}" if width else "ours"
        panel.errorbar(line.x, line.ours, bars, color=colour, linestyle=dashes, capsize=2, label=name)
        panel.plot(line.x, line.published, marker, color=colour, markerfacecolor="none", markersize=6)
    panel.set(xlabel=varied.axis, ylim=(-0.03, 1.03))
    set_scale(panel, varied.scale)
    if points.x.nunique() == 1:
        panel.set_xticks(points.x.unique())
    panel.legend(fontsize=6)
