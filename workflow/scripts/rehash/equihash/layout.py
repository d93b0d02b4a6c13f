"""Pictures of a bank placed side by side: which ones a label shows, and how they meet."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

END = 0.99  # the weight of a picture where the overlap with its neighbour begins


def picture_numbers(labels: np.ndarray, bank_size: int, cells: int) -> np.ndarray:
    """The pictures of mosaics: cell c, counted row by row, shows picture label // bank_size^c % bank_size.

    Args:
        labels: int64 (N,), in [0, bank_size^cells).

    Returns:
        int64 (N, cells), in [0, bank_size).
    """
    numbers = np.empty((len(labels), cells), np.int64)
    rest = np.asarray(labels, np.int64)
    for cell in range(cells):
        rest, numbers[:, cell] = np.divmod(rest, bank_size)
    return numbers


def truncated(values: torch.Tensor) -> torch.Tensor:
    """Numbers in [0, 256) to uint8, rounded down; through int32, three times as fast on a CPU as at once."""
    return values.to(torch.int32).to(torch.uint8)


def blend_weights(overlap: int) -> np.ndarray:
    """The weight of the second of two pictures along their overlap: sigmoid(linspace(-logit END, logit END)).

    Returns:
        float64 (overlap,).
    """
    logit = np.log(END / (1 - END))
    return 1 / (1 + np.exp(-np.linspace(-logit, logit, overlap)))


def join(parts: list[torch.Tensor], dim: int, overlap: int) -> torch.Tensor:
    """Pictures joined along an axis; neighbours share `overlap` pixels, in which one turns into the other.

    Where both have the same colour the blend has it too, exactly.

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
    weights = torch.from_numpy(blend_weights(overlap).astype(np.float32)).to(first.device)
    weights = weights.reshape(-1, *[1] * (-1 - dim))
    for i, (one, other) in enumerate(pairwise(parts), start=1):
        start = one.narrow(dim, stride, overlap).float()
        blend = (other.narrow(dim, 0, overlap).float() - start).mul_(weights).add_(start)
        joined.narrow(dim, i * stride, overlap).copy_(truncated(blend) if first.dtype == torch.uint8 else blend)
    return joined


def lay_out(pictures: torch.Tensor, overlap: tuple[int, int]) -> torch.Tensor:
    """Mosaics of pictures in a grid.

    The weight of a pixel of a picture is the product of its weights along rows and columns, so that all weights of a
    pixel sum to 1.

    Args:
        pictures: float32 or uint8 (N, rows, columns, C, H, W); what is blended in uint8 is rounded down once.
        overlap: pixels that neighbours share, along the height and along the width; at most half a picture's.

    Returns:
        The pictures' dtype, (N, C, height, width).
    """
    twice = pictures.dtype == torch.uint8 and all(overlap) and min(pictures.shape[1:3]) > 1
    cells = pictures.float() if twice else pictures
    rows = [join(list(row.unbind(1)), -1, overlap[1]) for row in cells.unbind(1)]
    whole = join(rows, -2, overlap[0])
    return truncated(whole) if twice else whole
