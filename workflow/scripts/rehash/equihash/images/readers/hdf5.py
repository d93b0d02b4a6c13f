"""Reads the public layout: one HDF5 file per split, with the dataset `images`."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import numpy as np

from rehash.datasets.raw import by_role
from rehash.equihash.images.banks import SPLITS, SplitImages, check_images
from rehash.errors import InputError
from rehash.hdf5 import opened
from rehash.progress import progress

_SLICE_BYTES = 2**24
T = TypeVar("T")


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

    They are read in a process of their own: HDF5 can crash on a damaged file whose parts have no checksums.

    Raises:
        InputError: the file is not HDF5 or lacks the dataset, or its images are not uint8 (N, H, W) or (N, H, W, 3).
    """
    with _own_process() as pool:
        shape = _answer(pool, _shape, path, name)
    stop = shape[0] if stop is None else stop
    step = max(1, _SLICE_BYTES // prod(shape[1:]))
    return SplitImages(stop - start, _slices(path, name, range(start, stop, step), stop))


def _own_process() -> ProcessPoolExecutor:
    """Return a pool of one forked process: importing a Snakemake script anew would repeat the script's work."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("fork"), _end_with_parent)


def _end_with_parent() -> None:
    """End the forked process when its parent is killed, which it would otherwise outlive; print no trace of a crash."""
    faulthandler.disable()
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: (wait([parent]), os._exit(0)), daemon=True).start()


def _slices(path: str | Path, name: str, starts: range, stop: int) -> Iterator[np.ndarray]:
    with _own_process() as pool:
        for start in progress(starts, f"{path}: {name}", "slice"):
            yield _answer(pool, _read, path, name, start, min(start + starts.step, stop))


def _answer(pool: ProcessPoolExecutor, ask: Callable[..., T], path: str | Path, name: str, *more: int) -> T:
    try:
        return pool.submit(ask, path, name, *more).result()
    except BrokenProcessPool as error:
        raise InputError(f"{path}: not {_expected(name)}, or damaged (the process that read it died)") from error


def _shape(path: str | Path, name: str) -> tuple[int, ...]:
    with opened(path, _expected(name), ours=False) as file:
        check_images(file[name], name)
        return file[name].shape


def _read(path: str | Path, name: str, start: int, stop: int) -> np.ndarray:
    with opened(path, _expected(name), ours=False) as file:
        return file[name][start:stop]


def _expected(name: str) -> str:
    return f"an HDF5 file with the dataset {name}"
