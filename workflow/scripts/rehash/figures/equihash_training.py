"""How training goes: a task's models against the step, and what the wing's figures say of several seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from rehash.figures.style import COLOURS, DASHES, MARKERS, panels, say
from rehash.intervals import mean_interval

LEAST_SEEDS = 3  # from which on the interval of a mean says more than its values
_IN_A_ROW = 6  # of the legend's entries
_MARKS = 8  # along a line, about


class _Panel(NamedTuple):
    """What a panel shows; `most` is the largest value there is, of which shares are drawn."""

    metric: str
    title: str
    label: str
    most: int = 1


_PANELS = (
    _Panel("recall_at_0", "recall, equal codes", "share of same-label pairs"),
    _Panel("precision_at_0", "precision, equal codes", "share of pairs found"),
    _Panel("entropy_worst_1", "worst bit", "entropy (share of 1 bit)", 1),
    _Panel("distinct_codes", "distinct codes, different labels", "share of views"),
    _Panel("recall_at_2", "recall within distance 2", "share of same-label pairs"),
    _Panel("precision_at_2", "precision within distance 2", "share of pairs found"),
    _Panel("entropy_worst_3", "worst triple of bits", "entropy (share of 3 bits)", 3),
)
_MEDIANS = {"same_distance_median": ("same label", "-"), "different_distance_median": ("different labels", "-.")}
_SPLITS = {
    "valid": ("validation", {"linestyle": "-", "linewidth": 1.4}),
    "train": ("training", {"linestyle": "--", "linewidth": 0.8}),
}


def plot_training(table: pd.DataFrame) -> Figure:
    """What training is watched by, against the step: a line a model; validation solid, training thin and dashed.

    From three seeds on lines are means over seeds, with a band of the mean's 95% interval around those of validation;
    fewer seeds have a thin line each. Where a value is NaN (precision with no pair within the radius) a seed does not
    count, and a line without any has a gap.

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
    for panel, shown in zip(axes, _PANELS):
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


def summary_table(table: pd.DataFrame) -> pd.DataFrame:
    """Each model at the end of training, on both splits, as text cells (see `seed_words`)."""
    table = with_series(table)
    last = table.loc[table.groupby(["series", "split", "seed"]).step.idxmax()]
    rows = []
    for (name, split), found in last.groupby(["series", "split"], sort=False):
        cells = {"model": name, "split": split, "seeds": len(found)}
        cells |= {"step": _range_words(found.step), "pairs": _range_words(found.pairs)}
        for shown in _PANELS:
            unit = f", share of {shown.most} bits" if shown.most > 1 else ""
            cells[f"{shown.title}{unit}"] = seed_words(found[shown.metric] / shown.most)
        for metric, (words, _) in _MEDIANS.items():
            cells[f"median distance, {words} (bits)"] = seed_words(found[metric], "{:.1f}")
        rows.append(cells)
    return pd.DataFrame(rows)


def with_series(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `series`: the model, and its variant where a model has several."""
    several = table.groupby("model").variant.transform("nunique") > 1
    return table.assign(series=table.model.where(~several, table.model + ", " + table.variant.astype(str)))


def series_style(series: int) -> dict[str, Any]:
    """Colour and marker of a line, by its number."""
    return {"color": COLOURS[series % len(COLOURS)], "marker": MARKERS[series % len(MARKERS)]}


def dashes(series: int) -> Any:
    """The dashes of a line, by its number."""
    return DASHES[series % len(DASHES)]


def seed_mean(values: Iterable[float], *, geometric: bool = False) -> tuple[float, float, float]:
    """The mean over seeds, NaN left out, and its 95% interval: NaN for fewer than `LEAST_SEEDS`.

    geometric: of values above 0, the geometric mean, with the interval of the mean logarithm.
    """
    found = pd.Series(values, dtype=float).dropna()
    if geometric:
        mean, low, high = np.exp(seed_mean(np.log(found)))
        return mean, low, high
    low, high = mean_interval(found) if len(found) >= LEAST_SEEDS else (float("nan"), float("nan"))
    return found.mean(), low, high


def seed_words(values: Iterable[float], form: str = "{:.3f}", *, geometric: bool = False) -> str:
    """For people: `seed_mean` and its interval, or the least and the largest of two seeds, or the value of one."""
    found = pd.Series(values, dtype=float).dropna()
    if found.empty:
        return "none"
    mean, *interval = map(form.format, seed_mean(found, geometric=geometric))
    if len(found) == 1:
        return mean
    ends = interval if len(found) >= LEAST_SEEDS else map(form.format, (found.min(), found.max()))
    return f"{mean} ({' to '.join(ends)})"


def spread_words(counts: Sequence[int], mark: str) -> str:
    """What is drawn of `counts` seeds a line, and what `mark` (band, bar) stands for."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "one seed, no spread over seeds"
    n = str(most) if least == most else f"{least} to {most}"
    if most < LEAST_SEEDS:
        return f"{n} seeds, each drawn"
    few = f"; fewer than {LEAST_SEEDS}: each drawn" if least < LEAST_SEEDS else ""
    return f"mean of {n} seeds, {mark}: 95% interval of the mean{few}"


def _range_words(values: pd.Series) -> str:
    return " to ".join(dict.fromkeys((f"{values.min():,}", f"{values.max():,}")))


def _draw_metric(panel: Axes, table: pd.DataFrame, shown: _Panel) -> None:
    panel.set(title=shown.title, ylabel=shown.label, ylim=(-0.03, 1.03))
    if table[shown.metric].isna().all():
        say(panel, "no pair within this distance")
        return
    for series, name in enumerate(table.series.unique()):
        rows = table[table.series == name]
        for split, (_, style) in _SPLITS.items():
            values = _by_seed(rows[rows.split == split], shown.metric) / shown.most
            _draw_seeds(panel, values, series, style, marked=split == "valid")


def _draw_medians(panel: Axes, table: pd.DataFrame) -> None:
    """Of validation only: each model has two lines as it is."""
    for series, name in enumerate(table.series.unique()):
        rows = table[(table.series == name) & (table.split == "valid")]
        for metric, (_, line) in _MEDIANS.items():
            _draw_seeds(panel, _by_seed(rows, metric), series, {"linestyle": line, "linewidth": 1.4}, marked=True)
    handles = [Line2D([], [], color="0.3", linestyle=line, label=words) for words, line in _MEDIANS.values()]
    panel.legend(handles=handles, fontsize=7)
    panel.set(title="median distance, validation", ylabel="Hamming distance (bits)")
    panel.set_ylim(bottom=min(-1.0, panel.get_ylim()[0]), top=1.3 * panel.get_ylim()[1])


def _by_seed(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A row a step, a column a seed."""
    return rows.pivot(index="step", columns="seed", values=metric)


def _draw_seeds(panel: Axes, values: pd.DataFrame, series: int, style: dict[str, Any], *, marked: bool) -> None:
    """The mean over seeds, and its interval's band if `marked`; or each of a few seeds."""
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
    """Where a line has markers: at about `count` places, and at points that stand alone, of which it shows nothing."""
    there = line.notna()
    alone = there & ~there.shift(1, fill_value=False) & ~there.shift(-1, fill_value=False)
    gap = max(1, len(line) // max(1, count))
    return [place for place in range(len(line)) if alone.iloc[place] or (count and place % gap == series % gap)]
