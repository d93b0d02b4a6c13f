"""What is held out: a new task that starts from a known modulation, and one-shot learning of a task and of a class.

Of a benchmark whose modulations are trained, some tasks count as new: known are the modulations of the others, which
do not depend on them. A new task is trained twice, from its own random start and from the modulation of the nearest
known task: the one whose classifier is right most often on a few training images of the new task. And it is trained
without the images of the held-out classes, which its modulation so never sees.

One-shot learning shows one training image of each class, in the new task, and assigns a test image to the class of the
most similar response (cosine). A held-out task uses known modulations, a held-out class the one that was trained
without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Dataset, Split
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.cosines import Directions
from rehash.tgsh.flynet import DeviceSplit, correct, respond
from rehash.tgsh.model import UNMODULATED, Model
from rehash.tgsh.modulations import read_digits, run_names
from rehash.tgsh.tasks import class_numbers
from rehash.tgsh.train import FlyNetTraining, Schedule
from rehash.tgsh.transfer import correct_of_each
from rehash.training import Compute, State, finished

SEEN = 1000  # first test images, on which accuracies are measured while a task is trained, and one-shot learning is
SHARE = 0.95  # of the final accuracy
DRAWS = 10  # sets of one training image a class
GROWTH = 1.25  # of the steps between two measurements
STARTS = ("random", "nearest")
WITHOUT = "without"


@dataclass(frozen=True)
class HeldOut:
    """What is held out.

    Attributes:
        tasks: their numbers. classes: their numbers or names. images: training images of a new task on which known
            modulations are tried.
    """

    tasks: list[int]
    classes: list[int | str]
    images: int


def grid(steps: int) -> list[int]:
    """Return the steps after which a training of so many is measured: 0, then ever farther apart, and the last."""
    found = {0, steps}
    step = 1.0
    while step < steps:
        found.add(round(step))
        step *= GROWTH
    return sorted(found)


class HeldOutTraining:
    """Trainings one after the other, as one resumable job; the accuracy of some is measured on the way.

    Args:
        jobs: by name; all have as many tasks, which take their steps one at a time. watched: the names of those that
            are measured, on `test`, whose accuracies are collected in `curve`.
    """

    def __init__(self, jobs: dict[str, FlyNetTraining], watched: Sequence[str], test: DeviceSplit) -> None:
        self.jobs, self.watched, self.test = jobs, watched, test
        self.curve: list[dict[str, Any]] = []
        self.total = sum(job.total for job in jobs.values())

    @property
    def finished_steps(self) -> int:
        return sum(job.finished_steps for job in self.jobs.values())

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def _current(self) -> tuple[str, FlyNetTraining]:
        return next(((name, job) for name, job in self.jobs.items() if not job.done), list(self.jobs.items())[-1])

    def status(self) -> str:
        name, job = self._current()
        return f"{name} | {job.status()}"

    def step(self) -> None:
        """Take one step of the training that is not done, and measure it where its `grid` says so."""
        name, job = self._current()
        steps = job.total // len(job.groups)
        group, before = divmod(job.finished_steps, steps)
        if name in self.watched and before == 0:
            self._measure(name, job, group, 0)
        job.step()
        if name in self.watched and before + 1 in grid(steps):
            self._measure(name, job, group, before + 1)

    def _measure(self, name: str, job: FlyNetTraining, group: int, step: int) -> None:
        repeat, (task,) = job.groups[group]
        decoder = job.classifier(repeat, task)
        right = correct(self.test.images, self.test.labels, job.shown[task], job.networks[repeat], decoder)
        accuracy = right / len(self.test.labels)
        self.curve.append({"repeat": repeat, "task": task, "start": name, "step": step, "accuracy": accuracy})

    def state(self) -> State:
        tensors, values = {}, {}
        for name, job in self.jobs.items():
            own, values[name] = job.state()
            tensors |= {f"{name}/{key}": tensor for key, tensor in own.items()}
        return tensors, {"jobs": values, "curve": self.curve}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.curve = values["curve"]
        for name, job in self.jobs.items():
            own = {key.partition("/")[2]: tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}
            job.restore(own, values["jobs"][name])


def train_held_out(
    dataset: str | Path,
    modulations: str | Path,
    output: dict[str, str | Path],
    held_out: HeldOut,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train the new tasks, and write how fast they learn and what one image a class is worth; it resumes if killed.

    forward: a row per repeat, task and start (random, nearest): `known`, the nearest known task, and its distance;
    accuracy at the start and at the end; steps, until `SHARE` of its own final accuracy is reached; steps_to_same,
    until that share of the random start's is.
    curve: a row per repeat, task, start and step of `grid`: accuracy on the first `SEEN` test images.
    one_shot: a row per repeat, task, what is held out (task, class) and modulation: accuracy, of a held-out class on
    its own images, whose others are accuracy_known; chance. Means over `DRAWS` sets of shown images.

    Args:
        output: the paths of these tables, by these names.

    Raises:
        InputError: a class is unknown, or too few are left (`class_numbers`).
    """
    target, digits = compute.start(), read_digits(dataset)
    model = Model.read(modulations, target)
    where = f"config: tgsh.held_out.{model.keys['dataset']}.classes"
    classes = class_numbers(held_out.classes, digits.class_names, where)
    train = DeviceSplit(digits.train, target)
    test = DeviceSplit(Split(digits.test.images[:SEEN], digits.test.labels[:SEEN]), target)
    known = [task for task in range(len(model.views)) if task not in held_out.tasks]
    nearest = nearest_known(model, train, held_out, known)
    starts = {"random": ("untrained", None), "nearest": ("trained", nearest)}
    jobs = {name: _training(model, held_out.tasks, *start, train, test) for name, start in starts.items()}
    if classes:
        jobs[WITHOUT] = _training(model, held_out.tasks, "untrained", None, train, test, without=classes)
    job = HeldOutTraining(jobs, STARTS, test)
    key = {"modulations": model.identity, "held_out": vars(held_out), "device": target.type, "threads": compute.threads}
    with finished(job, output["forward"], key, saving, target, title=" ".join(model.keys.values())) as notes:
        curve = pd.DataFrame(job.curve)
        curve["task"] = np.array(held_out.tasks)[curve.task]
        forward = _forward(curve, nearest, held_out.tasks, model)
        trained = jobs[WITHOUT] if classes else None
        shots = one_shot(model, digits, held_out.tasks, known, nearest, classes, trained)
        for name, table in {"curve": curve, "one_shot": shots, "forward": forward}.items():
            write_csv(table.assign(**model.keys)[[*model.keys, *table.columns]], output[name])
        return {**notes, "digests": digits.digests}


