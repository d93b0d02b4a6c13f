"""The figures of the studies: encoding properties against what a study varies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say, set_scale
from rehash.hash_encoders.blocks import blocks
from rehash.hash_encoders.columns import REGULARISERS
from rehash.hash_encoders.figures.titles import ALL_DIVERGED, study_title
from rehash.hash_encoders.protocols import SLOPES
from rehash.hash_encoders.studies import PROPERTIES, STUDIES, Study, level_name
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

    Lines are means over repeats, bands one standard deviation; each protocol, depth and sample size has a block of
    panels (`rehash.hash_encoders.blocks`). A grid of regularisers in which the column has one level is drawn as points,
    with bars of one standard deviation.

    Args:
        kmeans: whose codes the K-Means panel is of, train or test.
    """
    study = STUDIES[table.study.iloc[0]]
    metrics = [f"kmeans_{kmeans}" if name == "kmeans" else name for name in _DRAWN]
    grid = [name for name in REGULARISERS if name in study.keys and name != study.column]
    varied = [name for name in grid if table.groupby("protocol")[name].nunique().max() > 1]
    as_points = bool(varied) and table[study.column].nunique() == 1
    by = list(dict.fromkeys(["layer_width", *varied, study.column]))
    parts = blocks(table, study.column)
    figure, axes = panels(3, 2 * len(parts), width=3.6, height=2.9)
    figure.suptitle(study_title(table).replace("band of", "bar of" if as_points else "band of"), fontsize=9)
    for block, (words, part) in enumerate(parts):
        rows = summarise(part, by, metrics)
        rows = rows.assign(series=_series_names(rows, varied))
        rows = rows.sort_values(["layer_width", *varied], key=_places, kind="stable")
        for place, (panel, metric) in enumerate(zip(axes[6 * block :], metrics)):
            if rows.empty:
                say(panel, ALL_DIVERGED)
            elif as_points:
                _draw_points(panel, rows, metric, named=place % 3 == 0)
            else:
                _draw_lines(panel, rows, study, metric, legend=metric == "redundancy_train")
            name = PROPERTIES[metric]
            panel.set_title(name if len(parts) == 1 else f"{name}\n{words}")
            (panel.set_xlim if as_points else panel.set_ylim)(-0.03, 1.03)
    return figure


def _series_names(rows: pd.DataFrame, varied: Sequence[str] = ()) -> pd.Series:
    """Name the line of each row by what differs between lines: the width, and the regularisers of a grid."""
    widths = ["width " + rows.layer_width.astype(str)] if rows.layer_width.nunique() > 1 or not varied else []
    levels = [rows[name].map(partial(level_name, name)).astype(str) for name in varied]
    return (widths + levels)[0].str.cat((widths + levels)[1:], sep=", ")


def _places(levels: pd.Series) -> pd.Series:
    """Return what the levels of a column are sorted by: activations have the order of the schema, a ReLU first."""
    return levels.map(list(SLOPES).index) if levels.name == "activation" else levels


def _draw_lines(panel: Axes, rows: pd.DataFrame, study: Study, metric: str, *, legend: bool) -> None:
    for series, (name, line) in enumerate(rows.groupby("series", sort=False)):
        line = line.sort_values(study.column)
        sd = line[f"{metric}_sd"].fillna(0)
        draw_spread(panel, line[study.column], line[f"{metric}_mean"], sd, series=series, label=name)
    panel.set_xlabel(study.axis)
    set_scale(panel, study.scale)
    if legend:
        panel.legend(fontsize=7)


def _draw_points(panel: Axes, rows: pd.DataFrame, metric: str, *, named: bool) -> None:
    """Draw the series one below the other, as points with bars of one standard deviation."""
    places, sd = range(len(rows)), rows[f"{metric}_sd"].fillna(0)
    panel.errorbar(rows[f"{metric}_mean"], places, xerr=sd, color="black", marker="o", linestyle="", capsize=3)
    panel.set_yticks(places, rows.series if named else [""] * len(rows), fontsize=7)
    panel.set_ylim(len(rows) - 0.5, -0.5)


def plot_random_inputs(table: pd.DataFrame) -> Figure:
    """Draw redundancy and the share of units that are on, for each kind of input, against training time.

    Lines are means over repeats, bands one standard deviation; blocks of panels as in `plot_study`.

    Args:
        table: a study's keys, and the columns inputs, redundancy and active_share.
    """
    time, metrics = STUDIES["training_time"], ("redundancy", "active_share")
    parts = blocks(table, time.column)
    figure, axes = panels(len(_INPUTS), len(metrics) * len(parts), width=3.0, height=2.7)
    figure.suptitle(study_title(table), fontsize=9)
    places = iter(axes)
    for name, part in parts:
        rows = summarise(part, ["layer_width", "inputs", time.column], list(metrics))
        rows = rows.assign(series=_series_names(rows))
        for metric in metrics:
            for kind, words in _INPUTS.items():
                panel = next(places)
                chosen = rows[rows.inputs == kind]
                if chosen.empty:
                    say(panel, ALL_DIVERGED)
                else:
                    _draw_lines(panel, chosen, time, metric, legend=kind == "test" and metric == "redundancy")
                panel.set(title=words if len(parts) == 1 else f"{words}\n{name}", ylim=(-0.03, 1.03))
                if kind == "test":
                    panel.set_ylabel(PROPERTIES[metric])
    return figure
