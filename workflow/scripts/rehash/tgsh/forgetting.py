"""Forgetting: how accurate FlyNet and its baselines are on earlier tasks after later ones, and measures of it.

The table is tidy: each row is one R[i, j], the accuracy on task j (`task`) after training on task i (`trained`). Tasks
are identified by their numbers in the benchmark, which are also their order (Lopez-Paz & Ranzato 2017, arXiv
1706.08840).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.errors import InputError
from rehash.store import read_csv

COLUMNS = ["dataset", "benchmark", "method", "repeat", "trained", "task", "accuracy"]
ACCURACY_COLUMNS = ["dataset", "benchmark", "repeat", "task", "accuracy_untrained", "accuracy_after_all"]
_RUN = ["dataset", "benchmark", "method", "repeat"]


def flynet_matrix(accuracy: pd.DataFrame, task_numbers: list[int]) -> pd.DataFrame:
    """Return R[i, j] of FlyNet as a table of `COLUMNS`, from one of `ACCURACY_COLUMNS` (a row per repeat and task).

    Training a task does not change any other, so R[i, j] is the accuracy after all tasks once j is trained (j <= i),
    and the untrained accuracy before. Tasks that are not in `task_numbers` are left out.
    """
    chosen = accuracy[accuracy.task.isin(task_numbers)]
    rows = chosen.merge(pd.DataFrame({"trained": task_numbers}), how="cross")
    found = rows.accuracy_after_all.where(rows.task <= rows.trained, rows.accuracy_untrained)
    rows = rows.assign(method="flynet", accuracy=found).sort_values(COLUMNS[:-1], ignore_index=True)
    return rows[COLUMNS]


def continual_measures(table: pd.DataFrame) -> pd.DataFrame:
    """Compute accuracy, forgetting and transfer after the last task T from a table of `COLUMNS`.

    The result has one row per dataset, benchmark, method and repeat.

    average_accuracy: mean over j of R[T, j]. forgetting: mean over j < T of max over l < T of R[l, j], less R[T, j]
    (Chaudhry et al. 2018, arXiv 1801.10112); as published, l is any task before T, including those before j was
    trained. backward_transfer: mean over j < T of R[T, j] - R[j, j] (Lopez-Paz & Ranzato 2017). The last two are NaN
    for one task.

    Raises:
        InputError: an accuracy is missing, or a task is measured and not trained; names the run.
    """
    rows = []
    for run, part in table.groupby(_RUN, sort=True):
        matrix = part.pivot(index="trained", columns="task", values="accuracy")
        if matrix.isna().any(axis=None) or list(matrix.index) != list(matrix.columns):
            where = _words(_RUN, run)
            raise InputError(f"{where}: an accuracy is missing; expected one for each task after training on each task")
        rows.append(dict(zip(_RUN, run)) | _measures(matrix.to_numpy()))
    return pd.DataFrame(rows)


def _measures(accuracy_TT: np.ndarray) -> dict[str, float]:
    last = accuracy_TT[-1]
    before = accuracy_TT[:-1, :-1]
    if not before.size:
        return {"average_accuracy": last.mean(), "forgetting": np.nan, "backward_transfer": np.nan}
    return {
        "average_accuracy": last.mean(),
        "forgetting": (before.max(0) - last[:-1]).mean(),
        "backward_transfer": (last[:-1] - before.diagonal()).mean(),
    }


def collect_baselines(full: str | Path, accuracy: str | Path, task_numbers: list[int]) -> pd.DataFrame:
    """Combine the accuracies of FlyNet and the baselines into one table of `COLUMNS`.

    Args:
        full: the CSV of rehash.tgsh.baselines.train_baselines. accuracy: FlyNet's CSV of `ACCURACY_COLUMNS`.
        task_numbers: the numbers of the tasks that the baselines were trained on.

    Raises:
        InputError: the files differ in dataset, benchmark or repeats, or lack one of the tasks; names both files.
    """
    baselines, flynet = read_csv(full, COLUMNS), read_csv(accuracy, ACCURACY_COLUMNS)
    chosen = flynet[flynet.task.isin(task_numbers)]
    methods, repeats = baselines.method.unique(), baselines.repeat.unique()
    _check_rows(baselines, full, accuracy, method=methods, repeat=repeats, trained=task_numbers, task=task_numbers)
    names = {name: baselines[name].unique() for name in ("dataset", "benchmark")}
    _check_rows(chosen, accuracy, full, **names, repeat=repeats, task=task_numbers)
    return pd.concat([flynet_matrix(chosen, task_numbers), baselines[COLUMNS]], ignore_index=True)


def _check_rows(table: pd.DataFrame, path: str | Path, other: str | Path, **values: Iterable[object]) -> None:
    """Raise an InputError unless the table's rows are exactly all combinations of `values` (by column)."""
    found, expected = set(table[list(values)].itertuples(index=False, name=None)), set(product(*values.values()))
    if wrong := found ^ expected:
        first = min(wrong)
        ranges = "; ".join(f"{name}: {', '.join(map(str, each))}" for name, each in values.items())
        raise InputError(
            f"{path}: {'lacks' if first in expected else 'has'} {_words(values, first)}; to go with {other}, expected "
            f"all of {ranges}, and nothing else"
        )


def _words(names: Iterable[str], values: Iterable[object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, values))
