"""What the Snakefile computes for fingerprints, indexes and evaluations: paths, jobs, resources and targets."""

from __future__ import annotations

from typing import Any

from rehash.equihash.models import (
    RUN,
    WEIGHTS,
    family_config,
    family_runs,
    model_config,
    runs,
)
from rehash.equihash.plan import DATABASE, TABLES, block, label_files, task_inputs, task_settings
from rehash.errors import InputError

INDEXED = f"{RUN}{{database}}/"
FINGERPRINTS = f"{INDEXED}fingerprints/{{shard}}-of-{{shards}}"
QUERY_CODES = f"{INDEXED}queries"
PARTITION = f"{INDEXED}index/{{partition}}-of-{{partitions}}"
COUNTS = f"{INDEXED}counts/{{partition}}-of-{{partitions}}"
QUERIES = f"{DATABASE}queries.h5"
COMPARISON = f"{DATABASE}{{comparison}}"
COMPARISONS = {"retrieval": "evaluation", **{name: name for name in TABLES[1:]}}  # of all on it, from which table
PERFECT = "results/equihash/perfect_retrieval"


def of_task(config: dict, task: str, database: str) -> dict:
    """The block of a database of a task.

    Raises:
        InputError: it is of another one.
    """
    found = block(config, "databases", database)
    if found["task"] != task:
        raise InputError(f"database {database}: it is of the task {found['task']}, the network of {task}")
    return found


def encoding_inputs(
    config: dict, *, task: str, model: str, variant: str, seed: str, database: str, **_: str
) -> dict[str, str]:
    """What fingerprints are made from besides labels: pictures and weights."""
    of_task(config, task, database)
    weights = WEIGHTS.format(task=task, model=model, variant=variant, seed=seed)
    return {**task_inputs(config, task), "weights": weights}


def encoding_params(config: dict, task: str, database: str) -> dict[str, Any]:
    """What fingerprints depend on besides their files."""
    return {
        "settings": task_settings(config, task),
        "split": of_task(config, task, database)["split"],
        **{key: config[key] for key in ("seed", "device", "threads")},
    }


def synthetic_params(config: dict, *, task: str, model: str, seed: str, database: str, **_: str) -> dict[str, Any]:
    """How fingerprints are generated.

    Raises:
        InputError: the model is not synthetic, or the database is of another task.
    """
    found = model_config(config, task, model)
    of_task(config, task, database)
    if not found["synthetic"]:
        raise InputError(f"config: equihash.models.{task}.{model}: it is not synthetic, has no such variant")
    return {"bits": found["bits"], **found["synthetic"], "seed": int(seed)}


def shard_files(config: dict, *, database: str, **run: str) -> list[str]:
    """All fingerprints of a database that a run's network made."""
    count = of_task(config, run["task"], database)["shards"]
    return [f"{FINGERPRINTS}.h5".format(**run, database=database, shard=s, shards=count) for s in range(count)]


def count_files(config: dict, *, database: str, **run: str) -> list[str]:
    """What was counted in all partitions of an index."""
    count = of_task(config, run["task"], database)["partitions"]
    return [f"{COUNTS}.h5".format(**run, database=database, partition=p, partitions=count) for p in range(count)]


def count_inputs(config: dict, database: str) -> dict[str, Any]:
    """What a partition is asked, and what it should answer."""
    return {"queries": QUERIES.format(database=database), "labels": label_files(config, database)}


def probed(config: dict, database: str) -> int:
    """How many of a database's queries are multi-probed."""
    return block(config, "databases", database)["probed"]


def probes(config: dict, database: str) -> int:
    """How many probes each has."""
    return block(config, "databases", database)["probes"]


def evaluation_params(config: dict, database: str) -> dict[str, int]:
    """What an evaluation depends on besides its files."""
    return {"probes": probes(config, database), "seed": config["seed"]}


def family_evaluations(config: dict, task: str, family: str) -> list[str]:
    """The evaluations of all runs of a family."""
    database = family_config(config, task, family)["database"]
    return [f"{INDEXED}evaluation.csv".format(**run, database=database) for run in family_runs(config, task, family)]


def database_runs(config: dict, database: str) -> list[dict[str, Any]]:
    """The runs of all models of a database's task, as wildcards."""
    return [{**run, "database": database} for run in runs(config, block(config, "databases", database)["task"])]


def compared(config: dict, database: str) -> dict[str, list[str]]:
    """The tables of all models on a database, by the comparison that they are for.

    Raises:
        InputError: there is no model.
    """
    found = database_runs(config, database)
    if not found:
        task = block(config, "databases", database)["task"]
        raise InputError(f"config: equihash.models.{task}: no model; the database {database} needs one to be evaluated")
    return {
        comparison: [f"{INDEXED}{name}.csv".format(**run) for run in found] for comparison, name in COMPARISONS.items()
    }


def comparison_tables(database: str, comparison: str) -> list[str]:
    """What a comparison is drawn from; distances with the rates that follow from them."""
    names = ("distances", "retrieval") if comparison == "distances" else (comparison,)
    return [f"{COMPARISON}.csv".format(database=database, comparison=name) for name in names]


def built_databases(config: dict) -> list[str]:
    """The databases that `all` evaluates: those to build whose task has models to build."""
    build = config["equihash"]["build"]
    return [name for name in build["databases"] if block(config, "databases", name)["task"] in build["models"]]


def perfect_inputs(config: dict) -> list[str]:
    """The tables that the published perfect-retrieval rates are compared with."""
    return [f"{COMPARISON}.csv".format(database=name, comparison="retrieval") for name in built_databases(config)]


def figures(config: dict) -> list[dict[str, Any]]:
    """What the report shows of evaluations, in order: see `rehash.equihash.plan.figures`."""
    entries = []
    for database in built_databases(config):
        found = block(config, "databases", database)
        text = f"Database {database}, task {found['task']}, {found['items']:,} items."
        for study in ("retrieval", "bucket_sizes", "probes"):
            entries.append(_entry(study, database, COMPARISON.format(database=database, comparison=study), text))
    if entries:
        entries.append(_entry("perfect_retrieval", "published", PERFECT, "Published rates, beside ours."))
    return entries


def _entry(study: str, name: str, stem: str, text: str) -> dict[str, Any]:
    caption = f"equihash_{study}"
    return {"paper": "equihash", "dataset": name, "study": study, "stem": stem, "caption": caption, "text": text}


def targets(config: dict) -> list[str]:
    """Every figure of evaluations that the config asks for."""
    return [f"{entry['stem']}{end}" for entry in figures(config) for end in (".csv", ".pdf", ".png")]
