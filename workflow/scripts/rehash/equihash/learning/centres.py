"""Hash centres: one code for each class, as far from each other as codes of so many bits can be, or nearly so."""

from __future__ import annotations

import numpy as np

from rehash.errors import InputError

_DRAWS = 20  # sets of random centres, the best of which is taken


def hadamard(size: int) -> np.ndarray:
    """Return Sylvester's Hadamard matrix: orthogonal rows of -1 and 1, the first all 1; float32 (size, size).

    Args:
        size: a power of 2.
    """
    numbers = np.arange(size)
    shared = numbers[:, None] & numbers
    odd = np.zeros_like(shared)
    for bit in range(size.bit_length()):
        odd ^= shared >> bit & 1
    return (1 - 2 * odd).astype(np.float32)


def hash_centres(classes: int, bits: int, chance: np.random.Generator) -> np.ndarray:
    """Return a centre for each class, -1 or 1, float32 (classes, bits), as CSQ does (Yuan et al. 2020).

    If `bits` is a power of 2 and there are at most so many classes, they are rows of the Hadamard matrix, any two of
    which differ in half the bits; up to twice as many are rows of it and of its negative. Otherwise bits are fair
    coins: of 20 sets of such centres, the one whose nearest two are farthest apart.

    Raises:
        InputError: there are more classes than codes of so many bits.
    """
    if classes > 2**bits:
        raise InputError(f"hash centres: {classes} classes, but codes of {bits} bits are {2**bits}; expected more bits")
    if bits & (bits - 1) == 0 and classes <= 2 * bits:
        rows = hadamard(bits)
        return np.concatenate([rows, -rows])[:classes]
    drawn = [2 * chance.integers(2, size=(classes, bits)).astype(np.float32) - 1 for _ in range(_DRAWS)]
    return max(drawn, key=_least_distance)


def _least_distance(centres: np.ndarray) -> int:
    """Return the Hamming distance of the nearest two centres."""
    bits = centres.shape[1]
    distances = (bits - centres @ centres.T) / 2
    np.fill_diagonal(distances, bits)
    return int(distances.min())
