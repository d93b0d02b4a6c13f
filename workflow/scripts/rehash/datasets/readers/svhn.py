"""SVHN's cropped digits: two MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io

from rehash.datasets.layout import Split, check_split
from rehash.datasets.raw import by_role, integer_labels
from rehash.errors import InputError

_NAMES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def read(files: dict[str, str]) -> tuple[dict[str, Split], list[str]]:
    """Two files by role (train, test), or a folder with train_32x32.mat and test_32x32.mat.

    Images are uint8 (N, 32, 32, 3), labels int64 (N,); the classes are the digits.

    Raises:
        InputError: a file is missing, not a MATLAB file, or its arrays X and y are not SVHN's.
    """
    digits = [str(digit) for digit in range(10)]
    return {split: _read_split(path) for split, path in by_role(files, _NAMES).items()}, digits


def _read_split(path: Path) -> Split:
    try:
        arrays = scipy.io.loadmat(path, variable_names=["X", "y"])
    except MemoryError:
        raise
    except Exception as error:  # scipy's parser meets bad bytes with errors of many types
        raise InputError(f"{path}: not a readable MATLAB file ({type(error).__name__}: {error})") from error
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        raise InputError(f"{path}: has no array {' and no '.join(missing)}; expected X (32, 32, 3, N) and y (N, 1)")
    pixels, labels = arrays["X"], arrays["y"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise InputError(f"{path}: X is {pixels.dtype} {pixels.shape}; expected uint8 (32, 32, 3, N)")
    labels = integer_labels(labels, f"{path}: y")
    wrong = np.flatnonzero((labels < 0) | (labels > 10))
    if len(wrong):
        raise InputError(f"{path}: label {labels[wrong[0]]} of item {wrong[0]} is out of range; expected 1 to 10")
    split = Split(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels % 10)  # SVHN writes the digit 0 as 10
    check_split(split, str(path), 10)
    return split
