"""Neural codes of a cohort of networks: which hidden units are on for each input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import pack
from rehash.errors import InputError
from rehash.hash_encoders.networks import Shape, Tensors, forward, losses
from rehash.hash_encoders.protocols import BatchNorm

_NUMBERS = 2**24  # of the inputs that a pass takes


@torch.no_grad()
def encode(
    network: Tensors,
    inputs_NI: torch.Tensor,
    labels_N: torch.Tensor,
    shape: Shape,
    norm: BatchNorm | None,
    chunk: int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a cohort in evaluation mode over all inputs.

    Args:
        chunk: how many inputs are taken at a time; 4,096 by default, fewer of large ones.

    Returns:
        codes: uint8 (M, N, ceil(K / 8)), packed bits: whether each hidden pre-activation is > 0, layer after
            layer.
        accuracy, loss: float64 (M,); the loss is the cross-entropy without the penalty.
    """
    members = len(network["head.weight"])
    chunk = chunk or max(1, min(4096, _NUMBERS // inputs_NI.shape[1]))
    codes = np.empty((members, len(inputs_NI), (shape.code_bits + 7) // 8), np.uint8)
    correct = torch.zeros(members, dtype=torch.float64, device=inputs_NI.device)
    loss = torch.zeros_like(correct)
    for start in range(0, len(inputs_NI), chunk):
        stop = min(start + chunk, len(inputs_NI))
        logits, before = forward(network, inputs_NI[None, start:stop].transpose(1, 2), shape, norm, training=False)
        labels_MB = labels_N[start:stop].expand(members, -1)
        correct += (logits.argmax(1) == labels_MB).sum(1)
        loss += losses(logits, labels_MB).double() * (stop - start)
        active = torch.cat([h > 0 for h in before], 1).transpose(1, 2)
        codes[:, start:stop] = pack(active.cpu().numpy())
    n = len(inputs_NI)
    return codes, (correct / n).cpu().numpy(), (loss / n).cpu().numpy()


def network_shape(identity: dict[str, Any], inputs: int, where: str | Path) -> Shape:
    """Return the shape of the networks in a file, checked against the size of the dataset's inputs.

    Raises:
        InputError: the networks take another number of inputs.
    """
    keys = identity["keys"]
    if inputs != identity["inputs"]:
        raise InputError(f"{where}: networks of {identity['inputs']} inputs; the dataset has {inputs}")
    return Shape(inputs, int(keys["layer_width"]), int(keys["depth"]), identity["classes"])
