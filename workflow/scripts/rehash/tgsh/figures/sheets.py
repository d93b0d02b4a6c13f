"""Sheets of images: those that the tasks of a benchmark show, and the digits that their modulations generate."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread
from rehash.hdf5 import unsealed
from rehash.tables import mean_and_sd, summarise
from rehash.tgsh.figures.labels import SERIES, STATES, axis_words, number_tasks, sheet_title, spread_words, task_words
from rehash.tgsh.summaries import digit_chance, right_shares

_MOST_COLUMNS = 12
_MOST_DIGITS = 4  # in each band of a sheet of tasks
_INCHES = 0.66  # side of an image
_LEAST_WIDTHS = 5.4, 7.2  # least widths of the two figures in inches, so that titles fit over few images
_GAP = 2  # pixels between images
_CONTRAST = 3
_LETTERS = 14  # of a title, an inch
_PLACE = "class (place among the task's)"  # what a row is where tasks have classes of their own
_WORDS = {
    "recognised": "recognised as the digit",
    "nearest": "most like the digit's mean image",
}


def draw_tasks(images: str | Path, tasks: pd.DataFrame) -> Figure:
    """Draw the figure of `plot_tasks` from a file of images."""
    return plot_tasks(_read_images(images), tasks)


def draw_generated(images: str | Path, table: pd.DataFrame) -> Figure:
    """Draw the figure of `plot_generated` from a file of images."""
    return plot_generated(_read_images(images), table)


def _read_images(path: str | Path) -> np.ndarray:
    with unsealed(path, "a file of images of rehash") as file:
        return file["images"][:]


def plot_tasks(images: np.ndarray, tasks: pd.DataFrame) -> Figure:
    """Draw a few digits (rows) under each task (columns), wrapped into bands; column heads say what the task does.

    Args:
        images: (T, K, H, W) in [0, 1], or with channels last; where a task has fewer classes than others the rest is
            NaN. tasks: dataset, benchmark, task and its transformation, T rows.
    """
    bands = -(-len(tasks) // _MOST_COLUMNS)
    columns = -(-len(tasks) // bands)
    digits = _spaced(images.shape[1], _MOST_DIGITS)
    words = task_words(tasks)
    heading = 0.35 + 0.13 * (1 + max(text.count("\n") for text in words))
    size = max(_LEAST_WIDTHS[0], _INCHES * columns + 0.6), bands * (_INCHES * len(digits) + heading) + 0.3
    figure, axes = plt.subplots(bands, 1, figsize=size, squeeze=False)
    title = sheet_title(tasks, "the first test image of some digits, as each task shows it")
    figure.suptitle(textwrap.fill(title, int(_LETTERS * size[0])), fontsize=9)
    kind = _PLACE if "classes" in tasks or "images" in tasks else "digit"
    for band, panel in enumerate(axes.flat):
        chosen = slice(band * columns, (band + 1) * columns)
        _show(panel, images[chosen][:, digits].swapaxes(0, 1), words[chosen], digits, columns, (0, 1), kind)
        panel.set_xlabel(axis_words(tasks) if band == 0 else "", fontsize=8)
        panel.xaxis.set_label_position("top")
    return figure


def plot_generated(images: np.ndarray, table: pd.DataFrame) -> Figure:
    """Draw generated digits (rows) of some tasks (columns), and below the share of each task's images that are right.

    Args:
        images: (T, K, H, W), or with channels last; each is drawn from black to white within `_CONTRAST` times its root
            mean square about 0.
        table: dataset, benchmark, repeat, state, task, digit, recognised, nearest.
    """
    shown, digits = _spaced(len(images), _MOST_COLUMNS), list(range(images.shape[1]))
    heights = [_INCHES * len(digits) + 0.4, 2.2]
    width = max(_LEAST_WIDTHS[1], _INCHES * len(shown) + 0.8)
    figure, (sheet, panel) = plt.subplots(2, 1, figsize=(width, sum(heights) + 1.3), height_ratios=heights)
    what = "digits generated from the modulations of the first network, after training"
    titles = (sheet_title(table, what), _shares_in_words(table))
    figure.suptitle("\n".join(textwrap.fill(each, int(_LETTERS * width)) for each in titles), fontsize=9)
    kind = "digit" if sorted(table.digit.unique()) == digits else _PLACE
    inside = tuple(range(2, images.ndim))
    scaled = images / np.sqrt(np.square(images).mean(inside, keepdims=True)).clip(min=np.finfo(np.float32).tiny)
    columns, limits = [str(task) for task in shown], (-_CONTRAST, _CONTRAST)
    _show(sheet, scaled[shown].swapaxes(0, 1), columns, digits, len(shown), limits, kind)
    sheet.set_xlabel("task (number)", fontsize=8)
    sheet.xaxis.set_label_position("top")
    _draw_shares(panel, table)
    figure.legend(*panel.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    return figure


def _spaced(count: int, most: int) -> list[int]:
    """Return at most `most` (2 or more) of the numbers below `count`, evenly spaced, with the first and the last."""
    return [round(x) for x in np.linspace(0, count - 1, min(count, most))]


def _show(
    panel: Axes, images: np.ndarray, columns: list[str], rows: list[int], most: int, limits: tuple, kind: str
) -> None:
    """Draw images (R, C, H, W), or with channels last, as one.

    Up to `most` columns the rest stays white, so that all bands have one scale. `kind` is what rows are numbers of.
    """
    height, width = (side + _GAP for side in images.shape[2:4])
    room = ((0, 0), (0, most - images.shape[1]), (0, _GAP), (0, _GAP), *[(0, 0)] * (images.ndim - 4))
    padded = np.pad((images - limits[0]) / (limits[1] - limits[0]), room, constant_values=np.nan).swapaxes(1, 2)
    sheet = padded.reshape(len(rows) * height, most * width, *images.shape[4:])[:-_GAP, :-_GAP]
    if sheet.ndim == 3:  # colours have no white of their own for what is missing
        sheet = np.nan_to_num(sheet, nan=1.0).clip(0, 1)
    panel.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    panel.set_xticks((np.arange(len(columns)) + 0.5) * width - 0.5 - _GAP / 2, columns, fontsize=7)
    panel.set_yticks((np.arange(len(rows)) + 0.5) * height - 0.5 - _GAP / 2, rows, fontsize=7)
    panel.tick_params(length=0, labeltop=True, labelbottom=False)
    panel.set_ylabel(kind, fontsize=8)
    panel.grid(False)
    panel.spines[:].set_visible(False)


def _draw_shares(panel: Axes, table: pd.DataFrame) -> None:
    shares = right_shares(table, ["state", "repeat", "task"])
    rows = summarise(shares, ["state", "task"], list(_WORDS))
    series = 0
    for name, words in _WORDS.items():
        for state in ("trained", "untrained"):
            line = rows[rows.state == state]
            sd = line[f"{name}_sd"].fillna(0)
            label = f"{words}, {STATES[state]}"
            mean = line[f"{name}_mean"]
            draw_spread(panel, line.task, mean, sd, series=series, label=label, faint=SERIES[state] > 0)
            series += 1
    panel.axhline(digit_chance(table), color="0.4", linewidth=0.8, linestyle=(0, (1, 3)), label="chance")
    panel.set(ylabel="share of images", ylim=(-0.03, 1.05), title=spread_words(table, "band"))
    number_tasks(panel)


def _shares_in_words(table: pd.DataFrame) -> str:
    shares = right_shares(table, ["state", "repeat"])
    rows = summarise(shares, ["state"], list(_WORDS)).set_index("state").loc["trained"]
    told = [f"{words}: {mean_and_sd(rows[f'{name}_mean'], rows[f'{name}_sd'])}" for name, words in _WORDS.items()]
    return "share of images " + "; ".join(told)
