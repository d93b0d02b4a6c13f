"""The benchmark as a picture: how many times faster or smaller than its peer each piece of work is."""

import pandas as pd
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, panels


def plot_ratios(table: pd.DataFrame) -> Figure:
    """A mark a row, on a logarithmic axis; left of 1, open squares, the peer is ahead.

    Args:
        table: stage, work, peer_name, ratio, machine, date.
    """
    stages = list(table.stage.unique())
    figure, (axes,) = panels(1, width=9, height=0.22 * len(table) + 0.3 * len(stages) + 1)
    y, ticks, labels = 0.0, [], []
    for number, stage in enumerate(stages):
        rows = table[table.stage == stage]
        axes.text(0, y, f" {stage}", transform=axes.get_yaxis_transform(), fontsize=8, fontweight="bold", va="center")
        for row in rows.itertuples():
            y += 1
            ahead = row.ratio >= 1
            axes.plot([1, row.ratio], [y, y], color="0.75", linewidth=1, zorder=1)
            face = COLOURS[number % len(COLOURS)] if ahead else "white"
            axes.plot(row.ratio, y, "o" if ahead else "s", color=COLOURS[number % len(COLOURS)], markerfacecolor=face)
            axes.annotate(f"{row.ratio:g}", (row.ratio, y), (6 if ahead else -6, 0), textcoords="offset points",
                          ha="left" if ahead else "right", va="center", fontsize=7)  # fmt: skip
            ticks.append(y)
            labels.append(f"{row.work}  |  {row.peer_name}")
        y += 1.3
    axes.set(xscale="log", ylim=(y - 0.5, -1), xlabel="times faster or smaller than the peer")
    axes.set_xlim(min(0.5, table.ratio.min() / 2), table.ratio.max() * 2)
    axes.set_yticks(ticks, labels, fontsize=6.5)
    axes.axvline(1, color="0.3", linewidth=0.8)
    axes.set_title(f"{table.machine.iloc[-1]}, {table.date.iloc[-1]}", fontsize=9)
    return figure
