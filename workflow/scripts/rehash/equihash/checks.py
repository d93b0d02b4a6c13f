"""Checks of the config's part `equihash` that go beyond the schema."""

from __future__ import annotations

from itertools import combinations

from rehash.config import check_images
from rehash.equihash.plan import (
    CODES,
    DEFAULT,
    FLOWING,
    IDENTITIES,
    IMPORTED,
    KIND_SETTINGS,
    UNTRAINED,
    block,
    by_class,
    check_bytes,
    code_source,
    family_runs,
    of_identities,
    run_params,
    shape_of,
    start_content,
    variant_of,
)
from rehash.errors import InputError, unknown

# The settings that say where a bank's images come from, by the bank's reader.
_PLACES = {
    "digits": ["dataset"],
    "photos": [],
    "image_folder": ["path"],
    "hdf5": ["path", "paths"],
    "identities": ["path"],
    "digiface": ["path"],
    "stereo": [],
}
# The settings that only some readers have, by the bank's reader.
_IMAGES = ("image_size", "background", "colour", "value_range", "skip_corrupt", "max_pixels", "shares")
READER_SETTINGS = {
    "digits": ("copies",),
    "photos": ("image_size",),
    "image_folder": _IMAGES,
    "hdf5": ("array", "slices"),
    "identities": (*_IMAGES, "skip_single"),
    "digiface": ("splits",),
    "stereo": ("image_size",),
}


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown name, or if two of its settings contradict each other."""
    _check_banks(config)
    _check_perlin(config)
    _check_references(config["equihash"])
    _check_tasks(config)
    _check_models(config)
    _check_databases(config)
    _check_families(config)


def _check_banks(config: dict) -> None:
    for name, bank in config["equihash"]["banks"].items():
        where, places = f"config: equihash.banks.{name}", [key for key in ("dataset", "path", "paths") if bank[key]]
        wanted = _PLACES[bank["reader"]]
        lists = bank["reader"] == "image_folder" and places == ["path", "paths"]
        if lists and (bank["shares"] or set(bank["paths"]) != {"train", "valid", "test"}):
            raise InputError(
                f"{where}: the lists in paths divide the folder; expected one each of train, valid and test, and no "
                "shares"
            )
        if not lists and (len(places) != bool(wanted) or not set(places) <= set(wanted)):
            needs, has = " or ".join(wanted) or "no path", ", ".join(places) or "none"
            raise InputError(f"{where}: reader {bank['reader']} needs {needs}; has {has}")
        if bank["dataset"] and bank["dataset"] not in config["datasets"]:
            raise unknown("dataset", bank["dataset"], config["datasets"], where)
        if bank["dataset"]:
            check_images(config, bank["dataset"], f"{where}.dataset")
        for key in dict.fromkeys(key for keys in READER_SETTINGS.values() for key in keys):
            if bank.get(key) is not None and key not in READER_SETTINGS[bank["reader"]]:
                able = " and ".join(reader for reader, keys in READER_SETTINGS.items() if key in keys)
                raise InputError(
                    f"{where}.{key}: is a setting of the reader {able}; this one is {bank['reader']}: leave it out"
                )
        if bank["images_limit"] and bank["reader"] in IDENTITIES:
            raise InputError(
                f"{where}.images_limit: counts images, which would cut an identity in two; leave it out, and set "
                "bank_size of the task to the number of its first identities"
            )
        _check_slices(bank, where)


def _check_slices(bank: dict, where: str) -> None:
    """Raise an InputError for a slice without images, or for two slices of one file that share some."""
    slices = bank["slices"] or {}
    for split, (start, stop) in slices.items():
        if start >= stop:
            raise InputError(f"{where}.slices.{split}: [{start}, {stop}]; expected the second number above the first")
    if bank["path"]:
        for one, other in combinations(slices, 2):
            shared = [max(slices[one][0], slices[other][0]), min(slices[one][1], slices[other][1])]
            if shared[0] < shared[1]:
                raise InputError(
                    f"{where}.slices: {one} and {other} share the images {shared[0]} to {shared[1] - 1}; expected "
                    "splits without a common image"
                )


def _check_perlin(config: dict) -> None:
    """Raise an InputError for a bank of Perlin fields that comes from a file and from a rule, or from neither."""
    for name, bank in config["equihash"]["perlin"].items():
        where, rule = f"config: equihash.perlin.{name}", ("height", "width", "lattice", "amplitude")
        if bank["path"] and (given := [key for key in rule if bank[key] is not None]):
            raise InputError(
                f"{where}: has a path, and {', '.join(given)}, which are of fields that are generated; leave them out, "
                "or set them to null where another config has them"
            )
        missing = [key for key in ("height", "width", "count", "lattice") if bank[key] is None]
        if not bank["path"] and missing:
            raise InputError(f"{where}: lacks {', '.join(missing)}; expected them, or the path of a public file")


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
    for part, asked in (("models", "models"), ("families", "families"), ("models", "diagnostics")):
        for task in wing["build"][asked]:
            if task not in wing[part]:
                raise unknown(f"task without {part}", task, wing[part], f"config: equihash.build.{asked}")
    for task in wing["build"]["diagnostics"]:
        if all(variant_of(model) != DEFAULT for model in wing["models"][task].values()):
            raise InputError(f"config: equihash.build.diagnostics: {task}: none of its models is trained; leave it out")


def _check_tasks(config: dict) -> None:
    for name, task in config["equihash"]["tasks"].items():
        where, own = f"config: equihash.tasks.{name}", KIND_SETTINGS[task["kind"]]
        if task["kind"] in FLOWING and not task["perlin"]:
            raise InputError(f"{where}: a {task['kind']} task needs a Perlin bank")
        for setting in dict.fromkeys(key for keys in KIND_SETTINGS.values() for key in keys):
            if setting not in own and task[setting] is not None:
                able = ", ".join(kind for kind, keys in KIND_SETTINGS.items() if setting in keys)
                raise InputError(
                    f"{where}: {setting} is a setting of tasks of the kind {able}; this one is {task['kind']}, and has "
                    f"{', '.join(own)}"
                )
        fields, shown = config["equihash"]["perlin"].get(task["perlin"]), shape_of(config, name)[1:]
        if fields and fields["height"] and (fields["height"], fields["width"]) != shown:
            raise InputError(
                f"{where}: its mosaics are {shown[0]} x {shown[1]}, but the fields of the Perlin bank {task['perlin']} "
                f"{fields['height']} x {fields['width']}; expected one size: change the bank's, or the task's picture, "
                "grid or overlap"
            )
        if task["bank_size"] and by_class(config, name):
            raise InputError(f"{where}: bank_size counts images, but its labels are classes; leave it out")
        bank = config["equihash"]["banks"][task["bank"]]
        if of_identities(config, name) and bank["reader"] not in IDENTITIES:
            raise InputError(
                f"{where}: views are instances, but the bank {task['bank']} (reader {bank['reader']}) has no "
                f"identities; take a bank with the reader {' or '.join(IDENTITIES)}, or another kind of task"
            )
        if bank["reader"] in IDENTITIES and not of_identities(config, name):
            raise InputError(
                f"{where}: the bank {task['bank']} (reader {bank['reader']}) has identities, for tasks of the kind "
                f"instances; this one is {task['kind']}. Set kind: instances, or take each image for itself by a bank "
                "with the reader image_folder"
            )
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
        if database["asked"] == "items" and database["positives"] > database["items"]:
            raise InputError(
                f"config: equihash.databases.{name}.positives: {database['positives']} queries that are its own items; "
                f"expected at most its {database['items']} items"
            )
        _check_labels(name, database)
        models = config["equihash"]["models"].get(task, {})
        for model, found in models.items():
            where = f"config: equihash.models.{task}.{model}"
            check_bytes(found["bits"], name, where)
            # Of all models, those too that the database does not name: any can be asked for by file name.
            _check_given(name, database, found, where)
        named = {key: database[key] or () for key in ("models", "untrained")}
        for key, asked in {**named, "gallery.models": database["gallery"]["models"]}.items():
            for model in asked:
                where = f"config: equihash.databases.{name}.{key}"
                if model not in models:
                    raise unknown("model", model, models, where)
                made = variant_of(models[model])
                if key == "untrained" and made not in (DEFAULT, IMPORTED):
                    raise InputError(f"{where}: {model} is {made}, which has no network before training; leave it out")


def _check_labels(name: str, database: dict) -> None:
    """Raise an InputError if what a database says of its labels and of its queries does not fit together."""
    where, labels, asked = f"config: equihash.databases.{name}", database["labels"], database["asked"]
    if (labels == "file") != (database["path"] is not None):
        has = f"path {database['path']}" if database["path"] else "no path"
        raise InputError(
            f"{where}: labels is {labels}, with {has}; expected a path with labels: file, and with it only"
        )
    if labels != "drawn" and database["multiplicity"] != 1:
        raise InputError(f"{where}: a multiplicity is of labels that are drawn; its labels are {labels}: leave it out")
    if asked == "file" and labels != "file":
        raise InputError(f"{where}: asked: file takes the queries of a file of labels; set labels: file, and its path")
    if database["ground_truth"] and asked != "file":
        raise InputError(f"{where}: ground_truth is of the queries of a file; set asked: file, or leave it out")
    if labels == "unknown" and asked != "items":
        raise InputError(f"{where}: labels are unknown, so that only its own items can be asked; set asked: items")
    if labels == "unknown" and (drawn := [key for key in ("negatives", "pairs") if database[key]]):
        raise InputError(f"{where}: labels are unknown, but {' and '.join(drawn)} are labels; set them to 0")


# The queries of a database, by its key, and the file of fingerprints that has theirs.
_QUERY_FILES = {"positives": "queries", "negatives": "negatives", "pairs": "triplets", "probed": "logits"}


def _check_given(name: str, database: dict, model: dict, where: str) -> None:
    """Raise an InputError if a model cannot answer a database, whose labels or fingerprints are those of others."""
    given, labels = model["fingerprints"], database["labels"]
    if not given and labels == "unknown":
        raise InputError(
            f"{where}: makes fingerprints of labels, but those of the database {name} are unknown; give it labels, or "
            "a task of its own with models that have fingerprints"
        )
    if not given:
        return
    if database["logits"] == "all":
        raise InputError(
            f"{where}: has fingerprints of others, but the database {name} keeps the logits of all queries, which are "
            f"computed here; set equihash.databases.{name}.logits to probed"
        )
    if labels == "drawn":
        raise InputError(
            f"{where}: has fingerprints of others, but the labels of the database {name} are drawn here, not theirs; "
            "set labels: file with the path of theirs, or labels: unknown, or give the database a task of its own"
        )
    if database["asked"] == "labels" and database["positives"]:
        raise InputError(
            f"{where}: has fingerprints of others, but the database {name} is asked labels that are drawn here; set "
            "asked: items, or asked: file"
        )
    if database["asked"] != "file" and (drawn := [key for key in ("negatives", "pairs") if database[key]]):
        raise InputError(
            f"{where}: has fingerprints of others, but {' and '.join(drawn)} of the database {name} are drawn here; "
            "set them to 0, or asked: file"
        )
    for key, role in _QUERY_FILES.items():
        if database[key] and not given[role]:
            raise InputError(
                f"{where}.fingerprints: the database {name} has {database[key]} {key}, and there is no file of them; "
                f"set {role} to its path, or equihash.databases.{name}.{key} to 0"
            )


def _check_models(config: dict) -> None:
    for task, models in config["equihash"]["models"].items():
        for model, found in models.items():
            origins = [key for key in ("import", "codes", "synthetic", "fingerprints") if found[key]]
            if len(origins) > 1:
                raise InputError(
                    f"config: equihash.models.{task}.{model}: has {' and '.join(origins)}; expected one of them"
                )
            if variant_of(found) == DEFAULT:
                run_params(config, task, model, DEFAULT, "0")
                _check_training(config, task, model)
            elif variant_of(found) == IMPORTED:
                run_params(config, task, model, UNTRAINED, "0")
            elif variant_of(found) == CODES:
                code_source(config, task, model, found["codes"]["repeat"])


def _check_training(config: dict, task: str, model: str) -> None:
    """Raise an InputError for a step to keep beyond the last, or a start that is not there."""
    where, found = f"config: equihash.models.{task}.{model}", config["equihash"]["models"][task][model]
    steps = found["training"]["steps"]
    if beyond := [step for step in found["training"]["checkpoints"] if step > steps]:
        raise InputError(
            f"{where}.training.checkpoints: {beyond[0]}; expected at most {steps}, the number of its steps"
        )
    try:
        for seed in found["seeds"]:
            start_content(config, task, model, DEFAULT, str(seed))
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}.start: {found['start']}; expected a path, in which {{seed}} is the seed") from error


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
