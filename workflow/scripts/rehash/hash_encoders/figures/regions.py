"""The figure of linear regions: how far they reach, and all boundaries in a slice of the input space."""

from __future__ import annotations

import textwrap

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say
from rehash.hash_encoders.studies import PROPERTIES, WAYS
from rehash.tables import summarise

POINTS = {"train": "training inputs", "test": "test inputs", "random": "uniform in [0, 1]"}
_STATES = ("trained", "untrained")
NETWORK = ["protocol", "depth", "layer_width"]
_GRID = 121  # number of distances at which the shares are drawn
_WIDTH = 36  # characters of a line of text in a panel
_MARKS = 15  # a marker at every 15th of them


def plot_regions(lines: pd.DataFrame, slices: pd.DataFrame) -> Figure:
    """Draw four panels for each protocol and size of network (columns: rehash.hash_encoders.measure_regions).

    The networks are those of the capacity study, faint before training. Top left: the share of lines whose code has
    changed within a distance, for each kind of points; mean over repeats with a band of one standard deviation. Top
    right: the share of training inputs whose chords, and whose distances to the nearest face, are up to a length.
    Bottom: the slice before and after training, with each region filled in the colour of its predicted class.
    """
    lines, slices = (table[table.networks == "capacity"] for table in (lines, slices))
    networks = list(lines.groupby(NETWORK, sort=True))
    figure, axes = panels(2, 2 * len(networks), width=5.2, height=4.2)
    figure.suptitle(title(lines), fontsize=9)
    for row, (values, chosen) in enumerate(networks):
        first, chords, before, after = axes[4 * row : 4 * row + 4]
        way = next(way for way in WAYS if (chosen.direction == way).any())
        ahead = chosen[chosen.direction == way]
        _draw_shares(first, {words: (ahead[ahead.points == points], "forward") for points, words in POINTS.items()})
        first.set(title=f"first code change {WAYS[way]} ({name_of(values)})", xlabel="L2 distance of inputs")
        first.set(ylabel="share of lines whose code has changed")
        _draw_shares(chords, _extents(chosen[chosen.points == "train"]))
        chords.set(title="extent of the regions of training inputs", xlabel="L2 distance of inputs")
        chords.set(ylabel="share of inputs up to this extent")
        mine = slices[(slices[NETWORK] == list(values)).all(axis=1)]
        for panel, state in ((before, "untrained"), (after, "trained")):
            why = chosen[chosen.snapshot == state].no_slice.dropna()
            draw_slice(panel, mine[mine.snapshot == state], state, next(iter(why), "no slice"))
    return figure


def name_of(values: tuple[str, int, int]) -> str:
    """Name a network by its protocol, depth and width."""
    protocol, depth, width = values
    return f"protocol {protocol}, " + (f"width {width}" if depth == 1 else f"{depth} layers of width {width}")


def title(lines: pd.DataFrame) -> str:
    """Name the dataset, the numbers of networks and lines, what is spread, and what is left out."""
    n = lines.repeat.nunique()
    spread = f"mean of {n} networks, band of one standard deviation" if n > 1 else "one network"
    lost = len(lines[lines.chord.isna()].groupby([*NETWORK, "snapshot", "repeat"]))
    counts = {words: lines[lines.points == points].line.nunique() for points, words in POINTS.items()}
    each = f"{max(counts.values())} lines a network, kind of points and direction"
    if len(set(counts.values())) > 1:
        each = "lines a network and direction: " + ", ".join(f"{count} ({words})" for words, count in counts.items())
    text = f"{lines.dataset.iloc[0]}: {spread}; {each}"
    return f"{text}; {lost} networks that diverged are left out" if lost else text


def _extents(lines: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, str]]:
    """Return the rows and the column of each curve of the extents of regions, by label."""
    ways = [way for way in WAYS if (lines.direction == way).any()]
    one = lines[lines.direction == ways[0]]  # a nearest face is the start's, so once is enough
    return {PROPERTIES["nearest_face"]: (one, "nearest_face")} | {
        f"chord {WAYS[way]}": (lines[lines.direction == way], "chord") for way in ways
    }


def shares_within(lines: pd.DataFrame, column: str, grid: np.ndarray, by: list[str]) -> pd.DataFrame:
    """Compute the share of each network's lines for which a column is at most each distance of `grid`.

    Columns: those of `by`, repeat, distance, share. Lines without a change count in the denominator; networks that
    diverged are left out.
    """
    parts = []
    for values, chosen in lines.dropna(subset=[column]).groupby([*by, "repeat"]):
        share = np.searchsorted(np.sort(chosen[column]), grid, side="right") / len(chosen)
        parts.append(pd.DataFrame({"distance": grid, "share": share}).assign(**dict(zip([*by, "repeat"], values))))
    return pd.concat(parts, ignore_index=True)


