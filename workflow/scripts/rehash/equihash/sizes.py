"""The memory (MB) and run time (minutes) that the jobs of this wing ask for, from their images, views and items."""

from __future__ import annotations

from math import inf, prod

from rehash.equihash.plan import (
    bank_place,
    block,
    database_task,
    distance_inputs,
    model_config,
    of_task,
    perlin_place,
    run_params,
    shape_of,
    sizes,
)
from rehash.graph import minutes
from rehash.outside import extent

# Of a process that runs a network: torch, on a GPU with CUDA and cuDNN, and slices on their way there.
_NETWORK_MB = 4000
_BLOCK = 512  # views that are held at a time, and once more where a network is shown them
_SORTED = 2**25  # items that a merge sorts at a time (`index.partitions`, which a plan does not import)
_SEARCHED = 50  # queries of a search at most (`asked.MOST`)
# Time and activations of a network as multiples of those of the others on views of the same size. On one channel a
# ResNet's first convolution has a stride of 1, so that everything behind it is four times as large.
_NETWORKS = {"resnet34": (2.0, 1.5), "resnet50": (3.0, 4.0)}
_ONE_CHANNEL = (6.0, 4.0)


def _costs(config: dict, task: str, network: str) -> tuple[float, float]:
    """Return the time and the activations of a network for a view of a task, as multiples of the usual ones."""
    time, held = _NETWORKS.get(network, (1.0, 1.0))
    if network.startswith("resnet") and shape_of(config, task)[0] == 1:
        time, held = time * _ONE_CHANNEL[0], held * _ONE_CHANNEL[1]
    return time, held


def bank_mb(input_mb: float, attempt: int) -> int:
    """Return the memory to build a bank: what comes from outside is copied in slices, a dataset is held at once."""
    return int((2000 + 3 * input_mb) * attempt)


def bank_minutes(config: dict, bank: str, attempt: int) -> int:
    """Return a generous run time limit to build a bank, each of whose images is read twice (as datasets' are)."""
    found = [extent(path) for path in bank_place(config, bank).values()]
    work = sum(2 * (0.1 * mb + 0.01 * files) for files, mb in found) / 60
    return minutes(work, attempt, base=30)


def perlin_minutes(config: dict, perlin: str, attempt: int) -> int:
    """Return a generous run time limit to make a Perlin bank: 2 ms for a field of 180 x 270 pixels."""
    found = block(config, "perlin", perlin)
    pixels = 2 * found["count"] * found["height"] * found["width"]
    return minutes(pixels / (180 * 270) * 0.002 / 60, attempt)


def outside_minutes(place: str, attempt: int) -> int:
    """Return a generous run time limit to copy a file from outside: 20 MB a second."""
    return minutes(extent(place)[1] / 20 / 60, attempt)


def perlin_import_minutes(config: dict, perlin: str, attempt: int) -> int:
    """Return a generous run time limit to copy the fields of a file (see `outside_minutes`)."""
    return outside_minutes(perlin_place(config, perlin), attempt)


def label_minutes(config: dict, database: str, attempt: int) -> int:
    """Return a generous run time limit of four passes over a database's labels: a microsecond an item and pass."""
    return minutes(4 * block(config, "databases", database)["items"] * 1e-6 / 60, attempt)


def _carriers(config: dict, database: str) -> float:
    """Return how many items are held a positive query, as far as the config says how many labels there are.

    An item is held once, however many queries have its label.
    """
    found, shown = block(config, "databases", database), database_task(config, database)
    labels = shown.get("bank_size", inf) ** prod(shown["grid"])
    return min(max(found["multiplicity"], found["items"] / labels), found["items"] / max(found["positives"], 1))


def query_mb(config: dict, database: str, attempt: int) -> int:
    """Return the memory to draw queries: a block of labels, and twice about 200 bytes for each query and found item."""
    found, asked = block(config, "databases", database), len(sizes(config, database))
    queries = asked * found["positives"] * (1 + _carriers(config, database)) + found["negatives"] + found["pairs"]
    return int((1500 + 2 * queries * 200 / 1e6) * attempt)


