"""The figure of the hash property of modulated responses: similarities, ROC curves, nearest neighbours."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, MARKERS, draw_spread, panels, say
from rehash.tables import mean_and_sd, summarise
from rehash.tgsh.figures.labels import SERIES, STATES, benchmark_title

_KINDS = {
    "intra": "intra: two digits, one task",
    "inter, same picture": "inter: one image, two tasks",
    "inter, other picture": "inter: one digit, two tasks, other image",
}
# Each question has a panel; its value is the question whose area is given in brackets.
_QUESTIONS = {
    "same digit, within a task": None,
    "same digit, across tasks": None,
    "same task": "same task, other pictures",
}
_WIDTH = 0.02  # width of the table's bins of cosine similarity
_MIDDLES = np.round(np.arange(-1 + _WIDTH / 2, 1, _WIDTH), 6)
_MARKS = 10  # a marker at every 10th point of a curve
_SHORT = {"unmodulated": "frozen\nresponse", "untrained": "before\ntraining", "trained": "after\ntraining"}


def plot_hash_property(recovery: pd.DataFrame, pairs: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Draw similarities of pairs (top, by state), ROC curves (bottom, by question) and nearest neighbours (right).

    Args:
        recovery: dataset, benchmark, repeat, state, measure, question, value, chance.
        pairs: repeat, state, kind, digit, similarity (a bin's middle), count.
        curves: repeat, state, question, false_positive, true_positive.
    """
    figure, axes = panels(4, 2, width=3.2, height=3.0)
    what = "cosine similarity of modulated responses, and what it tells of digit and task"
    figure.suptitle(benchmark_title(recovery, what, "band and bar"), fontsize=9)
    found = densities(pairs)
    found = found[found.density_mean > 0]
    limits = {
        "xlim": (found.similarity.min() - _WIDTH, found.similarity.max() + _WIDTH),
        "ylim": (0, 1.25 * found.density_mean.max()),
    }
    for panel, state in zip(axes[:3], STATES):
        _draw_densities(panel, found[found.state == state])
        panel.set(title=STATES[state], xlabel="cosine similarity", **limits)
    axes[0].set_ylabel("density of pairs (per unit)")
    axes[0].legend(fontsize=6.5, loc="upper left")
    areas = recovery[recovery.measure == "ROC area"]
    for panel, (question, also) in zip(axes[4:7], _QUESTIONS.items()):
        mine = areas[areas.question == question]
        _draw_roc(panel, curves[curves.question == question], mine, areas[areas.question == also])
        panel.set_title(f"ROC: {question}")
    axes[4].set_ylabel("true positive rate")
    neighbours = recovery[recovery.measure == "nearest neighbour"]
    for panel, question in zip((axes[3], axes[7]), ("digit", "task")):
        _draw_neighbours(panel, neighbours[neighbours.question == question])
        panel.set_title(f"nearest neighbour: {question}")
    return figure


def densities(pairs: pd.DataFrame) -> pd.DataFrame:
    """Compute the density of similarities of each drawn kind of pairs, mean and deviation over networks.

    Columns: state, kind, similarity, n, density_mean, density_sd. Bins without a pair count as 0.
    """
    chosen = pairs[pairs.kind.isin(_KINDS)]
    keys = ["state", "kind", "repeat"]
    counts = chosen.assign(similarity=chosen.similarity.round(6)).groupby([*keys, "similarity"])["count"].sum()
    wide = counts.unstack(fill_value=0).reindex(columns=_MIDDLES, fill_value=0)
    shares = wide.div(wide.sum(axis=1) * _WIDTH, axis=0)
    tidy = shares.stack().rename("density").reset_index()
    return summarise(tidy, ["state", "kind", "similarity"], ["density"])


def _draw_densities(panel: Axes, rows: pd.DataFrame) -> None:
    for series, (kind, words) in enumerate(_KINDS.items()):
        line = rows[rows.kind == kind]
        draw_spread(panel, line.similarity, line.density_mean, line.density_sd.fillna(0), series=series, label=words)
        panel.lines[-1].set_markevery((series, 5))


def _draw_roc(panel: Axes, curves: pd.DataFrame, areas: pd.DataFrame, others: pd.DataFrame) -> None:
    """Draw curves with their areas, and in brackets the areas of `others`, the same question without some pairs."""
    rows = summarise(curves, ["state", "false_positive"], ["true_positive"])
    told = summarise(areas, ["state"], ["value"]).set_index("state")
    panel.set(xlabel="false positive rate", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    if told.empty:
        say(panel, "no such pairs")
        return
    panel.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle=(0, (1, 3)))
    for state in STATES:
        line = rows[rows.state == state]
        area = mean_and_sd(told.value_mean[state], told.value_sd[state])
        easier = others[others.state == state].value
        area += f" ({easier.mean():.3f})" if easier.notna().any() else ""
        label = f"{_SHORT[state]} {area}".replace("\n", " ")
        sd = line.true_positive_sd.fillna(0)
        series = SERIES[state]
        draw_spread(panel, line.false_positive, line.true_positive_mean, sd, series=series, label=label)
        panel.lines[-1].set_markevery((series * _MARKS // 3, _MARKS))
    title = "area below" + ("" if others.empty else " (without pairs of one image)")
    panel.legend(fontsize=6.5, loc="lower right", title=title, title_fontsize=6.5, handlelength=1.8)


def _draw_neighbours(panel: Axes, rows: pd.DataFrame) -> None:
    told = summarise(rows, ["state"], ["value"]).set_index("state")
    for place, state in enumerate(STATES):
        series, row = SERIES[state], told.loc[state]
        style = {"color": COLOURS[series], "marker": MARKERS[series], "capsize": 3, "linestyle": "none"}
        panel.errorbar([place], [row.value_mean], [0 if pd.isna(row.value_sd) else row.value_sd], **style)
        text = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center", "fontsize": 7}
        panel.annotate(f"{row.value_mean:.3f}", (place, row.value_mean), **text)
    chance = rows.chance.iloc[0]
    panel.axhline(chance, color="0.4", linewidth=0.9, linestyle="--")
    panel.annotate(f"chance {chance:.3f}", (2.55, chance), (0, 3), textcoords="offset points", ha="right", fontsize=7)
    panel.set(ylabel="share recovered", xlim=(-0.6, 2.6), ylim=(-0.03, 1.14))
    panel.set_xticks(range(len(STATES)), _SHORT.values())
