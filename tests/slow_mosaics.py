"""Tiny banks, and mosaics and views made pixel by pixel in plain Python, from the definition."""

import colorsys
import math
from itertools import product

import numpy as np

from rehash.equihash.images.flow import PerlinFields
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.perlin import fields
from rehash.equihash.images.task import Task

NOISY = Task("noisy", (2, 2), (4, 5))
WARPED = Task("warped", (1, 2), (8, 6), overlap=(0, 3))
NATURAL = Task.of({"kind": "natural", "grid": [1, 2], "picture": [8, 6], "overlap": [0, 3]})


class ArrayBank:
    """A bank in memory."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def take(self, indices):
        return self.images[indices]


def bank(task: Task, count: int = 7, seed: int = 0) -> ArrayBank:
    return ArrayBank(np.random.default_rng(seed).integers(0, 256, (count, *task.picture_shape), dtype=np.uint8))


def perlin(height: int, width: int, count: int = 5) -> PerlinFields:
    size = {"height": height, "width": width, "amplitude": 127, "seed": 3}
    return PerlinFields(*(fields(0, count, **size, lattice=(n, n), name=f"{n}") for n in (2, 4)))


def mosaics(task: Task, **changes) -> Mosaics:
    found = {"bank": bank(task), "perlin": perlin(*task.shape[1:]) if task.flows else None}
    return Mosaics(task, **found | changes)


def slow_weight(place: int, cell: int, cells: int, size: int, overlap: int) -> float:
    """Of an image's pixel along one axis."""
    logit = math.log(0.99 / 0.01)

    def sigmoid(i: int) -> float:
        return 1 / (1 + math.exp(logit - 2 * logit * i / (overlap - 1)))

    weight = sigmoid(place) if cell and place < overlap else 1
    return weight * (1 - sigmoid(place - size + overlap)) if cell < cells - 1 and place >= size - overlap else weight


def slow_mosaic(task: Task, images: np.ndarray, label: int) -> np.ndarray:
    """Float64 (H, W[, 3]) in 0 to 255, before it is rounded down: every pixel of every image adds its share."""
    whole = np.zeros((*task.shape[1:], *task.picture_shape[2:]))
    for row, column in product(*map(range, task.grid)):
        picture = images[label % len(images)]
        label //= len(images)
        for y, x in product(*map(range, task.picture)):
            share = math.prod(map(slow_weight, (y, x), (row, column), task.grid, task.picture, task.overlap))
            top, left = (n * (size - shared) for n, size, shared in zip((row, column), task.picture, task.overlap))
            whole[top + y, left + x] += share * picture[y, x].astype(float)
    return whole


def slow_colours(picture: np.ndarray, hue: float, a: float, b: float = 0) -> np.ndarray:
    """Uint8 (H, W, 3) to float64, one pixel after the other."""
    found = np.empty(picture.shape)
    for place in np.ndindex(picture.shape[:2]):
        h, lightness, s = colorsys.rgb_to_hls(*(picture[place] / 255))
        changed = [(1 - abs(most)) * value + max(0, most) for value, most in ((lightness, a), (s, b))]
        found[place] = colorsys.hls_to_rgb((h + hue) % 1, *changed)
    return found


def slow_flow(picture: np.ndarray, coarse: np.ndarray, fine: np.ndarray, strength: float | None = None) -> np.ndarray:
    """Float64 (H, W, 3), displaced by coarse and fine (2, H, W): x, then y; with a strength the way of 2023."""
    height, width = picture.shape[:2]
    found = np.empty(picture.shape)
    for y, x in np.ndindex(height, width):
        corners = []
        places = [-1 + 2 * place / (size - 1) for place, size in ((x, width), (y, height))]
        for axis, (at, size) in enumerate(zip(places, (width, height))):
            if strength is None:
                fade = min(max((1 - abs(at)) / (127 / 320 + 127 / 640), 0), 1)
                at += fade * (int(coarse[axis, y, x]) / 320 + int(fine[axis, y, x]) / 640)
            else:
                fade = 1 / (1 + math.exp(8 * math.hypot(*places) - 6))
                at += fade * strength * (int(coarse[axis, y, x]) / 256 + int(fine[axis, y, x]) / 512)
            at = min(max(((at + 1) * size - 1) / 2, 0), size - 1)
            low = min(int(at), size - 2)
            corners.append(((low, low + 1 - at), (low + 1, at - low)))
        found[y, x] = sum(wx * wy * picture[j, i] for i, wx in corners[0] for j, wy in corners[1])
    return found


def slow_view(
    task: Task, images, fields: PerlinFields, label: int, hue: float, a: float, numbers, strength: float | None = None
) -> np.ndarray:
    """Float64 (H, W, 3) in 0 to 255, before it is rounded down."""
    mosaic = np.floor(slow_mosaic(task, images, label) + 1e-6).astype(np.uint8)
    drawn = (np.stack([bank[n] for n in chosen]) for bank, chosen in zip((fields.coarse, fields.fine), numbers.T))
    return 255 * slow_flow(slow_colours(mosaic, hue, a), *drawn, strength)
