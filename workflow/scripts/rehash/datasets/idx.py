"""The idx format of MNIST and its relatives: a magic number, big-endian sizes, then bytes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from rehash.errors import InputError

_UNSIGNED_BYTE = 0x08


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """A uint8 array with the given number of dimensions.

    Raises:
        InputError: not an idx file of unsigned bytes with that many dimensions, or its length is not what it declares.
    """
    content = Path(path).read_bytes()
    header = 4 + 4 * dimensions
    expected = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if content[:4] != expected or len(content) < header:
        raise InputError(
            f"{path}: not an idx file of bytes with {dimensions} dimensions (starts with {content[:4].hex()}, "
            f"expected {expected.hex()})"
        )
    shape = np.frombuffer(content, ">u4", dimensions, 4).astype(int).tolist()
    found, needed = len(content) - header, math.prod(shape)
    if found != needed:
        raise InputError(
            f"{path}: truncated or too long: {found} bytes of data, expected {needed} for shape {tuple(shape)}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
