"""What a task shows: the grid of its mosaics, and how a view differs from its mosaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from math import prod, radians
from typing import Any

import torch

from rehash.equihash.databases.labels import bank_part, count_labels
from rehash.equihash.images.classes import DIFFER
from rehash.equihash.images.flow import Flow
from rehash.equihash.images.noise import CHOICES, Change, Choice, Draws, Noise, Source, Warp
from rehash.errors import InputError, unknown

KINDS = ("noisy", "warped", "natural", "augmented", "instances")
# The flow of each kind that has one, where a task says no other: as published in 2024 and in 2023.
FLOWS = {"warped": Flow(), "natural": Flow(256, 512, taper=False, strength=2, fade=(6, 8))}
LABELS = ("images", "classes")
_AUGMENTED_GAUSSIAN = 0.05  # where a task does not say it: less than a noisy view has, which has nothing else
_PAIRS = ("grid", "picture", "overlap")


@dataclass(frozen=True)
class Task:
    """A task: how its mosaics and their views are made.

    Attributes:
        kind: `noisy` (grey images with Gaussian noise), `warped` (colour images with noise on hue and lightness and a
            Perlin flow), `natural` (the same with the flow of 2023, whose strength is drawn for each view), `augmented`
            (images moved, turned, scaled and changed in brightness, with Gaussian noise) or `instances` (other images
            of the same identities, as they are).
        grid: rows and columns of images. picture: height and width of an image, pixels.
        overlap: pixels that neighbours share, along the height and along the width.
        gaussian: standard deviation of the noise, for images on [0, 1]; noisy values are not clipped.
        hue: the largest shift of the hue, turns. lightness: the largest change of the lightness.
        saturation: the largest change of the saturation; 0 leaves it, and draws nothing.
        flow: how far and where the flow moves.
        bank_size: labels are mosaics of the first so many images of a bank's split; None stands for all.

    Of `augmented` and `instances` tasks only:
        colour: whether images are in colour.

    Of `instances` tasks only:
        differ: whether two views of a label show different images in `every_cell` of a mosaic, or in at least one,
            `any_cell` (see `rehash.equihash.images.classes.others`).

    Of `augmented` tasks only:
        labels: what a label is, an image or one of the `classes`, of which a view shows any image.
        shift: the largest shift along each axis, pixels; what comes in is black. rotation: the largest turn, degrees.
        scale: the largest change of the size, as a share of it. flip: whether half the views are mirrored.
        brightness: the largest change of all values, white being 1. contrast: the largest change of their distance
            from the view's mean, as a share of it.
    """

    kind: str
    grid: tuple[int, int]
    picture: tuple[int, int]
    overlap: tuple[int, int] = (0, 0)
    gaussian: float = 0.2
    hue: float = 1 / 16
    lightness: float = 0.2
    saturation: float = 0.0
    flow: Flow = field(default_factory=Flow)
    colour: bool = False
    differ: str = "every_cell"
    labels: str = "images"
    shift: int = 2
    rotation: float = 10
    scale: float = 0.1
    flip: bool = False
    brightness: float = 0.1
    contrast: float = 0.2
    bank_size: int | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], where: str = "task") -> Task:
        """Return the task that a block of a config describes.

        The block has the attributes' names, pairs as lists, and `flow` with those attributes of `Flow` that differ from
        its kind's (FLOWS).

        Raises:
            InputError: a name is unknown or missing, or a value is invalid; the message names it and `where`.
        """
        values = dict(settings)
        _check_names(values, cls, where)
        for name in {"kind", "grid", "picture"} - values.keys():
            raise InputError(f"{where}: lacks {name}")
        for name in values.keys() & set(_PAIRS):
            values[name] = tuple(values[name])
        flow = values.pop("flow", {})
        _check_names(flow, Flow, f"{where}: flow")
        if flow.get("fade"):
            flow = {**flow, "fade": tuple(flow["fade"])}
        values["flow"] = replace(FLOWS.get(values["kind"], Flow()), **flow)
        if values["kind"] == "augmented":
            values.setdefault("gaussian", _AUGMENTED_GAUSSIAN)
        task = cls(**values)
        task.check(where)
        return task

    def check(self, where: str) -> None:
        """Raise an InputError if a value is invalid; the message names it and `where`."""
        if self.kind not in KINDS:
            raise unknown("kind", self.kind, KINDS, where)
        for name, known in (("labels", LABELS), ("differ", DIFFER)):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known, where)
        for name, least in zip(_PAIRS, (1, 1, 0)):
            pair = getattr(self, name)
            if len(pair) != 2 or not all(isinstance(number, int) and number >= least for number in pair):
                raise InputError(f"{where}: {name} is {list(pair)}; expected two whole numbers from {least}")
        if any(2 * shared > size for shared, size in zip(self.overlap, self.picture)):
            raise InputError(
                f"{where}: overlap is {list(self.overlap)}; expected at most half an image of {_by(self.picture)}"
            )
        bounds = {"gaussian": float("inf"), "hue": float("inf"), "lightness": 1, "saturation": 1}
        bounds |= {"shift": min(self.shape[1:]), "rotation": 180, "scale": 0.9, "brightness": 1, "contrast": 1}
        for name, most in bounds.items():
            if not 0 <= getattr(self, name) <= most:
                raise InputError(f"{where}: {name} is {getattr(self, name)}; expected 0 to {most}")
        if self.bank_size is not None and self.bank_size < 1:
            raise InputError(f"{where}: bank_size is {self.bank_size}; expected 1 or more")
        if min(self.flow.coarse, self.flow.fine) <= 0:
            raise InputError(f"{where}: flow is {asdict(self.flow)}; expected divisors above 0")
        if self.flow.strength is not None and self.flow.strength < 0:
            raise InputError(f"{where}: flow's strength is {self.flow.strength}; expected 0 or more")

    @property
    def images(self) -> int:
        """Return the number of images in a mosaic."""
        return prod(self.grid)

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """Return the shape of a bank's images: (H, W), or (H, W, 3) in colour."""
        return (*self.picture, 3) if self.coloured else self.picture

    @property
    def coloured(self) -> bool:
        """Return whether images are in colour."""
        return self.flows or self.colour

    @property
    def flows(self) -> bool:
        """Return whether views are moved by a Perlin flow."""
        return self.kind in FLOWS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the shape of a mosaic and of a view: channels, height, width."""
        height, width = (
            count * (size - shared) + shared for count, size, shared in zip(self.grid, self.picture, self.overlap)
        )
        return (3 if self.coloured else 1, height, width)

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of a mosaic and of a view: float32 (black 0, white 1) or uint8."""
        return torch.uint8 if self.flows or self.kind == "instances" else torch.float32

    def bank_images(self, available: int) -> int:
        """Return how many images or identities of a bank's split with so many mosaics are made of.

        Raises:
            InputError: the split has fewer than `bank_size`.
        """
        return bank_part(self.bank_size, available, self.of_what, "task")

    @property
    def of_what(self) -> str:
        """Return what a place of a mosaic shows: images, classes or identities."""
        return "identities" if self.kind == "instances" else self.labels

    def label_count(self, bank_size: int) -> int:
        """Return how many mosaics a bank makes; labels run from 0 to this number, exclusive.

        Args:
            bank_size: the number of its images, or of its classes or identities where labels are made of these.

        Raises:
            InputError: the labels do not fit int64.
        """
        return count_labels(bank_size, self.images)

    def draw(self, source: Source, n: int, fields: int) -> Draws:
        """Draw the random numbers of n views; `fields` is the number of Perlin fields of each resolution."""
        if self.kind == "noisy":
            return Noise(source.normal(n, *self.shape))
        if self.kind == "augmented":
            return self._draw_change(source, n)
        if self.kind == "instances":
            return Choice(source.integers(CHOICES, n, self.images), source.integers(CHOICES, n, self.images).add_(1))
        hue, lightness = (_within(source, n, most) for most in (self.hue, self.lightness))
        chosen, most = source.integers(fields, n, 2, 2), self.flow.strength
        strength = hue.new_empty(n, 0) if most is None else source.uniform(n).mul_(most**0.5).square_()
        saturation = _within(source, n, self.saturation) if self.saturation else hue.new_empty(n, 0)
        return Warp(hue, lightness, chosen, strength, saturation)

    def _draw_change(self, source: Source, n: int) -> Change:
        return Change(
            chosen=source.integers(CHOICES, n, self.images if self.labels == "classes" else 0),
            shift=source.integers(2 * self.shift + 1, n, 2).sub_(self.shift),
            angle=_within(source, n, radians(self.rotation)),
            factor=_within(source, n, self.scale).add_(1),
            mirrored=source.integers(2, n).float().mul_(-2 if self.flip else 0).add_(1),
            brightness=_within(source, n, self.brightness),
            contrast=_within(source, n, self.contrast).add_(1),
            normal=source.normal(n, *(self.shape if self.gaussian else (0,))),
        )


def _within(source: Source, n: int, most: float) -> torch.Tensor:
    """Draw n numbers uniformly from -most to most, float32 (n,)."""
    return source.uniform(n).mul_(2 * most).sub_(most)


def _check_names(values: Mapping[str, Any], of: type, where: str) -> None:
    names = [one.name for one in fields(of)]
    for name in values:
        if name not in names:
            raise unknown("setting", name, names, where)


def _by(pair: tuple[int, ...]) -> str:
    return " x ".join(map(str, pair))
