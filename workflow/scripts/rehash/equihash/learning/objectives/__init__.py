"""The objectives, each one class in one file; a config names the file.

Planning has to know names and settings, but must not import torch, which would cost each job seconds. So both are read
from the source.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from rehash.errors import InputError, unknown
from rehash.tuple_entropy.bounds import check_groups, check_tuples

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def names() -> list[str]:
    """Return the names of all objectives."""
    files = (file for folder in __path__ for file in Path(folder).glob("*.py"))
    return sorted(file.stem for file in files if file.stem not in ("__init__", "base"))


def definition(name: str, where: str = "objective") -> tuple[str, str]:
    """Return the names of an objective's module and class, the one class of its file that is an Objective.

    Raises:
        InputError: there is no such file, or the file does not have exactly one such class.
    """
    return f"{__name__}.{name}", _class_of(name, where).name


def defaults(name: str, where: str = "objective") -> dict[str, Any]:
    """Return the settings of an objective and their defaults: its class's annotated attributes.

    Raises:
        InputError: see `definition`; or a default is no plain value.
    """
    found = {}
    for setting, node in _settings(name, where).items():
        try:
            found[setting] = ast.literal_eval(node.value)
        except ValueError as error:
            raise InputError(
                f"objective {name}: the default of {setting} is no plain number, text or truth value"
            ) from error
    return found


def _settings(name: str, where: str) -> dict[str, ast.AnnAssign]:
    return {
        node.target.id: node
        for node in _class_of(name, where).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }


def _choices(name: str, where: str) -> dict[str, tuple[Any, ...]]:
    """Return the values that settings may have whose annotation says them, as in `Literal["soft", "hard"]`."""
    return {
        setting: tuple(ast.literal_eval(each) for each in getattr(of.slice, "elts", [of.slice]))
        for setting, node in _settings(name, where).items()
        if isinstance(of := node.annotation, ast.Subscript) and getattr(of.value, "id", None) == "Literal"
    }


def runs_twice(name: str, where: str = "objective") -> bool:
    """Return whether the objective's class says `runs_twice = True` (see `base.Objective`).

    Raises:
        InputError: see `definition`.
    """
    return _says(name, "runs_twice", where)


def needs_classes(name: str, where: str = "objective") -> bool:
    """Return whether the objective's class says `needs_classes = True` (see `base.Objective`).

    Raises:
        InputError: see `definition`.
    """
    return _says(name, "needs_classes", where)


def _says(name: str, what: str, where: str) -> bool:
    said = {
        target.id: node.value
        for node in _class_of(name, where).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return what in said and ast.literal_eval(said[what]) is True


def complete(name: str, settings: Mapping[str, Any], where: str = "objective") -> dict[str, Any]:
    """Return all settings of an objective: the given ones, and its defaults for the others.

    Raises:
        InputError: a setting is unknown, its value is of another type than its default, or it is none of those that
            its annotation says (`Literal`); the message says where.
    """
    known, choices = defaults(name, where), _choices(name, where)
    for key, value in settings.items():
        if key not in known:
            raise unknown(f"setting of {name}", key, known, where)
        kind = type(known[key])
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise InputError(f"{where}: {key} of {name} is {value!r}; expected {_WORDS.get(kind, kind.__name__)}")
        if value not in choices.get(key, [value]):
            raise unknown(key, value, choices[key], where)
    return {key: type(default)(settings.get(key, default)) for key, default in known.items()}


def check_terms(settings: Mapping[str, Any], bits: int, where: str) -> None:
    """Raise an InputError if the tuples of bits that an objective's settings name cannot be had of so many bits."""
    if "tuple_size" in settings:
        check_tuples(bits, settings["tuple_size"], settings["covered"], settings["tuples"], f"{where}: its tuples")
    if settings.get("group_lambda_s"):
        sizes = (settings["group_size"], settings["group_bits"], settings["group_strided"])
        check_groups(bits, *sizes, f"{where}: its groups")


def load(name: str) -> type:
    """Return the class of an objective; this imports torch."""
    module, of = definition(name)
    return getattr(importlib.import_module(module), of)


def _class_of(name: str, where: str) -> ast.ClassDef:
    if name not in names():
        raise unknown("objective", name, names(), where)
    file = next(path for folder in __path__ if (path := Path(folder) / f"{name}.py").is_file())
    found = _subclasses(file, file.stat().st_mtime_ns)
    if len(found) != 1:
        raise InputError(f"objective {name}: {file.name} has {len(found)} subclasses of Objective; expected one")
    return found[0]


@cache
def _subclasses(file: Path, mtime_ns: int) -> list[ast.ClassDef]:
    return [
        node
        for node in ast.parse(file.read_text(encoding="utf-8"), str(file)).body
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Objective" for b in node.bases)
    ]
