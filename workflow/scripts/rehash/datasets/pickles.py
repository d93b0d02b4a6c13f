"""Reading of pickles of plain data, without running what a pickle may hold."""

from __future__ import annotations

import math
import pickle
from typing import Any, BinaryIO

import numpy as np

from rehash.errors import InputError


def unpickled(file: BinaryIO, where: str) -> Any:
    """Read a pickle of numbers, texts, lists, dictionaries and arrays (as `PickledArray`), of which nothing is run.

    Raises:
        InputError: it is no pickle, or asks for something else.
    """
    try:
        return _Unpickler(file, encoding="bytes").load()
    except (InputError, MemoryError) as error:
        raise InputError(f"{where}: {error}") from error
    except Exception as error:  # wrong opcodes can raise anything
        raise InputError(f"{where}: not a readable pickle ({type(error).__name__}: {error})") from error


def as_text(name: Any) -> Any:
    """Decode bytes, which a text of Python 2 is; anything else is returned as it is."""
    return name.decode("latin1") if isinstance(name, bytes) else name


def _encode(text: str, encoding: str) -> bytes:
    """Encode a text to bytes, as pickles of bytes that Python 3 writes for Python 2 ask for."""
    if encoding != "latin1":
        raise InputError(f"refused: the pickle encodes with {encoding}")
    return text.encode("latin1")


class _DType:
    """Stand-in for numpy.dtype that keeps only its name and its byte order."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name, self.order = str(as_text(name)).lstrip("|"), ""

    def __setstate__(self, state: Any) -> None:
        """Keep the byte order; ignore fields, which plain numbers do not have."""
        order = as_text(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""
        self.order = order if order in ("<", ">") else ""


class PickledArray:
    """Stand-in for numpy.ndarray (a pickle could build one over any memory) that keeps shape, type and bytes."""

    def __init__(self, *_: Any) -> None:
        self.shape, self.dtype, self.columns_first, self.content = (), _DType(), False, b""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.columns_first, self.content = state

    def as_bytes(self, where: str) -> np.ndarray:
        """Return the array, uint8 of any shape; raise an InputError if it is anything else."""
        return self.as_array(where, "uint8 ('u1')", "u1")

    def as_array(self, where: str, expected: str, *types: str) -> np.ndarray:
        """Return the array, of any shape; raise an InputError if it is of none of the types.

        Args:
            expected: the types in words. types: their names in a pickle, such as u1 and i8.
        """
        name = self.dtype.name if isinstance(self.dtype, _DType) else type(self.dtype).__name__
        shape = self.shape if isinstance(self.shape, tuple) and all(isinstance(n, int) for n in self.shape) else None
        if name not in types or shape is None or not isinstance(self.content, (bytes, bytearray)):
            raise InputError(f"{where} is an array of type {name!r} and shape {self.shape}; expected {expected}")
        dtype = np.dtype(self.dtype.order + name)
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size != len(self.content):
            raise InputError(f"{where} has {len(self.content)} bytes; expected {size} for shape {shape}")
        return np.frombuffer(self.content, dtype).reshape(shape, order="F" if self.columns_first else "C")


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> PickledArray:
    """Build the stand-in of an array, in place of the function that pickles of protocol 5 call."""
    array = PickledArray()
    array.__setstate__((None, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: Any, content: Any = b"") -> PickledArray:
    """Build the stand-in of a single number of NumPy's, an array without axes."""
    return _from_buffer(content, dtype, (), "C")


# What pickles of arrays ask for, by module and name.
STAND_INS = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): PickledArray,
    ("numpy._core.multiarray", "_reconstruct"): PickledArray,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
}
_GLOBALS = {**STAND_INS, ("_codecs", "encode"): _encode}


class _Unpickler(pickle.Unpickler):
    """Unpickler of numbers, strings, lists, dictionaries and stand-ins for arrays; it refuses anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise InputError(f"refused: the pickle asks for {module}.{name}, which no array needs; nothing was run")
        return _GLOBALS[module, name]
