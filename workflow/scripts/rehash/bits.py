"""Packed binary codes: the currency of all wings.

A code of K bits is a row of ceil(K / 8) bytes, most significant bit first (numpy's packbits), the spare bits zero.
"""

from __future__ import annotations

import numpy as np

Codes = np.ndarray  # uint8 (N, ceil(K / 8))


def pack(bits: np.ndarray) -> Codes:
    """Bool (..., K) to packed codes, uint8 (..., ceil(K / 8))."""
    return np.packbits(bits, axis=-1)


def unpack(codes: Codes, n_bits: int) -> np.ndarray:
    """Packed codes, uint8 (..., ceil(K / 8)), to bool (..., K)."""
    return np.unpackbits(codes, axis=-1, count=n_bits).view(bool)


def as_keys(codes: Codes) -> np.ndarray:
    """(N,) sortable keys, equal exactly where codes are: uint64 up to 64 bits, raw bytes (numpy void) beyond."""
    n, width = codes.shape
    if width > 8:
        return np.ascontiguousarray(codes).view(np.dtype((np.void, width)))[:, 0]
    padded = np.zeros((n, 8), np.uint8)
    padded[:, :width] = codes
    return padded.view(">u8")[:, 0].astype(np.uint64)


def count_distinct(codes: Codes) -> int:
    """The number of distinct rows."""
    return len(np.unique(as_keys(codes))) if codes.shape[1] else min(1, len(codes))


def redundancy(codes: Codes) -> float:
    """(N - number of distinct codes) / N: 0 when all differ, (N - 1) / N when all are equal (He et al. 2021)."""
    return (len(codes) - count_distinct(codes)) / len(codes)


def varying_bits(*splits: Codes, n_bits: int) -> np.ndarray:
    """Bool (K,): the bits that are not the same in every row of all `splits` together."""
    ones = np.bitwise_or.reduce([np.bitwise_or.reduce(codes, axis=0) for codes in splits])
    all_ones = np.bitwise_and.reduce([np.bitwise_and.reduce(codes, axis=0) for codes in splits])
    return unpack(ones & ~all_ones, n_bits)


def select_bits(codes: Codes, keep: np.ndarray) -> Codes:
    """The bits marked in `keep`, bool (K,), of each code, packed anew."""
    return pack(unpack(codes, len(keep))[:, keep])
