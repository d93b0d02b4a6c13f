"""The public layout: an HDF5 file a split, with the dataset `images`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from rehash.datasets.raw import by_role
from rehash.equihash.banks import SPLITS, Pictures, check_pictures
from rehash.errors import InputError
from rehash.hdf5 import opened
from rehash.isolation import isolated
from rehash.progress import progress

_SLICE_BYTES = 2**24
T = TypeVar("T")


def read(raw: dict[str, str | Path]) -> dict[str, Pictures]:
    """Three files by role (train, valid, test), or a folder with train.h5, valid.h5, test.h5 (or .hdf5).

    Each holds the dataset `images`, uint8 (N, H, W, 3) (180 x 180 in the public files) or (N, H, W).

    Raises:
        InputError: a file is missing, is not HDF5, or its images are not such.
    """
    paths = by_role(raw, {split: split for split in SPLITS}, (".h5", ".hdf5"))
    return {split: hdf5_pictures(paths[split], "images") for split in SPLITS}


def hdf5_pictures(path: str | Path, name: str, start: int = 0, stop: int | None = None) -> Pictures:
    """The pictures from `start` to `stop` (the end by default) of the dataset `name` in an HDF5 file.

    They are read in a process of their own: HDF5 can crash on a damaged file whose parts have no checksums.

    Raises:
        InputError: not an HDF5 file, no such dataset, or its images are not uint8 (N, H, W) or (N, H, W, 3).
    """
    shape = next(_guarded(_shape, path, name))
    stop = shape[0] if stop is None else stop
    step = max(1, _SLICE_BYTES // prod(shape[1:]))
    return Pictures(stop - start, _slices(path, name, range(start, stop, step), stop))


def _slices(path: str | Path, name: str, starts: range, stop: int) -> Iterator[np.ndarray]:
    read = _guarded(_read, path, name, [(start, min(start + starts.step, stop)) for start in starts])
    for _ in progress(starts, f"{path}: {name}", "slice"):
        yield next(read)


def _guarded(items: Callable[..., Iterator[T]], path: str | Path, name: str, *more: Any) -> Iterator[T]:
    try:
        yield from isolated(items, path, name, *more)
    except RuntimeError as error:
        raise InputError(f"{path}: not {_expected(name)}, or damaged ({error})") from error


def _shape(path: str | Path, name: str) -> Iterator[tuple[int, ...]]:
    with opened(path, _expected(name), ours=False) as file:
        check_pictures(file[name], name)
        yield file[name].shape


def _read(path: str | Path, name: str, bounds: list[tuple[int, int]]) -> Iterator[np.ndarray]:
    with opened(path, _expected(name), ours=False) as file:
        for start, stop in bounds:
            yield file[name][start:stop]


def _expected(name: str) -> str:
    return f"an HDF5 file with the dataset {name}"
