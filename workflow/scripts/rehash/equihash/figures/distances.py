"""The figure of Hamming distances of pairs of views, and of recall and fallout within a small distance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from rehash.bits import random_distances
from rehash.equihash.tables import CODES, UNTRAINED, by_model
from rehash.figures.style import COLOURS, panels, say, text_figure
from rehash.series import LEAST_SEEDS, range_words, seed_mean, spread_words, with_series

_RADII = (0, 1, 2, 3)
_TEXT = 1.0  # height of the title and the legend, in inches
_APART = 0.07  # between the marks of two seeds, as a share of the step from one radius to the next


class _Look(NamedTuple):
    """How the histogram of one kind of pairs is drawn and named."""

    words: str
    colour: str
    dashes: str
    hatch: str
    filled: bool = True


_PAIRS = {
    "same": _Look("same label", COLOURS[0], "-", ""),
    "different": _Look("different labels", COLOURS[1], "--", "////"),
    "items": _Look("items of different labels", COLOURS[4], "-.", "", filled=False),
}
_STATES = {
    False: {"color": COLOURS[0], "marker": "o", "linestyle": "-"},
    True: {"color": "0.45", "marker": "s", "linestyle": "--"},
}
_METRICS = {
    "recall": ("recall", "share of same-label pairs"),
    "fallout": ("fallout", "share of different-label pairs"),
}


def plot_distances(histogram: pd.DataFrame, rates: pd.DataFrame, statistics: pd.DataFrame) -> Figure:
    """Draw a row for each model: histograms of distances beside Binomial(k, 1/2), recall and fallout within r = 0 to 3.

    Histograms are means over seeds, with a band of the mean's 95% interval from three seeds on (each of fewer seeds has
    an outline); those of the untrained network are faint outlines. Each seed's rates have their 95% interval, and lines
    join the means over seeds; a fallout of zero is an upper limit, the interval's upper end. What was not measured, for
    a database has `pairs: 0` or `item_pairs: 0`, is left out, and panels of rates say so.

    Args:
        histogram: of one task; task, model, variant, seed, pairs_of (same, different; items of a database), distance,
            count, bits.
        rates: task, model, variant, seed, metric (recall_at_r and fallout_at_r are drawn), value, low, high, n.
        statistics: as `rehash.equihash.evaluation.retrieval.distance_statistics` makes them of the histogram.
    """
    rates = rates[rates.metric.str.contains("_at_")]
    statistics = statistics[statistics.pairs > 0]
    if statistics.empty:
        return text_figure("Not measured: the database has no pairs of views and none of items.")
    histogram = histogram[histogram.pairs_of.isin(statistics.pairs_of)]
    measured = rates.n.any()
    models, counts, told = by_model(histogram), by_model(rates), by_model(statistics)
    figure, axes = panels(3, len(models), width=3.9, height=2.25 + _TEXT / len(models))
    figure.suptitle(_title(histogram, rates), fontsize=9)
    limits = _limits(rates[rates.metric.str.startswith("fallout")]) if measured else None
    for row, (name, found) in enumerate(models.items()):
        left, *others = axes[3 * row : 3 * row + 3]
        _draw_histograms(left, found, told[name])
        drawn = counts[name]
        name = f"{name} (codes)" if (found.variant == CODES).any() else name
        left.set(title=name, ylabel="share of pairs (root scale)", xlabel="Hamming distance (bits)")
        for panel, (metric, (title, label)) in zip(others, _METRICS.items()):
            if measured:
                _draw_rates(panel, drawn, metric)
            else:
                say(panel, "not measured")
            panel.set(title=f"{title}, {name}", ylabel=label, xlabel="within Hamming distance r (bits)")
        for panel in (left, *others):
            panel.yaxis.label.set_size(8)
        if measured:
            others[0].set_ylim(-0.03, 1.03)
            others[1].set(yscale="log", ylim=limits)
    figure.legend(handles=_handles(histogram, measured), fontsize=7.5, loc="outside lower center", ncols=4)
    return figure


def _title(histogram: pd.DataFrame, rates: pd.DataFrame) -> str:
    trained = histogram[histogram.variant != UNTRAINED]
    spread = spread_words(with_series(trained).groupby("series").seed.nunique(), "band of histograms")
    pairs = " to ".join(dict.fromkeys(f"{n:,}" for n in (rates.n.min(), rates.n.max())))
    what = f"{pairs} pairs of views of each kind" if rates.n.any() else "pairs of items; no pairs of views were asked"
    each = "; rates: each seed and its 95% interval" if rates.n.any() else ""
    return f"task {histogram.task.iloc[0]}: Hamming distances of {what}\n{spread}{each}"


def _shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the share of pairs, with a row for each distance from 0 to k and a column for each seed."""
    counts = rows.pivot(index="distance", columns="seed", values="count")
    counts = counts.reindex(range(int(rows.bits.iloc[0]) + 1)).fillna(0)
    return counts / counts.sum()


