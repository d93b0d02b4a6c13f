"""Random numbers by position: number j of a stream without those before it, for whole arrays of positions.

The generator is Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), which is also behind
`rehash.seeds`: NumPy's goes through a stream in order, this one reads it at any position.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 10
_MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
_INCREMENTS = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


def philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Compute four random words for each counter.

    Args:
        counters: uint64 (n,), the lowest word of Philox' counter; the other three are zero.
        key: uint64 (2,).

    Returns:
        uint64 (4, n). Column c is what `numpy.random.Philox(key=key, counter=c - 1).random_raw(4)` gives: NumPy counts
        before it draws.
    """
    a, b, c, d = counters, *(np.zeros_like(counters) for _ in range(3))
    keys = [int(word) for word in key]
    for _ in range(_ROUNDS):
        (high_a, low_a), (high_c, low_c) = (_product(x, m) for x, m in zip((a, c), _MULTIPLIERS))
        a, b, c, d = high_c ^ b ^ np.uint64(keys[0]), low_c, high_a ^ d ^ np.uint64(keys[1]), low_a
        keys = [(word + step) % 2**64 for word, step in zip(keys, _INCREMENTS)]
    return np.stack([a, b, c, d])


def integers_at(positions: np.ndarray, high: int, key: np.ndarray) -> np.ndarray:
    """Compute random integers in [0, high), int64 (n,), each a function of its position, int64 (n,), and the key.

    Each is 128 random bits as a fraction, times `high`, rounded down: uniform up to high / 2^128.
    """
    first, second = philox(positions.astype(np.uint64), key)[:2]
    upper, lower = _product(first, np.uint64(high))
    carry = lower + _product(second, np.uint64(high))[0] < lower
    return (upper + carry).astype(np.int64)


def _product(x: np.ndarray, y: np.uint64) -> tuple[np.ndarray, np.ndarray]:
    """Compute the high and the low word of the product of two words, by halves."""
    x_high, x_low, y_high, y_low = x >> _HALF, x & _LOW, y >> _HALF, y & _LOW
    middle = x_high * y_low + (x_low * y_low >> _HALF)
    other = x_low * y_high + (middle & _LOW)
    return x_high * y_high + (middle >> _HALF) + (other >> _HALF), x * y
