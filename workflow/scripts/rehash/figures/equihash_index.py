"""The buckets of an index, and what it finds with several probes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from rehash.figures.equihash_training import (
    LEAST_SEEDS,
    dashes,
    seed_mean,
    seed_words,
    series_style,
    spread_words,
    with_series,
)
from rehash.figures.style import panels, say

_LABELS = "labels"  # the model of the reference
_LEAST = 0.5  # of the reference, in buckets
_REFERENCE = {"color": "black", "marker": ".", "markersize": 4, "linestyle": ":", "linewidth": 1.0}
_SIZE = ["database_size", "database"]
_METRICS = {"recall": "share of relevant items", "precision": "share of retrieved items"}
_SHOWN = (1, 10, 100, 1000)  # probes, of the table; no line leaves them out
_ENTRY, _LETTER = 45, 4.2  # points, about, of an entry of the legend: what is not text, and a letter
_COLUMNS = 4
_POINTS = 200  # of a line, as many as can be told apart
_MARKS = 6  # along a line, about
_ALONE = {"linestyle": "none", "markersize": 2.5, "alpha": 0.7}  # marks of sizes that stand alone
_FAINT = 0.6  # of a line's width, where each of two seeds has one


def plot_bucket_sizes(table: pd.DataFrame) -> Figure:
    """How many buckets have 1, 2, ... items: a panel a database and size, a line a model.

    From three seeds on a line is the mean over seeds (0 for a seed without such a bucket), with a band from the least
    to the largest where all seeds have such buckets; fewer seeds have a thin line each. Lines join sizes that follow
    each other, a size whose neighbours no bucket has is a small mark. Dotted: the expected number of labels with so
    many items, from 0.5 up.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), bucket_size (items), buckets.
            Rows of the model "labels" are the reference.
    """
    reference, table = _split(table)
    sizes = list(table.groupby(_SIZE))
    names = table.series.unique()
    rows = -(-len(sizes) // 3)
    columns = -(-len(sizes) // rows)
    figure, axes = panels(columns, rows, width=6.5 if columns == 1 else 4.6 if columns == 2 else 3.4, height=3.2)
    seeds = table.groupby("series").seed.nunique()
    many = f"mean of {range_words(seeds)} seeds, band: from the least to the largest"
    spread = many if seeds.max() >= LEAST_SEEDS else spread_words(seeds, "band")
    figure.suptitle(f"task {table.task.iloc[0]}: buckets of the index by their size\n{spread}", fontsize=9)
    for panel in axes[len(sizes) :]:
        panel.set_visible(False)
    for panel, ((size, database), found) in zip(axes, sizes):
        for series, name in enumerate(names):
            _draw_buckets(panel, found[found.series == name], series)
        ideal = reference[(reference.database_size == size) & (reference.database == database)]
        ideal = ideal[ideal.buckets >= _LEAST].sort_values("bucket_size")
        panel.plot(ideal.bucket_size, ideal.buckets, **_REFERENCE)
        panel.set(yscale="log", title=f"{database}, {size:,.0f} items", xlabel="items in a bucket", ylabel="buckets")
        _set_numbers(panel)
    dotted = [Line2D([], [], **_REFERENCE, label="labels, expected: one bucket a label")]
    add_legend(figure, _handles(names) + dotted * (len(reference) > 0))
    return figure


def bucket_table(table: pd.DataFrame) -> pd.DataFrame:
    """Each model on each size of a database, and the reference, as text cells (see `seed_words`)."""
    reference, table = _split(table)
    reference = reference.assign(series=f"{_LABELS}, expected", seed=0)
    rows = []
    for size in sorted(table.database_size.unique()):
        both = pd.concat([part[part.database_size == size] for part in (table, reference)])
        for (database, name), found in both.groupby(["database", "series"], sort=False):
            runs = pd.DataFrame([_statistics(run) for _, run in found.groupby("seed")])
            cells = {"model": name, "database": database, "seeds": "" if name in set(reference.series) else len(runs)}
            cells |= {"items": range_words(runs["items"]), "buckets": seed_words(runs.buckets, "{:,.0f}")}
            cells["items in a bucket, mean"] = seed_words(runs["mean"], "{:,.2f}")
            cells["largest"] = seed_words(runs.largest, "{:,.0f}")
            cells["share of items alone in their bucket"] = seed_words(runs.alone)
            rows.append(cells)
    return pd.DataFrame(rows)


def plot_probes(table: pd.DataFrame) -> Figure:
    """Recall and precision against the number of probes: two panels a database and size, a line a model.

    From three seeds on a line is the mean over seeds, with a band of the mean's 95% interval; each of fewer seeds has a
    line with its own. Nothing is drawn of precision while nothing is retrieved.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), probes, metric (recall,
            precision), value, low, high, n (queries).
    """
    table = with_series(table)
    names = table.series.unique()
    sizes = list(table.groupby(_SIZE))
    figure, axes = panels(2, len(sizes), width=4.6, height=2.6 + 1 / len(sizes))
    counts = table.groupby("series").seed.nunique()
    own = "; band of a run: its 95% interval" if counts.min() < LEAST_SEEDS else ""
    what = f"what the first probes of {range_words(table.n)} queries find"
    figure.suptitle(f"task {table.task.iloc[0]}: {what}\n{spread_words(counts, 'band')}{own}", fontsize=9)
    for row, ((size, database), found) in enumerate(sizes):
        for panel, (metric, label) in zip(axes[2 * row :], _METRICS.items()):
            rows = found[found.metric == metric]
            for series, name in enumerate(names):
                _draw_probes(panel, rows[rows.series == name], series)
            if rows.value.isna().all():
                say(panel, "nothing retrieved")
            panel.set(
                title=f"{metric}, {database}, {size:,.0f} items", ylabel=label, xlabel="probes", ylim=(-0.03, 1.03)
            )
            panel.set_xlim(0.9 * found.probes.min(), 1.15 * found.probes.max())
            _set_numbers(panel)
    add_legend(figure, _handles(names))
    return figure


def probe_table(table: pd.DataFrame) -> pd.DataFrame:
    """Each model on each size of a database after 1, 10, 100 and 1,000 probes (those there are), as text cells.

    One run has its 95% interval, several are as `seed_words` has them.
    """
    table = with_series(table)
    probes = [count for count in _SHOWN if count in set(table.probes)]
    rows = []
    for (size, database, name), found in table.groupby([*_SIZE, "series"], sort=False):
        cells = {"model": name, "database": f"{database}, {size:,.0f} items", "queries": range_words(found.n)}
        cells["seeds"] = found.seed.nunique()
        for metric in _METRICS:
            for count in probes:
                mine = found[(found.metric == metric) & (found.probes == count)].dropna(subset="value")
                words = seed_words(mine.value)
                if len(mine) == 1:
                    words += " ({:.3f} to {:.3f})".format(*mine[["low", "high"]].iloc[0])
                cells[f"{metric}, {count:,} {'probe' if count == 1 else 'probes'}"] = words
        rows.append(cells)
    return pd.DataFrame(rows)


def seed_lines(rows: pd.DataFrame, x: str, counted: bool = False) -> list[pd.DataFrame]:
    """The lines that show the runs of a model: of the means over seeds from three on, else one a seed.

    Args:
        rows: x, seed, value, low, high; runs without a value are left out.
        x: the column that a line goes along.
        counted: means are geometric, and a zero is an upper limit, the upper end of its interval.

    Returns:
        Tables of x (ascending), value, low, high (of the mean, of a lone run its own), and limit, whether it is one.
    """
    rows = rows.dropna(subset="value").sort_values(x)
    rows = rows.assign(limit=rows.value.eq(0) & counted)
    rows["value"] = rows.value.where(~rows.limit, rows.high)
    columns = ["value", "low", "high"]
    if rows.seed.nunique() < LEAST_SEEDS:
        return [found[[x, *columns, "limit"]].reset_index(drop=True) for _, found in rows.groupby("seed")]
    means = []
    for place, found in rows.groupby(x):
        values = found[columns].iloc[0] if len(found) == 1 else seed_mean(found.value, geometric=counted)
        means.append({x: place, **dict(zip(columns, values)), "limit": found.limit.any()})
    return [pd.DataFrame(means)]


def range_words(values: pd.Series) -> str:
    """The least and the largest of some counts, once if they are one."""
    values = values.dropna()
    return "" if values.empty else " to ".join(dict.fromkeys(f"{n:,.0f}" for n in (values.min(), values.max())))


def add_legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """A legend below the panels, in as many columns as there is room for."""
    widest = _ENTRY + _LETTER * max(len(str(handle.get_label())) for handle in handles)
    columns = int(np.clip(72 * figure.get_figwidth() // widest, 1, _COLUMNS))
    figure.legend(handles=handles, fontsize=7.5, loc="outside lower center", ncols=columns)


def _split(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The reference, and the models with their series."""
    labels = table.model == _LABELS
    return table[labels], with_series(table[~labels])