def _draw_histograms(panel: Axes, rows: pd.DataFrame, statistics: pd.DataFrame) -> None:
    bits = int(rows.bits.iloc[0])
    distances, edges = np.arange(bits + 1), np.arange(bits + 2) - 0.5
    for kind, look in _kinds(rows):
        untrained = rows[rows.untrained & (rows.pairs_of == kind)]
        if not untrained.empty:
            outline = {"color": "0.55", "linestyle": look.dashes, "linewidth": 0.9}
            panel.stairs(_shares(untrained).mean(axis=1), edges, baseline=None, **outline)
        shares = _shares(rows[~rows.untrained & (rows.pairs_of == kind)])
        mean = shares.mean(axis=1)
        if look.filled:
            panel.stairs(mean, edges, fill=True, color=look.colour, alpha=0.25, linewidth=0)
        many = shares.shape[1] >= LEAST_SEEDS
        for line in [mean] if many else [shares[seed] for seed in shares]:
            style = {"edgecolor": look.colour, "linestyle": look.dashes, "linewidth": 1.2, "hatch": look.hatch}
            panel.stairs(line, edges, fill=bool(look.hatch), facecolor="none", **style)
        if many:
            _, low, high = np.transpose([seed_mean(row) for row in shares.to_numpy()])
            band = {"step": "mid", "color": look.colour, "alpha": 0.5, "linewidth": 0}
            panel.fill_between(distances, low.clip(min=0), high, **band)
    panel.plot(distances, random_distances(bits), ".:", color="black", markersize=3, linewidth=0.8)
    panel.set(xlim=(-1.5, bits + 0.5), xticks=np.linspace(0, bits, 5), ylim=(0, 1.6 * panel.get_ylim()[1]))
    panel.set_axisbelow(True)
    panel.set_yscale("function", functions=(lambda share: np.sqrt(np.clip(share, 0, None)), np.square))
    panel.text(0.98, 0.97, _unrelated_words(statistics), transform=panel.transAxes, ha="right", va="top", fontsize=6.5)


def _kinds(rows: pd.DataFrame) -> list[tuple[str, _Look]]:
    """Return the kinds of pairs that a table has, each with its look."""
    return [(kind, look) for kind, look in _PAIRS.items() if (rows.pairs_of == kind).any()]


def _unrelated_words(statistics: pd.DataFrame) -> str:
    trained = statistics[~statistics.untrained & (statistics.pairs_of != "same")]
    bits = trained.bits.iloc[0]
    told = [
        f"{look.words} {found['mean'].mean():.1f} ± {found.deviation.mean():.1f}"
        + (f" ({range_words(found.pairs)} pairs)" if kind == "items" else "")
        for kind, look in _kinds(trained)
        for found in [trained[trained.pairs_of == kind]]
    ]
    first = "\n" if "pairs" in told[0] else " "  # a line with a number of pairs has no room for more
    lines = [
        f"mean ± deviation (bits):{first}{told[0]}",
        *told[1:],
        f"Binomial({bits}, ½) {bits / 2:.1f} ± {bits**0.5 / 2:.1f}",
    ]
    return "\n".join(lines)


def _draw_rates(panel: Axes, rows: pd.DataFrame, metric: str) -> None:
    rows = rows[rows.metric.str.startswith(metric)]
    rows = rows.assign(r=rows.metric.str.removeprefix(f"{metric}_at_").astype(int))
    marks = len(rows[["untrained", "seed"]].drop_duplicates())
    rows = rows.assign(place=rows.r + _APART * (rows.groupby(["untrained", "seed"]).ngroup() - (marks - 1) / 2))
    for untrained, found in rows.groupby("untrained"):
        style = _STATES[untrained]
        _draw_seeds(panel, found, style, limits=metric == "fallout")
        means = found.groupby("r")[["place", "value"]].mean()
        shown = means.value.where(means.value > 0) if metric == "fallout" else means.value
        panel.plot(means.place, shown, color=style["color"], linestyle=style["linestyle"], linewidth=1)
    panel.set_xticks(_RADII)
    panel.set_xlim(-0.6, _RADII[-1] + 0.6)


def _draw_seeds(panel: Axes, rows: pd.DataFrame, style: dict[str, Any], *, limits: bool) -> None:
    """Draw points with their intervals; with `limits`, draw zeros as upper limits, hollow and with an arrow down."""
    look = {**style, "linestyle": "none", "elinewidth": 0.9}
    none = rows.value.eq(0) & limits
    found, missed = rows[~none], rows[none]
    panel.errorbar(found.place, found.value, [found.value - found.low, found.high - found.value], **look)
    if not missed.empty:
        panel.errorbar(missed.place, missed.high, missed.high / 2, uplims=True, **look, markerfacecolor="white")


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of an axis for all models, in decades, with room for the arrows of upper limits."""
    ends = pd.concat([rows.low[rows.low > 0], rows.high[rows.value == 0] / 2, rows.value[rows.value > 0]])
    top = 10 ** np.ceil(np.log10(1.1 * rows.high.max()))
    return 10 ** np.floor(np.log10(0.9 * ends.min())), min(top, 1.5)


def _handles(histogram: pd.DataFrame, measured: bool) -> list[Any]:
    variants = set(histogram.variant)
    made = " or ".join([*(["trained"] if variants - {CODES, UNTRAINED} else []), *({CODES} & variants)])
    handles: list[Any] = [
        Patch(
            edgecolor=look.colour,
            facecolor=(look.colour, 0.25) if look.filled else "none",
            linestyle=look.dashes,
            hatch=look.hatch,
            label=f"{look.words}, {made}",
        )
        for _, look in _kinds(histogram)
    ]
    handles.append(Line2D([], [], color="black", marker=".", linestyle=":", linewidth=0.8, label="Binomial(k, ½)"))
    if measured:
        handles.append(Line2D([], [], **_STATES[False], label=f"rates, {made}"))
    if UNTRAINED in variants:
        for _, look in _kinds(histogram[histogram.variant == UNTRAINED]):
            handles.append(Line2D([], [], color="0.55", linestyle=look.dashes, label=f"{look.words}, {UNTRAINED}"))
        if measured:
            handles.append(Line2D([], [], **_STATES[True], label=f"rates, {UNTRAINED}"))
    if measured:
        limit = {"color": "0.3", "marker": "o", "markerfacecolor": "white", "linestyle": "none"}
        handles.append(Line2D([], [], **limit, label="none counted: upper limit"))
    return handles
