"""The figures of what an index finds by the size of its database, and of the published rates beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

from rehash.figures.seeds import add_legend, dashes, series_style
from rehash.figures.style import panels, say
from rehash.series import LEAST_SEEDS, range_words, seed_lines, spread_words, with_series


class _Panel(NamedTuple):
    """A metric with its panel; if `counted`, its values can lie decades apart, and a zero is an upper limit.

    If `mean`, it is no share, and may be 0 or thousands.
    """

    metric: str
    label: str
    counted: bool = False
    mean: bool = False


_PANELS = (
    _Panel("true_positive_rate", "share of positive queries"),
    _Panel("false_positive_rate", "share of negative queries", True),
    _Panel("recall", "share of relevant items"),
    _Panel("jaccard", "mean over positive queries"),
    _Panel("perfect_retrieval_rate", "share of positive queries"),
    _Panel("irrelevant_collision_rate", "share of different-label pairs", True),
)
# A third row, where the queries are items of the database.
_OF_ITEMS = (
    _Panel("own_item_rate", "share of queries"),
    _Panel("alone_in_bucket_rate", "share of queries"),
    _Panel("items_retrieved", "items, mean over queries", mean=True),
)
_UNITS = {"k": 10**3, "M": 10**6, "B": 10**9}
_APART, _TOGETHER = 0.08, 0.3  # between two series' marks, and all marks of a size: shares of the gap between sizes
_ARROW = 0.5  # share of an upper limit at which its arrow ends
_DECADES = 2  # the least of a logarithmic axis; the most that it shows below its least value
_LINEAR = 10  # the most that a mean may be on a linear axis
_TICKS = 7  # approximate number on a horizontal axis
_OURS = {"markersize": 6, "linewidth": 1.4}
_THEIRS = {"markersize": 6, "linewidth": 0.9, "markerfacecolor": "white", "alpha": 0.75}
_GREY = {"color": "0.3", "marker": "o", "linestyle": "none"}
_TITLE_WIDTH = 96  # characters
_BESIDE = 0.07  # decades from a published mark to ours


def plot_retrieval(table: pd.DataFrame) -> Figure:
    """Draw six metrics against the size of the database, with a line for each model; nine if queries are its items.

    From three seeds on a mark is the mean over seeds and its bar the mean's 95% interval; runs of fewer seeds are all
    drawn, with their own intervals. False-positive and irrelevant collision rates can lie decades apart: their axes are
    logarithmic and their means geometric. A run in which none was counted stands at the upper end of its interval, open
    and with an arrow, since it is an upper limit; so is a mean with such a run. Marks of one size stand side by side.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), metric, value, low, high, n.
    """
    table = with_databases(with_series(table))
    of_items = table.metric.isin([shown.metric for shown in _OF_ITEMS if not shown.mean]).any()
    shown_panels = (*_PANELS, *_OF_ITEMS) if of_items else _PANELS
    table = table[table.metric.isin([shown.metric for shown in shown_panels])]
    names = table.series.unique()
    figure, axes = panels(3, len(shown_panels) // 3, width=3.2, height=2.75)
    figure.suptitle(_title(table), fontsize=9)
    limits = False
    for panel, shown in zip(axes, shown_panels):
        panel.set(title=shown.metric.replace("_", " "), ylabel=shown.label, xlabel="database size (items)")
        _set_sizes(panel, table.database_size)
        rows = table[table.metric == shown.metric]
        lines = {name: seed_lines(rows[rows.series == name], "database_size", shown.counted) for name in names}
        if rows.value.isna().all():
            say(panel, "not measured")
            continue
        drawn = [line for found in lines.values() for line in found]
        if shown.mean:
            _set_means(panel, drawn)
        else:
            set_values(panel, drawn, logarithmic=shown.counted)
        step = _step(table.database_size, len(names))
        for series, found in enumerate(lines.values()):
            for place, line in enumerate(found):
                aside = series - (len(names) - 1) / 2 + (place - (len(found) - 1) / 2) / 2
                draw_line(panel, line, series, line.database_size * 10 ** (step * aside))
                limits |= line.limit.any()
    sizes = table.groupby("series").database_size.nunique()
    handles = [
        Line2D([], [], label=name, **series_style(series), linestyle=dashes(series) if sizes[name] > 1 else "none")
        for series, name in enumerate(names)
    ]
    if limits:
        handles.append(Line2D([], [], **_GREY, markerfacecolor="white", label="none counted: upper limit"))
    add_legend(figure, handles)
    return figure


def plot_published(table: pd.DataFrame) -> Figure:
    """Draw perfect-retrieval rates (%) against the size of the database: published hollow, ours filled with bars.

    Perfect is what the table says (`rehash.equihash.evaluation.comparison.compare_perfect_retrieval`): the bucket of an
    item that is seen again holds this item and nothing else.

    On the published task a model has the same marker for both, with ours a little to the right of the published one;
    our rates on other tasks have other markers. Bars are as in `plot_retrieval`.

    Args:
        table: task, database, model, variant, seed, database_size (items), published and value, low, high (shares, NaN
            where there is none), n (queries), status, and why a published rate cannot be compared (NaN if it can).
    """
    published = table.dropna(subset="published").drop_duplicates(["task", "model", "database_size"])
    measured = with_databases(with_series(table.dropna(subset="value")))
    figure, (panel,) = panels(1, width=7, height=4.6)
    figure.suptitle(_published_title(published, measured), fontsize=9)
    handles: dict[Hashable, Line2D] = {}
    for number, ((task, model), rows) in enumerate(published.groupby(["task", "model"], sort=False)):
        look = {**series_style(number), "linestyle": dashes(number), "label": f"{model}, {task}"}
        rows = rows.sort_values("database_size")
        (handles[task, model],) = panel.plot(rows.database_size, 100 * rows.published, **look, **_THEIRS)
    known = list(handles)
    ours = list(measured.groupby(["task", "model", "series"], sort=False))
    others = [key for key, _ in ours if key[:2] not in known]
    for (task, model, name), rows in ours:
        key = (task, name)  # the name is the model's, except with several variants or databases
        number = list(handles).index(key) if key in handles else len(handles)
        aside = _BESIDE
        if (task, model) not in known:
            aside *= others.index((task, model, name)) - (len(others) - 1) / 2
        lines = seed_lines(rows.assign(**100 * rows[["value", "low", "high"]]), "database_size")
        for line in lines:
            draw_line(panel, line, number, line.database_size * 10**aside, **_OURS)
        joined = dashes(number) if key in known or rows.database_size.nunique() > 1 else "none"
        handles[key] = Line2D([], [], **series_style(number), linestyle=joined, **_OURS, label=f"{name}, {task}")
    panel.set(xlabel="database size (items)", ylabel="alone in the bucket (% of queries)")
    _set_sizes(panel, table.database_size)
    panel.set_ylim(bottom=-0.02 * panel.get_ylim()[1])
    marks = [Line2D([], [], **_GREY, markerfacecolor="white", label="open: published")] * bool(known)
    marks += [Line2D([], [], **_GREY, label="filled: ours")] * bool(ours)
    add_legend(figure, [*handles.values(), *marks])
    return figure


def with_databases(table: pd.DataFrame) -> pd.DataFrame:
    """Add the database to the name of each series that has several databases."""
    several = table.groupby(["task", "series"]).database.transform("nunique") > 1
    return table.assign(series=table.series.where(~several, table.series + ", " + table.database.astype(str)))


def size_words(items: float) -> str:
    """Return a number of items as a short text: 20k for 20,000, and so on."""
    unit = max((unit for unit, size in _UNITS.items() if items >= size), key=_UNITS.__getitem__, default="")
    return f"{items / _UNITS.get(unit, 1):.4g}{unit}"


def _title(table: pd.DataFrame) -> str:
    counts = table.groupby("series").seed.nunique()
    means = "; rates on logarithmic axes: geometric mean" if counts.max() >= LEAST_SEEDS else ""
    queries = [range_words(table[table.metric == _PANELS[place].metric].n) or "no" for place in (0, 1)]
    what = f"what an exact look-up finds, {queries[0]} positive and {queries[1]} negative queries"
    where = f"task {table.task.iloc[0]}, database {', '.join(table.database.unique())}"
    return f"{where}: {what}\n{_spread(counts)}{means}"


def _published_title(published: pd.DataFrame, measured: pd.DataFrame) -> str:
    reasons = "; ".join(published.why.dropna().unique())
    apart = "\n" + textwrap.fill(f"NOT COMPARABLE with ours: {reasons}", _TITLE_WIDTH) if reasons else ""
    theirs = "published (error below 0.1 points)"
    if measured.empty:
        return f"perfect retrieval: {theirs}; ours: not run{apart}"
    spread = _spread(measured.groupby(["task", "series"]).seed.nunique())
    both = "ours" if published.empty else f"{theirs} and ours"
    return f"perfect retrieval: {both}, {range_words(measured.n)} queries\nours: {spread}{apart}"


def _spread(counts: pd.Series) -> str:
    own = "; bar: 95% interval of the run" if counts.min() < LEAST_SEEDS else ""
    return spread_words(counts, "bar") + own


def _step(sizes: pd.Series, series: int) -> float:
    """Return the decades between the marks of two series at one size."""
    decades = np.diff(np.log10(np.sort(sizes.unique())))
    return min(_APART, _TOGETHER / series) * min(decades, default=1.0)


def _set_sizes(panel: Axes, sizes: pd.Series) -> None:
    """Set a logarithmic axis of database sizes, with a tick at each size that has room for one."""
    found = np.sort(sizes.unique())
    decades = np.log10(found[-1] / found[0])
    room = 0.5 if len(found) == 1 else 0.06 * decades + _TOGETHER / 2 * np.diff(np.log10(found)).min()
    ticks = [found[-1]]
    for size in found[-2::-1]:
        if np.log10(ticks[-1] / size) >= decades / _TICKS:
            ticks.append(size)
    panel.set_xscale("log")
    panel.set_xlim(found[0] / 10**room, found[-1] * 10**room)
    panel.set_xticks(ticks, [size_words(size) for size in ticks])
    panel.xaxis.set_minor_locator(NullLocator())


def set_values(panel: Axes, lines: list[pd.DataFrame], *, logarithmic: bool) -> None:
    """Set the axis of shares: from 0 to 1, or in decades with room for the arrows of upper limits."""
    if not logarithmic:
        panel.set_ylim(-0.03, 1.03)
        return
    drawn = pd.concat(lines)
    ends = drawn.low.where(drawn.low > 0).clip(lower=drawn.value.min() / 10**_DECADES)
    least = np.fmin(ends.min(), (drawn.value * np.where(drawn.limit, _ARROW, 1)).min())
    top = np.ceil(np.log10(1.1 * drawn[["value", "high"]].max().max()))
    bottom = min(np.floor(np.log10(0.9 * least)), top - _DECADES)
    panel.set(yscale="log", ylim=(10**bottom, min(10**top, 1.5)))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _set_means(panel: Axes, lines: list[pd.DataFrame]) -> None:
    """Set the axis of means from 0 on; where they reach beyond 10 it is logarithmic above 1."""
    top = pd.concat(lines)[["value", "high"]].max().max() or 1
    if top > _LINEAR:
        panel.set_yscale("symlog", linthresh=1)
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    panel.set_ylim(0, (1.5 if top > _LINEAR else 1.1) * top)


def draw_line(panel: Axes, line: pd.DataFrame, series: int, x: pd.Series, **look: Any) -> None:
    """Draw marks with intervals at `x`, and a line through the marks that are no upper limits."""
    look = series_style(series) | look
    width = look.pop("linewidth", 1.0)
    panel.plot(x, line.value.where(~line.limit), color=look["color"], linestyle=dashes(series), linewidth=width)
    bars = {**look, "linestyle": "none", "elinewidth": 0.9}
    found, limits = line[~line.limit], line[line.limit]
    ends = [(found.value - found.low).clip(lower=0), (found.high - found.value).clip(lower=0)]  # rounding
    panel.errorbar(x[~line.limit], found.value, ends, capsize=2, **bars)
    if not limits.empty:
        arrow = limits.value * (1 - _ARROW)
        panel.errorbar(x[line.limit], limits.value, arrow, uplims=True, **bars, markerfacecolor="white")
