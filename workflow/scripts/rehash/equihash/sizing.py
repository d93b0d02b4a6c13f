"""What jobs on networks of this wing ask for: run time and memory, by the views that they show."""

from __future__ import annotations

from rehash.equihash.models import run_params, shape_of, weights
from rehash.equihash.plan import block
from rehash.graph import minutes


def _views(config: dict, task: str, schedule: dict) -> float:
    """Views of a training in millions of 56 x 56 pixels."""
    _, height, width = shape_of(config, task)
    return schedule["steps"] * schedule["micro_batches"] * 2 * schedule["pairs"] * height * width / 56**2 / 1e6


def training_minutes(config: dict, task: str, model: str, variant: str, seed: str, attempt: int) -> int:
    """A generous run time limit: 8 ms a view of 56 x 56 on a CPU, 30 times faster on a GPU."""
    schedule = run_params(config, task, model, variant, seed)["schedule"]
    speed = 3e-4 if config["device"] == "cuda" else 8e-3
    return minutes(_views(config, task, schedule) * 1e6 * speed / 60, attempt)


def training_mb(config: dict, task: str, model: str, variant: str, seed: str, attempt: int) -> int:
    """Memory of a training: activations of a step (one micro-batch of it, unless they are all held), and its tuples."""
    schedule = run_params(config, task, model, variant, seed)["schedule"]
    _, height, width = shape_of(config, task)
    held = 2 * schedule["pairs"] * (schedule["micro_batches"] if schedule["forward"] == "once" else 1)
    return int((3000 + held * height * width * 400 / 1e6) * attempt)


def distance_minutes(config: dict, task: str, attempt: int) -> int:
    """A generous run time limit: 8 ms a view of 56 x 56."""
    _, height, width = shape_of(config, task)
    views = 3 * config["equihash"]["distances"]["triplets"] * len(weights(config, task))
    return minutes(views * height * width / 56**2 * 8e-3 / 60, attempt)


def evaluation_minutes(config: dict, database: str, attempt: int) -> int:
    """A generous run time limit: 8 ms an item and query."""
    found = block(config, "databases", database)
    return minutes((found["items"] + found["positives"] + found["negatives"]) * 8e-3 / 60, attempt)


def evaluation_mb(config: dict, database: str, attempt: int) -> int:
    """Memory to hold a database's fingerprints and labels, about 100 bytes an item."""
    return int((3000 + block(config, "databases", database)["items"] * 100 / 1e6) * attempt)
