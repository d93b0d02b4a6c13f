"""The activation hash phase chart: tiles of two of layer width, depth, sample size and training time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import altair as alt
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from rehash.errors import unknown
from rehash.figures.style import COLOURS, panels, text_figure
from rehash.hash_encoders.figures.titles import ALL_DIVERGED
from rehash.hash_encoders.phase_chart import CRITICAL, NEITHER, PLANES, SUFFICIENT, UNDER
from rehash.hash_encoders.studies import DEPTH_AXIS, STUDIES
from rehash.tables import mean_and_sd

AXES = {STUDIES[study].column: STUDIES[study].axis for study in ("sample_size", "training_time")}
AXES |= {"layer_width": "layer width (hidden units)", "depth": DEPTH_AXIS}
_FIXED = {"depth": "depth {}", "layer_width": "width {}"}  # coordinates that a panel may have one value of
LETTERS = {SUFFICIENT: "S", CRITICAL: "C", UNDER: "U", NEITHER: "N"}
# For each value that colours the tiles: its name, and a colour map of monotonically increasing lightness.
_VALUES = {
    "redundancy": ("redundancy ratio (training inputs)", "cividis"),
    "categorization": ("categorization (K-NN accuracy)", "viridis"),
}
_TILE = 0.36  # inches; room for two lines of text
_NOTHING = f"Nothing to chart: {ALL_DIVERGED}."
_MOST_COLUMNS = 20  # with more columns, a value would not fit into its tile


def plot_phase_chart(points: pd.DataFrame, thresholds: Mapping[str, float]) -> Figure:
    """Draw the chart for print: for each protocol and plane two panels, coloured by redundancy and by categorization.

    Tiles are in order, not to scale; configurations that were not measured stay white. A tile shows its regime's letter
    and, if there is room, its mean; thick lines separate neighbours of different regimes. A tile whose regime is not
    decided is hatched.

    Args:
        points: columns dataset, protocol, plane, depth, layer_width, sample_size, epoch, n, redundancy, redundancy_sd,
            categorization, categorization_sd, regime, decided.
        thresholds: those that defined the regimes, to be printed: redundancy_near_zero, redundancy_high,
            categorization_low, categorization_high.

    Raises:
        InputError: a regime has no letter.
    """
    if points.empty:
        return text_figure(_NOTHING)
    blocks = _blocks(points)
    heights = [max(2.6, 1.2 + _TILE * part[PLANES[plane][1]].nunique()) for _, _, plane, part in blocks]
    columns = max(part[PLANES[plane][0]].nunique() for _, _, plane, part in blocks)
    figure, axes = panels(2, len(blocks), width=max(4.6, 1.4 + _TILE * columns), height=sum(heights) / len(blocks))
    axes[0].get_gridspec().set_height_ratios(heights)
    figure.suptitle(_title(points), fontsize=10)
    for row, (protocol, name, plane, part) in enumerate(blocks):
        best = points[points.protocol == protocol].categorization.max()
        for axis, metric in zip(axes[2 * row :], _VALUES):
            _draw_panel(axis, part, PLANES[plane], metric, _marks(metric, thresholds, best))
            note = f", best {best:.3f}" if metric == "categorization" else ""
            axis.set_title(f"{_VALUES[metric][0]}{note}\n{name}", fontsize=9)
            x, y = PLANES[plane]
            axis.set(xlabel=AXES[x], ylabel=AXES[y])
    handles = [Rectangle((0, 0), 0, 0, alpha=0, label=rule) for rule in _rules(points, thresholds)]
    figure.legend(handles=handles, loc="outside lower left", handlelength=0, handletextpad=0, fontsize=8)
    return figure


def _blocks(points: pd.DataFrame) -> list[tuple[str, str, str, pd.DataFrame]]:
    """Split the points into the blocks that are drawn, in order: protocol, name, plane and points of one panel.

    The name has the protocol, and of a panel whose plane lacks them the depth and width, where there are others.
    """
    for regime in points.regime.unique():
        if regime not in LETTERS:
            raise unknown("regime", regime, LETTERS, "phase chart")
    found = []
    for protocol, (plane, axes) in product(sorted(points.protocol.unique()), PLANES.items()):
        part = points[(points.protocol == protocol) & (points.plane == plane)]
        fixed = [column for column in _FIXED if column not in axes]
        for values, panel in part.groupby(fixed, sort=True) if fixed else [((), part)]:
            many = [column == "layer_width" or points[column].nunique() > 1 for column in fixed]
            words = [_FIXED[c].format(value) for c, value, named in zip(fixed, values, many) if named]
            if len(panel):
                found.append((protocol, ", ".join([f"protocol {protocol}", *words]), plane, panel))
    return found


def _title(points: pd.DataFrame) -> str:
    fewest, most = points.n.min(), points.n.max()
    networks = "one network" if most == 1 else f"mean of {fewest if fewest == most else f'{fewest} to {most}'} networks"
    sd = points[["redundancy_sd", "categorization_sd"]].max()
    spread = f"; standard deviation at most {sd.iloc[0]:.3f} (redundancy), {sd.iloc[1]:.3f} (K-NN)" if most > 1 else ""
    return f"{points.dataset.iloc[0]}, activation hash phase chart. A tile: {networks}{spread}"


def _rules(points: pd.DataFrame, thresholds: Mapping[str, float]) -> list[str]:
    """Describe the regimes in words, with their thresholds, and what hatching means."""
    near, much = thresholds["redundancy_near_zero"], thresholds["redundancy_high"]
    low, high = (f"{100 * thresholds[f'categorization_{name}']:g}% of the best" for name in ("low", "high"))
    return [
        f"S  sufficiently-expressive: redundancy ≤ {near:g} and K-NN ≥ {high}",
        f"U  under-expressive: redundancy ≥ {much:g} and K-NN < {high}",
        "C  critically-expressive: all others",
        f"N  unique but not categorizing, none of the paper's three: redundancy ≤ {near:g} and K-NN ≤ {low}",
        f"hatched: undecided, {_undecided(points)}",
    ]


def _undecided(points: pd.DataFrame) -> str:
    few = int(points.n.lt(2).sum())
    if few == len(points):
        return "as all tiles are: one network has no interval, so nothing can be decided"
    text = f"since a 95% interval reaches across a threshold ({(~points.decided).sum()} of {len(points)} tiles"
    return f"{text}, {few} of them of one network, which has no interval)" if few else f"{text})"


def _marks(metric: str, thresholds: Mapping[str, float], best: float) -> list[float]:
    """Return the positions of the thresholds on the metric's colour bar."""
    names = [name for name in thresholds if name.startswith(metric)]
    return [thresholds[name] * (best if metric == "categorization" else 1) for name in names]


