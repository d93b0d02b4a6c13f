"""The figure of linear regions: how far the first boundary is, and all boundaries in a slice of the input space."""

from __future__ import annotations

import textwrap

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels
from rehash.tables import summarise

_POINTS = {"train": "training inputs", "test": "test inputs", "random": "uniform in [0, 1]"}
_STATES = ("trained", "untrained")
_NETWORK = ["protocol", "depth", "layer_width"]
_GRID = 121  # number of distances at which the shares are drawn
_WIDTH = 36  # characters of a line of text in a panel
_MARKS = 15  # a marker at every 15th of them


def plot_regions(lines: pd.DataFrame, slices: pd.DataFrame) -> Figure:
    """Draw three panels for each protocol and size of network (columns: rehash.hash_encoders.measure_regions).

    Left: the share of lines whose code has changed within a distance, mean over repeats with a band of one standard
    deviation, faint before training. Middle and right: the slice before and after training, with each region filled in
    the colour of its predicted class.
    """
    networks = list(lines.groupby(_NETWORK, sort=True))
    figure, axes = panels(3, len(networks), height=3.8)
    figure.suptitle(_title(lines), fontsize=9)
    for row, (values, chosen) in enumerate(networks):
        left, before, after = axes[3 * row : 3 * row + 3]
        _draw_distances(left, chosen)
        protocol, depth, width = values
        size = f"width {width}" if depth == 1 else f"{depth} layers of width {width}"
        left.set_title(f"first code change (protocol {protocol}, {size})")
        mine = slices[(slices[_NETWORK] == list(values)).all(axis=1)]
        for panel, state in ((before, "untrained"), (after, "trained")):
            why = chosen[chosen.snapshot == state].no_slice.dropna()
            _draw_slice(panel, mine[mine.snapshot == state], state, next(iter(why), "no slice"))
    return figure


def _title(lines: pd.DataFrame) -> str:
    n = lines.repeat.nunique()
    spread = f"mean of {n} networks, band of one standard deviation" if n > 1 else "one network"
    lost = len(lines[lines.distance.isna()].groupby([*_NETWORK, "snapshot", "repeat"]))
    counts = {words: lines[lines.points == points].line.nunique() for points, words in _POINTS.items()}
    each = f"{max(counts.values())} lines a network and kind of points"
    if len(set(counts.values())) > 1:
        each = "lines a network: " + ", ".join(f"{count} ({words})" for words, count in counts.items())
    text = f"{lines.dataset.iloc[0]}: {spread}; {each}"
    return f"{text}; {lost} networks that diverged are left out" if lost else text


def shares_within(lines: pd.DataFrame, grid: np.ndarray) -> pd.DataFrame:
    """Compute the share of each network's lines whose code has changed within each distance of `grid`.

    Columns: snapshot, points, repeat, distance, share. Lines without a change count in the denominator; networks that
    diverged are left out.
    """
    parts = []
    for (snapshot, points, repeat), chosen in lines.dropna(subset=["distance"]).groupby(
        ["snapshot", "points", "repeat"]
    ):
        share = np.searchsorted(np.sort(chosen.distance), grid, side="right") / len(chosen)
        part = pd.DataFrame({"distance": grid, "share": share})
        parts.append(part.assign(snapshot=snapshot, points=points, repeat=repeat))
    return pd.concat(parts, ignore_index=True)


def _draw_distances(panel: Axes, lines: pd.DataFrame) -> None:
    panel.set(
        xlabel="L2 distance of inputs",
        ylabel="share of lines whose code has changed",
        xscale="log",
        ylim=(-0.02, 1.02),
    )
    reached = lines.distance[np.isfinite(lines.distance) & (lines.distance > 0)]
    if reached.empty:
        _say(panel, "no line changes its code")
        return
    # Leave out distances below the first percentile, which would fill most of a logarithmic axis.
    grid = np.geomspace(reached.quantile(0.01), reached.max(), _GRID)
    rows = summarise(shares_within(lines, grid), ["snapshot", "points", "distance"], ["share"])
    for state in _STATES:
        for series, (points, words) in enumerate(_POINTS.items()):
            line = rows[(rows.snapshot == state) & (rows.points == points)]
            if len(line):
                label = words if state == "trained" else f"{words}, before training"
                sd = line.share_sd.fillna(0)
                faint = state == "untrained"
                draw_spread(panel, line.distance, line.share_mean, sd, series=series, label=label, faint=faint)
                panel.lines[-1].set_markevery((series * _MARKS // 3, _MARKS))
    panel.legend(fontsize=7, loc="upper left")


def _draw_slice(panel: Axes, rows: pd.DataFrame, state: str, without: str) -> None:
    regions, corners = rows[rows["item"] == "region"], rows[rows["item"] == "corner"]
    panel.grid(False)
    if regions.empty:
        panel.set(title=state, xticks=[], yticks=[])
        _say(panel, textwrap.fill(without, _WIDTH))
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


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", fontsize=8)
