"""Tasks as ways of showing images: transformations, permutations of pixels, classes; and the distance of two tasks.

A task is a dictionary with all fields of `Transformation` and perhaps one of `MORE`: permutation, the number of an
order of the pixels (0 leaves them where they are); classes, of which alone the task has images; dataset, the name of
another dataset that its images are from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rehash.errors import InputError, unknown
from rehash.seeds import stream

SIDE = 28  # pixels of the side of a published image
PIXELS = SIDE * SIDE
Shape = tuple[int, int, int]  # of an image: channels, height, width
GREY: Shape = (1, SIDE, SIDE)  # as published
Task = Mapping[str, Any]
MORE = ("permutation", "classes", "dataset")
COLUMNS = ("permutation", "classes", "images")  # of these in tables, whose `dataset` is the benchmark's


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

    @classmethod
    def of(cls, task: Task) -> Transformation:
        """Return the transformation that is a part of a task."""
        return cls(**{name: task[name] for name in NAMES if name in task})

    def matrix(self) -> np.ndarray:
        """Return the matrix, float64 (2, 2), that maps a point (x right, y down) about the centre, before the shift."""
        a, s = math.radians(-self.angle), math.radians(self.shear)
        rotation = np.array([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
        return rotation @ np.array([[1, -math.tan(s)], [0, 1]]) * self.scale


NAMES = tuple(field.name for field in fields(Transformation))


@dataclass(frozen=True)
class Sampling:
    """The pixels and weights from which a shown image's pixels are computed; P = channels x height x width.

    source: int64 (P, K), the pixels that each new pixel is made of (K = 1 or 4); P stands for the fill.
    weight: float64 (P, K). contrast: see `Transformation`. shape: of the images.
    """

    source: np.ndarray
    weight: np.ndarray
    contrast: float = 1.0
    shape: Shape = GREY


def sampling(transformation: Transformation, interpolation: str = "nearest", shape: Shape = GREY) -> Sampling:
    """Compute the sampling of a transformation; `interpolation` is nearest, as published, or bilinear.

    Each pixel of the result is taken from the place in the original that the transformation maps to it, in every
    channel alike.
    """
    channels, height, width = shape
    y, x = np.divmod(np.arange(height * width), width)
    cx, cy = (width - 1) / 2, (height - 1) / 2
    there = np.stack([x - cx - transformation.dx, y - cy - transformation.dy])
    place = np.linalg.inv(transformation.matrix()) @ there + np.array([[cx], [cy]])
    place = np.round(place, 9)  # so that the nearest pixel is the same on every machine
    if interpolation == "nearest":
        corners, weights = [np.rint(place)], [np.ones(height * width)]
    else:
        low = np.floor(place)
        part = place - low
        corners = [low + np.array([[i], [j]]) for j in (0, 1) for i in (0, 1)]
        weights = [np.abs(1 - i - part[0]) * np.abs(1 - j - part[1]) for j in (0, 1) for i in (0, 1)]
    ends, pixels = np.array([[width], [height]]), height * width
    source = [np.where(((c >= 0) & (c < ends)).all(0), c[1] * width + c[0], pixels).astype(np.int64) for c in corners]
    whole = _in_channels(np.stack(source, 1), channels, pixels)
    return Sampling(whole, np.tile(np.stack(weights, 1), (channels, 1)), transformation.contrast, shape)


def _in_channels(source: np.ndarray, channels: int, pixels: int) -> np.ndarray:
    """Repeat the sources of one channel's pixels, in which `pixels` stands for the fill, in each channel."""
    parts = [np.where(source == pixels, channels * pixels, source + c * pixels) for c in range(channels)]
    return np.concatenate(parts)


def permutation(number: int, shape: Shape, seed: int) -> np.ndarray:
    """Return the order of pixels that a number stands for, int64 (height x width,); number 0 leaves them in theirs.

    Pixel i of the result is pixel order[i] of the original. The order depends on the seed, the size and the number, so
    that it is one in every benchmark and dataset of its size.
    """
    _, height, width = shape
    if number == 0:
        return np.arange(height * width)
    return stream(seed, "tgsh", "permutation", height, width, number).permutation(height * width)


def sampling_of(task: Task, interpolation: str = "nearest", shape: Shape = GREY, seed: int = 0) -> Sampling:
    """Compute the sampling of a task: its transformation, or its order of pixels, which all channels share."""
    if not task.get("permutation"):
        return sampling(Transformation.of(task), interpolation, shape)
    channels, pixels = shape[0], shape[1] * shape[2]
    source = _in_channels(permutation(task["permutation"], shape, seed)[:, None], channels, pixels)
    return Sampling(source, np.ones(source.shape), 1.0, shape)


def transform(pixels, source, weight, contrast: float):
    """Transform images in columns, (P + 1, N) in [0, 1] with the fill as last row, as a task shows them.

    Returns (P, N). The arguments after the first are a `Sampling`'s; all are numpy arrays or all torch tensors.
    """
    if source.shape[1] == 1:
        seen = pixels[source[:, 0]]
    else:
        seen = sum(pixels[source[:, k]] * weight[:, k, None] for k in range(source.shape[1]))
    return seen if contrast == 1 else ((seen - 0.5) * contrast + 0.5).clip(0, 1)


