"""The baselines: a fully trained network of FlyNet's width, a fresh one for each task or one for all tasks in sequence.

The network is 784 pixels -> U units, ReLU -> K classes; Adam trains all its weights and biases. In sequence it keeps
the same head for all tasks and is never told which task a picture comes from: domain-incremental learning (van de Ven
& Tolias 2019, arXiv 1904.07734). What is measured is the matrix R[i, j], the accuracy on task j after training on
task i (Lopez-Paz & Ranzato 2017, arXiv 1706.08840).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F

from rehash.datasets.layout import checksum, class_names
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.files import read_digits
from rehash.tgsh.flynet import BLOCK, Pictures, View, views
from rehash.tgsh.tasks import PIXELS
from rehash.training import State, StateFile, resolve_device, run, set_reproducible

METHODS = {"full_per_task": True, "full_in_sequence": False}  # and whether each task gets a fresh network
Network = dict[str, torch.Tensor]


@dataclass(frozen=True)
class AdamSchedule:
    """How long and how fast each task is trained (Adam, torch's defaults)."""

    epochs: int = 3
    batch_size: int = 128
    learning_rate: float = 0.001


def draw_network(
    units: int,
    classes: int,
    *,
    seed: int,
    names: tuple[object, ...],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Network:
    """Parameters before training: hidden.weight (U, PIXELS), hidden.bias (U,), head.weight (K, U), head.bias (K,).

    Torch's default for a Linear layer (Kaiming, a = sqrt 5): weights and biases uniform in +-1 / sqrt(inputs).
    """
    network = {}
    for layer, inputs, outputs in (("hidden", PIXELS, units), ("head", units, classes)):
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
            drawn = stream(seed, "tgsh", *names, f"{layer}.{kind}").uniform(-1, 1, shape) * inputs**-0.5
            network[f"{layer}.{kind}"] = torch.from_numpy(drawn).to(device, dtype).requires_grad_()
    return network


def predict(network: Network, inputs_PB: torch.Tensor) -> torch.Tensor:
    """Logits (B, K) of normalised pixels (PIXELS, B)."""
    hidden_BU = F.linear(inputs_PB.t(), network["hidden.weight"], network["hidden.bias"]).relu()
    return F.linear(hidden_BU, network["head.weight"], network["head.bias"])


@torch.no_grad()
def accuracy(network: Network, pictures: Pictures, view: View) -> float:
    """The share of a task's pictures to which the network gives their label."""
    right = torch.zeros((), dtype=torch.int64, device=pictures.labels.device)
    for part, truth in zip(pictures.images.split(BLOCK), pictures.labels.split(BLOCK)):
        right += (predict(network, view.inputs(part)).argmax(1) == truth).sum()
    return int(right) / len(pictures.labels)


class FullTraining:
    """The tasks of a benchmark on R fully trained networks, as one resumable job (see rehash.training.run).

    Adam starts anew at each task, in sequence too: its moments are those of the last task's gradients.

    Args:
        shown: of each of the T tasks; their dtype is the network's. task_numbers: theirs, for the random streams.
        fresh: a task starts from a network of its own; otherwise from where the task before it ended.
        names: of the random streams of the networks and of the order of the pictures.

    Attributes:
        accuracy: float64 (R, T, T), R[i, j] of each repeat, NaN where it is not yet measured. With fresh networks it is
            network j's, as drawn for i < j and trained from i = j on.
    """

    def __init__(
        self,
        train: Pictures,
        test: Pictures,
        shown: list[View],
        task_numbers: list[int],
        schedule: AdamSchedule,
        *,
        fresh: bool,
        units: int,
        classes: int,
        repeats: int,
        seed: int,
        names: tuple[object, ...],
    ) -> None:
        self.train, self.test, self.shown, self.task_numbers = train, test, shown, task_numbers
        self.schedule, self.fresh, self.seed, self.names = schedule, fresh, seed, names
        self.units, self.classes, self.repeats = units, classes, repeats
        self.batches = -(-len(train.labels) // schedule.batch_size)
        self.total = repeats * len(shown) * schedule.epochs * self.batches
        self.finished_steps = 0
        self.accuracy = torch.full((repeats, len(shown), len(shown)), torch.nan, dtype=torch.float64)
        self._begin_task()
        self._begin_epoch()

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        if self.done:
            return f"{self.repeats} of {self.repeats} repeats done"
        repeat, task, epoch, batch = self._place
        return (
            f"network {repeat + 1} of {self.repeats} | task {task + 1} of {len(self.shown)} | epoch {epoch + 1} | "
            f"batch {batch + 1} of {self.batches}"
        )

    @property
    def _place(self) -> tuple[int, int, int, int]:
        """Repeat, place of the task in the sequence, epoch and batch of the step to come."""
        epochs, batch = divmod(self.finished_steps, self.batches)
        tasks, epoch = divmod(epochs, self.schedule.epochs)
        return *divmod(tasks, len(self.shown)), epoch, batch

    def _drawn(self, repeat: int, task: int) -> Network:
        names = (*self.names, repeat, self.task_numbers[task])
        like = self.shown[task].weight
        return draw_network(self.units, self.classes, seed=self.seed, names=names, device=like.device, dtype=like.dtype)

    def _begin_task(self) -> None:
        repeat, task, *_ = self._place
        if self.fresh or task == 0:
            self.network = self._drawn(repeat, task)
        self.optimiser = torch.optim.Adam(self.network.values(), lr=self.schedule.learning_rate, fused=True)

    def _begin_epoch(self) -> None:
        repeat, task, epoch, _ = self._place
        order = stream(self.seed, "tgsh", *self.names, repeat, self.task_numbers[task], "order", epoch)
        self.order = torch.from_numpy(order.permutation(len(self.train.labels))).to(self.train.labels.device)

    def step(self) -> None:
        """One batch; after a task's last, the test pictures, too."""
        repeat, task, _, batch = self._place
        size = self.schedule.batch_size
        chosen = self.order[batch * size : (batch + 1) * size]
        logits = predict(self.network, self.shown[task].inputs(self.train.images[chosen]))
        self.optimiser.zero_grad()
        F.cross_entropy(logits, self.train.labels[chosen]).backward()
        self.optimiser.step()
        self.finished_steps += 1
        if self.finished_steps % (self.schedule.epochs * self.batches) == 0:
            self._measure(repeat, task)
            if not self.done:
                self._begin_task()
        if self.finished_steps % self.batches == 0 and not self.done:
            self._begin_epoch()

    def _measure(self, repeat: int, task: int) -> None:
        if self.fresh:
            before, after = self._drawn(repeat, task), self.network
            self.accuracy[repeat, :task, task] = accuracy(before, self.test, self.shown[task])
            self.accuracy[repeat, task:, task] = accuracy(after, self.test, self.shown[task])
        else:
            for other, view in enumerate(self.shown):
                self.accuracy[repeat, task, other] = accuracy(self.network, self.test, view)

    def state(self) -> State:
        tensors = {"accuracy": self.accuracy}
        for name, parameter in ({} if self.done else self.network).items():
            tensors[f"{name}/value"] = parameter
            tensors |= {f"{name}/{key}": moment for key, moment in self.optimiser.state[parameter].items()}
        return tensors, {"finished_steps": self.finished_steps}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.accuracy = values["finished_steps"], tensors["accuracy"].clone()
        if self.done:
            return
        self._begin_task()
        self._begin_epoch()
        for key, tensor in tensors.items():
            name, _, part = key.partition("/")
            if part == "value":
                self.network[name].copy_(tensor)
            elif part:
                self.optimiser.state[self.network[name]][part] = tensor.to(self.network[name].device, copy=True)


def accuracy_rows(accuracy: torch.Tensor, task_numbers: list[int]) -> pd.DataFrame:
    """R[i, j] of R repeats, (R, T, T), as a tidy table: repeat, trained (i), task (j), accuracy."""
    index = pd.MultiIndex.from_product(
        [range(len(accuracy)), task_numbers, task_numbers], names=["repeat", "trained", "task"]
    )
    return pd.Series(accuracy.flatten().numpy(), index, name="accuracy").reset_index()


def train_baselines(
    dataset: str | Path,
    output: str | Path,
    *,
    keys: dict[str, Any],
    tasks: list[dict[str, float]],
    task_numbers: list[int],
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
    """Train the baselines of `METHODS` and write their accuracies (CSV); killed, it goes on.

    Columns: those of `keys`, method, repeat, trained (the number of the last task trained on), task, accuracy. Each
    method has a saved state, which stays until `rehash.training.discard_state` is called for `output`.

    Args:
        keys: dataset, benchmark. tasks: the fields of `Transformation` each. task_numbers: theirs in the benchmark, in
            ascending order, which is the order of training. schedule: the fields of `AdamSchedule`.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.

    Raises:
        InputError: task_numbers do not ascend, or are not one for each task.
    """
    if task_numbers != sorted(set(task_numbers)) or len(task_numbers) != len(tasks) or not tasks:
        numbers = ", ".join(map(str, task_numbers)) or "none"
        raise InputError(
            f"{output}: the numbers of {len(tasks)} tasks are {numbers}; expected one for each, in ascending order"
        )
    set_reproducible(threads)
    target = resolve_device(device)
    train, test = (Pictures(read_digits(dataset, split), target) for split in ("train", "test"))
    classes = len(class_names(dataset))
    shown = views(tasks, interpolation, fill, target)
    identity = {
        "keys": keys, "tasks": tasks, "task_numbers": task_numbers, "interpolation": interpolation, "fill": fill,
        "units": units, "repeats": repeats, "classes": classes, "schedule": schedule, "seed": seed,
        "data": checksum(dataset), "device": target.type, "threads": threads,
    }  # fmt: skip
    tables, seconds, continued_from = [], 0.0, []
    for method, fresh in METHODS.items():
        names = (keys["dataset"], keys["benchmark"], method)
        job = FullTraining(
            train,
            test,
            shown,
            task_numbers,
            AdamSchedule(**schedule),
            fresh=fresh,
            units=units,
            classes=classes,
            repeats=repeats,
            seed=seed,
            names=names,
        )
        with StateFile(output, identity | {"method": method}, code, on_code_change) as state:
            run(job, state, save_every_s=save_every_s, title=" ".join(names))
            seconds += state.seconds
            continued_from += state.continued_from
        tables.append(accuracy_rows(job.accuracy, task_numbers).assign(method=method, **keys))
    columns = [*keys, "method", "repeat", "trained", "task", "accuracy"]
    write_csv(pd.concat(tables)[columns], output)
    return {
        "device": str(target),
        "training_seconds": round(seconds, 3),
        "continued_from_code": list(dict.fromkeys(continued_from)),
    }
