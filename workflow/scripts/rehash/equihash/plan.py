"""What the Snakefile computes for this wing: paths, runs, and what each job depends on, as functions of the config.

A *run* is one model (a trained or imported network, a source of codes, or synthetic), given by its wildcards task,
model, variant and seed.
"""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from rehash.config import check_values
from rehash.digest import code_digest
from rehash.equihash.learning import UNTRAINED_BATCHES, objectives
from rehash.equihash.learning.optimisers import check_optimiser
from rehash.errors import InputError, unknown
from rehash.graph import DATASET, outside_content
from rehash.outside import located
from rehash.resources import shipped_networks
from rehash.store import file_digest

BANK = "results/equihash/banks/{bank}.h5"
PERLIN = "results/equihash/perlin/{perlin}/"
PERLIN_BANK = f"{PERLIN}fields.h5"
TASK = "results/equihash/tasks/{task}/"
DATABASE = "results/equihash/databases/{database}/"
LABELS = f"{DATABASE}labels.h5"
LABEL_SHARD = f"{DATABASE}labels/{{shard}}-of-{{shards}}.h5"
QUERIES = f"{DATABASE}queries.h5"
FAMILY = "results/equihash/families/{task}/{family}"
PERFECT = "results/equihash/perfect_retrieval"
RUN = "results/equihash/models/{task}/{model}/{variant}/seed={seed}/"
WEIGHTS = f"{RUN}network.safetensors"
CHECKPOINTS = f"{RUN}checkpoints.tar"
INDEXED = f"{RUN}{{database}}/"
FINGERPRINTS = f"{INDEXED}fingerprints/{{shard}}-of-{{shards}}"
QUERY_CODES = f"{INDEXED}queries"
PARTITION = f"{INDEXED}index/{{partition}}-of-{{partitions}}"
COUNTS = f"{INDEXED}counts/{{partition}}-of-{{partitions}}"
EXPECTED = f"{INDEXED}expected.csv"

# Variants whose name lists no parameters: the model as in the config, before training, from a file, an encoder of
# another origin, without a network.
DEFAULT, UNTRAINED, IMPORTED, CODES, SYNTHETIC = "default", "untrained", "imported", "codes", "synthetic"
GIVEN = "fingerprints"  # those of others, from their files
ENCODED = f"(?!{SYNTHETIC}/|{GIVEN}/)[^/]+"  # the variants whose fingerprints are computed from views
AT_A_STEP = r"(?:[^/]+\+)?step=\d+"  # the variants that are networks at a step of a training
# The variants whose weights are trained here.
TRAINED = rf"(?!{IMPORTED}/|{CODES}/|{SYNTHETIC}/|{GIVEN}/|{AT_A_STEP}/)[^/]+"
# Who knows the sources of codes; called by name, since no wing imports another.
_ENCODER_OF = ("rehash.comparison.plan", "encoder_of")
# The same paths for the variants whose files other rules make.
IMPORTED_RUN = RUN.replace("{variant}", IMPORTED)
SYNTHETIC_RUN = INDEXED.replace("{variant}", SYNTHETIC)
SYNTHETIC_FINGERPRINTS = FINGERPRINTS.replace("{variant}", SYNTHETIC)
GIVEN_FINGERPRINTS = FINGERPRINTS.replace("{variant}", GIVEN)
GIVEN_QUERY_CODES = QUERY_CODES.replace("{variant}", GIVEN)
# The tables of one network on a database, and the comparisons of all networks on it with the table each one stacks.
TABLES = ("evaluation", "bucket_sizes", "query_buckets", "probes", "distances")
COMPARISONS = {"retrieval": "evaluation", **{name: name for name in TABLES[1:]}}
COMPARED = [*COMPARISONS, "predicted", "distances_statistics"]  # and the tables that are computed from these
# The readers of banks of identities, for tasks of the kind instances; and the readers of folders of images.
IDENTITIES = ("identities", "digiface", "stereo")
_FOLDERS = ("image_folder", "identities")
# The settings of a task that only some kinds have, by kind.
KIND_SETTINGS = {
    "noisy": ("gaussian",),
    "warped": ("perlin", "hue", "lightness", "saturation", "flow"),
    "natural": ("perlin", "hue", "lightness", "saturation", "flow"),
    "augmented": tuple("gaussian labels colour shift rotation scale flip brightness contrast".split()),
    "instances": ("colour", "differ"),
}
_AMPLITUDE = 127  # of Perlin fields, where no config says it
FLOWING = [kind for kind, keys in KIND_SETTINGS.items() if "flow" in keys]  # whose views a Perlin flow moves
# What the published perfect-retrieval rates of 2023 are of; null stands for these, too.
_PUBLISHED_DATABASE = {"split": "valid", "multiplicity": 1}
_PUBLISHED_TASK = {"kind": "natural", "grid": [1, 2], "picture": [180, 180], "overlap": [0, 90], "hue": 1 / 16}
_PUBLISHED_TASK |= {"lightness": 0.2, "saturation": 0}
_PUBLISHED_FLOW = {"coarse": 256, "fine": 512, "taper": False, "strength": 2, "fade": [6, 8]}
# The pairs of views of a published step, by the kind of its task.
_PUBLISHED_PAIRS = {"noisy": 2048, "warped": 2048, "natural": 1024}
# Settings that are newer than trainings that stand. They are left out where they say what always was, so that no file
# and no saved state of an earlier training changes.
_NEWER = {
    "model": {"batch_norm": True},
    "schedule": {"optimiser_arguments": {}, "deterministic": True},
    "settings": {
        "hash_net": {"beta_first": 1.0, "similar": 0.5},
        "hash_net_shannon": {"beta_first": 1.0},
        "jmlh": {"binarization": "heaviside", "deterministic": False, "classifier_bias": True},
        "shannon_hamming": {"group_strided": True},
    },
}


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
    built, images = BANK.format(bank=bank), block(config, "banks", bank)["reader"] in _FOLDERS
    return {
        role: outside_content(path, where, built, ("content", role), images=images, look=look)
        for role, (path, where) in _from_outside(config, bank).items()
    }


