"""The configuration: checked against config/schema.yaml, its defaults filled in, its typos named."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, validators

from rehash.errors import InputError, unknown

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "config" / "schema.yaml"


def load_schema(path: str | Path = SCHEMA) -> dict:
    """The schema as a dictionary."""
    return yaml.safe_load(Path(path).read_text())


def validated(config: dict, schema: dict | None = None) -> dict:
    """A copy of `config` with every default of the schema filled in.

    Raises:
        InputError: names the key by its whole path, what was found and what was expected; for an unknown key or name
            the nearest valid one.
    """
    config = copy.deepcopy(config)
    validator = _FillingValidator(schema or load_schema())
    errors = sorted(validator.iter_errors(config), key=lambda e: len(e.absolute_path), reverse=True)
    if errors:
        raise _explained(errors[0])
    _check_references(config)
    return config


def check_values(values: dict, keys: tuple[str, ...], where: str) -> None:
    """Raise an InputError if a block put together elsewhere is not as the schema has it at `keys` ("*": any name)."""
    schema = _cached_schema()
    for key in keys:
        schema = schema["additionalProperties"] if key == "*" else schema["properties"][key]
    for error in _FillingValidator(schema).iter_errors(copy.deepcopy(values)):
        at = ".".join(str(part) for part in error.absolute_path)
        raise InputError(f"{where}: {at}: {error.message}")


@cache
def _cached_schema() -> dict:
    return load_schema()


def _fill(validator, properties, instance, schema):
    if validator.is_type(instance, "object"):
        for key, subschema in properties.items():
            if "default" in subschema:
                instance.setdefault(key, copy.deepcopy(subschema["default"]))
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _is_integer(_checker: object, value: object) -> bool:
    """3, but not 3.0, which would end up in paths and shapes."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: object, value: object) -> bool:
    """Finite: YAML's .nan and .inf are no settings."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_FillingValidator = validators.extend(
    Draft202012Validator,
    {"properties": _fill},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number}),
)


def _explained(error) -> InputError:
    where = "config: " + (".".join(str(part) for part in error.absolute_path) or "top level")
    if error.validator == "additionalProperties":
        valid = error.schema.get("properties", {})
        key = next(key for key in error.instance if key not in valid)
        return unknown("key", key, valid, where)
    if error.validator == "enum" and "propertyNames" not in error.schema_path:
        return unknown("value", error.instance, error.validator_value, where)
    if error.validator == "pattern" and "propertyNames" in error.schema_path:
        return InputError(f"{where}: the name '{error.instance}' may have only letters, digits and underscores")
    if error.validator == "enum" and "propertyNames" in error.schema_path:
        return unknown("key", error.instance, error.validator_value, where)
    described = error.schema.get("description")
    if error.validator == "type" and isinstance(error.instance, str) and _looks_like_a_number(error.instance):
        return InputError(
            f"{where}: '{error.instance}' is text to YAML, expected a {error.validator_value}; write 1.0e-3, not 1e-3"
        )
    return InputError(f"{where}: {error.message}" + (f" ({described})" if described else ""))


# What the mirrors of a dataset have to hold, by reader.
_ROLES = {
    "idx": ("train_images", "train_labels", "test_images", "test_labels"),
    "cifar": ("archive",),
    "npz": ("archive",),
    "svhn": ("train", "test"),
}
_STUDIES = ("capacity", "sample_size", "training_time", "regularisation", "label_noise", "instance_noise", "regions")


def _looks_like_a_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_references(config: dict) -> None:
    """Names that one part of the config takes from another."""
    wing = config["hash_encoders"]
    for name, dataset in config["datasets"].items():
        _check_source(dataset, f"config: datasets.{name}")
    for name in wing["datasets"]:
        if name not in config["datasets"]:
            raise unknown("dataset", name, config["datasets"], "config: hash_encoders.datasets")
        if not any(name in wing[study] for study in _STUDIES):
            raise InputError(
                f"config: hash_encoders.datasets: no study has a block for '{name}'; add one, for example "
                f"hash_encoders.capacity.{name}: {{layer_widths: [10, 40]}}"
            )
    for study in (*_STUDIES, "published"):
        for name, block in wing[study].items():
            where = f"config: hash_encoders.{study}"
            if name not in config["datasets"]:
                raise unknown("dataset", name, config["datasets"], where)
            for protocol in block.get("protocols", []):
                if protocol not in wing["protocols"]:
                    raise unknown("protocol", protocol, wing["protocols"], f"{where}.{name}.protocols")
    thresholds = wing["phase_chart"]["thresholds"]
    for low, high in (("redundancy_near_zero", "redundancy_high"), ("categorization_low", "categorization_high")):
        if thresholds[low] >= thresholds[high]:
            raise InputError(
                f"config: hash_encoders.phase_chart.thresholds: {low} is {thresholds[low]}; expected less than {high}, "
                f"which is {thresholds[high]}"
            )
    for name in set(wing["sample_size"]) & set(wing["training_time"]):
        depths = {s: wing[s][name]["depth"] for s in ("sample_size", "training_time", "capacity") if name in wing[s]}
        if len(set(depths.values())) > 1:
            raise InputError(f"config: hash_encoders: one phase chart of {name} needs one depth; found {depths}")
    for name in wing["regions"]:
        if name not in wing["capacity"]:
            raise unknown("dataset without a capacity study", name, wing["capacity"], "config: hash_encoders.regions")
    _check_tgsh(config)
    _check_equihash(config)


def _check_tgsh(config: dict) -> None:
    wing = config["tgsh"]
    for name in wing["datasets"]:
        if name not in wing["flynet"]:
            raise unknown("dataset without FlyNet", name, wing["flynet"], "config: tgsh.datasets")
    for part in ("flynet", "baselines"):
        for name, block in wing[part].items():
            if name not in config["datasets"]:
                raise unknown("dataset", name, config["datasets"], f"config: tgsh.{part}")
            if part == "baselines" and name not in wing["flynet"]:
                raise unknown("dataset without FlyNet", name, wing["flynet"], "config: tgsh.baselines")
            for benchmark in block["benchmarks"] or []:
                if benchmark not in wing["benchmarks"]:
                    raise unknown("benchmark", benchmark, wing["benchmarks"], f"config: tgsh.{part}.{name}.benchmarks")


def _check_equihash(config: dict) -> None:
    wing = config["equihash"]
    for name, bank in wing["banks"].items():
        where, places = f"config: equihash.banks.{name}", [key for key in ("dataset", "path", "paths") if bank[key]]
        wanted = {"digits": ["dataset"], "photos": [], "image_folder": ["path"], "hdf5": ["path", "paths"]}[
            bank["reader"]
        ]
        if len(places) != bool(wanted) or not set(places) <= set(wanted):
            needs, has = " or ".join(wanted) or "no path", ", ".join(places) or "none"
            raise InputError(f"{where}: reader {bank['reader']} needs {needs}; has {has}")
        if bank["dataset"] and bank["dataset"] not in config["datasets"]:
            raise unknown("dataset", bank["dataset"], config["datasets"], where)
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


def _check_source(dataset: dict, where: str) -> None:
    """Each dataset is embedded, or a path, or files on mirrors."""
    reader, roles = dataset["reader"], _ROLES.get(dataset["reader"], ())
    if reader == "mnist5k":
        return
    if dataset["image_size"] and reader != "image_folder":
        raise InputError(f"{where}.image_size: only the reader image_folder scales pictures, {reader} does not")
    names = [entry["name"] for entry in dataset["files"].values()]
    if len(set(names)) < len(names):
        raise InputError(f"{where}.files: two roles have the same name; expected a file for each")
    if dataset["path"]:
        if dataset["files"] or dataset["mirrors"]:
            raise InputError(f"{where}: has a path, and mirrors or files, too; expected one or the other")
        return
    if not roles:
        raise InputError(f"{where}: reader {reader} needs a path")
    missing = [role for role in roles if role not in dataset["files"]]
    if missing or not dataset["mirrors"]:
        lacking = ", ".join(missing) or "mirrors"
        raise InputError(
            f"{where}: reader {reader} needs a path, or mirrors and the files {', '.join(roles)}; missing: {lacking}"
        )
    if dataset["checksum"]:
        raise InputError(f"{where}: checksum is of a path; files on mirrors have an md5 each")


def schema_rows(schema: dict, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, type, default, description) of every key, depth first; `<name>` stands for a name of your own."""
    named = [(key, value) for key, value in schema.get("properties", {}).items()]
    if isinstance(schema.get("additionalProperties"), dict):
        named.append(("<name>", schema["additionalProperties"]))
    for key, value in named:
        path = f"{prefix}{key}"
        default = (
            yaml.safe_dump(value["default"], default_flow_style=True).replace("\n...", "").strip()
            if "default" in value
            else ""
        )
        yield path, _type(value), default, " ".join(value.get("description", "").split())
        yield from schema_rows(value, f"{path}.")


def _type(schema: dict) -> str:
    if "enum" in schema:
        return " or ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    return f"list of {_type(schema['items'])}" if kind == "array" else kind


def schema_table(schema: dict) -> str:
    """The keys of the config as a Markdown table."""
    rows = [
        f"| `{key}` | {kind} | {f'`{default}`' if default else ''} | {text} |"
        for key, kind, default, text in schema_rows(schema)
    ]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])
