"""What the figures of the comparison share: the look of a source's line, and its means over repeats."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rehash.figures.seeds import dashes, series_style

_LONG = 14  # letters of a line beside the axes


def styles(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return colour, marker and dashes of each source by its title, in the table's order; bits alone are counted."""
    titles = table.title[table.bits > 0].drop_duplicates()
    return {title: {**series_style(i), "linestyle": dashes(i)} for i, title in enumerate(titles)}


def means(rows: pd.DataFrame, column: str = "value") -> pd.DataFrame:
    """Return the mean over repeats by bits, with low and high.

    They are one standard deviation off the mean of several repeats, and the interval over queries of a lone one.
    """
    low, high = (f"{column}_low", f"{column}_high") if f"{column}_low" in rows else ("low", "high")
    found = []
    for bits, part in rows.dropna(subset=[column]).groupby("bits"):
        mean, sd = part[column].mean(), part[column].std()
        ends = (mean - sd, mean + sd) if len(part) > 1 else (np.nan, np.nan)
        if len(part) == 1 and low in part:
            ends = part[low].iloc[0], part[high].iloc[0]
        found.append({"bits": bits, "value": mean, "low": ends[0], "high": ends[1], "repeats": len(part)})
    return pd.DataFrame(found, columns=["bits", "value", "low", "high", "repeats"])


def draw_line(axis: Axes, x: pd.Series, line: pd.DataFrame, style: dict[str, Any]) -> None:
    """Draw a source's means with bars from low to high."""
    axis.plot(x, line.value, **style)
    known = line.low.notna()
    ends = np.abs(line.loc[known, ["low", "high"]].to_numpy().T - line.value[known].to_numpy())
    axis.errorbar(x[known], line.value[known], yerr=ends, fmt="none", ecolor=style["color"], elinewidth=0.9, capsize=2)


def upper_lines(axis: Axes, table: pd.DataFrame, column: str = "value") -> None:
    """Draw a horizontal line for each source of real numbers, with its title at the right."""
    for title, rows in table[table.bits == 0].groupby("title", sort=False):
        value = rows[column].mean()
        axis.axhline(value, color="0.45", linewidth=0.9, linestyle=(0, (6, 2)))
        place = {"xycoords": ("axes fraction", "data"), "xytext": (3, 0), "textcoords": "offset points"}
        words = textwrap.fill(f"{title} (cosine)", _LONG)
        axis.annotate(words, (1, value), **place, ha="left", va="center", fontsize=7, color="0.35")


def handles(found: dict[str, dict[str, Any]]) -> list[Line2D]:
    """Return the entries of a legend of all sources."""
    return [Line2D([], [], label=title, **style) for title, style in found.items()]
