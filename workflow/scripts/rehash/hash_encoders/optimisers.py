"""The optimisers that a protocol can name, as torch's functions: its classes take a second to load, and time a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from rehash.hash_encoders.protocols import Protocol

_VECTOR = 16  # float32 numbers of a CPU's widest vector registers; of narrower ones, and of float64, they are several
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

    @cached_property
    def ends(self) -> Ends:
        """Return what the update of these parameters rounds otherwise unless it is seen to."""
        return Ends([self.parameters, *self.moments])

    def padded(self, gradients: list[torch.Tensor]) -> tuple[list, list, list[list], list]:
        """Return parameters, gradients, moments and steps, each list with the padded ends of all as one more tensor."""
        if not self.ends.there:
            return self.parameters, gradients, self.moments, self.steps
        parameter, *moments, gradient = self.ends.take(gradients)
        extended = [[*each, end] for each, end in zip(self.moments, moments)]
        return [*self.parameters, parameter], [*gradients, gradient], extended, [*self.steps, self.steps[0].clone()]


class Ends:
    """The last numbers of tensors on a CPU, those that do not fill a vector register.

    torch's fused optimisers update these one by one and round them otherwise than the others. So a network, whose
    numbers end such a tensor or not depending on how many are stacked behind them, would depend on how many are trained
    together. Here the ends of all tensors are put together in whole vectors, updated like all numbers, and put back.

    Args:
        kinds: the parameters, and each moment of all of them, in one order.
    """

    def __init__(self, kinds: list[list[torch.Tensor]]) -> None:
        first = kinds[0]
        self.there = [i for i, each in enumerate(first) if each.numel() % _VECTOR and not each.is_cuda]
        self.lengths = [first[i].numel() % _VECTOR for i in self.there]
        self.own = [end for kind in kinds for end in self._of(kind)]
        self.padded = first[0].new_zeros(len(kinds) + 1, len(self.there) * _VECTOR)
        places = self.padded.view(len(kinds) + 1, -1, _VECTOR)
        self.places = [row[:length] for kind in places for row, length in zip(kind, self.lengths)]

    def _of(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        return [tensors[i].reshape(-1)[-length:] for i, length in zip(self.there, self.lengths)]

    def take(self, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return a tensor for each kind and one of gradients, with the ends as they are now."""
        torch._foreach_copy_(self.places, [*self.own, *self._of(gradients)])
        return list(self.padded)

    def put_back(self) -> None:
        """Put the updated ends in their place."""
        if self.there:
            torch._foreach_copy_(self.own, self.places[: len(self.own)])


@dataclass(frozen=True)
class Optimiser:
    """An optimiser: the names of what it remembers of a parameter, zeros at first, and a step.

    `update` takes a group, the gradients of its parameters, the learning rate and the protocol.
    """

    moments: tuple[str, ...]
    update: Callable[[Group, list[torch.Tensor], float, Protocol], None]


def _adam(group: Group, gradients: list[torch.Tensor], rate: float, protocol: Protocol) -> None:
    parameters, gradients, (averages, squares), steps = group.padded(gradients)
    adam(
        *(parameters, gradients, averages, squares, [], steps),
        **{"lr": rate, "eps": protocol.eps, "weight_decay": group.weight_decay, **_BETAS},
        **{"fused": True, "capturable": gradients[0].is_cuda, "amsgrad": False, "maximize": False},
    )
    group.ends.put_back()


def _sgd(group: Group, gradients: list[torch.Tensor], rate: float, protocol: Protocol) -> None:
    parameters, gradients, (momenta,), _ = group.padded(gradients)
    sgd(
        *(parameters, gradients, momenta),
        **{"lr": rate, "momentum": protocol.momentum, "weight_decay": group.weight_decay, "dampening": 0.0},
        **{"fused": True, "nesterov": False, "maximize": False},
    )
    group.ends.put_back()


OPTIMISERS = {
    "adam": Optimiser(("exp_avg", "exp_avg_sq"), _adam),
    "sgd": Optimiser(("momentum_buffer",), _sgd),
}
