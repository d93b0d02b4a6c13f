"""The figure of FlyNet and its baselines: the accuracy on every task as training proceeds."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from rehash.figures.style import draw_spread, panels
from rehash.tables import summarise
from rehash.tgsh.methods import METHODS, method_of

_MOST_TICKS = 12
_TOLD = {True: "told the task", False: "not told the task"}


def plot_baselines(table: pd.DataFrame) -> Figure:
    """Draw a heat map of accuracies for each method, and the mean accuracy over the tasks seen so far.

    A row of panels has the methods that are told the task, the next those that are not. Heat maps are means over
    repeats, by the task trained last (rows, the first on top) and the task measured (columns). Lines are means over
    repeats, bands one standard deviation.

    Args:
        table: columns as `rehash.tgsh.forgetting.COLUMNS`; one dataset and benchmark.

    Raises:
        InputError: a method is unknown.
    """
    found = {name: method_of(name, "plot_baselines") for name in table.method.unique()}
    rows = [[name for name in METHODS if name in found and found[name].told == told] for told in _TOLD]
    rows = [names for names in rows if names]
    columns = max(map(len, rows)) + 1
    figure, axes = panels(columns, len(rows), width=3.3, height=3.2)
    figure.suptitle(_title(table), fontsize=9)
    maps = []
    for place, names in enumerate(rows):
        own = axes[place * columns : (place + 1) * columns]
        for panel, name in zip(own, names):
            image = _draw_matrix(panel, table[table.method == name])
            panel.set(title=METHODS[name].title, xlabel="accuracy on task")
            maps.append(panel)
        settings = " and ".join(table[table.method.isin(names)].setting.unique())
        own[0].set_ylabel(f"{settings}\nafter training on task")
        for panel in own[len(names) : -1]:
            panel.set_axis_off()
        _draw_seen(own[-1], table, names)
        own[-1].set_title(f"tasks seen so far: {_TOLD[METHODS[names[0]].told]}")
    figure.colorbar(image, ax=maps, label="accuracy (share of test images)", fraction=0.03, pad=0.01)
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
        draw_spread(panel, counts, line.accuracy_mean, sd, series=series, label=METHODS[method].title)
    panel.set(xlabel="tasks trained", ylabel="mean accuracy", ylim=(-0.03, 1.03))
    panel.set_xlim(0.5, table.task.nunique() + 0.5)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.legend(fontsize=7, loc="lower left")
