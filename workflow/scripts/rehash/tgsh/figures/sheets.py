"""Sheets of images: those that the tasks of a benchmark show, and the digits that their modulations generate."""

from __future__ import annotations

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
from rehash.tgsh.summaries import right_shares

_MOST_COLUMNS = 12
_MOST_DIGITS = 4  # in each band of a sheet of tasks
_INCHES = 0.66  # side of an image
_LEAST_WIDTHS = 5.4, 7.2  # least widths of the two figures in inches, so that titles fit over few images
_GAP = 2  # pixels between images
_CONTRAST = 3
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
        images: (T, K, H, W) in [0, 1]. tasks: dataset, benchmark, task and its transformation, T rows.
    """
    bands = -(-len(tasks) // _MOST_COLUMNS)
    columns = -(-len(tasks) // bands)
    digits = _spaced(images.shape[1], _MOST_DIGITS)
    words = task_words(tasks)
    heading = 0.35 + 0.13 * (1 + max(text.count("\n") for text in words))
    size = max(_LEAST_WIDTHS[0], _INCHES * columns + 0.6), bands * (_INCHES * len(digits) + heading) + 0.3
    figure, axes = plt.subplots(bands, 1, figsize=size, squeeze=False)
    figure.suptitle(sheet_title(tasks, "the first test image of some digits, as each task shows it"), fontsize=9)
    for band, panel in enumerate(axes.flat):
        chosen = slice(band * columns, (band + 1) * columns)
        _show(panel, images[chosen][:, digits].swapaxes(0, 1), words[chosen], digits, columns, (0, 1))
        panel.set_xlabel(axis_words(tasks) if band == 0 else "", fontsize=8)
        panel.xaxis.set_label_position("top")
    return figure


def plot_generated(images: np.ndarray, table: pd.DataFrame) -> Figure:
    """Draw generated digits (rows) of some tasks (columns), and below the share of each task's images that are right.

    Args:
        images: (T, K, H, W); each is drawn from black to white within `_CONTRAST` times its root mean square about 0.
        table: dataset, benchmark, repeat, state, task, digit, recognised, nearest.
    """
    shown, digits = _spaced(len(images), _MOST_COLUMNS), list(range(images.shape[1]))
    heights = [_INCHES * len(digits) + 0.4, 2.2]
    width = max(_LEAST_WIDTHS[1], _INCHES * len(shown) + 0.8)
    figure, (sheet, panel) = plt.subplots(2, 1, figsize=(width, sum(heights) + 1.3), height_ratios=heights)
    what = "digits generated from the modulations of the first network, after training"
    figure.suptitle(f"{sheet_title(table, what)}\n{_shares_in_words(table)}", fontsize=9)
    scaled = images / np.sqrt(np.square(images).mean((2, 3), keepdims=True)).clip(min=np.finfo(np.float32).tiny)
    _show(
        sheet, scaled[shown].swapaxes(0, 1), [str(task) for task in shown], digits, len(shown), (-_CONTRAST, _CONTRAST)
    )
    sheet.set_xlabel("task (number)", fontsize=8)
    sheet.xaxis.set_label_position("top")
    _draw_shares(panel, table)
    figure.legend(*panel.get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    return figure


def _spaced(count: int, most: int) -> list[int]:
    """Return at most `most` (2 or more) of the numbers below `count`, evenly spaced, with the first and the last."""
    return [round(x) for x in np.linspace(0, count - 1, min(count, most))]


def _show(panel: Axes, images: np.ndarray, columns: list[str], rows: list[int], most: int, limits: tuple) -> None:
    """Draw images (R, C, H, W) as one; up to `most` columns the rest stays white, so that all bands have one scale."""
    height, width = (side + _GAP for side in images.shape[2:])
    room = ((0, 0), (0, most - images.shape[1]), (0, _GAP), (0, _GAP))
    padded = np.pad(images.astype(float), room, constant_values=np.nan)
    sheet = padded.transpose(0, 2, 1, 3).reshape(len(rows) * height, most * width)
    panel.imshow(sheet[:-_GAP, :-_GAP], cmap="gray", vmin=limits[0], vmax=limits[1])
    panel.set_xticks((np.arange(len(columns)) + 0.5) * width - 0.5 - _GAP / 2, columns, fontsize=7)
    panel.set_yticks((np.arange(len(rows)) + 0.5) * height - 0.5 - _GAP / 2, rows, fontsize=7)
    panel.tick_params(length=0, labeltop=True, labelbottom=False)
    panel.set_ylabel("digit", fontsize=8)
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
    chance = 1 / table.digit.nunique()
    panel.axhline(chance, color="0.4", linewidth=0.8, linestyle=(0, (1, 3)), label="chance")
    panel.set(ylabel="share of images", ylim=(-0.03, 1.05), title=spread_words(table, "band"))
    number_tasks(panel)


def _shares_in_words(table: pd.DataFrame) -> str:
    shares = right_shares(table, ["state", "repeat"])
    rows = summarise(shares, ["state"], list(_WORDS)).set_index("state").loc["trained"]
    told = [f"{words}: {mean_and_sd(rows[f'{name}_mean'], rows[f'{name}_sd'])}" for name, words in _WORDS.items()]
    return "share of images " + "; ".join(told)
