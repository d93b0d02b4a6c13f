"""Networks of equihash as encoders of images: the fingerprint of an image that is shown as it is, without noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rehash.encoders import Encoder, Wanted
from rehash.equihash.images.task import Task
from rehash.equihash.learning.weights import open_network
from rehash.errors import InputError

_TOGETHER = 128  # images that a network is shown at a time, as its fingerprints are computed


def network(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open a trained network, whose logits are those of its fingerprints; real numbers are the logits themselves.

    Args:
        files: weights, a file of `rehash.equihash.learning.weights`; of this repeat.
        settings: task, the block that `Task.of` takes.

    Raises:
        InputError: the file is damaged or of another task, the dataset's images are no views of the task, or the
            network has another number of bits than are wanted.
    """
    path, where = files["weights"], wanted.where
    task = Task.of(settings["task"], f"{where}: its task")
    if wanted.shape != task.shape:
        found, expected = (" x ".join(map(str, shape)) for shape in (wanted.shape, task.shape))
        raise InputError(f"{where}: the task's views are {expected}; inputs of {wanted.dataset} are {found}")
    logits, about = open_network(path, task, wanted.device)
    if wanted.bits not in (0, about["bits"]):
        raise InputError(f"{where}: {wanted.bits} bits of {path}, whose network has {about['bits']}; expected as many")

    def of_images(images: torch.Tensor) -> torch.Tensor:
        views = images.mul(255).round_().to(torch.uint8) if task.dtype == torch.uint8 else images
        return torch.cat([logits(part) for part in views.split(_TOGETHER)])

    return of_images
