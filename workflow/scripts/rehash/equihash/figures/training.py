"""The figure of training: recall, precision, entropy and distances of a task's models against the step."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from rehash.equihash.tables import MEDIANS, WATCHED, Curve
from rehash.figures.seeds import series_style
from rehash.figures.style import panels, say
from rehash.series import LEAST_SEEDS, seed_mean, spread_words, with_series

_IN_A_ROW = 6  # the most entries of a legend that stand in one row
_MARKS = 8  # approximate number along a line

_SPLITS = {
    "valid": ("validation", {"linestyle": "-", "linewidth": 1.4}),
    "train": ("training", {"linestyle": "--", "linewidth": 0.8}),
}


def plot_training(table: pd.DataFrame) -> Figure:
    """Draw the numbers that training is watched by against the step: a line for each model and split.

    Lines of validation are solid, lines of training thin and dashed.

    From three seeds on lines are means over seeds, with a band of the mean's 95% interval around those of validation;
    fewer seeds have a thin line each. A seed does not count where its value is NaN (precision with no pair within the
    radius), and a line has a gap where no seed counts.

    Args:
        table: of one task; task, model, variant, seed, step, split (train, valid), recall_at_r and precision_at_r of
            r = 0 and 2, same_distance_median and different_distance_median (bits), entropy_worst_1 and _3 (bits) and
            distinct_codes.
    """
    table = with_series(table)
    names = table.series.unique()
    figure, axes = panels(4, 2, width=3.3, height=2.7)
    spread = spread_words(table.groupby("series").seed.nunique(), "band")
    what = "recall, precision, entropy and distances of evaluated pairs as training goes"
    figure.suptitle(f"task {table.task.iloc[0]}: {what}\n{spread}", fontsize=9)
    for panel, shown in zip(axes, WATCHED):
        _draw_metric(panel, table, shown)
    _draw_medians(axes[-1], table)
    limits = axes[-1].get_xlim()  # where no value is NaN
    for panel in axes:
        panel.set(xlabel="step of the optimiser", xlim=limits)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    handles = [Line2D([], [], label=name, **series_style(series)) for series, name in enumerate(names)]
    handles += [Line2D([], [], color="0.3", label=words, **style) for words, style in _SPLITS.values()]
    columns = len(handles) if len(handles) <= _IN_A_ROW else 4
    figure.legend(handles=handles, fontsize=7.5, loc="outside lower center", ncols=columns)
    return figure


def _draw_metric(panel: Axes, table: pd.DataFrame, shown: Curve) -> None:
    panel.set(title=shown.title, ylabel=shown.label, ylim=(-0.03, 1.03))
    if table[shown.metric].isna().all():
        say(panel, "no pair within this distance")
        return
    for series, name in enumerate(table.series.unique()):
        rows = table[table.series == name]
        for split, (_, style) in _SPLITS.items():
            values = by_seed(rows[rows.split == split], shown.metric) / shown.most
            draw_seeds(panel, values, series, style, marked=split == "valid")


def _draw_medians(panel: Axes, table: pd.DataFrame) -> None:
    """Draw the median distances of both kinds of pairs on validation only, to keep to two lines for each model."""
    for series, name in enumerate(table.series.unique()):
        rows = table[(table.series == name) & (table.split == "valid")]
        for metric, (_, line) in MEDIANS.items():
            draw_seeds(panel, by_seed(rows, metric), series, {"linestyle": line, "linewidth": 1.4}, marked=True)
    handles = [Line2D([], [], color="0.3", linestyle=line, label=words) for words, line in MEDIANS.values()]
    panel.legend(handles=handles, fontsize=7)
    panel.set(title="median distance, validation", ylabel="Hamming distance (bits)")
    panel.set_ylim(bottom=min(-1.0, panel.get_ylim()[0]), top=1.3 * panel.get_ylim()[1])


def by_seed(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a metric with a row for each step and a column for each seed."""
    return rows.pivot(index="step", columns="seed", values=metric)


def draw_seeds(panel: Axes, values: pd.DataFrame, series: int, style: dict[str, Any], *, marked: bool) -> None:
    """Draw the mean over seeds, with a band of its interval if `marked`; or a line for each of a few seeds."""
    many = values.shape[1] >= LEAST_SEEDS
    look = style | series_style(series) | ({} if marked else {"marker": "."})
    if values.shape[1] > 1 and not many:
        look["linewidth"] = style["linewidth"] * 0.6
    for line in [values.mean(axis=1)] if many else [values[seed] for seed in values]:
        panel.plot(line.index, line, markevery=_marks(line, series, _MARKS if marked else 0), **look)
    if many and marked:
        _, low, high = zip(*map(seed_mean, values.to_numpy()))
        panel.fill_between(values.index, low, high, color=look["color"], alpha=0.2, linewidth=0)


def _marks(line: pd.Series, series: int, count: int) -> list[int]:
    """Return where a line has markers: at about `count` places, and at isolated points, which no line shows."""
    there = line.notna()
    alone = there & ~there.shift(1, fill_value=False) & ~there.shift(-1, fill_value=False)
    gap = max(1, len(line) // max(1, count))
    return [place for place in range(len(line)) if alone.iloc[place] or (count and place % gap == series % gap)]
