"""Reads the public layout: one HDF5 file per split, with the dataset `images`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from rehash.datasets.raw import by_role
from rehash.equihash.images.banks import SPLITS, SplitImages, check_images
from rehash.foreign_hdf5 import foreign


def read(raw: dict[str, str | Path]) -> dict[str, SplitImages]:
    """Read three files by role (train, valid, test), or a folder with train.h5, valid.h5, test.h5 (or .hdf5).

    Each holds the dataset `images`, uint8 (N, H, W, 3) (180 x 180 in the public files) or (N, H, W).

    Raises:
        InputError: a file is missing or is not HDF5, or its images have another type or shape.
    """
    paths = by_role(raw, {split: split for split in SPLITS}, (".h5", ".hdf5"))
    return {split: hdf5_images(paths[split], "images") for split in SPLITS}


def hdf5_images(path: str | Path, name: str, start: int = 0, stop: int | None = None) -> SplitImages:
    """Return the images from `start` to `stop` (default: the end) of the dataset `name` in an HDF5 file.

    Raises:
        InputError: the file is not HDF5 or lacks the dataset, or its images are not uint8 (N, H, W) or (N, H, W, 3).
    """
    what = f"an HDF5 file with the dataset {name}"
    with foreign(path, what) as file:
        shape = file.ask(_shape, name)
    stop = shape[0] if stop is None else stop
    return SplitImages(stop - start, _slices(path, what, name, (stop, *shape[1:]), start))


def _slices(path: str | Path, what: str, name: str, shape: tuple[int, ...], start: int) -> Iterator[np.ndarray]:
    with foreign(path, what) as file:
        yield from file.slices(name, shape, np.uint8, start)


def _shape(file: h5py.File, name: str) -> tuple[int, ...]:
    check_images(file[name], name)
    return file[name].shape
