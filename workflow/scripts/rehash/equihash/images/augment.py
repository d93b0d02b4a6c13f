"""Augmentation: images are mirrored, scaled, turned and shifted, and changed in contrast and brightness."""

from __future__ import annotations

import torch
from torch.nn.functional import affine_grid, grid_sample


def move(
    pictures: torch.Tensor, shift: torch.Tensor, angle: torch.Tensor, factor: torch.Tensor, mirrored: torch.Tensor
) -> torch.Tensor:
    """Return images that are mirrored, then scaled and turned about their centre, then shifted.

    A pixel (x right, y down, from the centre) of the result is read, bilinearly, where these four steps undone lead;
    outside the image is black, 0.

    Args:
        pictures: float32 (N, C, H, W). shift: int64 (N, 2), pixels down and to the right. angle: float32 (N,), radians,
            clockwise. factor: float32 (N,), above 0. mirrored: float32 (N,), -1 to exchange left and right, else 1.

    Returns:
        float32 (N, C, H, W).
    """
    height, width = pictures.shape[2:]
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    # The inverse turn, by pixels; its first row, which gives x, is mirrored.
    across = torch.stack([cosine, sine], 1) * mirrored[:, None]
    down = torch.stack([-sine, cosine], 1)
    inverse = torch.stack([across, down], 1)
    offset = -(inverse @ shift.flip(1).to(inverse.dtype)[:, :, None])
    # torch counts half widths and half heights.
    size = torch.tensor([width / 2, height / 2], dtype=inverse.dtype, device=inverse.device)
    theta = torch.cat([inverse * size / size[:, None], offset / size[:, None]], 2)
    grid = affine_grid(theta, list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, padding_mode="zeros", align_corners=False)


def relight(pictures: torch.Tensor, brightness: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """Return mean + contrast (value - mean) + brightness of each image's values, whose mean is over all channels.

    Args:
        pictures: float32 (N, C, H, W). brightness, contrast: float32 (N,).

    Returns:
        float32 (N, C, H, W), which is not clipped.
    """
    means = pictures.mean((1, 2, 3), keepdim=True)
    contrast, brightness = contrast[:, None, None, None], brightness[:, None, None, None]
    return (pictures - means).mul_(contrast).add_(means).add_(brightness)
