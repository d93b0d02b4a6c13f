"""Random numbers by position: the numbers of any item without those of the items before it, the same on any device.

The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): a key of 64 bits,
which belongs to a seed and names, and a counter of 128 bits give four words of 32 bits. The counter is (item, block),
64 bits of each, the lower half of either first. Word w of an item is word w % 4 of its block w // 4. All of it is exact
arithmetic of whole numbers, and so are the numbers made of the words:

- uniform: the upper 24 bits of a word, times 2^-24;
- an integer below n: an upper part of the product of n and a fraction of 32, 64 or 128 bits (`integers_at`);
- normal: half a word, 16 bits, is a place in a table of 65,536 quantiles (`quantiles`), the lower half first. A formula
  with a logarithm or a cosine would differ from device to device.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import numpy as np

from rehash.compiled import compiled, inlined
from rehash.seeds import integer

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
INCREMENTS = 0x9E3779B9, 0xBB67AE85  # of the key, from round to round
ROUNDS = 10
NORMAL_BITS = 16
_M0, _M1 = map(np.uint64, MULTIPLIERS)
_W0, _W1 = map(np.uint64, INCREMENTS)
_LOW, _HALF = np.uint64(2**32 - 1), np.uint64(32)
_LOWER, _BITS = np.uint64(2**NORMAL_BITS - 1), np.uint64(NORMAL_BITS)


def key_of(seed: int, *names: object) -> int:
    """Return the key, 64 bits, that belongs to `names` (compared as strings, in order) under a seed."""
    return integer(seed, "by position", *names, bits=64)


@inlined
def block(low, high, number, key_low, key_high):
    """Return the four words of a block of an item, each below 2^32; all arguments and results are uint64.

    low, high: the halves of the item's number. number: of the block, below 2^32. key_low, key_high: halves of the key.
    """
    a, b, c, d = low, high, number, np.uint64(0)
    for _ in range(ROUNDS):
        first, second = _M0 * a, _M1 * c
        a, b, c, d = (second >> _HALF) ^ b ^ key_low, second & _LOW, (first >> _HALF) ^ d ^ key_high, first & _LOW
        key_low, key_high = (key_low + _W0) & _LOW, (key_high + _W1) & _LOW
    return a, b, c, d


@inlined
def product(upper, lower, factor):
    """Return the upper 64 bits of factor x (upper 2^64 + lower) / 2^64; uint64."""
    u1, u0, l1, l0 = upper >> _HALF, upper & _LOW, lower >> _HALF, lower & _LOW
    f1, f0 = factor >> _HALF, factor & _LOW
    # The upper half of factor x lower, by halves, then factor x upper + that.
    middle = f0 * l1 + (f0 * l0 >> _HALF)
    other = f1 * l0 + (middle & _LOW)
    carried = f1 * l1 + (middle >> _HALF) + (other >> _HALF)
    middle = f0 * u1 + (f0 * u0 >> _HALF)
    other = f1 * u0 + (middle & _LOW)
    high, low = f1 * u1 + (middle >> _HALF) + (other >> _HALF), factor * upper
    return high + np.uint64(low + carried < low)


@compiled
def _words(items, first, count, key_low, key_high, found):
    for row in range(len(items)):
        low, high = items[row] & _LOW, items[row] >> _HALF
        for number in range(first // 4, (first + count + 3) // 4):
            words = block(low, high, np.uint64(number), key_low, key_high)
            for lane in range(4):
                place = 4 * number + lane - first
                if 0 <= place < count:
                    found[row, place] = words[lane]


@compiled
def _integers(items, number, key_low, key_high, factor, found):
    for row in range(len(items)):
        a, b, c, d = block(items[row] & _LOW, items[row] >> _HALF, number, key_low, key_high)
        found[row] = product(a << _HALF | b, c << _HALF | d, factor)


@compiled
def _normals(items, first, key_low, key_high, table, found):
    for row in range(len(items)):
        low, high = items[row] & _LOW, items[row] >> _HALF
        part = found[row]
        for number in range(part.shape[0] // 8):
            a, b, c, d = block(low, high, np.uint64(first + number), key_low, key_high)
            part[8 * number] = table[a & _LOWER]
            part[8 * number + 1] = table[a >> _BITS]
            part[8 * number + 2] = table[b & _LOWER]
            part[8 * number + 3] = table[b >> _BITS]
            part[8 * number + 4] = table[c & _LOWER]
            part[8 * number + 5] = table[c >> _BITS]
            part[8 * number + 6] = table[d & _LOWER]
            part[8 * number + 7] = table[d >> _BITS]


def halves(key: int) -> tuple[np.uint64, np.uint64]:
    """Return the lower and the upper 32 bits of a key, as compiled functions take them."""
    return np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)


def words_at(items: np.ndarray, first: int, count: int, key: int) -> np.ndarray:
    """Compute words `first` to `first + count` of items, ints (n,): uint32 (n, count)."""
    found = np.empty((len(items), count), np.uint32)
    _words(np.ascontiguousarray(items, np.uint64), first, count, *halves(key), found)
    return found


def normals_at(items: np.ndarray, first: int, count: int, key: int) -> np.ndarray:
    """Compute standard normal numbers of items, ints (n,): float32 (n, count).

    They are those of half a word each, from word `first` on, which is a multiple of 4.
    """
    found = np.empty((len(items), -(-count // 8) * 8), np.float32)  # whole blocks
    _normals(np.ascontiguousarray(items, np.uint64), first // 4, *halves(key), quantiles(), found)
    return found[:, :count]


def integers_at(items: np.ndarray, high: int, key: int, number: int = 0) -> np.ndarray:
    """Compute a random integer in [0, high) for each item, ints (n,): int64 (n,).

    It is the 128 bits of a block of the item as a fraction, the first word uppermost, times `high`, rounded down:
    uniform up to high / 2^128.

    Args:
        high: 1 to 2^63. number: of the block.
    """
    found = np.empty(len(items), np.int64)
    _integers(np.ascontiguousarray(items, np.uint64), np.uint64(number), *halves(key), np.uint64(high), found)
    return found


@cache
def quantiles() -> np.ndarray:
    """Return the normal quantiles of (k + 1/2) / 65536, float32 (65536,), which cannot be written to.

    None of them lies so close to the middle of two numbers of float32 that another library's last digits could change
    it (a test). Their variance is 0.99998, their largest value 4.32.
    """
    upper = [NormalDist().inv_cdf((k + 0.5) / 2**NORMAL_BITS) for k in range(2 ** (NORMAL_BITS - 1), 2**NORMAL_BITS)]
    half = np.array(upper).astype(np.float32)
    found = np.concatenate([-half[::-1], half])
    found.flags.writeable = False
    return found
