"""The figure of training diagnostics: gradients, saturation, what each term asks of the logits, and agreements."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from rehash.equihash.figures.training import draw_seeds
from rehash.equihash.tables import PAIR_KINDS, TERM_GRADIENTS
from rehash.figures.seeds import add_legend, series_style
from rehash.figures.style import COLOURS, DASHES, panels, say
from rehash.series import spread_words, with_series

_COLUMNS = 4


class _Panel(NamedTuple):
    """A number of the steps between two evaluations, and its panel."""

    quantity: str
    title: str
    label: str
    logarithmic: bool = False


_PANELS = (
    _Panel("clipped", "clipped gradients", "share of elements, most"),
    _Panel("largest_gradient", "largest gradient", "absolute value", True),
    _Panel("saturated", "saturated logits, beyond 9", "share of logits, most"),
    _Panel("largest_logit", "largest logit", "absolute value"),
)


def plot_diagnostics(table: pd.DataFrame, histograms: pd.DataFrame) -> Figure:
    """Draw what is seen within the training of a task's models.

    The first row has, for all models, the largest value since the evaluation before. Then each model has two panels:
    the norms of the gradients that the terms of its loss have by the logits of a view (the median of a step's views,
    and a band from 5% to 95%; of several seeds, means of these), and how far the logits of pairs agree at the last
    evaluation.

    Args:
        table, histograms: of one task; task, model, variant, seed, and the columns that
            `rehash.equihash.learning.train.train_hash` writes of diagnostics and of histograms.
    """
    table, histograms = with_series(table), with_series(histograms)
    names = table.series.unique()
    rows = 1 + -(-2 * len(names) // _COLUMNS)
    figure, axes = panels(_COLUMNS, rows, width=3.3, height=2.7)
    spread = spread_words(table.groupby("series").seed.nunique(), "band")
    figure.suptitle(f"task {table.task.iloc[0]}: what goes on in the steps of training\n{spread}", fontsize=9)
    for panel, shown in zip(axes, _PANELS):
        _draw_watched(panel, table, shown)
    beside = axes[_COLUMNS:]
    for panel in beside[2 * len(names) :]:
        panel.set_visible(False)
    for place, name in enumerate(names):
        _draw_gradients(beside[2 * place], table[table.series == name], name)
        agreed = histograms[(histograms.series == name) & (histograms.quantity == "agreement")]
        _draw_agreement(beside[2 * place + 1], agreed, name)
    for panel in [*axes[:_COLUMNS], *beside[: 2 * len(names) : 2]]:
        panel.set_xlabel("step of the optimiser")
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    add_legend(figure, [Line2D([], [], label=name, **series_style(series)) for series, name in enumerate(names)])
    return figure


def _draw_watched(panel: Axes, table: pd.DataFrame, shown: _Panel) -> None:
    panel.set(title=shown.title, ylabel=shown.label)
    rows = table[(table.quantity == shown.quantity) & (table.statistic == "most")]
    for series, name in enumerate(table.series.unique()):
        values = rows[rows.series == name].pivot(index="step", columns="seed", values="value")
        draw_seeds(panel, values, series, {"linestyle": "-", "linewidth": 1.4}, marked=True)
    if shown.logarithmic and (rows.value > 0).any():
        panel.set_yscale("log")
    else:
        # Above 0 even where nothing is clipped or saturated, and beyond the topmost mark.
        panel.set_ylim(0, max(1.05 * panel.get_ylim()[1], 1e-3))


def _draw_gradients(panel: Axes, rows: pd.DataFrame, name: str) -> None:
    panel.set(title=f"{name}: gradients", ylabel="norm, by a view's logits", yscale="log")
    kinds = rows[rows.quantity == "pair_gradient"]
    found = [(term, rows[(rows.quantity == TERM_GRADIENTS) & (rows.of == term)]) for term in _terms(rows)]
    if kinds.of.nunique() > 1:
        found += [(PAIR_KINDS[kind], kinds[kinds.of == kind]) for kind in PAIR_KINDS]
    for place, (label, mine) in enumerate(found):
        ends = mine.pivot_table(index="step", columns="statistic", values="value", aggfunc="mean")
        ends = ends[["q05", "median", "q95"]]
        ends = ends.where(ends > 0)  # a logarithmic axis has no zero
        look = {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place % len(DASHES)]}
        panel.plot(ends.index, ends["median"], **look, linewidth=1.3, label=label)
        panel.fill_between(ends.index, ends.q05, ends.q95, color=look["color"], alpha=0.15, linewidth=0)
    panel.legend(fontsize=6.5)


def _terms(rows: pd.DataFrame) -> list[str]:
    return list(rows.of[rows.quantity == TERM_GRADIENTS].unique())


def _draw_agreement(panel: Axes, rows: pd.DataFrame, name: str) -> None:
    panel.set(title=f"{name}: agreement", xlabel="sum over bits of tanh βz tanh βz'", ylabel="share of pairs")
    rows = rows[rows.step == rows.step.max()]
    if rows.empty:
        say(panel, "not measured")
        return
    for place, (kind, words) in enumerate(PAIR_KINDS.items()):
        counts = rows[rows.pairs_of == kind].groupby("low")["count"].sum()
        if counts.empty:
            continue
        lows = range(counts.index.min() - 1, counts.index.max() + 2)
        shares = counts.reindex(lows, fill_value=0) / counts.sum()
        look = {"color": COLOURS[place], "linestyle": DASHES[place], "linewidth": 1.3}
        panel.step(lows, shares, where="post", **look, label=f"{words}, step {rows.step.iloc[0]:,}")
    panel.set_ylim(0, 1.25 * panel.get_ylim()[1])  # the legend stands above the histograms
    panel.legend(fontsize=6.5, loc="upper left")
