"""Lines through inputs: where they start, which way they go, and the table of what was measured on them.

A line goes both ways from its start, an input. Shape suffixes: N lines, I inputs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from rehash.datasets.layout import Split
from rehash.seeds import stream

log = logging.getLogger("rehash")

POINTS = ("train", "test", "random")  # what lines start at: inputs of a split, or uniform in [0, 1]
DIRECTIONS = ("input", "class_mean", "random")  # towards another input, the mean of the own class, on the sphere
MEASURED = ["direction", "line", "forward", "backward", "chord", "nearest_face", "length", "changes"]


def as_points(inputs: np.ndarray, offset: float = 0.0) -> np.ndarray:
    """Convert inputs as `rehash.hash_encoders.networks.as_inputs` does, to float64 (N, I)."""
    return inputs.reshape(len(inputs), math.prod(inputs.shape[1:])) / _unit(inputs) - offset


def _unit(inputs: np.ndarray) -> float:
    return 255.0 if inputs.dtype == np.uint8 else 1.0


def draw_lines(
    points: str, train: Split, test: Split, lines: int, *, seed: int, dataset: str, offset: float = 0.0
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw lines that start at one kind of points, with a vector in each of the DIRECTIONS.

    They are the same for all networks of a dataset. No input is drawn twice, so that a split with fewer than
    2 * lines inputs has as many lines as there are inputs for, and the log says so. The mean of a class is that of the
    training inputs; uniform points have no class.

    Args:
        points: one of POINTS.
        train: what the networks are trained on, with true labels. test: images or vectors, as `train`.
        offset: what the protocol subtracts from inputs.

    Returns:
        starts: float64 (N, I).
        vectors: for each direction float64 (N, I), which lead to the other input and to the mean; those of random
            directions have length 1. NaN where there is no mean, since no training input is of the start's class.
    """
    names = ("hash_encoders", dataset, "regions", points)
    if points == "random":
        starts, others = stream(seed, *names).random((2, lines, test.inputs[0].size)) - offset
        vectors = {"input": others - starts}
    else:
        split = {"train": train, "test": test}[points]
        n = min(lines, len(split.inputs) // 2)
        if n < lines:
            log.warning(
                "%s: %d %s inputs are the ends of %d lines; config: hash_encoders.regions.%s.lines asks for %d",
                *(dataset, len(split.inputs), points, n, dataset, lines),
            )
        rows = stream(seed, *names).permutation(len(split.inputs))
        starts = as_points(split.inputs[rows[:n]], offset)
        vectors = {
            "input": as_points(split.inputs[rows[n : 2 * n]], offset) - starts,
            "class_mean": _class_means(train, split.labels[rows[:n]], offset) - starts,
        }
    sphere = stream(seed, *names, "directions").normal(size=starts.shape)
    vectors["random"] = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    return starts, vectors


def _class_means(train: Split, labels: np.ndarray, offset: float) -> np.ndarray:
    """Return the mean of the training inputs of each label, float64 (N, I); NaN where there are none."""
    means = np.full((len(labels), train.inputs[0].size), np.nan)
    for label in np.unique(labels):
        chosen = train.inputs[train.labels == label]
        if len(chosen):
            mean = chosen.mean(0, dtype=np.float64).ravel() / _unit(train.inputs)
            means[labels == label] = mean - offset
    return means


def line_table(
    starts: np.ndarray,
    vectors: dict[str, np.ndarray],
    first_changes: Callable[[np.ndarray, np.ndarray], np.ndarray],
    nearest_faces: Callable[[np.ndarray], np.ndarray],
    changes: Callable[[np.ndarray, np.ndarray], int] | None = None,
) -> pd.DataFrame:
    """Measure lines through inputs with the functions of one network; return a table with one row per line.

    Columns (distances are L2): direction; line, the number of the start; forward, to the first change of the code along
    the vector, and backward, against it; chord, their sum, the extent of the start's region along the line;
    nearest_face, in any direction, which is the start's and thus the same for all directions; length, to the point that
    the vector leads to, NaN for a random direction; changes of the code up to the other input, NaN for other
    directions. Distances are inf where there is no change, as along a line between two equal inputs. A vector of NaN
    has no row.

    Args:
        starts: (N, ...). vectors: for each direction (N, ...).
        first_changes: from starts and directions to distances (N,), in lengths of the directions.
        nearest_faces: from starts to distances (N,).
        changes: from a start and a stop to a number; they are not counted without it.
    """
    nearest, parts = nearest_faces(starts), []
    for direction, vector in vectors.items():
        length = np.linalg.norm(vector.reshape(len(vector), math.prod(vector.shape[1:])), axis=1)
        line = np.flatnonzero(np.isfinite(length))
        # Equal points have no direction: a vector of length 0 stays one, along which nothing changes.
        scale = np.where(length > 0, length, 1)[line].reshape(-1, *[1] * (starts.ndim - 1))
        start, along = starts[line], vector[line] / scale
        part = pd.DataFrame({"direction": direction, "line": line})
        part["forward"], part["backward"] = first_changes(start, along), first_changes(start, -along)
        part["chord"], part["nearest_face"] = part.forward + part.backward, nearest[line]
        part["length"] = np.nan if direction == "random" else length[line]
        part["changes"] = np.nan
        if changes and direction == "input":
            part["changes"] = [changes(*ends) for ends in zip(start, start + vector[line])]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)[MEASURED]
