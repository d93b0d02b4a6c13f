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

_MOST_ON_A_GPU = 2**33  # bytes of pictures, and of fields; more stay in the file


@dataclass(frozen=True, eq=False)
class DevicePictures:
    """Pictures held on a device: uint8 (n, H, W[, 3])."""

    images: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> torch.Tensor:
        """The pictures at `indices`, int64 (n,)."""
        return self.images[torch.from_numpy(np.ascontiguousarray(indices)).to(self.images.device)]


def open_mosaics(
    task: Task, bank: Bank, perlin: str | Path | None, device: torch.device, bank_size: int | None = None
) -> Mosaics:
    """The mosaics of a task; pictures and fields are mapped, or held on a GPU where they fit.

    Raises:
        InputError: task, bank and Perlin bank do not fit together.
    """
    fields, pictures = PerlinFields.open(perlin) if perlin else None, bank
    if device.type == "cuda":
        if np.prod(bank.images.shape) <= _MOST_ON_A_GPU:
            pictures = DevicePictures(torch.tensor(bank.images[:], device=device))
        if fields and 2 * fields.coarse.size <= _MOST_ON_A_GPU:
            fields = fields.to(device)
    return Mosaics(task, pictures, fields, device, bank_size)


def identity(task: dict[str, Any], bank: Bank, perlin: str | Path | None) -> dict[str, Any]:
    """What views depend on besides their labels and their random streams: for states and for files of weights."""
    return {"task": task, "bank": bank.checksum, "perlin": describe_perlin(perlin) if perlin else None}
