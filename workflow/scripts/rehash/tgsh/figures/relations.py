"""The figure of how tasks relate: the similarity of task vectors as matrices, and against the tasks' distance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from rehash.figures.style import draw_spread, panels, say
from rehash.intervals import mean_interval
from rehash.tgsh.figures.labels import SERIES, STATES, benchmark_title
from rehash.tgsh.summaries import STATES as DRAWN
from rehash.tgsh.summaries import by_distance

_MOST_TICKS = 9


def plot_task_similarity(similarity: pd.DataFrame, correlation: pd.DataFrame) -> Figure:
    """Draw the cosine similarity of task vectors before and after training, and against the distance of the tasks.

    Args:
        similarity: dataset, benchmark, repeat, task_a, task_b, distance (pixels), similarity_untrained and _trained.
        correlation: repeat, state, spearman (NaN if undefined).
    """
    figure, (before, after, lines) = panels(3, width=3.7, height=3.5)
    figure.suptitle(benchmark_title(similarity, "how alike the task vectors are"), fontsize=9)
    columns = [f"similarity_{state}" for state in DRAWN]
    means = similarity.groupby(["task_a", "task_b"])[columns].mean()
    lowest = min(0.0, means.min(axis=None))
    for panel, state in zip((before, after), DRAWN):
        image = _draw_matrix(panel, means[f"similarity_{state}"].unstack(), lowest)
        panel.set(title=STATES[state], xlabel="task (number)")
    before.set_ylabel("task (number)")
    figure.colorbar(image, ax=[before, after], label="cosine similarity", fraction=0.03, pad=0.01)
    _draw_distances(lines, similarity, correlation)
    return figure


def rank_words(spearman: pd.Series) -> str:
    """Give the mean Spearman correlation over networks with Student's 95% interval; NaN values do not count."""
    found = spearman.dropna()
    if found.empty:
        return "none"
    low, high = mean_interval(found)
    return f"{found.mean():.2f}" + ("" if len(found) < 2 else f" (95% interval {low:.2f} to {high:.2f})")


def _draw_matrix(panel: Axes, matrix: pd.DataFrame, lowest: float) -> AxesImage:
    image = panel.imshow(matrix.to_numpy(), cmap="cividis", vmin=lowest, vmax=1)
    places = np.arange(0, len(matrix), -(-len(matrix) // _MOST_TICKS))
    panel.set_xticks(places, matrix.columns[places])
    panel.set_yticks(places, matrix.index[places])
    panel.grid(False)
    return image


def _draw_distances(panel: Axes, similarity: pd.DataFrame, correlation: pd.DataFrame) -> None:
    panel.set(xlabel="distance of two tasks (pixels)", ylabel="cosine similarity", title="against distance")
    rows = by_distance(similarity)
    if rows.empty:
        say(panel, "one task, no pair" if similarity.task_a.nunique() == 1 else "tasks of other images:\nno distance")
        return
    for state in DRAWN:
        rank = rank_words(correlation[correlation.state == state].spearman)
        mean, sd = rows[f"similarity_{state}_mean"], rows[f"similarity_{state}_sd"].fillna(0)
        label = f"{STATES[state]}\nSpearman's ρ {rank}"
        draw_spread(panel, rows.distance, mean, sd, series=SERIES[state], label=label)
    panel.set_ylim(None, max(1.0, panel.get_ylim()[1]))
    panel.legend(fontsize=7, loc="upper right")
