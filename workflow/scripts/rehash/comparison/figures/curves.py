"""The figure of precision against recall, as the Hamming radius grows."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rehash.comparison.figures.lines import handles, styles
from rehash.figures.seeds import add_legend
from rehash.figures.style import panels

_BY_RADIUS = "precision_recall_by_radius"
_COLUMNS = 3


def plot_curves(table: pd.DataFrame) -> Figure:
    """Draw a panel for each length of codes: precision against recall of every source, means over repeats.

    Args:
        table: columns title, bits, repeat, curve, x, precision and recall.
    """
    rows = table[table.curve.eq(_BY_RADIUS) & table.bits.gt(0)]
    looks, lengths = styles(rows), sorted(rows.bits.unique())
    columns = min(_COLUMNS, len(lengths))
    figure, axes = panels(columns, -(-len(lengths) // columns), width=3.6, height=3.2)
    for axis, bits in zip(axes, lengths):
        part = rows[rows.bits == bits]
        for title, style in looks.items():
            line = part[part.title == title].groupby("x")[["recall", "precision"]].mean().dropna()
            axis.plot(line.recall, line.precision, **style, markevery=0.12, markersize=3)
        chance = part[part.x == part.x.max()].precision.mean()
        axis.axhline(chance, color="0.4", linestyle=":", linewidth=1)
        axis.set(title=f"{bits} bits", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.03))
    for axis in axes[len(lengths) :]:
        axis.set_axis_off()
    figure.suptitle(f"{table.dataset.iloc[0]}, retrieval protocol {table.protocol.iloc[0]}", fontsize=9)
    add_legend(figure, handles(looks))
    return figure
