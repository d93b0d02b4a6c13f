"""Python files of a user's: which of the files beside them they import, and a digest of all of these."""

from __future__ import annotations

import ast
import hashlib
import os
from pathlib import Path

from rehash.errors import InputError, unreadable


def python_files(path: str | Path) -> list[Path]:
    """Return a Python file and the files of its folder that it imports, themselves or through others, sorted.

    Raises:
        InputError: a file is not Python; names it and the line.
        FileFailure: a file cannot be read.
    """
    folder, found, todo = Path(path).parent, set(), [Path(path)]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += _imported(file, folder)
    return sorted(found)


def python_digest(path: str | Path) -> str:
    """Compute the SHA-256 of a Python file and of those of its folder that it imports; errors as `python_files`."""
    folder, digest = Path(path).parent, hashlib.sha256()
    for file in python_files(path):
        name = "" if file == Path(path) else os.path.relpath(file, folder)
        digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _imported(file: Path, folder: Path) -> list[Path]:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except OSError as error:
        raise unreadable(error, file, f"could not be read ({error})") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if getattr(error, "lineno", None) else ""
        raise InputError(f"{file}{line}: not Python ({getattr(error, 'msg', error)}); expected a module") from error
    found: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            places = [folder]
        elif isinstance(node, ast.ImportFrom):
            names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            places = [file.parents[node.level - 1]] if node.level else [folder]
        else:
            continue
        for name in names:
            found += [file for place in places for file in _files_of(place, name)]
    return found


def _files_of(place: Path, name: str) -> list[Path]:
    """Return the files that run when `name` is imported from a folder: those of its packages, and its module's."""
    found = []
    for part in name.split("."):
        place = place / part
        found += [file for file in (place / "__init__.py", place.with_name(f"{part}.py")) if file.is_file()]
    return found
