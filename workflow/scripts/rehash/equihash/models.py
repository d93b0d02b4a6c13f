"""What the Snakefile computes for the networks of this wing: paths, runs, families and targets, of the config."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from typing import Any

from rehash.config import check_values
from rehash.digest import code_digest
from rehash.equihash import objectives
from rehash.equihash.plan import block, task_settings
from rehash.errors import InputError, unknown

RUN = "results/equihash/models/{task}/{model}/{variant}/seed={seed}/"
WEIGHTS = f"{RUN}network.safetensors"
TRAINING = "results/equihash/tasks/{task}/training"
DISTANCES = "results/equihash/tasks/{task}/distances"
FAMILY = "results/equihash/families/{task}/{family}"
DEFAULT, UNTRAINED, IMPORTED, SYNTHETIC = "default", "untrained", "imported", "synthetic"
_UNTRAINED_BATCHES = 40  # enough for BatchNorm's running statistics to forget their start: 0.9^40 is below 0.02


def model_config(config: dict, task: str, model: str) -> dict:
    """The block of a model.

    Raises:
        InputError: there is none; names the nearest.
    """
    models = config["equihash"]["models"]
    if task not in models:
        raise unknown("task", task, models, "config: equihash.models")
    if model not in models[task]:
        raise unknown("model", model, models[task], f"config: equihash.models.{task}")
    return models[task][model]


def family_config(config: dict, task: str, family: str) -> dict:
    """The block of a family of ablations.

    Raises:
        InputError: there is none; names the nearest.
    """
    families = config["equihash"]["families"].get(task, {})
    if family not in families:
        raise unknown("family", family, families, f"config: equihash.families.{task}")
    return families[family]


def variant_of(model: dict) -> str:
    """The variant of a model that its block describes, as it stands."""
    return IMPORTED if model["import"] else SYNTHETIC if model["synthetic"] else DEFAULT


def variant_name(values: dict[str, Any]) -> str:
    """A variant's part of the path: its parameters as name=value, joined by +.

    Not by commas, at which Snakemake cuts the wildcards that it hands to a job on a cluster
    (https://github.com/snakemake/snakemake/issues/2366).
    """
    return "+".join(f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in values.items())


def variant_values(variant: str) -> dict[str, Any]:
    """The parameters that a variant changes, from its name.

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
    """What a training depends on besides its bank, as arguments of `rehash.equihash.train.train_hash`.

    Raises:
        InputError: the variant names no parameter of the model.
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
        **{key: config[key] for key in ("device", "threads")},
    }


def training_digest(config: dict, task: str, model: str) -> str:
    """Digest of the code that trains a model: other objectives do not count."""
    return _digest_with(objectives.definition(model_config(config, task, model)["objective"]))


@cache
def _digest_with(objective: tuple[str, str]) -> str:
    return code_digest("train_hash", also=(objective,))


def seeds(config: dict, task: str, model: str) -> list[int]:
    """The seeds that a model is trained with; an imported one has one."""
    found = model_config(config, task, model)
    return found["seeds"][:1] if found["import"] else found["seeds"]


def runs(config: dict, task: str, *, untrained: bool = False) -> list[dict[str, Any]]:
    """The runs of a task's models as wildcards; with `untrained`, each trained one is followed by its start."""
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
    """The runs of a family as wildcards: all combinations of its grid, each with all its seeds."""
    found = family_config(config, task, family)
    names = list(found["grid"])
    variants = [variant_name(dict(zip(names, values))) for values in product(*found["grid"].values())]
    return [
        {"task": task, "model": found["model"], "variant": variant, "seed": seed}
        for variant in variants
        for seed in found["seeds"]
    ]


def family_parameters(config: dict, task: str, family: str) -> dict[str, dict[str, Any]]:
    """Variant -> the values of those parameters of a family that vary (of all, if none does)."""
    grid = family_config(config, task, family)["grid"]
    varied = {name for name, values in grid.items() if len(values) > 1} or set(grid)
    variants = {run["variant"]: variant_values(run["variant"]) for run in family_runs(config, task, family)}
    return {v: {name: value for name, value in values.items() if name in varied} for v, values in variants.items()}


def histories(config: dict, task: str) -> list[str]:
    """The histories of a task's trained models."""
    return [f"{RUN}training.csv".format(**run) for run in runs(config, task) if run["variant"] == DEFAULT]


def weights(config: dict, task: str) -> list[str]:
    """The weights of a task's models, and of their untrained starts."""
    return [WEIGHTS.format(**run) for run in runs(config, task, untrained=True) if run["variant"] != SYNTHETIC]


def import_params(config: dict, task: str, model: str, seed: str) -> dict[str, Any]:
    """How a public checkpoint is read."""
    found = model_config(config, task, model)
    keys = {"task": task, "model": model, "variant": IMPORTED}
    shape = list(shape_of(config, task))
    identity = {"keys": keys, "network": found["network"], "bits": found["bits"], "shape": shape, "seed": int(seed)}
    return {"identity": identity, "sha256": found["sha256"]}


def check_models(config: dict) -> None:
    """Raise an InputError where models and families name what there is not, or a parameter cannot be."""
    wing = config["equihash"]
    for part in ("models", "families"):
        for task in wing[part]:
            if task not in wing["tasks"]:
                raise unknown("task", task, wing["tasks"], f"config: equihash.{part}")
    for part in ("models", "families"):
        for task in wing["build"][part]:
            if task not in wing[part]:
                raise unknown(f"task without {part}", task, wing[part], f"config: equihash.build.{part}")
    for task, models in wing["models"].items():
        for model, found in models.items():
            if found["import"] and found["synthetic"]:
                raise InputError(
                    f"config: equihash.models.{task}.{model}: has import and synthetic; expected one of them"
                )
            if variant_of(found) == DEFAULT:
                run_params(config, task, model, DEFAULT, "0")
    for task, families in wing["families"].items():
        for family, found in families.items():
            where = f"config: equihash.families.{task}.{family}"
            if found["database"] not in wing["databases"]:
                raise unknown("database", found["database"], wing["databases"], where)
            shown = block(config, "databases", found["database"])["task"]
            if shown != task:
                raise InputError(f"{where}: database {found['database']} is of the task {shown}; expected {task}")
            for run in family_runs(config, task, family):
                try:
                    run_params(config, **run)
                except InputError as error:
                    raise InputError(f"{where}: {error}") from error


def distance_params(config: dict, task: str) -> dict[str, Any]:
    """What a task's distances depend on besides its networks."""
    return {
        "settings": task_settings(config, task),
        "triplets": config["equihash"]["distances"]["triplets"],
        **{key: config[key] for key in ("seed", "device", "threads")},
    }


def figures(config: dict) -> list[dict[str, Any]]:
    """What the report shows of networks, in order: see `rehash.equihash.plan.figures`."""
    build, entries = config["equihash"]["build"], []
    for task in build["models"]:
        trained = [("training", TRAINING)] if histories(config, task) else []
        for study, stem in (*trained, ("distances", DISTANCES)):
            entries.append(_entry(study, task, stem.format(task=task), f"Task {task}. {_steps(config, task)}"))
    for task in build["families"]:
        for family, found in config["equihash"]["families"][task].items():
            text = f"Task {task}, family {family}, database {found['database']}."
            entries.append(_entry("family", f"{task}_{family}", FAMILY.format(task=task, family=family), text))
    return entries


def _entry(study: str, name: str, stem: str, text: str) -> dict[str, Any]:
    caption = f"equihash_{study}"
    return {"paper": "equihash", "dataset": name, "study": study, "stem": stem, "caption": caption, "text": text}


def _steps(config: dict, task: str) -> str:
    """How much the models were trained, beside how much the published ones were."""
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


def targets(config: dict) -> list[str]:
    """Every figure of networks that the config asks for."""
    return [f"{entry['stem']}{end}" for entry in figures(config) for end in (".csv", ".pdf", ".png")]


def shape_of(config: dict, task: str) -> tuple[int, int, int]:
    """Channels, height and width of a task's mosaics (`rehash.equihash.task.Task.shape`, without its torch)."""
    found = block(config, "tasks", task)
    height, width = (
        count * (size - shared) + shared
        for count, size, shared in zip(found["grid"], found["picture"], found["overlap"])
    )
    return (3 if found["kind"] == "warped" else 1), height, width
