"""Scaling of what raw files hold: pixels of any type of number become bytes, and vectors numbers for a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rehash.errors import InputError

Range = tuple[float, float]


def to_bytes(pixels: np.ndarray, span: Range) -> np.ndarray:
    """Scale pixels linearly so that the ends of `span` become 0 and 255, rounded; what lies beyond is cut off."""
    low, high = span
    scaled = (pixels.astype(np.float32 if pixels.dtype.itemsize <= 2 else np.float64) - low) * (255 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def measured_range(arrays: list[np.ndarray], where: str) -> Range:
    """Return the smallest and the largest number of some arrays of pixels.

    Raises:
        InputError: a number is not finite, or all are equal.
    """
    low, high = min(float(a.min()) for a in arrays), max(float(a.max()) for a in arrays)
    if not np.isfinite([low, high]).all():
        raise InputError(f"{where}: pixels from {low} to {high}; expected finite numbers")
    if low == high:
        raise InputError(f"{where}: every pixel is {low:g}; expected images with something to see")
    return low, high


def scaled_images(
    splits: dict[str, np.ndarray], value_range: Range | None, where: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Scale the images of all splits to bytes by one range: the given one, or the one measured over all splits.

    Images of uint8 stay as they are, unless a range is given.

    Returns:
        The images, uint8 (N, H, W) or (N, H, W, 3) by split, and a note on the range, if anything was scaled.

    Raises:
        InputError: the given range has equal ends, or there is none to measure.
    """
    if value_range and value_range[0] == value_range[1]:
        raise InputError(
            f"{where}.value_range is {list(value_range)}; expected the value of black and another of white"
        )
    arrays = [array for array in splits.values() if array.size]
    if not arrays or (value_range is None and all(array.dtype == np.uint8 for array in arrays)):
        return splits, []
    span = tuple(value_range) if value_range else measured_range(arrays, where)
    how = "as value_range says" if value_range else "their range in all splits; value_range sets another"
    note = f"pixels ({arrays[0].dtype}) are scaled from {span[0]:g} ... {span[1]:g} to 0 ... 255 ({how})"
    return {split: to_bytes(array, span) for split, array in splits.items()}, [note]


def scaled_vectors(splits: dict[str, np.ndarray], scale: str) -> dict[str, np.ndarray]:
    """Scale vectors of numbers (N, D): by nothing (none), 255, or what the train split's columns say.

    "max" divides each column by its largest absolute value. "standard" subtracts its mean and divides by its standard
    deviation; columns of 0 and 1 only, as categories are written, stay as they are. A column that never changes in the
    train split is not divided, and becomes 0 by "standard".

    Returns:
        float32 (N, D) by split; arrays that are so and need no scaling are not copied.
    """
    if scale == "none":
        return {split: array.astype(np.float32, copy=False) for split, array in splits.items()}
    train = splits["train"]
    less, by = _RULES[scale](train)
    return {split: ((array - less) / by).astype(np.float32) for split, array in splits.items()}


Rule = tuple[np.ndarray | float, np.ndarray | float]


def _by_largest(train: np.ndarray) -> Rule:
    largest = np.maximum(np.abs(train.min(0).astype(np.float64)), np.abs(train.max(0).astype(np.float64)))
    return 0.0, np.where(largest > 0, largest, 1.0)


def _by_deviation(train: np.ndarray) -> Rule:
    low, high = train.min(0), train.max(0)
    # By the ends, since rounding gives the mean of equal numbers another value, and them a deviation above 0.
    moving = low < high
    less, by = np.where(moving, train.mean(0, dtype=np.float64), low), np.ones(train.shape[1])
    for column in np.flatnonzero(moving):  # one by one, since NumPy's deviation copies what it is of
        by[column] = train[:, column].std(dtype=np.float64)
    binary = moving & (low == 0) & (high == 1) & ((train == 0) | (train == 1)).all(0)
    return np.where(binary, 0.0, less), np.where(binary, 1.0, by)


_RULES: dict[str, Callable[[np.ndarray], Rule]] = {
    "max": _by_largest,
    "standard": _by_deviation,
    "255": lambda train: (0.0, 255.0),
}
