"""The joint entropy of bits."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np
import torch

from rehash.api.arrays import packed
from rehash.bits import unpack
from rehash.errors import InputError
from rehash.tuple_entropy.entropy import tuple_entropies
from rehash.tuple_entropy.tuples import Tuples


def entropy(codes: Any, tuples: Any = 1, *, bits: int | None = None) -> np.ndarray:
    """Compute the joint entropy of tuples of bits over all codes, in bits: how evenly they use their outcomes.

    >>> import numpy as np, rehash
    >>> codes = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]], bool)
    >>> rehash.entropy(codes)
    array([1., 1., 1.])
    >>> rehash.entropy(codes, 2)  # bits 0 and 1, 0 and 2, 1 and 2: the last two are one
    array([2., 2., 1.])
    >>> rehash.entropy(codes, [[0, 1, 2]])
    array([2.])

    As a loss, with its gradient, `rehash.tuple_entropy.entropy.tuple_entropy` takes logits and
    `rehash.tuple_entropy.tuples.Tuples`; it says how it is computed.

    Args:
        codes: bits, bool (N, K); packed codes, uint8 (N, ceil(bits / 8)); or probabilities that bits are 1, floats
            (N, K), of independent bits: their mean over the rows of the outcomes' probabilities is what is measured.
        tuples: the size of a tuple, 1 to 8, for all tuples in the order of itertools.combinations; or the tuples,
            whole numbers (M, size), the places of their bits.
        bits: K of packed codes.

    Returns:
        float64 (M,). The most that a tuple of `size` bits can have is its size.

    Raises:
        InputError: codes or tuples are not of these shapes and types; a value is outside [0, 1]; or there are too many
            tuples of five bits and more.

    Memory: 8 bytes for each bit of each code, some numbers for each tuple, and about 100 MB.
    """
    values = _values(codes, bits)
    length = values.shape[1]
    if np.ndim(tuples) == 0:
        chosen = Tuples.all(length, index(tuples))
    else:
        members = np.asarray(tuples)
        if members.dtype.kind not in "iu" or members.ndim != 2:
            raise InputError(f"tuples: {members.dtype} {members.shape}; expected a size, or whole numbers (M, size)")
        chosen = Tuples(length, members.shape[1], members.astype(np.int64))
    found = tuple_entropies(torch.tensor(values), chosen).numpy() / np.log(2)
    return np.maximum(found, 0)  # a sum of -p log p can be -0, or a rounding error below it


def _values(codes: Any, bits: int | None) -> np.ndarray:
    """Return probabilities, or bits, (N, K)."""
    given = np.asarray(codes)
    if given.dtype.kind != "f":
        return unpack(*packed(given, bits, "codes"))
    if given.ndim != 2 or not given.size or not np.isfinite(given).all():
        raise InputError(f"codes: {given.dtype} {given.shape}; expected finite probabilities, (N, K)")
    return given
