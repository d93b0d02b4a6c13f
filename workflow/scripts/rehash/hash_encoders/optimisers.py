"""The optimisers that a protocol can name, as torch's functions: its classes take a second to load, and time a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from rehash.hash_encoders.protocols import Protocol

_BETAS = {"beta1": 0.9, "beta2": 0.999}  # torch's and Keras' defaults


@dataclass(frozen=True, eq=False)
class Group:
    """Parameters that are updated with one weight decay: some rows of some tensors.

    Attributes:
        names: of the tensors. rows: which of their rows.
        parameters: views of these rows.
        moments: for each moment of the optimiser, in its order, a tensor for each parameter.
        steps: for each parameter the number of steps so far, float32 (), on its device.
        weight_decay: this times the parameter is added to the gradient.
    """

    names: list[str]
    rows: slice
    parameters: list[torch.Tensor]
    moments: list[list[torch.Tensor]]
    steps: list[torch.Tensor]
    weight_decay: float


@dataclass(frozen=True)
class Optimiser:
    """An optimiser: the names of what it remembers of a parameter, zeros at first, and a step.

    `update` takes a group, the gradients of its parameters, the learning rate and the protocol.
    """

    moments: tuple[str, ...]
    update: Callable[[Group, list[torch.Tensor], float, Protocol], None]


def _adam(group: Group, gradients: list[torch.Tensor], rate: float, protocol: Protocol) -> None:
    averages, squares = group.moments
    adam(
        *(group.parameters, gradients, averages, squares, [], group.steps),
        **{"lr": rate, "eps": protocol.eps, "weight_decay": group.weight_decay, **_BETAS},
        **{"fused": True, "capturable": gradients[0].is_cuda, "amsgrad": False, "maximize": False},
    )


def _sgd(group: Group, gradients: list[torch.Tensor], rate: float, protocol: Protocol) -> None:
    (momenta,) = group.moments
    sgd(
        *(group.parameters, gradients, momenta),
        **{"lr": rate, "momentum": protocol.momentum, "weight_decay": group.weight_decay, "dampening": 0.0},
        **{"fused": True, "nesterov": False, "maximize": False},
    )


OPTIMISERS = {
    "adam": Optimiser(("exp_avg", "exp_avg_sq"), _adam),
    "sgd": Optimiser(("momentum_buffer",), _sgd),
}
