"""The figures of measures by task: accuracy, hash codes, and the comparison with the published notebook."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rehash.figures.style import COLOURS, draw_spread, panels, say
from rehash.tables import summarise
from rehash.tgsh.figures.labels import SERIES, STATES, axis_words, benchmark_title, number_tasks, varying

_ACCURACIES = ("accuracy_untrained", "accuracy_at_training", "accuracy_after_all")
_CODES = {
    "knn": ("K-NN on the codes", "accuracy (share of test images)"),
    "redundancy_test": ("redundancy ratio", "share of a task's test images"),
    "active_share": ("bits that are on", "share of the code's bits"),
}


def plot_accuracy(table: pd.DataFrame) -> Figure:
    """Draw the accuracy on every task after all are trained, right after its own training, and before training.

    Left: all accuracies, from 0 to 1. Right: those after training only, close up.

    Args:
        table: dataset, benchmark, repeat, task, the task's transformation and three accuracies.
    """
    rotations = varying(table) == ("angle",)
    column = "angle" if rotations else "task"
    rows = summarise(table, [column], list(_ACCURACIES))
    figure, (whole, near) = panels(2, width=4.6, height=3.3)
    figure.suptitle(benchmark_title(table, "test accuracy of every task"), fontsize=9)
    for panel in (whole, near):
        _draw_trained(panel, rows, column)
        panel.set_ylabel("accuracy (share of test images)")
        if rotations:
            panel.set_xlabel(axis_words(table))
            panel.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 3, 6, 10]))
        else:
            number_tasks(panel)
    mean, sd = rows.accuracy_untrained_mean, rows.accuracy_untrained_sd.fillna(0)
    draw_spread(whole, rows[column], mean, sd, series=2, label="before training", faint=True)
    whole.set(title="all, from 0 to 1", ylim=(-0.03, 1.03))
    whole.legend(fontsize=7, loc="best")
    near.set_title("close up, after training")
    return figure


def _draw_trained(panel: Axes, rows: pd.DataFrame, column: str) -> None:
    mean, sd = rows.accuracy_after_all_mean, rows.accuracy_after_all_sd.fillna(0)
    draw_spread(panel, rows[column], mean, sd, series=0, label="after all tasks")
    style = {"linestyle": "none", "marker": "o", "markersize": 7, "markerfacecolor": "none", "color": COLOURS[1]}
    panel.plot(rows[column], rows.accuracy_at_training_mean, label="right after its own training", **style)


def plot_codes(table: pd.DataFrame) -> Figure:
    """Draw the accuracy of K-NN on each task's hash codes, their redundancy and the share of bits on; a line per state.

    Args:
        table: dataset, benchmark, repeat, state, task, code_bits, knn, redundancy_test, active_share and collisions.
    """
    rows = summarise(table, ["state", "task"], list(_CODES))
    figure, axes = panels(len(_CODES), width=3.6, height=3.1)
    what = f"hash codes of {table.code_bits.iloc[0]:,} bits"
    figure.suptitle(f"{benchmark_title(table, what)}\n{_collisions_in_words(table)}", fontsize=9)
    for panel, (metric, (title, label)) in zip(axes, _CODES.items()):
        for state, words in STATES.items():
            line = rows[rows.state == state]
            sd = line[f"{metric}_sd"].fillna(0)
            draw_spread(panel, line.task, line[f"{metric}_mean"], sd, series=SERIES[state], label=words)
        panel.set(title=title, ylabel=label)
        number_tasks(panel)
    axes[1].set_ylim(-0.03, 1.03)
    axes[2].set_ylim(-0.02, None)
    axes[1].legend(fontsize=7)
    return figure


def _collisions_in_words(table: pd.DataFrame) -> str:
    means = table.groupby("state").collisions.mean()
    told = [f"{means[state]:.2g} {words}" for state, words in STATES.items() if state in means]
    return "share of test images whose code another has, in any task: " + ", ".join(told)


def plot_notebook(table: pd.DataFrame, similarity: pd.DataFrame) -> Figure:
    """Draw the values of the notebook's one network beside ours, with bars of two standard deviations.

    Left: accuracies by angle. Right: cosines of the task vectors after training, by pair of angles.

    Args:
        table, similarity: as `rehash.tgsh.published` makes them; for empty ones the figure says so.
    """
    figure, axes = panels(2, width=4.6, height=3.5)
    if table.empty:
        say(axes[0], "no published accuracy has a counterpart in these tasks")
        for panel in axes:
            panel.set_axis_off()
        return figure
    first = table.iloc[0]
    n = int(table.n.min())
    ours = f"ours, {first.units:,} units, " + (f"mean of {n}, bar of two sd" if n > 1 else "one network")
    epochs = f"{first.epoch} epoch{'s' if first.epoch > 1 else ''}"
    _beside(axes[0], table.angle, table, ours)
    axes[0].set(xlabel="angle of the task (degrees)", ylabel="accuracy (share of test images)")
    axes[0].set_xticks(table.angle)
    axes[0].margins(x=0.15, y=0.25)
    axes[0].set_title(f"accuracy after {epochs} a task\n{verdict_words(table)}", fontsize=8)
    pairs = similarity[similarity.state == "trained"]
    pairs = pairs.assign(apart=pairs.angle_b - pairs.angle_a).sort_values(["apart", "angle_a"])
    if pairs.empty:
        say(axes[1], "no published pair of tasks has a counterpart")
        axes[1].set_xlabel("angles of two tasks (degrees)")
    else:
        places = range(len(pairs))
        _beside(axes[1], places, pairs, ours)
        axes[1].set_xticks(places, [f"{a:g}, {b:g}" for a, b in zip(pairs.angle_a, pairs.angle_b)], rotation=60)
        axes[1].set(xlabel="angles of two tasks (degrees)", ylabel="cosine of task vectors", ylim=(-0.05, 1.05))
        trained = f"{pairs.epochs.iloc[0]} epoch{'s' if pairs.epochs.iloc[0] > 1 else ''}"
        axes[1].set_title(f"similarity after {trained} a task\n{verdict_words(pairs)}", fontsize=8)
    figure.suptitle(
        f"{first.dataset}, {first.benchmark}: beside the published notebook (one network, 1 epoch)", fontsize=9
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=2)
    return figure


def _beside(panel: Axes, places: Sequence[float], rows: pd.DataFrame, ours: str) -> None:
    """Draw published values as squares, and ours as dots, with bars of two standard deviations for n > 1."""
    bars = rows.sd.fillna(0) * 2 if rows.n.min() > 1 else None
    panel.plot(
        places, rows.published, "s", color="black", markerfacecolor="none", markersize=8, label="notebook, one network"
    )
    panel.errorbar(places, rows.ours, bars, color=COLOURS[0], fmt="o", markersize=4, capsize=3, label=ours)


def verdict_words(table: pd.DataFrame) -> str:
    """Say how many published values lie inside our spread, or why none is judged."""
    if table.verdict.eq("context").all():
        return "CONTEXT ONLY: other data, width or epochs than the notebook's"
    if table.verdict.eq("no spread").all():
        return "one network, so no spread to judge by"
    return f"{table.verdict.eq('inside').sum()} of {len(table)} published values within two standard deviations"
