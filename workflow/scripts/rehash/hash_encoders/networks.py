"""Stacked ReLU multilayer perceptrons, which run together.

A *cohort* is M networks of one shape. Their parameters are stacked along a leading member axis, so that one batched
matrix product computes a layer of all of them. Shape suffixes: M members, B batch, I inputs, W layer width, C classes.
Kernels are laid out as torch.nn.Linear's (out, in).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from rehash.errors import InputError, unknown
from rehash.hash_encoders.protocols import BatchNorm

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """The shape of one network: `depth` hidden layers of `layer_width` units each."""

    inputs: int
    layer_width: int
    depth: int
    classes: int

    def __post_init__(self) -> None:
        for name in ("inputs", "layer_width", "depth", "classes"):
            if getattr(self, name) < 1:
                raise InputError(f"network: {name} is {getattr(self, name)}; expected at least 1")

    @property
    def code_bits(self) -> int:
        """Return the length of the neural code, in which every hidden unit is a bit."""
        return self.layer_width * self.depth

    def layers(self) -> list[tuple[str, int, int]]:
        """Return (name, out, in) of every dense layer: the hidden layers, then the head."""
        ins = [self.inputs] + [self.layer_width] * (self.depth - 1)
        hidden = [(f"hidden.{i}", self.layer_width, n) for i, n in enumerate(ins)]
        return [*hidden, ("head", self.classes, self.layer_width)]


def glorot_uniform(rng: np.random.Generator, out: int, into: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a kernel from U(-a, a) with a = sqrt(6 / (in + out)) (Glorot and Bengio 2010); the bias is zero.

    Returns float64 (out, in) and (out,).
    """
    bound = math.sqrt(6 / (into + out))
    return rng.uniform(-bound, bound, (out, into)), np.zeros(out)


