"""What the Snakefile computes for this wing: paths, job lists and targets as pure functions of the config."""

from __future__ import annotations

from math import prod
from typing import Any

from rehash.digest import code_digest
from rehash.errors import unknown
from rehash.graph import DATASET, minutes

BANK = "results/equihash/banks/{bank}.h5"
PERLIN = "results/equihash/perlin/{perlin}/spectrum"
PERLIN_BANK = "results/equihash/perlin/{perlin}/fields.h5"
TASK = "results/equihash/tasks/{task}/"
DATABASE = "results/equihash/databases/{database}/"
TABLES = ("evaluation", "bucket_sizes", "probes", "distances")  # of a network on a database
LABELS = f"{DATABASE}labels/{{shard}}-of-{{shards}}.h5"


def block(config: dict, part: str, name: str) -> dict:
    """The block `name` of banks, perlin, tasks or databases.

    Raises:
        InputError: there is none; names the nearest.
    """
    blocks = config["equihash"][part]
    if name not in blocks:
        raise unknown(part.removesuffix("s"), name, blocks, f"config: equihash.{part}")
    return blocks[name]


def bank_inputs(config: dict, bank: str) -> dict[str, str]:
    """Role -> path of what a bank is built from; empty for the embedded photographs."""
    found = block(config, "banks", bank)
    if found["dataset"]:
        return {"dataset": DATASET.format(dataset=found["dataset"])}
    return {"path": found["path"]} if found["path"] else dict(found["paths"])


def bank_description(config: dict, bank: str) -> dict[str, Any]:
    """How a bank is read: what its content depends on besides its raw files."""
    found = block(config, "banks", bank)
    kept = ("reader", "checksum", "image_size", "shares", "skip_corrupt")
    settings = {key: found[key] for key in kept if found.get(key) is not None}
    return {"name": bank, **settings}


def bank_words(config: dict, bank: str) -> dict[str, str | None]:
    """What a bank's file says about itself; changed words change no result."""
    found = block(config, "banks", bank)
    return {key: found[key] for key in ("source", "licence")}


def bank_digest(config: dict, bank: str) -> str:
    """Digest of the code that builds a bank: readers of other formats do not count."""
    reader = block(config, "banks", bank)["reader"]
    return code_digest("build_bank", also=((f"rehash.equihash.bank_readers.{reader}", "read"),))


def perlin_params(config: dict, perlin: str) -> dict[str, Any]:
    """What a Perlin bank depends on."""
    return {**block(config, "perlin", perlin), "seed": config["seed"], "name": perlin}


def task_settings(config: dict, task: str) -> dict[str, Any]:
    """A task as `rehash.equihash.task.Task.of` takes it."""
    found = block(config, "tasks", task)
    return {key: value for key, value in found.items() if key not in ("bank", "perlin") and value is not None}


def task_inputs(config: dict, task: str) -> dict[str, str]:
    """The bank of a task, and its Perlin bank, if it has one."""
    found = block(config, "tasks", task)
    perlin = {"perlin": PERLIN_BANK.format(perlin=found["perlin"])} if found["perlin"] else {}
    return {"bank": BANK.format(bank=found["bank"]), **perlin}


def database_bank(config: dict, database: str) -> str:
    """The bank of the pictures of a database."""
    return task_inputs(config, block(config, "databases", database)["task"])["bank"]


def label_params(config: dict, database: str) -> dict[str, Any]:
    """What the labels of a database depend on besides its bank; not on the number of shards."""
    found = block(config, "databases", database)
    return {
        **{key: found[key] for key in ("split", "items", "multiplicity")},
        "cells": prod(block(config, "tasks", found["task"])["grid"]),
        "seed": config["seed"],
    }


def label_files(config: dict, database: str) -> list[str]:
    """The label files of all shards of a database."""
    shards = block(config, "databases", database)["shards"]
    return [LABELS.format(database=database, shard=shard, shards=shards) for shard in range(shards)]


def sizes(config: dict, database: str) -> list[int]:
    """The sizes of a database that are asked: numbers of first items, of which all is the last."""
    found = block(config, "databases", database)
    return sorted({*found["sizes"], found["items"]})


def query_params(config: dict, database: str) -> dict[str, Any]:
    """What a database's queries depend on besides its labels."""
    found = block(config, "databases", database)
    kept = {key: found[key] for key in ("positives", "negatives", "pairs")}
    return {**kept, "sizes": sizes(config, database), "seed": config["seed"]}


def figures(config: dict) -> list[dict[str, Any]]:
    """What the report shows, in order: paper, name (as dataset), study, stem, caption and text."""
    asked = config["equihash"]["build"]["tasks"]
    fields = dict.fromkeys(block(config, "tasks", task)["perlin"] for task in asked)
    sheets = [("views", task, f"{TASK}views".format(task=task)) for task in asked]
    noise = [("perlin", perlin, PERLIN.format(perlin=perlin)) for perlin in fields if perlin]
    return [
        {
            "paper": "equihash",
            "dataset": name,
            "study": study,
            "stem": stem,
            "caption": f"equihash_{study}",
            "text": _text(config, study, name),
        }
        for study, name, stem in (*sheets, *noise)
    ]


def targets(config: dict) -> list[str]:
    """Every figure and database of the wing that the config asks for."""
    drawn = [f"{entry['stem']}{end}" for entry in figures(config) for end in (".csv", ".pdf", ".png")]
    return drawn + [f"{DATABASE}queries.h5".format(database=name) for name in config["equihash"]["build"]["databases"]]


def _text(config: dict, study: str, name: str) -> str:
    if study == "perlin":
        return f"Perlin bank {name}: {block(config, 'perlin', name)['count']:,} fields of each resolution."
    return f"Task {name}, bank {block(config, 'tasks', name)['bank']}."


def bank_mb(input_mb: float, attempt: int) -> int:
    """Memory to build a bank: it is copied in slices."""
    return int((2000 + 0.1 * input_mb) * attempt)


def perlin_minutes(config: dict, perlin: str, attempt: int) -> int:
    """A generous run time limit: 2 ms a field of 180 x 270."""
    found = block(config, "perlin", perlin)
    pixels = 2 * found["count"] * found["height"] * found["width"]
    return minutes(pixels / (180 * 270) * 0.002 / 60, attempt)


def label_minutes(config: dict, database: str, attempt: int) -> int:
    """A generous run time limit: a microsecond an item and pass."""
    return minutes(4 * block(config, "databases", database)["items"] * 1e-6 / 60, attempt)


def query_mb(config: dict, database: str, attempt: int) -> int:
    """Memory to draw queries: a block of labels, and about 200 bytes a query and found item."""
    found, asked = block(config, "databases", database), len(sizes(config, database))
    queries = asked * found["positives"] * (1 + found["multiplicity"]) + found["negatives"] + found["pairs"]
    return int((1500 + 2 * queries * 200 / 1e6) * attempt)
