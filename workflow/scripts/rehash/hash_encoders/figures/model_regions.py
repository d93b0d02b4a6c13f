"""The figure of the linear regions of networks of any shape: extents around inputs, trained beside untrained."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, MARKERS, panels, say
from rehash.hash_encoders.figures.regions import POINTS
from rehash.hash_encoders.studies import PROPERTIES, WAYS

_APART = 0.14  # between the points of one network


def plot_model_regions(table: pd.DataFrame) -> Figure:
    """Draw a panel for each kind of inputs: medians and quartiles of distances, a group of points for each network.

    Args:
        table: columns `rehash.hash_encoders.columns.MODEL_LINES`.
    """
    kinds = [kind for kind in POINTS if (table.points == kind).any()]
    networks = sorted(set(zip(table.model, table.state)), key=lambda of: (of[0], of[1] == "trained"))
    figure, axes = panels(len(kinds), width=max(4.2, 1.2 * len(networks)), height=4.2)
    n = table.groupby(["model", "state"]).repeat.nunique().max()
    figure.suptitle(
        f"{table.dataset.iloc[0]}, linear regions of networks: medians and quartiles over {table.line.max() + 1} inputs"
        f"{f' and up to {n} networks' if n > 1 else ''} each",
        fontsize=9,
    )
    for axis, kind in zip(axes, kinds):
        rows = table[table.points == kind]
        ways = [way for way in WAYS if (rows.direction == way).any()]
        starts = rows[rows.nearest_face_exact].drop_duplicates(["model", "state", "repeat", "line"])
        curves = {PROPERTIES["nearest_face"]: starts}
        curves |= {f"chord {WAYS[way]}": rows[rows.direction == way] for way in ways}
        for series, (label, chosen) in enumerate(curves.items()):
            column = "nearest_face" if series == 0 else "chord"
            found = [chosen[(chosen.model == m) & (chosen.state == s)][column] for m, s in networks]
            quartiles = np.array([part.quantile([0.25, 0.5, 0.75], interpolation="nearest") for part in found])
            shown = np.where(np.isfinite(quartiles) & (quartiles > 0), quartiles, np.nan)
            x = np.arange(len(networks)) + _APART * (series - (len(curves) - 1) / 2)
            bars = np.abs(shown[:, [0, 2]] - shown[:, [1]]).T
            colour, marker = COLOURS[series % len(COLOURS)], MARKERS[series % len(MARKERS)]
            axis.errorbar(x, shown[:, 1], np.nan_to_num(bars), fmt=marker, color=colour, linewidth=1, label=label)
        axis.set(yscale="log", ylabel="L2 distance of inputs", title=POINTS[kind])
        axis.set_xticks(range(len(networks)), [f"{model}\n{state}" for model, state in networks], fontsize=8)
        if not axis.lines:
            say(axis, "nothing was measured")
    axes[0].legend(fontsize=7)
    return figure
