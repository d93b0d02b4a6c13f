"""Tests of modulated responses as a hash of the task's manifold: similarities of pairs, ROC areas, neighbours.

A modulated response is the task vector (context times strength) times the response z to an image shown in the task.
The test split is cut into blocks of 16 images; the pairs are all those within a block whose images are shown in every
task.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.flynet import DeviceSplit
from rehash.tgsh.model import MEASURED, Model, blocks
from rehash.tgsh.modulations import read_digits
from rehash.training import Compute

BLOCK = 16  # images, of which all pairs are measured
BINS, COARSE = 2000, 100  # bins of cosines in [-1, 1]: for the areas, and in the table
# As published, intra similarity is of two digits in one task, inter similarity of one digit in two tasks.
KINDS = ("same task, same digit", "intra", "inter, same picture", "inter, other picture", "other task, other digit")
QUESTIONS = {
    "same digit, within a task": ([0], [1]),
    "same digit, across tasks": ([3], [4]),
    # The hardest negatives are pairs of one image in two tasks; the second question leaves them out.
    "same task": ([0, 1], [2, 3, 4]),
    "same task, other pictures": ([0, 1], [3, 4]),
}


def pair_kinds(digits_B: torch.Tensor, tasks: int) -> torch.Tensor:
    """Return the kind of each pair of a block's images shown in T tasks, as an index of KINDS.

    Int64 (T * B, T * B); -1 on the diagonal, where an image is paired with itself.
    """
    task = torch.arange(tasks, device=digits_B.device).repeat_interleave(len(digits_B))
    picture = torch.arange(len(digits_B), device=digits_B.device).repeat(tasks)
    same_task, same_picture = task[:, None] == task, picture[:, None] == picture
    same_digit = digits_B[picture][:, None] == digits_B[picture]
    within = torch.where(same_digit, 0, 1)
    across = torch.where(same_picture, 2, torch.where(same_digit, 3, 4))
    return torch.where(same_task, torch.where(same_picture, -1, within), across)


def normalised(responses: torch.Tensor) -> torch.Tensor:
    """Scale rows (..., U) to length 1; a response that is zero everywhere stays zero, and its cosines are 0."""
    return responses / responses.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(responses.dtype).tiny)


def histograms(similarity: torch.Tensor, kinds: torch.Tensor, digits: torch.Tensor, classes: int) -> torch.Tensor:
    """Count the pairs' similarities (N, N) by kind, first image's digit (N,) and bin: int64 (kinds, classes, BINS)."""
    bins = ((similarity + 1) * (BINS / 2)).long().clamp_(0, BINS - 1)
    place = (kinds * classes + digits[:, None]) * BINS + bins
    size = len(KINDS) * classes * BINS
    return place[kinds >= 0].bincount(minlength=size).view(len(KINDS), classes, BINS)


def roc(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Compute the ROC curve of counts per bin: false and true positive rates, (bins + 1,) each, and the area below.

    Thresholds fall from bin to bin. Pairs in one bin are tied, and ties count half (the trapezoid rule). The area is
    NaN if there are no positive or no negative pairs.
    """
    fpr, tpr = (np.concatenate([[0], counts[::-1].cumsum() / max(counts.sum(), 1)]) for counts in (negative, positive))
    area = float(np.trapezoid(tpr, fpr)) if positive.sum() and negative.sum() else float("nan")
    return fpr, tpr, area


def gallery_items(labels: np.ndarray, each: int) -> np.ndarray:
    """Return the indices of the first `each` items of every class, in ascending order.

    Raises:
        InputError: a class has fewer items.
    """
    chosen = [np.flatnonzero(labels == label)[:each] for label in np.unique(labels)]
    if min(map(len, chosen)) < each:
        raise InputError(
            f"config: tgsh.measurements.gallery: {each} images of each class asked for; the train split has "
            f"{min(map(len, chosen))} of one"
        )
    return np.sort(np.concatenate(chosen))


