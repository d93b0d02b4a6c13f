"""Training protocols: the settings of a training, and the optimisers they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from rehash.hash_encoders.networks import BatchNorm


@dataclass(frozen=True)
class Protocol:
    """How networks are trained; the fields are those of a block of hash_encoders.protocols in the config."""

    optimiser: str
    learning_rate: float
    batch_size: int
    epochs: int
    momentum: float = 0.9
    eps: float = 1e-7
    decay_every: int | None = None
    decay_factor: float = 0.1
    patience: int | None = None
    l2: float = 0.0
    dropout: float = 0.0
    initialisation: str = "glorot_uniform"
    batch_norm: dict[str, float] | None = None

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch, counted from 0."""
        return self.learning_rate * self.decay_factor ** (epoch // self.decay_every if self.decay_every else 0)

    @property
    def norm(self) -> BatchNorm | None:
        return BatchNorm(**self.batch_norm) if self.batch_norm else None


def _adam(groups: list[dict], protocol: Protocol, device: torch.device) -> torch.optim.Optimizer:
    capturable = device.type == "cuda"
    return torch.optim.Adam(groups, lr=protocol.learning_rate, eps=protocol.eps, fused=True, capturable=capturable)


def _sgd(groups: list[dict], protocol: Protocol, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=protocol.learning_rate, momentum=protocol.momentum, fused=True)


OPTIMISERS = {"adam": _adam, "sgd": _sgd}
# What each optimiser remembers of a parameter, as torch.optim names it, at the start.
MOMENTS: dict[str, dict[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "adam": {
        "step": lambda p: torch.zeros((), dtype=torch.float32, device=p.device),
        "exp_avg": lambda p: torch.zeros_like(p, requires_grad=False),
        "exp_avg_sq": lambda p: torch.zeros_like(p, requires_grad=False),
    },
    "sgd": {"momentum_buffer": lambda p: torch.zeros_like(p, requires_grad=False)},
}
