"""Figures of transfer between tasks, and of tasks and classes that are held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, MARKERS, draw_spread, panels, say, set_scale
from rehash.tables import summarise
from rehash.tgsh.figures.labels import SERIES, STATES, benchmark_title
from rehash.tgsh.figures.relations import rank_words
from rehash.tgsh.summaries import STATES as DRAWN
from rehash.tgsh.summaries import along

_MOST_TICKS = 9
_AXES = {"distance": "distance of the two tasks (pixels)", "similarity": "cosine of the two task vectors"}
_STARTS = {"random": "from its random start", "nearest": "from the nearest known modulation"}
_MODULATIONS = {
    "unmodulated": "none\n(frozen)", "untrained": "un-\ntrained", "known": "any\nknown", "nearest": "nearest\nknown",
    "without": "without\nthe class", "trained": "its own",
}  # fmt: skip


def plot_transfer(table: pd.DataFrame, correlation: pd.DataFrame) -> Figure:
    """Draw the accuracy of each trained modulation on each task, and against distance and similarity of the two.

    Args:
        table, correlation: as `rehash.tgsh.transfer.measure_transfer` writes them.
    """
    figure, (matrix, *lines) = panels(3, width=3.7, height=3.5)
    figure.suptitle(benchmark_title(table, "what a task's modulation is worth for another"), fontsize=9)
    means = table[table.state == "trained"].groupby(["modulation", "task"]).accuracy.mean().unstack()
    image = matrix.imshow(means.to_numpy(), cmap="cividis", vmin=0, vmax=1)
    places = np.arange(0, len(means), -(-len(means) // _MOST_TICKS))
    matrix.set_xticks(places, means.columns[places])
    matrix.set_yticks(places, means.index[places])
    matrix.grid(False)
    matrix.set(title=STATES["trained"], xlabel="images of task (number)", ylabel="modulation of task (number)")
    figure.colorbar(image, ax=matrix, label="accuracy (share of test images)", fraction=0.05, pad=0.02)
    others = table[table.modulation != table.task]
    for panel, (axis, words) in zip(lines, _AXES.items()):
        _draw_against(panel, others, axis, correlation[correlation.beside == axis])
        panel.set(xlabel=words, title=f"against {axis}")
    lines[0].set_ylabel("accuracy (share of test images)")
    return figure


def _draw_against(panel: Axes, others: pd.DataFrame, axis: str, correlation: pd.DataFrame) -> None:
    for state in DRAWN:
        rows = along(others[others.state == state], axis, ["accuracy"])
        if rows.empty:
            continue
        rank = rank_words(correlation[correlation.state == state].spearman)
        label = f"{STATES[state]}\nSpearman's ρ {rank}"
        draw_spread(
            panel, rows[axis], rows.accuracy_mean, rows.accuracy_sd.fillna(0), series=SERIES[state], label=label
        )
    if not panel.lines:
        say(panel, "no two tasks")
        return
    panel.set_ylim(0, 1.35)
    panel.legend(fontsize=7, loc="upper left")


def plot_held_out(forward: pd.DataFrame, curve: pd.DataFrame, one_shot: pd.DataFrame) -> Figure:
    """Draw how accuracy on new tasks grows from both starts, and what one image a class is worth.

    Args:
        forward, curve, one_shot: as `rehash.tgsh.held_out.train_held_out` writes them.
    """
    held = [name for name in ("task", "class") if (one_shot.held_out == name).any()]
    figure, axes = panels(1 + len(held), width=3.7, height=3.4)
    figure.suptitle(benchmark_title(forward, "tasks and classes that were held out", "band and bar"), fontsize=9)
    _draw_curves(axes[0], forward, curve)
    for panel, name in zip(axes[1:], held):
        _draw_shots(panel, one_shot[one_shot.held_out == name])
        panel.set_title(f"one image a class: a new {name}")
    axes[1].set_ylabel("accuracy (share of test images)")
    return figure


def _draw_curves(panel: Axes, forward: pd.DataFrame, curve: pd.DataFrame) -> None:
    means = curve.groupby(["start", "step", "repeat"], as_index=False).accuracy.mean()
    steps = forward.groupby(["start", "repeat"]).steps.mean().groupby("start").mean()
    for series, (start, words) in enumerate(_STARTS.items()):
        rows = summarise(means[means.start == start], ["step"], ["accuracy"])
        label = f"{words}\n95% of its end after {steps[start]:,.0f} steps"
        sd = rows.accuracy_sd.fillna(0)
        draw_spread(panel, rows.step, rows.accuracy_mean, sd, series=series, label=label)
        panel.axvline(steps[start], color=COLOURS[series], linewidth=0.9, linestyle=(0, (1, 2 + 2 * series)))
    set_scale(panel, "symlog")
    panel.set(title="a new task", xlabel="steps of training", ylabel="accuracy (share of test images)", ylim=(0, 1.35))
    panel.legend(fontsize=7, loc="upper left")


def _draw_shots(panel: Axes, rows: pd.DataFrame) -> None:
    shown = [name for name in _MODULATIONS if name in set(rows.modulation)]
    series = {"accuracy": "images of the new class", "accuracy_known": "images of the others"}
    if rows.accuracy_known.isna().all():
        series = {"accuracy": "all images"}
    for number, (column, words) in enumerate(series.items()):
        means = rows.groupby(["modulation", "repeat"], as_index=False)[column].mean()
        told = summarise(means, ["modulation"], [column]).set_index("modulation").reindex(shown)
        places = np.arange(len(shown)) + 0.2 * (number - (len(series) - 1) / 2)
        style = {"color": COLOURS[number], "marker": MARKERS[number], "capsize": 3, "linestyle": "none"}
        panel.errorbar(places, told[f"{column}_mean"], told[f"{column}_sd"].fillna(0), label=words, **style)
    panel.axhline(rows.chance.iloc[0], color="0.4", linewidth=0.9, linestyle="--", label="chance")
    panel.set_xticks(range(len(shown)), [_MODULATIONS[name] for name in shown], fontsize=7)
    panel.set(xlabel="modulation", ylim=(0, 1.3), xlim=(-0.6, len(shown) - 0.4))
    panel.legend(fontsize=7, loc="upper left")
