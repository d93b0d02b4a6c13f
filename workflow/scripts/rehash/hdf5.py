"""HDF5 files in and out, such that damage is an error and neither a crash, a hang nor another content.

Files are written in the format of HDF5 1.10, whose metadata carry checksums, and with texts of a fixed length: those
without one lie in a heap that has no checksum, and in which the library can be sent round in circles by a damaged one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.errors import InputError
from rehash.store import atomic

_FORMAT = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}  # arrays can be mapped
_SEAL = "checksum"


@contextlib.contextmanager
def created(path: str | Path) -> Iterator[h5py.File]:
    """A new HDF5 file to write to, there as a whole or not at all (`rehash.store.atomic`); groups by `add_group`."""
    with atomic(path) as temporary, h5py.File(temporary, "w", **_FORMAT) as file:
        yield file


def add_group(file: h5py.File, path: str) -> None:
    """Add groups within groups. Those that a dataset's name implies would hold the time, and no two files be equal."""
    found = file
    for name in path.split("/"):
        found = found[name] if name in found else found.create_group(name)


@contextlib.contextmanager
def opened(path: str | Path, what: str, *, ours: bool = True) -> Iterator[h5py.File]:
    """An HDF5 file to read from; all that is wrong with it becomes an InputError that names it.

    Args:
        what: it should be, for the message. ours: and that it can be made again.
    """
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        # What h5py makes of damage; an InputError is a ValueError.
        again = f"; make it again with: snakemake --cores all --force {path}" if ours else ""
        raise InputError(f"{path}: not {what}, or damaged ({error}){again}") from error


@contextlib.contextmanager
def unsealed(path: str | Path, what: str) -> Iterator[h5py.File]:
    """A sealed HDF5 file to read from, after its content has been found to be what was sealed.

    Args:
        what: it should be, for the message.

    Raises:
        InputError: it is not, or the file is damaged; before anything is read from it.
    """
    with opened(path, what) as file:
        check_seal(file)
    with h5py.File(path) as file:
        yield file


def text(value: str) -> np.ndarray:
    """A text for an attribute, of a fixed length."""
    content = value.encode()
    return np.array(content, h5py.string_dtype("utf-8", max(1, len(content))))


def texts(values: list[str]) -> np.ndarray:
    """Texts for an attribute, of a fixed length."""
    contents = [value.encode() for value in values]
    return np.array(contents, h5py.string_dtype("utf-8", max([1, *map(len, contents)])))


def write_attributes(file: h5py.File, values: Mapping[str, Any]) -> None:
    """Add attributes: numbers, arrays and texts."""
    file.attrs.update({name: text(value) if isinstance(value, str) else value for name, value in values.items()})


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """All attributes of a file as plain numbers, texts and lists."""
    return {name: _plain(np.asarray(value).tolist()) for name, value in file.attrs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def seal(file: h5py.File) -> None:
    """Write the checksum of all that is in a file into it; for files that are read as a whole."""
    write_attributes(file, {_SEAL: _checksum(file)})


def check_seal(file: h5py.File) -> None:
    """Raise an InputError if a file's content is not what was sealed."""
    found, expected = _checksum(file), read_attributes(file).get(_SEAL)
    if found != expected:
        raise InputError(f"its content has the checksum {found}; expected {expected}")


def _checksum(file: h5py.File) -> str:
    """SHA-256 of a file's datasets, their names, types and shapes, and of its attributes."""
    digest = hashlib.sha256()

    def add(name: str, found: h5py.Group | h5py.Dataset) -> None:
        if isinstance(found, h5py.Dataset):
            digest.update(f"{name} {found.dtype.str} {found.shape}\n".encode())
            digest.update(np.ascontiguousarray(found[()]))

    file.visititems(add)
    about = {name: value for name, value in read_attributes(file).items() if name != _SEAL}
    digest.update(json.dumps(about, sort_keys=True).encode())
    return digest.hexdigest()
