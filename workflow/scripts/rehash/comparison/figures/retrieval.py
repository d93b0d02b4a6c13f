"""The figure of retrieval by codes of every source, against their length."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.comparison.figures.lines import draw_line, handles, means, styles, upper_lines
from rehash.figures.seeds import add_legend
from rehash.figures.style import panels

# The panels: metric, what it is taken at, title, label of the axis.
_PANELS = (
    ("map", None, "mAP", "mean average precision"),
    ("recall_within", 2, "recall within radius 2", "share of relevant samples"),
    ("redundancy", None, "redundancy", "share of the gallery"),
)


def plot_retrieval(table: pd.DataFrame, times: pd.DataFrame) -> Figure:
    """Draw mAP, recall within radius 2, redundancy and the time to encode against the length of codes.

    Args:
        table: `rehash.comparison.collect.COLUMNS`. times: the times to encode.
    """
    figure, axes = panels(4, width=3.4, height=3.5)
    looks = styles(table)
    for axis, (metric, at, title, label) in zip(axes, _PANELS):
        rows = table[(table.metric == metric) & (table["at"].isna() if at is None else table["at"].eq(at))]
        _draw(axis, rows, looks)
        if metric == "map":
            upper_lines(axis, rows)
        axis.set(title=title, ylabel=label, ylim=(-0.03, 1.03))
    _draw(axes[3], times.assign(value=times.microseconds_an_input), looks)
    axes[3].set(title="time to encode", ylabel=f"µs a sample ({_devices(times)})", yscale="log")
    figure.suptitle(f"{table.dataset.iloc[0]}, retrieval protocol {table.protocol.iloc[0]}", fontsize=9)
    add_legend(figure, handles(looks))
    return figure


def _draw(axis: Axes, rows: pd.DataFrame, looks: dict) -> None:
    for title, style in looks.items():
        line = means(rows[(rows.title == title) & (rows.bits > 0)])
        if not line.empty:
            draw_line(axis, line.bits, line, style)
    lengths = sorted(rows.bits[rows.bits > 0].unique())
    axis.set_xticks(lengths, list(map(str, lengths)), fontsize=7)
    axis.set_xlabel("bits of a code")


def _devices(times: pd.DataFrame) -> str:
    return ", ".join(sorted(times.device.unique()))
