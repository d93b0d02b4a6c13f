"""Look of the lines of several networks: colour, marker, dashes, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rehash.figures.style import COLOURS, DASHES, MARKERS

_ENTRY, _LETTER = 45, 4.2  # points, about: a legend's entry without its text, and a letter
_COLUMNS = 4


def series_style(series: int) -> dict[str, Any]:
    """Return the colour and marker of a line, given its number."""
    return {"color": COLOURS[series % len(COLOURS)], "marker": MARKERS[series % len(MARKERS)]}


def dashes(series: int) -> Any:
    """Return the dashes of a line, given its number."""
    return DASHES[series % len(DASHES)]


def add_legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Add a legend below the panels, in as many columns (four at most) as there is room for."""
    widest = _ENTRY + _LETTER * max(len(str(handle.get_label())) for handle in handles)
    columns = int(np.clip(72 * figure.get_figwidth() // widest, 1, _COLUMNS))
    figure.legend(handles=handles, fontsize=7.5, loc="outside lower center", ncols=columns)
