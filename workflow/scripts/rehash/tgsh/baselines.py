"""The baselines: fully trained networks of FlyNet's width, a fresh one for each task or one for all in sequence.

The network is 784 pixels -> U units, ReLU -> K classes; Adam trains all its weights and biases. In sequence it keeps
the same head for all tasks and is not told which task an image comes from: domain-incremental learning (van de Ven &
Tolias 2019, arXiv 1904.07734). The measurement is the matrix R[i, j], the accuracy on task j after training on task i
(Lopez-Paz & Ranzato 2017, arXiv 1706.08840).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F

from rehash.errors import InputError
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.flynet import BLOCK, DeviceSplit, View, views
from rehash.tgsh.modulations import read_digits
from rehash.tgsh.tasks import PIXELS
from rehash.tgsh.train import Training
from rehash.training import Compute, State, finished, moments, restore_moments

METHODS = {"full_per_task": True, "full_in_sequence": False}  # method -> whether each task gets a fresh network
Network = dict[str, torch.Tensor]


@dataclass(frozen=True)
class AdamSchedule:
    """The length and rate of each task's training (Adam, otherwise with torch's defaults)."""

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
    """Draw the parameters of a network before training.

    hidden.weight (U, PIXELS), hidden.bias (U,), head.weight (K, U) and head.bias (K,) are drawn as torch does by
    default for a Linear layer (Kaiming, a = sqrt 5): weights and biases uniform in +-1 / sqrt(inputs).
    """
    network = {}
    for layer, inputs, outputs in (("hidden", PIXELS, units), ("head", units, classes)):
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
            drawn = stream(seed, "tgsh", *names, f"{layer}.{kind}").uniform(-1, 1, shape) * inputs**-0.5
            network[f"{layer}.{kind}"] = torch.from_numpy(drawn).to(device, dtype).requires_grad_()
    return network


def predict(network: Network, inputs_PB: torch.Tensor) -> torch.Tensor:
    """Compute the logits (B, K) of normalised pixels (PIXELS, B)."""
    hidden_BU = F.linear(inputs_PB.t(), network["hidden.weight"], network["hidden.bias"]).relu()
    return F.linear(hidden_BU, network["head.weight"], network["head.bias"])


@torch.no_grad()
def accuracy(network: Network, pictures: DeviceSplit, view: View) -> float:
    """Compute the share of images, shown by a task's view, to which the network assigns their label."""
    right = torch.zeros((), dtype=torch.int64, device=pictures.labels.device)
    for part, truth in zip(pictures.images.split(BLOCK), pictures.labels.split(BLOCK)):
        right += (predict(network, view.inputs(part)).argmax(1) == truth).sum()
    return int(right) / len(pictures.labels)


class FullTraining:
    """The training of R full networks on a benchmark's tasks, as one resumable job (see rehash.training.run).

    Adam starts anew at each task, also in sequence, since its moments are of the previous task's gradients.

    Args:
        shown: the views of the T tasks; the network has their dtype. task_numbers: the tasks' numbers, which name the
            random streams.
        fresh: whether each task starts from a network of its own; otherwise it continues from the task before.
        names: the names of the random streams of the networks and of the order of the images.

    Attributes:
        accuracy: float64 (R, T, T), R[i, j] of each repeat, NaN if it is not yet measured. With fresh networks, R[i, j]
            is measured on network j, as drawn for i < j and trained from i = j on.
    """

    def __init__(
        self,
        train: DeviceSplit,
        test: DeviceSplit,
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
        """Return repeat, place of the task in the sequence, epoch and batch of the next step."""
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
        """Train on one batch; after a task's last batch, measure accuracies on the test images."""
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
        if not self.done:
            tensors |= {f"network/{name}": parameter for name, parameter in self.network.items()}
            tensors |= moments(self.optimiser, self.network)
        return tensors, {"finished_steps": self.finished_steps}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.accuracy = values["finished_steps"], tensors["accuracy"].clone()
        if self.done:
            return
        self._begin_task()
        self._begin_epoch()
        for name, parameter in self.network.items():
            parameter.copy_(tensors[f"network/{name}"])
        restore_moments(self.optimiser, self.network, tensors)


def accuracy_rows(accuracy: torch.Tensor, task_numbers: list[int]) -> pd.DataFrame:
    """Convert R[i, j] of all repeats, (R, T, T), to a tidy table: repeat, trained (i), task (j), accuracy."""
    index = pd.MultiIndex.from_product(
        [range(len(accuracy)), task_numbers, task_numbers], names=["repeat", "trained", "task"]
    )
    return pd.Series(accuracy.flatten().numpy(), index, name="accuracy").reset_index()


@dataclass(frozen=True)
class BaselineTraining(Training):
    """The settings of the baselines' training: those of FlyNet's, but a schedule with the fields of `AdamSchedule`.

    Attributes:
        task_numbers: the tasks' numbers in the benchmark, in ascending order, which is the order of training.
    """

    task_numbers: list[int]


def train_baselines(
    dataset: str | Path, output: str | Path, training: BaselineTraining, compute: Compute, saving: Saving
) -> dict[str, Any]:
    """Train the baselines of `METHODS` and write their accuracies (CSV); an interrupted training resumes.

    Columns: the keys, method, repeat, trained (the number of the last task trained on), task, accuracy. Each method is
    a job with its own saved state.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.

    Raises:
        InputError: task_numbers do not ascend, are not one for each task, or are empty.
    """
    numbers, keys = training.task_numbers, training.keys
    if numbers != sorted(set(numbers)) or len(numbers) != len(training.tasks) or not numbers:
        found = ", ".join(map(str, numbers)) or "none"
        raise InputError(
            f"{output}: the numbers of {len(training.tasks)} tasks are {found}; expected one for each, in ascending "
            "order"
        )
    target, digits = compute.start(), read_digits(dataset)
    train, test = (DeviceSplit(split, target) for split in (digits.train, digits.test))
    classes = len(digits.class_names)
    shown = views(training.tasks, training.interpolation, training.fill, target)
    identity = {
        **vars(training), "classes": classes, "data": digits.checksum, "device": target.type,
        "threads": compute.threads,
    }  # fmt: skip
    tables, seconds, continued_from = [], 0.0, []
    for method, fresh in METHODS.items():
        names = (keys["dataset"], keys["benchmark"], method)
        job = FullTraining(
            train,
            test,
            shown,
            numbers,
            AdamSchedule(**training.schedule),
            fresh=fresh,
            units=training.units,
            classes=classes,
            repeats=training.repeats,
            seed=training.seed,
            names=names,
        )
        with finished(job, output, identity | {"method": method}, saving, target, title=" ".join(names)) as notes:
            seconds += notes["training_seconds"]
            continued_from += notes["continued_from_code"]
        tables.append(accuracy_rows(job.accuracy, numbers).assign(method=method, **keys))
    columns = [*keys, "method", "repeat", "trained", "task", "accuracy"]
    write_csv(pd.concat(tables)[columns], output)
    return {
        **notes,
        "training_seconds": round(seconds, 3),
        "continued_from_code": list(dict.fromkeys(continued_from)),
        "digests": digits.digests,
    }
