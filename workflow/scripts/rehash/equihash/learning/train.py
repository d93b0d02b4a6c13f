"""The training job: a bank and a model's settings go in, a network's weights and its history come out."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics, view_dependencies, view_digests
from rehash.equihash.images.noise import DeviceSource, StreamSource
from rehash.equihash.images.task import Task
from rehash.equihash.learning import UNTRAINED_BATCHES, objectives
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.checkpoints import Checkpoints
from rehash.equihash.learning.diagnostics import (
    Watched,
    clipped_share,
    diagnose,
    distance_histograms,
    histogram_table,
    largest,
    saturation,
)
from rehash.equihash.learning.objectives.base import Batch, Objective
from rehash.equihash.learning.optimisers import check_optimiser, make_optimiser
from rehash.equihash.learning.precision import arithmetic, check_precision, gradient_arithmetic
from rehash.equihash.learning.triplets import draw_pairs, see_triplets, summary
from rehash.equihash.learning.weights import misfits, read_network, write_network
from rehash.errors import InputError, unknown
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import file_digest, write_csv
from rehash.training import Compute, State, device_kind, finished, moments, restore_moments, set_fast

SPLITS = ("train", "valid")
FORWARDS = ("once", "recomputed", "twice")
log = logging.getLogger("rehash")


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        steps: the number of steps of the optimiser.
        micro_batches, pairs: a step shows micro_batches x pairs pairs. BatchNorm sees one micro-batch at a time, both
            views of its pairs; the loss sees them all.
        optimiser: "adam", with torch's defaults except for what is said here, or "sgd" with this `momentum`; or another
            class of torch.optim by its name, with torch's defaults. optimiser_arguments: more keyword arguments of it.
        learning_rate: 0 trains nothing but BatchNorm's running statistics, and computes no gradient. From each of
            `milestones` on, a number of finished steps, it is multiplied by `decay` once more.
        weight_decay: of adam and sgd; its product with each parameter, those of BatchNorm and of the objective too, is
            added to the clipped gradient (torch's).
        clip: gradients are clipped to plus and minus this, element by element.
        forward: "once" holds all activations of a step. "recomputed" computes the logits first and then each
            micro-batch again for its gradient, so that memory holds one micro-batch; the numbers are the same. "twice"
            does this as the public loops of ShannonHamming and HashNetShannon do, where the second pass updates
            BatchNorm's running statistics again; those of HashNet and JMLH run once.
        precision: what the network computes in, but for its last layers (`rehash.equihash.learning.precision`).
        channels_last: the layout of activations.
        deterministic: whether a GPU computes in one way, so that a run can be repeated to the byte.
        evaluate_every: steps between evaluations. evaluation_pairs: triplets in an evaluation.
    """

    steps: int = 100_000
    micro_batches: int = 8
    pairs: int = 256
    optimiser: str = "adam"
    optimiser_arguments: Mapping[str, Any] = field(default_factory=dict)
    momentum: float = 0.9
    learning_rate: float = 1e-3
    milestones: Sequence[int] = ()
    decay: float = 0.1
    weight_decay: float = 0.0
    clip: float = 10.0
    forward: str = "once"
    precision: str = "float32"
    channels_last: bool = True
    deterministic: bool = True
    evaluate_every: int = 1000
    evaluation_pairs: int = 1000

    def __post_init__(self) -> None:
        """Raise an InputError for an unknown `forward` mode, optimiser or precision."""
        check_precision(self.precision, "training")
        if self.forward not in FORWARDS:
            raise unknown("forward", self.forward, FORWARDS, "training")
        check_optimiser(self.optimiser, self.optimiser_arguments, self.weight_decay, "training")

    def rate(self, step: int) -> float:
        """Return the learning rate after so many finished steps."""
        return self.learning_rate * self.decay ** sum(step >= milestone for milestone in self.milestones)

    def made(self, parameters: Sequence[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimiser of parameters."""
        return make_optimiser(
            self.optimiser,
            parameters,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            arguments=self.optimiser_arguments,
        )


class HashTraining:
    """A network and an objective, as one resumable job (see rehash.training.run).

    Each step has its own random streams for its labels, its views and the objective, so a restart needs to know only
    the number of finished steps to draw the same numbers.

    Args:
        mosaics: by split, train and valid.
        seed: of all streams. name: the task's name, which is part of the streams' names; models of one task and seed
            are shown the same labels and views if their objectives draw labels alike.
        where: names this training in error messages.
        checkpoints: keeps the networks of some steps.
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
        checkpoints: Checkpoints | None = None,
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
        self.diagnostics: list[dict[str, Any]] = []
        self.histograms: list[dict[str, Any]] = []
        self.watched, self.checkpoints = Watched(), checkpoints
        self.pairs = {
            split: draw_pairs(
                made.label_count,
                schedule.evaluation_pairs,
                seed=seed,
                name=f"{name} {split}",
                repeated=made.task.of_what != "images",
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
        asked = self.checkpoints and 0 in self.checkpoints.steps
        if not step and not self.history and (schedule.learning_rate or asked):
            self._see_untrained()
        due = step + 1 == self.total or (step + 1) % schedule.evaluate_every == 0
        batch, views = self._shown(step)
        self.network.train()
        # Without a learning rate only BatchNorm's running statistics change, for which no gradient is needed.
        learns = schedule.learning_rate > 0
        with torch.set_grad_enabled(learns and schedule.forward == "once"):
            outputs = [self._logits(shown) for shown in views]
        logits = torch.cat(outputs).detach().unflatten(0, (-1, 2)).requires_grad_()
        targets = torch.from_numpy(np.ascontiguousarray(batch.targets)).to(self.device)
        terms = self.objective(logits, targets, step, self._source("objective", step))
        loss = torch.stack(list(terms.values())).sum()
        seen = diagnose(terms, logits, batch.labels, self.objective.beta(step)) if due else ([], [])
        steep = self._gradient(loss, logits, outputs, views) if learns else []
        if not learns and schedule.forward == "twice":
            self._again(views)
        # All numbers of a step come from a GPU together, since each time it would wait for the next step's work.
        sizes = [torch.nn.utils.get_total_norm(steep), largest(steep)] if learns else []
        numbers = [loss.detach(), *saturation(logits), *(value.detach() for value in terms.values()), *sizes]
        lost, saturated, largest_logit, *values = torch.stack(numbers).tolist()
        self._check(lost, "the loss")
        self.watched.add(saturated=saturated, largest_logit=largest_logit)
        if learns:
            steepness, steepest = values[len(terms) :]
            self._check(steepness, "the gradient")
            clipped = clipped_share(steep, schedule.clip) if steepest > schedule.clip else 0.0
            self.watched.add(clipped=clipped, largest_gradient=steepest)
            torch.nn.utils.clip_grad_value_(self.parameters, schedule.clip)
            for group in self.optimiser.param_groups:
                group["lr"] = schedule.rate(step)
            self.optimiser.step()
        for term, value in {"loss": lost, **dict(zip(terms, values))}.items():
            self.sums[term] = self.sums.get(term, 0.0) + value
        self.finished_steps += 1
        if due:
            rows, histograms = seen
            self.diagnostics += [{"step": self.finished_steps, **row} for row in rows]
            self.diagnostics += self.watched.taken(self.finished_steps)
            self.histograms += [{"step": self.finished_steps, "split": "train", **found} for found in histograms]
            self._evaluate()
        self._keep()

    def _gradient(
        self, loss: torch.Tensor, logits: torch.Tensor, outputs: list[torch.Tensor], views: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Compute and return the gradient of a step's loss by all parameters.

        Args:
            logits: (pairs, 2, bits), of which the loss was computed. outputs: the network's, one for each of views.
        """
        self.network.zero_grad()
        if not self.objective.keeps_gradient:
            self.objective.zero_grad()
        loss.backward()
        gradients = logits.grad.flatten(0, 1).split([len(shown) for shown in views])
        if self.schedule.forward == "once":
            with gradient_arithmetic(self.schedule.precision):
                torch.autograd.backward(outputs, gradients)
        else:
            self._again(views, gradients)
        return [p.grad for p in self.parameters if p.grad is not None]

    def _again(self, views: list[torch.Tensor], gradients: Sequence[torch.Tensor] = ()) -> None:
        """Run the second pass over a step's views, for their logits' gradients if these are given.

        If `forward` is "recomputed", its update of BatchNorm's running statistics is undone: the first pass has updated
        them already. The public loop ("twice") updates them again.
        """
        before = [buffer.clone() for buffer in self.network.buffers()]
        for part, shown in enumerate(views):
            with torch.set_grad_enabled(len(gradients) > 0):
                again = self._logits(shown)
            if len(gradients):
                with gradient_arithmetic(self.schedule.precision):
                    again.backward(gradients[part])
        if self.schedule.forward == "recomputed":
            for buffer, value in zip(self.network.buffers(), before):
                buffer.copy_(value)

    def _shown(self, step: int) -> tuple[Batch, list[torch.Tensor]]:
        """Return the labels and targets of a step, and its views, a tensor for each micro-batch."""
        made, parts = self.mosaics["train"], self.schedule.micro_batches
        batch = self.objective.draw(self._stream("labels", step), parts * self.schedule.pairs)
        views = [
            made.views(labels.ravel(), made.draw_pairs(self._source("views", step, part), labels))
            for part, labels in enumerate(np.split(batch.labels, parts))
        ]
        return batch, views

    def _see_untrained(self) -> None:
        """Evaluate, and perhaps keep, the network before its first step; it is left as it was.

        BatchNorm has no running statistics yet, without which most bits would be constant. So they are learned from the
        first steps' views, as the variant `untrained` learns them, and forgotten again.
        """
        before = [buffer.clone() for buffer in self.network.buffers()]
        self.network.train()
        for step in range(-(-UNTRAINED_BATCHES // self.schedule.micro_batches)):
            _, views = self._shown(step)
            with torch.no_grad():
                for shown in views * (2 if self.schedule.forward == "twice" else 1):
                    self._logits(shown)
        self._evaluate()
        self._keep()
        for buffer, value in zip(self.network.buffers(), before):
            buffer.copy_(value)

    def _keep(self) -> None:
        if self.checkpoints:
            self.checkpoints.keep(self.finished_steps, self.network)

    def _logits(self, views: torch.Tensor) -> torch.Tensor:
        if self.schedule.channels_last:
            views = views.contiguous(memory_format=torch.channels_last)
        with arithmetic(self.schedule.precision, self.device):
            return self.network(views)

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
        steps = self.finished_steps - (self.history[-1]["step"] if self.history else 0)  # 0 before the first
        means = {term: total / steps for term, total in self.sums.items()}
        self.losses += [{"step": self.finished_steps, "term": term, "mean": mean} for term, mean in means.items()]
        for split, made in self.mosaics.items():
            seen = see_triplets(
                self._logits, made, self.pairs[split], seed=self.seed, name=f"{self.name} {split} evaluation"
            )
            numbers = {**summary(seen), "pairs": len(self.pairs[split])}
            place = {"step": self.finished_steps, "split": split}
            self.history.append({**place, **numbers, "loss": means.get("loss") if split == "train" else None})
            bits = seen.first.shape[1]
            self.histograms += [{**place, **h} for h in distance_histograms(seen.same, seen.different, bits)]
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
            summed = {name: parameter.grad for name, parameter in self.objective.named_parameters()}
            tensors |= {f"gradient.{name}": gradient for name, gradient in summed.items() if gradient is not None}
        kept = ("finished_steps", "history", "losses", "sums", "diagnostics", "histograms")
        values = {name: getattr(self, name) for name in kept}
        return tensors, {**values, "watched": self.watched.sums}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        if self.checkpoints and (lacking := self.checkpoints.lacking(values["finished_steps"])):
            log.warning(
                "%s: its saved state is of step %d, and the networks of the steps %s, now asked for, were not kept; "
                "starting anew",
                self.where,
                values["finished_steps"],
                ", ".join(map(str, lacking)),
            )
            return
        self.watched.sums = values["watched"]
        values = {name: value for name, value in values.items() if name != "watched"}
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
        network, bits, batch_norm: as `build_network` takes them.
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
    batch_norm: bool = True

    @property
    def identity(self) -> dict[str, Any]:
        """Return all of it; without `batch_norm` where that is as it always was, so that no earlier network changes."""
        return {key: value for key, value in vars(self).items() if key != "batch_norm" or not value}


def train_hash(
    bank: str | Path,
    perlin: str | Path | None,
    weights: str | Path,
    history: str | Path,
    losses: str | Path,
    training: Training,
    compute: Compute,
    saving: Saving,
    *,
    start: str | Path | None = None,
    steps: Sequence[int] = (),
    checkpoints: str | Path | None = None,
    diagnostics: str | Path | None = None,
    histograms: str | Path | None = None,
) -> dict[str, Any]:
    """Train a network and write its weights (safetensors), history and losses (CSV); a killed training is resumed.

    Columns of history: keys, seed, step, split, the numbers of `rehash.equihash.learning.triplets.summary`, pairs, and
    the train split's loss, a mean since the last evaluation; its first rows are of step 0, before any training, unless
    the learning rate is 0. Columns of losses: keys, seed, step, term, mean, for the loss and each of its terms.

    Args:
        start: the network whose weights and running statistics the training starts from, a file of
            `rehash.equihash.learning.weights`, in place of random ones.
        steps: of whose networks `checkpoints` is made (see `Checkpoints.pack`); 0 is the network before training, with
            running statistics of its own (`UNTRAINED_BATCHES`).
        diagnostics: a table of keys, seed, step, quantity, of, statistic and value: those of
            `rehash.equihash.learning.diagnostics.diagnose` of the step before each evaluation, and the mean and the
            most since the last one of `clipped` (the share of the elements of the gradient that were clipped),
            `largest_gradient`, `saturated` (the share of logits beyond 9) and `largest_logit`; the first two only if
            there is a learning rate, without which no gradient is computed.
        histograms: a table of keys, seed and `rehash.equihash.learning.diagnostics.histogram_table`.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.

    Raises:
        InputError: names, numbers or files do not fit, or a loss or gradient is not finite.
    """
    target, task, keys, seed = compute.start(), Task.of(training.task), training.keys, training.seed
    schedule = Schedule(**training.schedule)
    if not schedule.deterministic:
        set_fast()
    banks = {split: Bank.open(bank, split) for split in SPLITS}
    mosaics = Mosaics.open_all(task, banks, perlin, target)
    identity = {
        **training.identity, **view_dependencies(training.task, banks["train"], perlin), "shape": list(task.shape),
        "device": target.type, "threads": compute.threads, **({"start": file_digest(start)} if start else {}),
    }  # fmt: skip
    make = objectives.load(training.objective)
    network = build_network(
        training.network, training.bits, task.shape, seed=seed, names=(keys["task"],), batch_norm=training.batch_norm
    )
    if start:
        _start_from(network, start, training.network)
    kept = Checkpoints(weights, steps, identity, device_kind(target))
    job = HashTraining(
        network,
        make(training.bits, mosaics["train"].label_count, seed, mosaic_images=task.images, **training.settings),
        mosaics,
        schedule,
        seed=seed,
        name=keys["task"],
        where=" ".join([*map(str, keys.values()), f"seed {seed}"]),
        checkpoints=kept,
    )
    with finished(job, weights, identity, saving, target, title=job.where) as notes:
        tables = [(pd.DataFrame(job.history), history), (pd.DataFrame(job.losses), losses)]
        tables += [(pd.DataFrame(job.diagnostics), diagnostics), (histogram_table(job.histograms), histograms)]
        for table, path in tables:
            if path:
                for place, (column, value) in enumerate({**keys, "seed": seed}.items()):
                    table.insert(place, column, value)
                write_csv(table, path)
        if checkpoints:
            kept.pack(checkpoints)
        write_network(weights, job.network, identity)
        return {**notes, "digests": view_digests(banks["train"], perlin)}


def _start_from(network: torch.nn.Module, path: str | Path, name: str) -> None:
    """Give a network the weights of a file.

    Raises:
        InputError: the file is no network, or not one of the same parameters; names what differs.
    """
    other, about = read_network(path, torch.device("cpu"))
    if wrong := misfits(network.state_dict(), other.state_dict()):
        found = f"{about['network']} of {about['bits']} bits"
        raise InputError(f"{path}: start: its network, {found}, does not fit {name}: {'; '.join(wrong[:4])}")
    network.load_state_dict(other.state_dict())
