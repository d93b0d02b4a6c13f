"""The figure of a family of ablations: recall against irrelevant collisions, and both against the parameter."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Transform

from rehash.equihash.tables import SETTING, parameter_words, with_settings
from rehash.figures.seeds import dashes, series_style
from rehash.figures.style import panels
from rehash.series import seed_mean, spread_words

_RECALL, _ICR = "recall", "irrelevant_collision_rate"
_LABELS = {
    _RECALL: "recall (share of relevant items)",
    _ICR: "irrelevant collision rate\n(share of pairs of different labels)",
}
_ROOM = 0.08  # on both sides of the parameter's axis, as a share of it
_SPAN = 10  # ratio of the largest to the least positive value above which an axis is logarithmic
_RUN, _MEAN = {"markersize": 2.5, "alpha": 0.6}, {"markersize": 6}
_APART, _ASIDE = 8, 5  # points between the means of two models, and from a mean to its runs
_ARROW = 0.5  # share of an upper limit at which its arrow ends
_IN_A_LINE = 36  # letters of names that fit below an axis without a slant
_LETTERS = 6.5  # size of the words beside the means, in points
_PANEL = np.array([215.0, 165.0])  # approximate width and height of a panel within its axes, in points

_SIDES = ((1, 0), (0, 1), (0, -1), (-1, 0), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))

_FAR = (5, 13, 22)  # points from a mean to its words
_LEADER = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2, "relpos": (0.5, 0.5)}


def plot_family(table: pd.DataFrame) -> Figure:
    """Draw a row of panels for each database: recall against irrelevant collision rate (ICR), then each by parameter.

    Single runs are small marks, beside the large marks of means over seeds, which are joined in the order of the
    parameter. A bar is the 95% interval of the mean from three seeds on, and the run's own interval for one run. ICRs
    of one setting can lie decades apart, so their mean is geometric, with the interval of the mean logarithm. A run
    without any irrelevant collision stands at the upper end of its interval, hollow and with an arrow, since it is an
    upper limit; so is a mean with such a run. The parameter's axis is logarithmic if its values are positive and span
    more than a factor of 10. It has names in place of numbers if the values are not numbers, and the names of variants
    if several parameters vary.

    Args:
        table: of one family; task, family, model, variant, seed, parameter, parameter_value, metric (of which recall
            and irrelevant_collision_rate are drawn), value, low, high, database, database_size.
    """
    table = with_settings(table)
    runs = _runs(table)
    several = runs.groupby(SETTING).size().max() > 1
    databases = list(runs.groupby(["database_size", "database"]))
    figure, axes = panels(3, len(databases), width=4.1, height=3.3)
    figure.suptitle(_title(table, runs), fontsize=9)
    for row, ((size, database), found) in enumerate(databases):
        trade, *others = axes[3 * row : 3 * row + 3]
        trade.set_xscale("log")
        others[1].set_yscale("log")
        for panel, metric in zip(others, (_RECALL, _ICR)):
            panel.set(title=f"{metric.replace('_', ' ')}, {database}", ylabel=_LABELS[metric])
            _set_parameter(panel, table)
        for series, model in enumerate(runs.model.unique()):
            mine = found[found.model == model]
            if mine.empty:
                continue
            means = _means(mine)
            mine = mine if several else mine.iloc[:0]  # one run is its own mean
            _draw_trade(trade, mine, means, series)
            aside = _APART * (series - (runs.model.nunique() - 1) / 2)
            for panel, metric in zip(others, (_RECALL, _ICR)):
                _draw_against(panel, mine, means, metric, series, aside)
        trade.set(xlabel=_LABELS[_ICR].replace("\n", " "), ylabel=_LABELS[_RECALL])
        trade.set_title(f"{database}, {size:,} items")
        trade.margins(x=0.12, y=0.14)
        _write_settings(trade, found)
    figure.legend(handles=_handles(runs, several), fontsize=7.5, loc="outside lower center", ncols=5)
    return figure


def _runs(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each run and database that has both rates: its keys, and each rate's value, low and high.

    Columns are (metric), (metric)_low and (metric)_high; `limit` says that no irrelevant collision was met, and then
    the ICR is the upper end of its interval.
    """
    halves = [
        table[table.metric == metric]
        .set_index([*SETTING, "seed"])[["value", "low", "high"]]
        .rename(columns={"value": metric, "low": f"{metric}_low", "high": f"{metric}_high"})
        for metric in (_RECALL, _ICR)
    ]
    runs = pd.concat(halves, axis=1).dropna(subset=[_RECALL, _ICR]).reset_index()
    limit = runs[_ICR].eq(0)
    return runs.assign(limit=limit, **{_ICR: runs[_ICR].where(~limit, runs[f"{_ICR}_high"])})


