"""The capacity figure: encoding properties against layer width, arranged as published."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rehash.figures.style import draw_spread, panels, say
from rehash.hash_encoders.blocks import blocks
from rehash.hash_encoders.figures.titles import ALL_DIVERGED, study_title
from rehash.hash_encoders.studies import STUDIES
from rehash.tables import summarise, with_state

_LEFT = (("redundancy_train", "train"), ("redundancy_test", "test"))
_RIGHT = (("knn", "K-NN"), ("lr", "logistic regression"), ("accuracy_test", "network"))
KMEANS = {"train": ("kmeans_train", "K-Means (training codes)"), "test": ("kmeans_test", "K-Means (test codes)")}


def plot_capacity(table: pd.DataFrame, kmeans: str = "test") -> Figure:
    """Draw two panels for each protocol and depth: the redundancy ratio (train, test), and the accuracy of classifiers.

    Lines are means over repeats, bands one standard deviation; faint lines are the same networks before training.

    Args:
        kmeans: whose codes the K-Means line is of, train or test; all other accuracies are on the test inputs.
    """
    accuracies = (KMEANS[kmeans], *_RIGHT)
    metrics = [metric for metric, _ in (*_LEFT, *accuracies)]
    inputs = "test inputs" if kmeans == "test" else "inputs"
    parts = blocks(table, "layer_width")
    figure, axes = panels(2, len(parts))
    figure.suptitle(study_title(table), fontsize=9)
    for row, (name, part) in enumerate(parts):
        chosen = summarise(with_state(part), ["layer_width", "state"], metrics)
        left, right = axes[2 * row], axes[2 * row + 1]
        for series, (metric, label) in enumerate(_LEFT):
            _draw(left, chosen, metric, label, series)
        for series, (metric, label) in enumerate(accuracies):
            _draw(right, chosen, metric, label, series, before=metric in ("knn", KMEANS[kmeans][0]))
        left.set(title=f"determinism ({name})", ylabel="redundancy ratio")
        right.set(title=f"categorization ({name})", ylabel=f"accuracy (share of {inputs})")
        for axis in (left, right):
            axis.set(xlabel=STUDIES["capacity"].axis, ylim=(-0.02, 1.02))
            if chosen.layer_width.nunique() == 1:
                axis.set_xticks([chosen.layer_width.iloc[0]])
            if chosen.empty:
                say(axis, ALL_DIVERGED)
        left.legend(fontsize=7.5)
        right.legend(fontsize=7.5, loc="lower right")
    return figure


def _draw(axis, rows: pd.DataFrame, metric: str, label: str, series: int, before: bool = True) -> None:
    states = (("trained", label),) + ((("untrained", f"{label}, before training"),) if before else ())
    for state, text in states:
        chosen = rows[rows.state == state].sort_values("layer_width")
        sd = chosen[f"{metric}_sd"].fillna(0)
        draw_spread(
            axis,
            chosen.layer_width,
            chosen[f"{metric}_mean"],
            sd,
            series=series,
            label=text,
            faint=state == "untrained",
        )
