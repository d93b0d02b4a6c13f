"""What the Snakefile computes for this wing: paths, runs, and what each job depends on, as functions of the config.

A *run* is one network (trained, imported or synthetic), given by its wildcards task, model, variant and seed.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from math import prod
from typing import Any

from rehash.config import check_values
from rehash.digest import code_digest
from rehash.equihash.learning import objectives
from rehash.errors import InputError, unknown
from rehash.graph import DATASET, outside_content
from rehash.outside import located

BANK = "results/equihash/banks/{bank}.h5"
PERLIN = "results/equihash/perlin/{perlin}/"
PERLIN_BANK = f"{PERLIN}fields.h5"
TASK = "results/equihash/tasks/{task}/"
DATABASE = "results/equihash/databases/{database}/"
LABELS = f"{DATABASE}labels/{{shard}}-of-{{shards}}.h5"
QUERIES = f"{DATABASE}queries.h5"
FAMILY = "results/equihash/families/{task}/{family}"
PERFECT = "results/equihash/perfect_retrieval"
RUN = "results/equihash/models/{task}/{model}/{variant}/seed={seed}/"
WEIGHTS = f"{RUN}network.safetensors"
INDEXED = f"{RUN}{{database}}/"
FINGERPRINTS = f"{INDEXED}fingerprints/{{shard}}-of-{{shards}}"
QUERY_CODES = f"{INDEXED}queries"
PARTITION = f"{INDEXED}index/{{partition}}-of-{{partitions}}"
COUNTS = f"{INDEXED}counts/{{partition}}-of-{{partitions}}"
EXPECTED = f"{INDEXED}expected.csv"

# Variants whose name lists no parameters: the model as in the config, before training, from a file, without a network.
DEFAULT, UNTRAINED, IMPORTED, SYNTHETIC = "default", "untrained", "imported", "synthetic"
ENCODED = f"(?!{SYNTHETIC}/)[^/]+"  # the variants whose fingerprints a network computes
TRAINED = f"(?!{IMPORTED}/|{SYNTHETIC}/)[^/]+"  # the variants whose weights are trained here
# The same paths for the two variants whose files other rules make.
IMPORTED_RUN = RUN.replace("{variant}", IMPORTED)
SYNTHETIC_RUN = INDEXED.replace("{variant}", SYNTHETIC)
SYNTHETIC_FINGERPRINTS = FINGERPRINTS.replace("{variant}", SYNTHETIC)
# The tables of one network on a database, and the comparisons of all networks on it with the table each one stacks.
TABLES = ("evaluation", "bucket_sizes", "probes", "distances")
COMPARISONS = {"retrieval": "evaluation", **{name: name for name in TABLES[1:]}}
COMPARED = [*COMPARISONS, "predicted", "distances_statistics"]  # and the tables that are computed from these
_UNTRAINED_BATCHES = 40  # enough for BatchNorm's running statistics to forget their start: 0.9^40 is below 0.02


def block(config: dict, part: str, name: str) -> dict:
    """Return the block `name` of the config's banks, perlin, tasks or databases.

    Raises:
        InputError: there is no such block; the message names the nearest.
    """
    blocks = config["equihash"][part]
    if name not in blocks:
        raise unknown(part.removesuffix("s"), name, blocks, f"config: equihash.{part}")
    return blocks[name]


def bank_inputs(config: dict, bank: str) -> dict[str, str]:
    """Return the path of the dataset that a bank is built from, if it is built from one."""
    found = block(config, "banks", bank)
    return {"dataset": DATASET.format(dataset=found["dataset"])} if found["dataset"] else {}


def bank_place(config: dict, bank: str) -> dict[str, str]:
    """Return the paths of the files and folders from outside that a bank is built from, by their role."""
    return {role: located(path, where) for role, (path, where) in _from_outside(config, bank).items()}


def bank_content(config: dict, bank: str, look: bool = True) -> dict[str, str]:
    """Return what tells whether a bank's data from outside have changed: their checksums by role."""
    built, images = BANK.format(bank=bank), block(config, "banks", bank)["reader"] == "image_folder"
    return {
        role: outside_content(path, where, built, ("content", role), images=images, look=look)
        for role, (path, where) in _from_outside(config, bank).items()
    }


def _from_outside(config: dict, bank: str) -> dict[str, tuple[str, str]]:
    """Return the paths of a bank's block by their role, each with its key in the config."""
    found, where = block(config, "banks", bank), f"config: equihash.banks.{bank}"
    if found["path"]:
        return {"path": (found["path"], f"{where}.path")}
    return {role: (path, f"{where}.paths.{role}") for role, path in found["paths"].items()}


