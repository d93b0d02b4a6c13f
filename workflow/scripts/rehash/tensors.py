"""torch's tensors in files of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rehash.arrays import pack_arrays, read_arrays


def pack_tensors(tensors: Mapping[str, torch.Tensor], about: dict[str, Any]) -> bytes:
    """`rehash.arrays.pack_arrays` of tensors on any device, of types that numpy has."""
    return pack_arrays({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, about)


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `pack_tensors` was given, on the CPU; errors as of `rehash.arrays.read_arrays`."""
    arrays, about = read_arrays(path)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, about
