"""The figures of a benchmark of tasks, each from its files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rehash.errors import unknown
from rehash.figures.baselines import plot_baselines
from rehash.figures.tgsh_measures import plot_accuracy, plot_codes, plot_notebook
from rehash.figures.tgsh_relations import plot_task_similarity
from rehash.figures.tgsh_responses import plot_hash_property
from rehash.figures.tgsh_sheets import plot_generated, plot_tasks
from rehash.hdf5 import unsealed
from rehash.store import read_csv

_FIGURES: dict[str, Callable[..., Figure]] = {
    "tasks": plot_tasks,
    "accuracy": plot_accuracy,
    "published": plot_notebook,
    "task_similarity": plot_task_similarity,
    "hash_property": plot_hash_property,
    "codes": plot_codes,
    "generated": plot_generated,
    "baselines": plot_baselines,
}


def plot_benchmark(figure: str, tables: Sequence[str | Path]) -> Figure:
    """A figure from its files (CSV, and HDF5 for pictures), in the order of rehash.tgsh.plan.TABLES.

    Raises:
        InputError: there is no such figure, or a file is not readable.
    """
    if figure not in _FIGURES:
        raise unknown("figure", figure, _FIGURES, "plot_benchmark")
    return _FIGURES[figure](*map(_read, tables))


def _read(path: str | Path) -> pd.DataFrame | np.ndarray:
    if Path(path).suffix != ".h5":
        return read_csv(path)
    with unsealed(path, "a file of pictures of rehash") as file:
        return file["images"][:]