def nearest_known(model: Model, train: DeviceSplit, held_out: HeldOut, known: list[int]) -> np.ndarray:
    """Return the known task whose modulation is right most often on a few images of each new task, int64 (R, H).

    The first of several that are right as often.
    """
    images, labels = train.images[: held_out.images], train.labels[: held_out.images]
    found = []
    for repeat, net in enumerate(model.networks):
        each = torch.stack([model.classifier("trained", repeat, task) for task in known])
        views = [model.views[task] for task in held_out.tasks]
        found.append([known[correct_of_each(images, labels, view, net, each).argmax()] for view in views])
    return np.array(found)


def _training(
    model: Model,
    tasks: list[int],
    state: str,
    sources: np.ndarray | None,
    train: DeviceSplit,
    test: DeviceSplit,
    without: Sequence[int] = (),
) -> FlyNetTraining:
    """Make a training of tasks that starts from their own modulations in a state, or from those of `sources` (R, H)."""
    own = np.broadcast_to(tasks, (len(model.networks), len(tasks))) if sources is None else sources
    repeats = np.arange(len(own))[:, None]
    parts = {name: model.arrays[f"{name}_{state}"][repeats, own] for name in ("context", "strength")}
    decoder = None
    if "decoder_trained" in model.arrays:
        frozen = model.arrays["decoder"][:, None].repeat(len(tasks), 1)
        decoder = frozen if state == "untrained" else model.arrays["decoder_trained"][repeats, own]
    context, strength = (torch.tensor(part, device=model.device) for part in parts.values())
    head = [label for label in range(model.identity["classes"]) if label not in without]
    return FlyNetTraining(
        *(_of_classes(split, head) for split in (train, test)),
        [model.views[task] for task in tasks],
        model.networks,
        context,
        strength,
        Schedule(**model.identity["schedule"]),
        seed=model.identity["seed"],
        names=(*run_names(model.keys), "held out"),
        modulation=model.identity.get("modulation", "both"),
        decoder=None if decoder is None else torch.tensor(decoder, device=model.device),
        heads=[head] * len(tasks),
    )


