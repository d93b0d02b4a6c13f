"""Labels that the figures of a benchmark share: titles, states, and words for tasks."""

from __future__ import annotations

import textwrap
from dataclasses import asdict

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rehash.tgsh.tasks import COLUMNS, Transformation

# In the order in which they are drawn; each state adds a step to the one before.
STATES = {"unmodulated": "frozen response alone", "untrained": "before training", "trained": "after training"}
SERIES = {"trained": 0, "untrained": 1, "unmodulated": 2}
_NEUTRAL = asdict(Transformation())
_AXES = {
    ("angle",): "angle of the task (degrees)",
    ("dx", "dy"): "shift of the task (pixels to the right, down)",
    ("permutation",): "order of the pixels (number; 0 is their own)",
    ("classes",): "classes of the task",
    ("images",): "dataset of the task's images",
}


def benchmark_title(table: pd.DataFrame, what: str, mark: str = "band") -> str:
    """Return a title: dataset, benchmark and `what`, then how many networks the mean and `mark` (band, bar) are of."""
    return f"{_where(table)}: {what}\n{spread_words(table, mark)}"


def spread_words(table: pd.DataFrame, mark: str) -> str:
    """Say how many networks a table has, and what `mark` stands for; one network has no spread."""
    n = table.repeat.nunique()
    return f"mean of {n} networks, {mark} of one standard deviation" if n > 1 else "one network, no spread"


def sheet_title(table: pd.DataFrame, what: str) -> str:
    """Return a title: dataset, benchmark, number of tasks and `what`."""
    count = table.task.nunique()
    return f"{_where(table)}, {count} task{'s' if count > 1 else ''}: {what}"


def _where(table: pd.DataFrame) -> str:
    return f"{table.dataset.iloc[0]}, {table.benchmark.iloc[0]}"


def varying(tasks: pd.DataFrame) -> tuple[str, ...]:
    """Return the fields of `Transformation` that some task changes, and what else a task says.

    `tasks` has a column for each field, and may have others of `rehash.tgsh.tasks.COLUMNS`.
    """
    changed = (name for name, neutral in _NEUTRAL.items() if tasks[name].ne(neutral).any())
    return (*changed, *(name for name in COLUMNS if name in tasks))


def axis_words(tasks: pd.DataFrame) -> str:
    """Return the label of an axis of tasks, with the unit of the words that `task_words` writes on it."""
    changed = varying(tasks)
    return _AXES.get(changed, "task, and what it does (shifts in pixels)" if changed else "task (number)")


def task_words(tasks: pd.DataFrame) -> list[str]:
    """Say briefly what each task does: in one line if the axis label names the factor, else in a line per factor."""
    changed = varying(tasks)
    if not changed:
        return [str(number) for number in tasks.task]
    if changed == ("angle",):
        return [f"{angle:.3g}" for angle in tasks.angle]
    if changed == ("dx", "dy"):
        return [f"{row.dx:.2g}, {row.dy:.2g}" for row in tasks.itertuples()]
    if changed == ("permutation",):
        return [str(number) for number in tasks.permutation]
    if changed == ("classes",):
        return [_wrapped(classes) for classes in tasks.classes]
    if changed == ("images",):
        return list(tasks.images)
    return [f"task {row.task}\n" + "\n".join(_lines(row, changed)) for row in tasks.itertuples()]


def _lines(task, changed: tuple[str, ...]) -> list[str]:
    words = {
        "angle": f"turn {task.angle:.0f}°",
        "dx": f"right {_plain(task.dx)}",
        "dy": f"down {_plain(task.dy)}",
        "scale": f"size {task.scale:.2f}",
        "shear": f"shear {task.shear:.0f}°",
        "contrast": f"contr. {task.contrast:.2f}",
        "permutation": f"order {getattr(task, 'permutation', 0)}",
        "classes": _wrapped(getattr(task, "classes", "")),
        "images": getattr(task, "images", ""),
    }
    return [words[name] for name in changed]


def _wrapped(classes: object) -> str:
    """Return the classes of a task in short lines; all, if it names none."""
    return "all classes" if classes != classes or classes == "" else textwrap.fill(str(classes), 12)


def _plain(pixels: float) -> str:
    return f"{round(pixels, 1) + 0.0:.1f}"  # + 0.0 turns minus zero into zero


def number_tasks(panel: Axes) -> None:
    """Label the horizontal axis as task numbers, and put its ticks at integers."""
    panel.set_xlabel("task (number)")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
