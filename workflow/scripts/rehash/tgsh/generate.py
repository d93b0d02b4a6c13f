"""Images generated from modulations: a task's vector and a digit's decoder row, mapped back through the encoder.

The published recipe applies pinv(encoder) to (task vector * decoder row of a digit + noise of deviation 1 / U).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.hdf5 import created, seal, unsealed, write_attributes
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.initialisation import draw_flynet
from rehash.tgsh.modulations import STATES, read_digits, read_modulations
from rehash.tgsh.tasks import PIXELS, SIDE, Sampling, Transformation, sampling, transformed


def dense_encoder(encoder: np.ndarray) -> np.ndarray:
    """Convert an encoder's (U, 7) pixels to a matrix of 0 and 1, float64 (U, PIXELS)."""
    matrix = np.zeros((len(encoder), PIXELS))
    np.put_along_axis(matrix, encoder.astype(np.int64), 1, axis=1)
    return matrix


def invert_encoder(output: str | Path, *, units: int, repeats: int, seed: int) -> dict[str, Any]:
    """Write the Moore-Penrose pseudo-inverse of each repeat's encoder, float32 (R, PIXELS, U), as `inverse` in HDF5."""
    with created(output) as file:
        inverse = file.create_dataset("inverse", (repeats, PIXELS, units), np.float32)
        for repeat in progress(range(repeats), "inverting", "encoder"):
            encoder, _ = draw_flynet(units, 1, seed=seed, repeat=repeat)
            inverse[repeat] = np.linalg.pinv(dense_encoder(encoder))
        seal(file)
    return {"seed": seed}


def generated(inverse: np.ndarray, vectors: np.ndarray, decoder: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Generate images, float64 (T, K, SIDE, SIDE), of K digits under T tasks; no argument is changed.

    Args:
        inverse: (PIXELS, U). vectors: (T, U), the task vectors. decoder: (K, U).
    """
    wanted = vectors[:, None].astype(np.float64) * decoder
    wanted = wanted + rng.normal(0, 1 / vectors.shape[1], wanted.shape)
    return (wanted @ inverse.T.astype(np.float64)).reshape(*wanted.shape[:2], SIDE, SIDE)


def mean_pictures(split: Split, how: Sampling, fill: float) -> np.ndarray:
    """Compute the mean of each class's images as a task shows them, float32 (K, SIDE, SIDE)."""
    shown = transformed(split.images, how, fill)
    return np.stack([shown[split.labels == label].mean(0) for label in np.unique(split.labels)])


def correlations(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation of pixels, (N, M), between images (N, ...) and others (M, ...)."""
    a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(1, keepdims=True) for x in (pictures, others))
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def recognised(pictures: np.ndarray, encoder: np.ndarray, decoder: np.ndarray) -> np.ndarray:
    """Return the digit, int64 (N,), that a task's classifier recognises in images (N, SIDE, SIDE).

    `encoder` is (U, 7); `decoder` (K, U) is the frozen decoder times the task vector.
    """
    sums = pictures.reshape(len(pictures), -1)[:, encoder.astype(np.int64)].sum(2)
    return (np.maximum(sums - sums.mean(1, keepdims=True), 0) @ decoder.T).argmax(1)


def generate_digits(
    dataset: str | Path, modulations: str | Path, inverse: str | Path, pictures: str | Path, output: str | Path
) -> dict[str, Any]:
    """Write generated images of every digit under every task, and a table of their quality.

    pictures: HDF5, `images` float32 (T, K, SIDE, SIDE) of the first repeat after training, and the keys.
    output: one row per repeat, state, task and digit: recognised, the digit that the task's network recognises in the
    image; correlation, of its pixels with the digit's mean test image in the task; nearest, the digit whose mean image
    has the highest correlation.

    Raises:
        InputError: the file of the pseudo-inverse is damaged, or has another shape than the encoders need.
    """
    arrays, identity = read_modulations(modulations)
    digits = read_digits(dataset)
    test = digits.test
    tasks = [sampling(Transformation(**task), identity["interpolation"]) for task in identity["tasks"]]
    means = [mean_pictures(test, task, identity["fill"]) for task in tasks]
    rows = []
    with unsealed(inverse, "a file of inverses of encoders") as file:
        shape, wanted = file["inverse"].shape, (identity["repeats"], PIXELS, identity["units"])
        if shape != wanted:
            raise InputError(f"{inverse}: is of shape {shape}; the modulations {modulations} need {wanted}")
        for repeat in progress(range(identity["repeats"]), "generation", "network"):
            backwards, encoder, decoder = file["inverse"][repeat], arrays["encoder"][repeat], arrays["decoder"][repeat]
            for state in STATES:
                vectors = arrays[f"context_{state}"][repeat] * arrays[f"strength_{state}"][repeat][:, None]
                rng = stream(identity["seed"], "tgsh", *identity["keys"].values(), repeat, state, "generation")
                made = generated(backwards, vectors, decoder, rng=rng)
                if repeat == 0 and state == "trained":
                    _write_pictures(made, identity["keys"], pictures)
                for task, drawn in enumerate(made):
                    alike = correlations(drawn, means[task])
                    seen = recognised(drawn, encoder, decoder * vectors[task])
                    for digit in range(len(drawn)):
                        rows.append(
                            {
                                **identity["keys"], "repeat": repeat, "state": state, "task": task, "digit": digit,
                                "recognised": int(seen[digit]), "correlation": float(alike[digit, digit]),
                                "nearest": int(alike[digit].argmax()),
                            }
                        )  # fmt: skip
    write_csv(pd.DataFrame(rows), output)
    return {"seed": identity["seed"], "digests": digits.digests}


def show_tasks(
    dataset: str | Path,
    pictures: str | Path,
    table: str | Path,
    *,
    keys: dict[str, Any],
    tasks: list[dict[str, float]],
    interpolation: str,
    fill: float,
) -> dict[str, Any]:
    """Write the first test image of each class under every task (HDF5, as `generate_digits`), and the tasks (CSV)."""
    digits = read_digits(dataset)
    test = digits.test
    first = test.images[[np.flatnonzero(test.labels == label)[0] for label in np.unique(test.labels)]]
    shown = [transformed(first, sampling(Transformation(**task), interpolation), fill) for task in tasks]
    _write_pictures(np.stack(shown), keys, pictures)
    rows = [{**keys, "task": number, **task} for number, task in enumerate(tasks)]
    write_csv(pd.DataFrame(rows), table)
    return {"interpolation": interpolation, "fill": fill, "digests": digits.digests}


def _write_pictures(images: np.ndarray, keys: dict[str, Any], path: str | Path) -> None:
    with created(path) as file:
        file["images"] = images.astype(np.float32)
        write_attributes(file, keys)
        seal(file)
