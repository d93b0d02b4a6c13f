"""Validation of the config against config/schema.yaml: defaults are filled in, errors suggest valid names."""

from __future__ import annotations

import copy
import importlib
import math
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import yaml
from jsonschema import Draft202012Validator, validators

from rehash.datasets.checks import check_division, check_protocols
from rehash.datasets.readers import check_settings
from rehash.errors import InputError, unknown

ROOT = Path(__file__).resolve().parents[3]
SCHEMA, DEFAULTS = ROOT / "config" / "schema.yaml", ROOT / "config" / "config.yaml"

WINGS = ("hash_encoders", "tgsh", "equihash", "comparison")


def load_schema(path: str | Path = SCHEMA) -> dict:
    """Load the schema as a dictionary, with what the wings add to it."""
    schema = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)
    for wing in _wings():
        if hasattr(wing, "extend"):
            wing.extend(schema)
    return schema


def _wings() -> list[ModuleType]:
    """Import the modules that check each wing's part of the config: check(config) and perhaps extend(schema).

    They are imported by name, since the wings import the shared modules and not the other way round.
    """
    return [importlib.import_module(f"rehash.{wing}.checks") for wing in WINGS]


def over_defaults(config: dict) -> dict:
    """Return the default config with `config` laid over it, key by key; lists are replaced whole.

    So a small config is enough, also for a workflow that uses this one as a module.
    """
    return _laid_over(yaml.load(DEFAULTS.read_text(encoding="utf-8"), yaml.CSafeLoader), config)


def _laid_over(below: dict, above: dict) -> dict:
    both = {
        key: _laid_over(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return {**below, **both}


def check_files(paths: Iterable[str | Path]) -> None:
    """Raise an InputError if a key stands twice in a config file: YAML would keep the last one without a word."""
    for path in paths:
        try:
            root = yaml.compose(Path(path).read_text(encoding="utf-8-sig"), yaml.CSafeLoader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue  # Snakemake, which has read it by itself, says what is wrong with it
        _check_keys(root, "", path, set())


def _check_keys(node: yaml.Node | None, above: str, path: str | Path, seen: set[int]) -> None:
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))  # an anchor's node stands wherever its alias does
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check_keys(child, above, path, seen)
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines and key.tag != "tag:yaml.org,2002:merge":
            raise InputError(
                f"{path}: the key '{above}{name}' stands twice, in lines {lines[name]} and {line}; expected it once, "
                "with all that belongs to it, since YAML forgets the first"
            )
        lines[name] = line
        _check_keys(value, f"{above}{name}.", path, seen)


def validated(config: dict, schema: dict | None = None) -> dict:
    """Check `config` and return a copy with every default of the schema filled in.

    Raises:
        InputError: the config is not valid; names the key by its whole path, what was found and what was expected, and
            for an unknown key or name the nearest valid one.
    """
    config = copy.deepcopy(config)
    schema = schema or load_schema()
    validator = _FillingValidator(schema)
    errors = sorted(validator.iter_errors(config), key=lambda e: len(e.absolute_path), reverse=True)
    if errors:
        raise _explained(errors[0])
    _check_alike(config, schema)
    check_protocols(config)
    for name, dataset in config["datasets"].items():
        _check_source(dataset, f"config: datasets.{name}")
        if dataset["reader"] == "division":
            check_division(config, name)
    for wing in _wings():
        wing.check(config)
    return config


def _check_alike(block: dict, schema: dict, keys: tuple[str, ...] = ()) -> None:
    """Raise an InputError if two names, which become names of files, would be one on some file systems."""
    if "pattern" in schema.get("propertyNames", {}):
        first: dict[str, object] = {}
        for name in block:
            other = first.setdefault(str(name).casefold(), name)
            if other != name:
                raise InputError(
                    f"config: {'.'.join(keys)}: the names '{other}' and '{name}' differ in upper and lower case "
                    "only; on a disk that does not tell these apart both would have the same files. Rename one"
                )
    for key, value in block.items():
        below = schema.get("properties", {}).get(key) or schema.get("additionalProperties")
        if isinstance(value, dict) and isinstance(below, dict):
            _check_alike(value, below, (*keys, key))


def check_values(values: dict, keys: tuple[str, ...], where: str) -> None:
    """Raise an InputError if `values` do not fit the schema's block at `keys`, in which "*" stands for any name."""
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
    """Return whether a value is an integer: 3 is one, and 3.0 is none, since it would end up in paths and shapes."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: object, value: object) -> bool:
    """Return whether a value is a finite number; YAML's .nan and .inf are not valid settings."""
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
        found = unknown("key", key, valid, where)
        if where != "config: top level":
            return found
        return InputError(
            f"{found}. A workflow that uses rehash as a module keeps rehash's part of its config under a key of its "
            'own, and says config: config["rehash"]'
        )
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
    if error.validator == "type" and "string" in error.validator_value and isinstance(error.instance, (int, float)):
        return InputError(f"{where}: {error.instance} is a number to YAML, expected a text; put it in quotes")
    return InputError(f"{where}: {error.message}" + (f" ({described})" if described else ""))


# The keys of a dataset's block that every reader's data have; the others are settings of some readers.
_OF_EVERY_READER = (
    *("reader", "path", "mirrors", "files", "checksum", "source", "licence"),
    *("class_names", "first_label", "shuffle", "test_share", "value_range", "scale"),
)
# The roles of the files that a dataset on mirrors must have, by reader.
_ROLES = {
    "idx": ("train_images", "train_labels", "test_images", "test_labels"),
    "cifar": ("archive",),
    "npz": ("archive",),
    "hdf5": ("archive",),
    "bag_of_words": ("archive",),
    "svhn": ("train", "test"),
    "table": ("train", "test"),
}


_VECTOR_READERS = ("table", "bag_of_words")  # hdf5 and npz read vectors or images


def check_images(config: dict, dataset: str, where: str) -> None:
    """Raise an InputError if a dataset's reader says that it has no images, which `where` in the config needs."""
    block = config["datasets"][dataset]
    reader = config["datasets"][block["dataset"] or dataset]["reader"]
    if reader in _VECTOR_READERS:
        raise InputError(
            f"{where}: the dataset {dataset} has vectors (its reader is {reader}), and images are needed here; take it "
            "out. Vectors have the studies of hash_encoders"
        )


def _looks_like_a_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _check_source(dataset: dict, where: str) -> None:
    """Raise an InputError unless a dataset has a valid source: embedded, a path, or files on mirrors."""
    reader, roles = dataset["reader"], _ROLES.get(dataset["reader"], ())
    settings = {key: value for key, value in dataset.items() if key not in _OF_EVERY_READER and value is not None}
    check_settings(reader, settings, where)
    if reader in ("mnist5k", "division"):
        return
    names = [entry["name"].casefold() for entry in dataset["files"].values()]
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
    """Yield (key, type, default, description) of every key, depth first; `<name>` stands for a name of your own."""
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
    kinds = schema.get("type", "any")
    if kinds == "array":
        return f"list of {_type(schema['items'])}"
    kinds = [kinds] if isinstance(kinds, str) else kinds
    items = _type(schema["items"]) if "array" in kinds else ""
    lists = f"list of ({items})" if " or " in items else f"list of {items}"
    return " or ".join(lists if kind == "array" else kind for kind in kinds)
