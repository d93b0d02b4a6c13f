"""The figures of the studies: encoding properties against what a study varies."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.errors import unknown
from rehash.figures.capacity import KMEANS, plot_capacity
from rehash.figures.style import ALL_DIVERGED, draw_spread, panels, say, set_scale, title
from rehash.tables import summarise

_PROPERTIES = {
    "redundancy_train": "redundancy ratio (training inputs)",
    "redundancy_test": "redundancy ratio (test inputs)",
    "kmeans": "K-Means accuracy",
    "knn": "K-NN accuracy",
    "lr": "logistic regression accuracy",
    "accuracy_test": "network accuracy (test inputs)",
}


@dataclass(frozen=True)
class Axis:
    """What a study varies: the column, its name with unit, and the scale of the axis."""

    column: str
    label: str
    scale: str = "linear"


_AXES = {
    "sample_size": Axis("sample_size", "sample size (training inputs)", "log"),
    "training_time": Axis("epoch", "training time (epochs)", "symlog"),
    "regularisation": Axis("dropout", "dropout (share of hidden activations)"),
    "label_noise": Axis("label_noise", "label noise (share of labels permuted)"),
    "instance_noise": Axis("instance_noise", "instance noise (share of inputs)"),
    "random_inputs": Axis("epoch", "training time (epochs)", "symlog"),
}


def plot_study(table: pd.DataFrame, study: str, kmeans: str = "test") -> Figure:
    """The figure of a study from its table (columns: rehash.hash_encoders.columns; random_inputs has its own).

    Lines are means over repeats, bands one standard deviation; a block of panels for each protocol.

    Args:
        kmeans: of which codes K-Means is drawn, train or test.

    Raises:
        InputError: there is no such study.
    """
    if study == "capacity":
        return plot_capacity(table, kmeans)
    if study not in _AXES:
        raise unknown("study", study, ("capacity", *_AXES), "plot_study")
    if study == "random_inputs":
        return _plot_random_inputs(table, _AXES[study])
    axis, protocols = _AXES[study], sorted(table.protocol.unique())
    by = ["protocol", "layer_width", "l2", "batch_norm", axis.column]
    split, codes = KMEANS[kmeans]
    properties = {split if name == "kmeans" else name: words for name, words in _PROPERTIES.items()}
    properties[split] = codes.replace("K-Means", "K-Means accuracy")
    rows = summarise(table, by, list(properties))
    rows = rows.assign(series=_series_names(rows, study))
    figure, axes = panels(3, 2 * len(protocols), width=3.6, height=2.9)
    figure.suptitle(title(table, study), fontsize=9)
    for block, protocol in enumerate(protocols):
        chosen = rows[rows.protocol == protocol]
        for panel, (metric, name) in zip(axes[6 * block :], properties.items()):
            _draw_lines(panel, chosen, axis, metric, legend=metric == "redundancy_train")
            panel.set(title=name if len(protocols) == 1 else f"{name}\nprotocol {protocol}", ylim=(-0.03, 1.03))
    return figure


def _series_names(rows: pd.DataFrame, study: str) -> pd.Series:
    """One name for each line: the width, and in a grid of regularisers these."""
    widths = "width " + rows.layer_width.astype(str)
    if study != "regularisation":
        return widths
    norm = rows.batch_norm.map({True: "BatchNorm", False: "no BatchNorm"})
    grid = norm + ", L2 " + rows.l2.map("{:.2g}".format)
    return grid if rows.layer_width.nunique() == 1 else widths + ", " + grid


def _draw_lines(panel: Axes, rows: pd.DataFrame, axis: Axis, metric: str, *, legend: bool) -> None:
    if rows.empty:
        say(panel, ALL_DIVERGED)
        return
    for series, (name, line) in enumerate(rows.groupby("series", sort=False)):
        line = line.sort_values(axis.column)
        sd = line[f"{metric}_sd"].fillna(0)
        draw_spread(panel, line[axis.column], line[f"{metric}_mean"], sd, series=series, label=name)
    panel.set_xlabel(axis.label)
    set_scale(panel, axis.scale)
    if legend:
        panel.legend(fontsize=7)


def _plot_random_inputs(table: pd.DataFrame, axis: Axis) -> Figure:
    kinds = {
        "test": "test pictures",
        "permuted": "pictures, pixels shuffled",
        "uniform": "uniform in [0, 1]",
        "uniform_negative": "uniform in [-1, 0]",
    }
    metrics = {"redundancy": "redundancy ratio", "active_share": "share of hidden units on"}
    rows = summarise(table, ["protocol", "layer_width", "inputs", axis.column], list(metrics))
    rows = rows.assign(series=_series_names(rows, "random_inputs"))
    protocols = sorted(table.protocol.unique())
    figure, axes = panels(len(kinds), len(metrics) * len(protocols), width=3.0, height=2.7)
    figure.suptitle(title(table, "random_inputs"), fontsize=9)
    places = iter(axes)
    for protocol in protocols:
        for metric, name in metrics.items():
            for kind, words in kinds.items():
                panel = next(places)
                chosen = rows[(rows.protocol == protocol) & (rows.inputs == kind)]
                _draw_lines(panel, chosen, axis, metric, legend=kind == "test" and metric == "redundancy")
                panel.set(title=words if len(protocols) == 1 else f"{words}\nprotocol {protocol}", ylim=(-0.03, 1.03))
                if kind == "test":
                    panel.set_ylabel(name)
    return figure
