"""Packed binary codes, which all wings compute with.

A code of K bits is a row of ceil(K / 8) bytes, most significant bit first (as in numpy.packbits); spare bits are zero.
"""

from __future__ import annotations

import math

import numpy as np

Codes = np.ndarray  # uint8 (N, ceil(K / 8))


def pack(bits: np.ndarray) -> Codes:
    """Pack bits, bool (..., K), into codes, uint8 (..., ceil(K / 8)), whose rows lie in one piece in memory."""
    return np.ascontiguousarray(np.packbits(bits, axis=-1))


def unpack(codes: Codes, n_bits: int) -> np.ndarray:
    """Unpack codes, uint8 (..., ceil(K / 8)), into bits, bool (..., K)."""
    return np.unpackbits(codes, axis=-1, count=n_bits).view(bool)


def as_keys(codes: Codes) -> np.ndarray:
    """Return a sortable key for each code, (N,); two keys are equal exactly if their codes are.

    Keys are uint64 for codes of up to 64 bits, and raw bytes (numpy void) for longer ones.
    """
    n, width = codes.shape
    if width > 8:
        return np.ascontiguousarray(codes).view(np.dtype((np.void, width)))[:, 0]
    padded = np.zeros((n, 8), np.uint8)
    padded[:, :width] = codes
    return padded.view(">u8")[:, 0].astype(np.uint64)


def count_distinct(codes: Codes) -> int:
    """Return the number of distinct rows."""
    return len(np.unique(as_keys(codes))) if codes.shape[1] else min(1, len(codes))


def redundancy(codes: Codes) -> float:
    """Compute the redundancy of N codes, (N - number of distinct codes) / N (He et al. 2021).

    It is 0 if all codes differ, and (N - 1) / N if all are equal.
    """
    return (len(codes) - count_distinct(codes)) / len(codes)


def varying_bits(*splits: Codes, n_bits: int) -> np.ndarray:
    """Return which bits are not the same in all rows of all `splits` together, bool (K,)."""
    ones = np.bitwise_or.reduce([np.bitwise_or.reduce(codes, axis=0) for codes in splits])
    all_ones = np.bitwise_and.reduce([np.bitwise_and.reduce(codes, axis=0) for codes in splits])
    return unpack(ones & ~all_ones, n_bits)


def select_bits(codes: Codes, keep: np.ndarray) -> Codes:
    """Reduce each code to the bits marked in `keep`, bool (K,), and pack these anew."""
    return pack(unpack(codes, len(keep))[:, keep])


def random_distances(bits: int) -> np.ndarray:
    """Compute the share of pairs of random codes at each distance 0 ... bits: binomial (bits, 1/2), float64."""
    return np.array([math.comb(bits, distance) / 2**bits for distance in range(bits + 1)])
