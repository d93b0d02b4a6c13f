"""The baselines of FlyNet: other ways to learn the same stream of tasks, each a method of `rehash.tgsh.methods`.

A full network is P pixels -> U units, ReLU -> K classes, of FlyNet's width; Adam trains all its weights and biases. A
linear probe trains a classifier on the response of FlyNet's own frozen network. The measurement is the matrix R[i, j],
the accuracy on task j after training on task i (Lopez-Paz & Ranzato 2017, arXiv 1706.08840).
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from rehash.datasets.layout import SPLITS
from rehash.errors import InputError
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.flynet import BLOCK, DeviceSplit, FlyNet, View, on_device, respond, views
from rehash.tgsh.images import Images, Paths
from rehash.tgsh.initialisation import draw_flynet
from rehash.tgsh.methods import BASELINES, METHODS, Method, setting_of
from rehash.tgsh.modulations import run_names
from rehash.tgsh.tasks import PIXELS
from rehash.tgsh.train import Training, for_each
from rehash.training import Compute, State, finished, moments, restore_moments

SEQUENCE = "full_in_sequence"  # names the random streams of all methods with one network for all tasks
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
    pixels: int = PIXELS,
) -> Network:
    """Draw the parameters of a network before training; P is `pixels`.

    hidden.weight (U, P), hidden.bias (U,), head.weight (K, U) and head.bias (K,) are drawn as torch does by
    default for a Linear layer (Kaiming, a = sqrt 5): weights and biases uniform in +-1 / sqrt(inputs).
    """
    network = {}
    for layer, inputs, outputs in (("hidden", pixels, units), ("head", units, classes)):
        for kind, shape in (("weight", (outputs, inputs)), ("bias", (outputs,))):
            drawn = stream(seed, "tgsh", *names, f"{layer}.{kind}").uniform(-1, 1, shape) * inputs**-0.5
            network[f"{layer}.{kind}"] = torch.from_numpy(drawn).to(device, dtype).requires_grad_()
    return network


def predict(network: Network, inputs_PB: torch.Tensor) -> torch.Tensor:
    """Compute the logits (B, K) of normalised pixels (P, B)."""
    hidden_BU = F.linear(inputs_PB.t(), network["hidden.weight"], network["hidden.bias"]).relu()
    return F.linear(hidden_BU, network["head.weight"], network["head.bias"])


@torch.no_grad()
def accuracy(logits: Callable[[torch.Tensor], torch.Tensor], pictures: DeviceSplit, view: View) -> float:
    """Compute the share of images, shown by a task's view, whose label has the largest logit, (P, B) -> (B, K)."""
    right = torch.zeros((), dtype=torch.int64, device=pictures.labels.device)
    for part, truth in zip(pictures.images.split(BLOCK), pictures.labels.split(BLOCK)):
        right += (logits(view.inputs(part)).argmax(1) == truth).sum()
    return int(right) / len(pictures.labels)


@torch.no_grad()
def fisher(network: Network, images: torch.Tensor, view: View) -> Network:
    """Compute the diagonal of the Fisher information of a network's parameters on a task's images, uint8 (N, P).

    It is the mean over images of the squared gradient of log p(k), where the class k is not the label: its expectation
    over the network's own p is taken exactly. Labels in its place give the "empirical" Fisher, which is near 0 wherever
    the network is right, whatever a parameter does (Kunstner et al. 2019, arXiv 1905.12558; van de Ven 2025, arXiv
    2502.11756, of EWC). The gradient by a class's logit is [k = class] - p, so that for activations h and head V
    the expectations are p (1 - p) h^2 for the head and, for a hidden unit that is on, the variance of V_k under p times
    the squared input: a product of matrices each, and no backward pass.
    """
    found = {name: torch.zeros_like(parameter) for name, parameter in network.items()}
    head_KU = network["head.weight"]
    for part in images.split(BLOCK):
        inputs_BP = view.inputs(part).t()
        hidden_BU = F.linear(inputs_BP, network["hidden.weight"], network["hidden.bias"]).relu()
        shares_BK = F.linear(hidden_BU, head_KU, network["head.bias"]).softmax(1)
        by_logit_BK = shares_BK * (1 - shares_BK)
        variance_BU = (shares_BK @ head_KU.square() - (shares_BK @ head_KU).square()).clamp_(min=0) * (hidden_BU > 0)
        found["head.weight"] += by_logit_BK.t() @ hidden_BU.square()
        found["head.bias"] += by_logit_BK.sum(0)
        found["hidden.weight"] += variance_BU.t() @ inputs_BP.square()
        found["hidden.bias"] += variance_BU.sum(0)
    return {name: summed / len(images) for name, summed in found.items()}


