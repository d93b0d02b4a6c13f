"""A mixer of whole numbers: whatever bits of its input vary, all bits of its result do."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Number = TypeVar("Number", int, np.ndarray)
_MASK = 2**64 - 1


def mix(number: Number) -> Number:
    """The finaliser of SplitMix64 (Steele et al. 2014; variant 13 of Stafford's), a bijection on 64 bits.

    Of a Python integer below 2^64, or of a uint64 array; gives the same.
    """
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31
