"""The optimisers that a protocol can name."""

from __future__ import annotations

from collections.abc import Callable

import torch

from rehash.hash_encoders.protocols import Protocol


def _adam(groups: list[dict], protocol: Protocol, device: torch.device) -> torch.optim.Optimizer:
    capturable = device.type == "cuda"
    return torch.optim.Adam(groups, lr=protocol.learning_rate, eps=protocol.eps, fused=True, capturable=capturable)


def _sgd(groups: list[dict], protocol: Protocol, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=protocol.learning_rate, momentum=protocol.momentum, fused=True)


OPTIMISERS = {"adam": _adam, "sgd": _sgd}
# The initial state that each optimiser keeps of a parameter, by the names of torch.optim.
MOMENTS: dict[str, dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "adam": {
        "step": lambda p: torch.zeros((), dtype=torch.float32, device=p.device),
        "exp_avg": lambda p: torch.zeros_like(p, requires_grad=False),
        "exp_avg_sq": lambda p: torch.zeros_like(p, requires_grad=False),
    },
    "sgd": {"momentum_buffer": lambda p: torch.zeros_like(p, requires_grad=False)},
}