def _views(config: dict, task: str, schedule: dict) -> float:
    """Return the number of views of a training in millions, counting 56 x 56 pixels as one view.

    Three views of an evaluation, of which each pair has three on either split, take as long as one of a step.
    """
    _, height, width = shape_of(config, task)
    shown = (
        schedule["micro_batches"] * 2 * schedule["pairs"]
        + 2 * schedule["evaluation_pairs"] / schedule["evaluate_every"]
    )
    return schedule["steps"] * shown * height * width / 56**2 / 1e6


def training_minutes(config: dict, task: str, model: str, variant: str, seed: str, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit of a training: 8 ms for a view of 56 x 56 pixels on a CPU, 0.3 ms on a GPU."""
    run = run_params(config, task, model, variant, seed)
    views = _views(config, task, run["schedule"]) * _costs(config, task, run["network"])[0]
    return minutes(views * 1e6 * (3e-4 if gpu else 8e-3) / 60, attempt)


def training_mb(config: dict, task: str, model: str, variant: str, seed: str, attempt: int) -> int:
    """Return the memory of a training: tuples, and activations of a step (of one micro-batch unless all are held).

    DSH has tables of all pairs of a step's views, in all 32 bytes a pair.
    """
    run = run_params(config, task, model, variant, seed)
    schedule = run["schedule"]
    _, height, width = shape_of(config, task)
    views = 2 * schedule["pairs"]
    held = views * (schedule["micro_batches"] if schedule["forward"] == "once" else 1)
    tables = 32 * (views * schedule["micro_batches"]) ** 2 if run["objective"] == "dsh" else 0
    activations = held * height * width * 400 * _costs(config, task, run["network"])[1]
    return int((_network_mb(config, task) + (activations + tables) / 1e6) * attempt)


def distance_minutes(config: dict, task: str, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit to measure a task's distances, with as long for a view as a training has."""
    _, height, width = shape_of(config, task)
    models = distance_inputs(config, task)
    count = len(models["weights"]) + len(models["code_datasets"])
    networks = [model["network"] for model in config["equihash"]["models"].get(task, {}).values()]
    slowest = max((_costs(config, task, network)[0] for network in networks), default=1.0)
    views = 3 * config["equihash"]["distances"]["triplets"] * count * slowest
    return minutes(views * height * width / 56**2 * (3e-4 if gpu else 8e-3) / 60, attempt)


def _network_mb(config: dict, task: str) -> float:
    """Return the memory of a process that shows a network views of a task's size."""
    channels, height, width = shape_of(config, task)
    return _NETWORK_MB + 2 * _BLOCK * channels * height * width * 4 / 1e6


def distance_mb(config: dict, task: str, attempt: int) -> int:
    """Return the memory to measure a task's distances, or to show its views."""
    return int(_network_mb(config, task) * attempt)


def _share(config: dict, task: str, database: str, parts: str) -> float:
    """Return the mean number of items of a database's parts (shards or partitions)."""
    return of_task(config, task, database)["items"] / int(parts)


def _queries(config: dict, database: str) -> int:
    """Return how many views a database is asked: only queries that are drawn labels are others for each size."""
    found = block(config, "databases", database)
    lists = len(sizes(config, database)) if found["asked"] == "labels" else 1
    return lists * found["positives"] + found["negatives"] + 3 * found["pairs"]


def shard_minutes(
    config: dict, *, task: str, model: str, database: str, shards: str, gpu: bool, attempt: int, **_: str
) -> int:
    """Return a generous run time limit to encode a shard (see `view_minutes`)."""
    cost = _costs(config, task, model_config(config, task, model)["network"])[0]
    return view_minutes(config, task, cost * _share(config, task, database, shards), gpu, attempt)


def query_minutes(config: dict, *, task: str, model: str, database: str, gpu: bool, attempt: int, **_: str) -> int:
    """Return a generous run time limit to encode a database's queries (see `view_minutes`)."""
    cost = _costs(config, task, model_config(config, task, model)["network"])[0]
    return view_minutes(config, task, cost * _queries(config, database), gpu, attempt)


def view_minutes(config: dict, task: str, views: float, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit to encode views: 3 ms a view of 56 x 56 pixels on a CPU, 0.03 ms on a GPU."""
    _, height, width = shape_of(config, task)
    return minutes(views * height * width / 56**2 * (3e-5 if gpu else 3e-3) / 60, attempt)


def shard_mb(config: dict, *, task: str, model: str, database: str, shards: str, attempt: int, **_: str) -> int:
    """Return the memory to encode a shard: a network on blocks, and four times the codes and their order."""
    width = model_config(config, task, model)["bits"] // 8
    return int((_network_mb(config, task) + _share(config, task, database, shards) * (4 * width + 30) / 1e6) * attempt)


def query_codes_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Return the memory to encode a database's queries: a network on blocks, codes, logits and relevant ids."""
    width, found = model_config(config, task, model)["bits"] // 8, block(config, "databases", database)
    ids = len(sizes(config, database)) * found["positives"] * (_carriers(config, database) + 2) * 8
    logits = found["probed"] * width * 64 + _signed_bytes(config, database, width)
    queries = _queries(config, database) * 6 * width
    return int((_network_mb(config, task) + (queries + 3 * ids + logits) / 1e6) * attempt)


def _signed_bytes(config: dict, database: str, width: int) -> int:
    """Return the memory of all queries' logits, twice: they are held, and read again from a state or written."""
    found = block(config, "databases", database)
    return _queries(config, database) * width * 64 if found["logits"] == "all" else 0


def synthetic_mb(
    config: dict, *, task: str, model: str, database: str, attempt: int, shards: str | None = None, **_: str
) -> int:
    """Return the memory to generate the fingerprints of a shard, or of the queries if there are no `shards`."""
    width = model_config(config, task, model)["bits"] // 8
    views = _share(config, task, database, shards) if shards else _queries(config, database)
    return int((700 + (views * (6 * width + 40) + _signed_bytes(config, database, width)) / 1e6) * attempt)


def synthetic_minutes(
    config: dict, *, task: str, database: str, attempt: int, shards: str | None = None, **_: str
) -> int:
    """Return a generous run time limit to generate the fingerprints of `synthetic_mb`: 10 microseconds for each."""
    views = _share(config, task, database, shards) if shards else _queries(config, database)
    return minutes(views * 1e-5 / 60, attempt)


def given_codes_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Return the memory to read the fingerprints of a database's queries, and the logits of those that are probed."""
    width = model_config(config, task, model)["bits"] // 8
    logits = block(config, "databases", database)["probed"] * width * 128
    return int((700 + (_queries(config, database) * (6 * width + 40) + logits) / 1e6) * attempt)


def given_codes_minutes(config: dict, *, database: str, attempt: int, **_: str) -> int:
    """Return a generous run time limit to read the fingerprints of queries: 10 microseconds for each."""
    return minutes(_queries(config, database) * 1e-5 / 60, attempt)


def merge_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Return the memory to merge a partition, which may have all items if a network gives most one fingerprint.

    As many as are sorted at a time take their code, their number (8 bytes) and 12 bytes to sort them; each of the
    others at most 1/16 byte, for the table of ranges.
    """
    width, items = model_config(config, task, model)["bits"] // 8, of_task(config, task, database)["items"]
    return int((500 + (min(items, _SORTED) * (width + 20) + items / 16) / 1e6) * attempt)


def partition_mb(config: dict, *, task: str, model: str, database: str, partitions: str, attempt: int, **_: str) -> int:
    """Return the memory to evaluate a partition: its codes and ids, the queries, and blocks of both.

    Codes and ids are mapped: of a partition with more than a merge sorts at a time the system takes pages back.
    """
    width, found = model_config(config, task, model)["bits"] // 8, block(config, "databases", database)
    items = min(1.2 * _share(config, task, database, partitions), _SORTED) * (2 * width + 12)
    asked = len(sizes(config, database)) * found["positives"] * (_carriers(config, database) + 4) * 24
    probes = 1000 * found["probes"] * (4 * width + 40)
    return int((1500 + (items + asked + probes + _queries(config, database) * 4 * width) / 1e6) * attempt)


def partition_minutes(config: dict, *, task: str, database: str, partitions: str, attempt: int, **_: str) -> int:
    """Return a generous run time limit to merge or evaluate a partition.

    It allows 5 microseconds for each item and each probe, 50 for each query, and one for each item of the database, of
    which a partition may have the most.
    """
    found = block(config, "databases", database)
    asked = _queries(config, database) + found["probed"] * found["probes"] / 10
    items = _share(config, task, database, partitions) * 5e-6 + found["items"] * 1e-6
    return minutes((items + asked * 5e-5) / 60, attempt)


def evaluation_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Return the memory to add counts up: the queries, the probes of each that found something, and pairs of items."""
    found = block(config, "databases", database)
    width = model_config(config, task, model)["bits"] // 8
    probes, pairs = found["probed"] * found["probes"] * 40, found["item_pairs"] * (72 + 4 * width)
    asked = _queries(config, database) * (4 * width + 24 * _carriers(config, database))
    return int((1500 + (asked + probes + pairs) / 1e6) * attempt)


def gallery_mb(config: dict, *, task: str, model: str, database: str, attempt: int, **_: str) -> int:
    """Return the memory to show a gallery: views as a network is shown them, and what an evaluation adds up."""
    return (
        int(_network_mb(config, task) + evaluation_mb(config, task=task, model=model, database=database, attempt=1))
        * attempt
    )


def gallery_minutes(config: dict, task: str, database: str, attempt: int) -> int:
    """Return a generous run time limit to show a gallery, each of whose pictures is a view."""
    shown = block(config, "databases", database)["gallery"]
    return view_minutes(config, task, shown["rows"] * (shown["items"] + 1), False, attempt)


def search_mb(config: dict, task: str, attempt: int) -> int:
    """Return the memory to search: a network on a block of views, what is compared at once, and the page."""
    return int((_network_mb(config, task) + 500) * attempt)


def search_minutes(config: dict, task: str, database: str, attempt: int) -> int:
    """Return a generous run time limit to search for as many queries as a page shows.

    Each takes half a microsecond an item, a block of views for the network, and a view for each picture.
    """
    items, pictures = block(config, "databases", database)["items"], config["equihash"]["search"]["nearest_items"] + 1
    seen = _SEARCHED * (_BLOCK + pictures)
    return minutes(_SEARCHED * items * 5e-7 / 60, attempt) + view_minutes(config, task, seen, False, attempt)


def listing_mb(config: dict, database: str, attempt: int) -> int:
    """Return the memory to list what each query retrieves: about 500 bytes a query and size."""
    found = block(config, "databases", database)
    queries = len(sizes(config, database)) * (
        found["positives"] * (1 + _carriers(config, database)) + found["negatives"]
    )
    return int((1500 + queries * 500 / 1e6) * attempt)


def summary_minutes(config: dict, database: str, attempt: int) -> int:
    """Return a generous run time limit to add counts up, for bootstrap intervals, and a microsecond an item and pair.

    Items are read, and pairs of them compared, if there are such pairs.
    """
    found = block(config, "databases", database)
    work = (found["items"] + found["item_pairs"]) * 1e-6 if found["item_pairs"] else 0
    return minutes(20 + work / 60, attempt)
