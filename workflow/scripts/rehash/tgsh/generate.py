"""Images generated from modulations: a task's vector and a digit's decoder row, mapped back through the encoder.

The published recipe applies pinv(encoder) to (task vector * decoder row of a digit + noise of deviation 1 / U).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.layout import Split, described
from rehash.errors import InputError
from rehash.hdf5 import created, seal, unsealed, write_attributes
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.tgsh.images import Images, Paths
from rehash.tgsh.initialisation import draw_flynet
from rehash.tgsh.kinds import FLY, KINDS, Settings
from rehash.tgsh.modulations import STATES, heads_in, read_modulations, run_names, shape_in
from rehash.tgsh.tasks import GREY, Sampling, Shape, Task, as_images, as_rows, sampling_of, task_rows, transformed


def dense_encoder(encoder: np.ndarray, settings: Settings = FLY, shape: Shape = GREY) -> np.ndarray:
    """Convert an encoder's array to the matrix by which it multiplies images, float64 (U, P).

    Raises:
        InputError: the encoder has none, as a convolution that is pooled.
    """
    matrix = KINDS[settings["kind"]].matrix
    if matrix is None:
        raise InputError(
            f"an encoder of the kind {settings['kind']} is no matrix, and has no pseudo-inverse to generate images by; "
            f"expected one of {', '.join(name for name, kind in KINDS.items() if kind.matrix)}"
        )
    return matrix(encoder, settings, math.prod(shape))


def invert_encoder(
    output: str | Path,
    *,
    units: int,
    repeats: int,
    seed: int,
    encoder: Settings = FLY,
    dataset: str | Path | None = None,
) -> dict[str, Any]:
    """Write the Moore-Penrose pseudo-inverse of each repeat's encoder, float32 (R, P, U), as `inverse` in HDF5.

    Args:
        dataset: the file whose images have the size that it encodes; None is the published size.

    Raises:
        InputError: the encoder is no matrix (`dense_encoder`), or does not fit the images.
    """
    shape, digests = GREY, {}
    if dataset is not None:
        shape, _, checksum = described(dataset)
        digests = {str(dataset): checksum}
    with created(output) as file:
        inverse = file.create_dataset("inverse", (repeats, math.prod(shape), units), np.float32)
        for repeat in progress(range(repeats), "inverting", "encoder"):
            drawn, _ = draw_flynet(units, 1, seed=seed, repeat=repeat, encoder=encoder, shape=shape)
            inverse[repeat] = np.linalg.pinv(dense_encoder(drawn, encoder, shape))
        seal(file)
    return {"seed": seed, "digests": digests}


def generated(
    inverse: np.ndarray, vectors: np.ndarray, decoder: np.ndarray, *, rng: np.random.Generator, shape: Shape = GREY
) -> np.ndarray:
    """Generate images, float64 (T, K, H, W) or (T, K, H, W, C), of K classes under T tasks; no argument is changed.

    Args:
        inverse: (P, U). vectors: (T, U), the task vectors. decoder: (K, U), or (T, K, U), one for each task.
    """
    wanted = vectors[:, None].astype(np.float64) * decoder
    wanted = wanted + rng.normal(0, 1 / vectors.shape[1], wanted.shape)
    return as_images(wanted @ inverse.T.astype(np.float64), shape)


def mean_pictures(split: Split, how: Sampling, fill: float) -> np.ndarray:
    """Compute the mean of each class's images as a task shows them, float32 (K, H, W) or (K, H, W, C)."""
    shown = transformed(split.images, how, fill)
    return np.stack([shown[split.labels == label].mean(0) for label in np.unique(split.labels)])


def correlations(pictures: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute Pearson's correlation of pixels, (N, M), between images (N, ...) and others (M, ...)."""
    a, b = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(1, keepdims=True) for x in (pictures, others))
    return (a @ b.T) / np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))


def recognised(pictures: np.ndarray, matrix: np.ndarray, decoder: np.ndarray, settings: Settings = FLY) -> np.ndarray:
    """Return the place in its head, int64 (N,), of the class that a task's classifier recognises in images (N, ...).

    `matrix` is the encoder's (U, P); `decoder` (K, U) is the decoder times the task vector.
    """
    return (KINDS[settings["kind"]].response(as_rows(pictures) @ matrix.T, settings) @ decoder.T).argmax(1)


