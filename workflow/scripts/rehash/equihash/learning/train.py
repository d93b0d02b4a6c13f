"""The training job: a bank and a model's settings go in, a network's weights and its history come out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics, view_dependencies, view_digests
from rehash.equihash.images.noise import DeviceSource, StreamSource
from rehash.equihash.images.task import Task
from rehash.equihash.learning import objectives
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.objectives.base import Objective
from rehash.equihash.learning.precision import arithmetic, check_precision, gradient_arithmetic
from rehash.equihash.learning.triplets import draw_pairs, see_triplets, summary
from rehash.equihash.learning.weights import write_network
from rehash.errors import InputError, unknown
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.training import Compute, State, finished, moments, restore_moments

SPLITS = ("train", "valid")
FORWARDS = ("once", "recomputed", "twice")
OPTIMISERS = ("adam", "sgd")


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        steps: the number of steps of the optimiser.
        micro_batches, pairs: a step shows micro_batches x pairs pairs. BatchNorm sees one micro-batch at a time, both
            views of its pairs; the loss sees them all.
        optimiser: "adam", with torch's defaults except for what is said here, or "sgd" with this `momentum`.
        learning_rate: 0 trains nothing but BatchNorm's running statistics. From each of `milestones` on, a number of
            finished steps, it is multiplied by `decay` once more.
        weight_decay: its product with each parameter, those of BatchNorm and of the objective too, is added to the
            clipped gradient (torch's).
        clip: gradients are clipped to plus and minus this, element by element.
        forward: "once" holds all activations of a step. "recomputed" computes the logits first and then each
            micro-batch again for its gradient, so that memory holds one micro-batch; the numbers are the same. "twice"
            does this as the public loops of ShannonHamming and HashNetShannon do, where the second pass updates
            BatchNorm's running statistics again; those of HashNet and JMLH run once.
        precision: what the network computes in, but for its last layers (`rehash.equihash.learning.precision`).
        channels_last: the layout of activations.
        evaluate_every: steps between evaluations. evaluation_pairs: triplets in an evaluation.
    """

    steps: int = 100_000
    micro_batches: int = 8
    pairs: int = 256
    optimiser: str = "adam"
    momentum: float = 0.9
    learning_rate: float = 1e-3
    milestones: Sequence[int] = ()
    decay: float = 0.1
    weight_decay: float = 0.0
    clip: float = 10.0
    forward: str = "once"
    precision: str = "float32"
    channels_last: bool = True
    evaluate_every: int = 1000
    evaluation_pairs: int = 1000

    def __post_init__(self) -> None:
        """Raise an InputError for an unknown `forward` mode, optimiser or precision."""
        check_precision(self.precision, "training")
        for what, known in (("forward", FORWARDS), ("optimiser", OPTIMISERS)):
            if getattr(self, what) not in known:
                raise unknown(what, getattr(self, what), known, "training")

    def rate(self, step: int) -> float:
        """Return the learning rate after so many finished steps."""
        return self.learning_rate * self.decay ** sum(step >= milestone for milestone in self.milestones)

    def made(self, parameters: Sequence[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimiser of parameters."""
        common = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.optimiser == "sgd":
            return torch.optim.SGD(parameters, momentum=self.momentum, **common)
        return torch.optim.Adam(parameters, **common)


class HashTraining:
    """A network and an objective, as one resumable job (see rehash.training.run).

    Each step has its own random streams for its labels, its views and the objective, so a restart needs to know only
    the number of finished steps to draw the same numbers.

    Args:
        mosaics: by split, train and valid.
        seed: of all streams. name: the task's name, which is part of the streams' names; models of one task and seed
            are shown the same labels and views if their objectives draw labels alike.
        where: names this training in error messages.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        objective: Objective,
        mosaics: dict[str, Mosaics],
        schedule: Schedule,
        *,
        seed: int,
        name: str,
        where: str = "training",
    ) -> None:
        self.device = mosaics["train"].device
        self.network, self.objective = network.to(self.device), objective.to(self.device)
        if schedule.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.mosaics, self.schedule = mosaics, schedule
        self.seed, self.name, self.where = seed, name, where
        self.parameters = [*self.network.parameters(), *self.objective.parameters()]
        self.optimiser = schedule.made(self.parameters)
        self.total, self.finished_steps = schedule.steps, 0
        self.history: list[dict[str, Any]] = []
        self.losses: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}
        self.pairs = {
            split: draw_pairs(
                made.label_count,
                schedule.evaluation_pairs,
                seed=seed,
                name=f"{name} {split}",
                repeated=made.task.labels == "classes",
            )
            for split, made in mosaics.items()
        }

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        last = "".join(
            f" | {row['split']}: recall {row['recall_at_0']:.3f}, within 2 {row['recall_at_2']:.3f}, "
            f"precision {row['precision_at_0']:.3f}, worst triple {row['entropy_worst_3']:.2f} bits"
            for row in self.history[-2:]
        )
        return f"step {self.finished_steps} of {self.total}{last}"

    def step(self) -> None:
        """Take one step of the optimiser, and evaluate the network if an evaluation is due."""
        step, schedule = self.finished_steps, self.schedule
        made = self.mosaics["train"]
        batch = self.objective.draw(self._stream("labels", step), schedule.micro_batches * schedule.pairs)
        views = [
            made.views(labels.ravel(), made.draw(self._source("views", step, part), labels.size))
            for part, labels in enumerate(np.split(batch.labels, schedule.micro_batches))
        ]
        self.network.train()
        with torch.set_grad_enabled(schedule.forward == "once"):
            outputs = [self._logits(shown) for shown in views]
        logits = torch.cat(outputs).detach().unflatten(0, (-1, 2)).requires_grad_()
        self.network.zero_grad()
        if not self.objective.keeps_gradient:
            self.objective.zero_grad()
        targets = torch.from_numpy(np.ascontiguousarray(batch.targets)).to(self.device)
        terms = self.objective(logits, targets, step, self._source("objective", step))
        loss = torch.stack(list(terms.values())).sum()
        loss.backward()
        gradients = logits.grad.flatten(0, 1).split([len(shown) for shown in views])
        if schedule.forward == "once":
            with gradient_arithmetic(schedule.precision):
                torch.autograd.backward(outputs, gradients)
        else:
            with self._second_pass():
                for shown, gradient in zip(views, gradients):
                    again = self._logits(shown)
                    with gradient_arithmetic(schedule.precision):
                        again.backward(gradient)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        # All numbers of a step come from a GPU together, since each time it would wait for the next step's work.
        lost, steepness, *values = torch.stack([loss.detach(), norm, *(v.detach() for v in terms.values())]).tolist()
        self._check(lost, "the loss")
        self._check(steepness, "the gradient")
        torch.nn.utils.clip_grad_value_(self.parameters, schedule.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        self.optimiser.step()
        for term, value in {"loss": lost, **dict(zip(terms, values))}.items():
            self.sums[term] = self.sums.get(term, 0.0) + value
        self.finished_steps += 1
        if self.done or self.finished_steps % schedule.evaluate_every == 0:
            self._evaluate()

    def _logits(self, views: torch.Tensor) -> torch.Tensor:
        if self.schedule.channels_last:
            views = views.contiguous(memory_format=torch.channels_last)
        with arithmetic(self.schedule.precision, self.device):
            return self.network(views)

    @contextmanager
    def _second_pass(self) -> Iterator[None]:
        """Run a second pass; if `forward` is "recomputed", undo its update of BatchNorm's running statistics.

        The first pass has updated them already; the public loop ("twice") updates them again.
        """
        before = [buffer.clone() for buffer in self.network.buffers()]
        yield
        if self.schedule.forward == "recomputed":
            for buffer, value in zip(self.network.buffers(), before):
                buffer.copy_(value)

    def _check(self, value: float, what: str) -> None:
        """Raise an InputError if a value is not finite, before it reaches the parameters or a saved state."""
        if not math.isfinite(value):
            norm = torch.nn.utils.get_total_norm([p.detach() for p in self.parameters]).item()
            raise InputError(
                f"{self.where}: {what} is {value} at step {self.finished_steps} of the objective "
                f"{type(self.objective).__name__} (norm of the parameters {norm:.4g}); the state saved before is kept. "
                "Try a smaller learning_rate or clip"
            )

    def _evaluate(self) -> None:
        self.network.eval()
        steps = self.finished_steps - (self.history[-1]["step"] if self.history else 0)
        means = {term: total / steps for term, total in self.sums.items()}
        self.losses += [{"step": self.finished_steps, "term": term, "mean": mean} for term, mean in means.items()]
        for split, made in self.mosaics.items():
            seen = see_triplets(
                self._logits, made, self.pairs[split], seed=self.seed, name=f"{self.name} {split} evaluation"
            )
            numbers = {**summary(seen), "pairs": len(self.pairs[split])}
            row = {"step": self.finished_steps, "split": split, **numbers}
            self.history.append({**row, "loss": means["loss"] if split == "train" else None})
        self.sums = {}

    def _stream(self, *names: object) -> np.random.Generator:
        return stream(self.seed, "equihash", "training", self.name, *names)

    def _source(self, *names: object) -> StreamSource | DeviceSource:
        """Return the source of a step's random numbers: the same numbers on every CPU, drawn on the device on a GPU."""
        if self.device.type == "cpu":
            return StreamSource(self._stream(*names))
        return DeviceSource.of(self.seed, "training", self.name, *names, device=self.device)

    def state(self) -> State:
        tensors = {
            **{f"network.{name}": value for name, value in self.network.state_dict().items()},
            **{f"objective.{name}": value for name, value in self.objective.state_dict().items()},
        }
        tensors |= moments(self.optimiser, self._named)
        if self.objective.keeps_gradient:
            kept = {name: parameter.grad for name, parameter in self.objective.named_parameters()}
            tensors |= {f"gradient.{name}": gradient for name, gradient in kept.items() if gradient is not None}
        values = {name: getattr(self, name) for name in ("finished_steps", "history", "losses", "sums")}
        return tensors, values

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        for part, module in (("network.", self.network), ("objective.", self.objective)):
            module.load_state_dict({n.removeprefix(part): t for n, t in tensors.items() if n.startswith(part)})
        for name, parameter in self.objective.named_parameters():
            if (kept := tensors.get(f"gradient.{name}")) is not None:
                parameter.grad = torch.empty_like(parameter).copy_(kept)
        restore_moments(self.optimiser, self._named, tensors)

    @property
    def _named(self) -> dict[str, torch.Tensor]:
        modules = {"network": self.network, "objective": self.objective}
        return {f"{part}.{name}": p for part, module in modules.items() for name, p in module.named_parameters()}


@dataclass(frozen=True)
class Training:
    """What a trained network depends on besides its input files.

    Attributes:
        keys: task, model, variant.
        task: as `Task.of` takes it.
        network, bits: as `build_network` takes them.
        objective, settings: its name and all its settings.
        schedule: the fields of `Schedule`.
        seed: of all random streams.
    """

    keys: dict[str, Any]
    task: dict[str, Any]
    network: str
    bits: int
    objective: str
    settings: dict[str, Any]
    schedule: dict[str, Any]
    seed: int


def train_hash(
    bank: str | Path,
    perlin: str | Path | None,
    weights: str | Path,
    history: str | Path,
    losses: str | Path,
    training: Training,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train a network and write its weights (safetensors), history and losses (CSV); a killed training is resumed.

    Columns of history: keys, seed, step, split, the numbers of `rehash.equihash.learning.triplets.summary`, pairs, and
    the train split's loss, a mean since the last evaluation. Columns of losses: keys, seed, step, term, mean, for the
    loss and each of its terms.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.

    Raises:
        InputError: names, numbers or files do not fit, or a loss or gradient is not finite.
    """
    target, task, keys, seed = compute.start(), Task.of(training.task), training.keys, training.seed
    banks = {split: Bank.open(bank, split) for split in SPLITS}
    mosaics = Mosaics.open_all(task, banks, perlin, target)
    identity = {
        **vars(training), **view_dependencies(training.task, banks["train"], perlin), "shape": list(task.shape),
        "device": target.type, "threads": compute.threads,
    }  # fmt: skip
    make = objectives.load(training.objective)
    job = HashTraining(
        build_network(training.network, training.bits, task.shape, seed=seed, names=(keys["task"],)),
        make(training.bits, mosaics["train"].label_count, seed, mosaic_images=task.images, **training.settings),
        mosaics,
        Schedule(**training.schedule),
        seed=seed,
        name=keys["task"],
        where=" ".join([*map(str, keys.values()), f"seed {seed}"]),
    )
    with finished(job, weights, identity, saving, target, title=job.where) as notes:
        first = {**keys, "seed": seed}
        for rows, path in ((job.history, history), (job.losses, losses)):
            write_csv(pd.DataFrame([{**first, **row} for row in rows]), path)
        write_network(weights, job.network, identity)
        return {**notes, "digests": view_digests(banks["train"], perlin)}
