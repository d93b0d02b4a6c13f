"""How large the linear regions are in which a network's inputs lie."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.errors import InputError
from rehash.hash_encoders.module_regions import module_lines, nearest_faces, two_piece_units

_OF_LINES = ["forward", "backward", "chord", "length"]


def regions(network: torch.nn.Module, inputs: Any, towards: Any = None) -> pd.DataFrame:
    """Measure the linear region of each input exactly: the part of space in which the network's code is the same.

    >>> import torch, rehash
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 3))
    >>> _ = network[0].weight.data.copy_(torch.eye(2)), network[0].bias.data.zero_()
    >>> rehash.regions(network, [[1, 2], [3, 1]], towards=[[-1, 2], [3, 5]])
       nearest_face  nearest_face_exact  forward  backward  chord  length
    0           1.0                True      1.0       inf    inf     2.0
    1           1.0                True      inf       1.0    inf     4.0

    Args:
        network: a `torch.nn.Module` that is piecewise linear in evaluation mode: convolution, BatchNorm, ReLU and its
            kin, max pooling, sums. A copy of it runs on the CPU, in float64.
        inputs: (N, ...), as the network takes them.
        towards: where a line from each input leads, (N, ...); None for no lines.

    Returns:
        A row for each input. All distances are L2, and inf where nothing changes: nearest_face, how far the code stays
        the same in every direction; nearest_face_exact, False where a max pooling switches before that, so that it is a
        lower bound. With lines: forward and backward, how far it is to the first change of the code along the line and
        against it; chord, their sum; length, how far it is to the line's other end.

    Raises:
        InputError: the network has no two-piece-linear unit, or is not piecewise linear; inputs are not finite, or not
            as many as towards.

    Time grows with the numbers of an input times those of the network's units.
    """
    starts = _points(inputs, "inputs")
    network = copy.deepcopy(network).cpu()
    if towards is None:
        nearest, exact = nearest_faces(network, starts)
        return pd.DataFrame({"nearest_face": nearest, "nearest_face_exact": exact})
    ends = _points(towards, "towards")
    if ends.shape != starts.shape:
        raise InputError(f"regions: towards {ends.shape}; expected {starts.shape}, as the inputs are")
    table = module_lines(network, two_piece_units, starts, {"given": ends - starts})
    return table[["nearest_face", "nearest_face_exact", *_OF_LINES]]


def _points(values: Any, what: str) -> np.ndarray:
    found = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if found.dtype.kind not in "biuf" or found.ndim < 2 or not len(found) or not np.isfinite(found).all():
        raise InputError(
            f"regions: {what} {found.dtype} {found.shape}; expected finite numbers, (N, ...), N at least 1"
        )
    return found.astype(np.float64)
