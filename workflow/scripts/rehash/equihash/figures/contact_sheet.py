"""Contact sheets: images of a task's mosaics and of their noisy views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rehash.errors import InputError
from rehash.figures.style import panels
from rehash.hdf5 import read_attributes, unsealed

_GAP = 0.06  # between images, as a share of an image's height
_HEIGHT = 0.9  # of an image, in inches
_CHARACTER = 0.07  # width of a character of a label, in inches
_LONGEST = 30  # characters of a name that are shown


def draw_views(path: str | Path) -> Figure:
    """Draw the contact sheet of a task from its file of views."""
    with unsealed(path, "a file of views of rehash") as file:
        about = read_attributes(file)
        title = f"task {about['task']}, {about['split']} split: a label a row, its views in columns"
        if "names" not in file:
            return plot_contact_sheet(file["views"][:], title, [f"{label:,}" for label in file["labels"][:].tolist()])
        names = [name.decode() for name in file["names"][:]]
        return plot_contact_sheet(file["views"][:], title, names, first="first images")


def plot_contact_sheet(
    views: np.ndarray, title: str, labels: Sequence[str] | None = None, first: str = "without noise"
) -> Figure:
    """Draw labels in rows and views in columns; the first column is the mosaic without noise, or what `first` says.

    Args:
        views: (labels, columns, H, W) or (labels, columns, H, W, 3), uint8 or floats on [0, 1]; floats are clipped.
        title: says what is shown.
        labels: the names of the rows; they have none if None.

    Raises:
        InputError: the array has another shape, or there are not as many labels as rows.
    """
    if views.ndim not in (4, 5) or (views.ndim == 5 and views.shape[4] != 3) or 0 in views.shape:
        raise InputError(f"a contact sheet of views {views.shape}; expected (labels, views, H, W) or the same by 3")
    rows, columns, height, width = views.shape[:4]
    if labels is not None and len(labels) != rows:
        raise InputError(f"a contact sheet of {rows} rows with {len(labels)} labels; expected one a row")
    gap = max(1, round(_GAP * height))
    names = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..." for name in labels or []]
    margin = 0.6 + _CHARACTER * max(map(len, names), default=0)
    figure, (axes,) = panels(1, width=_HEIGHT * columns * width / height + margin, height=_HEIGHT * rows + 0.6)
    figure.set_layout_engine("compressed")  # the layout engine for images, whose shape is fixed
    axes.imshow(_side_by_side(views, gap), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    views_named = [first, *(f"view {i}" for i in range(1, columns))]
    axes.set_xticks(np.arange(columns) * (width + gap) + (width - 1) / 2, views_named)
    axes.set_yticks(np.arange(rows) * (height + gap) + (height - 1) / 2, names or [""] * rows)
    axes.set_ylabel("label" if names else "")
    axes.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    figure.suptitle(title, fontsize=9)
    return figure


def _side_by_side(views: np.ndarray, gap: int) -> np.ndarray:
    """Return one image of all views on white, floats in [0, 1], (H, W) or (H, W, 3)."""
    scaled = views / np.float32(255) if views.dtype == np.uint8 else views.clip(0, 1)
    rows, columns, height, width, *colours = scaled.shape
    edges = [(0, 0), (0, 0), (0, gap), (0, gap), *[(0, 0)] * len(colours)]
    spaced = np.pad(scaled, edges, constant_values=1).swapaxes(1, 2)
    return spaced.reshape(rows * (height + gap), columns * (width + gap), *colours)[:-gap, :-gap]
