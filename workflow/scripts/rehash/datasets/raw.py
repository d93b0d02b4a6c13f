"""Functions that readers of raw files share: finding files, their checksum, and conversion of labels."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from rehash.errors import InputError
from rehash.store import file_digest


def one_path(files: dict[str, str], role: str) -> Path:
    """Return the local path of the config or, without one, the raw file of that role.

    Raises:
        InputError: there is neither.
    """
    if "path" in files:
        return Path(files["path"])
    return by_role(files, {role: role})[role]


def by_role(files: dict[str, str], names: dict[str, str], endings: tuple[str, ...] = ("",)) -> dict[str, Path]:
    """Return paths by role: as given, or found in the folder files["path"] by their usual `names` (role -> name).

    In a folder a name may have any of the `endings`; the first that exists is taken.

    Raises:
        InputError: a role has no file, or the path is not a folder or lacks a file; names it.
    """
    if "path" not in files:
        missing = [role for role in names if role not in files]
        if missing:
            raise InputError(
                f"raw files: lack {', '.join(missing)}; expected a path, or {', '.join(names)}; found "
                f"{', '.join(files) or 'none'}"
            )
        return {role: Path(files[role]) for role in names}
    folder = Path(files["path"])
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; expected a folder with {', '.join(names.values())}")
    found = {}
    for role, name in names.items():
        candidates = [folder / f"{name}{ending}" for ending in endings]
        found[role] = next((path for path in candidates if path.is_file()), None)
        if found[role] is None:
            raise InputError(f"{folder}: has no {' or '.join(path.name for path in candidates)}")
    return found


def visible_files(folder: str | Path) -> list[Path]:
    """List the files anywhere below a folder, sorted by relative name; links are followed, hidden files left out.

    Hidden folders are left out, too.

    Raises:
        InputError: a link leads back to a folder that it lies in, so that its files would count again and again.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        for name in folders:
            target = Path(parent, name).resolve()
            if Path(parent).resolve().is_relative_to(target):
                raise InputError(f"{Path(parent, name)}: a link back to {target}, in which it lies; remove it")
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: _relative_name(path, folder))


def path_checksum(path: str | Path) -> str:
    """Compute the MD5 checksum of a file, or of the names and contents of a folder's visible files.

    A folder's checksum is that of the text that this command prints, so that it can be found without this library:
    `cd FOLDER && find -L * -type f -not -path '*/.*' | LC_ALL=C sort | xargs -d '\\n' md5sum`.
    """
    path = Path(path)
    if not path.is_dir():
        return file_digest(path, "md5")
    digest = hashlib.md5()
    for file in visible_files(path):
        digest.update(file_digest(file, "md5").encode() + b"  " + _relative_name(file, path) + b"\n")
    return digest.hexdigest()


def integer_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Convert labels of any integer type and shape (N,) or (N, 1) to int64 (N,).

    Raises:
        InputError: the labels have another type or shape; names `where` and what was found.
    """
    if labels.dtype.kind not in "iu" or not (labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)):
        raise InputError(f"{where}: labels are {labels.dtype} {labels.shape}; expected integers (N,) or (N, 1)")
    return labels.reshape(-1).astype(np.int64)


def _relative_name(path: Path, folder: str | Path) -> bytes:
    return os.fsencode(path.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error
