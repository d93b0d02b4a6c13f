"""Forgetting: how accurate FlyNet and its baselines are on earlier tasks after later ones, and measures of it.

The table is tidy: each row is one R[i, j], the accuracy on task j (`task`) after training on task i (`trained`). Tasks
are identified by their numbers in the benchmark, which are also their order (Lopez-Paz & Ranzato 2017, arXiv
1706.08840).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.errors import InputError, unreadable
from rehash.store import read_csv
from rehash.tgsh.methods import METHODS, method_of, setting_of

COLUMNS = ["dataset", "benchmark", "setting", "method", "repeat", "trained", "task", "accuracy", "accuracy_start"]
COSTS = ["learned", "kept", "memory_bytes", "seconds"]
ACCURACY_COLUMNS = ["dataset", "benchmark", "repeat", "task", "accuracy_untrained", "accuracy_after_all"]
MEASURES = ("average_accuracy", "forgetting", "backward_transfer", "forward_transfer")
_RUN = ["dataset", "benchmark", "setting", "method", "repeat"]


def flynet_matrix(accuracy: pd.DataFrame, task_numbers: list[int]) -> pd.DataFrame:
    """Return R[i, j] of FlyNet as a table of `COLUMNS`, from one of `ACCURACY_COLUMNS` (a row per repeat and task).

    Training a task does not change any other, so R[i, j] is the accuracy after all tasks once j is trained (j <= i),
    and the untrained accuracy before. Tasks that are not in `task_numbers` are left out.
    """
    chosen = accuracy[accuracy.task.isin(task_numbers)]
    rows = chosen.merge(pd.DataFrame({"trained": task_numbers}), how="cross")
    found = rows.accuracy_after_all.where(rows.task <= rows.trained, rows.accuracy_untrained)
    rows = rows.assign(setting=setting_of("flynet", False), method="flynet", accuracy=found)
    rows = rows.rename(columns={"accuracy_untrained": "accuracy_start"})
    return rows.sort_values([*_RUN, "trained", "task"], ignore_index=True)[COLUMNS]


def continual_measures(table: pd.DataFrame) -> pd.DataFrame:
    """Compute accuracy, forgetting and transfer after the last task T from a table of `COLUMNS`.

    The result has one row per dataset, benchmark, setting, method and repeat.

    average_accuracy: mean over j of R[T, j]. forgetting: mean over j < T of max over l < T of R[l, j], less R[T, j]
    (Chaudhry et al. 2018, arXiv 1801.10112); as published, l is any task before T, including those before j was
    trained. backward_transfer: mean over j < T of R[T, j] - R[j, j]; forward_transfer: mean over j > 1 of R[j - 1, j]
    less the accuracy on j before any training (both Lopez-Paz & Ranzato 2017). Forward transfer is NaN for a method
    that has parameters of its own for each task: they are as they were drawn until the task comes, and R[j - 1, j] is
    of no task before. All but the first are NaN for one task.

    Raises:
        InputError: an accuracy is missing, a task is measured and not trained, or a method is unknown; names the run.
    """
    rows = []
    for run, part in table.groupby(_RUN, sort=True):
        matrix = part.pivot(index="trained", columns="task", values="accuracy")
        if matrix.isna().any(axis=None) or list(matrix.index) != list(matrix.columns):
            where = _words(_RUN, run)
            raise InputError(f"{where}: an accuracy is missing; expected one for each task after training on each task")
        known = dict(zip(_RUN, run))
        start = part.groupby("task").accuracy_start.first().to_numpy()
        found = _measures(matrix.to_numpy(), start)
        if method_of(known["method"], _words(_RUN, run)).told:
            found["forward_transfer"] = np.nan
        rows.append(known | found)
    return pd.DataFrame(rows)


def _measures(accuracy_TT: np.ndarray, start_T: np.ndarray) -> dict[str, float]:
    last = accuracy_TT[-1]
    before = accuracy_TT[:-1, :-1]
    if not before.size:
        return {"average_accuracy": last.mean(), **dict.fromkeys(MEASURES[1:], np.nan)}
    return {
        "average_accuracy": last.mean(),
        "forgetting": (before.max(0) - last[:-1]).mean(),
        "backward_transfer": (last[:-1] - before.diagonal()).mean(),
        "forward_transfer": (accuracy_TT.diagonal(1) - start_T[1:]).mean(),
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


def collect_costs(full: str | Path, flynet: str | Path) -> pd.DataFrame:
    """Collect what each method learns and keeps, in numbers a task, its bytes of images, and its seconds a task.

    Columns: method, learned, kept, memory_bytes, seconds; see `rehash.tgsh.baselines.StreamTraining.costs`. Seconds are
    of one run on one machine, and others in the next.

    Args:
        full, flynet: the provenance (JSON) of the baselines' and of FlyNet's training.

    Raises:
        InputError: a file is no such provenance.
    """
    costs, spent = _noted(full, "costs"), _noted(flynet, "seconds_a_task")
    costs["flynet"]["seconds"] = spent
    rows = [{"method": name, **costs[name]} for name in METHODS if name in costs]
    return pd.DataFrame(rows)[["method", *COSTS]]


def _noted(path: str | Path, key: str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, LookupError, TypeError) as error:
        way = (
            f"not the provenance of a training, which has {key} ({error!r}); make it again with: snakemake --cores all"
        )
        raise unreadable(error, path, f"{way} --force {path}") from error


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
