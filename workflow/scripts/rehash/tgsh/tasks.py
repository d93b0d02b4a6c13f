"""What a task does to a picture, and how far two tasks lie apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

SIDE = 28  # pixels of a picture's side
PIXELS = SIDE * SIDE


@dataclass(frozen=True)
class Transformation:
    """What a task does to every picture, about its centre: scale, shear, rotate, then shift; contrast last.

    angle: degrees, counter-clockwise. dx, dy: pixels to the right and down. scale: factor of the size. shear: degrees,
    of the vertical. contrast: factor of a pixel's distance from mid-grey, cut off at black and white.
    """

    angle: float = 0.0
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    shear: float = 0.0
    contrast: float = 1.0

    def matrix(self) -> np.ndarray:
        """Float64 (2, 2): where it takes a point (x right, y down) about the centre, before the shift."""
        a, s = math.radians(-self.angle), math.radians(self.shear)
        rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        return rotation @ np.array([[1, -math.tan(s)], [0, 1]]) * self.scale


NAMES = tuple(field.name for field in fields(Transformation))


@dataclass(frozen=True)
class Sampling:
    """How a transformed picture's pixels come from the original's.

    source: int64 (PIXELS, K), the pixels that each new pixel is made of (K = 1 or 4); PIXELS stands for the fill.
    weight: float64 (PIXELS, K). contrast: see `Transformation`.
    """

    source: np.ndarray
    weight: np.ndarray
    contrast: float = 1.0


def sampling(transformation: Transformation, interpolation: str = "nearest") -> Sampling:
    """The sampling of one task; `interpolation` is nearest, as published, or bilinear.

    Each pixel of the result looks up the place in the original that the transformation takes to it.
    """
    y, x = np.divmod(np.arange(PIXELS), SIDE)
    centre = (SIDE - 1) / 2
    there = np.stack([x - centre - transformation.dx, y - centre - transformation.dy])
    place = np.linalg.inv(transformation.matrix()) @ there + centre
    place = np.round(place, 9)  # a pixel's border is one on every machine
    if interpolation == "nearest":
        corners, weights = [np.rint(place)], [np.ones(PIXELS)]
    else:
        low = np.floor(place)
        part = place - low
        corners = [low + np.array([[i], [j]]) for j in (0, 1) for i in (0, 1)]
        weights = [np.abs(1 - i - part[0]) * np.abs(1 - j - part[1]) for j in (0, 1) for i in (0, 1)]
    source = [np.where(((c >= 0) & (c < SIDE)).all(0), c[1] * SIDE + c[0], PIXELS).astype(np.int64) for c in corners]
    return Sampling(np.stack(source, 1), np.stack(weights, 1), transformation.contrast)


def transform(pixels, source, weight, contrast: float):
    """Pictures as columns, (PIXELS + 1, N) in [0, 1] with the fill as last row, to (PIXELS, N) as a task shows them.

    The arguments after the first are a `Sampling`'s; all are numpy arrays or all torch tensors.
    """
    if source.shape[1] == 1:
        seen = pixels[source[:, 0]]
    else:
        seen = sum(pixels[source[:, k]] * weight[:, k, None] for k in range(source.shape[1]))
    return seen if contrast == 1 else ((seen - 0.5) * contrast + 0.5).clip(0, 1)


def transformed(images: np.ndarray, how: Sampling, fill: float) -> np.ndarray:
    """Uint8 (N, 28, 28) pictures as a task shows them, float32 (N, 28, 28) in [0, 1]."""
    columns = images.reshape(len(images), -1).T.astype(np.float32) / 255
    padded = np.concatenate([columns, np.full((1, len(images)), fill, np.float32)])
    return transform(padded, how.source, how.weight.astype(np.float32), how.contrast).T.reshape(-1, SIDE, SIDE)


def distances(tasks: list[Transformation]) -> np.ndarray:
    """Float64 (T, T): how far apart two tasks take a picture's points, in pixels.

    The root of the mean squared displacement over the picture's pixels. For rotations it grows with the angle on the
    circle, for shifts it is the length of their difference. Contrast moves no point and does not count.
    """
    y, x = np.divmod(np.arange(PIXELS), SIDE)
    points = np.stack([x, y]) - (SIDE - 1) / 2
    moved = np.stack([task.matrix() @ points + np.array([[task.dx], [task.dy]]) for task in tasks])
    squares = ((moved[:, None] - moved[None]) ** 2).sum(2).mean(2)
    return np.sqrt(squares)