def _statistics(run: pd.DataFrame) -> dict[str, float]:
    """Of the buckets of one run, or of the reference, whose largest bucket is the largest that is drawn."""
    items, buckets = (run.bucket_size * run.buckets).sum(), run.buckets.sum()
    alone = run.buckets[run.bucket_size == 1].sum() / items
    largest = run.bucket_size[run.buckets >= _LEAST].max()
    return {"items": items, "buckets": buckets, "mean": items / buckets, "largest": largest, "alone": alone}


def _draw_buckets(panel: Axes, rows: pd.DataFrame, series: int) -> None:
    counts = rows.pivot(index="bucket_size", columns="seed", values="buckets")
    style = series_style(series)
    for line, width in _means(counts):
        line = line.reindex(line.index.union(line.index + 1))  # with a gap where no bucket has the next size
        look = {"linestyle": dashes(series), "linewidth": width, "markevery": _marks(line, series)}
        panel.plot(line.index, line, **style, **look)
        alone = line[line.notna() & line.shift(1).isna() & line.shift(-1).isna()]
        panel.plot(alone.index, alone, **style | _ALONE)
    if counts.shape[1] >= LEAST_SEEDS:
        counts = counts.reindex(counts.index.union(counts.index + 1))
        ends = counts.min(axis=1, skipna=False), counts.max(axis=1, skipna=False)
        panel.fill_between(counts.index, *ends, color=style["color"], alpha=0.2, linewidth=0.6)