def _from_outside(config: dict, bank: str) -> dict[str, tuple[str, str]]:
    """Return the paths of a bank's block by their role, each with its key in the config."""
    found, where = block(config, "banks", bank), f"config: equihash.banks.{bank}"
    whole = {"path": (found["path"], f"{where}.path")} if found["path"] else {}
    return whole | {role: (path, f"{where}.paths.{role}") for role, path in found["paths"].items()}


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
    """Return the settings that a generated Perlin bank depends on."""
    found = {key: value for key, value in block(config, "perlin", perlin).items() if key != "path"}
    return {**found, "amplitude": found["amplitude"] or _AMPLITUDE, "seed": config["seed"], "name": perlin}


def names_of(config: dict, part: str, key: str, value: str | None, *, others: bool = False) -> str:
    """Return a regular expression of the names of a part's blocks in which a key has a value, or of all others."""
    found = [name for name, each in config["equihash"][part].items() if (each[key] == value) != others]
    return "|".join(found) or "(?!)"  # which no name matches


def perlin_place(config: dict, perlin: str) -> str:
    """Return the path of the file from outside that a Perlin bank is copied from."""
    return located(block(config, "perlin", perlin)["path"], f"config: equihash.perlin.{perlin}.path")


def perlin_content(config: dict, perlin: str, look: bool = True) -> str:
    """Return the checksum of the file that a Perlin bank is copied from."""
    path, where = block(config, "perlin", perlin)["path"], f"config: equihash.perlin.{perlin}.path"
    return outside_content(path, where, PERLIN_BANK.format(perlin=perlin), ("content",), look=look)


def copied_perlin(config: dict, perlin: str) -> dict[str, Any]:
    """Return the settings that a Perlin bank from a file depends on besides that file."""
    return {"name": perlin, "count": block(config, "perlin", perlin)["count"]}


def perlin_tasks(config: dict, perlin: str) -> dict[str, tuple[int, int]]:
    """Return the height and width of the mosaics of each task that a Perlin bank's fields move."""
    tasks = config["equihash"]["tasks"]
    return {task: shape_of(config, task)[1:] for task, found in tasks.items() if found["perlin"] == perlin}


def task_settings(config: dict, task: str) -> dict[str, Any]:
    """Return the settings of a task as `rehash.equihash.images.task.Task.of` takes them."""
    found = block(config, "tasks", task)
    settings = {key: value for key, value in found.items() if key not in ("bank", "perlin") and value is not None}
    if "flow" in settings:
        settings["flow"] = {key: value for key, value in settings["flow"].items() if value is not None}
    return settings


def task_inputs(config: dict, task: str) -> dict[str, str]:
    """Return the paths of a task's bank and of its Perlin bank, if it has one."""
    found = block(config, "tasks", task)
    perlin = {"perlin": PERLIN_BANK.format(perlin=found["perlin"])} if found["perlin"] else {}
    return {"bank": BANK.format(bank=found["bank"]), **perlin}


def of_identities(config: dict, task: str) -> bool:
    """Return whether the views of a task are images of identities."""
    return block(config, "tasks", task)["kind"] == "instances"


def by_class(config: dict, task: str) -> bool:
    """Return whether the labels of a task are classes, and not images."""
    return block(config, "tasks", task)["labels"] == "classes"


def label_inputs(config: dict, database: str) -> dict[str, str]:
    """Return the path of the bank whose images a database's labels are mosaics of.

    There is none of unknown labels, and none is needed for labels of a file where the config says how many images.
    """
    found = block(config, "databases", database)
    counted = found["labels"] == "file" and "bank_size" in database_task(config, database)
    return {} if found["labels"] == "unknown" or counted else {"bank": task_inputs(config, found["task"])["bank"]}


def label_params(config: dict, database: str) -> dict[str, Any]:
    """Return what a database's labels depend on besides its bank; the number of shards is not part of it."""
    found = block(config, "databases", database)
    shown = database_task(config, database)
    return {
        **{key: found[key] for key in ("split", "items", "multiplicity")},
        **({"bank_size": shown["bank_size"]} if "bank_size" in shown else {}),
        "images": prod(shown["grid"]),
        "seed": config["seed"],
    }


def database_task(config: dict, database: str) -> dict[str, Any]:
    """Return the settings of a database's task, with the database's own number of images where it has one."""
    found = block(config, "databases", database)
    own = {"bank_size": found["bank_size"]} if found["bank_size"] else {}
    return task_settings(config, found["task"]) | own


def file_labels(config: dict, database: str) -> dict[str, Any]:
    """Return what the labels of a database depend on besides the file that they are read from, and its bank."""
    found, shown = block(config, "databases", database), database_task(config, database)
    bank_size = shown.get("bank_size")
    kept = {"split": found["split"], "items": found["items"], "grid": shown["grid"], "bank_size": bank_size}
    return {**kept, "seed": config["seed"]}


