"""The figure of FlyNet and fully trained networks: the accuracy on every task as training proceeds."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from rehash.errors import unknown
from rehash.figures.style import draw_spread, panels
from rehash.tables import summarise

_METHODS = {
    "flynet": "FlyNet, a modulation a task",
    "full_per_task": "fully trained, a network a task",
    "full_in_sequence": "fully trained, in sequence",
}
_MOST_TICKS = 12


def plot_baselines(table: pd.DataFrame) -> Figure:
    """Draw a heat map of accuracies for each method, and the mean accuracy over the tasks seen so far.

    Heat maps are means over repeats, by the task trained last (rows, the first on top) and the task measured (columns).
    Lines are means over repeats, bands one standard deviation.

    Args:
        table: columns dataset, benchmark, method, repeat, trained, task, accuracy; one dataset and benchmark.

    Raises:
        InputError: a method is unknown.
    """
    for method in table.method.unique():
        if method not in _METHODS:
            raise unknown("method", method, _METHODS, "plot_baselines")
    methods = [method for method in _METHODS if method in set(table.method)]
    figure, axes = panels(len(methods) + 1, width=3.3, height=3.2)
    figure.suptitle(_title(table), fontsize=9)
    for panel, method in zip(axes, methods):
        image = _draw_matrix(panel, table[table.method == method])
        panel.set(title=_METHODS[method], xlabel="accuracy on task")
    axes[0].set_ylabel("after training on task")
    figure.colorbar(image, ax=axes[:-1], label="accuracy (share of test images)", fraction=0.03, pad=0.01)
    _draw_seen(axes[-1], table, methods)
    return figure


def _title(table: pd.DataFrame) -> str:
    n, tasks = table.repeat.nunique(), table.task.nunique()
    spread = f"mean of {n} repeats, band of one standard deviation" if n > 1 else "one repeat"
    return f"{table.dataset.iloc[0]}, {table.benchmark.iloc[0]}, {tasks} task{'s' if tasks > 1 else ''}: {spread}"


def _draw_matrix(panel: Axes, rows: pd.DataFrame) -> AxesImage:
    matrix = rows.pivot_table(index="trained", columns="task", values="accuracy")
    image = panel.imshow(matrix.to_numpy(), cmap="cividis", vmin=0, vmax=1)
    places = range(0, len(matrix), -(-len(matrix) // _MOST_TICKS))
    panel.set_xticks(places, matrix.columns[places])
    panel.set_yticks(places, matrix.index[places])
    panel.grid(False)
    return image


def _draw_seen(panel: Axes, table: pd.DataFrame, methods: list[str]) -> None:
    """Draw the mean of R[i, j] over the tasks j <= i seen so far, against the number of tasks trained."""
    seen = table[table.task <= table.trained].groupby(["method", "repeat", "trained"]).accuracy.mean().reset_index()
    rows = summarise(seen, ["method", "trained"], ["accuracy"])
    for series, method in enumerate(methods):
        line = rows[rows.method == method]
        counts = range(1, len(line) + 1)
        sd = line.accuracy_sd.fillna(0)
        draw_spread(panel, counts, line.accuracy_mean, sd, series=series, label=_METHODS[method])
    panel.set(title="tasks seen so far", xlabel="tasks trained", ylabel="mean accuracy", ylim=(-0.03, 1.03))
    panel.set_xlim(0.5, table.task.nunique() + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.legend(fontsize=7, loc="lower left")
