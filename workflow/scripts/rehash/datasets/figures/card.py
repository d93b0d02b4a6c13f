"""The card of a dataset: how many samples each class has, what values they have, and what they look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.datasets.layout import Dataset, Split
from rehash.figures.style import COLOURS

_SAMPLES, _COLUMNS = 24, 8
_MOST_BARS = 30  # classes that get a bar with a name
_LETTERS = 14  # of a class name above a sample


def draw_card(dataset: str | Path, classes: pd.DataFrame, findings: pd.DataFrame) -> Figure:
    """Draw the card of a dataset from its file and the table of its classes."""
    found = Dataset.read(dataset)
    figure = plt.figure(figsize=(8.4, 6.8))
    above, below = figure.subfigures(2, 1, height_ratios=(2, 3))
    counts, mean, values = above.subplots(1, 3, width_ratios=(2, 1, 1))
    _draw_counts(counts, classes)
    _draw_mean(mean, found.train)
    _draw_values(values, found.train)
    rows = shown_samples(found.train.labels, _SAMPLES)
    if found.train.are_images:
        panels = list(below.subplots(_SAMPLES // _COLUMNS, _COLUMNS).flat)
        for axes in panels:
            axes.set_axis_off()
        for axes, row in zip(panels, rows):
            _show(axes, found.train.inputs[row])
            name = found.class_names[found.train.labels[row]]
            axes.set_title(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…", fontsize=7, pad=2)
    else:
        _draw_vectors(below.subplots(), found, rows)
    return figure


def shown_samples(labels: np.ndarray, most: int) -> np.ndarray:
    """Choose samples of all classes, or of evenly spaced ones if there are more than `most`: row numbers, by class.

    Args:
        labels: int64 (N,).
    """
    classes = np.unique(labels)
    if len(classes) > most:
        classes = classes[np.linspace(0, len(classes) - 1, most).round().astype(int)]
    of_class = [np.flatnonzero(labels == label) for label in classes]
    ranked = sorted((rank, label, row) for label, rows in enumerate(of_class) for rank, row in enumerate(rows[:most]))
    return np.array([row for _, _, row in sorted(ranked[:most], key=lambda chosen: (chosen[1], chosen[0]))])


def _draw_counts(axes: Axes, classes: pd.DataFrame) -> None:
    """Draw the number of samples of each class: bars with names or, of many classes, curves in falling order."""
    axes.set_ylabel("samples")
    splits = [split for split in ("train", "test", "gallery") if split in classes]
    if len(classes) <= _MOST_BARS:
        places, width = np.arange(len(classes)), 0.8 / len(splits)
        for number, (split, colour) in enumerate(zip(splits, (COLOURS[0], COLOURS[5], COLOURS[4]))):
            beside = (number - (len(splits) - 1) / 2) * width
            axes.bar(places + beside, classes[split], width, label=split, color=colour)
        names = [str(name) if len(str(name)) <= _LETTERS else f"{str(name)[: _LETTERS - 1]}…" for name in classes.name]
        turned = sum(map(len, names)) > 40
        axes.set_xticks(places, names, rotation=60 if turned else 0, ha="right" if turned else "center", fontsize=7)
        axes.grid(axis="x", visible=False)
        axes.set_xlabel("class")
    else:
        for split, dashes, colour in zip(splits, ("-", "--", ":"), COLOURS):
            axes.plot(np.sort(classes[split])[::-1], dashes, label=split, color=colour)
        axes.set_xlabel(f"the {len(classes)} classes, from the most to the fewest samples")
    axes.set_axisbelow(True)
    axes.set_ylim(0, 1.2 * classes[splits].to_numpy().max())
    axes.legend(fontsize=7.5 if len(splits) < 3 else 6.5, ncols=len(splits), loc="upper right", columnspacing=1)
    axes.set_title("samples of each class")


def _draw_mean(axes: Axes, train: Split) -> None:
    """Draw the mean image, or the mean and the deviation of each column of vectors."""
    if train.are_images:
        mean = sum(
            part.sum(0, dtype=np.float64) for part in np.array_split(train.inputs, 1 + len(train.inputs) // 1000)
        )
        _show(axes, np.rint(mean / len(train.inputs)).astype(np.uint8))
        axes.set_title("mean train image")
        return
    mean, deviation = train.inputs.mean(0), train.inputs.std(0)
    axes.plot(mean, color=COLOURS[0], linewidth=1)
    axes.fill_between(
        np.arange(len(mean)), mean - deviation, mean + deviation, color=COLOURS[0], alpha=0.25, linewidth=0
    )
    axes.set_xlabel("column")
    axes.set_title("mean ± deviation")


def _draw_values(axes: Axes, train: Split) -> None:
    """Draw the distribution of the train split's values: of bytes each, else in 60 bins."""
    if train.are_images:
        counts = np.bincount(train.inputs.reshape(-1), minlength=256) / train.inputs.size
        axes.fill_between(np.arange(256), counts, step="mid", color=COLOURS[0])
        axes.set_xlabel("value of a pixel (0 to 255)")
    else:
        counts, edges = np.histogram(train.inputs, 60)
        axes.stairs(counts / train.inputs.size, edges, fill=True, color=COLOURS[0])
        axes.set_xlabel("value")
    axes.set_axisbelow(True)
    axes.set_yscale("log")
    axes.set_title("share of each value")


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_axis_off()


def _draw_vectors(axes: Axes, found: Dataset, rows: np.ndarray) -> None:
    shown = found.train.inputs[rows]
    most = float(np.abs(shown).max()) or 1.0
    image = axes.imshow(shown, cmap="gray", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.figure.colorbar(image, ax=axes, label="value")
    axes.set_yticks(range(len(rows)), [found.class_names[label] for label in found.train.labels[rows]], fontsize=6)
    axes.set_xlabel("column")
    axes.set_ylabel("class")
    axes.grid(visible=False)
    axes.set_title(f"{len(rows)} train samples, a row each")
