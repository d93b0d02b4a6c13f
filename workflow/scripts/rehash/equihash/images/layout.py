"""Images of a bank placed side by side: which ones a label shows, and how neighbours are blended."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch

END = 0.99  # the weight of an image where the overlap with its neighbour begins


def image_numbers(labels: np.ndarray, bank_size: int, images: int) -> np.ndarray:
    """Return the image numbers of mosaics: place i, counted row by row, shows label // bank_size^i % bank_size.

    Args:
        labels: int64 (N,), in [0, bank_size^images).

    Returns:
        int64 (N, images), in [0, bank_size).
    """
    numbers = np.empty((len(labels), images), np.int64)
    rest = np.asarray(labels, np.int64)
    for image in range(images):
        rest, numbers[:, image] = np.divmod(rest, bank_size)
    return numbers


def truncated(values: torch.Tensor) -> torch.Tensor:
    """Round numbers in [0, 256) down to uint8; through int32, which is three times as fast on a CPU as directly."""
    return values.to(torch.int32).to(torch.uint8)


def blend_weights(overlap: int) -> np.ndarray:
    """Return the weights of the second of two images along their overlap: sigmoid(linspace(-logit END, logit END)).

    Returns:
        float64 (overlap,).
    """
    logit = np.log(END / (1 - END))
    return 1 / (1 + np.exp(-np.linspace(-logit, logit, overlap)))


@cache
def weights_on(device: torch.device, overlap: int) -> torch.Tensor:
    """Return `blend_weights` as float32, kept on the device: copied there once and not for each few mosaics."""
    with torch.inference_mode(False):  # for all who come later, too
        return torch.from_numpy(blend_weights(overlap).astype(np.float32)).to(device)


def join(parts: list[torch.Tensor], dim: int, overlap: int) -> torch.Tensor:
    """Join images along an axis; neighbours share `overlap` pixels, over which one turns into the other.

    Where both have the same colour, the blend has exactly that colour.

    Args:
        parts: float32 or uint8, all of one shape and at least 2 * overlap long; blends in uint8 are rounded down.
        dim: the axis, negative.

    Returns:
        The parts' dtype; len(parts) * (size - overlap) + overlap long.
    """
    if overlap == 0:
        return torch.cat(parts, dim)
    first, stride = parts[0], parts[0].shape[dim] - overlap
    shape = list(first.shape)
    shape[dim] = len(parts) * stride + overlap
    joined = first.new_empty(shape)
    for i, part in enumerate(parts):
        begin = overlap if i else 0
        end = stride if i < len(parts) - 1 else stride + overlap
        joined.narrow(dim, i * stride + begin, end - begin).copy_(part.narrow(dim, begin, end - begin))
    weights = weights_on(first.device, overlap).reshape(-1, *[1] * (-1 - dim))
    for i, (one, other) in enumerate(pairwise(parts), start=1):
        start = one.narrow(dim, stride, overlap).float()
        blend = (other.narrow(dim, 0, overlap).float() - start).mul_(weights).add_(start)
        joined.narrow(dim, i * stride, overlap).copy_(truncated(blend) if first.dtype == torch.uint8 else blend)
    return joined


def lay_out(pictures: torch.Tensor, overlap: tuple[int, int]) -> torch.Tensor:
    """Lay out images in grids, as mosaics.

    The weight of an image in a pixel is the product of its weights along rows and columns, so that all weights of a
    pixel sum to 1.

    Args:
        pictures: float32 or uint8 (N, rows, columns, C, H, W); blends in uint8 are rounded down once.
        overlap: pixels that neighbours share, along the height and along the width; at most half an image's size.

    Returns:
        The images' dtype, (N, C, height, width).
    """
    twice = pictures.dtype == torch.uint8 and all(overlap) and min(pictures.shape[1:3]) > 1
    placed = pictures.float() if twice else pictures
    rows = [join(list(row.unbind(1)), -1, overlap[1]) for row in placed.unbind(1)]
    whole = join(rows, -2, overlap[0])
    return truncated(whole) if twice else whole