def _draw_shares(panel: Axes, curves: dict[str, tuple[pd.DataFrame, str]]) -> None:
    """Draw, for each label's rows and column, the share of rows up to each distance; faintly, before training."""
    panel.set(xscale="log", ylim=(-0.02, 1.02))
    reached = [rows[column][np.isfinite(rows[column]) & (rows[column] > 0)] for rows, column in curves.values()]
    reached = [values for values in reached if len(values)]
    if not reached:
        say(panel, "no line changes its code")
        return
    # Leave out distances below the first percentile, which would fill most of a logarithmic axis.
    grid = np.geomspace(min(x.quantile(0.01) for x in reached), max(x.quantile(0.99) for x in reached), _GRID)
    for series, (label, (rows, column)) in enumerate(curves.items()):
        if rows[column].notna().any():
            shares = shares_within(rows, column, grid, ["snapshot"])
            means = summarise(shares, ["snapshot", "distance"], ["share"])
            for state in _STATES:
                curve, faint = means[means.snapshot == state], state == "untrained"
                if len(curve):
                    mean, sd, name = curve.share_mean, curve.share_sd.fillna(0), None if faint else label
                    draw_spread(panel, curve.distance, mean, sd, series=series, label=name, faint=faint)
                    panel.lines[-1].set_markevery((series * _MARKS // len(curves), _MARKS))
    if panel.get_legend_handles_labels()[1]:
        panel.legend(fontsize=7, title="faint: before training", title_fontsize=7)


def draw_slice(panel: Axes, rows: pd.DataFrame, state: str, without: str) -> None:
    """Draw the regions of one network's slice, and its corners; a text `without` instead, where it has none."""
    regions, corners = rows[rows["item"] == "region"], rows[rows["item"] == "corner"]
    panel.grid(False)
    if regions.empty:
        panel.set(title=state, xticks=[], yticks=[])
        say(panel, textwrap.fill(without, _WIDTH))
        return
    panel.set(title=f"{state}: {regions.number.nunique()} regions", xlabel="L2 distance of inputs", aspect="equal")
    panel.set(xlim=(rows.x.min(), rows.x.max()), ylim=(rows.y.min(), rows.y.max()))
    polygons = [part[["x", "y"]].to_numpy() for _, part in regions.groupby("number", sort=True)]
    classes = regions.groupby("number", sort=True)["class"].first().to_numpy()
    width = 0.4 if len(polygons) < 1000 else 0.15
    colours = [_pastel(each) for each in classes]
    panel.add_collection(PolyCollection(polygons, facecolors=colours, edgecolors="0.25", linewidths=width))
    _name_classes(panel, polygons, classes, corners[["x", "y"]].to_numpy(float))
    for _, corner in corners.iterrows():
        panel.plot(corner.x, corner.y, "o", color="black", markerfacecolor="white", markersize=5)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "black", "linewidth": 0.6}
        upper = corner.y > regions.y.mean()  # labels point inwards, where there is room for them
        place = {"xytext": (0, -10 if upper else 10), "va": "top" if upper else "bottom", "ha": "center"}
        text = f"class {corner['class']}"
        panel.annotate(text, (corner.x, corner.y), fontsize=7, bbox=box, textcoords="offset points", **place)


def _name_classes(panel: Axes, polygons: list[np.ndarray], classes: np.ndarray, corners: np.ndarray) -> None:
    """Write each predicted class once, in its largest region that has room and is away from the corners' labels."""
    areas, middles = (np.array([f(polygon) for polygon in polygons]) for f in (_area, lambda p: p.mean(0)))
    side = np.ptp(panel.get_xlim())
    apart = np.linalg.norm(middles[:, None] - corners, axis=-1).min(1) > 0.14 * side
    room = np.where(apart & (areas > 0.002 * side**2), areas, 0)
    for each in np.unique(classes[room > 0]):
        chosen = np.where(classes == each, room, 0).argmax()
        panel.text(*middles[chosen], str(each), fontsize=9, style="italic", ha="center", va="center")


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _pastel(label: int) -> tuple[float, ...]:
    """Return a light colour for a class: 10 hues, and a lighter shade of each from class 10 on, so that 20 differ."""
    base = to_rgb(matplotlib.colormaps["tab10"](label % 10))
    strength = (0.5, 0.3)[label // 10 % 2]
    return tuple(1 - strength * (1 - channel) for channel in base)
