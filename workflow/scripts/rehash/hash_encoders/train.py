"""The training job: from a dataset to the networks of all cells of a study at one width, and their history."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Dataset, Split
from rehash.datasets.samples import listed
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, cohort_name, sample
from rehash.hash_encoders.cohort import CohortTraining, Recipe, timetable
from rehash.hash_encoders.earlier import find_earlier, joined
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.networks_file import training_inputs, write_networks
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.trained import Trained
from rehash.job import Saving
from rehash.store import file_digest, write_csv
from rehash.training import Compute, State, device_kind, finished

log = logging.getLogger("rehash")


class Sequence:
    """The training of cohorts one after another, as one resumable job (see rehash.training.run).

    Args:
        make: builds the i-th cohort when its turn comes. steps: the largest number of steps of each cohort.
        members: the numbers of the cells that each cohort trains.

    Attributes:
        finished: the results of the cells of each cohort that is done.

    Without cohorts, there is nothing to train.
    """

    def __init__(self, make: Callable[[int], CohortTraining], steps: list[int], members: list[list[int]]) -> None:
        self.make, self.steps, self.total, self.members = make, steps, sum(steps), members
        self.finished: list[list[Trained]] = []
        if steps:
            self.current = make(0)

    @property
    def done(self) -> bool:
        return len(self.finished) == len(self.steps)

    @property
    def finished_steps(self) -> int:
        before = sum(self.steps[: len(self.finished)])
        return before if self.done else before + self.current.finished_steps

    def results(self) -> list[Trained]:
        """Return the results of all cells, in the order of their numbers."""
        found = {
            cell: trained
            for cells, results in zip(self.members, self.finished)
            for cell, trained in zip(cells, results)
        }
        return [found[cell] for cell in sorted(found)]

    def status(self) -> str:
        if self.done:
            return f"{len(self.steps)} of {len(self.steps)} cohorts done"
        cohort = f"cohort {len(self.finished) + 1} of {len(self.steps)} | " if len(self.steps) > 1 else ""
        return cohort + self.current.status()

    def step(self) -> None:
        """Train the current cohort on one batch; after its last batch, begin the next cohort."""
        self.current.step()
        if self.current.done:
            self.finished.append(self.current.trained)
            if not self.done:
                self.current = self.make(len(self.finished))

    def state(self) -> State:
        tensors, values = ({}, None) if self.done else self.current.state()
        tensors = {f"current/{key}": tensor for key, tensor in tensors.items()}
        for i, cells in enumerate(self.finished):
            for j, trained in enumerate(cells):
                for snapshot, network in trained.networks.items():
                    tensors |= {f"{i}/{j}/{snapshot}/{key}": tensor for key, tensor in network.items()}
        kept = [[{"epochs": each.epochs, "history": each.history} for each in cells] for cells in self.finished]
        return tensors, {"finished": kept, "current": values}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        # safetensors sorts its names; the values keep the order of the snapshots
        self.finished = [
            [Trained({snapshot: {} for snapshot in kept["epochs"]}, **kept) for kept in cells]
            for cells in values["finished"]
        ]
        now = {}
        for key, tensor in tensors.items():
            place, _, name = key.partition("/")
            if place == "current":
                now[name] = tensor
            else:
                cell, snapshot, name = name.split("/", 2)
                self.finished[int(place)][int(cell)].networks[snapshot][name] = tensor
        if not self.done:
            self.current = self.make(len(self.finished))
            self.current.restore(now, values["current"])


def cohorts(cells: list[Cell], protocol: Protocol, train_items: int, dataset: str) -> dict[tuple, list[int]]:
    """Group the cells of a study that are trained as one cohort, since they take each step together.

    Returns:
        By what they have in common (`rehash.hash_encoders.cohort.timetable`), the numbers of the cells.

    Raises:
        InputError: a cell asks for more inputs than there are.
    """
    found: dict[tuple, list[int]] = {}
    for i, cell in enumerate(cells):
        n = cell.inputs(train_items, dataset)
        together = timetable(n * cell.passes(train_items, n), cell.protocol(protocol), cell.snapshots())
        found.setdefault(together, []).append(i)
    return found


def train_cells(
    train: Split,
    shape: Shape,
    protocol: Protocol,
    cells: list[Cell],
    *,
    repeats: int | range,
    seed: int,
    keys: dict[str, Any],
    device: torch.device,
) -> Sequence:
    """Set up the training of all `cells` as one job; repeat r starts from the same network in every cell.

    Args:
        repeats: as of `CohortTraining`; a range that is empty, since others come before it, trains nothing.

    Raises:
        InputError: a cell asks for more inputs than there are, or to change images where there are vectors; raised
            before training begins.
    """
    if not train.are_images and any(cell.protocol(protocol).augmentation for cell in cells):
        raise InputError(
            f"config: hash_encoders: augmentation changes images, and dataset {keys['dataset']} has vectors of "
            f"{train.inputs.shape[1]} numbers; expected images. Set augmentation: null in its protocols and in "
            f"hash_encoders.regularisation.{keys['dataset']}"
        )
    groups = cohorts(cells, protocol, len(train.labels), keys["dataset"])

    def recipe(cell: Cell) -> Recipe:
        chosen = sample(cell, train, seed=seed, dataset=keys["dataset"])
        return Recipe(chosen.inputs, chosen.labels, cell.protocol(protocol), chosen.passes, cell.snapshots())

    def make(i: int) -> CohortTraining:
        recipes = [recipe(cells[cell]) for cell in list(groups.values())[i]]
        return CohortTraining(recipes, shape, repeats=repeats, seed=seed, name=cohort_name(keys), device=device)

    if isinstance(repeats, range) and 0 < repeats.start >= repeats.stop:  # earlier jobs have trained them all
        return Sequence(make, [], [])
    steps = [common.epochs * common.batches(shown) for shown, common, _ in groups]
    return Sequence(make, steps, list(groups.values()))


def check_classes(
    labels: np.ndarray, trained_on: int, cells: list[Cell], class_names: list[str], dataset: str
) -> list[str]:
    """Return which classes the samples of cells lack, a sentence each.

    Args:
        labels: int64 (N,), of the whole train split. trained_on: how many of them, the first ones, are trained on.

    Raises:
        InputError: these lack a class of which the rest has two samples or more, or a cell's sample has one class.
    """
    counts = [np.bincount(labels[:n], minlength=len(class_names)) for n in (trained_on, len(labels))]
    lacking = [name for name, some, all_ in zip(class_names, *counts) if not some and all_ > 1]
    if lacking:
        raise InputError(
            f"dataset {dataset}: the first {trained_on} of {len(labels)} train samples, which networks are trained on, "
            f"have none of {len(lacking)} classes: {listed(lacking)}; expected all. Leave out shuffle: null of "
            f"datasets.{dataset} in the config, or set train_share: 1"
        )
    found = []
    for n in dict.fromkeys(cell.inputs(trained_on, dataset) for cell in cells):
        some = np.bincount(labels[:n], minlength=len(class_names))
        if (some > 0).sum() < 2:
            raise InputError(
                f"config: hash_encoders: sample size {n} of dataset {dataset}: all are of class "
                f"'{class_names[some.argmax()]}'; expected two classes or more. Choose a larger sample, and leave out "
                f"shuffle: null of datasets.{dataset}"
            )
        if absent := [name for name, count in zip(class_names, some) if not count]:
            found.append(f"the first {n} training samples have none of {len(absent)} classes ({listed(absent)})")
    return found


def check_distinct(cells: list[Cell], protocol: Protocol, trained_on: int, dataset: str) -> None:
    """Raise an InputError if two cells are the same, since a sample has all inputs and another cell has them, too."""
    found: list[dict[str, Any]] = []
    for cell in cells:
        columns = cell.columns(protocol, cell.inputs(trained_on, dataset))
        if columns in found:
            raise InputError(
                f"config: hash_encoders: sample size {columns['sample_size']} of dataset {dataset} is all of its "
                "training inputs, on which networks are trained anyhow; take it out of sample_sizes"
            )
        found.append(columns)


@dataclass(frozen=True)
class Training:
    """The settings that the networks of one job depend on besides their data.

    Attributes:
        keys: dataset, study, protocol (its name), depth, layer_width.
        protocol: the fields of `Protocol`.
        cells: for each cell, the fields of `Cell` that differ from their defaults.
        train_share: the share of the train split that is trained on.
        repeats: the number of networks of each cell.
        seed: the seed of all random streams.
    """

    keys: dict[str, Any]
    protocol: dict[str, Any]
    cells: list[dict[str, Any]]
    train_share: float
    repeats: int
    seed: int


def train_mlps(
    dataset: str | Path,
    networks: str | Path,
    history: str | Path,
    training: Training,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train the cells, and write their networks (safetensors) and history (CSV); an interrupted training resumes.

    Repeats that are in a file of another number of them (see `rehash.hash_encoders.earlier`) are taken from there.

    Returns:
        Notes for the provenance: device, sample sizes, epochs, number of diverged networks, wall time including
        earlier runs, code changes, how many repeats were taken and from where, checksums of what was written.
    """
    target, keys = compute.start(), training.keys
    images = Dataset.read(dataset)
    train = training_inputs(images.train, training.train_share)
    shape = Shape(train.inputs[0].size, int(keys["layer_width"]), int(keys["depth"]), len(images.class_names))
    base, cells = Protocol(**training.protocol), [Cell.of(factors) for factors in training.cells]
    check_distinct(cells, base, len(train.labels), keys["dataset"])
    odd = check_classes(images.train.labels, len(train.labels), cells, images.class_names, keys["dataset"])
    for text in odd:
        log.warning("%s", text)
    identity = {
        **vars(training), "data": images.checksum, "train_items": len(train.labels), "inputs": shape.inputs,
        "classes": shape.classes, "device": target.type, "threads": compute.threads,
    }  # fmt: skip
    kind = device_kind(target)
    earlier = find_earlier(Path(networks), Path(history), identity, saving, kind)
    missing = range(earlier.repeats, training.repeats)
    job = train_cells(train, shape, base, cells, repeats=missing, seed=training.seed, keys=keys, device=target)
    title = " ".join(str(keys[key]) for key in ("dataset", "study", "protocol")) + f" width {keys['layer_width']}"
    # A state is of the repeats that are trained; which these are may change before it is read again.
    with finished(job, networks, {**identity, "first": missing.start}, saving, target, title=title) as notes:
        results, rows = joined(earlier, job.results()), []
        for cell, trained in zip(cells, results):
            factors = cell.columns(base, cell.sample_size or len(train.labels))
            rows += [{**factors, **row} for row in sorted(trained.history, key=lambda r: (r["repeat"], r["epoch"]))]
        columns = [*keys, *factors, "repeat", "epoch", "loss", "accuracy"]
        write_csv(pd.DataFrame(rows).assign(**keys)[columns], history)
        write_networks(networks, results, identity)
        return {
            **notes,
            "continued_from_code": [*earlier.codes, *notes["continued_from_code"]],
            "repeats_taken": earlier.repeats,
            "taken_from": earlier.source,
            "device_kind": kind,
            "written": {Path(path).name: file_digest(path) for path in (networks, history)},
            "sample_size": [cell.sample_size or len(train.labels) for cell in cells],
            "epochs": [trained.epochs["trained"] for trained in results],
            "warnings": odd,
            "diverged": sum(not torch.isfinite(torch.tensor(row["loss"])) for row in rows),
            "digests": images.digests,
        }
