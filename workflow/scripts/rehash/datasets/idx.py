"""The idx format of MNIST and its relatives: a magic number, big-endian sizes, then bytes; with or without gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from rehash.errors import InputError

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read a uint8 array with the given number of dimensions from an idx file.

    A file packed with gzip is recognised by its content, not its name.

    Raises:
        InputError: the file is not an idx file of unsigned bytes with that many dimensions, or its length is not what
            it declares.
    """
    content = Path(path).read_bytes()
    if content.startswith(_GZIP):
        try:
            content = gzip.decompress(content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path}: a truncated or damaged gzip file ({error})") from error
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
