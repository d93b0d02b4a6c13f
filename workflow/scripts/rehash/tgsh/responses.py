"""Tests of modulated responses as a hash of the task's manifold: similarities of pairs, ROC areas, neighbours.

A modulated response is the task vector (context times strength) times the response z to an image shown in the task.
The test split is cut into blocks of 16 images; the pairs are all those within a block whose images are shown in every
task.

Wide responses are rounded first (`rehash.tgsh.cosines`). At 7,840 units that moves a cosine by 0.0004 on
average, one pair of 2,500 into the next bin of the table, an area by 0.00002 and a recovered share by 0.0005.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.cosines import Directions
from rehash.tgsh.flynet import DeviceSplit
from rehash.tgsh.manifolds import PAIR_COLUMNS, Manifolds, Signs
from rehash.tgsh.model import MEASURED, Model, blocks
from rehash.tgsh.modulations import read_digits
from rehash.training import Compute

BLOCK = 16  # images, of which all pairs are measured
BINS, COARSE = 2000, 100  # bins of cosines in [-1, 1]: for the areas, and in the table
# As published, intra similarity is of two digits in one task, inter similarity of one digit in two tasks.
KINDS = ("same task, same digit", "intra", "inter, same picture", "inter, other picture", "other task, other digit")
LOOKED_FOR = ("nearest neighbour", "nearest mean")
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


def places(kinds: torch.Tensor, digits: torch.Tensor, classes: int) -> torch.Tensor:
    """Return where each pair is counted, by kind and first image's digit (N,): int32 (N, N), for `histograms`.

    Pairs of kind -1 are counted behind all others.
    """
    place = (kinds * classes + digits[:, None]) * BINS
    return place.masked_fill_(kinds < 0, len(KINDS) * classes * BINS).int()


def histograms(similarity: torch.Tensor, where: torch.Tensor, classes: int) -> torch.Tensor:
    """Count the pairs' similarities (N, N) by kind, first image's digit and bin: int64 (kinds, classes, BINS).

    Args:
        where: see `places`.
    """
    bins = (similarity + 1).mul_(BINS / 2).clamp_(0, BINS - 1).int()
    size = len(KINDS) * classes * BINS
    return bins.add_(where).flatten().bincount(minlength=size + BINS)[:size].view(len(KINDS), classes, BINS)


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


def evenly_spaced(split: Split, count: int | None) -> Split:
    """Return so many samples of a split in its order, evenly spaced; all if it has no more, or count is None."""
    have = len(split.labels)
    if count is None or count >= have:
        return split
    chosen = np.arange(count) * have // count
    return Split(split.images[chosen], split.labels[chosen])


class Gallery:
    """Train images of every class, shown in every task, among which a test image's response looks for its like.

    A *neighbour* is one of them, a *mean* that of one class's images in one task (of their responses as unit vectors).
    """

    def __init__(self, model: Model, repeat: int, train: Split, each: int) -> None:
        items = gallery_items(train.labels, each)
        pictures = DeviceSplit(Split(train.images[items], train.labels[items]), model.device)
        self.responses_TGU = model.responses(repeat, pictures.images)
        tasks, classes = len(model.views), model.identity["classes"]
        task = torch.arange(tasks, device=model.device)
        self.digits, self.tasks = pictures.labels.repeat(tasks), task.repeat_interleave(len(items))
        self.mean_digits = torch.arange(classes, device=model.device).repeat(tasks)
        self.mean_tasks = task.repeat_interleave(classes)
        member = pictures.labels[:, None] == torch.arange(classes, device=model.device)
        self.shares_GK = member / member.sum(0)

    def directions(self, vectors_TU: torch.Tensor) -> tuple[Directions, torch.Tensor]:
        """Return the modulated responses, of T * G, and the lengths of the classes' means, (T * classes,)."""
        found = Directions.of((vectors_TU[:, None] * self.responses_TGU).flatten(0, 1))
        tasks, images = self.responses_TGU.shape[:2]
        own_TGG = found.cosines(found).view(tasks, images, tasks, images).diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        squares_TK = (self.shares_GK * (own_TGG @ self.shares_GK)).sum(1)
        return found, squares_TK.clamp_min(torch.finfo(squares_TK.dtype).tiny).sqrt().flatten()

    def right(self, cosines: torch.Tensor, lengths: torch.Tensor, digits: torch.Tensor) -> torch.Tensor:
        """Count the images in T tasks, of T * B, whose nearest neighbour, and mean, has their digit, and their task.

        Args:
            cosines: (T * B, T * G), of each image's response and each of the gallery's. lengths: of the means.
            digits: (T * B,), of the images.

        Returns:
            int64 (2, 2), by LOOKED_FOR and by digit and task.
        """
        tasks, images = self.responses_TGU.shape[:2]
        own_task = torch.arange(tasks, device=digits.device).repeat_interleave(len(digits) // tasks)
        means = (cosines.view(-1, tasks, images) @ self.shares_GK).flatten(1) / lengths
        near, mean = cosines.argmax(1), means.argmax(1)
        names = [(self.digits[near], self.tasks[near]), (self.mean_digits[mean], self.mean_tasks[mean])]
        return torch.stack([torch.stack([(digit == digits).sum(), (task == own_task).sum()]) for digit, task in names])


@dataclass
class Measured:
    """What is counted of one network in one state.

    counts: int64 (kinds, classes, BINS), of pairs. right: int64 (2, 2), see `Gallery.right`. manifolds: see there.
    """

    counts: torch.Tensor
    right: torch.Tensor
    manifolds: Manifolds


def measure_repeat(model: Model, repeat: int, test: DeviceSplit, train: Split, each: int) -> dict[str, Measured]:
    """Measure one network in each state, in one pass over the test images: the frozen responses are all states'."""
    classes, tasks, device = model.identity["classes"], len(model.views), model.device
    gallery = Gallery(model, repeat, train, each)
    vectors = {state: model.vectors(state, repeat) for state in MEASURED}
    galleries = {state: gallery.directions(vectors[state]) for state in MEASURED}
    signs = Signs(model, repeat)
    found = {
        state: Measured(
            torch.zeros((len(KINDS), classes, BINS), dtype=torch.int64, device=device),
            torch.zeros((2, 2), dtype=torch.int64, device=device),
            Manifolds(tasks, signs.count, device),
        )
        for state in MEASURED
    }
    title = f"network {repeat + 1} of {len(model.networks)}"
    for part in progress(list(blocks(len(test.labels), BLOCK)), title, "block"):
        responses_TBU, labels = model.responses(repeat, test.images[part]), test.labels[part]
        digits = labels.repeat(tasks)
        where = places(pair_kinds(labels, tasks), digits, classes)
        on, rows_TBU = signs.on(responses_TBU), torch.empty_like(responses_TBU)
        for state, measured in found.items():
            torch.mul(vectors[state][:, None], responses_TBU, out=rows_TBU)
            modulated = Directions.of(rows_TBU.flatten(0, 1))
            cosines = modulated.own_cosines()
            measured.counts += histograms(cosines, where, classes)
            theirs, lengths = galleries[state]
            measured.right += gallery.right(modulated.cosines(theirs), lengths, digits)
            measured.manifolds.add(cosines, modulated.sizes, labels)
            measured.manifolds.add_signs(signs.modulated(on, vectors[state]), cosines)
    return found


def measure_responses(
    dataset: str | Path,
    modulations: str | Path,
    tables: Mapping[str, str | Path],
    compute: Compute,
    *,
    gallery: int,
    test_images: int | None = None,
) -> dict[str, Any]:
    """Write six tables: of pairs, ROC curves, what is recovered, manifolds, pairs of manifolds, and sign bits.

    `state` is unmodulated (the frozen response alone), untrained or trained. One row per repeat, state and more:

    pairs: kind, digit (of the first image) and bin that has pairs: similarity (the bin's middle), count.
    curves: the ROC curves of QUESTIONS, with 101 points each (false_positive, true_positive).
    recovered: measure and question: value and chance. The value is the ROC area, or the share of test images, shown in
    every task, whose nearest neighbour (or nearest mean of a class in a task) in the gallery has their digit or task.
    manifolds, manifold_pairs, signs: see `Manifolds.rows`, `pair_rows` and `sign_rows`.

    Args:
        tables: the paths of the six, by these names. test_images: how many are measured (`evenly_spaced`); all if None.
    """
    target, digits = compute.start(), read_digits(dataset)
    model = Model.read(modulations, target)
    train, test = digits.train, DeviceSplit(evenly_spaced(digits.test, test_images), target)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    for repeat in range(len(model.networks)):
        for state, measured in measure_repeat(model, repeat, test, train, gallery).items():
            keys = {**model.keys, "repeat": repeat, "state": state}
            counts, manifolds = measured.counts.cpu().numpy(), measured.manifolds
            curves, areas = _areas(counts.sum(1))
            right = measured.right.cpu().numpy() / (len(test.labels) * len(model.views))
            rows = {
                "pairs": _pair_rows(counts),
                "curves": curves,
                "recovered": areas + _recovered(right, model),
                "manifolds": manifolds.rows(),
                "manifold_pairs": manifolds.pair_rows(model.distances),
                "signs": manifolds.sign_rows(),
            }
            for name, lines in rows.items():
                found[name] += [{**keys, **line} for line in lines]
    columns = {"manifold_pairs": [*model.keys, *PAIR_COLUMNS]}  # which one task has no row of
    for name, path in tables.items():
        write_csv(pd.DataFrame(found[name], columns=columns.get(name) if not found[name] else None), path)
    return {"device": str(target), "seed": model.identity["seed"], "digests": digits.digests}


def _pair_rows(counts: np.ndarray) -> list[dict[str, Any]]:
    """Make a row of each kind, digit and coarse bin that has pairs, from counts (kinds, classes, BINS)."""
    coarse = counts.reshape(*counts.shape[:2], COARSE, -1).sum(3)
    middles = (np.arange(COARSE) + 0.5) * (2 / COARSE) - 1
    return [
        {"kind": KINDS[k], "digit": int(d), "similarity": round(float(middles[b]), 6), "count": int(coarse[k, d, b])}
        for k, d, b in np.argwhere(coarse)
    ]


def _areas(by_kind: np.ndarray) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the rows of the ROC curves, and of their areas, from counts (kinds, BINS)."""
    curves, areas = [], []
    for question, (same, other) in QUESTIONS.items():
        fpr, tpr, area = roc(by_kind[same].sum(0), by_kind[other].sum(0))
        areas.append({"measure": "ROC area", "question": question, "value": area, "chance": 0.5})
        for x in np.linspace(0, 1, 101):
            point = {"question": question, "false_positive": round(float(x), 2)}
            curves.append({**point, "true_positive": float(np.interp(x, fpr, tpr))})
    return curves, areas


def _recovered(shares: np.ndarray, model: Model) -> list[dict[str, Any]]:
    """Make the rows of what is recovered, from shares (2, 2), see `Gallery.right`."""
    chances = {"digit": 1 / model.identity["classes"], "task": 1 / len(model.views)}
    return [
        {"measure": measure, "question": question, "value": float(share), "chance": chance}
        for measure, found in zip(LOOKED_FOR, shares)
        for (question, chance), share in zip(chances.items(), found)
    ]
