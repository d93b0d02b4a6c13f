"""Compiles functions of numbers and arrays to machine code, with numba.

Numba's own defaults keep IEEE arithmetic: each operation is rounded once, none are merged into a fused multiply-add or
put into another order. So a compiled function gives the bits that NumPy gives for the same operations, on any CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit, typeof

_Function = TypeVar("_Function", bound=Callable)


def compiled(function: _Function) -> _Function:
    """Compile a function when it is first called; the machine code is kept beside the source, or in the user's cache.

    Where neither can be written, each process compiles for itself. The function runs without Python's lock, raises no
    error for a division by zero, and does not check whether a place is inside an array: its callers do.
    """
    settings = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **settings)(function)
    except RuntimeError:  # there is no folder that it can write to
        return njit(**settings)(function)


def inlined(function: _Function) -> _Function:
    """Mark a function as a part of the compiled functions that call it, so that their loops can be vectorised."""
    return njit(inline="always", error_model="numpy")(function)


def specialised(function: Callable, *examples: object) -> Callable:
    """Return a compiled function for arguments of the types of these, and of no others: its callers see to that.

    It does not find out what types its arguments have, which is half of the time of a call of some hundred nanoseconds.
    """
    types = tuple(map(typeof, examples))
    function.compile(types)
    return function.overloads[types].entry_point
