"""The random numbers of views, drawn in whole blocks from counter-based streams, or on a device.

The random numbers of item i of a database are the same for every device and shard: they are its row in the draws of
block i // BLOCK, which has one stream for each (seed, name, kind of view) and is drawn whole on the CPU. The pixels
made from them are equal on one kind of device only: how products and sums are fused rounds a few values to another
level (on one CPU, the public code's pixels and ours differ in 5 of 10,000 values).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch

from rehash.errors import unknown
from rehash.seeds import integer, stream

BLOCK = 512  # items of the global index that share a random stream
CHOICES = 2**62  # so many that a choice among a class's images, the remainder, is uniform
# Queries never share the noise of the database. Each label of a pair (a, b) has two views.
KINDS = ("database", "positive", "negative", "pair_a1", "pair_a2", "pair_b1", "pair_b2")
_FIRST_OF = {"pair_a2": "pair_a1", "pair_b2": "pair_b1"}  # the first view of the pair, by the second


class Noise(NamedTuple):
    """The random numbers of n noisy views: standard normal, float32 (n, C, H, W)."""

    normal: torch.Tensor


class Warp(NamedTuple):
    """The random numbers of n warped or natural views.

    hue: float32 (n,), turns. lightness: float32 (n,), see `rehash.equihash.images.colour.shift_colours`. fields: int64
    (n, 2, 2), numbers of Perlin fields by axis (x, y) and resolution (coarse, fine). strength: float32 (n,), the factor
    of each view's flow; (n, 0) where all have the same. saturation: as lightness; (n, 0) where it is left as it is.
    """

    hue: torch.Tensor
    lightness: torch.Tensor
    fields: torch.Tensor
    strength: torch.Tensor
    saturation: torch.Tensor


class Change(NamedTuple):
    """The random numbers of n augmented views.

    chosen: int64 (n, images), whole numbers below CHOICES, each of which chooses an image of a class; (n, 0) where a
    label is an image. shift: int64 (n, 2), pixels down and to the right. angle: float32 (n,), radians, clockwise.
    factor: float32 (n,), how many times as large. mirrored: float32 (n,), -1 for a mirrored view, else 1. brightness:
    float32 (n,), added. contrast: float32 (n,), how many times as far from the mean. normal: standard normal, float32
    (n, C, H, W); (n, 0) where there is no noise.
    """

    chosen: torch.Tensor
    shift: torch.Tensor
    angle: torch.Tensor
    factor: torch.Tensor
    mirrored: torch.Tensor
    brightness: torch.Tensor
    contrast: torch.Tensor
    normal: torch.Tensor


class Choice(NamedTuple):
    """The random numbers of n views that show images of identities as they are (`rehash.equihash.images.classes`).

    first: int64 (n, images), whole numbers below CHOICES, each of which chooses an image of an identity. step: int64
    (n, images), 0 where the view shows that image; else it shows another one, that many steps further.
    """

    first: torch.Tensor
    step: torch.Tensor

    def of_kind(self, kind: str, first_view: Choice | None) -> Choice:
        """Return what views of a kind (KINDS) show: a query each identity's first image, and an item another one.

        The second view of a pair shows another image than the first view, whose draws are `first_view`.
        """
        nothing = torch.zeros_like(self.first)
        if kind == "database":
            return Choice(nothing, self.step)
        if kind in ("positive", "negative"):
            return Choice(nothing, nothing)
        return Choice(self.first, nothing) if first_view is None else Choice(first_view.first, self.step)

    def of_pairs(self, labels: np.ndarray) -> Choice:
        """Return what the views of pairs show, one pair after the other: two views of one label show two images.

        Args:
            labels: int64 (n / 2, 2).
        """
        alike = torch.from_numpy(labels[:, 0] == labels[:, 1]).to(self.first.device)
        first, step = (drawn.clone().unflatten(0, (-1, 2)) for drawn in self)
        first[alike, 1] = first[alike, 0]
        step[:, 0] = 0
        step[~alike, 1] = 0
        return Choice(first.flatten(0, 1), step.flatten(0, 1))


Draws = Noise | Warp | Change | Choice


def cut(draws: Draws, part: slice) -> Draws:
    """Return the draws of some of the views."""
    return type(draws)(*(drawn[part] for drawn in draws))


def pinned(draws: Draws) -> Draws:
    """Return draws in pinned memory of the host, from which a GPU copies them while it computes."""
    return type(draws)(*(drawn.pin_memory() for drawn in draws))


class Source(Protocol):
    """A source of random numbers."""

    def normal(self, *shape: int) -> torch.Tensor: ...  # float32
    def uniform(self, *shape: int) -> torch.Tensor: ...  # float32, in [0, 1)
    def integers(self, below: int, *shape: int) -> torch.Tensor: ...  # int64, in [0, below)


@dataclass(frozen=True)
class StreamSource:
    """Random numbers of a stream of `rehash.seeds`, which are the same everywhere, as tensors on the CPU."""

    generator: np.random.Generator

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.standard_normal(shape, np.float32))

    def uniform(self, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.random(shape, np.float32))

    def integers(self, below: int, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.integers(below, size=shape))


@dataclass(frozen=True)
class DeviceSource:
    """Random numbers drawn on a device, for training at its speed.

    They are reproducible on one kind of device and one version of torch only. The state (`generator.get_state()`)
    can be saved and set again.
    """

    generator: torch.Generator

    @classmethod
    def of(cls, seed: int, *names: object, device: torch.device) -> DeviceSource:
        """Return the source of a seed and names; it shares no random numbers with the streams of blocks."""
        generator = torch.Generator(device)
        generator.manual_seed(integer(seed, "equihash", "views on a device", *names, bits=63))
        return cls(generator)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device, dtype=torch.float32)

    def uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device, dtype=torch.float32)

    def integers(self, below: int, *shape: int) -> torch.Tensor:
        return torch.randint(below, shape, generator=self.generator, device=self.generator.device)


def block_source(seed: int, name: str, kind: str, block: int) -> StreamSource:
    """Return the random stream of a block of views of one kind (KINDS), of a database or anything else with a name.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in KINDS:
        raise unknown("kind of view", kind, KINDS, name)
    return StreamSource(stream(seed, "equihash", "views", name, kind, block))


def block_draws(make: Callable[[Source], Draws], seed: int, name: str, kind: str, block: int) -> Draws:
    """Return the random numbers of a block of views of one kind (see `block_source`), which `make` draws."""
    draws = make(block_source(seed, name, kind, block))
    if not isinstance(draws, Choice):
        return draws
    return draws.of_kind(kind, make(block_source(seed, name, _FIRST_OF[kind], block)) if kind in _FIRST_OF else None)