def file_queries(config: dict, database: str) -> dict[str, Any]:
    """Return what the queries of a database depend on besides the files that they are read from, and its labels."""
    found, labels = block(config, "databases", database), file_labels(config, database)
    kept = {key: labels[key] for key in ("split", "grid", "bank_size")}
    counts = {key: found[key] for key in ("positives", "negatives", "pairs")}
    return {**kept, **counts, "sizes": sizes(config, database)}


def label_place(config: dict, database: str) -> dict[str, str]:
    """Return the paths of the files of others that a database's labels and queries are read from, by their role."""
    return {role: located(path, where) for role, (path, where) in _label_sources(config, database).items()}


def label_content(config: dict, database: str, look: bool = True) -> str:
    """Return the checksum of the file of others that a database's labels are read from."""
    return outside_content(*_label_sources(config, database)["labels"], labels_file(database), ("content",), look=look)


def query_content(config: dict, database: str, look: bool = True) -> dict[str, str]:
    """Return the checksums of the files of others that a database's queries are read from, by their role."""
    built = QUERIES.format(database=database)
    return {
        role: outside_content(*source, built, ("content", role), look=look)
        for role, source in _label_sources(config, database).items()
    }


def _label_sources(config: dict, database: str) -> dict[str, tuple[str, str]]:
    found, where = block(config, "databases", database), f"config: equihash.databases.{database}"
    paths = {
        "labels": (found["path"], f"{where}.path"),
        "ground_truth": (found["ground_truth"], f"{where}.ground_truth"),
    }
    return {role: source for role, source in paths.items() if source[0]}


def labels_file(database: str) -> str:
    """Return the path of a database's labels."""
    return LABELS.format(database=database)


def sizes(config: dict, database: str) -> list[int]:
    """Return the sizes at which a database is evaluated, ascending: numbers of its first items, the last is all."""
    found = block(config, "databases", database)
    return sorted({*found["sizes"], found["items"]})


def query_params(config: dict, database: str) -> dict[str, Any]:
    """Return what a database's queries depend on besides its labels."""
    found = block(config, "databases", database)
    kept = {key: found[key] for key in ("asked", "positives", "negatives", "pairs", "split")}
    images = prod(block(config, "tasks", found["task"])["grid"])
    things = "identities" if of_identities(config, found["task"]) else "images"
    return {**kept, "images": images, "things": things, "sizes": sizes(config, database), "seed": config["seed"]}


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
    """Return the variant that a model's block describes without changes.

    It is imported, codes, synthetic, fingerprints or default.
    """
    found = {"import": IMPORTED, "codes": CODES, "synthetic": SYNTHETIC, "fingerprints": GIVEN}
    return next((variant for key, variant in found.items() if model[key]), DEFAULT)


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
    only = variant_of(found)
    if only not in (DEFAULT, IMPORTED) or (only == IMPORTED and variant != UNTRAINED):
        there = f"variants are {only} and {UNTRAINED}" if only == IMPORTED else f"only variant is {only}"
        raise InputError(f"{where}: it is {only}, not trained here; its {there}")
    settings = objectives.complete(found["objective"], found["settings"], f"{where}.settings")
    schedule = {key: value for key, value in found["training"].items() if key != "checkpoints"}
    parts = {"settings": settings, "schedule": schedule, "model": {key: found[key] for key in ("bits", "batch_norm")}}
    variant, step = without_step(variant)
    for name, value in (untrained_values(found) if variant == UNTRAINED else variant_values(variant)).items():
        part = next((part for part in parts.values() if name in part), None)
        if part is None:
            known = sorted(name for part in parts.values() for name in part)
            raise unknown("parameter", name, known, f"{where}, variant {variant}")
        part[name] = value
    values = {**parts["model"], "training": parts["schedule"]}
    check_values(values, ("equihash", "models", "*", "*"), f"{where}, variant {variant}")
    settings = objectives.complete(found["objective"], parts["settings"], f"{where}, variant {variant}")
    objectives.check_terms(settings, parts["model"]["bits"], f"{where}, variant {variant}")
    if parts["schedule"]["forward"] == "twice" and not objectives.runs_twice(found["objective"]):
        able = ", ".join(name for name in objectives.names() if objectives.runs_twice(name))
        raise InputError(
            f"{where}: training.forward is twice, which repeats the public loops of {able}; there is none that runs "
            f"{found['objective']} so: say once, or recomputed, which holds less memory"
        )
    if objectives.needs_classes(found["objective"]) and not by_class(config, task):
        raise InputError(
            f"{where}: the objective {found['objective']} learns from classes, but labels of its task are "
            f"{'identities' if of_identities(config, task) else 'images'}; set "
            f"equihash.tasks.{task}.labels to classes (of a task of the kind augmented, whose bank is a dataset's)"
        )
    check_optimiser(
        *(schedule[key] for key in ("optimiser", "optimiser_arguments", "weight_decay")), f"{where}.training"
    )
    return {
        "task": task_settings(config, task),
        "network": found["network"],
        **_older(parts["model"], _NEWER["model"]),
        "objective": found["objective"],
        "settings": _older(settings, _NEWER["settings"].get(found["objective"], {})),
        "schedule": _older(schedule, _NEWER["schedule"]) | ({} if step is None else {"steps": step}),
        "seed": int(seed),
    }


def _older(values: dict[str, Any], newer: dict[str, Any]) -> dict[str, Any]:
    """Return values without those settings that are newer than trainings that stand and say what always was."""
    return {key: value for key, value in values.items() if key not in newer or value != newer[key]}


