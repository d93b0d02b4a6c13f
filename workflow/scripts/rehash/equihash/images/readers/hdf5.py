"""Reads the public layouts: an HDF5 file a split with the dataset `images`, or slices of one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from rehash.datasets.raw import by_role
from rehash.equihash.images.banks import SPLITS, SplitImages, check_images
from rehash.errors import InputError
from rehash.foreign_hdf5 import dataset, foreign


def read(
    raw: dict[str, str | Path], *, array: str = "images", slices: dict[str, list[int]] | None = None
) -> dict[str, SplitImages]:
    """Read three files by role (train, valid, test), a folder with train.h5, valid.h5, test.h5 (or .hdf5), or one file.

    Args:
        array: the dataset in each file, uint8 (N, H, W, 3) (180 x 180 in the public files) or (N, H, W).
        slices: for each split the first image and the one after the last. Of one file they say which part is which
            split; with several files they take a part of each.

    Raises:
        InputError: a file is missing, is not HDF5 or has fewer images than a slice, its images have another type or
            shape, or one file comes without slices.
    """
    if "path" in raw and Path(raw["path"]).is_file():
        if slices is None:
            raise InputError(
                f"{raw['path']}: one file, and nothing says which of its images are of which split; set slices, such "
                "as {train: [0, 100], valid: [100, 120], test: [120, 140]}, or give a folder with train.h5, valid.h5 "
                "and test.h5"
            )
        paths = dict.fromkeys(SPLITS, raw["path"])
    else:
        paths = by_role(raw, {split: split for split in SPLITS}, (".h5", ".hdf5"))
    return {split: hdf5_images(paths[split], array, *(slices or {}).get(split, ())) for split in SPLITS}


def hdf5_images(path: str | Path, name: str, start: int = 0, stop: int | None = None) -> SplitImages:
    """Return the images from `start` to `stop` (default: the end) of the dataset `name` in an HDF5 file.

    Raises:
        InputError: the file is not HDF5 or lacks the dataset, its images are not uint8 (N, H, W) or (N, H, W, 3), or
            there are fewer than `stop`.
    """
    what = f"an HDF5 file with the dataset {name}"
    with foreign(path, what) as file:
        shape = file.ask(_shape, name)
    if stop is not None and stop > shape[0]:
        raise InputError(f"{path}: {name} has {shape[0]} images; expected {stop} or more, for those from {start} on")
    stop = shape[0] if stop is None else stop
    return SplitImages(stop - start, _slices(path, what, name, (stop, *shape[1:]), start))


def _slices(path: str | Path, what: str, name: str, shape: tuple[int, ...], start: int) -> Iterator[np.ndarray]:
    with foreign(path, what) as file:
        yield from file.slices(name, shape, np.uint8, start)


def _shape(file: h5py.File, name: str) -> tuple[int, ...]:
    images = dataset(file, name)
    check_images(images, name)
    return images.shape
