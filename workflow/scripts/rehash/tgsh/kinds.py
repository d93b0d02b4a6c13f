"""The kinds of frozen encoders: their settings, random draws and matrices, in numpy alone, so that a plan can ask.

How a kind responds to images, in torch, stands in `rehash.tgsh.flynet`.

Shape suffixes: U units, P numbers of an image (channels x height x width), N images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rehash.errors import InputError
from rehash.tgsh.tasks import Shape

Settings = Mapping[str, Any]  # `kind`, and the settings of that kind
FLY: Settings = {"kind": "fly", "inputs": 7}  # the published encoder


def _no_check(settings: Settings, units: int, where: str) -> None:
    pass


@dataclass(frozen=True)
class Kind:
    """A kind of frozen encoder.

    Attributes:
        takes: its settings and their defaults.
        draw: function of settings, units, the images' shape and a random generator that returns the encoder's array.
        matrix: function of that array and the settings that returns the matrix by which images are multiplied, float64
            (U, P); None if there is none.
        response: function of sums (N, U), the products with the matrix, and the settings that returns responses (N, U).
        check: function of settings, units and the place of both in the config that raises an InputError if they do not
            fit each other. check_images: the same, with the images' shape as third argument.
    """

    takes: Mapping[str, Any]
    draw: Callable[[Settings, int, Shape, np.random.Generator], np.ndarray]
    matrix: Callable[[np.ndarray, Settings, int], np.ndarray] | None
    response: Callable[[np.ndarray, Settings], np.ndarray] | None
    check_images: Callable[[Settings, int, Shape, str], None]
    check: Callable[[Settings, int, str], None] = _no_check


def winner_count(settings: Settings, units: int) -> int:
    """Return how many units win: `winners` is their number, or their share of all units if it is no whole number."""
    winners = settings["winners"]
    return winners if isinstance(winners, int) else max(1, round(winners * units))


def density(settings: Settings, inputs: int) -> float:
    """Return the share of an encoder's weights that are not 0, by default 1 / sqrt(inputs) (Li et al. 2006)."""
    return settings["density"] or inputs**-0.5


def draw_encoder(
    settings: Settings, units: int, shape: Shape, rng: np.random.Generator, where: str = "the encoder"
) -> np.ndarray:
    """Draw the array of a frozen encoder for images of a shape.

    Raises:
        InputError: the settings do not fit the number of units or the images.
    """
    check_encoder(settings, units, where, shape)
    return KINDS[settings["kind"]].draw(settings, units, shape, rng)


def check_encoder(settings: Settings, units: int, where: str, shape: Shape | None = None) -> None:
    """Raise an InputError if settings do not fit the number of units or, where it is known, the images' shape."""
    kind = KINDS[settings["kind"]]
    kind.check(settings, units, where)
    if shape is not None:
        kind.check_images(settings, units, shape, where)


