"""Files of arrays that hold torch's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rehash.arrays import pack_arrays, read_arrays


def pack_tensors(tensors: Mapping[str, torch.Tensor], about: dict[str, Any]) -> bytes:
    """Pack tensors, on any device and of types that numpy has, as `rehash.arrays.pack_arrays` packs arrays."""
    return pack_arrays({name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, about)


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a file of `pack_tensors` to the CPU; errors are those of `rehash.arrays.read_arrays`."""
    arrays, about = read_arrays(path)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, about