def bank_description(config: dict, bank: str) -> dict[str, Any]:
    """Return the settings that a bank's content depends on besides its raw files."""
    found = block(config, "banks", bank)
    elsewhere = ("dataset", "path", "paths", "source", "licence")
    settings = {key: value for key, value in found.items() if key not in elsewhere and value is not None}
    return {"name": bank, **settings}


def bank_words(config: dict, bank: str) -> dict[str, str | None]:
    """Return the source and the licence that a bank's file states; changing them changes no result."""
    found = block(config, "banks", bank)
    return {key: found[key] for key in ("source", "licence")}


def bank_digest(config: dict, bank: str) -> str:
    """Return the digest of the code that builds a bank, without the readers of other formats."""
    reader = block(config, "banks", bank)["reader"]
    return code_digest("build_bank", also=((f"rehash.equihash.images.readers.{reader}", "read"),))


def perlin_params(config: dict, perlin: str) -> dict[str, Any]:
    """Return the settings that a Perlin bank depends on."""
    return {**block(config, "perlin", perlin), "seed": config["seed"], "name": perlin}


def task_settings(config: dict, task: str) -> dict[str, Any]:
    """Return the settings of a task as `rehash.equihash.images.task.Task.of` takes them."""
    found = block(config, "tasks", task)
    return {key: value for key, value in found.items() if key not in ("bank", "perlin") and value is not None}


def task_inputs(config: dict, task: str) -> dict[str, str]:
    """Return the paths of a task's bank and of its Perlin bank, if it has one."""
    found = block(config, "tasks", task)
    perlin = {"perlin": PERLIN_BANK.format(perlin=found["perlin"])} if found["perlin"] else {}
    return {"bank": BANK.format(bank=found["bank"]), **perlin}


def database_bank(config: dict, database: str) -> str:
    """Return the path of the bank that has the images of a database."""
    return task_inputs(config, block(config, "databases", database)["task"])["bank"]


def label_params(config: dict, database: str) -> dict[str, Any]:
    """Return what a database's labels depend on besides its bank; the number of shards is not part of it."""
    found = block(config, "databases", database)
    return {
        **{key: found[key] for key in ("split", "items", "multiplicity")},
        "images": prod(block(config, "tasks", found["task"])["grid"]),
        "seed": config["seed"],
    }


def label_files(config: dict, database: str) -> list[str]:
    """Return the paths of the label files of all shards of a database."""
    shards = block(config, "databases", database)["shards"]
    return [LABELS.format(database=database, shard=shard, shards=shards) for shard in range(shards)]


def first_labels(config: dict, database: str) -> str:
    """Return the path of a database's first label file, which describes the database."""
    return label_files(config, database)[0]


def sizes(config: dict, database: str) -> list[int]:
    """Return the sizes at which a database is evaluated, ascending: numbers of its first items, the last is all."""
    found = block(config, "databases", database)
    return sorted({*found["sizes"], found["items"]})


def query_params(config: dict, database: str) -> dict[str, Any]:
    """Return what a database's queries depend on besides its labels."""
    found = block(config, "databases", database)
    kept = {key: found[key] for key in ("positives", "negatives", "pairs")}
    return {**kept, "sizes": sizes(config, database), "seed": config["seed"]}


def model_config(config: dict, task: str, model: str) -> dict:
    """Return the block of a model.

    Raises:
        InputError: there is no such block; the message names the nearest.
    """
    models = config["equihash"]["models"]
    if task not in models:
        raise unknown("task", task, models, "config: equihash.models")
    if model not in models[task]:
        raise unknown("model", model, models[task], f"config: equihash.models.{task}")
    return models[task][model]


def family_config(config: dict, task: str, family: str) -> dict:
    """Return the block of a family of ablations.

    Raises:
        InputError: there is no such block; the message names the nearest.
    """
    families = config["equihash"]["families"].get(task, {})
    if family not in families:
        raise unknown("family", family, families, f"config: equihash.families.{task}")
    return families[family]


def variant_of(model: dict) -> str:
    """Return the variant that a model's block describes without changes: imported, synthetic or default."""
    return IMPORTED if model["import"] else SYNTHETIC if model["synthetic"] else DEFAULT


def variant_name(values: dict[str, Any]) -> str:
    """Return a variant's part of the path: its parameters as name=value, joined by +.

    They are not joined by commas, at which Snakemake cuts the wildcards that it hands to a job on a cluster
    (https://github.com/snakemake/snakemake/issues/2366).
    """
    return "+".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())


