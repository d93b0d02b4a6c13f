"""The style of all figures: they are readable in grey, and the same table gives the same bytes.

Neither depends on the settings that the user has for matplotlib. The packages `figures` of all wings import this module
before any other imports matplotlib.
"""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# matplotlib reads a user's settings while it is imported, from the working folder first, and stops at a bad one.
os.environ |= {"MPLBACKEND": "Agg", "MATPLOTLIBRC": os.devnull}
with contextlib.chdir(Path(__file__).parent):
    import matplotlib

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, StrMethodFormatter

from rehash.store import atomic

# Okabe and Ito's colours, which differ in lightness. The numbers 6, 7 and 5 share no factor, so 210 lines all differ.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)))

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
# In a notebook somebody may have imported matplotlib before.
plt.switch_backend("Agg")
matplotlib.rcdefaults()
plt.rcParams.update(_STYLE)


def panels(columns: int, rows: int = 1, *, width: float = 4.2, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    """Create a figure of rows x columns axes, each of `width` x `height` inches, in the common style."""
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
    return figure, list(axes.flat)


def draw_spread(axes: Axes, x, mean, sd, *, series: int, label: str, faint: bool = False) -> None:
    """Draw a line through means with a band of one standard deviation; `series` picks colour, marker and dashes."""
    colour, marker, dashes = (cycle[series % len(cycle)] for cycle in (COLOURS, MARKERS, DASHES))
    alpha = 0.6 if faint else 1.0
    face = "none" if faint else colour
    axes.plot(x, mean, color=colour, marker=marker, linestyle=dashes, label=label, alpha=alpha, markerfacecolor=face)
    axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2 * alpha, linewidth=0)


def say(axes: Axes, text: str) -> None:
    """Write a text into axes that have nothing to show."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="0.4")


def set_scale(axes: Axes, scale: str) -> None:
    """Set the horizontal scale (linear, log or symlog), with ticks in plain numbers.

    A symlog scale is linear up to 1, so that it shows epoch 0.
    """
    axes.set_xscale(scale, **({"linthresh": 1} if scale == "symlog" else {}))
    if scale == "symlog":
        # No value lies below 0, so little room is left there.
        axes.set_xlim(-0.3 if axes.dataLim.x0 < 1 else 0.8, 1.4 * max(axes.dataLim.x1, 1))
    if scale != "linear":
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def text_figure(text: str) -> Figure:
    """Create a figure that has a text and nothing else."""
    figure, (axes,) = panels(1, width=7, height=2.4)
    axes.set_axis_off()
    # A dollar sign would begin a formula.
    say(axes, textwrap.fill(text, 90, break_on_hyphens=False).replace("$", r"\$"))
    return figure


def save_figure(figure: Figure, *paths: str | Path, about: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write a figure to each path, in the format of its ending and without dates, and close it.

    Args:
        about: texts by name, which a PNG keeps as metadata.
    """
    for path in paths:
        kind = Path(path).suffix[1:]
        metadata = {
            "pdf": {"CreationDate": None, "ModDate": None}, "svg": {"Date": None}, "png": dict(about),
        }.get(kind)  # fmt: skip
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)
    plt.close(figure)
