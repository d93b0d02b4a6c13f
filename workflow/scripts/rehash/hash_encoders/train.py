"""The training job: a dataset in, the networks of all cells of a study at one width and their history out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rehash.datasets.layout import Split, checksum, class_names
from rehash.hash_encoders.cells import Cell, cohort_name, sample
from rehash.hash_encoders.cohort import CohortTraining
from rehash.hash_encoders.files import training_inputs, write_networks
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.trained import Trained
from rehash.store import write_csv
from rehash.training import State, StateFile, resolve_device, run, set_reproducible


class Sequence:
    """Cohorts one after another, as one resumable job (see rehash.training.run).

    Args:
        make: builds the i-th cohort when its turn comes. steps: of each cohort, at most.
    """

    def __init__(self, make: Callable[[int], CohortTraining], steps: list[int]) -> None:
        self.make, self.steps, self.total = make, steps, sum(steps)
        self.finished: list[Trained] = []
        self.current = make(0)

    @property
    def done(self) -> bool:
        return len(self.finished) == len(self.steps)

    @property
    def finished_steps(self) -> int:
        before = sum(self.steps[: len(self.finished)])
        return before if self.done else before + self.current.finished_steps

    def status(self) -> str:
        if self.done:
            return f"{len(self.steps)} of {len(self.steps)} cells done"
        cell = f"cell {len(self.finished) + 1} of {len(self.steps)} | " if len(self.steps) > 1 else ""
        return cell + self.current.status()

    def step(self) -> None:
        """One batch of the current cohort; after its last, the next cohort's turn."""
        self.current.step()
        if self.current.done:
            self.finished.append(self.current.trained)
            if not self.done:
                self.current = self.make(len(self.finished))

    def state(self) -> State:
        tensors, values = ({}, None) if self.done else self.current.state()
        tensors = {f"current/{key}": tensor for key, tensor in tensors.items()}
        for i, trained in enumerate(self.finished):
            for snapshot, network in trained.networks.items():
                tensors |= {f"{i}/{snapshot}/{key}": tensor for key, tensor in network.items()}
        kept = [{"epochs": trained.epochs, "history": trained.history} for trained in self.finished]
        return tensors, {"finished": kept, "current": values}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished = [Trained({}, **kept) for kept in values["finished"]]
        now = {}
        for key, tensor in tensors.items():
            place, _, name = key.partition("/")
            if place == "current":
                now[name] = tensor
            else:
                snapshot, _, name = name.partition("/")
                self.finished[int(place)].networks.setdefault(snapshot, {})[name] = tensor
        for trained in self.finished:  # safetensors sorts its names; keep the order of the snapshots
            trained.networks = {snapshot: trained.networks[snapshot] for snapshot in trained.epochs}
        if not self.done:
            self.current = self.make(len(self.finished))
            self.current.restore(now, values["current"])


def train_cells(
    train: Split,
    shape: Shape,
    protocol: Protocol,
    cells: list[Cell],
    *,
    repeats: int,
    seed: int,
    keys: dict[str, Any],
    device: torch.device,
) -> Sequence:
    """The training of all `cells` as one job; every cell's repeat r starts from the same network (a paired design).

    Raises:
        InputError: a cell asks for more inputs than there are; before anything is trained.
    """

    def make(i: int) -> CohortTraining:
        chosen = sample(cells[i], train, seed=seed, dataset=keys["dataset"])
        return CohortTraining(
            chosen.images,
            chosen.labels,
            shape,
            cells[i].protocol(protocol),
            repeats=repeats,
            seed=seed,
            name=cohort_name(keys),
            device=device,
            passes=chosen.passes,
            snapshots=cells[i].snapshots(),
        )

    def steps(cell: Cell) -> int:
        total = len(train.labels)
        n = cell.inputs(total, keys["dataset"])
        return cell.protocol(protocol).epochs * protocol.batches(cell.passes(total, n) * n)

    all_steps = [steps(cell) for cell in cells]
    return Sequence(make, all_steps)


def train_mlps(
    dataset: str | Path,
    networks: str | Path,
    history: str | Path,
    *,
    keys: dict[str, Any],
    protocol: dict[str, Any],
    cells: list[dict[str, Any]],
    train_share: float,
    repeats: int,
    seed: int,
    device: str,
    threads: int,
    code: str = "",
    on_code_change: str = "restart",
    save_every_s: float = 30,
) -> dict[str, Any]:
    """Train the cells and write their networks (safetensors) and history (CSV); killed, it goes on where it was.

    The saved state stays until `rehash.training.discard_state` is called for `networks`.

    Args:
        keys: dataset, study, protocol (its name), depth, layer_width.
        protocol: the fields of `Protocol`. cells: each the fields of `Cell` that differ.

    Returns:
        Notes for the provenance: device, sample sizes, epochs, diverged networks, wall time with earlier runs, code
        changes.
    """
    set_reproducible(threads)
    target = resolve_device(device)
    train = training_inputs(dataset, train_share)
    shape = Shape(train.images[0].size, int(keys["layer_width"]), int(keys["depth"]), len(class_names(dataset)))
    base, all_cells = Protocol(**protocol), [Cell.of(factors) for factors in cells]
    job = train_cells(train, shape, base, all_cells, repeats=repeats, seed=seed, keys=keys, device=target)
    identity = {
        "keys": keys, "protocol": protocol, "cells": cells, "train_share": train_share, "repeats": repeats,
        "seed": seed, "data": checksum(dataset), "train_items": len(train.labels), "inputs": shape.inputs,
        "classes": shape.classes, "device": target.type, "threads": threads,
    }  # fmt: skip
    title = " ".join(str(keys[key]) for key in ("dataset", "study", "protocol")) + f" width {keys['layer_width']}"
    with StateFile(networks, identity, code, on_code_change) as state:
        run(job, state, save_every_s=save_every_s, title=title)
        rows = []
        for cell, trained in zip(all_cells, job.finished):
            factors = cell.columns(base, cell.sample_size or len(train.labels))
            rows += [{**factors, **row} for row in sorted(trained.history, key=lambda r: (r["repeat"], r["epoch"]))]
        columns = [*keys, *factors, "repeat", "epoch", "loss", "accuracy"]
        write_csv(pd.DataFrame(rows).assign(**keys)[columns], history)
        write_networks(networks, job.finished, identity)
        return {
            "device": str(target),
            "sample_size": [cell.sample_size or len(train.labels) for cell in all_cells],
            "epochs": [trained.epochs["trained"] for trained in job.finished],
            "diverged": sum(not torch.isfinite(torch.tensor(row["loss"])) for row in rows),
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }
