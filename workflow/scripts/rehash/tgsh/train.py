"""The training job: a dataset and a benchmark in, the modulations of all its tasks and their history out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import checksum, class_names
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.files import read_digits, write_modulations
from rehash.tgsh.flynet import FlyNet, Pictures, View, correct, gradients, respond, task_decoder, views
from rehash.tgsh.networks import draw_flynet, draw_modulations
from rehash.training import State, StateFile, resolve_device, run, set_reproducible


@dataclass(frozen=True)
class Schedule:
    """How long and how fast each task is trained (RMSprop, torch's defaults but for the rate)."""

    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 0.01


class FlyNetTraining:
    """All tasks of a benchmark on R frozen networks, as one resumable job (see rehash.training.run).

    A task's batches, start and updates depend on no other task, so the order of tasks changes nothing.

    Args:
        networks: R frozen ones. context: (R, T, U), strength: (R, T), where the training starts; both are trained in
            place. tasks_at_once: tasks that take a step together; 1 is the published sequence.
        names: of the random streams of the order of the pictures.
    """

    def __init__(
        self,
        train: Pictures,
        test: Pictures,
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
        # Views into the whole tensors, one parameter for all tasks of the group: RMSprop works element by element.
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
        """One batch of each task of the group."""
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
        for i, parameter in enumerate(self.parameters):
            if self.optimiser.state[parameter]:
                tensors[f"square_avg{i}"] = self.optimiser.state[parameter]["square_avg"]
                tensors[f"step{i}"] = self.optimiser.state[parameter]["step"]
        return tensors, {"finished_steps": self.finished_steps, "history": self.history}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.history = values["finished_steps"], values["history"]
        self.context.copy_(tensors["context"])
        self.strength.copy_(tensors["strength"])
        self._begin_group()
        self.orders, self.loss = (tensors[name].to(self.context.device) for name in ("orders", "loss"))
        for i, parameter in enumerate(self.parameters):
            if f"step{i}" in tensors:
                self.optimiser.state[parameter] = {
                    "square_avg": tensors[f"square_avg{i}"].to(parameter.device),
                    "step": tensors[f"step{i}"],
                }


def tasks_at_once(device: torch.device, tasks: int) -> int:
    """All tasks on a GPU, which waits for each small step; one on a CPU, whose cache holds one task's batch."""
    return tasks if device.type == "cuda" else 1


def train_flynet(
    dataset: str | Path,
    modulations: str | Path,
    history: str | Path,
    *,
    keys: dict[str, Any],
    tasks: list[dict[str, float]],
    interpolation: str,
    fill: float,
    units: int,
    repeats: int,
    schedule: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    code: str = "",
    on_code_change: str = "restart",
    save_every_s: float = 30,
) -> dict[str, Any]:
    """Train every task's modulation and write them (safetensors) and their history (CSV); killed, it goes on.

    The saved state stays until `rehash.training.discard_state` is called for `modulations`.

    Args:
        keys: dataset, benchmark. tasks: the fields of `Transformation` each. schedule: the fields of `Schedule`.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.
    """
    set_reproducible(threads)
    target = resolve_device(device)
    train, test = read_digits(dataset, "train"), read_digits(dataset, "test")
    classes = len(class_names(dataset))
    names = (keys["dataset"], keys["benchmark"])
    frozen = [draw_flynet(units, classes, seed=seed, repeat=repeat) for repeat in range(repeats)]
    starts = [draw_modulations(units, len(tasks), seed=seed, names=(*names, repeat)) for repeat in range(repeats)]
    context, strength = (np.stack(part) for part in zip(*starts))
    encoder, decoder = (np.stack(part) for part in zip(*frozen))
    identity = {
        "keys": keys, "tasks": tasks, "interpolation": interpolation, "fill": fill, "units": units, "repeats": repeats,
        "classes": classes, "schedule": schedule, "seed": seed, "data": checksum(dataset),
        "device": target.type, "threads": threads,
    }  # fmt: skip
    job = FlyNetTraining(
        Pictures(train, target),
        Pictures(test, target),
        views(tasks, interpolation, fill, target),
        [FlyNet.of(*arrays, target) for arrays in frozen],
        torch.from_numpy(context).to(target, copy=True),
        torch.from_numpy(strength).to(target, copy=True),
        Schedule(**schedule),
        seed=seed,
        names=names,
        tasks_at_once=tasks_at_once(target, len(tasks)),
    )
    with StateFile(modulations, identity, code, on_code_change) as state:
        run(job, state, save_every_s=save_every_s, title=" ".join(names))
        rows = pd.DataFrame(job.history).sort_values(["repeat", "task", "epoch"])
        columns = [*keys, "repeat", "task", "epoch", "loss", "accuracy"]
        write_csv(rows.assign(**keys)[columns], history)
        arrays = {
            "encoder": encoder, "decoder": decoder,
            "context_untrained": context, "strength_untrained": strength,
            "context_trained": job.context.cpu().numpy(), "strength_trained": job.strength.cpu().numpy(),
        }  # fmt: skip
        write_modulations(modulations, arrays, identity)
        return {
            "device": str(target),
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }
