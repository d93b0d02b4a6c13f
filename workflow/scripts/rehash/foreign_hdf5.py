"""Reading of HDF5 files that others made, in a process of its own: HDF5 can crash on damaged ones."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import prod
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from rehash.errors import InputError
from rehash.hdf5 import opened
from rehash.progress import progress

_SLICE_BYTES = 2**24
T = TypeVar("T")


@dataclass(frozen=True)
class ForeignFile:
    """An HDF5 file that another process has at hand and is asked about.

    Attributes:
        path: its path. what: what the file should be, for messages.
    """

    path: str | Path
    what: str
    pool: ProcessPoolExecutor

    def ask(self, question: Callable[..., T], *more: object) -> T:
        """Return the answer of a module's function of the open file and `more`.

        Raises:
            InputError: whatever is wrong with the file, a crash included.
        """
        try:
            return self.pool.submit(_ask, self.path, self.what, question, *more).result()
        except BrokenProcessPool as error:
            raise InputError(f"{self.path}: not {self.what}, or damaged (the process that read it died)") from error

    def slices(self, name: str, shape: tuple[int, ...], dtype: np.dtype | str, start: int = 0) -> Iterator[np.ndarray]:
        """Yield the rows of the dataset `name` from `start` on, some megabytes at a time.

        Args:
            shape, dtype: of the dataset; the shape may have fewer rows.

        Raises:
            InputError: see `ask`.
        """
        step = max(1, _SLICE_BYTES // max(1, np.dtype(dtype).itemsize * prod(shape[1:])))
        for first in progress(range(start, shape[0], step), f"{self.path}: {name}", "slice"):
            yield self.ask(_rows, name, first, min(first + step, shape[0]))


@contextlib.contextmanager
def foreign(path: str | Path, what: str) -> Iterator[ForeignFile]:
    """Start the process that an HDF5 file is read in, and end it afterwards."""
    with _own_process() as pool:
        yield ForeignFile(path, what, pool)


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of an open file.

    Raises:
        InputError: the file has no such dataset; the message lists what it has.
    """
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"it has no dataset {name}; it has {', '.join(sorted(file)) or 'none'}")
    return found


def _own_process() -> ProcessPoolExecutor:
    """Return a pool of one forked process: importing a Snakemake script anew would repeat the script's work."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("fork"), _end_with_parent)


def _end_with_parent() -> None:
    """End the forked process when its parent is killed, which it would otherwise outlive; print no trace of a crash."""
    faulthandler.disable()
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: (wait([parent]), os._exit(0)), daemon=True).start()


def _ask(path: str | Path, what: str, question: Callable[..., T], *more: object) -> T:
    with opened(path, what, ours=False) as file:
        return question(file, *more)


def _rows(file: h5py.File, name: str, start: int, stop: int) -> np.ndarray:
    return file[name][start:stop]
