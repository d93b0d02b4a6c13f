"""The figure of how many items queries retrieve, by whether they found what they asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rehash.equihash.tables import SIZE, query_shares, retrieved_words
from rehash.figures.seeds import add_legend, series_style
from rehash.figures.style import panels, say, text_figure
from rehash.intervals import clopper_pearson
from rehash.series import LEAST_SEEDS, range_words, seed_mean, with_series

_LEAST_GROUPS = 3  # that are drawn, whether or not a query is in them
_ROOM = 0.8  # of the gap between two groups that bars fill
_FAINT = 0.25  # opacity of the part of a bar that found nothing relevant


class _Bars(NamedTuple):
    """A model's bars, one a group: their heights, the heights of the parts that found, and the ends of intervals."""

    share: np.ndarray
    found: np.ndarray
    low: np.ndarray
    high: np.ndarray


def plot_query_buckets(table: pd.DataFrame) -> Figure:
    """Draw how many items positive queries retrieve: a panel for each database and size, a bar a model and group.

    A bar is the share of queries that retrieve so many items, its filled part that of queries with a relevant item
    among them. Bars are means over seeds. Their intervals are Clopper and Pearson's of one seed, the least to the
    largest of two, and the mean's from three seeds on, at 95%. Groups beyond the last that has a query are left out.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), asked (found, missed or
            negative), retrieved (items), queries. It has no rows if the database was asked nothing.
    """
    if table.empty:
        return text_figure("Not measured: the database was asked no queries.")
    table = with_series(table)
    names, sizes = table.series.unique(), list(table.groupby(SIZE))
    positive = table[table.asked != "negative"]
    rows = -(-len(sizes) // 3)
    columns = -(-len(sizes) // rows)
    figure, axes = panels(columns, rows, width=6.5 if columns == 1 else 4.4 if columns == 2 else 3.6, height=3.0)
    totals = positive.groupby([*SIZE, "series", "seed"]).queries.sum()
    seeds = table.groupby("series").seed.nunique()
    figure.suptitle(
        f"task {table.task.iloc[0]}: how many items an exact look-up of {range_words(totals) or 'no'} positive queries "
        f"retrieves\n{_spread(seeds)}",
        fontsize=9,
    )
    for panel in axes[len(sizes) :]:
        panel.set_visible(False)
    for panel, ((size, database), found) in zip(axes, sizes):
        drawn = {series: _bars(found[found.series == name]) for series, name in enumerate(names)}
        _draw(panel, {series: bars for series, bars in drawn.items() if bars is not None}, len(names))
        panel.set(title=f"{database}, {size:,.0f} items", ylabel="share of queries", xlabel="items retrieved")
    handles = [
        Line2D([], [], **series_style(series), linestyle="none", label=name) for series, name in enumerate(names)
    ]
    kinds = {"a relevant item among them": 0.9, "no relevant item": _FAINT}
    looks = [Patch(facecolor="0.2", edgecolor="0.2", alpha=alpha, label=words) for words, alpha in kinds.items()]
    add_legend(figure, [*handles, *looks])
    return figure


def _spread(seeds: pd.Series) -> str:
    least, most = seeds.min(), seeds.max()
    kinds = {
        "of one seed its own, at 95%": least == 1,
        "of two seeds from the one to the other": ((seeds > 1) & (seeds < LEAST_SEEDS)).any(),
        "of more seeds that of their mean, at 95%": most >= LEAST_SEEDS,
    }
    return f"intervals: {', '.join(words for words, there in kinds.items() if there)}"


def _bars(rows: pd.DataFrame) -> _Bars | None:
    runs = [query_shares(run) for _, run in rows.groupby("seed") if (run.asked != "negative").any()]
    if not runs:
        return None
    shares = np.array([run.share for run in runs])
    found = np.mean([run.found for run in runs], axis=0)
    if len(runs) == 1:
        low, high = clopper_pearson(runs[0].queries.to_numpy(), runs[0].queries.sum())
    elif len(runs) < LEAST_SEEDS:
        low, high = shares.min(axis=0), shares.max(axis=0)
    else:
        _, low, high = np.transpose([seed_mean(each) for each in shares.T])
    return _Bars(shares.mean(axis=0), found, low, high)


def _draw(panel: Axes, drawn: dict[int, _Bars], models: int) -> None:
    if not drawn:
        say(panel, "not measured")
        return
    last = max(int(np.flatnonzero(bars.share)[-1]) for bars in drawn.values())
    groups = slice(max(last + 1, _LEAST_GROUPS))
    words, width = retrieved_words()[groups], _ROOM / models
    for series, bars in drawn.items():
        share, found, low, high = (values[groups] for values in bars)
        style = series_style(series)
        places = np.arange(len(words)) + width * (series - (models - 1) / 2)
        look = {"width": 0.94 * width, "edgecolor": style["color"], "linewidth": 0.8}
        panel.bar(places, found, facecolor=(style["color"], 0.9), **look)
        panel.bar(places, share - found, bottom=found, facecolor=(style["color"], _FAINT), **look)
        ends = np.clip([share - low, high - share], 0, None)
        panel.errorbar(places, share, ends, **style, markersize=4, linestyle="none", elinewidth=0.8, ecolor="black")
    two_lines = [each.replace(" to ", "\nto ").replace(" or ", "\nor ") for each in words]
    panel.set_xticks(np.arange(len(words)), two_lines, fontsize=7)
    panel.set_ylim(0, max(0.05, 1.05 * panel.get_ylim()[1]))
    panel.grid(False, axis="x")
    panel.set_axisbelow(True)