def variant_values(variant: str) -> dict[str, Any]:
    """Return the parameters that a variant changes, read from its name.

    Raises:
        InputError: the name is not as `variant_name` writes it.
    """
    if variant == DEFAULT:
        return {}
    values = {}
    for part in re.split(r"\+(?=[a-z_]+=)", variant):  # a number may hold a +, too
        name, _, text = part.partition("=")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    if variant_name(values) != variant:
        raise InputError(
            f"variant '{variant}': expected {DEFAULT}, {UNTRAINED} or parameters as {variant_name(values)}"
        )
    return values


def run_params(config: dict, task: str, model: str, variant: str, seed: str) -> dict[str, Any]:
    """Return what a training depends on besides its bank: `rehash.equihash.learning.train.Training` without its keys.

    Raises:
        InputError: the model is not trained, or the variant names an unknown parameter or a value that does not fit.
    """
    found = model_config(config, task, model)
    where = f"config: equihash.models.{task}.{model}"
    if (only := variant_of(found)) != DEFAULT:
        raise InputError(f"{where}: it is {only}, not trained; its only variant is {only}")
    settings = objectives.complete(found["objective"], found["settings"], f"{where}.settings")
    parts = {"settings": settings, "schedule": dict(found["training"]), "model": {"bits": found["bits"]}}
    batches = found["training"]["micro_batches"]
    start = {"learning_rate": 0, "steps": -(-_UNTRAINED_BATCHES // batches)}
    for name, value in (start if variant == UNTRAINED else variant_values(variant)).items():
        part = next((part for part in parts.values() if name in part), None)
        if part is None:
            known = sorted(name for part in parts.values() for name in part)
            raise unknown("parameter", name, known, f"{where}, variant {variant}")
        part[name] = value
    values = {**parts["model"], "training": parts["schedule"]}
    check_values(values, ("equihash", "models", "*", "*"), f"{where}, variant {variant}")
    settings = objectives.complete(found["objective"], parts["settings"], f"{where}, variant {variant}")
    if parts["schedule"]["forward"] == "twice" and not objectives.runs_twice(found["objective"]):
        able = ", ".join(name for name in objectives.names() if objectives.runs_twice(name))
        raise InputError(
            f"{where}: training.forward is twice, which repeats the public loops of {able}; there is none that runs "
            f"{found['objective']} so: say once, or recomputed, which holds less memory"
        )
    return {
        "task": task_settings(config, task),
        "network": found["network"],
        **parts["model"],
        "objective": found["objective"],
        "settings": settings,
        "schedule": parts["schedule"],
        "seed": int(seed),
    }


def training_digest(config: dict, task: str, model: str) -> str:
    """Return the digest of the code that trains a model, without the other objectives."""
    return _digest_with(objectives.definition(model_config(config, task, model)["objective"]))


@cache
def _digest_with(objective: tuple[str, str]) -> str:
    return code_digest("train_hash", also=(objective,))


def seeds(config: dict, task: str, model: str) -> list[int]:
    """Return the seeds that a model is trained with; of an imported model only the first."""
    found = model_config(config, task, model)
    return found["seeds"][:1] if found["import"] else found["seeds"]


def runs(config: dict, task: str, *, untrained: bool = False) -> list[dict[str, Any]]:
    """Return the runs of a task's models as wildcards; with `untrained`, an untrained run follows each trained one."""
    found = []
    for model, settings in config["equihash"]["models"].get(task, {}).items():
        variants = [variant_of(settings)]
        if untrained and variants == [DEFAULT]:
            variants.append(UNTRAINED)
        found += [
            {"task": task, "model": model, "variant": variant, "seed": seed}
            for seed in seeds(config, task, model)
            for variant in variants
        ]
    return found


def family_runs(config: dict, task: str, family: str) -> list[dict[str, Any]]:
    """Return the runs of a family as wildcards: all combinations of its grid, each with all its seeds."""
    found = family_config(config, task, family)
    names = list(found["grid"])
    variants = [variant_name(dict(zip(names, values))) for values in product(*found["grid"].values())]
    return [
        {"task": task, "model": found["model"], "variant": variant, "seed": seed}
        for variant in variants
        for seed in found["seeds"]
    ]


def family_parameters(config: dict, task: str, family: str) -> dict[str, dict[str, Any]]:
    """Return, for each variant of a family, the values of the parameters that vary (of all, if none does)."""
    grid = family_config(config, task, family)["grid"]
    varied = {name for name, values in grid.items() if len(values) > 1} or set(grid)
    variants = {run["variant"]: variant_values(run["variant"]) for run in family_runs(config, task, family)}
    return {v: {name: value for name, value in values.items() if name in varied} for v, values in variants.items()}


def histories(config: dict, task: str) -> list[str]:
    """Return the paths of the training histories of a task's trained models."""
    return [f"{RUN}training.csv".format(**run) for run in runs(config, task) if run["variant"] == DEFAULT]


def weights(config: dict, task: str) -> list[str]:
    """Return the paths of the weights of a task's models and of their untrained networks."""
    return [WEIGHTS.format(**run) for run in runs(config, task, untrained=True) if run["variant"] != SYNTHETIC]


def checkpoint(config: dict, task: str, model: str) -> str:
    """Return the path of the public checkpoint that a model is imported from."""
    return located(model_config(config, task, model)["import"], f"config: equihash.models.{task}.{model}.import")


def checkpoint_content(config: dict, task: str, model: str, seed: str, look: bool = True) -> str:
    """Return the checksum of the public checkpoint that a model is imported from."""
    path, where = model_config(config, task, model)["import"], f"config: equihash.models.{task}.{model}.import"
    built = WEIGHTS.format(task=task, model=model, variant=IMPORTED, seed=seed)
    return outside_content(path, where, built, ("content",), look=look)


def import_params(config: dict, task: str, model: str, seed: str) -> dict[str, Any]:
    """Return the identity of an imported network and the SHA-256 that its public checkpoint should have."""
    found = model_config(config, task, model)
    keys = {"task": task, "model": model, "variant": IMPORTED}
    shape = list(shape_of(config, task))
    identity = {"keys": keys, "network": found["network"], "bits": found["bits"], "shape": shape, "seed": int(seed)}
    return {"identity": identity, "sha256": found["sha256"]}


def distance_params(config: dict, task: str) -> dict[str, Any]:
    """Return what a task's distances depend on besides its networks and images."""
    return {
        "task": task_settings(config, task),
        "triplets": config["equihash"]["distances"]["triplets"],
        "seed": config["seed"],
    }


def of_task(config: dict, task: str, database: str) -> dict:
    """Return the block of a database of a task.

    Raises:
        InputError: the database is of another task.
    """
    found = block(config, "databases", database)
    if found["task"] != task:
        raise InputError(f"database {database}: it is of the task {found['task']}, the network of {task}")
    return found


def encoding_inputs(
    config: dict, *, task: str, model: str, variant: str, seed: str, database: str, **_: str
) -> dict[str, str]:
    """Return the paths that fingerprints are computed from besides labels: images and weights."""
    of_task(config, task, database)
    weights = WEIGHTS.format(task=task, model=model, variant=variant, seed=seed)
    return {**task_inputs(config, task), "weights": weights}


def encoding_params(config: dict, task: str, database: str) -> dict[str, Any]:
    """Return what fingerprints depend on besides their input files."""
    return {
        "task": task_settings(config, task),
        "split": of_task(config, task, database)["split"],
        "seed": config["seed"],
        "precision": config["equihash"]["precision"],
    }


def synthetic_params(config: dict, *, task: str, model: str, seed: str, database: str, **_: str) -> dict[str, Any]:
    """Return the settings that synthetic fingerprints are generated with.

    Raises:
        InputError: the model is not synthetic, or the database is of another task.
    """
    found = model_config(config, task, model)
    of_task(config, task, database)
    if not found["synthetic"]:
        raise InputError(f"config: equihash.models.{task}.{model}: it is not synthetic, has no such variant")
    return {"bits": found["bits"], **found["synthetic"], "seed": int(seed)}


def shard_files(config: dict, *, database: str, **run: str) -> list[str]:
    """Return the paths of all fingerprints of a database that a run's network has computed."""
    count = of_task(config, run["task"], database)["shards"]
    return [f"{FINGERPRINTS}.h5".format(**run, database=database, shard=s, shards=count) for s in range(count)]


def count_files(config: dict, *, database: str, **run: str) -> list[str]:
    """Return the paths of the counts of all partitions of an index."""
    count = of_task(config, run["task"], database)["partitions"]
    return [f"{COUNTS}.h5".format(**run, database=database, partition=p, partitions=count) for p in range(count)]


def count_inputs(config: dict, database: str) -> dict[str, Any]:
    """Return the paths of a database's queries and of all its label files, from which a partition is evaluated."""
    return {"queries": QUERIES.format(database=database), "labels": label_files(config, database)}


def probed(config: dict, database: str) -> int:
    """Return how many of a database's queries are multi-probed."""
    return block(config, "databases", database)["probed"]


def probes(config: dict, database: str) -> int:
    """Return the number of probes of each multi-probed query of a database."""
    return block(config, "databases", database)["probes"]


def evaluation_params(config: dict, database: str) -> dict[str, int]:
    """Return what an evaluation depends on besides its input files."""
    return {"probes": probes(config, database), "seed": config["seed"]}


def family_evaluations(config: dict, task: str, family: str) -> list[str]:
    """Return the paths of the evaluations of all runs of a family."""
    database = family_config(config, task, family)["database"]
    return [f"{INDEXED}evaluation.csv".format(**run, database=database) for run in family_runs(config, task, family)]


def database_runs(config: dict, database: str) -> list[dict[str, Any]]:
    """Return the runs of all models of a database's task, as wildcards with the database."""
    return [{**run, "database": database} for run in runs(config, block(config, "databases", database)["task"])]


def compared(config: dict, database: str) -> dict[str, list[str]]:
    """Return the paths of all models' tables on a database, by comparison, and of the synthetic models' predictions.

    Raises:
        InputError: the database's task has no model.
    """
    found = database_runs(config, database)
    if not found:
        task = block(config, "databases", database)["task"]
        raise InputError(f"config: equihash.models.{task}: no model; the database {database} needs one to be evaluated")
    tables = {
        comparison: [f"{INDEXED}{name}.csv".format(**run) for run in found] for comparison, name in COMPARISONS.items()
    }
    return {**tables, "predicted": [EXPECTED.format(**run) for run in found if run["variant"] == SYNTHETIC]}


def built_databases(config: dict) -> list[str]:
    """Return the databases that `all` evaluates: those to build whose task has models to build."""
    build = config["equihash"]["build"]
    return [name for name in build["databases"] if block(config, "databases", name)["task"] in build["models"]]


def perfect_inputs(config: dict) -> list[str]:
    """Return the paths of the tables that the published perfect-retrieval rates are compared with."""
    return [f"{DATABASE}retrieval.csv".format(database=name) for name in built_databases(config)]


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """Return the figures that the config asks for, in the report's order, as name and wildcards."""
    wing = config["equihash"]
    build = wing["build"]
    found = [("views", {"task": task}) for task in build["tasks"]]
    fields = dict.fromkeys(block(config, "tasks", task)["perlin"] for task in build["tasks"])
    found += [("perlin", {"perlin": perlin}) for perlin in fields if perlin]
    for task in build["models"]:
        found += [("training", {"task": task})] if histories(config, task) else []
        found.append(("distances", {"task": task}))
    for task in build["families"]:
        found += [("family", {"task": task, "family": family}) for family in wing["families"][task]]
    for database in built_databases(config):
        found += [(name, {"database": database}) for name in ("retrieval", "bucket_sizes", "probes")]
    return [*found, ("perfect_retrieval", {})] if built_databases(config) else found


def data_text(config: dict, name: str, task: str = "", perlin: str = "", family: str = "", database: str = "") -> str:
    """Return the report's sentence on the data that a figure shows."""
    if perlin:
        return f"Perlin bank {perlin}: {block(config, 'perlin', perlin)['count']:,} fields of each resolution."
    if database:
        found = block(config, "databases", database)
        return f"Database {database}, task {found['task']}, {found['items']:,} items."
    if family:
        found = family_config(config, task, family)
        return f"Task {task}, family {family}, database {found['database']}."
    if name == "views":
        return f"Task {task}, bank {block(config, 'tasks', task)['bank']}."
    return f"Task {task}. {_steps(config, task)}" if task else "Published rates, beside ours."


def _steps(config: dict, task: str) -> str:
    """Return the sentences on how long a task's models are trained, compared with the published ones."""
    trained = {
        model: found["training"]
        for model, found in config["equihash"]["models"][task].items()
        if variant_of(found) == DEFAULT
    }
    return " ".join(
        f"{model}: {t['steps']:,} steps of {t['micro_batches'] * t['pairs']:,} pairs"
        + (", undertrained beside the published 100,000 of 2,048." if t["steps"] < 100_000 else ".")
        for model, t in trained.items()
    )


def query_files(config: dict) -> list[str]:
    """Return the paths of the queries of all databases to build, also of those whose task has no model."""
    return [QUERIES.format(database=name) for name in config["equihash"]["build"]["databases"]]


def shape_of(config: dict, task: str) -> tuple[int, int, int]:
    """Return channels, height and width of a task's mosaics.

    The same as `rehash.equihash.images.task.Task.shape`, without torch.
    """
    found = block(config, "tasks", task)
    height, width = (
        count * (size - shared) + shared
        for count, size, shared in zip(found["grid"], found["picture"], found["overlap"])
    )
    return (3 if found["kind"] == "warped" else 1), height, width
