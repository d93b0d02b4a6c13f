"""Comparison with the numbers of the authors' notebook: accuracies, and similarities of task vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rehash.store import read_csv, write_csv
from rehash.tgsh.tasks import NAMES, Transformation

NOTEBOOK_UNITS, NOTEBOOK_DATASET = 7840, "mnist"
PUBLISHED_COLUMNS = ["task", "angle", "epoch", "accuracy"]
SIMILARITY_COLUMNS = ["state", "angle_a", "angle_b", "epochs", "similarity", "error"]


def compare_notebook(
    history: pd.DataFrame, tasks: pd.DataFrame, published: pd.DataFrame, *, units: int
) -> pd.DataFrame:
    """Compare published accuracies with ours: one row per published task and epoch that we trained, too.

    Columns: dataset, benchmark, units, angle, epoch, published, ours (mean), sd, n, difference (ours - published) and
    verdict. No task depends on another, so the notebook's tasks, trained for one epoch, correspond to our tasks of the
    same angle after their first epoch. The published value is of one network, without a spread. The verdict is "inside"
    if it lies within two of our standard deviations, and "outside" otherwise; "no spread" for one network of ours;
    "context" for other data or another width.

    Args:
        history: dataset, benchmark, repeat, task, epoch, accuracy (test). tasks: task, fields of `Transformation`.
        published: a table of PUBLISHED_COLUMNS.
    """
    rotations = _rotations(tasks)
    rows = []
    for theirs in published.itertuples():
        values = history[(history.task == rotations.get(theirs.angle)) & (history.epoch == theirs.epoch)].accuracy
        if values.empty:
            continue
        keys = history.iloc[0][["dataset", "benchmark"]].to_dict()
        sd, difference = values.std(), values.mean() - theirs.accuracy
        same = keys["dataset"] == NOTEBOOK_DATASET and units == NOTEBOOK_UNITS
        verdict = _verdict(difference, sd, 0.0, len(values), comparable=same)
        rows.append(
            {
                **keys, "units": units, "angle": theirs.angle, "epoch": theirs.epoch, "published": theirs.accuracy,
                "ours": values.mean(), "sd": sd, "n": len(values), "difference": difference, "verdict": verdict,
            }
        )  # fmt: skip
    columns = [
        "dataset",
        "benchmark",
        "units",
        "angle",
        "epoch",
        "published",
        "ours",
        "sd",
        "n",
        "difference",
        "verdict",
    ]
    return pd.DataFrame(rows, columns=columns)


def compare_similarities(
    similarity: pd.DataFrame, tasks: pd.DataFrame, published: pd.DataFrame, *, units: int, epochs: int
) -> pd.DataFrame:
    """Compare published cosines of task vectors with ours, as `compare_notebook` does with accuracies.

    The result has one row per state and published pair of tasks that we trained, too. The verdict is "inside" if the
    difference is at most two of our standard deviations plus the error with which the colour of the published value was
    read; "context" for other data, another width, or another number of epochs than the notebook's one.

    Args:
        similarity: dataset, benchmark, repeat, task_a, task_b, similarity_untrained, similarity_trained.
        tasks: task, fields of `Transformation`. published: a table of SIMILARITY_COLUMNS. epochs: of our training.
    """
    rotations, rows = _rotations(tasks), []
    for theirs in published.itertuples():
        a, b = rotations.get(theirs.angle_a), rotations.get(theirs.angle_b)
        pairs = similarity[(similarity.task_a == a) & (similarity.task_b == b)]
        if pairs.empty:
            continue
        keys = pairs.iloc[0][["dataset", "benchmark"]].to_dict()
        values = pairs[f"similarity_{theirs.state}"]
        sd, difference = values.std(), values.mean() - theirs.similarity
        same = keys["dataset"] == NOTEBOOK_DATASET and units == NOTEBOOK_UNITS and epochs == theirs.epochs
        verdict = _verdict(difference, sd, theirs.error, len(values), comparable=same)
        rows.append(
            {
                **keys, "units": units, "epochs": epochs, "state": theirs.state, "angle_a": theirs.angle_a,
                "angle_b": theirs.angle_b, "published": theirs.similarity, "reading_error": theirs.error,
                "ours": values.mean(), "sd": sd, "n": len(values), "difference": difference, "verdict": verdict,
            }
        )  # fmt: skip
    columns = ["dataset", "benchmark", "units", "epochs", "state", "angle_a", "angle_b", "published", "reading_error"]
    return pd.DataFrame(rows, columns=[*columns, "ours", "sd", "n", "difference", "verdict"])


def _rotations(tasks: pd.DataFrame) -> dict[float, int]:
    """Return angle -> the first task that rotates images by it and changes nothing else."""
    if "permutation" in tasks:
        tasks = tasks[tasks.permutation == 0]
    for other in ("classes", "images"):
        if other in tasks:  # then some tasks have other images than the notebook's
            tasks = tasks[tasks[other].isna() | (tasks[other] == "") | (tasks[other] == NOTEBOOK_DATASET)]
    plain = {name: value for name, value in vars(Transformation()).items() if name != "angle"}
    rotations = tasks[np.logical_and.reduce([tasks[name] == value for name, value in plain.items()])]
    return rotations.drop_duplicates("angle").set_index("angle").task.to_dict()


def _verdict(difference: float, sd: float, error: float, n: int, *, comparable: bool) -> str:
    if not comparable:
        return "context"
    if n < 2:
        return "no spread"
    return "inside" if abs(difference) <= 2 * sd + error else "outside"


def write_comparison(
    history: str | Path,
    similarity: str | Path,
    tasks: str | Path,
    published: tuple[str | Path, str | Path],
    outputs: tuple[str | Path, str | Path],
    *,
    units: int,
    epochs: int,
) -> None:
    """Write both comparisons with the notebook, of accuracies and of similarities, as CSV files.

    `published` and `outputs` are pairs of files in this order; see `compare_notebook` and `compare_similarities`.
    """
    declared = read_csv(tasks, ["task", *NAMES])
    ours = read_csv(history, ["dataset", "benchmark", "repeat", "task", "epoch", "accuracy"])
    write_csv(compare_notebook(ours, declared, read_csv(published[0], PUBLISHED_COLUMNS), units=units), outputs[0])
    pairs = read_csv(similarity, ["task_a", "task_b", "similarity_untrained", "similarity_trained"])
    theirs = read_csv(published[1], SIMILARITY_COLUMNS)
    write_csv(compare_similarities(pairs, declared, theirs, units=units, epochs=epochs), outputs[1])
