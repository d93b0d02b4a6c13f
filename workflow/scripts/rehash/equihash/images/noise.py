"""The random numbers of views: by position for the items of a database, from a stream or a device for a training.

The random numbers of item i are words of Philox (`rehash.philox`) whose key belongs to (seed, name, kind of view) and
whose counter is (i, word). So any item has them without those before it, on a CPU or a GPU, with the same bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from math import prod
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from rehash.errors import unknown
from rehash.philox import INCREMENTS, MULTIPLIERS, ROUNDS, key_of, normals_at, quantiles, words_at
from rehash.seeds import integer

log = logging.getLogger("rehash")
BLOCK = 512  # items that a network is shown together, counted from the first of a database
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
        """Return the source of a seed and names; it shares no random numbers with the views of items."""
        generator = torch.Generator(device)
        generator.manual_seed(integer(seed, "equihash", "views on a device", *names, bits=63))
        return cls(generator)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self.generator, device=self.generator.device, dtype=torch.float32)

    def uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=self.generator, device=self.generator.device, dtype=torch.float32)

    def integers(self, below: int, *shape: int) -> torch.Tensor:
        return torch.randint(below, shape, generator=self.generator, device=self.generator.device)


@dataclass(eq=False)
class PositionSource:
    """The random numbers of items by position, as tensors on a device: equal bits on all of them.

    All shapes begin with the number of items. A call takes the words of each item that follow those of the calls
    before it:

    - uniform: a word's upper 24 bits, times 2^-24;
    - integers: the upper half of a word x below, or if that exceeds 2^16, the upper half of two words x below, the
      first one uppermost;
    - normal: from the next multiple of four words on, half a word each, the lower half first: a place in the table
      `rehash.philox.quantiles`.

    Attributes:
        key: of the words. items: int64 (n,), from 0. used: how many words of each item earlier calls have taken.
    """

    key: int
    items: np.ndarray
    device: torch.device
    used: int = field(default=0, init=False)

    @classmethod
    def of(cls, seed: int, name: str, kind: str, items: np.ndarray, device: torch.device) -> PositionSource:
        """Return the source of items' views of one kind (KINDS), of a database or anything else with a name.

        Raises:
            InputError: there is no such kind.
        """
        if kind not in KINDS:
            raise unknown("kind of view", kind, KINDS, name)
        return cls(key_of(seed, "equihash", "views", name, kind), items, device)

    def normal(self, *shape: int) -> torch.Tensor:
        first, count = -(-self.used // 4) * 4, prod(shape[1:])
        self.used = first + -(-count // 2)
        if self.device.type == "cpu":
            found = torch.from_numpy(normals_at(self.items, first, count, self.key))
        else:
            words = words_on(self.items, first, self.used - first, self.key, self.device)
            found = normals_of(words, count)
        return found.reshape(shape)

    def uniform(self, *shape: int) -> torch.Tensor:
        return (self._words(shape) >> 8).float().mul_(2.0**-24)

    def integers(self, below: int, *shape: int) -> torch.Tensor:
        if below <= 2**16:
            return self._words(shape) * below >> 32
        first, second = self._words((*shape, 2)).unbind(-1)
        high, low = divmod(below, 2**32)
        # The upper half of (first 2^32 + second) x below, by halves; products go beyond 2^63, so shifts are masked.
        middle = first * low + _upper(second * low)
        other = second * high + (middle & _MASK)
        return first * high + _upper(middle) + _upper(other)

    def _words(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return the next words, int64 of a shape, each in [0, 2^32)."""
        first, count = self.used, prod(shape[1:])
        self.used += count
        return words_on(self.items, first, count, self.key, self.device).reshape(shape)


_MASK = 2**32 - 1


def _upper(number: torch.Tensor) -> torch.Tensor:
    """Return the upper 32 of the 64 bits of numbers, as numbers from 0."""
    return number >> 32 & _MASK


