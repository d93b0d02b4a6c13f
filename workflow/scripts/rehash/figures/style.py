"""The one style of all figures: readable in grey, the same bytes for the same table."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from rehash.store import atomic

# Okabe and Ito's colours, which differ in lightness. 6, 7 and 5 have no common factor, so 210 lines all differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)))

ALL_DIVERGED = "all networks diverged"

_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
    "svg.hashsalt": "rehash",
}
plt.rcParams.update(_STYLE)


def panels(columns: int, rows: int = 1, *, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns axes (inches each), in the house style."""
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    return figure, list(axes.flat)


def draw_spread(axes: Axes, x, mean, sd, *, series: int, label: str, faint: bool = False) -> None:
    """A line through means with a band of one standard deviation; `series` picks colour, marker and dashes."""
    colour, marker, dashes = (cycle[series % len(cycle)] for cycle in (COLOURS, MARKERS, DASHES))
    alpha = 0.6 if faint else 1.0
    face = "none" if faint else colour
    axes.plot(x, mean, color=colour, marker=marker, linestyle=dashes, label=label, alpha=alpha, markerfacecolor=face)
    axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2 * alpha, linewidth=0)


def say(axes: Axes, text: str) -> None:
    """Words in the place of a drawing that has nothing to show."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="0.4")


def set_scale(axes: Axes, scale: str) -> None:
    """The horizontal scale: linear, log, or symlog (linear up to 1, which shows epoch 0); ticks in plain numbers."""
    axes.set_xscale(scale, **({"linthresh": 1} if scale == "symlog" else {}))
    if scale == "symlog":
        # There is nothing below 0 to leave room for.
        axes.set_xlim(-0.3 if axes.dataLim.x0 < 1 else 0.8, 1.4 * max(axes.dataLim.x1, 1))
    if scale != "linear":
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def title(table: pd.DataFrame, study: str) -> str:
    """Dataset, study, protocols, and what lines and bands are; how many networks diverged, if any did."""
    n = sorted(table.groupby("protocol").repeat.nunique().unique())
    networks = f"{n[0]} to {n[-1]}" if len(n) > 1 else n[0]
    spread = f"mean of {networks} networks, band of one standard deviation" if n[-1] > 1 else "one network"
    lost = int(table[table.epoch > 0].isna().any(axis=1).sum())
    words = "network that diverged is" if lost == 1 else "measurements of networks that diverged are"
    left_out = f"; {lost} {words} left out" if lost else ""
    protocols = ", ".join(sorted(table.protocol.unique()))
    return f"{table.dataset.iloc[0]}, {study.replace('_', ' ')}, protocol {protocols}: {spread}{left_out}"


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure to each path, in the format of its ending; no dates inside."""
    for path in paths:
        kind = Path(path).suffix[1:]
        metadata = {"pdf": {"CreationDate": None, "ModDate": None}, "svg": {"Date": None}}.get(kind)
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)