def generate_digits(
    dataset: Paths, modulations: str | Path, inverse: str | Path, pictures: str | Path, output: str | Path
) -> dict[str, Any]:
    """Write generated images of every digit under every task, and a table of their quality.

    pictures: HDF5, `images` float32 (T, K, H, W), or with channels last, of the first repeat after training, and the
    keys; K is the most classes that a task has, and those that others lack are NaN.
    output: one row per repeat, state, task and digit of the task: recognised, the digit that the task's network
    recognises in the image; correlation, of its pixels with the digit's mean test image in the task; nearest, the digit
    whose mean image has the highest correlation.

    Raises:
        InputError: the file of the pseudo-inverse is damaged, or has another shape than the encoders need.
    """
    arrays, identity = read_modulations(modulations)
    images = Images.read(dataset, identity["tasks"])
    shape, settings, heads = shape_in(identity), identity.get("encoder", FLY), heads_in(identity)
    how = [sampling_of(task, identity["interpolation"], shape, identity["seed"]) for task in identity["tasks"]]
    means = [mean_pictures(images.split(t, "test"), each, identity["fill"]) for t, each in enumerate(how)]
    rows = []
    with unsealed(inverse, "a file of inverses of encoders") as file:
        found, wanted = file["inverse"].shape, (identity["repeats"], math.prod(shape), identity["units"])
        if found != wanted:
            raise InputError(f"{inverse}: is of shape {found}; the modulations {modulations} need {wanted}")
        for repeat in progress(range(identity["repeats"]), "generation", "network"):
            backwards = file["inverse"][repeat]
            matrix = dense_encoder(arrays["encoder"][repeat], settings, shape)
            for state in STATES:
                vectors = arrays[f"context_{state}"][repeat] * arrays[f"strength_{state}"][repeat][:, None]
                decoder = arrays["decoder"][repeat]
                if state == "trained" and "decoder_trained" in arrays:
                    decoder = arrays["decoder_trained"][repeat]
                rng = stream(identity["seed"], "tgsh", *run_names(identity["keys"]), repeat, state, "generation")
                made = generated(backwards, vectors, decoder, rng=rng, shape=shape)
                made = [drawn[head] for drawn, head in zip(made, heads)]
                if repeat == 0 and state == "trained":
                    _write_pictures(made, identity["keys"], pictures)
                for task, (drawn, head) in enumerate(zip(made, heads)):
                    alike, own = correlations(drawn, means[task]), decoder if decoder.ndim == 2 else decoder[task]
                    seen = recognised(drawn, matrix, own[head] * vectors[task], settings)
                    for place, digit in enumerate(head):
                        rows.append(
                            {
                                **identity["keys"], "repeat": repeat, "state": state, "task": task, "digit": digit,
                                "recognised": head[seen[place]], "correlation": float(alike[place, place]),
                                "nearest": head[alike[place].argmax()],
                            }
                        )  # fmt: skip
    write_csv(pd.DataFrame(rows), output)
    return {"seed": identity["seed"], "digests": images.digests}


def show_tasks(
    dataset: Paths,
    pictures: str | Path,
    table: str | Path,
    *,
    keys: dict[str, Any],
    tasks: list[Task],
    interpolation: str,
    fill: float,
    seed: int = 0,
    whole: bool = False,
) -> dict[str, Any]:
    """Write the first test image of each class under every task (HDF5, as `generate_digits`), and the tasks (CSV).

    Args:
        seed: of the orders of pixels. whole: see `rehash.tgsh.images.Images.read`.
    """
    images = Images.read(dataset, tasks, whole=whole)
    shown = []
    for number, task in enumerate(tasks):
        test = images.split(number, "test")
        first = test.images[[np.flatnonzero(test.labels == label)[0] for label in np.unique(test.labels)]]
        shown.append(transformed(first, sampling_of(task, interpolation, images.shape, seed), fill))
    _write_pictures(shown, keys, pictures)
    told = task_rows(tasks, keys["dataset"])
    write_csv(pd.DataFrame([{**keys, "task": number, **row} for number, row in enumerate(told)]), table)
    return {"interpolation": interpolation, "fill": fill, "digests": images.digests}


def _write_pictures(images: Sequence[np.ndarray], keys: dict[str, Any], path: str | Path) -> None:
    """Write the images of each task, (K, ...) of as many classes as it has; what one lacks is NaN."""
    whole = np.full((len(images), max(map(len, images)), *images[0].shape[1:]), np.nan, np.float32)
    for task, each in enumerate(images):
        whole[task, : len(each)] = each
    with created(path) as file:
        file["images"] = whole
        write_attributes(file, keys)
        seal(file)
