"""The accuracies that the authors' notebook prints, beside ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rehash.store import read_csv, write_csv
from rehash.tgsh.tasks import NAMES, Transformation

NOTEBOOK_UNITS, NOTEBOOK_DATASET = 7840, "mnist"
PUBLISHED_COLUMNS = ["task", "angle", "epoch", "accuracy"]


def compare_notebook(
    history: pd.DataFrame, tasks: pd.DataFrame, published: pd.DataFrame, *, units: int
) -> pd.DataFrame:
    """A row a published task that ours have: published, ours (mean), sd, n, difference, verdict.

    Tasks depend on no other task, so the notebook's, trained one epoch, are our tasks of the same angle after their
    first. The published value is one network's, without a spread. Verdict: "inside" where it lies within two of our
    standard deviations, "outside" else; "no spread" for one network; "context" for other data or another width.

    Args:
        history: dataset, benchmark, repeat, task, epoch, accuracy (test). tasks: task, fields of `Transformation`.
        published: PUBLISHED_COLUMNS.
    """
    plain = {name: value for name, value in vars(Transformation()).items() if name != "angle"}
    rotations = tasks[np.logical_and.reduce([tasks[name] == value for name, value in plain.items()])]
    rows = []
    for theirs in published.itertuples():
        own = rotations.loc[rotations.angle == theirs.angle, "task"]
        values = history[history.task.isin(own[:1]) & (history.epoch == theirs.epoch)].accuracy
        if values.empty:
            continue
        keys = history.iloc[0][["dataset", "benchmark"]].to_dict()
        sd, difference = values.std(), values.mean() - theirs.accuracy
        same = keys["dataset"] == NOTEBOOK_DATASET and units == NOTEBOOK_UNITS
        verdict = "context" if not same else "no spread" if len(values) < 2 else "outside"
        if verdict == "outside" and abs(difference) <= 2 * sd:
            verdict = "inside"
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


def write_comparison(
    history: str | Path, tasks: str | Path, published: str | Path, output: str | Path, *, units: int
) -> None:
    """As `compare_notebook`, from files."""
    ours = read_csv(history, ["dataset", "benchmark", "repeat", "task", "epoch", "accuracy"])
    declared = read_csv(tasks, ["task", *NAMES])
    write_csv(compare_notebook(ours, declared, read_csv(published, PUBLISHED_COLUMNS), units=units), output)