def normals_of(words: torch.Tensor, count: int) -> torch.Tensor:
    """Return the first normal numbers that words, int64 (n, m), stand for, float32 (n, count): two of each."""
    places = torch.stack([words & 0xFFFF, words >> 16], -1).flatten(1)
    return _quantiles_on(words.device)[places[:, :count]]


@cache
def _quantiles_on(device: torch.device) -> torch.Tensor:
    with torch.inference_mode(False):  # for all who come later, too
        return torch.from_numpy(quantiles().copy()).to(device)


def words_on(items: np.ndarray, first: int, count: int, key: int, device: torch.device) -> torch.Tensor:
    """Compute words `first` to `first + count` of items, int64 (n,), on a device: int64 (n, count), in [0, 2^32).

    They are those of `rehash.philox.words_at`.
    """
    if device.type == "cpu":
        return torch.from_numpy(words_at(items, first, count, key).astype(np.int64))
    numbers = torch.from_numpy(np.asarray(items, np.int64)).to(device)
    words = _compiled_words(device) if device.type == "cuda" else words_by_torch
    return words(numbers, first, count, key)


def words_by_torch(items: torch.Tensor, first: int, count: int, key: int) -> torch.Tensor:
    """Compute the words of `words_on` where the items' numbers are, in plain torch operations.

    Products wrap around at 64 bits, of which shifts are masked, so that they are products without signs.
    """
    blocks = torch.arange(first // 4, -(-(first + count) // 4), device=items.device)
    a, b, c, d = torch.broadcast_tensors(items[:, None] & _MASK, _upper(items)[:, None], blocks, blocks.new_zeros(()))
    low, high = key & _MASK, key >> 32
    for _ in range(ROUNDS):
        one, other = a * MULTIPLIERS[0], c * MULTIPLIERS[1]
        a, b, c, d = _upper(other) ^ b ^ low, other & _MASK, _upper(one) ^ d ^ high, one & _MASK
        low, high = (low + INCREMENTS[0]) & _MASK, (high + INCREMENTS[1]) & _MASK
    return torch.stack([a, b, c, d], -1).flatten(1)[:, first % 4 :][:, :count]


@cache
def _compiled_words(device: torch.device) -> Callable[[torch.Tensor, int, int, int], torch.Tensor]:
    """Return the words compiled for a GPU, once a few were equal to those of `words_by_torch`; else the latter."""

    def compiled() -> Callable[..., torch.Tensor]:
        from rehash.equihash.images import views_on_gpu

        return views_on_gpu.words

    few = torch.arange(2**32 - 3, 2**32 + 3, device=device), 3, 9, 2**63 + 5
    return proven(compiled, words_by_torch, few, "the noise of views")


def proven(
    compiled: Callable[[], Callable[..., torch.Tensor]],
    plain: Callable[..., torch.Tensor],
    few: tuple[Any, ...],
    what: str,
) -> Callable[..., torch.Tensor]:
    """Return a function compiled for a GPU once it has returned, for a few arguments, what the plain one does.

    Otherwise the log says why not, and it is the plain one.

    Args:
        compiled: imports and returns the compiled function. what: both make, for the log.
    """
    try:
        found = compiled()
        if torch.equal(found(*few), plain(*few)):
            return found
        why = "a few were not those of torch"
    except Exception as error:  # of the import, a compiler or the driver
        why = f"{type(error).__name__}: {error}"
    log.warning("torch makes %s, more slowly than Triton would, which is not used: %s", what, why)
    return plain


def item_draws(
    make: Callable[[Source], Draws], seed: int, name: str, kind: str, items: np.ndarray, device: torch.device
) -> Draws:
    """Return the random numbers of items' views of one kind (see `PositionSource.of`), which `make` draws."""
    draws = make(PositionSource.of(seed, name, kind, items, device))
    if not isinstance(draws, Choice):
        return draws
    first = _FIRST_OF.get(kind)
    return draws.of_kind(kind, make(PositionSource.of(seed, name, first, items, device)) if first else None)
