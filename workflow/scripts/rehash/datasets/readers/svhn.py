"""Reader of SVHN's cropped digits: two MATLAB files."""

from __future__ import annotations

import zlib
from math import prod
from pathlib import Path

import numpy as np
import scipy.io

from rehash.datasets.layout import Split, check_split
from rehash.datasets.raw import by_role, plain_labels
from rehash.datasets.samples import Found
from rehash.errors import InputError, unreadable

_HEADER, _MATRIX, _COMPRESSED, _NUMBERS = 128, 14, 15, range(6, 16)  # "MAT-File Format", MathWorks: tables 1 to 3
_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # of one number, by its type
_NAMES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def read(files: dict[str, str]) -> Found:
    """Read two files by role (train, test), or a folder with train_32x32.mat and test_32x32.mat.

    Images are uint8 (N, 32, 32, 3), labels int64 (N,); the classes are the digits.

    Raises:
        InputError: a file is missing or not a MATLAB file, or its arrays X and y are not SVHN's.
    """
    digits = [str(digit) for digit in range(10)]
    return Found({split: _read_split(path) for split, path in by_role(files, _NAMES).items()}, digits)


def _read_split(path: Path) -> Split:
    try:
        _check_numbers(path)
        arrays = scipy.io.loadmat(path, variable_names=["X", "y"])
    except MemoryError:
        raise
    except Exception as error:  # scipy's parser raises errors of many types for bad bytes
        raise unreadable(error, path, f"not a readable MATLAB file ({type(error).__name__}: {error})") from error
    missing = [name for name in ("X", "y") if name not in arrays]
    if missing:
        raise InputError(f"{path}: has no array {' and no '.join(missing)}; expected X (32, 32, 3, N) and y (N, 1)")
    pixels, labels = arrays["X"], arrays["y"]
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise InputError(f"{path}: X is {pixels.dtype} {pixels.shape}; expected uint8 (32, 32, 3, N)")
    labels = plain_labels(labels, f"{path}: y")
    wrong = np.flatnonzero((labels < 0) | (labels > 10))
    if len(wrong):
        raise InputError(f"{path}: label {labels[wrong[0]]} of item {wrong[0]} is out of range; expected 1 to 10")
    split = Split(np.ascontiguousarray(pixels.transpose(3, 0, 1, 2)), labels % 10)  # SVHN writes the digit 0 as 10
    check_split(split, str(path), 10)
    return split


def _check_numbers(path: Path) -> None:
    """Raise a ValueError unless a file is of MATLAB's format 5 and holds whole arrays of numbers.

    SciPy's parser trusts what a file says of itself: a damaged type or size crashes it, or takes all memory.
    """
    end = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(_HEADER)
        order = {b"IM": "little", b"MI": "big"}.get(header[126:])
        if order is None or not header.startswith(b"MATLAB 5.0") or int.from_bytes(header[124:126], order) != 0x100:
            raise ValueError("its header is not of MATLAB's format 5")
        while (at := file.tell()) < end:
            kind, size, _, _ = _tag(file.read(8), order)
            content = file.read(min(size, 4096))
            if kind == _COMPRESSED:
                content = zlib.decompressobj().decompress(content, 4096)
                kind = _tag(content, order)[0]
                content = content[8:]
            if kind != _MATRIX or at + 8 + size > end:
                raise ValueError(f"at byte {at}: no whole array")
            _check_matrix(content, order, f"at byte {at}")
            file.seek(at + 8 + size)


def _tag(content: bytes, order: str) -> tuple[int, int, int, int]:
    """Return an element's type, its size, and where its content and the next element begin; a tag may hold content."""
    first, size = (int.from_bytes(content[at : at + 4], order) for at in (0, 4))
    if first >> 16:
        return first & 0xFFFF, first >> 16, 4, 8
    return first, size, 8, 8 + -(-size // 8) * 8


def _check_matrix(content: bytes, order: str, where: str) -> None:
    """Raise a ValueError if an array is not of real numbers, or its shape does not fit the size of its content."""
    flags, sizes = int.from_bytes(content[8:12], order), []
    if flags & 0xFF not in _NUMBERS or flags & 0x800:
        raise ValueError(f"{where}: no array of real numbers")
    for expected in ((6,), (5,), (1,), _BYTES):  # flags, shape, name, numbers
        kind, size, begin, after = _tag(content, order)
        if len(content) < begin + (size if expected != _BYTES else 0) or kind not in expected:
            raise ValueError(f"{where}: an element of type {kind}; expected {' or '.join(map(str, expected))}")
        if expected == (5,):
            shape = [int.from_bytes(content[at : at + 4], order) for at in range(begin, begin + size, 4)]
        sizes.append(size)
        content = content[after:]
    if sizes[0] != 8 or prod(shape) * _BYTES[kind] != size:
        raise ValueError(f"{where}: {size} bytes of numbers; expected {prod(shape) * _BYTES[kind]} for shape {shape}")
