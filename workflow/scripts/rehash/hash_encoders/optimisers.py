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


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": _adam, "sgd": _sgd}
# What each optimiser remembers of a parameter, zeros at first, by the names of torch.optim; Adam also counts its steps.
MOMENTS = {"adam": ("exp_avg", "exp_avg_sq"), "sgd": ("momentum_buffer",)}
COUNTS_STEPS = {"adam"}
