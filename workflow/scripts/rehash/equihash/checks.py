"""Checks of the config's part `equihash` that go beyond the schema."""

from __future__ import annotations

from rehash.config import check_images
from rehash.equihash.plan import DEFAULT, block, family_runs, run_params, variant_of
from rehash.errors import InputError, unknown

# The settings that say where a bank's images come from, by the bank's reader.
_PLACES = {"digits": ["dataset"], "photos": [], "image_folder": ["path"], "hdf5": ["path", "paths"]}


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown name, or if two of its settings contradict each other."""
    _check_banks(config)
    _check_references(config["equihash"])
    _check_models(config)
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
    for name, task in wing["tasks"].items():
        if (task["kind"] == "warped") != bool(task["perlin"]):
            raise InputError(f"config: equihash.tasks.{name}: a warped task needs a Perlin bank, a noisy one has none")
    for part in ("models", "families"):
        for task in wing[part]:
            if task not in wing["tasks"]:
                raise unknown("task", task, wing["tasks"], f"config: equihash.{part}")
    for part in ("models", "families"):
        for task in wing["build"][part]:
            if task not in wing[part]:
                raise unknown(f"task without {part}", task, wing[part], f"config: equihash.build.{part}")


def _check_models(config: dict) -> None:
    for task, models in config["equihash"]["models"].items():
        for model, found in models.items():
            if found["import"] and found["synthetic"]:
                raise InputError(
                    f"config: equihash.models.{task}.{model}: has import and synthetic; expected one of them"
                )
            if variant_of(found) == DEFAULT:
                run_params(config, task, model, DEFAULT, "0")


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
                    run_params(config, **run)
                except InputError as error:
                    raise InputError(f"{where}: {error}") from error
