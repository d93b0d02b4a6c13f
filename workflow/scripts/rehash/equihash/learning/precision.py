"""The arithmetic of a network: float32, TF32 or bfloat16, with the last layers always in float32.

TF32 is float32 whose products on a GPU are rounded to 10 bits of mantissa; on a CPU there is none, and `tf32` computes
as `float32` does. `bfloat16` is torch's autocast. A logit's sign is a bit of a fingerprint, so the last dense layer and
its BatchNorm, if it has one (`build_network`), are float32 in every case, forward and backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from rehash.errors import unknown

PRECISIONS = ("float32", "tf32", "bfloat16")


def check_precision(precision: str, where: str) -> None:
    """Raise an InputError that names the nearest precision if there is none of this name."""
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS, where)


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Run forward passes within in a precision (one of PRECISIONS); outside is float32, as `set_reproducible` says."""
    with _tf32(precision == "tf32"), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def gradient_arithmetic(precision: str) -> AbstractContextManager[None]:
    """Run `backward` within in the precision of its forward pass: TF32 is a switch of the process, not of a graph."""
    return _tf32(precision == "tf32")


@contextmanager
def _tf32(on: bool) -> Iterator[None]:
    parts = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [part.allow_tf32 for part in parts]
    for part in parts:
        part.allow_tf32 = on
    try:
        yield
    finally:
        for part, value in zip(parts, before):
            part.allow_tf32 = value


class HashNetwork(nn.Sequential):
    """Layers from views to logits, of which `dense` and `norm` at the end, or `dense`, compute in float32.

    The parameters have the names that they have in a Sequential.
    """

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        """Compute logits, float32 (B, bits), or float64 of a network in float64."""
        named = dict(self.named_children())
        dense, norm = named.pop("dense"), named.pop("norm", nn.Identity())
        for layer in named.values():
            views = layer(views)
        if views.dtype == torch.bfloat16:
            views = views.float()
        if not torch.is_autocast_enabled(views.device.type):
            return norm(_dense(dense, views))
        with torch.autocast(views.device.type, enabled=False):
            return norm(_dense(dense, views))


def _dense(layer: nn.Linear, features: torch.Tensor) -> torch.Tensor:
    return DenseWithoutTf32.apply(features, layer.weight, layer.bias) if features.is_cuda else layer(features)


class DenseWithoutTf32(torch.autograd.Function):
    """A dense layer whose products, forward and backward, are float32 wherever TF32 is switched on around it."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Compute features (B, in) times the weight's (out, in) transpose, and the bias (out,) or none: (B, out)."""
        ctx.save_for_backward(features, weight)
        with _tf32(False):
            return linear(features, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the gradients of features, weight and bias."""
        features, weight = ctx.saved_tensors
        with _tf32(False):
            by_bias = gradient.sum(0) if ctx.needs_input_grad[2] else None
            return gradient @ weight, gradient.t() @ features, by_bias
