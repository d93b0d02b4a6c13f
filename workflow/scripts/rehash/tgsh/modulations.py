"""Files of modulations, and reading of datasets that fit a frozen network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rehash.arrays import pack_arrays, read_arrays
from rehash.datasets.layout import Dataset
from rehash.errors import InputError, unreadable
from rehash.store import write_bytes
from rehash.tgsh.tasks import GREY, Shape


def read_digits(path: str | Path) -> Dataset:
    """Read a dataset of images, grey or in colour, whose train and test splits both have images of every class.

    Raises:
        InputError: inputs are no images, or a split has none of a class; names the file, and what was found or is
            missing.
    """
    found = Dataset.read(path)
    if not found.train.are_images:
        raise InputError(
            f"{path}: inputs are vectors of {found.train.inputs.shape[1]} numbers; tgsh needs images: take "
            f"{Path(path).stem} out of tgsh.datasets and tgsh.flynet in the config"
        )
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

    Arrays: encoder, R of those of its kind (`rehash.tgsh.kinds`), int16 (R, U, 7) of FlyNet; float32: decoder
    (R, K, U), context_untrained and context_trained (R, T, U), strength_untrained and strength_trained (R, T); and
    decoder_trained (R, T, K, U) if each task has learned a decoder.

    Raises:
        InputError: the file is damaged, or not one that `write_modulations` wrote.
    """
    try:
        arrays, identity = read_arrays(path)
        if set(arrays) - {"decoder_trained"} != _ARRAYS:
            raise ValueError(f"holds {', '.join(arrays)}")
    except (OSError, ValueError) as error:
        raise unreadable(
            error,
            path,
            f"not a file of modulations of rehash, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}",
        ) from error
    return arrays, identity


def run_names(keys: dict[str, Any]) -> tuple[str, str]:
    """Return the names of random streams of a dataset and a benchmark; those of all networks on them are the same."""
    return keys["dataset"], keys["benchmark"].partition("-")[0]


def shape_in(identity: Mapping[str, Any]) -> Shape:
    """Return the shape of images that a file's identity says, the published one if it says none."""
    return tuple(identity.get("shape", GREY))


def heads_in(identity: Mapping[str, Any]) -> list[list[int]]:
    """Return the classes of each task that a file's identity says, all if it says none."""
    return identity.get("heads") or [list(range(identity["classes"]))] * len(identity["tasks"])


STATES = ("untrained", "trained")
_ARRAYS = {"encoder", "decoder", *(f"{part}_{state}" for part in ("context", "strength") for state in STATES)}
