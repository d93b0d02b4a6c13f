"""What users hand over: codes and labels as arrays, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rehash.bits import Codes, pack, unpack
from rehash.errors import InputError


def packed(codes: Any, bits: int | None, what: str) -> tuple[Codes, int]:
    """Return codes as `rehash.bits` packs them, uint8 (N, ceil(K / 8)), and their length K.

    Args:
        codes: bits, bool (N, K); or packed codes, uint8 (N, ceil(bits / 8)). bits: K of packed codes; may be left out
            of others. what: their name, for messages.

    Raises:
        InputError: they are neither, or have no row; K is another; or bits behind the K-th are not 0.
    """
    found = np.asarray(codes)
    shown = f"{what}: {found.dtype} {found.shape}"
    if found.ndim != 2 or not len(found) or not found.shape[1]:
        raise InputError(f"{shown}; expected one row a code, and at least one")
    if found.dtype == bool:
        if bits not in (None, found.shape[1]):
            raise InputError(f"{shown}, and bits is {bits}; leave bits out, or make both equal")
        return pack(found), found.shape[1]
    if found.dtype != np.uint8:
        raise InputError(
            f"{shown}; expected bits, bool (N, K): `values > 0` makes them, or `values.astype(bool)` of numbers 0 and 1"
        )
    if bits is None or found.shape[1] != -(-bits // 8):
        expected = "(N, ceil(bits / 8)) with bits" if bits is None else f"(N, {-(-bits // 8)}) for {bits} bits"
        raise InputError(
            f"{shown}; expected packed codes, uint8 {expected}, as rehash.pack makes them; of numbers 0 and 1 "
            "`.astype(bool)` makes bits"
        )
    if (spare := unpack(found[:, -1:], 8)[:, (bits - 1) % 8 + 1 :].any(axis=1)).any():
        raise InputError(f"{what}: row {int(spare.argmax())} has ones behind its {bits} bits; expected zeros there")
    return np.ascontiguousarray(found), bits


def labelled(labels: Any, rows: int, what: str) -> np.ndarray:
    """Return labels (rows,) as an array of whole numbers or texts.

    Raises:
        InputError: they are of another kind, or not one a row.
    """
    found = np.asarray(labels)
    if found.dtype.kind == "O" and all(isinstance(each, str) for each in found.flat):
        found = found.astype(str)
    if found.shape != (rows,) or found.dtype.kind not in "biuUS":
        raise InputError(f"{what}: {found.dtype} {found.shape}; expected whole numbers or texts, ({rows},): one a code")
    return found


def numbered(*labels: np.ndarray) -> tuple[list[np.ndarray], int]:
    """Number labels anew, int64 from 0 on in the order of their values, alike in all arrays; and count the values."""
    values, numbers = np.unique(np.concatenate(labels), return_inverse=True)
    return np.split(numbers.astype(np.int64), np.cumsum([len(each) for each in labels])[:-1]), len(values)


def same_length(bits: Sequence[int], whats: Sequence[str]) -> int:
    """Return the length of codes that is the same in all arrays; raise an InputError if it is not."""
    if len(set(bits)) > 1:
        raise InputError(f"{' and '.join(f'{what}: {n} bits' for what, n in zip(whats, bits))}; expected as many")
    return bits[0]