def without_step(variant: str) -> tuple[str, int | None]:
    """Return the variant whose training a variant is a step of, and the step; the variant itself and None for others.

    >>> without_step("lambda_s=0.007+step=20000")
    ('lambda_s=0.007', 20000)
    """
    name, _, step = variant.rpartition("step=")
    if not re.fullmatch(AT_A_STEP, variant) or str(int(step)) != step:
        return variant, None
    return name.removesuffix("+") or DEFAULT, int(step)


def declared_steps(config: dict, task: str, model: str, variant: str) -> list[int]:
    """Return the steps at which a training's network is kept beside the last one's: those that the training has.

    Raises:
        InputError: see `run_params`.
    """
    steps = run_params(config, task, model, variant, "0")["schedule"]["steps"]
    declared = model_config(config, task, model)["training"]["checkpoints"]
    return [] if variant == UNTRAINED else sorted(step for step in declared if step < steps)


def kept_steps(config: dict, task: str, model: str, variant: str, seed: str) -> list[int]:
    """Return the steps at which a training keeps its network.

    Where a finished training of these settings has kept all that are declared, and more, these are its steps, so that
    nothing is trained again because fewer are declared.
    """
    declared = declared_steps(config, task, model, variant)
    wildcards = {"task": task, "model": model, "variant": variant, "seed": seed}
    record = Path(WEIGHTS.format(**wildcards)).with_suffix(".json")
    if not (record.is_file() and Path(CHECKPOINTS.format(**wildcards)).is_file()):
        return declared
    made = json.loads(record.read_text(encoding="utf-8"))["params"]
    same, kept = made.get("training") == run_params(config, task, model, variant, seed), made.get("steps", [])
    return kept if same and set(declared) <= set(kept) else declared


def checkpoint_inputs(config: dict, task: str, model: str, variant: str, seed: str) -> dict[str, str]:
    """Return the path of the file that a network at a step of a training is taken from, as `source`.

    Raises:
        InputError: the step is neither declared nor the last; names those that are.
    """
    trained, step = without_step(variant)
    if step is None:
        raise InputError(f"variant {variant}: expected a step as a plain number, as in step=20000")
    steps, last = declared_steps(config, task, model, trained), run_params(config, task, model, trained, seed)
    if step != (end := last["schedule"]["steps"]) and step not in steps:
        there = ", ".join(f"step={each}" for each in [*steps, end])
        message = f"variant {variant}: the training keeps no network of that step; those that are there: {there}"
        if trained != UNTRAINED and step < end:
            key = f"equihash.models.{task}.{model}.training.checkpoints"
            message += f". Add {step} to {key}, for which a finished training is done again"
        if trained != UNTRAINED and step:
            other = variant_name({**variant_values(trained), "steps": step})
            message += f"; or ask for the variant {other}, a training of so many steps"
        raise InputError(message)
    of = WEIGHTS if step == end else CHECKPOINTS
    return {"source": of.format(task=task, model=model, variant=trained, seed=seed)}


def checkpoint_step(config: dict, variant: str) -> int:
    """Return the step of a variant that is the network at a step of a training."""
    return without_step(variant)[1]


def training_inputs(config: dict, task: str, model: str, seed: str) -> dict[str, str]:
    """Return the paths of what a model is trained from: images, and the network of this graph that it starts from."""
    start = _start(config, task, model, seed)
    return {**task_inputs(config, task), **({"start": start} if start and not _is_outside(start) else {})}


def start_place(config: dict, task: str, model: str, seed: str) -> str | None:
    """Return the path of the network from outside that a training starts from; None if it starts from no such one."""
    start = _start(config, task, model, seed)
    return located(start, f"config: equihash.models.{task}.{model}.start") if _is_outside(start) else None


def start_content(config: dict, task: str, model: str, variant: str, seed: str, look: bool = True) -> str | None:
    """Return the checksum of the network from outside that a training starts from; None if it starts from no such one.

    Raises:
        InputError: there is no such file, and nothing was trained from it.
    """
    start, where = _start(config, task, model, seed), f"config: equihash.models.{task}.{model}.start"
    built = WEIGHTS.format(task=task, model=model, variant=variant, seed=seed)
    return outside_content(start, where, built, ("start",), look=look) if _is_outside(start) else None


def _start(config: dict, task: str, model: str, seed: str) -> str:
    return (model_config(config, task, model)["start"] or "").format(seed=seed)


def _is_outside(start: str) -> bool:
    return bool(start) and not start.startswith("results/")


