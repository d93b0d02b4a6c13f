"""Reader of an HDF5 file with the arrays of a dataset."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path

import h5py
import numpy as np

from rehash.datasets.named_arrays import found_arrays
from rehash.datasets.raw import one_path
from rehash.datasets.samples import Found
from rehash.errors import InputError
from rehash.foreign_hdf5 import ForeignFile, foreign

_WHAT = "an HDF5 file"


def read(files: dict[str, str]) -> Found:
    """Read an HDF5 file whose arrays have the names that `rehash.datasets.named_arrays.found_arrays` knows.

    They may lie in groups (train/images), as in the project's own layout, whose class names, an attribute, are read,
    too. Images are (N, H, W), (N, H, W, 1) or (N, H, W, 3), vectors (N, D), of any type of number; labels integers or
    texts, (N,) or (N, 1).

    Raises:
        InputError: it is not such a file, or damaged; names the array and what was expected.
    """
    path = one_path(files, "archive")
    with arrays_of(path) as (names, get):
        return found_arrays(names, get, path)


@contextlib.contextmanager
def arrays_of(path: Path) -> Iterator[tuple[list[str], Callable[[str], np.ndarray]]]:
    """Open an HDF5 file: the names of its arrays, and a function from a name to the array.

    Raises:
        InputError: it is not such a file, or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: not a file; expected {_WHAT}")
    with foreign(path, _WHAT) as file:
        held = file.ask(_arrays)
        yield [*held], lambda name: _array(file, name, *held[name])


def _arrays(file: h5py.File) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return the shape and type of each array; texts have the type "text". An attribute counts as the array it is."""
    found = {name: (np.shape(value), "text") for name, value in file.attrs.items() if name == "class_names"}

    def add(name: str, held: h5py.Group | h5py.Dataset) -> None:
        if isinstance(held, h5py.Dataset):
            text = h5py.check_string_dtype(held.dtype) is not None
            found[name] = (held.shape or (), "text" if text else held.dtype.str)

    file.visititems(add)
    return found


def _array(file: ForeignFile, name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "text":
        return file.ask(_texts, name)
    if not shape or np.dtype(dtype).kind not in "iufb":
        return np.empty(shape, dtype)  # whose type or shape will be refused, and whose content was never read
    try:
        array = np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:
        raise InputError(f"{file.path}: {name} is {dtype} {shape}, which does not fit into the memory here") from error
    at = 0
    for part in file.slices(name, shape, dtype) if prod(shape) else ():
        array[at : at + len(part)] = part
        at += len(part)
    return array


def _texts(file: h5py.File, name: str) -> np.ndarray:
    if name in file.attrs:
        values = np.asarray(file.attrs[name]).reshape(-1)
    else:
        values = file[name][()] if file[name].shape else np.array([file[name][()]])
    texts = [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
        for value in values.reshape(-1)
    ]
    return np.array(texts, dtype=str).reshape(values.shape)
