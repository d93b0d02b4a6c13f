"""Safetensors files that hold arrays and a description of them, with a checksum of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rehash.errors import unreadable


def pack_arrays(arrays: Mapping[str, np.ndarray], about: dict[str, Any]) -> bytes:
    """Return the content of a safetensors file with these arrays and values.

    Args:
        about: JSON-like values by name; no name is "checksum".
    """
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    # All values are in one entry, since safetensors writes several entries in any order.
    return save(held, {"rehash": json.dumps({**about, "checksum": _checksum(held, about)})})


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a file of `pack_arrays`: its arrays, in the order of their names, and its values.

    Raises:
        ValueError: the file is not one of `pack_arrays`, or is damaged.
        FileNotFoundError: there is no such file.
        FileFailure: the file cannot be read; names it and the reason.
    """
    try:
        open(path, "rb").close()  # safe_open says of every file that it cannot open that there is none
        with safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["rehash"])
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
        expected = about.pop("checksum")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(error, path, f"could not be read ({error})") from error
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if (found := _checksum(arrays, about)) != expected:
        raise ValueError(f"its content has the checksum {found}; expected {expected}")
    return arrays, about


def _checksum(arrays: Mapping[str, np.ndarray], about: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()
