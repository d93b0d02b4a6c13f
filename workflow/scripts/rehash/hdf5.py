"""Reading and writing of HDF5 files; a damaged file raises an error instead of a crash, a hang or wrong content.

Files are written in the format of HDF5 1.10, whose metadata carry checksums. Texts have a fixed length, since those of
variable length lie in a heap that has no checksum, and a damaged heap can send the library into an endless loop.
Files are not locked, so that file systems without locks will do: ours appear whole and are never written to again.
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

from rehash.errors import InputError, unreadable
from rehash.store import atomic

_FORMAT = {"libver": ("v110", "v110"), "alignment_threshold": 1, "alignment_interval": 8}  # arrays can be mapped
_SEAL = "checksum"


@contextlib.contextmanager
def created(path: str | Path) -> Iterator[h5py.File]:
    """Create an HDF5 file to write to; it appears as a whole or not at all (`rehash.store.atomic`).

    Groups are added by `add_group`.
    """
    with atomic(path) as temporary, h5py.File(temporary, "w", locking=False, **_FORMAT) as file:
        yield file


def add_group(file: h5py.File, path: str) -> None:
    """Add the group at `path` and those that it lies in, as far as they are missing.

    Groups that h5py creates for a dataset's name would hold the time, and no two files would be equal.
    """
    found = file
    for name in path.split("/"):
        found = found[name] if name in found else found.create_group(name)


@contextlib.contextmanager
def opened(path: str | Path, what: str, *, ours: bool = True) -> Iterator[h5py.File]:
    """Open an HDF5 file to read from; whatever is wrong with it becomes an error that names it.

    Args:
        what: what the file should be, for the message.
        ours: whether the workflow makes the file; the message then says how to make it again.

    Raises:
        InputError: the file is something else, or damaged.
        FileFailure: the system cannot read it.
    """
    try:
        with h5py.File(path, locking=False) as file:
            yield file
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        # These are h5py's errors for damaged files; an InputError is a ValueError.
        again = f"; make it again with: snakemake --cores all --force {path}" if ours else ""
        raise unreadable(error, path, f"not {what}, or damaged ({error}){again}") from error


@contextlib.contextmanager
def unsealed(path: str | Path, what: str) -> Iterator[h5py.File]:
    """Open a sealed HDF5 file to read from, after checking that its content is what was sealed.

    Args:
        what: what the file should be, for the message.

    Raises:
        InputError: the file is something else, or damaged; raised before the caller reads anything.
    """
    with opened(path, what) as file:
        check_seal(file)
    with h5py.File(path, locking=False) as file:
        yield file


def text(value: str) -> np.ndarray:
    """Convert a text to a string of fixed length for an attribute."""
    content = value.encode()
    return np.array(content, h5py.string_dtype("utf-8", max(1, len(content))))


def texts(values: list[str]) -> np.ndarray:
    """Convert texts to strings of one fixed length for an attribute."""
    contents = [value.encode() for value in values]
    return np.array(contents, h5py.string_dtype("utf-8", max([1, *map(len, contents)])))


def write_attributes(file: h5py.File, values: Mapping[str, Any]) -> None:
    """Add attributes to a file: numbers, arrays and texts."""
    file.attrs.update({name: text(value) if isinstance(value, str) else value for name, value in values.items()})


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Read all attributes of a file as plain numbers, texts and lists."""
    return {name: _plain(np.asarray(value).tolist()) for name, value in file.attrs.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value


def seal(file: h5py.File) -> None:
    """Write the checksum of a file's content into it; meant for files that are read as a whole."""
    write_attributes(file, {_SEAL: _checksum(file)})


def check_seal(file: h5py.File) -> None:
    """Raise an InputError if a file's content is not what was sealed."""
    found, expected = _checksum(file), read_attributes(file).get(_SEAL)
    if found != expected:
        raise InputError(f"its content has the checksum {found}; expected {expected}")


def _checksum(file: h5py.File) -> str:
    """Compute the SHA-256 of a file's datasets, of their names, types and shapes, and of its attributes.

    Of datasets whose chunks have checksums of their own (fletcher32), which are read in parts, the content is left out.
    """
    digest = hashlib.sha256()

    def add(name: str, found: h5py.Group | h5py.Dataset) -> None:
        if isinstance(found, h5py.Dataset):
            digest.update(f"{name} {found.dtype.str} {found.shape}\n".encode())
            if not found.fletcher32:
                digest.update(np.ascontiguousarray(found[()]))

    file.visititems(add)
    about = {name: value for name, value in read_attributes(file).items() if name != _SEAL}
    digest.update(json.dumps(about, sort_keys=True).encode())
    return digest.hexdigest()