def _draw_fly(settings: Settings, units: int, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Draw the pixels that each unit sums, without replacement: int16 (U, inputs), int32 for large images."""
    pixels = math.prod(shape)
    drawn = np.stack([rng.choice(pixels, settings["inputs"], replace=False) for _ in range(units)])
    return drawn.astype(np.int16 if pixels <= np.iinfo(np.int16).max else np.int32)


def _draw_dense(settings: Settings, units: int, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Draw Gaussian weights of variance 1 / P, float32 (U, P)."""
    pixels = math.prod(shape)
    return rng.standard_normal((units, pixels), np.float32) * np.float32(pixels**-0.5)


def _draw_signed(settings: Settings, units: int, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Draw signs, int8 (U, P): -1 and 1 with half the density each, else 0."""
    pixels = math.prod(shape)
    half, drawn = density(settings, pixels) / 2, rng.random((units, pixels), np.float32)
    return (drawn < half).astype(np.int8) - (drawn >= 1 - half).astype(np.int8)


def _draw_filters(settings: Settings, units: int, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Draw Gaussian filters of variance 1 / inputs, float32 (filters, channels, kernel, kernel)."""
    kernel, grid = settings["kernel"], settings["pool"]
    filters = (units // grid**2, shape[0], kernel, kernel)
    return rng.standard_normal(filters, np.float32) * np.float32((shape[0] * kernel**2) ** -0.5)


def _fly_matrix(encoder: np.ndarray, settings: Settings, pixels: int) -> np.ndarray:
    matrix = np.zeros((len(encoder), pixels))
    np.put_along_axis(matrix, encoder.astype(np.int64), 1, axis=1)
    return matrix


def _dense_matrix(encoder: np.ndarray, settings: Settings, pixels: int) -> np.ndarray:
    return encoder.astype(np.float64)


def _signed_matrix(encoder: np.ndarray, settings: Settings, pixels: int) -> np.ndarray:
    return encoder * sign_weight(settings, pixels)


def sign_weight(settings: Settings, pixels: int) -> float:
    """Return the size of a signed weight that is not 0, so that weights have a variance of 1 / P (Li et al. 2006)."""
    return (density(settings, pixels) * pixels) ** -0.5


def _above_mean(sums: np.ndarray, settings: Settings) -> np.ndarray:
    return np.maximum(sums - sums.mean(1, keepdims=True), 0)


def _above_zero(sums: np.ndarray, settings: Settings) -> np.ndarray:
    return np.maximum(sums, 0)


def _winners(sums: np.ndarray, settings: Settings) -> np.ndarray:
    responses = _above_mean(sums, settings)
    order = np.argsort(-responses, axis=1, kind="stable")[:, : winner_count(settings, responses.shape[1])]
    kept = np.zeros_like(responses)
    np.put_along_axis(kept, order, np.take_along_axis(responses, order, 1), 1)
    return (kept > 0).astype(kept.dtype) if settings["binary"] else kept


def _check_fly_images(settings: Settings, units: int, shape: Shape, where: str) -> None:
    inputs, pixels = settings["inputs"], math.prod(shape)
    if inputs > pixels:
        raise InputError(
            f"{where}: {inputs} inputs a unit; images have {pixels} numbers ({_words(shape)}), of which a unit sums "
            "different ones: expected at most so many"
        )
    if units > math.comb(pixels, inputs):
        raise InputError(
            f"{where}: {units} units, of {inputs} inputs each; {pixels} numbers ({_words(shape)}) allow "
            f"{math.comb(pixels, inputs)} different choices, so that units would be the same: expected fewer units, or "
            "other inputs"
        )


def _check_winners(settings: Settings, units: int, where: str) -> None:
    if winner_count(settings, units) > units:
        raise InputError(
            f"{where}: {settings['winners']} winners among {units} units; expected at most so many, or a share below 1"
        )


def _check_filters(settings: Settings, units: int, where: str) -> None:
    places = settings["pool"] ** 2
    if units % places:
        less = units // places * places
        near = f"{less} or {less + places}" if less else str(places)
        raise InputError(
            f"{where}: {units} units; a convolution that is pooled to {settings['pool']} x {settings['pool']} places "
            f"has a multiple of {places}: expected {near}, or another `pool`"
        )


def _check_filter_images(settings: Settings, units: int, shape: Shape, where: str) -> None:
    least = settings["kernel"] + settings["pool"] - 1
    if min(shape[1:]) < least:
        raise InputError(
            f"{where}: images are {_words(shape)}; a kernel of {settings['kernel']} pixels and {settings['pool']} "
            f"places a side need {least} or more: expected a smaller `kernel` or `pool`"
        )


def _check_nothing(settings: Settings, units: int, shape: Shape, where: str) -> None:
    pass


def _words(shape: Shape) -> str:
    return " x ".join(map(str, shape))


KINDS: dict[str, Kind] = {
    # As published: a unit sums a few pixels; what is above the mean over the units is the response.
    "fly": Kind({"inputs": 7}, _draw_fly, _fly_matrix, _above_mean, _check_fly_images),
    # The same, of which only the largest stay: the fly's inhibition in Dasgupta et al. 2017 (Science 358, 793).
    "fly_wta": Kind(
        {"inputs": 7, "winners": 0.05, "binary": False},
        _draw_fly,
        _fly_matrix,
        _winners,
        _check_fly_images,
        _check_winners,
    ),
    "dense": Kind({}, _draw_dense, _dense_matrix, _above_zero, _check_nothing),
    # Very sparse random projections (Li, Hastie & Church 2006, KDD); density 1/3 is Achlioptas 2003 (JCSS 66, 671).
    "signed": Kind({"density": None}, _draw_signed, _signed_matrix, _above_zero, _check_nothing),
    "convolution": Kind(
        {"kernel": 5, "pool": 7, "pooling": "max"}, _draw_filters, None, None, _check_filter_images, _check_filters
    ),
}