class Recovery:
    """The recovery of digit and task from nearest neighbours (cosine) in a gallery of train images in every task."""

    def __init__(self, model: Model, repeat: int, train: Split, each: int) -> None:
        items = gallery_items(train.labels, each)
        pictures = DeviceSplit(Split(train.images[items], train.labels[items]), model.device)
        self.responses_TGU = model.responses(repeat, pictures.images)
        tasks = len(model.views)
        self.digits = pictures.labels.repeat(tasks)
        self.tasks = torch.arange(tasks, device=model.device).repeat_interleave(len(items))

    def gallery(self, vectors_TU: torch.Tensor) -> torch.Tensor:
        """Return the normalised modulated responses of the gallery's G images, (T * G, U)."""
        return normalised(vectors_TU[:, None] * self.responses_TGU).flatten(0, 1)

    def right(self, responses: torch.Tensor, gallery: torch.Tensor, digits: torch.Tensor) -> torch.Tensor:
        """Count the responses, of T * B, whose nearest neighbour in the gallery has their digit, and their task.

        Returns int64 (2,).
        """
        nearest = (responses @ gallery.t()).argmax(1)
        tasks = torch.arange(len(self.tasks.unique()), device=responses.device)
        own_task = tasks.repeat_interleave(len(responses) // len(tasks))
        return torch.stack([(self.digits[nearest] == digits).sum(), (self.tasks[nearest] == own_task).sum()])


def measure_repeat(
    model: Model, repeat: int, test: DeviceSplit, train: Split, each: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Measure one network in each state: counts of pairs, and the shares of digits and tasks that are recovered.

    The counts are int64 (kinds, classes, BINS), the shares float64 (2,).
    """
    classes, tasks = model.identity["classes"], len(model.views)
    recovery = Recovery(model, repeat, train, each)
    vectors = {state: model.vectors(state, repeat) for state in MEASURED}
    galleries = {state: recovery.gallery(vectors[state]) for state in MEASURED}
    counts, right = (
        {state: torch.zeros(shape, dtype=torch.int64, device=model.device) for state in MEASURED}
        for shape in ((len(KINDS), classes, BINS), (2,))
    )
    title = f"network {repeat + 1} of {len(model.networks)}"
    for part in progress(list(blocks(len(test.labels), BLOCK)), title, "block"):
        responses_TBU = model.responses(repeat, test.images[part])
        digits = test.labels[part].repeat(tasks)
        kinds = pair_kinds(test.labels[part], tasks)
        for state in MEASURED:
            modulated = normalised(vectors[state][:, None] * responses_TBU).flatten(0, 1)
            counts[state] += histograms(modulated @ modulated.t(), kinds, digits, classes)
            right[state] += recovery.right(modulated, galleries[state], digits)
    shown = len(test.labels) * tasks
    return {state: (counts[state].cpu().numpy(), right[state].cpu().numpy() / shown) for state in MEASURED}


def measure_responses(
    dataset: str | Path,
    modulations: str | Path,
    pairs: str | Path,
    curves: str | Path,
    recovered: str | Path,
    compute: Compute,
    *,
    gallery: int,
) -> dict[str, Any]:
    """Write three tables: similarities of pairs, ROC curves, and what the responses recover.

    `state` is unmodulated (the frozen response alone), untrained or trained.

    pairs: one row per repeat, state, kind, digit (of the first image) and bin that has pairs: similarity (the bin's
    middle), count.
    curves: the ROC curves of QUESTIONS, with 101 points each (false_positive, true_positive).
    recovered: one row per repeat, state, measure and question: value and chance. The value is the ROC area, or the
    share of test images, shown in every task, whose nearest neighbour in the gallery has their digit, or their task.
    """
    target, digits = compute.start(), read_digits(dataset)
    model = Model.read(modulations, target)
    train, test = digits.train, DeviceSplit(digits.test, target)
    tables: tuple[list, list, list] = [], [], []
    for repeat in range(len(model.networks)):
        for state, (counts, shares) in measure_repeat(model, repeat, test, train, gallery).items():
            keys = {**model.keys, "repeat": repeat, "state": state}
            for table, rows in zip(tables, _rows(counts, shares, model)):
                table += [{**keys, **row} for row in rows]
    for table, path in zip(tables, (pairs, curves, recovered)):
        write_csv(pd.DataFrame(table), path)
    return {"device": str(target), "seed": model.identity["seed"], "digests": digits.digests}


def _rows(counts: np.ndarray, shares: np.ndarray, model: Model) -> tuple[list[dict], list[dict], list[dict]]:
    """Make the rows of the three tables for one repeat and state, without their keys."""
    coarse = counts.reshape(*counts.shape[:2], COARSE, -1).sum(3)
    middles = (np.arange(COARSE) + 0.5) * (2 / COARSE) - 1
    pairs = [
        {"kind": KINDS[k], "digit": int(d), "similarity": round(float(middles[b]), 6), "count": int(coarse[k, d, b])}
        for k, d, b in np.argwhere(coarse)
    ]
    by_kind = counts.sum(1)
    curves, recovered = [], []
    for question, (same, other) in QUESTIONS.items():
        fpr, tpr, area = roc(by_kind[same].sum(0), by_kind[other].sum(0))
        recovered.append({"measure": "ROC area", "question": question, "value": area, "chance": 0.5})
        for x in np.linspace(0, 1, 101):
            point = {"question": question, "false_positive": round(float(x), 2)}
            curves.append({**point, "true_positive": float(np.interp(x, fpr, tpr))})
    chances = {"digit": 1 / model.identity["classes"], "task": 1 / len(model.views)}
    for (question, chance), share in zip(chances.items(), shares):
        row = {"measure": "nearest neighbour", "question": question, "value": float(share), "chance": chance}
        recovered.append(row)
    return pairs, curves, recovered
