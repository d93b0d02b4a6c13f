"""Tensors and what they are in one safetensors file, with a checksum of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save


def pack_tensors(tensors: Mapping[str, torch.Tensor], about: dict[str, Any]) -> bytes:
    """The content of a file of tensors on any device, and of JSON-like values with names, none of them checksum."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry: safetensors writes several in any order.
    return save(held, {"rehash": json.dumps({**about, "checksum": _checksum(held, about)})})


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What `pack_tensors` was given.

    Raises:
        ValueError: it was not, or the file is damaged.
        OSError: the file cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["rehash"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        expected = about.pop("checksum")
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if (found := _checksum(tensors, about)) != expected:
        raise ValueError(f"its content has the checksum {found}; expected {expected}")
    return tensors, about


def _checksum(tensors: Mapping[str, torch.Tensor], about: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
