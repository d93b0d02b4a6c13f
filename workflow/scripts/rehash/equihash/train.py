"""The training job: a bank and a model's settings in, a network's weights and its history out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.equihash import objectives
from rehash.equihash.banks import Bank
from rehash.equihash.draws import DeviceSource, StreamSource
from rehash.equihash.mosaics import Mosaics
from rehash.equihash.networks import build_network
from rehash.equihash.objective import Objective
from rehash.equihash.task import Task
from rehash.equihash.triplets import draw_pairs, see_triplets, summary
from rehash.equihash.views import identity, open_mosaics
from rehash.equihash.weights import write_network
from rehash.errors import InputError, unknown
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.training import State, StateFile, resolve_device, run, set_reproducible

SPLITS = ("train", "valid")
FORWARDS = ("once", "recomputed", "twice")


@dataclass(frozen=True)
class Schedule:
    """How a network is trained (Adam, torch's defaults but for the rate).

    Attributes:
        steps: of the optimiser.
        micro_batches, pairs: a step shows micro_batches x pairs pairs. BatchNorm sees one micro-batch at a time, both
            views of its pairs; the loss sees them all.
        learning_rate: 0 trains nothing but BatchNorm's running statistics.
        clip: gradients are clipped to plus and minus this, element by element.
        forward: once, all activations of a step are held. recomputed: the logits first, then each micro-batch again for
            its gradient, so that memory holds one; the same numbers. twice: the same as the public loops of
            ShannonHamming and HashNetShannon do it, in which the second pass, too, updates BatchNorm's running
            statistics; those of HashNet and JMLH run once.
        bfloat16: matrix products of the network in bfloat16 (autocast). channels_last: the layout of activations.
        evaluate_every: steps between evaluations. evaluation_pairs: triplets in one.
    """

    steps: int = 100_000
    micro_batches: int = 8
    pairs: int = 256
    learning_rate: float = 1e-3
    clip: float = 10.0
    forward: str = "once"
    bfloat16: bool = False
    channels_last: bool = True
    evaluate_every: int = 1000
    evaluation_pairs: int = 1000

    def __post_init__(self) -> None:
        """Raise an InputError for a way to go forward that there is not."""
        if self.forward not in FORWARDS:
            raise unknown("forward", self.forward, FORWARDS, "training")


class HashTraining:
    """A network and an objective, as one resumable job (see rehash.training.run).

    Each step has its own random streams, for its labels, for its views and for the objective; so the number of finished
    steps says all about chance that a restart has to know.

    Args:
        mosaics: by split, train and valid.
        seed: of all streams. name: of the task, which is part of their names; models of one task and seed meet the same
            labels and views, if they ask for the same.
        where: says which training this is, in errors.
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
        self.optimiser = torch.optim.Adam(self.parameters, lr=schedule.learning_rate)
        self.total, self.finished_steps = schedule.steps, 0
        self.history: list[dict[str, Any]] = []
        self.losses: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}
        self.pairs = {
            split: draw_pairs(
                made.task.label_count(made.pictures), schedule.evaluation_pairs, seed=seed, name=f"{name} {split}"
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
        """One step of the optimiser."""
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
        self._check(loss, "the loss")
        loss.backward()
        gradients = logits.grad.flatten(0, 1).split([len(shown) for shown in views])
        if schedule.forward == "once":
            torch.autograd.backward(outputs, gradients)
        else:
            with self._second_pass():
                for shown, gradient in zip(views, gradients):
                    self._logits(shown).backward(gradient)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        self._check(norm, "the gradient")
        torch.nn.utils.clip_grad_value_(self.parameters, schedule.clip)
        self.optimiser.step()
        for term, value in {"loss": loss, **terms}.items():
            self.sums[term] = self.sums.get(term, 0.0) + value.item()
        self.finished_steps += 1
        if self.done or self.finished_steps % schedule.evaluate_every == 0:
            self._evaluate()

    def _logits(self, views: torch.Tensor) -> torch.Tensor:
        if self.schedule.channels_last:
            views = views.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.bfloat16):
            return self.network(views).float()

    @contextmanager
    def _second_pass(self) -> Iterator[None]:
        """Where activations are recomputed, BatchNorm has had its update already; the public loop gives it another."""
        before = [buffer.clone() for buffer in self.network.buffers()]
        yield
        if self.schedule.forward == "recomputed":
            for buffer, value in zip(self.network.buffers(), before):
                buffer.copy_(value)

    def _check(self, value: torch.Tensor, what: str) -> None:
        """Stop before a NaN gets into the parameters; the saved state has none."""
        if not torch.isfinite(value):
            norm = torch.nn.utils.get_total_norm([p.detach() for p in self.parameters]).item()
            raise InputError(
                f"{self.where}: {what} is {value.item()} at step {self.finished_steps} of the objective "
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
        """Random numbers of a step: the same everywhere on a CPU, drawn on the device on a GPU."""
        if self.device.type == "cpu":
            return StreamSource(self._stream(*names))
        return DeviceSource.of(self.seed, "training", self.name, *names, device=self.device)

    def state(self) -> State:
        tensors = {
            **{f"network.{name}": value for name, value in self.network.state_dict().items()},
            **{f"objective.{name}": value for name, value in self.objective.state_dict().items()},
        }
        for number, parameter in enumerate(self.parameters):
            for name, value in self.optimiser.state[parameter].items():
                tensors[f"adam.{number}.{name}"] = value
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
        for number, parameter in enumerate(self.parameters):
            held = {name: tensors.get(f"adam.{number}.{name}") for name in ("step", "exp_avg", "exp_avg_sq")}
            if held["step"] is not None:
                moments = ("exp_avg", "exp_avg_sq")
                # As Adam makes them: beside the parameter, in its layout; the step count stays on the CPU.
                like = {name: torch.empty_like(parameter).copy_(held[name]) for name in moments}
                self.optimiser.state[parameter] = {"step": held["step"], **like}


def train_hash(
    bank: str | Path,
    perlin: str | Path | None,
    weights: str | Path,
    history: str | Path,
    losses: str | Path,
    *,
    keys: dict[str, Any],
    task: dict[str, Any],
    network: str,
    bits: int,
    objective: str,
    settings: dict[str, Any],
    schedule: dict[str, Any],
    seed: int,
    device: str,
    threads: int,
    code: str = "",
    on_code_change: str = "restart",
    save_every_s: float = 30,
) -> dict[str, Any]:
    """Train a network, write its weights (safetensors), its history and its losses (CSV); killed, it goes on.

    The saved state stays until `rehash.training.discard_state` is called for `weights`.

    history: keys, seed, step, split, the numbers of `rehash.equihash.triplets.summary`, pairs, and the train split's
    loss, a mean since the last evaluation. losses: keys, seed, step, term, mean, for the loss and each of its terms.

    Args:
        keys: task, model, variant. task: see `Task.of`. schedule: the fields of `Schedule`. settings: of the objective.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes.

    Raises:
        InputError: names, numbers or files that do not fit, or a loss that is no number.
    """
    set_reproducible(threads)
    target, kind, plan = resolve_device(device), Task.of(task), Schedule(**schedule)
    banks = {split: Bank.open(bank, split) for split in SPLITS}
    mosaics = {split: open_mosaics(kind, banks[split], perlin, target) for split in SPLITS}
    about = {
        **identity(task, banks["train"], perlin), "keys": keys, "network": network, "bits": bits,
        "shape": list(kind.shape), "objective": objective, "settings": settings, "schedule": schedule, "seed": seed,
        "device": target.type, "threads": threads,
    }  # fmt: skip
    label_count = kind.label_count(mosaics["train"].pictures)
    job = HashTraining(
        build_network(network, bits, kind.shape, seed=seed, names=(keys["task"],)),
        objectives.load(objective)(bits, label_count, seed, mosaic_cells=kind.cells, **settings),
        mosaics,
        plan,
        seed=seed,
        name=keys["task"],
        where=" ".join([*map(str, keys.values()), f"seed {seed}"]),
    )
    with StateFile(weights, about, code, on_code_change) as state:
        run(job, state, save_every_s=save_every_s, title=job.where)
        first = {**keys, "seed": seed}
        for rows, path in ((job.history, history), (job.losses, losses)):
            write_csv(pd.DataFrame([{**first, **row} for row in rows]), path)
        write_network(weights, job.network, about)
        return {
            "device": str(target),
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }
