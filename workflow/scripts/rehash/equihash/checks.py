"""Checks of the config's part `equihash` that go beyond the schema."""

from __future__ import annotations

from rehash.config import check_images
from rehash.equihash.plan import (
    CODES,
    DEFAULT,
    KIND_SETTINGS,
    block,
    by_class,
    check_bytes,
    code_source,
    family_runs,
    run_params,
    variant_of,
)
from rehash.errors import InputError, unknown

# The settings that say where a bank's images come from, by the bank's reader.
_PLACES = {"digits": ["dataset"], "photos": [], "image_folder": ["path"], "hdf5": ["path", "paths"]}


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown name, or if two of its settings contradict each other."""
    _check_banks(config)
    _check_references(config["equihash"])
    _check_tasks(config)
    _check_models(config)
    _check_databases(config)
    _check_families(config)


def _check_banks(config: dict) -> None:
    for name, bank in config["equihash"]["banks"].items():
        where, places = f"config: equihash.banks.{name}", [key for key in ("dataset", "path", "paths") if bank[key]]
        wanted = _PLACES[bank["reader"]]
        if len(places) != bool(wanted) or not set(places) <= set(wanted):
            needs, has = " or ".join(wanted) or "no path", ", ".join(places) or "none"
            raise InputError(f"{where}: reader {bank['reader']} needs {needs}; has {has}")
        if bank["dataset"] and bank["dataset"] not in config["datasets"]:
            raise unknown("dataset", bank["dataset"], config["datasets"], where)
        if bank["dataset"]:
            check_images(config, bank["dataset"], f"{where}.dataset")


def _check_references(wing: dict) -> None:
    """Raise an InputError for an unknown name, a size above its database's, or a missing or needless Perlin bank."""
    references = [(f"tasks.{n}", "banks", t["bank"]) for n, t in wing["tasks"].items()]
    references += [(f"tasks.{n}", "perlin", t["perlin"]) for n, t in wing["tasks"].items() if t["perlin"]]
    references += [(f"databases.{n}", "tasks", d["task"]) for n, d in wing["databases"].items()]
    references += [("build", part, name) for part in ("tasks", "databases") for name in wing["build"][part]]
    for where, part, name in references:
        if name not in wing[part]:
            raise unknown(part.removesuffix("s"), name, wing[part], f"config: equihash.{where}")
    for name, database in wing["databases"].items():
        if max(database["sizes"], default=0) > database["items"]:
            raise InputError(
                f"config: equihash.databases.{name}.sizes: {max(database['sizes'])}; expected at most its "
                f"{database['items']} items"
            )
    for part in ("models", "families"):
        for task in wing[part]:
            if task not in wing["tasks"]:
                raise unknown("task", task, wing["tasks"], f"config: equihash.{part}")
    for part in ("models", "families"):
        for task in wing["build"][part]:
            if task not in wing[part]:
                raise unknown(f"task without {part}", task, wing[part], f"config: equihash.build.{part}")


def _check_tasks(config: dict) -> None:
    for name, task in config["equihash"]["tasks"].items():
        where, own = f"config: equihash.tasks.{name}", KIND_SETTINGS[task["kind"]]
        if task["kind"] == "warped" and not task["perlin"]:
            raise InputError(f"{where}: a warped task needs a Perlin bank")
        for setting in dict.fromkeys(key for keys in KIND_SETTINGS.values() for key in keys):
            if setting not in own and task[setting] is not None:
                able = ", ".join(kind for kind, keys in KIND_SETTINGS.items() if setting in keys)
                raise InputError(
                    f"{where}: {setting} is a setting of tasks of the kind {able}; this one is {task['kind']}, and has "
                    f"{', '.join(own)}"
                )
        bank = config["equihash"]["banks"][task["bank"]]
        if by_class(config, name) and bank["reader"] != "digits":
            raise InputError(
                f"{where}: labels are classes, but the bank {task['bank']} (reader {bank['reader']}) has none; take a "
                "bank with the reader digits, of a dataset, or set labels: images"
            )


def _check_databases(config: dict) -> None:
    """Raise an InputError for a database of classes, or of a task one of whose models has codes that fill no bytes."""
    for name, database in config["equihash"]["databases"].items():
        task = database["task"]
        if by_class(config, task):
            raise InputError(
                f"config: equihash.databases.{name}: labels of its task {task} are classes, too few for queries that "
                "no item answers; give it a task of the same bank with labels: images"
            )
        for model, found in config["equihash"]["models"].get(task, {}).items():
            check_bytes(found["bits"], name, f"config: equihash.models.{task}.{model}")


def _check_models(config: dict) -> None:
    for task, models in config["equihash"]["models"].items():
        for model, found in models.items():
            origins = [key for key in ("import", "codes", "synthetic") if found[key]]
            if len(origins) > 1:
                raise InputError(
                    f"config: equihash.models.{task}.{model}: has {' and '.join(origins)}; expected one of them"
                )
            if variant_of(found) == DEFAULT:
                run_params(config, task, model, DEFAULT, "0")
            elif variant_of(found) == CODES:
                code_source(config, task, model, found["codes"]["repeat"])


def _check_families(config: dict) -> None:
    wing = config["equihash"]
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
                    check_bytes(run_params(config, **run)["bits"], found["database"], f"variant {run['variant']}")
                except InputError as error:
                    raise InputError(f"{where}: {error}") from error
