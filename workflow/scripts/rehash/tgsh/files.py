"""What the wing's jobs share: pictures that fit the network, and modulations in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rehash.arrays import pack_arrays, read_arrays
from rehash.datasets.layout import Split, class_names, read_split
from rehash.errors import InputError
from rehash.store import write_bytes
from rehash.tgsh.tasks import SIDE


def read_digits(dataset: str | Path, split: str) -> Split:
    """A split whose pictures are 28 x 28 grey ones and show every class.

    Raises:
        InputError: they are not, or do not; names the dataset, what was found and what is missing.
    """
    found, names = read_split(dataset, split), class_names(dataset)
    if found.images.shape[1:] != (SIDE, SIDE):
        shape = " x ".join(map(str, found.images.shape[1:]))
        raise InputError(f"{dataset}: pictures are {shape}; tgsh needs {SIDE} x {SIDE}, one grey value a pixel")
    missing = sorted(set(range(len(names))) - set(found.labels.tolist()))
    if missing:
        lacking = ", ".join(names[label] for label in missing)
        raise InputError(f"{dataset}: the {split} split has no picture of {lacking}; tgsh measures every class")
    return found


def write_modulations(path: str | Path, arrays: dict[str, np.ndarray], identity: dict[str, Any]) -> None:
    """One safetensors file of `arrays` (see `read_modulations`), and what they are (`rehash.arrays`)."""
    write_bytes(pack_arrays(arrays, identity), path)


def read_modulations(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the identity of a modulations file; R repeats, U units, K classes, T tasks.

    encoder int16 (R, U, 7), decoder (R, K, U); context_untrained, context_trained (R, T, U), strength_untrained,
    strength_trained (R, T), all float32.

    Raises:
        InputError: the file is damaged or not one of ours.
    """
    try:
        arrays, identity = read_arrays(path)
        if set(arrays) != _ARRAYS:
            raise ValueError(f"holds {', '.join(arrays)}")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a file of modulations of rehash, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}"
        ) from error
    return arrays, identity


STATES = ("untrained", "trained")
_ARRAYS = {"encoder", "decoder", *(f"{part}_{state}" for part in ("context", "strength") for state in STATES)}
