"""What a network of any shape is shown: images or vectors of a dataset, scaled as the network wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from rehash.errors import InputError

# The mean and the deviation of ImageNet's channels with which torchvision's networks were trained.
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@dataclass(frozen=True)
class Preparation:
    """How the inputs of a dataset become those of a network.

    Attributes:
        mean, std: a number for each channel, subtracted and divided by, on the scale of [0, 1]; None leaves them out.
        size: images are scaled to squares of so many pixels; None leaves them.
        channels: 3 repeats grey images, 1 turns colours into grey; None leaves them.
        where: the key of the config that says so, for messages.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: int | None = None
    channels: int | None = None
    where: str = "inputs"

    @classmethod
    def of(cls, block: dict[str, Any], model: str) -> Preparation:
        """Return the preparation that a block of hash_encoders.models, of a model's name, asks for."""
        inputs = block["inputs"]
        scale = {"imagenet": IMAGENET}.get(inputs, inputs) if isinstance(inputs, str) else inputs
        scale = scale if isinstance(scale, dict) else {"mean": None, "std": None}
        numbers = {key: value and tuple(map(float, value)) for key, value in scale.items()}
        where = f"config: hash_encoders.models.{model}"
        return cls(**numbers, size=block["image_size"], channels=block["channels"], where=where)

    def __call__(self, inputs: np.ndarray, device: torch.device) -> torch.Tensor:
        """Convert inputs to what the network is shown, float32: images (B, C, H, W), vectors (B, I).

        Args:
            inputs: as in `rehash.datasets.layout.Split`: images, uint8 (B, H, W) or (B, H, W, C), or vectors, float32.

        Raises:
            InputError: vectors are to be scaled as images, or mean and std have another number of channels.
        """
        found = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
        if found.ndim == 2:
            return self.shown(found)
        return self.shown((found[:, None] if found.ndim == 3 else found.permute(0, 3, 1, 2)).float().div_(255))

    def shown(self, inputs: torch.Tensor) -> torch.Tensor:
        """Convert images (B, C, H, W) on the scale of [0, 1], or vectors (B, I), to what the network is shown.

        Raises:
            InputError: as above.
        """
        if inputs.ndim > 2:
            return self.scaled(inputs)
        if (self.mean, self.size, self.channels) != (None, None, None):
            raise InputError(
                f"{self.where}: the dataset has vectors; inputs, image_size and channels are for images: leave them out"
            )
        return inputs

    def scaled(self, images_BCHW: torch.Tensor) -> torch.Tensor:
        """Convert images on the scale of [0, 1] to what the network is shown; this is affine in their values.

        Raises:
            InputError: mean and std have another number of channels, or images cannot have the channels that are asked.
        """
        found = images_BCHW
        channels = self.channels or found.shape[1]
        if channels != found.shape[1]:
            found = _with_channels(found, channels, self.where)
        if self.size and found.shape[2:] != (self.size, self.size):
            found = F.interpolate(found, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False)
        if self.mean is None:
            return found.contiguous()
        if not len(self.mean) == len(self.std) == channels:
            raise InputError(
                f"{self.where}.inputs: mean has {len(self.mean)} numbers and std {len(self.std)}; expected one for "
                f"each of the {channels} channels of what the network is shown"
            )
        mean, std = (found.new_tensor(numbers).view(1, -1, 1, 1) for numbers in (self.mean, self.std))
        return (found - mean) / std


def _with_channels(images_BCHW: torch.Tensor, channels: int, where: str) -> torch.Tensor:
    """Repeat grey images, or return the luma of RGB images (ITU-R BT.601, as Pillow computes it)."""
    found = images_BCHW.shape[1]
    if found == 1:
        return images_BCHW.expand(-1, channels, -1, -1)
    if (found, channels) != (3, 1):
        raise InputError(
            f"{where}.channels: {channels} of images that have {found}; expected 3 of grey images, or 1 of RGB ones"
        )
    weights = images_BCHW.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images_BCHW * weights).sum(1, keepdim=True)