def _draw_panel(axis: Axes, part: pd.DataFrame, plane: tuple[str, str], metric: str, marks: list[float]) -> None:
    x, y = plane
    values_YX, regimes_YX, decided_YX = (
        part.pivot(index=y, columns=x, values=column) for column in (metric, "regime", "decided")
    )
    ys, xs = values_YX.index, values_YX.columns
    printed = len(xs) <= _MOST_COLUMNS
    colours = matplotlib.colormaps[_VALUES[metric][1]]
    mesh = axis.pcolormesh(np.ma.masked_invalid(values_YX), cmap=colours, vmin=0, vmax=1, edgecolors="white")
    bar = axis.figure.colorbar(mesh, ax=axis, pad=0.02, aspect=8 * _TILE * len(ys))
    bar.ax.hlines(marks, 0, 1, colors="white", linewidth=1.2, path_effects=[withStroke(linewidth=2.6, foreground="k")])
    for i, j in zip(*np.nonzero(regimes_YX.notna())):
        value, regime = values_YX.iat[i, j], regimes_YX.iat[i, j]
        ink = _ink(colours, value)
        if not decided_YX.iat[i, j]:
            axis.add_patch(Rectangle((j, i), 1, 1, fill=False, hatch="////", edgecolor=ink, linewidth=0, alpha=0.35))
        place = {"ha": "center", "va": "center", "color": ink, "in_layout": False}
        axis.text(j + 0.5, i + (0.68 if printed else 0.5), LETTERS[regime], fontsize=8, fontweight="bold", **place)
        if printed:
            axis.text(j + 0.5, i + 0.28, f"{value:.2f}", fontsize=6.5, **place)
    edges = LineCollection(_boundaries(regimes_YX.to_numpy(dtype=object)), colors="black", linewidths=2.2, zorder=3)
    edges.set(capstyle="round", path_effects=[withStroke(linewidth=3.6, foreground="white")], label="regimes")
    axis.add_collection(edges)
    axis.grid(False)
    axis.set_xticks(np.arange(len(xs)) + 0.5, [f"{value:,.0f}" for value in xs])
    axis.set_yticks(np.arange(len(ys)) + 0.5, [f"{value:,.0f}" for value in ys])
    axis.tick_params(length=0, labelsize=7.5)
    if len(xs) > 8:
        axis.tick_params(axis="x", rotation=45)


