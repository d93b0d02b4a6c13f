"""The job that fits a projection (`rehash.comparison.projections`) to a dataset's train split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from rehash.arrays import pack_arrays
from rehash.comparison.projections import fit, open_features
from rehash.datasets.layout import Dataset
from rehash.encoders import Encoder, Wanted, encoded
from rehash.errors import InputError
from rehash.store import write_bytes
from rehash.training import Compute


def fit_source(dataset: str | Path, output: str | Path, source: dict[str, Any], compute: Compute) -> dict[str, Any]:
    """Fit a projection, and write it (`rehash.arrays`); the fit itself runs on the CPU.

    Args:
        source: kind (one of `rehash.comparison.projections.KINDS`); of and files, as of its `open_features`; bits and
            repeats, the lengths of codes and the numbers of the repeats; seed, dataset (its name) and where (the key
            of the config that asks).

    Returns:
        Notes for the provenance: device, seconds of the fit, digests.

    Raises:
        InputError: the dataset or the other source cannot be had or gives numbers that are not finite, or codes are
            longer than its numbers allow.
    """
    device, images = compute.start(), Dataset.read(dataset)
    about = {key: source[key] for key in ("dataset", "seed", "where")}
    wanted = Wanted.of(images, 0, 0, device, **about)
    features = read_features(open_features(source["of"], source["files"], wanted), images.train.inputs, wanted)
    checksum, digests = images.checksum, images.digests
    del images  # which take as much memory as a fourth of their features
    start = time.monotonic()
    arrays, facts = fit(source["kind"], features, source["bits"], source["repeats"], source["seed"], source["where"])
    seconds = time.monotonic() - start
    write_bytes(pack_arrays(arrays, {**facts, "data": checksum}), output)
    return {"device": str(device), "fitting_seconds": round(seconds, 3), "digests": digests}


def read_features(encoder: Encoder, inputs: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Compute the real numbers of all inputs, float32 (N, D).

    Raises:
        InputError: one is not finite.
    """
    found, at = np.empty((0, 0), np.float32), 0
    for numbers in encoded(encoder, inputs, wanted.device):
        if not at:
            found = np.empty((len(inputs), numbers.shape[1]), np.float32)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers).all(1))[0])
            raise InputError(
                f"{wanted.where}: train input {at + row} of {wanted.dataset} gives NaN or infinity; expected finite "
                "numbers. Is the source's network trained well?"
            )
        found[at : at + len(numbers)] = numbers
        at += len(numbers)
    return found
