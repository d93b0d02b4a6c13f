"""Figures of the definition of T-GSH: manifolds, the second clause, sign bits, and untrained modulations by width."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from rehash.figures.style import COLOURS, DASHES, MARKERS, draw_spread, panels, say, set_scale
from rehash.tables import summarise
from rehash.tgsh.figures.labels import SERIES, STATES, benchmark_title, spread_words
from rehash.tgsh.summaries import along

SHORT = {"unmodulated": "frozen\nresponse", "untrained": "before\ntraining", "trained": "after\ntraining"}
_RATIOS = {"ratio": "tasks", "digit_ratio": "digits within a task"}
_SHARES = {
    ("unit length", "clause_two"): "all, unit length",
    ("unit length", "clause_two_one_image"): "x' = x, unit length",
    ("as they are", "clause_two"): "all, as they are",
}


def plot_manifolds(manifolds: pd.DataFrame, pairs: pd.DataFrame, signs: pd.DataFrame) -> Figure:
    """Draw ratios of distance and variance, shares of triples, both against distance, and the rho of sign bits.

    Args:
        manifolds, pairs, signs: the tables of these names of `rehash.tgsh.responses.measure_responses`.
    """
    figure, axes = panels(4, width=3.3, height=3.2)
    figure.suptitle(benchmark_title(manifolds, "the definition of T-GSH, measured", "bar and band"), fontsize=9)
    unit = manifolds[manifolds.length == "unit length"]
    _draw_states(axes[0], {words: (unit, column) for column, words in _RATIOS.items()})
    axes[0].set(title="manifolds", ylabel="squared distance of means / variance")
    axes[0].set_ylim(0, 1.25 * axes[0].get_ylim()[1])
    series = {words: (manifolds[manifolds.length == name], column) for (name, column), words in _SHARES.items()}
    _draw_states(axes[1], series)
    axes[1].axhline(0.5, color="0.4", linewidth=0.9, linestyle="--")
    axes[1].set(title="second clause", ylabel="share of triples for which it holds", ylim=(-0.03, 1.3))
    _draw_distances(axes[2], pairs[pairs.length == "unit length"])
    _draw_rho(axes[3], signs)
    return figure


def _draw_states(panel: Axes, series: dict[str, tuple[pd.DataFrame, str]]) -> None:
    """Draw a point for each state, side by side for each of some columns."""
    drawn = False
    for number, (words, (table, column)) in enumerate(series.items()):
        rows = summarise(table, ["state"], [column]).set_index("state").reindex(list(STATES)).dropna(how="all")
        if rows.empty:
            continue
        places = [list(STATES).index(state) + 0.16 * (number - (len(series) - 1) / 2) for state in rows.index]
        style = {"color": COLOURS[number], "marker": MARKERS[number], "capsize": 3, "linestyle": "none"}
        panel.errorbar(places, rows[f"{column}_mean"], rows[f"{column}_sd"].fillna(0), label=words, **style)
        drawn = True
    panel.set_xticks(range(len(STATES)), [SHORT[state] for state in STATES])
    panel.set_xlim(-0.6, len(STATES) - 0.4)
    if drawn:
        panel.legend(fontsize=6.5, loc="upper left")
    else:
        say(panel, "one task, no pair")


def _draw_distances(panel: Axes, pairs: pd.DataFrame) -> None:
    panel.set(title="against distance", xlabel="distance of two tasks (pixels)", ylabel="squared distance of means")
    drawn = False
    for state in STATES:
        rows = along(pairs[pairs.state == state], "distance", ["squared_distance"])
        if rows.empty:
            continue
        mean, sd = rows.squared_distance_mean, rows.squared_distance_sd.fillna(0)
        draw_spread(panel, rows.distance, mean, sd, series=SERIES[state], label=STATES[state])
        drawn = True
    if drawn:
        panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
        panel.legend(fontsize=6.5, loc="upper left")
    else:
        say(panel, "no two tasks at a distance")


def _draw_rho(panel: Axes, signs: pd.DataFrame) -> None:
    panel.set(title="sign bits", xlabel="bits of a hash", ylabel="rho = log p1 / log p2")
    for state in STATES:
        for column, faint, words in (("rho", False, STATES[state]), ("rho_hyperplanes", True, "")):
            rows = summarise(signs[signs.state == state], ["bits"], [column])
            if rows.empty:
                continue
            sd = rows[f"{column}_sd"].fillna(0)
            label = words or "_hyperplanes"
            draw_spread(panel, rows.bits, rows[f"{column}_mean"], sd, series=SERIES[state], label=label, faint=faint)
    if not panel.lines:
        say(panel, "one task, no pair")
        return
    set_scale(panel, "log")
    panel.set_xticks(sorted(signs.bits.unique()))
    panel.axhline(1, color="0.4", linewidth=0.9, linestyle="--")
    panel.set_ylim(0, 1.75)
    panel.legend(fontsize=6.5, loc="upper left", title="hollow: random hyperplanes", title_fontsize=6.5)


def plot_orthogonality(table: pd.DataFrame) -> Figure:
    """Draw the deviation of cosines of untrained task vectors, and of responses to one image, against units.

    Args:
        table: columns dataset, repeat, units, of, deviation, predicted.
    """
    figure, (panel,) = panels(1, width=5.0, height=3.6)
    what = "random modulations are nearly orthogonal"
    figure.suptitle(f"{table.dataset.iloc[0]}: {what}\n{spread_words(table, 'bar')}", fontsize=9)
    for number, (of, rows) in enumerate(reversed(list(table.groupby("of")))):
        found = summarise(rows, ["units"], ["deviation", "predicted"])
        style = {"color": COLOURS[number], "capsize": 3, "linestyle": "none", "marker": MARKERS[number]}
        panel.errorbar(found.units, found.deviation_mean, found.deviation_sd.fillna(0), label=of, **style)
        line = {"color": COLOURS[number], "linestyle": DASHES[number], "linewidth": 1}
        panel.plot(found.units, found.predicted_mean, label=f"{of}, predicted", **line)
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_locator(NullLocator())
    set_scale(panel, "log")
    panel.set_xticks(sorted(table.units.unique()))
    panel.set(xlabel="units", ylabel="deviation of the cosine of two tasks")
    panel.legend(fontsize=7)
    return figure