def as_rows(images: np.ndarray) -> np.ndarray:
    """Return images, (N, H, W) or (N, H, W, C), as rows (N, P), one channel's pixels after the other's."""
    planes = images if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return planes.reshape(len(images), -1)


def as_images(rows: np.ndarray, shape: Shape) -> np.ndarray:
    """Return rows (..., P) as images, (..., H, W) if they are grey, else (..., H, W, C)."""
    planes = rows.reshape(*rows.shape[:-1], *shape)
    return planes[..., 0, :, :] if shape[0] == 1 else np.moveaxis(planes, -3, -1)


def shape_of(images: np.ndarray) -> Shape:
    """Return the channels, height and width of images, (N, H, W) or (N, H, W, C)."""
    return (1 if images.ndim == 3 else images.shape[3], *images.shape[1:3])


def transformed(images: np.ndarray, how: Sampling, fill: float) -> np.ndarray:
    """Transform images, uint8 (N, H, W) or (N, H, W, C), as a task shows them, to float32 of that shape in [0, 1]."""
    columns = as_rows(images).T.astype(np.float32) / 255
    padded = np.concatenate([columns, np.full((1, len(images)), fill, np.float32)])
    return as_images(transform(padded, how.source, how.weight.astype(np.float32), how.contrast).T, how.shape)


def distances(tasks: Sequence[Transformation], shape: Shape = GREY) -> np.ndarray:
    """Compute how far apart each two of T transformations move an image's points: float64 (T, T), in pixels.

    The distance is the root of the mean squared displacement over the image's pixels. Between rotations it grows with
    the angle on the circle; between shifts it is the length of their difference. Contrast moves no point and does not
    count.
    """
    return task_distances([vars(task) for task in tasks], shape)


def task_distances(tasks: Sequence[Task], shape: Shape = GREY, seed: int = 0) -> np.ndarray:
    """Compute how far apart each two of T tasks move an image's points, as `distances`: float64 (T, T), in pixels.

    Orders of pixels move points, too; two random ones are about as far apart as any other two. Tasks of other images,
    by their classes or their dataset, have no distance: NaN.
    """
    points = _points(shape)
    moved = np.stack([_moved(task, points, shape, seed) for task in tasks])
    # A row at a time, since all pairs of hundreds of tasks would take gigabytes.
    found = np.stack([np.sqrt(((each - moved) ** 2).sum(1).mean(1)) for each in moved])
    images = [(task.get("dataset"), tuple(task.get("classes") or ())) for task in tasks]
    return np.where([[a == b for b in images] for a in images], found, np.nan)


def _points(shape: Shape) -> np.ndarray:
    """Return the places of an image's pixels about its centre, x and y, float64 (2, height x width)."""
    _, height, width = shape
    y, x = np.divmod(np.arange(height * width), width)
    return np.stack([x - (width - 1) / 2, y - (height - 1) / 2])


def _moved(task: Task, points: np.ndarray, shape: Shape, seed: int) -> np.ndarray:
    """Return where a task takes the points of an image, (2, height x width)."""
    if task.get("permutation"):
        moved = np.empty_like(points)
        moved[:, permutation(task["permutation"], shape, seed)] = points
        return moved
    turned = Transformation.of(task)
    return turned.matrix() @ points + np.array([[turned.dx], [turned.dy]])


def task_rows(tasks: Sequence[Task], dataset: str) -> list[dict[str, Any]]:
    """Return tasks as rows of a table; all have a column of `COLUMNS` if one of them says so much.

    Args:
        dataset: the name of the dataset whose images a task has that names none.
    """
    without = {"permutation": 0, "classes": (), "dataset": dataset}
    there = [(name, column) for name, column in zip(MORE, COLUMNS) if any(name in task for task in tasks)]
    rows = []
    for task in tasks:
        more = {column: task.get(name, without[name]) for name, column in there}
        if "classes" in more:
            more["classes"] = ", ".join(map(str, more["classes"]))
        rows.append({**{name: task[name] for name in NAMES}, **more})
    return rows


def class_numbers(wanted: Sequence[int | str], names: Sequence[str], where: str) -> list[int]:
    """Return the numbers of classes that are given by number or by name, ascending.

    Raises:
        InputError: there is no such class, or one is given twice; or fewer than two others are left.
    """
    found = []
    for each in wanted:
        if isinstance(each, int) and 0 <= each < len(names):
            found.append(each)
        elif str(each) in names:
            found.append(list(names).index(str(each)))
        else:
            raise unknown("class", each, names, where)
    if len(set(found)) < len(found):
        raise InputError(f"{where}: names a class twice; expected each once")
    if found and len(names) - len(found) < 2:
        raise InputError(
            f"{where}: {len(found)} of the {len(names)} classes are held out; a task is learned on the others, and "
            "needs two of them: hold out fewer"
        )
    return sorted(found)
