"""The figures of an index: sizes of its buckets, and what it finds with several probes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from rehash.equihash.tables import LEAST_BUCKETS, SIZE, split_reference
from rehash.figures.seeds import add_legend, dashes, series_style
from rehash.figures.style import panels, say
from rehash.series import LEAST_SEEDS, range_words, seed_lines, spread_words, with_series

_REFERENCE = {"color": "black", "marker": ".", "markersize": 4, "linestyle": ":", "linewidth": 1.0}
_METRICS = {"recall": "share of relevant items", "precision": "share of retrieved items"}
_SHOWN = (1, 10, 100, 1000)  # numbers of probes of the summary table; every line has a point there
_POINTS = 200  # of a line: more cannot be told apart
_MARKS = 6  # approximate number along a line
_ALONE = {"linestyle": "none", "markersize": 2.5, "alpha": 0.7}  # marks of sizes without a neighbouring size
_FAINT = 0.6  # factor of a line's width where each of two seeds has a line


def plot_bucket_sizes(table: pd.DataFrame) -> Figure:
    """Draw how many buckets have 1, 2, ... items: a panel for each database and size, a line for each model.

    From three seeds on a line is the mean over seeds (0 for a seed without such a bucket), with a band from the least
    to the largest where all seeds have such buckets; fewer seeds have a thin line each. Lines join consecutive sizes; a
    size is a small mark if no bucket has one item less or more. The dotted line is the expected number of labels with
    so many items, as far as it is at least 0.5.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), bucket_size (items), buckets.
            Rows of the model "labels" are the reference.
    """
    reference, table = split_reference(table)
    sizes = list(table.groupby(SIZE))
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
        ideal = ideal[ideal.buckets >= LEAST_BUCKETS].sort_values("bucket_size")
        panel.plot(ideal.bucket_size, ideal.buckets, **_REFERENCE)
        panel.set(yscale="log", title=f"{database}, {size:,.0f} items", xlabel="items in a bucket", ylabel="buckets")
        _set_numbers(panel)
    dotted = [Line2D([], [], **_REFERENCE, label="labels, expected: one bucket a label")]
    add_legend(figure, _handles(names) + dotted * (len(reference) > 0))
    return figure


def plot_probes(table: pd.DataFrame) -> Figure:
    """Draw recall and precision against the number of probes: two panels for each database and size.

    Each model has a line. From three seeds on it is the mean over seeds, with a band of the mean's 95% interval; each
    of fewer seeds has a line with its own interval. Precision is not drawn while nothing is retrieved.

    Args:
        table: of one task; task, model, variant, seed, database, database_size (items), probes, metric (recall,
            precision), value, low, high, n (queries).
    """
    table = with_series(table)
    names = table.series.unique()
    sizes = list(table.groupby(SIZE))
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
                say(panel, "nothing retrieved" if rows.n.any() else "no query was probed")
            panel.set(
                title=f"{metric}, {database}, {size:,.0f} items", ylabel=label, xlabel="probes", ylim=(-0.03, 1.03)
            )
            panel.set_xlim(0.9 * found.probes.min(), 1.15 * found.probes.max())
            _set_numbers(panel)
    add_legend(figure, _handles(names))
    return figure


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
    """Yield the lines of a table with a column for each seed, and their widths."""
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
    """Return where a line has markers: at its first point, and evenly on a log axis, off those of other series."""
    if line.empty:
        return []
    shares = (np.arange(_MARKS) + series % _MARKS / _MARKS) / _MARKS
    wanted = line.index[0] * (line.index[-1] / line.index[0]) ** shares
    return sorted({0, *np.searchsorted(line.index, wanted).tolist()})


def _set_numbers(panel: Axes) -> None:
    """Set a logarithmic horizontal axis with plain numbers."""
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
