"""The figure of the trade that all three works speak of: how unique codes are against how well they group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rehash.comparison.figures.lines import handles, means, styles, upper_lines
from rehash.figures.seeds import add_legend
from rehash.figures.style import panels

_LINEAR = 1e-3  # below this redundancy the axis is linear, so that it shows 0
_PLAIN = {"0": 0, "0.1%": 1e-3, "1%": 1e-2, "10%": 0.1, "100%": 1}


def plot_trade(table: pd.DataFrame) -> Figure:
    """Draw mAP against redundancy: a point for each source and length, a line from its shortest to its longest codes.

    Args:
        table: see `rehash.comparison.collect.trade`.
    """
    figure, (axis,) = panels(1, width=7.5, height=5.2)
    looks = styles(table)
    for title, style in looks.items():
        rows = table[(table.title == title) & (table.bits > 0)]
        unique, grouped = means(rows, "redundancy"), means(rows, "map")
        both = grouped.merge(unique, on="bits", suffixes=("", "_x"))
        axis.plot(both.value_x, both.value, color=style["color"], linestyle=style["linestyle"], linewidth=1)
        sizes = 12 + 0.6 * both.bits
        axis.scatter(both.value_x, both.value, sizes, color=style["color"], marker=style["marker"], zorder=3)
        spread = {"fmt": "none", "ecolor": style["color"], "elinewidth": 0.8}
        across, up = (_spread(both, end) for end in ("_x", ""))
        axis.errorbar(both.value_x, both.value, yerr=up, xerr=across, **spread)
        for at in {0, len(both) - 1}:
            place = (both.value_x.iloc[at], both.value.iloc[at])
            axis.annotate(f"{both.bits.iloc[at]}", place, (4, 4), textcoords="offset points", fontsize=6.5)
    upper_lines(axis, table, "map")
    axis.set_xscale("symlog", linthresh=_LINEAR)
    axis.set_xticks(list(_PLAIN.values()), list(_PLAIN))
    axis.set_xlim(-2e-4, 1.3)
    axis.set(
        xlabel="redundancy: share of the gallery whose code another sample already has (all unique: left)",
        ylabel="mAP over the whole gallery (all of one class first: 1)",
        title=f"{table.dataset.iloc[0]} ({table.protocol.iloc[0]}): numbers are bits",
    )
    add_legend(figure, handles(looks))
    return figure


def _spread(rows: pd.DataFrame, end: str) -> np.ndarray:
    """Return how far the ends of the bars are below and above the values, (2, n); 0 where there is no spread."""
    value = rows[f"value{end}"]
    return np.nan_to_num([value - rows[f"low{end}"], rows[f"high{end}"] - value]).clip(min=0)