def _means(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each setting, in the order of the axis: means and their intervals, in columns of `_runs`."""
    rows = []
    for (place, setting), found in runs.groupby(["place", "setting"]):
        row: dict[str, Any] = {"place": place, "setting": setting, "limit": found.limit.any()}
        for metric in (_RECALL, _ICR):
            columns = [metric, f"{metric}_low", f"{metric}_high"]
            one = len(found) == 1
            values = found[columns].iloc[0] if one else seed_mean(found[metric], geometric=metric == _ICR)
            row |= dict(zip(columns, values))
        rows.append(row)
    return pd.DataFrame(rows)


def _title(table: pd.DataFrame, runs: pd.DataFrame) -> str:
    counts = runs.groupby(SETTING).seed.nunique()
    own = "; bar: 95% interval of the run" if counts.max() == 1 else "; collision rates: geometric mean"
    what = f"recall and irrelevant collisions by {parameter_words(table)}"
    return f"task {table.task.iloc[0]}, family {table.family.iloc[0]}: {what}\n{spread_words(counts, 'bar')}{own}"


def _draw_trade(panel: Axes, runs: pd.DataFrame, means: pd.DataFrame, series: int) -> None:
    style = series_style(series)
    panel.plot(means[_ICR], means[_RECALL], color=style["color"], linestyle=dashes(series), linewidth=1)
    for rows, size in ((runs, _RUN), (means, _MEAN)):
        look = {**style, **size, "linestyle": "none", "elinewidth": 0.8}
        found, limits = rows[~rows.limit], rows[rows.limit]
        panel.errorbar(found[_ICR], found[_RECALL], **look)
        _draw_limits(panel, limits[_ICR], limits[_RECALL], "x", look)


def _draw_against(panel: Axes, runs: pd.DataFrame, means: pd.DataFrame, metric: str, series: int, aside: float) -> None:
    """Draw one metric against the parameter, moved `aside` points to the right, off the marks of other models."""
    style = series_style(series)
    for rows, size, moved in ((runs, _RUN, aside + _ASIDE), (means, _MEAN, aside)):
        look = {**style, **size, "linestyle": "none", "elinewidth": 0.9}
        x = _moved(panel, rows.place, moved)
        limit = rows.limit & (metric == _ICR)
        found = rows[~limit]
        bars = [found[metric] - found[f"{metric}_low"], found[f"{metric}_high"] - found[metric]]
        panel.errorbar(x[~limit], found[metric], bars if rows is means else None, capsize=2, **look)
        _draw_limits(panel, x[limit], rows[metric][limit], "y", look)
    panel.plot(x, means[metric], color=style["color"], linestyle=dashes(series), linewidth=1)


def _moved(panel: Axes, x: pd.Series, points: float) -> pd.Series:
    """Return places on a panel's horizontal axis, whose limits are set, moved by `points` to the right."""
    to_share = _to_share(panel)
    corners = to_share.transform(np.column_stack([x, np.full(len(x), panel.get_ylim()[1])]))
    corners[:, 0] += points / _PANEL[0]
    return pd.Series(to_share.inverted().transform(corners)[:, 0], x.index)


def _to_share(panel: Axes) -> Transform:
    """Return the transform from values to shares of a panel's width and height."""
    panel.autoscale_view()  # otherwise it waits until the figure is drawn
    return panel.transScale + panel.transLimits


def _draw_limits(panel: Axes, x: pd.Series, y: pd.Series, axis: str, look: dict[str, Any]) -> None:
    """Draw upper limits on the logarithmic `axis`, hollow and with an arrow."""
    if x.empty:
        return
    length = (x if axis == "x" else y) * (1 - _ARROW)
    arrow = {"xerr": length, "xuplims": True} if axis == "x" else {"yerr": length, "uplims": True}
    panel.errorbar(x, y, **arrow, **look, markerfacecolor="white")


def _set_parameter(panel: Axes, table: pd.DataFrame) -> None:
    """Set the horizontal axis to the parameter that the family varies."""
    panel.set_xlabel(parameter_words(table))
    places = table.drop_duplicates("place").sort_values("place")
    least, most = places.place.min(), places.place.max()
    room = _ROOM * (most - least) or 1
    if places.named.any():
        letters = places.setting.str.len().max() * len(places)
        slant = {"rotation": 40, "ha": "right"} if letters > _IN_A_LINE else {}
        panel.set_xticks(places.place, places.setting, fontsize=7, **slant)
        panel.set_xlim(-0.5, len(places) - 0.5)
    elif least > 0 and most > _SPAN * least:
        decades = np.log10(most / least)
        panel.set_xscale("log")
        panel.set_xlim(least / 10 ** (_ROOM * decades), most * 10 ** (_ROOM * decades))
        panel.xaxis.set_major_locator(LogLocator(subs=(1,) if decades > 2 else (1, 2, 5)))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    else:
        panel.set_xlim(least - room, most + room)
        panel.xaxis.set_major_locator(FixedLocator([least]) if least == most else MaxNLocator(6))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _write_settings(panel: Axes, runs: pd.DataFrame) -> None:
    """Write each setting beside its mean, on the side where it covers least of means, runs, lines and other words."""
    to_share = _to_share(panel)
    lines = [_means(mine) for _, mine in runs.groupby("model", sort=False)]
    arrows = runs[runs.limit].assign(**{_ICR: runs[_ICR] * _ARROW})
    marks = (*lines, pd.concat([runs, arrows]))
    *spots, single = [to_share.transform(rows[[_ICR, _RECALL]].to_numpy()) * _PANEL for rows in marks]
    between = [a + (b - a) * part for line in spots for a, b in pairwise(line) for part in np.linspace(0, 1, 12)]
    taken = np.vstack([*spots, single, *between])
    weights = np.repeat([4, 1, 0.5], [sum(map(len, spots)), len(single), len(between)])
    written: list[np.ndarray] = []
    text = {"ha": "center", "va": "center", "fontsize": _LETTERS, "textcoords": "offset points", "arrowprops": _LEADER}
    for line, places in zip(lines, spots):
        for row, spot in zip(line.itertuples(), places):
            half = np.array([0.55 * len(row.setting), 0.9]) * _LETTERS / 2
            sides = [np.array(side) * (half + far) for far in _FAR for side in _SIDES]
            boxes = [np.array([spot + side - half, spot + side + half]) for side in sides]
            costs = [_covered(box, taken, weights, written) for box in boxes]
            best = int(np.argmin(np.add(costs, np.repeat(_FAR, len(_SIDES)) / 20)))
            written.append(boxes[best])
            panel.annotate(row.setting, (getattr(row, _ICR), row.recall), sides[best], **text)


def _covered(box: np.ndarray, taken: np.ndarray, weights: np.ndarray, written: list[np.ndarray]) -> float:
    """Return a cost for how much a box (two corners, in points) covers or leaves the panel; 0 for a free place."""
    hits = weights[((taken > box[0] - 2) & (taken < box[1] + 2)).all(axis=1)].sum()
    overlaps = sum(bool((box[0] < other[1]).all() and (other[0] < box[1]).all()) for other in written)
    return float(hits + 20 * overlaps + np.maximum(-box[0], box[1] - _PANEL).max().clip(min=0))


def _handles(runs: pd.DataFrame, several: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], **series_style(series), **_MEAN, linestyle=dashes(series), label=model)
        for series, model in enumerate(runs.model.unique())
    ]
    single = {"color": "0.3", "linestyle": "none", "marker": "o"}
    if several:
        handles.append(Line2D([], [], **single, **_MEAN, label="mean over seeds"))
        handles.append(Line2D([], [], **single, **_RUN, label="a run"))
    if runs.limit.any():
        handles.append(
            Line2D([], [], **single, **_MEAN, markerfacecolor="white", label="upper limit: no collision met")
        )
    return handles
