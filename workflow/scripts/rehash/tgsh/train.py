"""The training job: from a dataset and a benchmark to the modulations of all its tasks, and their history."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.flynet import (
    DeviceSplit,
    FlyNet,
    View,
    correct,
    gradients,
    on_device,
    respond,
    task_decoder,
    views,
)
from rehash.tgsh.images import Images, Paths
from rehash.tgsh.initialisation import draw_flynet, draw_modulations
from rehash.tgsh.kinds import FLY, Settings
from rehash.tgsh.modulations import heads_in, run_names, write_modulations
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
        train, test: the images of all T tasks, or of each of them; labels are places in the task's head.
        networks: R frozen networks. context: (R, T, U), strength: (R, T), the start of the training; both are trained
            in place, or only what `modulation` says (both, strength or context). decoder: (R, T, K, U), the start of a
            decoder for each task, which is trained, too; None for the frozen one.
        heads: the classes of each task, which are rows of the decoder; None is all of them.
        tasks_at_once: the number of tasks that take a step together; 1 is the published sequence.
        names: the names of the random streams of the order of the images.
    """

    def __init__(
        self,
        train: DeviceSplit | Sequence[DeviceSplit],
        test: DeviceSplit | Sequence[DeviceSplit],
        shown: list[View],
        networks: list[FlyNet],
        context: torch.Tensor,
        strength: torch.Tensor,
        schedule: Schedule,
        *,
        seed: int,
        names: tuple[object, ...],
        modulation: str = "both",
        decoder: torch.Tensor | None = None,
        heads: list[list[int]] | None = None,
        tasks_at_once: int = 1,
    ) -> None:
        self.shown, self.networks, self.schedule = shown, networks, schedule
        self.train, self.test = (for_each(split, len(shown)) for split in (train, test))
        self.context, self.strength, self.decoder = context, strength, decoder
        parts = {"context": context, "strength": strength}
        self.learned = {name: part for name, part in parts.items() if modulation in ("both", name)}
        if decoder is not None:
            self.learned["decoder"] = decoder
        self.heads = heads or [list(range(len(networks[0].decoder)))] * len(shown)
        self.seed, self.names = seed, names
        self.groups = [
            (repeat, tasks[first : first + tasks_at_once])
            for repeat in range(len(networks))
            for tasks in _of_one_length(self.train)
            for first in range(0, len(tasks), tasks_at_once)
        ]
        steps = [schedule.epochs * self._batches(tasks) for _, tasks in self.groups]
        self.ends = list(accumulate(steps))  # of each group, in steps
        self.total = self.ends[-1]
        self.finished_steps, self.seconds = 0, 0.0  # of steps, without measurements
        self.history: list[dict[str, Any]] = []
        self._begin_group()
        self._begin_epoch()

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        repeat, tasks, epoch, batch = self._place
        last = (
            f" | task {self.history[-1]['task']}: accuracy {self.history[-1]['accuracy']:.3f}" if self.history else ""
        )
        return (
            f"network {repeat + 1} of {len(self.networks)} | task {tasks[0] + 1} of {len(self.shown)} | "
            f"epoch {epoch + 1} | batch {batch + 1} of {self._batches(tasks)}{last}"
        )

    def _batches(self, tasks: range) -> int:
        return -(-len(self.train[tasks[0]].labels) // self.schedule.batch_size)

    @property
    def _place(self) -> tuple[int, range, int, int]:
        """Return the repeat, the tasks that take steps together, the epoch and the batch of the next step."""
        group = min(bisect_right(self.ends, self.finished_steps), len(self.groups) - 1)
        begun = self.ends[group - 1] if group else 0
        return *self.groups[group], *divmod(self.finished_steps - begun, self._batches(self.groups[group][1]))

    def _begin_group(self) -> None:
        repeat, tasks, *_ = self._place
        part = slice(tasks[0], tasks[-1] + 1)
        # Views of the whole tensors, so that all tasks of the group share parameters; RMSprop works elementwise.
        self.parameters = {name: tensor[repeat, part] for name, tensor in self.learned.items()}
        rate = self.schedule.learning_rate
        self.optimiser = torch.optim.RMSprop(self.parameters.values(), lr=rate, foreach=False)

    def _begin_epoch(self) -> None:
        repeat, tasks, epoch, _ = self._place
        labels = self.train[tasks[0]].labels
        orders = [
            stream(self.seed, "tgsh", *self.names, repeat, task, "order", epoch).permutation(len(labels))
            for task in tasks
        ]
        self.orders = torch.from_numpy(np.stack(orders)).to(labels.device)
        self.loss = torch.zeros(len(tasks), dtype=torch.float64, device=labels.device)
        self.right = torch.zeros(len(tasks), dtype=torch.int64, device=labels.device)

    def step(self) -> None:
        """Train each task of the group on one batch; after an epoch's last batch, record losses and accuracies."""
        begun = time.perf_counter()
        repeat, tasks, epoch, batch = self._place
        size, whole = self.schedule.batch_size, self._batches(tasks)
        chosen = self.orders[:, batch * size : (batch + 1) * size]
        self.optimiser.zero_grad()
        found = [self._gradients(repeat, task, chosen[row]) for row, task in enumerate(tasks)]
        losses, right, *slopes = map(torch.stack, zip(*found))
        for parameter, slope in zip(self.parameters.values(), slopes):
            parameter.grad = slope
        self.optimiser.step()
        self.loss += losses * chosen.shape[1]
        self.right += right
        self.finished_steps += 1
        if batch + 1 == whole and losses.is_cuda:
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - begun
        if batch + 1 == whole:
            self._end_epoch(repeat, tasks, epoch + 1)

    def _network(self, repeat: int, task: int) -> FlyNet:
        """Return the network as a task has it: with its own decoder, if that is learned, and the rows of its head."""
        net = self.networks[repeat]
        if self.decoder is not None:
            net = replace(net, decoder=self.decoder[repeat, task])
        return net.headed(self.heads[task])

    def classifier(self, repeat: int, task: int) -> torch.Tensor:
        """Return the linear classifier on responses that a task has now, (K, U)."""
        return task_decoder(self._network(repeat, task), self.context[repeat, task], self.strength[repeat, task])

    def _gradients(self, repeat: int, task: int, chosen: torch.Tensor) -> list[torch.Tensor]:
        """Compute what `gradients` does, of a task and its chosen images; the gradients are by what is learned."""
        net, split = self._network(repeat, task), self.train[task]
        context, strength = self.context[repeat, task], self.strength[repeat, task]
        responses = respond(self.shown[task].inputs(split.images[chosen]), net)
        loss, right, *slopes = gradients(responses, split.labels[chosen], net, context, strength)
        found = dict(zip(("context", "strength", "decoder"), slopes))
        if self.decoder is not None:
            found["decoder"] = torch.zeros_like(self.decoder[repeat, task])
            found["decoder"][self.heads[task]] = slopes[2] * (context * strength)
        return [loss, right, *(found[name] for name in self.learned)]

    def _end_epoch(self, repeat: int, tasks: range, epoch: int) -> None:
        for row, task in enumerate(tasks):
            net, test = self.networks[repeat], self.test[task]
            right = correct(test.images, test.labels, self.shown[task], net, self.classifier(repeat, task))
            images = len(self.train[task].labels)
            self.history.append(
                {
                    "repeat": repeat, "task": task, "epoch": epoch,
                    "loss": float(self.loss[row]) / images, "accuracy_train": int(self.right[row]) / images,
                    "accuracy": right / len(test.labels),
                }
            )  # fmt: skip
        if not self.done:
            if epoch == self.schedule.epochs:
                self._begin_group()
            self._begin_epoch()

    def state(self) -> State:
        tensors = {**self.learned, "orders": self.orders, "loss": self.loss, "right": self.right}
        tensors |= moments(self.optimiser, self.parameters)
        return tensors, {"finished_steps": self.finished_steps, "seconds": self.seconds, "history": self.history}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps, self.seconds, self.history = (
            values[name] for name in ("finished_steps", "seconds", "history")
        )
        for name, tensor in self.learned.items():
            tensor.copy_(tensors[name])
        self._begin_group()
        device = self.train[0].labels.device
        self.orders, self.loss, self.right = (tensors[name].to(device) for name in ("orders", "loss", "right"))
        restore_moments(self.optimiser, self.parameters, tensors)


def for_each(split: DeviceSplit | Sequence[DeviceSplit], tasks: int) -> list[DeviceSplit]:
    """Return a split for each of some tasks: the one that all share, or their own."""
    return [split] * tasks if isinstance(split, DeviceSplit) else list(split)


def _of_one_length(splits: Sequence[DeviceSplit]) -> list[range]:
    """Return neighbouring tasks with as many images, as ranges; only these can take their steps together."""
    ends = list(accumulate(len(list(same)) for _, same in groupby(splits, key=lambda split: len(split.labels))))
    return [range(first, end) for first, end in zip([0, *ends], ends)]


def tasks_at_once(device: torch.device, tasks: int) -> int:
    """Return how many tasks take a step together: all on a GPU, one on a CPU.

    A GPU would wait for each small step; the cache of a CPU holds one task's batch.
    """
    return tasks if device.type == "cuda" else 1


@dataclass(frozen=True)
class Training:
    """The settings that modulations depend on besides their data.

    Attributes:
        keys: dataset, benchmark; the name of another network than the default's follows the benchmark's (`run_names`).
        tasks: see `rehash.tgsh.tasks`. interpolation: see `rehash.tgsh.tasks.sampling`. fill: the
            value of pixels from outside an image, see `rehash.tgsh.tasks.transform`.
        units, repeats: the size and number of the frozen networks.
        schedule: the fields of `Schedule`.
        seed: the seed of all random streams.
        encoder: the kind of the frozen encoder and its settings. decoder: frozen, one for all tasks, or learned, one
            for each task, from the frozen one on. modulation: which parts of it are learned, both, strength or context;
            the other is 1. whole: whether each class has to be in a task.
    """

    keys: dict[str, Any]
    tasks: list[dict[str, float]]
    interpolation: str
    fill: float
    units: int
    repeats: int
    schedule: dict[str, Any]
    seed: int
    encoder: Settings = field(default_factory=lambda: dict(FLY), kw_only=True)
    decoder: str = field(default="frozen", kw_only=True)
    modulation: str = field(default="both", kw_only=True)
    whole: bool = field(default=False, kw_only=True)

    def identity(self) -> dict[str, Any]:
        """Return the settings; one with a default is left out where it has that, so that a new one changes nothing."""
        found = {}
        for each in fields(self):
            default = each.default_factory() if each.default_factory is not MISSING else each.default
            if (value := getattr(self, each.name)) != default:
                found[each.name] = value
        return found


def train_flynet(
    dataset: Paths,
    modulations: str | Path,
    history: str | Path,
    training: Training,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train all modulations, and write them (safetensors) and their history (CSV); an interrupted training resumes.

    Args:
        dataset: the file of the dataset or, where tasks name others, the files of all, this one first.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes, seconds of training a task; how
        pixels are normalised, where that is not as published.
    """
    target, images = compute.start(), Images.read(dataset, training.tasks, whole=training.whole)
    names, seed, units, count = run_names(training.keys), training.seed, training.units, len(training.tasks)
    classes, shape, repeats = len(images.class_names), images.shape, range(training.repeats)
    identity = {
        **training.identity(), **images.identity, "device": target.type, "threads": compute.threads,
    }  # fmt: skip
    drawing = {"seed": seed, "encoder": training.encoder, "shape": shape}
    frozen = [draw_flynet(units, classes, repeat=repeat, **drawing) for repeat in repeats]
    how = {"seed": seed, "modulation": training.modulation}
    starts = [draw_modulations(units, count, names=(*names, repeat), **how) for repeat in repeats]
    encoder, decoder = (np.stack(part) for part in zip(*frozen))
    context, strength = (np.stack(part) for part in zip(*starts))
    own = None
    if training.decoder == "learned":
        own = torch.from_numpy(decoder).to(target)[:, None].repeat(1, count, 1, 1)
    shown = {"shape": shape, "normalisation": identity.get("normalisation"), "seed": seed}
    job = FlyNetTraining(
        *(on_device([images.local(task, name) for task in range(count)], target) for name in ("train", "test")),
        views(training.tasks, training.interpolation, training.fill, target, **shown),
        [FlyNet.of(*arrays, target, settings=training.encoder, shape=shape) for arrays in frozen],
        torch.from_numpy(context).to(target, copy=True),
        torch.from_numpy(strength).to(target, copy=True),
        Schedule(**training.schedule),
        seed=seed,
        names=names,
        modulation=training.modulation,
        decoder=own,
        heads=heads_in(identity),
        tasks_at_once=tasks_at_once(target, count),
    )
    with finished(job, modulations, identity, saving, target, title=" ".join(names)) as notes:
        rows = pd.DataFrame(job.history).sort_values(["repeat", "task", "epoch"])
        columns = [*training.keys, "repeat", "task", "epoch", "loss", "accuracy_train", "accuracy"]
        write_csv(rows.assign(**training.keys)[columns], history)
        arrays = {
            "encoder": encoder, "decoder": decoder,
            "context_untrained": context, "strength_untrained": strength,
            "context_trained": job.context.cpu().numpy(), "strength_trained": job.strength.cpu().numpy(),
        }  # fmt: skip
        if own is not None:
            arrays["decoder_trained"] = own.cpu().numpy()
        write_modulations(modulations, arrays, identity)
        told = {name: identity[name] for name in ("shape", "normalisation") if name in identity}
        spent = {"seconds_a_task": job.seconds / (training.repeats * count)}
        return {**notes, **told, **spent, "digests": images.digests}