class StreamTraining:
    """The training of R repeats of one method on a benchmark's tasks, as a resumable job (see rehash.training.run).

    Adam starts anew at each task, also in sequence, since its moments are of the previous task's gradients.

    Online EWC (Schwarz et al. 2018, arXiv 1805.06370) adds lambda / 2 times the sum of gamma F (parameter - anchor)^2
    to the loss; the anchor is the parameters after the task before, and F = gamma F + that task's Fisher information.

    Experience replay (Chaudhry et al. 2019, arXiv 1902.10486) has a memory of so many images of all tasks before, each
    of which is in it with the same probability, as a reservoir's are: it is the images with the smallest of random
    keys, so one that has left it never comes back. A step takes as many images from the memory as new ones.

    Args:
        train, test: the images of all T tasks, or of each of them. Labels are numbers of classes of all tasks or, if
            the method is told the task, places in the task's head.
        shown: the views of the T tasks; the network has their dtype. task_numbers: the tasks' numbers, which name the
            random streams.
        method: what is learned and kept. heads: the classes of each task, for a method that is told it; None is all.
        frozen: R frozen networks, for a method that learns on their response: a linear classifier for each task,
            without a bias, whose start is the frozen decoder.
        names: the names of the random streams of the networks and of the order of the images.

    Attributes:
        accuracy: float64 (R, T, T), R[i, j] of each repeat, NaN if it is not yet measured. If the task is told, R[i, j]
            is measured with the parameters of task j, as drawn for i < j and trained from i = j on.
        start: float64 (R, T), the accuracy before any training.
        seconds: the time that steps took, without measurements, and with what is kept of each task.
    """

    def __init__(
        self,
        train: DeviceSplit | Sequence[DeviceSplit],
        test: DeviceSplit | Sequence[DeviceSplit],
        shown: list[View],
        task_numbers: list[int],
        schedule: AdamSchedule,
        *,
        method: Method,
        units: int,
        classes: int,
        repeats: int,
        seed: int,
        names: tuple[object, ...],
        heads: Sequence[Sequence[int]] | None = None,
        frozen: Sequence[FlyNet] = (),
        ewc_lambda: float = 0.0,
        ewc_gamma: float = 1.0,
        replay_images: int = 0,
    ) -> None:
        self.train, self.test = (for_each(split, len(shown)) for split in (train, test))
        self.shown, self.task_numbers = shown, task_numbers
        self.schedule, self.method, self.seed, self.names = schedule, method, seed, names
        self.units, self.repeats, self.frozen = units, repeats, frozen
        self.heads = heads if heads and method.told else [range(classes)] * len(shown)
        self.ewc_lambda, self.ewc_gamma, self.replay_images = ewc_lambda, ewc_gamma, replay_images
        self.batches = [-(-len(split.labels) // schedule.batch_size) for split in self.train]
        self.ends = list(accumulate(schedule.epochs * batches for batches in self.batches))  # of each task, in steps
        self.total = repeats * self.ends[-1]
        self.finished_steps, self.seconds = 0, 0.0
        self.accuracy = torch.full((repeats, len(shown), len(shown)), torch.nan, dtype=torch.float64)
        self.start = torch.full((repeats, len(shown)), torch.nan, dtype=torch.float64)
        self.importance: Network = {}
        self.anchor: Network = {}
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
            f"batch {batch + 1} of {self.batches[task]}"
        )

    @property
    def _place(self) -> tuple[int, int, int, int]:
        """Return repeat, place of the task in the sequence, epoch and batch of the next step."""
        repeat, step = divmod(self.finished_steps, self.ends[-1])
        task = bisect_right(self.ends, step)
        return repeat, task, *divmod(step - (self.ends[task - 1] if task else 0), self.batches[task])

    def _stream(self, repeat: int, task: int, *what: object) -> np.random.Generator:
        return stream(self.seed, "tgsh", *self.names, repeat, self.task_numbers[task], *what)

    def _drawn(self, repeat: int, task: int) -> Network:
        if self.method.frozen:
            return {"head.weight": self.frozen[repeat].headed(self.heads[task]).decoder.clone().requires_grad_()}
        like = self.shown[task].weight
        names = (*self.names, repeat, self.task_numbers[task])
        how = {"device": like.device, "dtype": like.dtype, "pixels": self.train[task].images.shape[1]}
        return draw_network(self.units, len(self.heads[task]), seed=self.seed, names=names, **how)

    def _logits(self, network: Network, repeat: int) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the function from normalised pixels (P, B) to logits (B, K) that a network is."""
        if self.method.frozen:
            return lambda inputs_PB: (network["head.weight"] @ respond(inputs_PB, self.frozen[repeat])).t()
        return lambda inputs_PB: predict(network, inputs_PB)

    def _begin_task(self) -> None:
        repeat, task, *_ = self._place
        if self.method.told or task == 0:
            self.network, self.importance, self.anchor = self._drawn(repeat, task), {}, {}
        self.memory = self._remembered(repeat, task) if self.method.keeps == "images" and task else None
        self.optimiser = torch.optim.Adam(self.network.values(), lr=self.schedule.learning_rate, fused=True)

    def _remembered(self, repeat: int, task: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the memory before a task: pixels as their tasks show them, (M, P), and labels, (M,)."""
        keys = [self._stream(repeat, past, "memory").random(len(self.train[past].labels)) for past in range(task)]
        kept = np.argsort(np.concatenate(keys), kind="stable")[: self.replay_images]
        parts, first = [], 0
        for past, own in enumerate(keys):
            rows = np.sort(kept[(kept >= first) & (kept < first + len(own))]) - first
            rows = torch.from_numpy(rows).to(self.train[past].labels.device)
            shown = self.shown[past].inputs(self.train[past].images[rows]).t()
            parts.append((shown, self.train[past].labels[rows]))
            first += len(own)
        pixels, labels = map(torch.cat, zip(*parts))
        return pixels, labels

    def _begin_epoch(self) -> None:
        repeat, task, epoch, _ = self._place
        labels = self.train[task].labels
        order = self._stream(repeat, task, "order", epoch).permutation(len(labels))
        self.order = torch.from_numpy(order).to(labels.device)
        if self.memory is not None:
            drawn = self._stream(repeat, task, "replay", epoch).integers(len(self.memory[1]), size=len(labels))
            self.replayed = torch.from_numpy(drawn).to(labels.device)

    def step(self) -> None:
        """Train on one batch; after a task's last batch, measure accuracies on the test images."""
        begun = time.perf_counter()
        repeat, task, epoch, batch = self._place
        size, train = self.schedule.batch_size, self.train[task]
        part = slice(batch * size, (batch + 1) * size)
        inputs_PB = self.shown[task].inputs(train.images[self.order[part]])
        labels = train.labels[self.order[part]]
        if self.memory is not None:
            pixels, truth = (each[self.replayed[part]] for each in self.memory)
            inputs_PB, labels = torch.cat([inputs_PB, pixels.t()], 1), torch.cat([labels, truth])
        self.optimiser.zero_grad()
        F.cross_entropy(self._logits(self.network, repeat)(inputs_PB), labels).backward()
        for name, importance in self.importance.items():
            parameter, scale = self.network[name], self.ewc_lambda * self.ewc_gamma
            parameter.grad.addcmul_(importance, parameter.detach() - self.anchor[name], value=scale)
        self.optimiser.step()
        self.finished_steps += 1
        ends_epoch = batch + 1 == self.batches[task]
        ends_task = ends_epoch and epoch + 1 == self.schedule.epochs
        if ends_task and self.method.keeps == "fisher":
            self._consolidate(task)
        if ends_task:
            if labels.is_cuda:
                torch.cuda.synchronize()
            trained = time.perf_counter()
            self._measure(repeat, task)
            begun += time.perf_counter() - trained
        if not self.done:
            if ends_task:
                self._begin_task()
            if ends_epoch:
                self._begin_epoch()
        self.seconds += time.perf_counter() - begun

    def _consolidate(self, task: int) -> None:
        found = fisher(self.network, self.train[task].images, self.shown[task])
        if self.importance:
            found = {name: each + self.ewc_gamma * self.importance[name] for name, each in found.items()}
        self.importance = found
        self.anchor = {name: parameter.detach().clone() for name, parameter in self.network.items()}

    def _accuracies(self, network: Network, repeat: int, tasks: Sequence[int]) -> torch.Tensor:
        logits = self._logits(network, repeat)
        found = [accuracy(logits, self.test[task], self.shown[task]) for task in tasks]
        return torch.tensor(found, dtype=torch.float64)

    def _measure(self, repeat: int, task: int) -> None:
        tasks = [task] if self.method.told else range(len(self.shown))
        if self.method.told or task == 0:
            self.start[repeat, tasks] = self._accuracies(self._drawn(repeat, task), repeat, tasks)
        after = self._accuracies(self.network, repeat, tasks)
        if self.method.told:
            self.accuracy[repeat, :task, task], self.accuracy[repeat, task:, task] = self.start[repeat, task], after
        else:
            self.accuracy[repeat, task] = after

    def costs(self) -> dict[str, float]:
        """Return what the method learns and keeps, in numbers a task, bytes of images in all, and seconds a task.

        Kept are, after T tasks, the parameters of each task or the one network and, of EWC, its Fisher information and
        its anchor; divided by T. A frozen network is drawn from a seed, and not counted.
        """
        tasks, frozen, pixels = len(self.shown), self.method.frozen, self.train[0].images.shape[1]
        hidden = 0 if frozen else self.units * (pixels + 1)
        head = sum(map(len, self.heads)) / tasks * (self.units + (not frozen))  # a probe has no bias
        copies = 3 if self.method.keeps == "fisher" else 1
        images = sum(len(split.labels) for split in self.train) if self.method.keeps == "images" else 0
        image_bytes = pixels * self.shown[0].weight.element_size() + 8  # and its label, int64
        return {
            "learned": hidden + head,
            "kept": (hidden + head) * (1 if self.method.told else copies / tasks),
            "memory_bytes": min(self.replay_images, images) * image_bytes,
            "seconds": self.seconds / (self.repeats * tasks),
        }

    def state(self) -> State:
        tensors = {"accuracy": self.accuracy, "start": self.start}
        if not self.done:
            for kind in ("network", "importance", "anchor"):
                tensors |= {f"{kind}/{name}": each for name, each in getattr(self, kind).items()}
            tensors |= moments(self.optimiser, self.network)
        return tensors, {"finished_steps": self.finished_steps, "seconds": self.seconds}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.seconds = values["finished_steps"], values["seconds"]
        self.accuracy, self.start = tensors["accuracy"].clone(), tensors["start"].clone()
        if self.done:
            return
        self._begin_task()
        self._begin_epoch()
        for name, parameter in self.network.items():
            parameter.copy_(tensors[f"network/{name}"])
            for kind in ("importance", "anchor"):
                if (key := f"{kind}/{name}") in tensors:
                    getattr(self, kind)[name] = tensors[key].to(parameter.device, copy=True)
        restore_moments(self.optimiser, self.network, tensors)


def accuracy_rows(accuracy: torch.Tensor, start: torch.Tensor, task_numbers: list[int]) -> pd.DataFrame:
    """Convert R[i, j] of all repeats, (R, T, T), and the accuracies before training, (R, T), to a tidy table.

    Columns: repeat, trained (i), task (j), accuracy, accuracy_start.
    """
    index = pd.MultiIndex.from_product(
        [range(len(accuracy)), task_numbers, task_numbers], names=["repeat", "trained", "task"]
    )
    before = start[:, None].expand(accuracy.shape)
    columns = {"accuracy": accuracy.flatten().numpy(), "accuracy_start": before.flatten().numpy()}
    return pd.DataFrame(columns, index).reset_index()


@dataclass(frozen=True)
class BaselineTraining(Training):
    """The settings of the baselines' training: those of FlyNet's, but a schedule with the fields of `AdamSchedule`.

    Attributes:
        task_numbers: the tasks' numbers in the benchmark, in ascending order, which is the order of training.
        methods: names of `rehash.tgsh.methods.BASELINES`.
        ewc_lambda, ewc_gamma: the strength of online EWC's penalty, and how much of the Fisher information of earlier
            tasks stays at each task. replay_images: the images that experience replay keeps.
    """

    task_numbers: list[int]
    methods: Sequence[str] = field(default=BASELINES, kw_only=True)
    ewc_lambda: float = field(default=300, kw_only=True)
    ewc_gamma: float = field(default=1, kw_only=True)
    replay_images: int = field(default=500, kw_only=True)

    def of(self, method: str) -> dict[str, Any]:
        """Return the settings of one method alone."""
        return {key: getattr(self, key) for key in METHODS[method].settings}

    def identity(self) -> dict[str, Any]:
        """Return the settings that all methods have, so that a change of one method's keeps the others' state."""
        own = {"methods", *(key for each in METHODS.values() for key in each.settings)}
        return {key: value for key, value in super().identity().items() if key not in own}


def train_baselines(
    dataset: Paths, output: str | Path, training: BaselineTraining, compute: Compute, saving: Saving
) -> dict[str, Any]:
    """Train the baselines and write their accuracies (CSV); an interrupted training resumes.

    Columns: the keys, setting, method, repeat, trained (the number of the last task trained on), task, accuracy,
    accuracy_start. Each method is a job with its own saved state.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes; and `costs`, by method, FlyNet's
        too, see `StreamTraining.costs`.

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
    target, images = compute.start(), Images.read(dataset, training.tasks, whole=training.whole)
    classes, found, count = len(images.class_names), images.identity, len(numbers)
    # Labels of all classes, and places in each task's own head; most often they are the same objects.
    splits = {
        name: on_device([split(task, name) for split in (images.split, images.local) for task in range(count)], target)
        for name in SPLITS
    }
    how = {"shape": images.shape, "normalisation": found.get("normalisation"), "seed": training.seed}
    shown = views(training.tasks, training.interpolation, training.fill, target, **how)
    identity = {**training.identity(), **found, "device": target.type, "threads": compute.threads}
    tables, seconds, continued_from = [], 0.0, []
    costs = {"flynet": flynet_costs(training, images)}
    for name in training.methods:
        method = METHODS[name]
        names = (*run_names(keys), name if method.told else SEQUENCE)
        train, test = (splits[split][count:] if method.told else splits[split][:count] for split in SPLITS)
        job = StreamTraining(
            train,
            test,
            shown,
            numbers,
            AdamSchedule(**training.schedule),
            method=method,
            units=training.units,
            classes=classes,
            repeats=training.repeats,
            seed=training.seed,
            names=names,
            heads=[head.tolist() for head in images.heads],
            frozen=_frozen(training, images, target) if method.frozen else (),
            **training.of(name),
        )
        own = identity | {"method": name} | training.of(name)
        with finished(job, output, own, saving, target, title=" ".join((*run_names(keys), name))) as notes:
            seconds += notes["training_seconds"]
            continued_from += notes["continued_from_code"]
        setting = setting_of(name, any(len(head) < classes for head in images.heads))
        rows = accuracy_rows(job.accuracy, job.start, numbers)
        tables.append(rows.assign(setting=setting, method=name, **keys))
        costs[name] = job.costs()
    columns = [*keys, "setting", "method", "repeat", "trained", "task", "accuracy", "accuracy_start"]
    write_csv(pd.concat(tables)[columns], output)
    return {
        **notes,
        "training_seconds": round(seconds, 3),
        "continued_from_code": list(dict.fromkeys(continued_from)),
        "costs": costs,
        "digests": images.digests,
    }


def _frozen(training: Training, images: Images, device: torch.device) -> list[FlyNet]:
    """Draw the frozen networks that FlyNet's tasks share."""
    units, classes, shape, encoder = training.units, len(images.class_names), images.shape, training.encoder
    how = {"seed": training.seed, "encoder": encoder, "shape": shape}
    drawn = [draw_flynet(units, classes, repeat=repeat, **how) for repeat in range(training.repeats)]
    return [FlyNet.of(*arrays, device, settings=encoder, shape=shape) for arrays in drawn]


def flynet_costs(training: Training, images: Images) -> dict[str, float]:
    """Return what FlyNet learns and keeps, in numbers a task (mean over tasks): a context and a strength, or parts."""
    learned = {"context": training.units, "strength": 1, "both": training.units + 1}[training.modulation]
    if training.decoder == "learned":
        learned += training.units * sum(map(len, images.heads)) / len(images.heads)
    return {"learned": learned, "kept": learned, "memory_bytes": 0}
