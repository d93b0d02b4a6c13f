"""What an index finds, by the size of its database; and the published rates beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

from rehash.figures.equihash_index import add_legend, range_words, seed_lines
from rehash.figures.equihash_training import LEAST_SEEDS, dashes, seed_words, series_style, spread_words, with_series
from rehash.figures.style import panels, say


class _Panel(NamedTuple):
    """What a panel shows; `counted`: values can lie decades apart, and a zero is an upper limit."""

    metric: str
    label: str
    counted: bool = False


_PANELS = (
    _Panel("true_positive_rate", "share of positive queries"),
    _Panel("false_positive_rate", "share of negative queries", True),
    _Panel("recall", "share of relevant items"),
    _Panel("jaccard", "mean over positive queries"),
    _Panel("perfect_retrieval_rate", "share of positive queries"),
    _Panel("irrelevant_collision_rate", "share of different-label pairs", True),
)
_COLLISIONS = "internal_collisions"
_COUNTED = ("false_positive_rate", "irrelevant_collision_rate", _COLLISIONS, "fallout_at_")
_OF_PAIRS = ("recall_at_", "fallout_at_")
_UNITS = {"k": 10**3, "M": 10**6, "B": 10**9}
_APART, _TOGETHER = 0.08, 0.3  # between marks of two series and between all of one size, of the gap between two sizes
_ARROW = 0.5  # of an upper limit, where its arrow ends
_DECADES = 2  # at least, of a logarithmic axis; at most, below its least value
_TICKS = 7  # of a horizontal axis, about
_OURS = {"markersize": 6, "linewidth": 1.4}
_THEIRS = {"markersize": 6, "linewidth": 0.9, "markerfacecolor": "white", "alpha": 0.75}
_GREY = {"color": "0.3", "marker": "o", "linestyle": "none"}
_TITLE_WIDTH = 96  # characters
_BESIDE = 0.07  # decades from a published mark to ours


def plot_retrieval(table: pd.DataFrame) -> Figure:
    """Six metrics against the size of the database, a line a model.

    From three seeds on a mark is the mean over seeds and its bar the mean's 95% interval; runs of fewer seeds are all
    drawn, with their own. False-positive and irrelevant collision rates can lie decades apart: their axes are
    logarithmic and their means geometric. A run in which none was counted stands at the upper end of its interval, open
    and with an arrow, since it is an upper limit; so is a mean with such a run. Marks of one size stand side by side.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), metric, value, low, high, n.
    """
    table = with_databases(with_series(table))
    table = table[table.metric.isin([shown.metric for shown in _PANELS])]
    names = table.series.unique()
    figure, axes = panels(3, 2, width=3.2, height=2.75)
    figure.suptitle(_title(table), fontsize=9)
    limits = False
    for panel, shown in zip(axes, _PANELS):
        panel.set(title=shown.metric.replace("_", " "), ylabel=shown.label, xlabel="database size (items)")
        _set_sizes(panel, table.database_size)
        rows = table[table.metric == shown.metric]
        lines = {name: seed_lines(rows[rows.series == name], "database_size", shown.counted) for name in names}
        if rows.value.isna().all():
            say(panel, "not measured")
            continue
        _set_values(panel, [line for found in lines.values() for line in found], logarithmic=shown.counted)
        step = _step(table.database_size, len(names))
        for series, found in enumerate(lines.values()):
            for place, line in enumerate(found):
                aside = series - (len(names) - 1) / 2 + (place - (len(found) - 1) / 2) / 2
                _draw_line(panel, line, series, 10 ** (step * aside))
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


def summary_table(table: pd.DataFrame) -> pd.DataFrame:
    """Each model on each size of a database, as text cells: all metrics, with 95% intervals.

    One run has its own interval, several are as `seed_words` has them. What counts false positives and collisions is as
    in the figure: geometric means, "at most" where a run counted none. Metrics of pairs of views (recall_at_r and
    fallout_at_r) do not depend on the size of a database and stand with the largest size that has them.
    """
    table = with_series(table)
    pairs = table.metric.str.startswith(_OF_PAIRS)
    largest = table.database_size.where(pairs).groupby([table.series, table.database]).transform("max")
    table = table[~pairs | (table.database_size == largest)]
    rows = []
    for (name, database, size), found in table.groupby(["series", "database", "database_size"], sort=False):
        cells = {"model": name, "database": database, "items": f"{size:,.0f}", "seeds": found.seed.nunique()}
        for words, metric in (("positive", "true_positive_rate"), ("negative", "false_positive_rate")):
            cells[f"{words} queries"] = range_words(found[found.metric == metric].n)
        for metric in table.metric.unique():
            mine = found[found.metric == metric]
            cells[metric.replace("_", " ")] = "" if mine.empty else _cell(mine, metric)
        rows.append(cells)
    return pd.DataFrame(rows)


def plot_published(table: pd.DataFrame) -> Figure:
    """Perfect-retrieval rates in percent against the size of the database: published hollow, ours filled with bars.

    A model has one marker on the published task, ours a little to the right of the published; what is ours on other
    tasks has others. Bars are as in `plot_retrieval`.

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
        key = (task, name)  # the model's own, but for one of several variants or databases
        number = list(handles).index(key) if key in handles else len(handles)
        aside = _BESIDE
        if (task, model) not in known:
            aside *= others.index((task, model, name)) - (len(others) - 1) / 2
        lines = seed_lines(rows.assign(**100 * rows[["value", "low", "high"]]), "database_size")
        for line in lines:
            _draw_line(panel, line, number, 10**aside, **_OURS)
        joined = dashes(number) if key in known or rows.database_size.nunique() > 1 else "none"
        handles[key] = Line2D([], [], **series_style(number), linestyle=joined, **_OURS, label=f"{name}, {task}")
    panel.set(xlabel="database size (items)", ylabel="perfect retrieval (% of positive queries)")
    _set_sizes(panel, table.database_size)
    panel.set_ylim(bottom=-0.02 * panel.get_ylim()[1])
    marks = [Line2D([], [], **_GREY, markerfacecolor="white", label="open: published")] * bool(known)
    marks += [Line2D([], [], **_GREY, label="filled: ours")] * bool(ours)
    add_legend(figure, [*handles.values(), *marks])
    return figure


