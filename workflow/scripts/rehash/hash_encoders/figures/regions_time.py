"""The figure of linear regions over training: their extents and numbers beside redundancy, on one axis of time."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say, set_scale
from rehash.hash_encoders.blocks import of_all_inputs
from rehash.hash_encoders.figures.regions import NETWORK, POINTS, draw_slice, name_of, title
from rehash.hash_encoders.figures.titles import ALL_DIVERGED
from rehash.hash_encoders.studies import PROPERTIES, STUDIES, WAYS
from rehash.tables import medians, summarise

_TIME = STUDIES["training_time"]
_REDUNDANCY = ("redundancy_train", "redundancy_test")
_SLICES = 3


def plot_regions_time(lines: pd.DataFrame, slices: pd.DataFrame, study: pd.DataFrame) -> Figure:
    """Draw what linear regions do along a training, for each protocol and size of network of the training_time study.

    Top: medians over training inputs of the distance to the nearest face and of chords; medians over lines of the
    number of code changes between two inputs; and the redundancy of the same networks. Lines are means over repeats,
    bands one standard deviation. Bottom, if there are slices: the first, a middle and the last one.

    Args:
        lines, slices: as `rehash.hash_encoders.measure_regions` writes them. study: the table of training_time.
    """
    lines, slices = (table[table.networks == "training_time"] for table in (lines, slices))
    networks = list(lines.groupby(NETWORK, sort=True))
    rows = 2 if len(slices) else 1
    figure, axes = panels(3, rows * len(networks), height=3.8)
    figure.suptitle(title(lines), fontsize=9)
    for place, (values, chosen) in enumerate(networks):
        distances, changes, redundancy, *below = axes[3 * rows * place : 3 * rows * (place + 1)]
        _draw_distances(distances, chosen[chosen.points == "train"])
        distances.set_title(f"extent of the regions of training inputs\n{name_of(values)}")
        _draw_changes(changes, chosen)
        _draw_redundancy(redundancy, study[(study[NETWORK] == list(values)).all(axis=1) & of_all_inputs(study)])
        mine = slices[(slices[NETWORK] == list(values)).all(axis=1)]
        _draw_slices(below, chosen, mine)
    for panel in axes:
        if panel.get_xlabel() == _TIME.axis:
            set_scale(panel, _TIME.scale)
    return figure


def _draw_medians(panel: Axes, curves: dict[str, tuple[pd.DataFrame, str]]) -> None:
    """Draw, for each label's rows and column, the median over a network's rows against the epoch."""
    panel.set_xlabel(_TIME.axis)
    for series, (label, (rows, column)) in enumerate(curves.items()):
        curve = summarise(medians(rows, ["epoch"], [column]), ["epoch"], [column])
        mean, sd = curve[f"{column}_mean"], curve[f"{column}_sd"].fillna(0)
        if np.isfinite(mean).any():
            draw_spread(panel, curve.epoch, mean.where(np.isfinite(mean)), sd, series=series, label=label)
    if panel.lines:
        panel.legend(fontsize=7)
    else:
        say(panel, "no code changes")


def _draw_distances(panel: Axes, lines: pd.DataFrame) -> None:
    ways = [way for way in WAYS if (lines.direction == way).any()]
    curves = {f"chord {WAYS[way]}": (lines[lines.direction == way], "chord") for way in ways}
    _draw_medians(panel, {PROPERTIES["nearest_face"]: (lines, "nearest_face"), **curves})
    panel.set(ylabel="median L2 distance of inputs", yscale="log")


def _draw_changes(panel: Axes, lines: pd.DataFrame) -> None:
    ends = lines[lines.direction == "input"]
    panel.set(title=PROPERTIES["changes"], ylabel="median number of changes on a line")
    if ends.empty:
        panel.set_xlabel(_TIME.axis)
        say(panel, "not counted without the direction input")
        return
    _draw_medians(panel, {words: (ends[ends.points == points], "changes") for points, words in POINTS.items()})
    panel.set_ylim(bottom=0)


def _draw_redundancy(panel: Axes, study: pd.DataFrame) -> None:
    panel.set(title="redundancy of the same networks", xlabel=_TIME.axis, ylabel="redundancy ratio")
    rows = summarise(study, ["epoch"], _REDUNDANCY)
    if rows.empty:
        say(panel, ALL_DIVERGED)
        return
    for series, metric in enumerate(_REDUNDANCY):
        label = POINTS[metric.removeprefix("redundancy_")]
        draw_spread(
            panel, rows.epoch, rows[f"{metric}_mean"], rows[f"{metric}_sd"].fillna(0), series=series, label=label
        )
    panel.set_ylim(bottom=0)
    panel.legend(fontsize=7)


def _draw_slices(below: list[Axes], lines: pd.DataFrame, slices: pd.DataFrame) -> None:
    """Draw the slices of evenly spaced snapshots, the first and the last among them."""
    epochs = sorted(lines.epoch.unique())
    places = np.unique(np.linspace(0, len(epochs) - 1, _SLICES).round().astype(int))
    for panel, place in zip(below, places):
        why = lines[lines.epoch == epochs[place]].no_slice.dropna()
        draw_slice(panel, slices[slices.epoch == epochs[place]], f"epoch {epochs[place]}", next(iter(why), "no slice"))
    for panel in below[len(places) :]:
        panel.set_axis_off()
