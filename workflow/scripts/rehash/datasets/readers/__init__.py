"""Readers of raw files, one module per format; `read` returns what was found, its keyword arguments are settings."""

from __future__ import annotations

import ast
from pathlib import Path

from rehash.errors import InputError, unknown

_FOLDER = Path(__file__).parent


def reader_settings(reader: str, where: str) -> list[str]:
    """Return the settings that a reader has: the keyword arguments of its `read`.

    The reader is not imported, since some of the libraries that readers need take a second to load.

    Args:
        where: the dataset's key in the config.

    Raises:
        InputError: there is no such reader.
    """
    names = [path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__"]
    if reader not in names:
        raise unknown("reader", reader, names, f"{where}.reader")
    body = ast.parse((_FOLDER / f"{reader}.py").read_text(encoding="utf-8")).body
    read = next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == "read")
    return [argument.arg for argument in read.args.kwonlyargs]


def check_settings(reader: str, settings: dict[str, object], where: str) -> None:
    """Raise an InputError if a setting, of those that have a value, is not one of the reader's."""
    accepted = reader_settings(reader, where)
    for key in settings:
        if key not in accepted:
            raise InputError(
                f"{where}.{key}: the reader {reader} has no such setting; leave it out. It has: "
                f"{', '.join(accepted) or 'none'}"
            )
