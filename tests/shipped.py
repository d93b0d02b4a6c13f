"""The first steps of a training, for the networks that come with rehash."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.task import Task
from rehash.equihash.learning import objectives
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.train import SPLITS, HashTraining, Schedule
from rehash.training import Compute


def first_losses(bank: Path, training: dict[str, Any], name: str, steps: int) -> list[float]:
    """The loss of each of the first steps of a training, as train_hash takes them, on one thread of a CPU.

    training: the parameters of the rule train_hash, from a provenance. name: of its task.
    """
    target, task = Compute("cpu").start(), Task.of(training["task"])
    mosaics = Mosaics.open_all(task, {split: Bank.open(bank, split) for split in SPLITS}, None, target)
    seed, bits = training["seed"], training["bits"]
    make = objectives.load(training["objective"])
    schedule = {**training["schedule"], "steps": steps + 1, "evaluate_every": steps + 1, "milestones": []}
    job = HashTraining(
        build_network(training["network"], bits, task.shape, seed=seed, names=(name,)),
        make(bits, mosaics["train"].label_count, seed, mosaic_images=task.images, **training["settings"]),
        mosaics,
        Schedule(**schedule),
        seed=seed,
        name=name,
    )
    sums = [0.0]
    for _ in range(steps):
        job.step()
        sums.append(job.sums["loss"])
    return [after - before for before, after in pairwise(sums)]