def _ink(colours: Colormap, value: float) -> str:
    """Return the colour of a tile's text: black on light tiles, white on dark ones (luminance of ITU-R BT.709)."""
    return "black" if np.dot(colours(value)[:3], (0.2126, 0.7152, 0.0722)) > 0.45 else "white"


def _boundaries(regimes_YX: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the edges between measured neighbours of different regimes, each ((x, y), (x, y)) in units of tiles."""
    measured = pd.notna(regimes_YX)
    below, above = regimes_YX[:-1] != regimes_YX[1:], measured[:-1] & measured[1:]
    left, right = regimes_YX[:, :-1] != regimes_YX[:, 1:], measured[:, :-1] & measured[:, 1:]
    level = [((int(j), int(i) + 1), (int(j) + 1, int(i) + 1)) for i, j in zip(*np.nonzero(below & above))]
    upright = [((int(j) + 1, int(i)), (int(j) + 1, int(i) + 1)) for i, j in zip(*np.nonzero(left & right))]
    return level + upright


_CHOICES = [*_VALUES, "regime"]
_REGIME_COLOURS = (COLOURS[2], COLOURS[1], COLOURS[0], "#999999")
_PAGE_HEAD = """<meta charset="UTF-8">
  <title>{title}</title>
  <style>
    body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 1.5rem; }}
    .chart-wrapper {{ display: flex; flex-direction: column; }}
    .vega-bindings {{ order: -1; margin-bottom: 1rem; }}
  </style>"""
_EMBEDDING = {"renderer": "svg", "actions": {"export": True, "source": False, "compiled": False, "editor": False}}


def interactive_phase_chart(points: pd.DataFrame, thresholds: Mapping[str, float]) -> str:
    """Make the chart as one HTML page that works offline, with tooltips and a menu for the colour of the tiles.

    The same table gives the same bytes. Arguments and errors: see `plot_phase_chart`; points also has code_bits and
    categorization_share and the intervals, for the tooltip.
    """
    if points.empty:
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_NOTHING}</title><p>{_NOTHING}</p></html>\n'
        )
    shown = alt.param(
        name="shown", value="redundancy", bind=alt.binding_select(options=_CHOICES, name="colour the tiles by ")
    )
    blocks = _blocks(points)
    columns: dict[str, list[alt.LayerChart]] = {}
    for protocol, name, plane, part in blocks:
        legend = protocol == blocks[-1][0] and protocol not in columns  # once, at the top right
        columns.setdefault(protocol, []).append(_tiles(part, name, plane, legend))
    title = alt.TitleParams(
        _title(points), subtitle=_rules(points, thresholds), anchor="start", fontSize=15, subtitleFontSize=12, offset=16
    )
    chart = alt.hconcat(*(alt.vconcat(*column) for column in columns.values()), title=title, spacing=40)
    chart = chart.add_params(shown).configure_view(stroke=None).configure_axis(grid=False, domain=False, ticks=False)
    page = chart.to_html(inline=True, embed_options=_EMBEDDING)
    head = _PAGE_HEAD.format(title=f"Activation hash phase chart: {points.dataset.iloc[0]}")
    return page.replace("<html>", '<html lang="en">', 1).replace('<meta charset="UTF-8">', head, 1)


_TOOLTIP = {
    "protocol": "protocol",
    "layer_width": AXES["layer_width"],
    "depth": AXES["depth"],
    "sample_size": AXES["sample_size"],
    "epoch_text": AXES["epoch"],
    "redundancy_text": "redundancy ratio",
    "redundancy_interval": "its 95% interval",
    "categorization_text": "categorization (K-NN)",
    "share_text": "share of the best K-NN",
    "share_interval": "the share's 95% interval",
    "code_bits": "code length (bits)",
    "n": "networks",
    "regime": "regime",
    "decided_text": "regime decided",
}


def _tiles(part: pd.DataFrame, title: str, plane: str, legend: bool) -> alt.LayerChart:
    """Chart one plane of one protocol: tiles, their regimes' letters, and tooltips."""
    data = part.assign(
        redundancy_text=list(map(mean_and_sd, part.redundancy, part.redundancy_sd)),
        categorization_text=list(map(mean_and_sd, part.categorization, part.categorization_sd)),
        share_text=part.categorization_share.map("{:.3f}".format),
        redundancy_interval=list(map(_interval, part.redundancy_low, part.redundancy_high)),
        share_interval=list(map(_interval, part.share_low, part.share_high)),
        epoch_text=part.epoch.map(lambda epoch: "to the end" if pd.isna(epoch) else f"{epoch:.0f}"),
        decided_text=part.decided.map({True: "yes", False: "no"}),
        letter=part.regime.map(LETTERS),
    )
    x, y = PLANES[plane]
    few = part[x].nunique() <= 8
    numbers = {"format": ",", "formatType": "number"}
    base = alt.Chart(data).encode(
        x=alt.X(f"{x}:O", title=AXES[x], axis=alt.Axis(labelAngle=0 if few else -45, **numbers)),
        y=alt.Y(f"{y}:O", title=AXES[y], sort="descending", axis=alt.Axis(**numbers)),
        tooltip=[alt.Tooltip(f"{column}:N", title=name) for column, name in _TOOLTIP.items()],
    )
    halo = {"stroke": "white", "strokeWidth": 3, "strokeJoin": "round"}
    layers = [
        base.mark_rect(stroke="white", strokeWidth=1.5)
        .encode(color=_colour(choice, legend))
        .transform_filter(f"shown == '{choice}'")
        for choice in _CHOICES
    ]
    hatch = base.mark_text(text="//\u00a0\u00a0\u00a0//", fontSize=17, color="white", opacity=0.7)
    layers.append(hatch.transform_filter("!datum.decided"))
    layers += [base.mark_text(fontSize=12, **around).encode(text="letter:N") for around in (halo, {})]
    chart = alt.layer(*layers).resolve_scale(color="independent")
    return chart.properties(title=title, width=alt.Step(48 if few else 36), height=alt.Step(30))


def _interval(low: float, high: float) -> str:
    return "none, of one network" if pd.isna(low) else f"{low:.3f} to {high:.3f}"


def _colour(choice: str, legend: bool) -> alt.Color:
    """Return the colour encoding of tiles for one choice of the menu; its legend is faint unless chosen."""
    if choice == "regime":
        field, title, scale = "regime:N", choice, alt.Scale(domain=list(LETTERS), range=list(_REGIME_COLOURS))
    else:
        title, scheme = _VALUES[choice]
        field, scale = f"{choice}:Q", alt.Scale(domain=[0, 1], scheme=scheme)
    parts = ("gradientOpacity", "labelOpacity", "symbolOpacity", "titleOpacity")
    faint = dict.fromkeys(parts, alt.expr(f"shown == '{choice}' ? 1 : 0.15"))
    return alt.Color(field, title=title, scale=scale, legend=alt.Legend(gradientLength=90, **faint) if legend else None)