def untrained_values(model: dict) -> dict[str, Any]:
    """Return the parameters that a model's block is changed in for a network before training.

    A few steps without learning give BatchNorm its running statistics.
    """
    return {"learning_rate": 0, "steps": -(-UNTRAINED_BATCHES // model["training"]["micro_batches"])}


def training_digest(config: dict, task: str, model: str) -> str:
    """Return the digest of the code that trains a model, without the other objectives."""
    return _digest_with(objectives.definition(model_config(config, task, model)["objective"]))


@cache
def _digest_with(objective: tuple[str, str]) -> str:
    return code_digest("train_hash", also=(objective,))


def seeds(config: dict, task: str, model: str) -> list[int]:
    """Return the seeds that a model is trained with; of what comes from files only the first, of codes their repeat."""
    found = model_config(config, task, model)
    if found["codes"]:
        return [found["codes"]["repeat"]]
    return found["seeds"][:1] if found["import"] or found["fingerprints"] else found["seeds"]


def runs(config: dict, task: str, *, untrained: bool = False) -> list[dict[str, Any]]:
    """Return the runs of a task's models as wildcards; with `untrained`, an untrained run follows each trained one."""
    found = []
    for model, settings in config["equihash"]["models"].get(task, {}).items():
        variants = [variant_of(settings)]
        if untrained and variants[0] in (DEFAULT, IMPORTED):
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


def diagnoses(config: dict, task: str) -> dict[str, list[str]]:
    """Return the paths of the diagnostics and histograms of a task's trained models."""
    found = [path.removesuffix("training.csv") for path in histories(config, task)]
    return {name: [f"{folder}{name}.csv" for folder in found] for name in ("diagnostics", "histograms")}


def timed_runs(config: dict, database: str) -> list[tuple[dict[str, Any], int]]:
    """Return, for the models of a database that keep networks of several steps, the runs and their steps.

    The last step's run is the trained network itself.
    """
    found = block(config, "databases", database)
    task = found["task"]
    return [
        ({**run, "variant": f"step={step}" if step < end else DEFAULT, "database": database}, step)
        for run in runs(config, task)
        if run["variant"] == DEFAULT and _evaluated(found, run)
        if (steps := declared_steps(config, task, run["model"], DEFAULT))
        for end in [model_config(config, task, run["model"])["training"]["steps"]]
        for step in [*steps, end]
    ]


def timed_evaluations(config: dict, database: str) -> list[str]:
    """Return the paths of the evaluations of the networks of `timed_runs`.

    Raises:
        InputError: no model that the database evaluates keeps networks of several steps.
    """
    found = timed_runs(config, database)
    if not found:
        task = block(config, "databases", database)["task"]
        raise InputError(
            f"config: equihash.models.{task}: no model that the database {database} evaluates keeps networks of "
            "several steps; set training.checkpoints of one, for example [0, 1000]"
        )
    return [f"{INDEXED}evaluation.csv".format(**run) for run, _ in found]


def timed_steps(config: dict, database: str) -> list[int]:
    """Return the steps of `timed_runs`."""
    return [step for _, step in timed_runs(config, database)]


def weights(config: dict, task: str) -> list[str]:
    """Return the paths of the weights of a task's models and of their untrained networks."""
    made = [run for run in runs(config, task, untrained=True) if run["variant"] not in (CODES, SYNTHETIC, GIVEN)]
    return [WEIGHTS.format(**run) for run in made]


def code_source(config: dict, task: str, model: str, seed: str | int) -> dict[str, Any]:
    """Return where a model's codes come from: open, files, settings, dataset, bits, repeat and where.

    `open` is "module:function" of the encoder's opener (`rehash.encoders`), and `files` has its files by role.

    Raises:
        InputError: the model is no source of codes or has not this repeat, or there is no such source or dataset.
    """
    found, where = model_config(config, task, model), f"config: equihash.models.{task}.{model}"
    codes = found["codes"]
    if not codes:
        raise InputError(f"{where}: has no codes; its only variants are {variant_of(found)} and what is varied of it")
    if int(seed) != codes["repeat"]:
        raise InputError(f"{where}.codes: is of repeat {codes['repeat']}; expected seed={codes['repeat']}, not {seed}")
    if codes["dataset"] not in config["datasets"]:
        raise unknown("dataset", codes["dataset"], config["datasets"], f"{where}.codes.dataset")
    module, function = _ENCODER_OF
    encoder_of = getattr(importlib.import_module(module), function)
    try:
        given = encoder_of(config, codes["source"], codes["dataset"], found["bits"], codes["repeat"])
    except InputError as error:
        raise InputError(f"{where}.codes: {error}") from error
    return {
        **{key: given[key] for key in ("open", "files", "settings")},
        "dataset": DATASET.format(dataset=codes["dataset"]),
        "bits": found["bits"],
        "repeat": codes["repeat"],
        "where": f"{where}.codes, {given['where']}",
    }


def _code_sources(config: dict, task: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the runs of a task's models that are sources of codes, each with its `code_source`."""
    found = [run for run in runs(config, task) if run["variant"] == CODES]
    return [(run, code_source(config, task, run["model"], run["seed"])) for run in found]


def _code_files(sources: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {
        "code_files": [path for source in sources for path in source["files"].values()],
        "code_datasets": [source["dataset"] for source in sources],
    }


def _code_params(config: dict, run: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    """Return a source of codes as `rehash.equihash.learning.models.CodeSource` takes it, with roles for its files."""
    kept = {key: source[key] for key in ("open", "settings", "bits", "repeat", "where")}
    keys = {key: run[key] for key in ("task", "model", "variant")}
    return {**kept, "keys": keys, "roles": list(source["files"]), "seed": config["seed"]}


def code_params(config: dict, *, task: str, model: str, variant: str, seed: str, **_: str) -> dict[str, Any] | None:
    """Return what the codes of a run depend on besides their files; None of a network."""
    if variant != CODES:
        return None
    run = {"task": task, "model": model, "variant": variant}
    return _code_params(config, run, code_source(config, task, model, seed))


def encoding_digest(config: dict, *, task: str, model: str, variant: str, seed: str, script: str, **_: str) -> str:
    """Return the digest of the code that encodes: a script's and, of a source of codes, that of its opener."""
    openers = () if variant != CODES else (code_source(config, task, model, seed)["open"],)
    return _digest_of_openers(script, openers)


def distance_digest(config: dict, task: str) -> str:
    """Return the digest of the code that measures a task's distances, the openers of its codes included."""
    return _digest_of_openers("measure_distances", tuple(source["open"] for _, source in _code_sources(config, task)))


@cache
def _digest_of_openers(script: str, openers: tuple[str, ...]) -> str:
    return code_digest(script, also=tuple(tuple(name.split(":")) for name in openers))


def checkpoint(config: dict, task: str, model: str) -> str:
    """Return the path of the network that a model is imported from: one that rehash ships, by name, or a file.

    Raises:
        InputError: there is neither; the message names the networks that are shipped.
    """
    path, where = model_config(config, task, model)["import"], f"config: equihash.models.{task}.{model}.import"
    if path in (shipped := shipped_networks()):
        return str(shipped[path])
    try:
        return located(path, where)
    except InputError as error:
        names = f"; networks that come with rehash, by name: {', '.join(shipped)}" if shipped else ""
        raise InputError(f"{error}{names}") from None


def checkpoint_content(config: dict, task: str, model: str, seed: str, look: bool = True) -> str:
    """Return the checksum of the network that a model is imported from, and of the table beside one of rehash's own."""
    path, where = model_config(config, task, model)["import"], f"config: equihash.models.{task}.{model}.import"
    if path in (shipped := shipped_networks()):
        return " ".join(file_digest(shipped[path].with_suffix(end), "md5") for end in (".safetensors", ".csv"))
    built = WEIGHTS.format(task=task, model=model, variant=IMPORTED, seed=seed)
    return outside_content(path, where, built, ("content",), look=look)


def import_params(config: dict, task: str, model: str, seed: str) -> dict[str, Any]:
    """Return the identity of an imported network and the SHA-256 that its file should have."""
    found = model_config(config, task, model)
    keys = {"task": task, "model": model, "variant": IMPORTED}
    shape = list(shape_of(config, task))
    identity = {"keys": keys, "network": found["network"], "bits": found["bits"], "shape": shape, "seed": int(seed)}
    identity |= {} if found["batch_norm"] else {"batch_norm": False}
    return {"identity": identity, "task": task_settings(config, task), "sha256": found["sha256"]}


def distance_inputs(config: dict, task: str) -> dict[str, list[str]]:
    """Return the paths of what a task's distances are measured with: weights, and files of sources of codes."""
    return {"weights": weights(config, task), **_code_files([source for _, source in _code_sources(config, task)])}


def distance_sources(config: dict, task: str) -> list[dict[str, Any]]:
    """Return what the codes of a task's models depend on besides their files, in the order of these."""
    return [_code_params(config, run, source) for run, source in _code_sources(config, task)]


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


def check_bytes(bits: int, database: str, where: str) -> None:
    """Raise an InputError if codes of so many bits do not fill whole bytes, as fingerprints of a database have to."""
    if bits % 8:
        raise InputError(
            f"{where}: bits is {bits}, and the database {database} needs fingerprints of whole bytes, a multiple of 8 "
            "bits; change bits, or move the model to a task without a database (a copy of the task's block)"
        )


def encoding_inputs(
    config: dict, *, task: str, model: str, variant: str, seed: str, database: str, **_: str
) -> dict[str, Any]:
    """Return the paths that fingerprints are computed from besides labels: images, and weights or a source's files."""
    of_task(config, task, database)
    if variant == CODES:
        return {**task_inputs(config, task), **_code_files([code_source(config, task, model, seed)])}
    if variant not in (IMPORTED, UNTRAINED):  # whose bits the config says, and checks
        where = f"config: equihash.models.{task}.{model}, variant {variant}"
        check_bytes(run_params(config, task, model, variant, seed)["bits"], database, where)
    weights = WEIGHTS.format(task=task, model=model, variant=variant, seed=seed)
    return {**task_inputs(config, task), "weights": weights}


def encoding_params(config: dict, task: str, variant: str, database: str) -> dict[str, Any]:
    """Return what fingerprints depend on besides their input files and the source of codes."""
    found = of_task(config, task, database)
    return {
        "task": database_task(config, database),
        "split": found["split"],
        "seed": config["seed"] if found["noise_seed"] is None else found["noise_seed"],
        "precision": "float32" if variant == CODES else config["equihash"]["precision"],
    }


def synthetic_params(config: dict, *, task: str, model: str, seed: str, database: str, **_: str) -> dict[str, Any]:
    """Return the settings that synthetic fingerprints are generated with.

    Raises:
        InputError: the model is not synthetic, or the database is of another task.
    """
    found, noise = model_config(config, task, model), of_task(config, task, database)["noise_seed"]
    if not found["synthetic"]:
        raise InputError(f"config: equihash.models.{task}.{model}: it is not synthetic, has no such variant")
    other = {} if noise is None else {"noise_seed": noise}
    return {"bits": found["bits"], **found["synthetic"], "seed": int(seed), **other}


def given_params(config: dict, *, task: str, model: str, database: str, **_: str) -> dict[str, Any]:
    """Return the settings that fingerprints of others are read with.

    Raises:
        InputError: the model has none, or the database is of another task.
    """
    found = model_config(config, task, model)
    of_task(config, task, database)
    if not found["fingerprints"]:
        raise InputError(f"config: equihash.models.{task}.{model}: it has no fingerprints, and no such variant")
    return {"bits": found["bits"]}


def given_place(config: dict, *, task: str, model: str, **_: str) -> dict[str, str]:
    """Return the paths of the files of others that a model's fingerprints are read from, by their role."""
    return {role: located(path, where) for role, (path, where) in _given(config, task, model).items()}


def given_content(
    config: dict, *, task: str, model: str, seed: str, database: str, look: bool = True, **_: str
) -> dict[str, str]:
    """Return the checksums of the files of others that a model's fingerprints are read from, by their role."""
    built = f"{GIVEN_QUERY_CODES}.h5".format(task=task, model=model, seed=seed, database=database)
    return {
        role: outside_content(path, where, built, ("content", role), look=look)
        for role, (path, where) in _given(config, task, model).items()
    }


def _given(config: dict, task: str, model: str) -> dict[str, tuple[str, str]]:
    """Return the paths of a model's files of fingerprints by their role, each with its key in the config."""
    paths = model_config(config, task, model)["fingerprints"]
    where = f"config: equihash.models.{task}.{model}.fingerprints"
    return {role: (path, f"{where}.{role}") for role, path in paths.items() if path}


def shard_files(config: dict, *, database: str, **run: str) -> list[str]:
    """Return the paths of all fingerprints of a database that a run's network has computed."""
    count = of_task(config, run["task"], database)["shards"]
    return [f"{FINGERPRINTS}.h5".format(**run, database=database, shard=s, shards=count) for s in range(count)]


def count_files(config: dict, *, database: str, **run: str) -> list[str]:
    """Return the paths of the counts of all partitions of an index."""
    count = of_task(config, run["task"], database)["partitions"]
    return [f"{COUNTS}.h5".format(**run, database=database, partition=p, partitions=count) for p in range(count)]


def count_inputs(config: dict, database: str) -> dict[str, Any]:
    """Return the paths of a database's queries and labels, with which a partition is evaluated."""
    return {"queries": QUERIES.format(database=database), "labels": labels_file(database)}


def probed(config: dict, database: str) -> int:
    """Return how many of a database's queries are multi-probed."""
    return block(config, "databases", database)["probed"]


def kept_logits(config: dict, database: str) -> dict[str, Any]:
    """Return which logits of a database's queries are kept: those that are probed, and perhaps all with their signs."""
    return {
        "probed": probed(config, database),
        "signed": block(config, "databases", database)["logits"] == "all",
    }


def probes(config: dict, database: str) -> int:
    """Return the number of probes of each multi-probed query of a database."""
    return block(config, "databases", database)["probes"]


def evaluation_params(config: dict, database: str) -> dict[str, int]:
    """Return what an evaluation depends on besides its input files."""
    pairs = block(config, "databases", database)["item_pairs"]
    return {"probes": probes(config, database), "item_pairs": pairs, "seed": config["seed"]}


def partition_files(config: dict, *, database: str, **run: str) -> list[str]:
    """Return the paths of all partitions of an index."""
    count = of_task(config, run["task"], database)["partitions"]
    return [f"{PARTITION}.h5".format(**run, database=database, partition=p, partitions=count) for p in range(count)]


def retrieval_inputs(config: dict, task: str, database: str) -> dict[str, Any]:
    """Return the paths of what is shown of a database besides an index: images, queries and labels.

    Raises:
        InputError: there is nothing to show: labels are unknown, or no query is probed.
    """
    found, where = of_task(config, task, database), f"config: equihash.databases.{database}"
    check_shown(config, database)
    if not min(found["positives"], found["probed"]):
        raise InputError(f"{where}: a gallery shows positive queries that are probed; set positives and probed above 0")
    return {**task_inputs(config, task), **count_inputs(config, database)}


def check_shown(config: dict, database: str) -> None:
    """Raise an InputError if a database has no labels, without which none of its items can be shown."""
    if block(config, "databases", database)["labels"] == "unknown":
        raise InputError(
            f"config: equihash.databases.{database}: labels are unknown, so that its items cannot be shown; take them "
            "from a file (labels: file) if you have it"
        )


def gallery_params(config: dict, database: str) -> dict[str, Any]:
    """Return what a gallery depends on besides its input files and views: what is shown, and the seed of its choice.

    Numbers of probes above what the database's queries are probed with are left out.
    """
    found = block(config, "databases", database)
    shown = found["gallery"]
    numbers = sorted({count for count in shown["probes"] if count <= found["probes"]} or {found["probes"]})
    return {"probes": numbers, "rows": shown["rows"], "items": shown["items"], "seed": config["seed"]}


def family_evaluations(config: dict, task: str, family: str) -> list[str]:
    """Return the paths of the evaluations of all runs of a family."""
    database = family_config(config, task, family)["database"]
    return [f"{INDEXED}evaluation.csv".format(**run, database=database) for run in family_runs(config, task, family)]


def database_runs(config: dict, database: str) -> list[dict[str, Any]]:
    """Return the runs that a database evaluates, as wildcards with the database.

    These are the runs of all models of its task, or of those that its `models` names; and of those that its `untrained`
    names the networks before training.
    """
    found = block(config, "databases", database)
    asked = runs(config, found["task"], untrained=bool(found["untrained"]))
    return [{**run, "database": database} for run in asked if _evaluated(found, run)]


def _evaluated(database: dict, run: dict[str, Any]) -> bool:
    if run["variant"] == UNTRAINED:
        return run["model"] in database["untrained"]
    return database["models"] is None or run["model"] in database["models"]


def compared(config: dict, database: str) -> dict[str, list[str]]:
    """Return the paths of all models' tables on a database, by comparison, and of the synthetic models' predictions.

    Raises:
        InputError: the database's task has no model, or it names none of them.
    """
    found = database_runs(config, database)
    if not found:
        about = block(config, "databases", database)
        task = about["task"]
        if about["models"] == [] and config["equihash"]["models"].get(task):
            raise InputError(
                f"config: equihash.databases.{database}.models: is empty; the database needs a model to be evaluated: "
                f"name {' or '.join(config['equihash']['models'][task])}, or leave models out for all of them"
            )
        raise InputError(f"config: equihash.models.{task}: no model; the database {database} needs one to be evaluated")
    tables = {
        comparison: [f"{INDEXED}{name}.csv".format(**run) for run in found] for comparison, name in COMPARISONS.items()
    }
    return {**tables, "predicted": [EXPECTED.format(**run) for run in found if run["variant"] == SYNTHETIC]}


def built_databases(config: dict) -> list[str]:
    """Return the databases that `all` evaluates: those to build whose task has models to build."""
    build = config["equihash"]["build"]
    return [name for name in build["databases"] if block(config, "databases", name)["task"] in build["models"]]


def _asked_items(config: dict) -> list[str]:
    """Return the databases that `all` evaluates by their own items, as the published perfect-retrieval rates are."""
    return [name for name in built_databases(config) if block(config, "databases", name)["asked"] == "items"]


def perfect_inputs(config: dict) -> dict[str, list[str]]:
    """Return the paths of the tables that the published perfect-retrieval rates are compared with, and their labels."""
    databases = _asked_items(config)
    return {
        "retrievals": [f"{DATABASE}retrieval.csv".format(database=name) for name in databases],
        "labels": [labels_file(name) for name in databases],
    }


def perfect_differences(config: dict) -> dict[str, str]:
    """Return, by database, in what its settings differ from the published database of 2023, in words.

    How many labels there are is not known here.
    """
    found = {}
    for name in _asked_items(config):
        database = block(config, "databases", name)
        task = block(config, "tasks", database["task"])
        words = [
            f"{key} {settings[key]} (published: {value})"
            for settings, published in ((database, _PUBLISHED_DATABASE), (task, _PUBLISHED_TASK))
            for key, value in published.items()
            if settings[key] not in (value, None)
        ]
        flow = {key: value for key, value in (task["flow"] or {}).items() if value not in (None, _PUBLISHED_FLOW[key])}
        words += [f"flow {key} {value} (published: {_PUBLISHED_FLOW[key]})" for key, value in flow.items()]
        found[name] = "; ".join(words)
    return found


def gallery_runs(config: dict, database: str) -> list[dict[str, str]]:
    """Return the runs whose galleries are drawn with all else: of the models that the database names for it."""
    named = block(config, "databases", database)["gallery"]["models"]
    found = [run for run in database_runs(config, database) if run["model"] in named and run["variant"] != UNTRAINED]
    return [{name: str(value) for name, value in run.items()} for run in found]


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """Return the figures that the config asks for, in the report's order, as name and wildcards."""
    wing = config["equihash"]
    build = wing["build"]
    found = [("views", {"task": task}) for task in build["tasks"]]
    fields = dict.fromkeys(block(config, "tasks", task)["perlin"] for task in build["tasks"])
    found += [("perlin", {"perlin": perlin}) for perlin in fields if perlin]
    for task in build["models"]:
        found += [("training", {"task": task})] if histories(config, task) else []
        found += [("distances", {"task": task})] if any(distance_inputs(config, task).values()) else []
    found += [("diagnostics", {"task": task}) for task in build["diagnostics"] if task in build["models"]]
    for task in build["families"]:
        found += [("family", {"task": task, "family": family}) for family in wing["families"][task]]
    for database in built_databases(config):
        found += [(name, {"database": database}) for name in ("retrieval", "bucket_sizes", "query_buckets", "probes")]
        found += [("gallery", run) for run in gallery_runs(config, database)]
        found += [("checkpoints", {"database": database})] if timed_runs(config, database) else []
    return [*found, ("perfect_retrieval", {})] if built_databases(config) else found


def data_text(
    config: dict, name: str, task: str = "", perlin: str = "", family: str = "", database: str = "", **run: str
) -> str:
    """Return the report's sentence on the data that a figure shows."""
    if perlin:
        found = block(config, "perlin", perlin)
        fields = f"{found['count']:,} fields" if found["count"] else "all fields"
        return f"Perlin bank {perlin}: {fields} of each resolution{' of a file' if found['path'] else ''}."
    if database:
        found = block(config, "databases", database)
        network = "; network {model}, {variant}, seed {seed}".format(**run) if run else ""
        return f"Database {database}, task {found['task']}, {found['items']:,} items{network}."
    if family:
        found = family_config(config, task, family)
        return f"Task {task}, family {family}, database {found['database']}."
    if name == "views":
        return f"Task {task}, bank {block(config, 'tasks', task)['bank']}."
    return f"Task {task}. {_steps(config, task)}" if task else "Published rates, beside ours."


def networks_shown(config: dict, name: str, task: str = "", database: str = "", model: str = "", **_: str) -> list[str]:
    """List the models whose training or fingerprints a figure shows."""
    if model:
        return [model]
    if name in ("views", "perlin", "family"):
        return []
    found = database_runs(config, database) if database else runs(config, task) if task else []
    return list(dict.fromkeys(run["model"] for run in found))


def _steps(config: dict, task: str) -> str:
    """Return the sentences on how long a task's models are trained, compared with the published ones."""
    trained = {
        model: found["training"]
        for model, found in config["equihash"]["models"][task].items()
        if variant_of(found) == DEFAULT
    }
    published = _PUBLISHED_PAIRS.get(block(config, "tasks", task)["kind"])
    beside = f", undertrained beside the published 100,000 of {published:,}." if published else "."
    return " ".join(
        f"{model}: {t['steps']:,} steps of {t['micro_batches'] * t['pairs']:,} pairs"
        + (beside if t["steps"] < 100_000 else ".")
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
    coloured = found["kind"] in FLOWING or found["colour"]
    return (3 if coloured else 1), height, width
