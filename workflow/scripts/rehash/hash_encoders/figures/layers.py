"""The figure of networks' layers: properties of their codes against depth, trained beside untrained."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rehash.figures.style import COLOURS, DASHES, draw_spread, panels, say
from rehash.hash_encoders.results import layer_means
from rehash.hash_encoders.studies import PROPERTIES

_DRAWN = ("redundancy_train", "purity_train", "knn", "lr", "kmeans_test")
_CLASSIFIED = ("knn", "lr", "kmeans_test")
POOLS = {
    "none": "a bit for each position",
    "any": "a bit for each channel, on anywhere",
    "sum": "a number for each channel, summed over positions",
}
_BY = ["pool", "share", "classes", "model", "state", "place"]


def plot_layers(table: pd.DataFrame) -> Figure:
    """Draw a row of panels for each pool, share of channels and number of classes: properties against depth.

    A line is a network, faint before training; on the right, unconnected, is the code of all layers together.

    Args:
        table: columns `rehash.hash_encoders.columns.LAYER_COLUMNS`.
    """
    rows = layer_means(table, _BY)
    blocks = list(rows.groupby(["pool", "share", "classes"], sort=False))
    blocks.sort(key=lambda block: (list(POOLS).index(block[0][0]), -block[0][1], -block[0][2]))
    figure, axes = panels(len(_DRAWN), len(blocks), width=3.3, height=3.1)
    figure.suptitle(_title(table), fontsize=9)
    models = sorted(table.model.unique())
    last = int(table.place.max())
    for row, ((pool, share, classes), block) in enumerate(blocks):
        for axis, metric in zip(axes[len(_DRAWN) * row :], _DRAWN):
            _draw(axis, block, metric, models, last, legend=row == 0 and metric == _DRAWN[0])
            axis.set_title(f"\n{PROPERTIES[metric]}", fontsize=9)  # below the row's heading
        what = [POOLS[pool], *([f"{100 * share:g}% of the channels"] if share < 1 else []), f"{classes} classes"]
        axes[len(_DRAWN) * row].set_ylabel("share of inputs or codes")
        # A text as wide as several panels would move them apart, if the layout made room for it; the titles do.
        heading = {"xycoords": "axes fraction", "fontsize": 9, "fontweight": "bold", "annotation_clip": False}
        axes[len(_DRAWN) * row].annotate("; ".join(what), (0, 1.14), **heading).set_in_layout(False)
    return figure


def _draw(axis: Axes, rows: pd.DataFrame, metric: str, models: list[str], last: int, *, legend: bool) -> None:
    there = rows.dropna(subset=[f"{metric}_mean"])
    for series, model in enumerate(models):
        for state in ("trained", "untrained"):
            line = there[(there.model == model) & (there.state == state)].sort_values("place")
            if line.empty:
                continue
            faint = state == "untrained"
            for part, name in ((line[line.place > 0], f"{model}, {state}"), (line[line.place == 0], None)):
                x = part.place.where(part.place > 0, last + 1)
                mean, sd = part[f"{metric}_mean"], part[f"{metric}_sd"].fillna(0)
                draw_spread(axis, x, mean, sd, series=series, label=name, faint=faint)
                if name is None and not part.empty:
                    colour = COLOURS[series % len(COLOURS)]
                    axis.errorbar(x, mean, sd, color=colour, alpha=0.6 if faint else 1, linewidth=1)
            own = line.accuracy_test_mean.dropna()
            if metric in _CLASSIFIED and not faint and len(own):
                dashes = DASHES[series % len(DASHES)]
                axis.axhline(own.iloc[0], color=COLOURS[series % len(COLOURS)], linestyle=dashes, linewidth=0.6)
    if there.empty:
        say(axis, "no two inputs share a code" if metric.startswith("purity") else "nothing was measured")
    places = sorted({int(place) for place in rows.place if place > 0})
    step = -(-len(places) // 8) or 1
    shown = places[::step]
    axis.set_xticks([*shown, last + 1], [*map(str, shown), "all"])
    axis.set(xlabel="layer (place in the network)", ylim=(-0.03, 1.03), xlim=(0.5, last + 1.5))
    if legend:
        axis.legend(fontsize=7)


def _title(table: pd.DataFrame) -> str:
    n = table.groupby(["model", "state"]).repeat.nunique()
    networks = "one network each" if n.max() == 1 else f"means of up to {n.max()} networks, bands of one deviation"
    samples = f"{table.train_samples.max():,} train and {table.test_samples.max():,} test samples"
    return (
        f"{table.dataset.iloc[0]}, codes of networks' layers: {networks}; {samples}; thin lines: networks' own accuracy"
    )
