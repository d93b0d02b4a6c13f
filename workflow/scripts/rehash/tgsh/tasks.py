"""Tasks as transformations of images, and the distance of two tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

SIDE = 28  # pixels of an image's side
PIXELS = SIDE * SIDE


@dataclass(frozen=True)
class Transformation:
    """A task's transformation of every image about its centre: scale, shear, rotate, then shift; contrast last.

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
        """Return the matrix, float64 (2, 2), that maps a point (x right, y down) about the centre, before the shift."""
        a, s = math.radians(-self.angle), math.radians(self.shear)
        rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        return rotation @ np.array([[1, -math.tan(s)], [0, 1]]) * self.scale


NAMES = tuple(field.name for field in fields(Transformation))


@dataclass(frozen=True)
class Sampling:
    """The pixels and weights from which a transformed image's pixels are computed.

    source: int64 (PIXELS, K), the pixels that each new pixel is made of (K = 1 or 4); PIXELS stands for the fill.
    weight: float64 (PIXELS, K). contrast: see `Transformation`.
    """

    source: np.ndarray
    weight: np.ndarray
    contrast: float = 1.0


def sampling(transformation: Transformation, interpolation: str = "nearest") -> Sampling:
    """Compute the sampling of one task; `interpolation` is nearest, as published, or bilinear.

    Each pixel of the result is taken from the place in the original that the transformation maps to it.
    """
    y, x = np.divmod(np.arange(PIXELS), SIDE)
    centre = (SIDE - 1) / 2
    there = np.stack([x - centre - transformation.dx, y - centre - transformation.dy])
    place = np.linalg.inv(transformation.matrix()) @ there + centre
    place = np.round(place, 9)  # so that the nearest pixel is the same on every machine
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
    """Transform images in columns, (PIXELS + 1, N) in [0, 1] with the fill as last row, as a task shows them.

    Returns (PIXELS, N). The arguments after the first are a `Sampling`'s; all are numpy arrays or all torch tensors.
    """
    if source.shape[1] == 1:
        seen = pixels[source[:, 0]]
    else:
        seen = sum(pixels[source[:, k]] * weight[:, k, None] for k in range(source.shape[1]))
    return seen if contrast == 1 else ((seen - 0.5) * contrast + 0.5).clip(0, 1)


def transformed(images: np.ndarray, how: Sampling, fill: float) -> np.ndarray:
    """Transform images, uint8 (N, 28, 28), as a task shows them, to float32 (N, 28, 28) in [0, 1]."""
    columns = images.reshape(len(images), -1).T.astype(np.float32) / 255
    padded = np.concatenate([columns, np.full((1, len(images)), fill, np.float32)])
    return transform(padded, how.source, how.weight.astype(np.float32), how.contrast).T.reshape(-1, SIDE, SIDE)


def distances(tasks: list[Transformation]) -> np.ndarray:
    """Compute how far apart each two of T tasks move an image's points: float64 (T, T), in pixels.

    The distance is the root of the mean squared displacement over the image's pixels. Between rotations it grows with
    the angle on the circle; between shifts it is the length of their difference. Contrast moves no point and does not
    count.
    """
    y, x = np.divmod(np.arange(PIXELS), SIDE)
    points = np.stack([x, y]) - (SIDE - 1) / 2
    moved = np.stack([task.matrix() @ points + np.array([[task.dx], [task.dy]]) for task in tasks])
    squares = ((moved[:, None] - moved[None]) ** 2).sum(2).mean(2)
    return np.sqrt(squares)