def published_table(table: pd.DataFrame) -> pd.DataFrame:
    """Each model and size, as text cells: the published rate, ours with its 95% interval, and how they compare."""
    measured = with_series(table.dropna(subset="value"))
    table = table.assign(series=measured.series.reindex(table.index).fillna(table.model))
    keys = ["task", "series", "database", "database_size"]
    rows = []
    for (task, name, database, size), found in table.groupby(keys, sort=False, dropna=False):
        ours = found.dropna(subset="value")
        theirs = found.published.dropna()
        states = found.status.value_counts(sort=False)
        cells = {"task": task, "model": name, "database": "" if pd.isna(database) else database}
        cells |= {"items": f"{size:,.0f}", "published (%)": "none" if theirs.empty else f"{100 * theirs.iloc[0]:.1f}"}
        cells["ours (%)"] = _percent(ours)
        cells |= {"queries": range_words(ours.n), "seeds": str(ours.seed.nunique() or "")}
        cells["status"] = ", ".join(f"{state} ({n})" if len(states) > 1 else state for state, n in states.items())
        rows.append(cells)
    return pd.DataFrame(rows)


def with_databases(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the database in the name of a series that has several."""
    several = table.groupby(["task", "series"]).database.transform("nunique") > 1
    return table.assign(series=table.series.where(~several, table.series + ", " + table.database.astype(str)))


def size_words(items: float) -> str:
    """20,000 as 20k, and so on."""
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


def _cell(rows: pd.DataFrame, metric: str) -> str:
    """Of one metric, model and size."""
    rows = rows.dropna(subset="value")
    counted = metric.startswith(_COUNTED)
    limit = rows.value.eq(0) & counted
    shown = rows.value.where(~limit, rows.high)
    form = "{:,.0f}" if metric == _COLLISIONS else "{:.3f}" if shown.max() >= 0.01 else "{:.3g}"
    if len(rows) == 1 and not limit.any():
        return _own(rows, form)
    words = seed_words(shown, form, geometric=counted)
    return f"at most {words}" if limit.any() else words


def _own(rows: pd.DataFrame, form: str) -> str:
    """The value of one run and its interval."""
    value, low, high = map(form.format, rows[["value", "low", "high"]].iloc[0])
    return f"{value} ({low} to {high})"


def _percent(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "not run"
    rows = rows.assign(**100 * rows[["value", "low", "high"]])
    return _own(rows, "{:.2f}") if len(rows) == 1 else seed_words(rows.value, "{:.2f}")


def _step(sizes: pd.Series, series: int) -> float:
    """Decades between the marks of two series at one size."""
    decades = np.diff(np.log10(np.sort(sizes.unique())))
    return min(_APART, _TOGETHER / series) * min(decades, default=1.0)


def _set_sizes(panel: Axes, sizes: pd.Series) -> None:
    """A logarithmic axis of database sizes, with a tick at each that has room for one."""
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


def _set_values(panel: Axes, lines: list[pd.DataFrame], *, logarithmic: bool) -> None:
    """The axis of shares: all of it, or whole decades, with room for the arrows of upper limits."""
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


def _draw_line(panel: Axes, line: pd.DataFrame, series: int, aside: float, **look: Any) -> None:
    """Marks with their intervals, at sizes times `aside`, and a line through those that are no upper limits."""
    look = series_style(series) | look
    x, width = aside * line.database_size, look.pop("linewidth", 1.0)
    panel.plot(x, line.value.where(~line.limit), color=look["color"], linestyle=dashes(series), linewidth=width)
    bars = {**look, "linestyle": "none", "elinewidth": 0.9}
    found, limits = line[~line.limit], line[line.limit]
    ends = [(found.value - found.low).clip(lower=0), (found.high - found.value).clip(lower=0)]  # rounding
    panel.errorbar(x[~line.limit], found.value, ends, capsize=2, **bars)
    if not limits.empty:
        arrow = limits.value * (1 - _ARROW)
        panel.errorbar(x[line.limit], limits.value, arrow, uplims=True, **bars, markerfacecolor="white")
