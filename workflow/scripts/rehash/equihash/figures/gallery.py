"""The gallery of a network: queries, what multi-probing retrieves for them, and how often queries fare so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from rehash.hdf5 import read_attributes, unsealed

_HEIGHT = 0.8  # of a picture, in inches, as are all lengths below
_GAP, _LINE = 0.14, 0.135  # between pictures; of a line of text
_HEAD = 2 * _LINE + 0.03  # above a row's pictures: what the query is, and what its items are
_TEXT, _NAMES = 3.1, 1.75  # width of the column that says what is retrieved, and where outcomes stand in it
_FOOT = 1.75  # height of the rates
_SIDE = 0.15


class _Look(NamedTuple):
    """How an item is framed and what stands above it."""

    words: str
    colour: str
    style: str
    width: float
    alpha: float = 1.0


_LOOKS = {
    "right": _Look("right", "#0072B2", "-", 2.2),
    "missed": _Look("missed", "0.35", ":", 1.4, 0.45),
    "wrong": _Look("WRONG", "#D55E00", "--", 1.8),
}
# Of the rates' bars, from the left: the more hatches, the worse.
_BARS = {
    "perfect": ("PERFECT", "#0072B2", ""),
    "unsound": ("UNSOUND", "#E8A33D", "..."),
    "incomplete": ("INCOMPLETE", "0.88", "///"),
    "incomplete and unsound": ("INCOMPLETE, UNSOUND", "#D55E00", "xxx"),
}


def draw_gallery(pictures: str | Path, table: pd.DataFrame, rates: pd.DataFrame) -> Figure:
    """Draw queries in rows: the view that asked, what it retrieves, and items; below, how often queries fare so.

    Items are framed: right ones plain, missed ones dotted and pale, wrong ones dashed, with a cross; above each stands
    which probe found it. A row says how many items more were retrieved or missed than are shown.

    Args:
        pictures: a file of `rehash.equihash.evaluation.gallery.show_retrieval`. table, rates: as there.
    """
    with unsealed(pictures, "a gallery of rehash") as file:
        about = read_attributes(file)
        content = {name: found[:] for name, found in file.items() if isinstance(found, h5py.Dataset)}
    queries, items = content["queries"], content["items"]
    height, width = _HEIGHT, _HEIGHT * queries.shape[2] / queries.shape[1]
    most = np.bincount(content["row"], minlength=len(queries)).max()
    row_height = _HEAD + height + _GAP
    across = 2 * _SIDE + width + _GAP + _TEXT + most * (width + _GAP)
    title = 3 * _LINE + 0.1
    down = title + len(queries) * row_height + _FOOT
    figure = plt.figure(figsize=(max(across, 7), down))
    figure.set_layout_engine("none")  # places are in inches; and not on creation, where the settings' own layout wins
    figure.suptitle(_title(about, rates), fontsize=9, y=1 - 0.06 / down, va="top")
    sheet = figure.add_axes((0, _FOOT / down, 1, (down - _FOOT - title) / down))
    sheet.set(xlim=(0, max(across, 7)), ylim=(len(queries) * row_height, 0))
    sheet.axis("off")
    for row, (query, found) in enumerate(table.groupby("query", sort=False)):
        top = row * row_height
        words = f"query {query:,}, {found.chosen.iloc[0]}: {_items(found.relevant.iloc[0], 'relevant item')}"
        sheet.text(_SIDE, top + 0.02, words, fontsize=7.5, va="top", weight="bold")
        _show(sheet, queries[row], _SIDE, top + _HEAD, width, height)
        sheet.add_patch(Rectangle((_SIDE, top + _HEAD), width, height, fill=False, color="black", linewidth=0.8))
        sheet.text(_SIDE, top + _HEAD - 0.02, "query", fontsize=6.5, va="bottom")
        left = _SIDE + width + _GAP
        for line, told in enumerate(found.itertuples()):
            height_of_line = top + _HEAD + 0.06 + 1.25 * line * _LINE
            sheet.text(left, height_of_line, _told(told), fontsize=6.7, va="center")
            name = _BARS[told.outcome][0]
            sheet.text(left + _NAMES, height_of_line, name, fontsize=6.7, va="center", weight="bold")
        left += _TEXT
        mine = content["row"] == row
        shown = {name: content[name][mine] for name in ("rank", "relevant")}
        for place, (image, rank, right) in enumerate(zip(items[mine], shown["rank"], shown["relevant"])):
            kind = "wrong" if not right else "right" if rank >= 0 else "missed"
            _item(sheet, image, kind, int(rank), left + place * (width + _GAP), top + _HEAD, width, height)
        more = _more(found.iloc[-1], shown["relevant"])
        sheet.text(left, top + _HEAD + height + 0.03, more, fontsize=6.5, va="top", style="italic")
    bars = figure.add_axes((0.16, 0.62 / down, 0.8, (_FOOT - 0.95) / down))
    _draw_rates(bars, rates)
    return figure


def _title(about: dict[str, Any], rates: pd.DataFrame) -> str:
    run = f"{about['model']}, {about['variant']}, seed {about['seed']}"
    return (
        f"database {about['database']}, {run}: queries (left) and items of their label or found for them (right)\n"
        f"rates below: all {rates.n.iloc[0]:,} queries that were probed"
    )


def _items(count: int, words: str) -> str:
    return f"{count:,} {words}{'' if count == 1 else 's'}"


def _told(row: Any) -> str:
    probes = f"{row.probes:,} {'probe' if row.probes == 1 else 'probes'}"
    return f"{probes}: {row.hits:,} of {row.relevant:,}, {row.retrieved - row.hits:,} wrong"


def _more(row: pd.Series, relevant: np.ndarray) -> str:
    """Say how many items are not shown; `row` is the query's row with the most probes."""
    rest = {"relevant": row.relevant - relevant.sum(), "wrong": row.retrieved - row.hits - (1 - relevant).sum()}
    words = [f"{count:,} {kind}" for kind, count in rest.items() if count > 0]
    return f"+ {' and '.join(words)} more" if words else ""


