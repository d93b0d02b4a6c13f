"""The figure of published mAP beside ours."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rehash.figures.seeds import series_style
from rehash.figures.style import panels, say


def plot_published(table: pd.DataFrame) -> Figure:
    """Draw a panel for each published method: its values by bits (filled) beside ours (open, with an interval).

    Args:
        table: see `rehash.comparison.published.compare_retrieval`.
    """
    methods = table.groupby(["method", "metric"], sort=False)
    figure, axes = panels(max(1, methods.ngroups), width=3.8, height=3.4)
    if table.empty:
        say(axes[0], "no published value of these bits")
    for axis, ((method, metric), rows) in zip(axes, methods):
        for series, (reference, theirs) in enumerate(rows.groupby("reference", sort=False)):
            alike = "" if theirs.verdict.isin(["inside", "above", "below"]).all() else f" ({theirs.verdict.iloc[0]})"
            style = series_style(series)
            axis.plot(theirs.bits, theirs.published, linestyle="-", label=f"{reference}{alike}", **style)
        ours = rows.drop_duplicates("bits").sort_values("bits")
        half = ours.sd.fillna(0)
        low = (ours.ours - ours.low).where(ours.repeats == 1, half).clip(lower=0)
        high = (ours.high - ours.ours).where(ours.repeats == 1, half).clip(lower=0)
        axis.errorbar(
            ours.bits, ours.ours, [low, high], color="black", marker="o", markerfacecolor="white", linestyle="--",
            capsize=2, label=f"ours ({ours.protocol.iloc[0]})",
        )  # fmt: skip
        axis.set(title=f"{method}: {metric}", xlabel="bits of a code", ylabel=metric, ylim=(0, 1))
        axis.set_xticks(sorted(rows.bits.unique()))
        axis.legend(fontsize=7)
    return figure
