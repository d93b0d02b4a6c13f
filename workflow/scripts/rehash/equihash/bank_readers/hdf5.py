"""The public layout: an HDF5 file a split, with the dataset `images`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from math import prod
from pathlib import Path

import h5py
import numpy as np

from rehash.datasets.raw import by_role
from rehash.equihash.banks import SPLITS, Pictures, check_pictures
from rehash.hdf5 import opened
from rehash.progress import progress

_SLICE_BYTES = 2**24


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

    Raises:
        InputError: not an HDF5 file, no such dataset, or its images are not uint8 (N, H, W) or (N, H, W, 3).
    """
    with _opened(path, name) as images:
        check_pictures(images, name)
        stop = len(images) if stop is None else stop
        step = max(1, _SLICE_BYTES // prod(images.shape[1:]))
    return Pictures(stop - start, _slices(path, name, start, stop, step))


def _slices(path: str | Path, name: str, start: int, stop: int, step: int) -> Iterator[np.ndarray]:
    with _opened(path, name) as images:
        for first in progress(range(start, stop, step), f"{path}: {name}", "slice"):
            yield images[first : min(first + step, stop)]


@contextlib.contextmanager
def _opened(path: str | Path, name: str) -> Iterator[h5py.Dataset]:
    with opened(path, f"an HDF5 file with the dataset {name}", ours=False) as file:
        yield file[name]