def _means(counts: pd.DataFrame) -> Iterator[tuple[pd.Series, float]]:
    """The lines of a table with a column a seed, and their widths."""
    if counts.shape[1] >= LEAST_SEEDS:
        yield counts.fillna(0).mean(axis=1), 1.2
    else:
        for seed in counts:
            yield counts[seed].dropna(), 1.2 if counts.shape[1] == 1 else 1.2 * _FAINT


def _draw_probes(panel: Axes, rows: pd.DataFrame, series: int) -> None:
    there = np.sort(rows.probes.unique())
    places = np.unique(np.geomspace(1, max(len(there), 1), _POINTS).round().astype(int)) - 1
    lines = seed_lines(rows[rows.probes.isin({*there[places], *_SHOWN})], "probes") if len(there) else []
    for line in lines:
        line = line.set_index("probes")
        width = 1.3 * (_FAINT if len(lines) > 1 else 1)
        look = {"linestyle": dashes(series), "linewidth": width, "markevery": _marks(line.value, series)}
        panel.plot(line.index, line.value, **series_style(series), **look)
        band = {"color": series_style(series)["color"], "alpha": 0.18, "linewidth": 0.6}
        panel.fill_between(line.index, line.low, line.high, **band)


def _marks(line: pd.Series, series: int) -> list[int]:
    """Where a line has markers: at its first point, and evenly on a logarithmic axis, not where other series do."""
    if line.empty:
        return []
    shares = (np.arange(_MARKS) + series % _MARKS / _MARKS) / _MARKS
    wanted = line.index[0] * (line.index[-1] / line.index[0]) ** shares
    return sorted({0, *np.searchsorted(line.index, wanted).tolist()})


def _set_numbers(panel: Axes) -> None:
    """A logarithmic horizontal axis in plain numbers."""
    panel.set_xscale("log")
    least, most = panel.get_xlim()
    panel.xaxis.set_major_locator(LogLocator(subs=(1,) if most > 100 * least else (1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _handles(names: np.ndarray) -> list[Line2D]:
    return [
        Line2D([], [], **series_style(series), linestyle=dashes(series), label=name)
        for series, name in enumerate(names)
    ]
