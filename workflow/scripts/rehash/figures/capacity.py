"""The capacity figure: encoding properties against layer width, arranged as published."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from rehash.figures.style import ALL_DIVERGED, draw_spread, panels, say, title
from rehash.tables import summarise, with_state

_LEFT = (("redundancy_train", "train"), ("redundancy_test", "test"))
_RIGHT = (("knn", "K-NN"), ("lr", "logistic regression"), ("accuracy_test", "network"))
KMEANS = {"train": ("kmeans_train", "K-Means (training codes)"), "test": ("kmeans_test", "K-Means (test codes)")}


def plot_capacity(table: pd.DataFrame, kmeans: str = "test") -> Figure:
    """A row of two panels per protocol: redundancy ratio (train, test), and accuracy of classifiers.

    Lines are means over repeats, bands one standard deviation; faint lines are the same networks before training.

    Args:
        kmeans: of which codes K-Means is drawn, train or test; everything else is scored on the test inputs.
    """
    accuracies = (KMEANS[kmeans], *_RIGHT)
    metrics = [metric for metric, _ in (*_LEFT, *accuracies)]
    inputs = "test inputs" if kmeans == "test" else "inputs"
    rows = summarise(with_state(table), ["protocol", "layer_width", "state"], metrics)
    protocols = sorted(table.protocol.unique())
    figure, axes = panels(2, len(protocols))
    figure.suptitle(title(table, "capacity"), fontsize=9)
    for row, protocol in enumerate(protocols):
        chosen = rows[rows.protocol == protocol]
        left, right = axes[2 * row], axes[2 * row + 1]
        for series, (metric, label) in enumerate(_LEFT):
            _draw(left, chosen, metric, label, series)
        for series, (metric, label) in enumerate(accuracies):
            _draw(right, chosen, metric, label, series, before=metric in ("knn", KMEANS[kmeans][0]))
        left.set(title=f"determinism (protocol {protocol})", ylabel="redundancy ratio")
        right.set(title=f"categorization (protocol {protocol})", ylabel=f"accuracy (share of {inputs})")
        for axis in (left, right):
            axis.set(xlabel="layer width (hidden units)", ylim=(-0.02, 1.02))
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