def _show(
    sheet: Axes, image: np.ndarray, left: float, top: float, width: float, height: float, alpha: float = 1
) -> None:
    extent = (left, left + width, top + height, top)
    look = {"cmap": "gray", "vmin": 0, "vmax": 255 if image.dtype == np.uint8 else 1}
    sheet.imshow(image, extent=extent, interpolation="nearest", aspect="auto", alpha=alpha, **look)


def _item(
    sheet: Axes, image: np.ndarray, kind: str, rank: int, left: float, top: float, width: float, height: float
) -> None:
    look = _LOOKS[kind]
    _show(sheet, image, left, top, width, height, look.alpha)
    frame = {"fill": False, "edgecolor": look.colour, "linestyle": look.style, "linewidth": look.width}
    sheet.add_patch(Rectangle((left, top), width, height, **frame))
    if kind == "wrong":
        for corner in ((top, top + height), (top + height, top)):
            sheet.plot([left, left + width], corner, color=look.colour, linewidth=0.9, alpha=0.8)
    words = f"{look.words}, probe {rank + 1:,}" if rank >= 0 else look.words
    sheet.text(left, top - 0.03, words, fontsize=6.5, va="bottom", color=look.colour if kind != "missed" else "0.2")


def _draw_rates(panel: Axes, rates: pd.DataFrame) -> None:
    numbers = sorted(rates.probes.unique())
    for place, probes in enumerate(numbers):
        start = 0.0
        for name, (_, colour, hatch) in _BARS.items():
            share = rates[(rates.probes == probes) & (rates.outcome == name)].value.iloc[0]
            panel.barh(
                place, share, left=start, height=0.75, facecolor=colour, edgecolor="black", linewidth=0.5, hatch=hatch
            )
            if share >= 0.06:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
                panel.text(start + share / 2, place, f"{share:.1%}", ha="center", va="center", fontsize=6.5, bbox=box)
            start += share
    panel.set(xlim=(0, 1), ylim=(len(numbers) - 0.5, -0.5), xlabel="share of queries")
    panel.set_yticks(range(len(numbers)), [f"{n:,} {'probe' if n == 1 else 'probes'}" for n in numbers], fontsize=7.5)
    panel.grid(False)
    handles = [
        Patch(facecolor=colour, edgecolor="black", hatch=hatch, linewidth=0.5, label=words)
        for words, colour, hatch in _BARS.values()
    ]
    panel.legend(handles=handles, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=7, borderaxespad=0.2)
