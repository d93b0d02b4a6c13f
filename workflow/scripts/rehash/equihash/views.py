"""A task's mosaics from its files, on the device that shall show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.equihash.banks import Bank
from rehash.equihash.flow import PerlinFields
from rehash.equihash.mosaics import Mosaics
from rehash.equihash.perlin import describe_perlin
from rehash.equihash.task import Task

_SLICE = 2**28  # bytes of pictures that go to a GPU at a time


@dataclass(frozen=True, eq=False)
class DevicePictures:
    """Pictures held on a device: uint8 (n, H, W[, 3])."""

    images: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> torch.Tensor:
        """The pictures at `indices`, int64 (n,)."""
        return self.images[torch.from_numpy(np.ascontiguousarray(indices)).to(self.images.device)]


def uploaded(images: Any, device: torch.device) -> torch.Tensor:
    """Pictures, uint8 (n, ...), as a tensor on a device, with a slice of them in the host's memory at a time."""
    held = torch.empty(images.shape, dtype=torch.uint8, device=device)
    step = max(1, _SLICE // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), step):
        held[start : start + step] = torch.from_numpy(np.ascontiguousarray(images[start : start + step])).to(device)
    return held


def open_mosaics(
    task: Task, bank: Bank, perlin: str | Path | None, device: torch.device, bank_size: int | None = None
) -> Mosaics:
    """The mosaics of a task; pictures and fields are mapped, or held on a GPU where they fit.

    Raises:
        InputError: task, bank and Perlin bank do not fit together.
    """
    fields, pictures = PerlinFields.open(perlin) if perlin else None, bank
    if device.type == "cuda":
        most = torch.cuda.mem_get_info(device)[0] // 2  # the rest is for activations
        if np.prod(bank.images.shape) <= most:
            pictures = DevicePictures(uploaded(bank.images, device))
            most -= pictures.images.nbytes
        if fields and 2 * fields.coarse.size <= most:
            fields = fields.to(device)
    return Mosaics(task, pictures, fields, device, bank_size)


def identity(task: dict[str, Any], bank: Bank, perlin: str | Path | None) -> dict[str, Any]:
    """What views depend on besides their labels and their random streams: for states and for files of weights."""
    return {"task": task, "bank": bank.checksum, "perlin": describe_perlin(perlin) if perlin else None}
