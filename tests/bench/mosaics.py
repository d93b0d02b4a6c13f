"""Views of both tasks against the direct way, one item after the other, and against plain torch: microseconds an item."""

import numpy as np
import torch
from timing import seconds
from torch.nn.functional import grid_sample

from rehash.equihash.images.flow import PerlinFields
from rehash.equihash.images.layout import image_numbers
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.noise import BLOCK, PositionSource, Warp
from rehash.equihash.images.perlin import fields
from rehash.equihash.images.task import Task
from rehash.equihash.images.views import warped
from rehash.training import set_reproducible

DIGITS = Task("noisy", (2, 2), (28, 28))
PHOTOS = Task("warped", (1, 2), (180, 180), (0, 90))
ITEMS = {"digits": BLOCK * 4, "photos": BLOCK // 2}


class RandomBank:
    """Images of random smooth colours, kept in memory."""

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (count, 7, 7, *shape[2:]), dtype=np.uint8)
        self.images = coarse.repeat(-(-shape[0] // 7), 1).repeat(-(-shape[1] // 7), 2)[:, : shape[0], : shape[1]].copy()

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


def digits_loop(mosaics: Mosaics, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Four digits and their noise, drawn as numpy draws them."""
    views, size = [], len(mosaics.bank)
    for label in labels:
        a, b, c, d = (mosaics.bank.images[label // size**cell % size] for cell in range(4))
        mosaic = np.block([[a, b], [c, d]]).astype(np.float32) / 255
        views.append(mosaic + rng.normal(0, 0.2, mosaic.shape).astype(np.float32))
    return np.stack(views)


def numpy_colours(picture: np.ndarray, hue: float, a: float) -> np.ndarray:
    """Colorsys's formulas on the arrays of one image, uint8 (H, W, 3): float32 in [0, 1]."""
    r, g, b = np.moveaxis(picture.astype(np.float32) / 255, -1, 0)
    most, least = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    total, chroma = most + least, most - least
    grey = chroma == 0
    room = np.where(total <= 1, total, 2 - total)
    saturation = np.where(grey, 0, chroma / np.where(grey, 1, room))
    some = np.where(grey, 1, chroma)
    turn = np.where(most == r, (g - b) / some, np.where(most == g, 2 + (b - r) / some, 4 + (r - g) / some))
    turn = (np.where(grey, 0, turn) / 6 + hue) % 1
    lightness = (1 - abs(a)) * total / 2 + max(0, a)
    high = np.where(lightness <= 0.5, lightness * (1 + saturation), lightness + saturation - lightness * saturation)
    low = 2 * lightness - high
    channels = []
    for shift in (1 / 3, 0, -1 / 3):
        at = (turn + shift) % 1
        rising, falling = low + (high - low) * at * 6, low + (high - low) * (2 / 3 - at) * 6
        channels.append(np.where(at < 1 / 6, rising, np.where(at < 1 / 2, high, np.where(at < 2 / 3, falling, low))))
    return np.stack(channels).astype(np.float32)


def photos_loop(mosaics: Mosaics, labels: np.ndarray, draws: Warp) -> np.ndarray:
    """Two photos, blended, coloured, displaced, each item by itself."""
    views, size = [], len(mosaics.bank)
    logit = np.log(0.99 / 0.01)
    weight = (1 / (1 + np.exp(-np.linspace(-logit, logit, 90))))[:, None]
    xs, ys = np.linspace(-1, 1, 270), np.linspace(-1, 1, 180)[:, None]
    fade_x, fade_y = (np.clip((1 - abs(at)) / (127 / 320 + 127 / 640), 0, 1) for at in (xs, ys))
    for label, hue, a, numbers in zip(labels, *(drawn.numpy() for drawn in draws[:3])):
        left, right = (mosaics.bank.images[label // size**cell % size].astype(float) for cell in range(2))
        blend = left[:, 90:] * (1 - weight) + right[:, :90] * weight
        mosaic = np.concatenate([left[:, :90], blend, right[:, 90:]], 1).astype(np.uint8)
        x, y = (mosaics.perlin.coarse[n1] / 320 + mosaics.perlin.fine[n2] / 640 for n1, n2 in numbers)
        grid = torch.from_numpy(np.stack([xs + fade_x * x, ys + fade_y * y], -1)).float()
        picture = torch.from_numpy(numpy_colours(mosaic, hue, a))
        moved = grid_sample(picture[None], grid[None], padding_mode="border", align_corners=False)[0]
        views.append((moved.clip(0, 1) * 255).to(torch.uint8).numpy())
    return np.stack(views)


def photos_in_torch(mosaics: Mosaics, labels: np.ndarray, draws: Warp) -> torch.Tensor:
    """The same operations as torch has them, for several items together."""
    numbers = image_numbers(labels, len(mosaics.bank), 2).reshape(-1, 1, 2)
    return warped(mosaics.task, mosaics.bank.images, numbers, mosaics.perlin, draws)


def check_equal(photos: Mosaics, labels: np.ndarray, draws: Warp) -> None:
    """Stops if two ways differ: the loop by more than roundings make of a truncation, torch by a single bit.

    That is by more than a level, or in more than a few of 1,000 values.
    """
    ours = photos.views(labels, draws)
    assert torch.equal(ours, photos_in_torch(photos, labels, draws))
    apart = np.abs(ours.numpy().astype(int) - photos_loop(photos, labels, draws))
    assert (apart > 1).mean() < 1e-4 and (apart > 0).mean() < 0.02, (apart.max(), (apart > 0).mean())


def rows():
    """(stage, work, ours, peer, peer's name, unit) for each task and peer, and for the noise of digits; one thread."""
    perlin = PerlinFields(
        *(
            fields(0, 256, height=180, width=270, lattice=cells, amplitude=127, seed=0, name="bench")
            for cells in ((6, 9), (12, 18))
        )
    )
    tasks = {
        "digits": Mosaics(DIGITS, RandomBank((28, 28), 5000)),
        "photos": Mosaics(PHOTOS, RandomBank((180, 180, 3), 500), perlin),
    }
    set_reproducible(1)
    chance = np.random.default_rng(0)
    for name, mosaics in tasks.items():
        n, few = ITEMS[name], ITEMS[name] // 8
        shape = f"{mosaics.task.shape[1]} x {mosaics.task.shape[2]}"
        labels = np.random.default_rng(0).integers(0, mosaics.task.label_count(len(mosaics.bank)), n)
        draws = mosaics.draw(source(few), few)
        ours = seconds(lambda: mosaics.items(labels, 0, seed=0, name="bench", kind="database")) / n  # noqa: B023
        peers = {"numpy and torch, one by one": lambda: digits_loop(mosaics, labels[:few], chance)}  # noqa: B023
        if name == "photos":
            check_equal(mosaics, labels[:few], draws)
            peers = {
                "numpy and torch, one by one": lambda: photos_loop(mosaics, labels[:few], draws),  # noqa: B023
                "the same operations in torch": lambda: photos_in_torch(mosaics, labels[:few], draws),  # noqa: B023
            }
        for peer, work in peers.items():
            yield "a view of a mosaic", f"{name}, {shape}", ours * 1e6, seconds(work) / few * 1e6, peer, "µs"
    ours = seconds(lambda: source(BLOCK).normal(BLOCK, *DIGITS.shape)) / BLOCK
    theirs = seconds(lambda: chance.standard_normal((BLOCK, *DIGITS.shape), np.float32)) / BLOCK
    yield "noise of a view, by position", "3,136 normal numbers", ours * 1e6, theirs * 1e6, "numpy, in order", "µs"


def source(count: int) -> PositionSource:
    """The random numbers of the first items."""
    return PositionSource.of(0, "bench", "database", np.arange(count), torch.device("cpu"))
