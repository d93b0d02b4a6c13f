"""The figures of the studies: encoding properties against what a study varies."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say, set_scale
from rehash.hash_encoders.figures.titles import ALL_DIVERGED, study_title
from rehash.hash_encoders.studies import PROPERTIES, STUDIES, Study
from rehash.tables import summarise

_DRAWN = ("redundancy_train", "redundancy_test", "kmeans", "knn", "lr", "accuracy_test")
_INPUTS = {
    "test": "test inputs",
    "permuted": "test inputs, shuffled",
    "uniform": "uniform in [0, 1]",
    "uniform_negative": "uniform in [-1, 0]",
}


def plot_study(table: pd.DataFrame, kmeans: str = "test") -> Figure:
    """Draw the figure of a study from its table (columns: rehash.hash_encoders.columns).

    Lines are means over repeats, bands one standard deviation; each protocol has a block of panels.

    Args:
        kmeans: whose codes the K-Means panel is of, train or test.
    """
    study, protocols = STUDIES[table.study.iloc[0]], sorted(table.protocol.unique())
    metrics = [f"kmeans_{kmeans}" if name == "kmeans" else name for name in _DRAWN]
    by = list(dict.fromkeys(["protocol", "layer_width", "l2", "batch_norm", study.column]))
    rows = summarise(table, by, metrics)
    rows = rows.assign(series=_series_names(rows, study))
    figure, axes = panels(3, 2 * len(protocols), width=3.6, height=2.9)
    figure.suptitle(study_title(table), fontsize=9)
    for block, protocol in enumerate(protocols):
        chosen = rows[rows.protocol == protocol]
        for panel, metric in zip(axes[6 * block :], metrics):
            name = PROPERTIES[metric]
            _draw_lines(panel, chosen, study, metric, legend=metric == "redundancy_train")
            panel.set(title=name if len(protocols) == 1 else f"{name}\nprotocol {protocol}", ylim=(-0.03, 1.03))
    return figure


def _series_names(rows: pd.DataFrame, study: Study) -> pd.Series:
    """Name the line of each row by its width and, in a grid of regularisers, by BatchNorm and the L2 penalty."""
    widths = "width " + rows.layer_width.astype(str)
    if not {"l2", "batch_norm"} <= study.keys.keys():
        return widths
    norm = rows.batch_norm.map({True: "BatchNorm", False: "no BatchNorm"})
    grid = norm + ", L2 " + rows.l2.map("{:.2g}".format)
    return grid if rows.layer_width.nunique() == 1 else widths + ", " + grid


def _draw_lines(panel: Axes, rows: pd.DataFrame, study: Study, metric: str, *, legend: bool) -> None:
    if rows.empty:
        say(panel, ALL_DIVERGED)
        return
    for series, (name, line) in enumerate(rows.groupby("series", sort=False)):
        line = line.sort_values(study.column)
        sd = line[f"{metric}_sd"].fillna(0)
        draw_spread(panel, line[study.column], line[f"{metric}_mean"], sd, series=series, label=name)
    panel.set_xlabel(study.axis)
    set_scale(panel, study.scale)
    if legend:
        panel.legend(fontsize=7)


def plot_random_inputs(table: pd.DataFrame) -> Figure:
    """Draw redundancy and the share of units that are on, for each kind of input, against training time.

    Lines are means over repeats, bands one standard deviation; each protocol has a block of panels.

    Args:
        table: a study's keys, and the columns inputs, redundancy and active_share.
    """
    time, metrics = STUDIES["training_time"], ("redundancy", "active_share")
    rows = summarise(table, ["protocol", "layer_width", "inputs", time.column], list(metrics))
    rows = rows.assign(series=_series_names(rows, time))
    protocols = sorted(table.protocol.unique())
    figure, axes = panels(len(_INPUTS), len(metrics) * len(protocols), width=3.0, height=2.7)
    figure.suptitle(study_title(table), fontsize=9)
    places = iter(axes)
    for protocol in protocols:
        for metric in metrics:
            for kind, words in _INPUTS.items():
                panel = next(places)
                chosen = rows[(rows.protocol == protocol) & (rows.inputs == kind)]
                _draw_lines(panel, chosen, time, metric, legend=kind == "test" and metric == "redundancy")
                panel.set(title=words if len(protocols) == 1 else f"{words}\nprotocol {protocol}", ylim=(-0.03, 1.03))
                if kind == "test":
                    panel.set_ylabel(PROPERTIES[metric])
    return figure