def he_uniform(rng: np.random.Generator, out: int, into: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a kernel from U(-a, a) with a = sqrt(6 / in) (He et al. 2015); the bias is zero.

    Returns float64 (out, in) and (out,).
    """
    bound = math.sqrt(6 / into)
    return rng.uniform(-bound, bound, (out, into)), np.zeros(out)


def torch_linear(rng: np.random.Generator, out: int, into: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw kernel and bias from U(-a, a) with a = 1 / sqrt(in), the default of torch.nn.Linear.

    Returns float64 (out, in) and (out,).
    """
    bound = 1 / math.sqrt(into)
    return rng.uniform(-bound, bound, (out, into)), rng.uniform(-bound, bound, out)


INITIALISATIONS: dict[str, Callable[[np.random.Generator, int, int], tuple[np.ndarray, np.ndarray]]] = {
    "glorot_uniform": glorot_uniform,
    "he_uniform": he_uniform,
    "torch_linear": torch_linear,
}


def initialise(shape: Shape, rngs: list[np.random.Generator], initialisation: str, batch_norm: bool) -> Tensors:
    """Draw a cohort's untrained parameters and statistics, float64 on the CPU, with one generator per member."""
    if initialisation not in INITIALISATIONS:
        raise unknown("initialisation", initialisation, INITIALISATIONS, "protocol: initialisation")
    draw, members = INITIALISATIONS[initialisation], len(rngs)
    tensors = {}
    for name, out, into in shape.layers():
        kernels, biases = zip(*(draw(rng, out, into) for rng in rngs))
        tensors[f"{name}.weight"] = torch.from_numpy(np.stack(kernels))
        tensors[f"{name}.bias"] = torch.from_numpy(np.stack(biases))
        if batch_norm and name != "head":
            for part, value in (("scale", 1.0), ("shift", 0.0), ("mean", 0.0), ("variance", 1.0)):
                tensors[f"{name}.{part}"] = torch.full((members, out), value, dtype=torch.float64)
    return tensors


def is_trained(name: str) -> bool:
    """Return whether a tensor is a trained parameter (the others are BatchNorm's running statistics)."""
    return not name.endswith((".mean", ".variance"))


def is_of_norm(name: str) -> bool:
    """Return whether a tensor is one of BatchNorm's, which a network without it does not have."""
    return name.endswith((".scale", ".shift", ".mean", ".variance"))


def is_penalised(name: str) -> bool:
    """Return whether a tensor is the kernel of a hidden layer, to which the penalty on weights applies."""
    return name.startswith("hidden") and name.endswith("weight")


def forward(
    tensors: Tensors,
    x_MIB: torch.Tensor,
    shape: Shape,
    norm: BatchNorm | None,
    *,
    training: bool,
    gates: torch.Tensor | None = None,
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Compute the logits (M, C, B) and the hidden activations, one (M, W, B) per layer.

    `x_MIB` is (M, I, B), or (1, I, B) for one batch that all members see. In training, BatchNorm normalises by the
    batch and updates its running statistics in place; otherwise it normalises by these. Where its tensors have fewer
    rows than there are members, only the first so many have BatchNorm. `gates`, (layers, M, W, B), multiply the
    activations (dropout).
    """
    h = x_MIB.expand(len(tensors["head.weight"]), -1, -1)
    hidden = []
    for layer, (name, _, _) in enumerate(shape.layers()[:-1]):
        h = torch.baddbmm(tensors[f"{name}.bias"][..., None], tensors[f"{name}.weight"], h)
        if norm and (normed := len(tensors.get(f"{name}.scale", ()))):
            first = _batch_norm(h[:normed], tensors, name, norm, training)
            h = first if normed == len(h) else torch.cat([first, h[normed:]])
        h = F.relu(h)
        if gates is not None:
            h = h * gates[layer]
        hidden.append(h)
    return torch.baddbmm(tensors["head.bias"][..., None], tensors["head.weight"], h), hidden


def _batch_norm(h_MWB: torch.Tensor, tensors: Tensors, name: str, norm: BatchNorm, training: bool) -> torch.Tensor:
    members, width, batch = h_MWB.shape
    scale, shift, mean, variance = (
        tensors[f"{name}.{part}"].view(-1) for part in ("scale", "shift", "mean", "variance")
    )
    # One call of torch's fused kernel for all M * W channels, with the input as (1, channels, length).
    h = F.batch_norm(
        h_MWB.reshape(1, members * width, batch), mean, variance, scale, shift, training, norm.momentum, norm.eps
    )
    return h.view(members, width, batch)


def losses(logits_MCB: torch.Tensor, labels_MB: torch.Tensor, clip: float = 0.0) -> torch.Tensor:
    """Compute the cross-entropy of each member, mean over the batch: (M,).

    With a `clip` it is computed as Keras does from a softmax layer's output: minus the logarithm of the label's
    probability, clipped to [clip, 1 - clip] in the logits' precision, so that an input whose probability lies outside
    has no gradient.
    """
    if not clip:
        return F.cross_entropy(logits_MCB, labels_MB, reduction="none").mean(1)
    probabilities = logits_MCB.softmax(1).gather(1, labels_MB[:, None]).squeeze(1)
    return -probabilities.clamp(clip, 1 - clip).log().mean(1)


def squared_norms(tensors: Tensors, shape: Shape) -> torch.Tensor:
    """Sum the squared weights of the hidden kernels of each member: (M,); the head's kernel is not penalised."""
    kernels = [tensors[f"{name}.weight"].flatten(1)[:, None] for name, _, _ in shape.layers()[:-1]]
    return sum(torch.bmm(kernel, kernel.transpose(1, 2)).view(-1) for kernel in kernels)


def as_inputs(images: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Convert uint8 images (N, ...) to flat inputs (N, I) in [0, 1] on the device."""
    flat = torch.from_numpy(np.ascontiguousarray(images)).reshape(len(images), -1)
    return flat.to(device).to(dtype).div_(255)
