"""A trained network on views: fingerprints, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import Codes, pack
from rehash.equihash.mosaics import Mosaics
from rehash.equihash.task import Task
from rehash.equihash.weights import read_network
from rehash.errors import InputError


def open_network(
    path: str | Path, task: Task, device: torch.device
) -> tuple[Callable[[torch.Tensor], torch.Tensor], dict[str, Any]]:
    """The network of a file as a function from a task's views to logits, float32 (n, bits), and its identity.

    Raises:
        InputError: not a network (see `rehash.equihash.weights.read_network`), or one for views of another shape.
    """
    network, about = read_network(path, device)
    if tuple(about["shape"]) != task.shape:
        found, expected = (" x ".join(map(str, shape)) for shape in (about["shape"], task.shape))
        raise InputError(f"{path}: its network takes views of {found}; the task's are {expected}")
    network.to(memory_format=torch.channels_last)  # a third of the time on a CPU
    return (lambda views: network(views.contiguous(memory_format=torch.channels_last))), about


def encoded(
    network: Callable[[torch.Tensor], torch.Tensor],
    mosaics: Mosaics,
    labels: Any,
    start: int,
    *,
    seed: int,
    name: str,
    kind: str,
) -> Iterator[tuple[int, Codes]]:
    """The fingerprints of items start, start + 1, ..., with the index of each block's first: uint8 (n, bits / 8).

    Arguments as of `Mosaics.batches`. Bit j is set where logit j is above 0.
    """
    with torch.inference_mode():
        for first, views in mosaics.batches(labels, start, seed=seed, name=name, kind=kind):
            yield first, pack((network(views) > 0).cpu().numpy())


def encode(
    network: Callable[[torch.Tensor], torch.Tensor], mosaics: Mosaics, labels: np.ndarray, **names: Any
) -> Codes:
    """All fingerprints of views of labels, uint8 (n, bits / 8); seed, name and kind as of `encoded`."""
    parts = [codes for _, codes in encoded(network, mosaics, labels, 0, **names)]
    return np.concatenate(parts)
