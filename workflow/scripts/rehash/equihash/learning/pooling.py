"""Poolings whose gradients on a GPU are sums in one order, where torch's own add in whatever order threads come.

On a CPU, and wherever no gradient is asked for, they are torch's own. Elsewhere their values are equal to torch's, and
their gradients are up to the order of a few additions. They have no parameters, so a network's file stays as it was.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import max_pool2d


class MaxPool(nn.MaxPool2d):
    """Largest value of square windows that may overlap (torch's MaxPool2d of a size, stride, padding and ceil_mode)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pool images, floats (N, C, H, W)."""
        if images.is_cuda and torch.is_grad_enabled() and images.requires_grad:
            return LargestOfWindows.apply(images, self.kernel_size, self.stride, self.padding, self.ceil_mode)
        return super().forward(images)


class AveragePool(nn.AdaptiveAvgPool2d):
    """Means over a grid of windows that cover an image (torch's AdaptiveAvgPool2d of a size)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Pool images, floats (N, C, H, W)."""
        if images.is_cuda and torch.is_grad_enabled() and images.requires_grad:
            return means_of_windows(images, self.output_size)
        return super().forward(images)


class LargestOfWindows(torch.autograd.Function):
    """Max pooling whose gradient adds the windows' gradients place by place: the first place of all windows, and so on.

    Each place of the windows is one slice with steps of the image, in which no pixel occurs twice.
    """

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, size: int, stride: int, padding: int, ceil_mode: bool = False
    ) -> torch.Tensor:
        """Pool images, floats (N, C, H, W)."""
        pooled, places = max_pool2d(images, size, stride, padding, ceil_mode=ceil_mode, return_indices=True)
        ctx.save_for_backward(places)
        ctx.shape, ctx.window = images.shape, (size, stride, padding)
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        """Return the gradient of the images; sums of 16-bit floats are made in float32, as torch makes them."""
        (places,) = ctx.saved_tensors
        (size, stride, padding), (*batch, height, width), (rows, columns) = ctx.window, ctx.shape, gradient.shape[2:]
        # Wide enough for every window, though those at the end may reach beyond the padding.
        padded = [max(side + 2 * padding, (n - 1) * stride + size) for side, n in ((height, rows), (width, columns))]
        kind = torch.float32 if gradient.dtype.itemsize < 4 else gradient.dtype
        summed = torch.zeros((*batch, *padded), dtype=kind, device=gradient.device)
        top, left = (torch.arange(n, device=gradient.device) * stride - padding for n in (rows, columns))
        for down in range(size):
            for right in range(size):
                chosen = places == (top[:, None] + down) * width + left + right
                part = summed[..., down : down + rows * stride : stride, right : right + columns * stride : stride]
                part += gradient.where(chosen, 0)
        inner = summed[..., padding : padding + height, padding : padding + width]
        return inner.to(gradient.dtype), None, None, None, None


def means_of_windows(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return the means of a grid of size x size windows of images, floats (N, C, H, W), which may overlap by a pixel.

    Window i of an axis of n pixels is floor(i n / size) to ceil((i + 1) n / size), as in torch's adaptive pooling. Its
    gradient is a sum of `size` slices along each axis, one after the other.

    Returns:
        (N, C, size, size) of the images' dtype.
    """
    for axis in (-2, -1):
        n = images.shape[axis]
        edges = [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
        means = [images.narrow(axis, start, stop - start).mean(axis, keepdim=True) for start, stop in edges]
        images = torch.cat(means, axis)
    return images
