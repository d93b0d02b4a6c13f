"""What jobs on networks of this wing ask for: run time and memory, by the views that they show."""

from __future__ import annotations

from rehash.equihash.evaluations import of_task
from rehash.equihash.models import model_config, run_params, shape_of, weights
from rehash.equihash.plan import block, sizes
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


def _share(config: dict, task: str, database: str, parts: str) -> float:
    """Items of one of a database's parts."""
    return of_task(config, task, database)["items"] / int(parts)


def _queries(config: dict, database: str) -> int:
    found = block(config, "databases", database)
    return len(sizes(config, database)) * found["positives"] + found["negatives"] + 3 * found["pairs"]


def shard_minutes(config: dict, *, task: str, database: str, shards: str, attempt: int, **_: str) -> int:
    """A generous run time limit of a shard: see `view_minutes`."""
    return view_minutes(config, task, _share(config, task, database, shards), attempt)


def query_minutes(config: dict, *, task: str, database: str, attempt: int, **_: str) -> int:
    """A generous run time limit of a database's queries: see `view_minutes`."""
    return view_minutes(config, task, _queries(config, database), attempt)


def view_minutes(config: dict, task: str, views: float, attempt: int) -> int:
    """A generous run time limit to encode views: 3 ms one of 56 x 56 pixels on a CPU, 30 times faster on a GPU."""
    _, height, width = shape_of(config, task)
    speed = 1e-4 if config["device"] == "cuda" else 3e-3
    return minutes(views * height * width / 56**2 * speed / 60, attempt)


def shard_mb(config: dict, *, task: str, model: str, database: str, shards: str, attempt: int, **_: str) -> int:
    """Memory of a shard: a network on blocks, and four times the codes and their order."""
    width = model_config(config, task, model)["bits"] // 8
    return int((3000 + _share(config, task, database, shards) * (4 * width + 30) / 1e6) * attempt)


def query_codes_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Memory of a database's queries: a network on blocks, codes, and ids that are relevant."""
    width, found = model_config(config, task, model)["bits"] // 8, block(config, "databases", database)
    ids = len(sizes(config, database)) * found["positives"] * (found["multiplicity"] + 2) * 8
    logits = found["probed"] * width * 64
    return int((3000 + (_queries(config, database) * 6 * width + 3 * ids + logits) / 1e6) * attempt)


def synthetic_mb(
    config: dict, *, task: str, model: str, database: str, attempt: int, shards: str = "1", **_: str
) -> int:
    """Memory to generate fingerprints: of a shard, or of the queries."""
    width = model_config(config, task, model)["bits"] // 8
    views = max(_share(config, task, database, shards), _queries(config, database))
    return int((700 + views * (6 * width + 40) / 1e6) * attempt)


def synthetic_minutes(config: dict, *, task: str, database: str, attempt: int, shards: str = "1", **_: str) -> int:
    """A generous run time limit to generate fingerprints: 10 microseconds each."""
    return minutes((_share(config, task, database, shards) + _queries(config, database)) * 1e-5 / 60, attempt)


def merge_mb(config: dict, *, task: str, model: str, database: str, partitions: str, attempt: int, **_: str) -> int:
    """Memory to merge a partition: an item's code and number, and 12 bytes to sort them; partitions are not equal."""
    width = model_config(config, task, model)["bits"] // 8
    return int((500 + 1.2 * _share(config, task, database, partitions) * (width + 20) / 1e6) * attempt)


def partition_mb(config: dict, *, task: str, model: str, database: str, partitions: str, attempt: int, **_: str) -> int:
    """Memory to evaluate a partition: its codes and keys, the queries, and blocks of both."""
    width, found = model_config(config, task, model)["bits"] // 8, block(config, "databases", database)
    items = 1.2 * _share(config, task, database, partitions) * (2 * width + 12)
    asked = len(sizes(config, database)) * found["positives"] * (found["multiplicity"] + 4) * 24
    probes = 1000 * found["probes"] * (4 * width + 40)
    return int((1500 + (items + asked + probes + _queries(config, database) * 4 * width) / 1e6) * attempt)


def partition_minutes(config: dict, *, task: str, database: str, partitions: str, attempt: int, **_: str) -> int:
    """A generous run time limit to merge or to evaluate a partition: 5 microseconds an item, 50 a query and probe."""
    found = block(config, "databases", database)
    asked = _queries(config, database) + found["probed"] * found["probes"] / 10
    return minutes((_share(config, task, database, partitions) * 5e-6 + asked * 5e-5) / 60, attempt)


def evaluation_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Memory to add counts up: the queries, and the probes of each that found something."""
    found = block(config, "databases", database)
    probes = found["probed"] * found["probes"] * 40
    width = model_config(config, task, model)["bits"] // 8
    return int(
        (1500 + (_queries(config, database) * (4 * width + 24 * found["multiplicity"]) + probes) / 1e6) * attempt
    )