def _of_classes(split: DeviceSplit, head: list[int]) -> DeviceSplit:
    """Return the images of some classes, with the places of these in `head` as labels."""
    classes = torch.tensor(head, device=split.labels.device)
    mine = torch.isin(split.labels, classes)
    return split.where(mine, torch.searchsorted(classes, split.labels[mine]))


def _forward(curve: pd.DataFrame, nearest: np.ndarray, tasks: list[int], model: Model) -> pd.DataFrame:
    """Make the table `forward` from the curve."""
    rows = []
    for (repeat, task), both in curve.groupby(["repeat", "task"]):
        known = int(nearest[repeat, tasks.index(task)])
        accuracies = {start: each.set_index("step").accuracy.sort_index() for start, each in both.groupby("start")}
        for start in STARTS:
            own = accuracies[start]
            rows.append(
                {
                    "repeat": repeat, "task": task, "start": start, "known": known,
                    "distance": float(model.distances[known, task]),
                    "accuracy_start": own.iloc[0], "accuracy_final": own.iloc[-1],
                    "steps": steps_to(own, SHARE * own.iloc[-1]),
                    "steps_to_same": steps_to(own, SHARE * accuracies["random"].iloc[-1]),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def steps_to(accuracy: pd.Series, wanted: float) -> float:
    """Return the first step, the index of `accuracy`, at which it is at least what is wanted; NaN if it never is."""
    reached = accuracy.index[accuracy >= wanted]
    return float(reached[0]) if len(reached) else float("nan")


def one_shot(
    model: Model,
    digits: Dataset,
    tasks: list[int],
    known: list[int],
    nearest: np.ndarray,
    classes: list[int],
    trained_without: FlyNetTraining | None,
) -> pd.DataFrame:
    """Measure one-shot learning of each new task, and of the held-out classes in it, with one modulation or another.

    Modulations: unmodulated and untrained (its own, before training), the controls; of a task, nearest, the nearest
    known one, and known, the mean over all known; of a class, without, trained without it; trained, its own.
    """
    train, test = digits.train, DeviceSplit(Split(digits.test.images[:SEEN], digits.test.labels[:SEEN]), model.device)
    kinds, rows = model.identity["classes"], []
    held = torch.isin(test.labels, torch.tensor(classes, device=model.device))
    for repeat, net in enumerate(model.networks):
        rng = stream(model.identity["seed"], "tgsh", *run_names(model.keys), repeat, "one shot")
        chosen = np.stack([rng.choice(np.flatnonzero(train.labels == label), DRAWS) for label in range(kinds)], 1)
        shown = DeviceSplit(Split(train.images[chosen.ravel()], train.labels[chosen.ravel()]), model.device)
        trained, untrained = (model.vectors(state, repeat) for state in ("trained", "untrained"))
        for place, task in enumerate(tasks):
            responses = [respond(model.views[task].inputs(split.images), net).t() for split in (shown, test)]
            vectors = {
                UNMODULATED: torch.ones_like(trained[task])[None], "untrained": untrained[task][None],
                "nearest": trained[nearest[repeat, place]][None], "known": trained[known],
                "trained": trained[task][None],
            }  # fmt: skip
            if trained_without is not None:
                own = trained_without.context[repeat, place] * trained_without.strength[repeat, place]
                vectors[WITHOUT] = own[None]
            for name, each in vectors.items():
                right = torch.stack([_right(*responses, vector, test.labels, kinds) for vector in each]).mean(0)
                keys = {"repeat": repeat, "task": task, "modulation": name, "chance": 1 / kinds}
                if name != WITHOUT:
                    rows.append({**keys, "held_out": "task", "accuracy": float(right.mean()), "accuracy_known": np.nan})
                if classes and name not in ("nearest", "known"):
                    new, old = float(right[held].mean()), float(right[~held].mean())
                    rows.append({**keys, "held_out": "class", "accuracy": new, "accuracy_known": old})
    columns = ["repeat", "task", "held_out", "modulation", "accuracy", "accuracy_known", "chance"]
    return pd.DataFrame(rows)[columns]


def _right(
    shown: torch.Tensor, tested: torch.Tensor, vector: torch.Tensor, labels: torch.Tensor, classes: int
) -> torch.Tensor:
    """Return the share of `DRAWS` sets of shown responses (DRAWS * classes, U) by which each image is right, (N,)."""
    cosines = Directions.of(vector * tested).cosines(Directions.of(vector * shown))
    return (cosines.view(len(labels), DRAWS, classes).argmax(2) == labels[:, None]).float().mean(1)
