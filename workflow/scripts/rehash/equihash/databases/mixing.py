"""A mixer of whole numbers: whichever bits of the input vary, all bits of the result vary."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Number = TypeVar("Number", int, np.ndarray)
_MASK = 2**64 - 1


def mix(number: Number) -> Number:
    """Mix 64-bit numbers by the finaliser of SplitMix64 (Steele et al. 2014; Stafford's variant 13), a bijection.

    Takes a Python integer below 2^64 or a uint64 array, and gives the same numbers for both.
    """
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31
