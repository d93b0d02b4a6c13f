"""The training job: from a dataset and a benchmark to the modulations of all its tasks, and their history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.flynet import DeviceSplit, FlyNet, View, correct, gradients, respond, task_decoder, views
from rehash.tgsh.initialisation import draw_flynet, draw_modulations
from rehash.tgsh.modulations import read_digits, write_modulations
from rehash.training import Compute, State, finished, moments, restore_moments


@dataclass(frozen=True)
class Schedule:
    """The length and rate of each task's training (RMSprop, otherwise with torch's defaults)."""

    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 0.01


class FlyNetTraining:
    """The training of a benchmark's tasks on R frozen networks, as one resumable job (see rehash.training.run).

    A task's batches, start and updates depend on no other task, so the order of tasks changes nothing.

    Args:
        networks: R frozen networks. context: (R, T, U), strength: (R, T), the start of the training; both are trained
            in place. tasks_at_once: the number of tasks that take a step together; 1 is the published sequence.
        names: the names of the random streams of the order of the images.
    """

    def __init__(
        self,
        train: DeviceSplit,
        test: DeviceSplit,
        shown: list[View],
        networks: list[FlyNet],
        context: torch.Tensor,
        strength: torch.Tensor,
        schedule: Schedule,
        *,
        seed: int,
        names: tuple[object, ...],
        tasks_at_once: int = 1,
    ) -> None:
        self.train, self.test, self.shown, self.networks = train, test, shown, networks
        self.context, self.strength, self.schedule = context, strength, schedule
        self.seed, self.names = seed, names
        tasks = range(len(shown))
        self.groups = [
            (repeat, tasks[first : first + tasks_at_once])
            for repeat in range(len(networks))
            for first in range(0, len(tasks), tasks_at_once)
        ]
        self.batches = -(-len(train.labels) // schedule.batch_size)
        self.steps_a_group = schedule.epochs * self.batches
        self.total = self.steps_a_group * len(self.groups)
        self.finished_steps = 0
        self.history: list[dict[str, Any]] = []
        self._begin_group()
        self._begin_epoch()

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        repeat, tasks = self._group
        epoch, batch = divmod(self.finished_steps % self.steps_a_group, self.batches)
        last = (
            f" | task {self.history[-1]['task']}: accuracy {self.history[-1]['accuracy']:.3f}" if self.history else ""
        )
        return (
            f"network {repeat + 1} of {len(self.networks)} | task {tasks[0] + 1} of {len(self.shown)} | "
            f"epoch {epoch + 1} | batch {batch + 1} of {self.batches}{last}"
        )

    @property
    def _group(self) -> tuple[int, range]:
        return self.groups[min(self.finished_steps // self.steps_a_group, len(self.groups) - 1)]

    @property
    def _epoch(self) -> int:
        return self.finished_steps % self.steps_a_group // self.batches

    def _begin_group(self) -> None:
        repeat, tasks = self._group
        part = slice(tasks[0], tasks[-1] + 1)
        # Views of the whole tensors, so that all tasks of the group share two parameters; RMSprop works elementwise.
        self.parameters = [self.context[repeat, part], self.strength[repeat, part]]
        self.optimiser = torch.optim.RMSprop(self.parameters, lr=self.schedule.learning_rate, foreach=False)

    def _begin_epoch(self) -> None:
        repeat, tasks = self._group
        n, device = len(self.train.labels), self.train.labels.device
        orders = [
            stream(self.seed, "tgsh", *self.names, repeat, task, "order", self._epoch).permutation(n) for task in tasks
        ]
        self.orders = torch.from_numpy(np.stack(orders)).to(device)
        self.loss = torch.zeros(len(tasks), dtype=torch.float64, device=device)

    def step(self) -> None:
        """Train each task of the group on one batch; after an epoch's last batch, record losses and accuracies."""
        repeat, tasks = self._group
        net, (context, strength) = self.networks[repeat], self.parameters
        size, batch = self.schedule.batch_size, self.finished_steps % self.batches
        chosen = self.orders[:, batch * size : (batch + 1) * size]
        self.optimiser.zero_grad()
        found = []
        for row, task in enumerate(tasks):
            responses = respond(self.shown[task].inputs(self.train.images[chosen[row]]), net)
            found.append(gradients(responses, self.train.labels[chosen[row]], net, context[row], strength[row]))
        losses, by_context, by_strength = map(torch.stack, zip(*found))
        context.grad, strength.grad = by_context, by_strength
        self.optimiser.step()
        self.loss += losses * chosen.shape[1]
        self.finished_steps += 1
        if self.finished_steps % self.batches == 0:
            self._end_epoch(repeat, tasks, (self.finished_steps - 1) % self.steps_a_group // self.batches + 1)

    def _end_epoch(self, repeat: int, tasks: range, epoch: int) -> None:
        net = self.networks[repeat]
        for row, task in enumerate(tasks):
            decoder = task_decoder(net, self.context[repeat, task], self.strength[repeat, task])
            right = correct(self.test.images, self.test.labels, self.shown[task], net, decoder)
            accuracy, loss = right / len(self.test.labels), float(self.loss[row]) / len(self.train.labels)
            entry = {"repeat": repeat, "task": task, "epoch": epoch, "loss": loss, "accuracy": accuracy}
            self.history.append(entry)
        if not self.done:
            if epoch == self.schedule.epochs:
                self._begin_group()
            self._begin_epoch()

    def state(self) -> State:
        tensors = {"context": self.context, "strength": self.strength, "orders": self.orders, "loss": self.loss}
        tensors |= moments(self.optimiser, self._named)
        return tensors, {"finished_steps": self.finished_steps, "history": self.history}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.history = values["finished_steps"], values["history"]
        self.context.copy_(tensors["context"])
        self.strength.copy_(tensors["strength"])
        self._begin_group()
        self.orders, self.loss = (tensors[name].to(self.context.device) for name in ("orders", "loss"))
        restore_moments(self.optimiser, self._named, tensors)

    @property
    def _named(self) -> dict[str, torch.Tensor]:
        return dict(zip(("context", "strength"), self.parameters))


def tasks_at_once(device: torch.device, tasks: int) -> int:
    """Return how many tasks take a step together: all on a GPU, one on a CPU.

    A GPU would wait for each small step; the cache of a CPU holds one task's batch.
    """
    return tasks if device.type == "cuda" else 1


@dataclass(frozen=True)
class Training:
    """The settings that modulations depend on besides their data.

    Attributes:
        keys: dataset, benchmark.
        tasks: the fields of `Transformation` of each task. interpolation: see `rehash.tgsh.tasks.sampling`. fill: the
            value of pixels from outside an image, see `rehash.tgsh.tasks.transform`.
        units, repeats: the size and number of the frozen networks.
        schedule: the fields of `Schedule`.
        seed: the seed of all random streams.
    """

    keys: dict[str, Any]
    tasks: list[dict[str, float]]
    interpolation: str
    fill: float
    units: int
    repeats: int
    schedule: dict[str, Any]
    seed: int


def train_flynet(
    dataset: str | Path,
    modulations: str | Path,
    history: str | Path,
    training: Training,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train all modulations, and write them (safetensors) and their history (CSV); an interrupted training resumes.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.
    """
    target, digits = compute.start(), read_digits(dataset)
    seed, units, count = training.seed, training.units, len(training.tasks)
    classes, names = len(digits.class_names), (training.keys["dataset"], training.keys["benchmark"])
    repeats = range(training.repeats)
    frozen = [draw_flynet(units, classes, seed=seed, repeat=repeat) for repeat in repeats]
    starts = [draw_modulations(units, count, seed=seed, names=(*names, repeat)) for repeat in repeats]
    context, strength = (np.stack(part) for part in zip(*starts))
    encoder, decoder = (np.stack(part) for part in zip(*frozen))
    identity = {
        **vars(training), "classes": classes, "data": digits.checksum, "device": target.type,
        "threads": compute.threads,
    }  # fmt: skip
    job = FlyNetTraining(
        DeviceSplit(digits.train, target),
        DeviceSplit(digits.test, target),
        views(training.tasks, training.interpolation, training.fill, target),
        [FlyNet.of(*arrays, target) for arrays in frozen],
        torch.from_numpy(context).to(target, copy=True),
        torch.from_numpy(strength).to(target, copy=True),
        Schedule(**training.schedule),
        seed=seed,
        names=names,
        tasks_at_once=tasks_at_once(target, count),
    )
    with finished(job, modulations, identity, saving, target, title=" ".join(names)) as notes:
        rows = pd.DataFrame(job.history).sort_values(["repeat", "task", "epoch"])
        columns = [*training.keys, "repeat", "task", "epoch", "loss", "accuracy"]
        write_csv(rows.assign(**training.keys)[columns], history)
        arrays = {
            "encoder": encoder, "decoder": decoder,
            "context_untrained": context, "strength_untrained": strength,
            "context_trained": job.context.cpu().numpy(), "strength_trained": job.strength.cpu().numpy(),
        }  # fmt: skip
        write_modulations(modulations, arrays, identity)
        return {**notes, "digests": digits.digests}
