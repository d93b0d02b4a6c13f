"""Files of modulations, and reading of datasets that fit FlyNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rehash.arrays import pack_arrays, read_arrays
from rehash.datasets.layout import Dataset
from rehash.errors import InputError, unreadable
from rehash.store import write_bytes
from rehash.tgsh.tasks import SIDE


def read_digits(path: str | Path) -> Dataset:
    """Read a dataset of 28 x 28 grey images whose train and test splits both have images of every class.

    Raises:
        InputError: inputs are no images or of another shape, or a split has none of a class; names the file, and what
            was found or is missing.
    """
    found = Dataset.read(path)
    if not found.train.are_images:
        raise InputError(
            f"{path}: inputs are vectors of {found.train.inputs.shape[1]} numbers; tgsh needs images of {SIDE} x "
            f"{SIDE}: take {Path(path).stem} out of tgsh.datasets and tgsh.flynet in the config"
        )
    if found.train.images.shape[1:] != (SIDE, SIDE):
        shape = " x ".join(map(str, found.train.images.shape[1:]))
        raise InputError(f"{path}: images are {shape}; tgsh needs {SIDE} x {SIDE}, one grey value a pixel")
    for name, split in (("train", found.train), ("test", found.test)):
        missing = sorted(set(range(len(found.class_names))) - set(split.labels.tolist()))
        if missing:
            lacking = ", ".join(found.class_names[label] for label in missing)
            raise InputError(f"{path}: the {name} split has no image of {lacking}; tgsh measures every class")
    return found


def write_modulations(path: str | Path, arrays: dict[str, np.ndarray], identity: dict[str, Any]) -> None:
    """Write a safetensors file of `arrays` (see `read_modulations`) with their identity (see `rehash.arrays`)."""
    write_bytes(pack_arrays(arrays, identity), path)


def read_modulations(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read the arrays and the identity of a modulations file; R repeats, U units, K classes, T tasks.

    Arrays: encoder int16 (R, U, 7); float32: decoder (R, K, U), context_untrained and context_trained (R, T, U),
    strength_untrained and strength_trained (R, T).

    Raises:
        InputError: the file is damaged, or not one that `write_modulations` wrote.
    """
    try:
        arrays, identity = read_arrays(path)
        if set(arrays) != _ARRAYS:
            raise ValueError(f"holds {', '.join(arrays)}")
    except (OSError, ValueError) as error:
        raise unreadable(
            error,
            path,
            f"not a file of modulations of rehash, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}",
        ) from error
    return arrays, identity


STATES = ("untrained", "trained")
_ARRAYS = {"encoder", "decoder", *(f"{part}_{state}" for part in ("context", "strength") for state in STATES)}
