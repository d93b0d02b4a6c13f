"""Stacked multilayer perceptrons of two-piece-linear units (ReLU, leaky, parametric), which run together.

A *cohort* is M networks of one shape. Their parameters are stacked along a leading member axis, so that one batched
matrix product computes a layer of all of them. Shape suffixes: M members, B batch, I inputs, W layer width, C classes.
Kernels are laid out as torch.nn.Linear's (out, in). A hidden layer whose units are no ReLUs has a tensor `slope`,
(M, 1): what a unit that is off multiplies its input by.
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


def initialise(
    shape: Shape, rngs: list[np.random.Generator], initialisation: str, batch_norm: bool, slope: float | None = None
) -> Tensors:
    """Draw a cohort's untrained parameters and statistics, float64 on the CPU, with one generator per member.

    Args:
        slope: of hidden units that are off; None makes them ReLUs.
    """
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
        if slope is not None and name != "head":
            tensors[f"{name}.slope"] = torch.full((members, 1), slope, dtype=torch.float64)
    return tensors


def is_trained(name: str, activation: str = "relu") -> bool:
    """Return whether a tensor is a trained parameter; running statistics and the slope of leaky units are none."""
    return not name.endswith((".mean", ".variance", ".slope") if activation == "leaky" else (".mean", ".variance"))


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
    """Compute the logits (M, C, B) and the hidden units' pre-activations, one (M, W, B) per layer.

    A unit is on where its pre-activation is > 0, whatever its activation: that of a parametric ReLU whose slope has
    become negative is > 0 on both sides.

    `x_MIB` is (M, I, B), or (1, I, B) for one batch that all members see. In training, BatchNorm normalises by the
    batch and updates its running statistics in place; otherwise it normalises by these. Where its tensors have fewer
    rows than there are members, only the first so many have BatchNorm. `gates`, (layers, M, W, B), multiply the
    activations (dropout).
    """
    h = x_MIB.expand(len(tensors["head.weight"]), -1, -1)
    before = []
    for layer, (name, _, _) in enumerate(shape.layers()[:-1]):
        h = torch.baddbmm(tensors[f"{name}.bias"][..., None], tensors[f"{name}.weight"], h)
        if norm and (normed := len(tensors.get(f"{name}.scale", ()))):
            first = _batch_norm(h[:normed], tensors, name, norm, training)
            h = first if normed == len(h) else torch.cat([first, h[normed:]])
        before.append(h)
        h = activations(h, tensors.get(f"{name}.slope"))
        if gates is not None:
            h = h * gates[layer]
    return torch.baddbmm(tensors["head.bias"][..., None], tensors["head.weight"], h), before


def activations(before_MWB: torch.Tensor, slope_M1: torch.Tensor | None) -> torch.Tensor:
    """Compute what hidden units give, (M, W, B), from their pre-activations; without a slope they are ReLUs."""
    return F.relu(before_MWB) if slope_M1 is None else before_MWB * _factors(before_MWB, slope_M1)


def _factors(before_MWB: torch.Tensor, slope_M1: torch.Tensor) -> torch.Tensor:
    """Return what units multiply their pre-activations by, and their gradients: 1 where they are on, else the slope."""
    return torch.where(before_MWB > 0, 1.0, slope_M1[..., None])


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


def backpropagate(
    tensors: Tensors,
    x_MBI: torch.Tensor,
    labels_MB: torch.Tensor,
    shape: Shape,
    norm: BatchNorm | None,
    clip: float = 0.0,
    gates: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor, Tensors]:
    """Compute losses, right answers and gradients of a training step, BatchNorm's running statistics updated in place.

    The arguments and the loss are those of `forward` in training and of `losses`. The backward pass is written out: the
    networks are so small that autograd's own work would take longer than theirs.

    Returns:
        The losses and the numbers of right answers, (M,) each, and by name the gradients of the losses' sum with
        respect to all tensors but running statistics.
    """
    names, batch = [name for name, _, _ in shape.layers()], labels_MB.shape[1]
    inputs, normalised, activated = [x_MBI.transpose(1, 2)], [], []
    for layer, name in enumerate(names[:-1]):
        h = torch.baddbmm(tensors[f"{name}.bias"][..., None], tensors[f"{name}.weight"], inputs[-1])
        h, saved = _normalise(h, tensors, name, norm)
        normalised.append(saved)
        h, saved = _activate(h, tensors.get(f"{name}.slope"))
        activated.append(saved)
        inputs.append(h if gates is None else h * gates[layer])
    logits = torch.baddbmm(tensors["head.bias"][..., None], tensors["head.weight"], inputs[-1])
    logarithms = logits.log_softmax(1)
    label_M1B = labels_MB[:, None]
    of_label = logarithms.gather(1, label_M1B)
    signal = logarithms.exp()
    if clip:
        probability = signal.gather(1, label_M1B)
        losses_MB = -probability.clamp(clip, 1 - clip).log().squeeze(1)
        weight = ((probability >= clip) & (probability <= 1 - clip)).to(signal.dtype) / batch
        signal = signal.scatter_add(1, label_M1B, signal.new_full((), -1.0).expand(label_M1B.shape)).mul_(weight)
    else:
        losses_MB = -of_label.squeeze(1)
        signal = signal.scatter_add_(1, label_M1B, signal.new_full((), -1.0).expand(label_M1B.shape)).div_(batch)
    gradients: Tensors = {}
    for layer in range(len(names) - 1, -1, -1):
        name, into = names[layer], inputs[layer]
        if layer < len(names) - 1:
            signal = torch.bmm(tensors[f"{names[layer + 1]}.weight"].transpose(1, 2), signal)
            if gates is not None:
                signal.mul_(gates[layer])
            signal = _activate_backward(signal, tensors, name, activated[layer], gradients)
            signal = _normalise_backward(signal, tensors, name, norm, normalised[layer], gradients)
        gradients[f"{name}.weight"] = torch.bmm(signal, into.transpose(1, 2))
        gradients[f"{name}.bias"] = signal.sum(2)
    right_M = (logits.max(1).indices == labels_MB).sum(1)  # max takes a tenth of argmax's time on a CPU
    return losses_MB.mean(1), right_M, gradients


def _normalise(
    h_MWB: torch.Tensor, tensors: Tensors, name: str, norm: BatchNorm | None
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...] | None]:
    """Normalise the first members' units by the batch, as `forward` does; also return what the gradient needs."""
    normed = len(tensors.get(f"{name}.scale", ())) if norm else 0
    if not normed:
        return h_MWB, None
    members, width, batch = h_MWB.shape
    channels = h_MWB[:normed].reshape(1, normed * width, batch)
    found, mean, deviation = torch.native_batch_norm(
        channels,
        *(tensors[f"{name}.{part}"].view(-1) for part in ("scale", "shift", "mean", "variance")),
        True,
        norm.momentum,
        norm.eps,
    )
    found = found.view(normed, width, batch)
    return found if normed == members else torch.cat([found, h_MWB[normed:]]), (channels, mean, deviation)


def _normalise_backward(
    signal_MWB: torch.Tensor,
    tensors: Tensors,
    name: str,
    norm: BatchNorm | None,
    saved: tuple[torch.Tensor, ...] | None,
    gradients: Tensors,
) -> torch.Tensor:
    """Return the gradient of what `_normalise` was given, and add those of scale and shift to `gradients`."""
    if saved is None:
        return signal_MWB
    channels, mean, deviation = saved
    (normed, width), batch = tensors[f"{name}.scale"].shape, signal_MWB.shape[2]
    scale, running_mean, running_variance = (
        tensors[f"{name}.{part}"].view(-1) for part in ("scale", "mean", "variance")
    )
    found, by_scale, by_shift = torch.ops.aten.native_batch_norm_backward(
        signal_MWB[:normed].reshape(channels.shape),
        *(channels, scale, running_mean, running_variance, mean, deviation, True, norm.eps, [True, True, True]),
    )
    gradients[f"{name}.scale"], gradients[f"{name}.shift"] = by_scale.view(normed, width), by_shift.view(normed, width)
    found = found.view(normed, width, batch)
    return found if normed == len(signal_MWB) else torch.cat([found, signal_MWB[normed:]])


def _activate(h_MWB: torch.Tensor, slope_M1: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the activations of hidden units, `h_MWB` overwritten if they are ReLUs; and what the gradient needs."""
    if slope_M1 is None:
        return h_MWB.relu_(), h_MWB
    return h_MWB * _factors(h_MWB, slope_M1), h_MWB


def _activate_backward(
    signal_MWB: torch.Tensor, tensors: Tensors, name: str, saved_MWB: torch.Tensor, gradients: Tensors
) -> torch.Tensor:
    """Return the gradient of what `_activate` was given, and add that of the slope to `gradients`."""
    slope_M1 = tensors.get(f"{name}.slope")
    if slope_M1 is None:
        return torch.ops.aten.threshold_backward(signal_MWB, saved_MWB, 0)
    gradients[f"{name}.slope"] = (signal_MWB * saved_MWB.clamp(max=0)).sum((1, 2))[:, None]
    return signal_MWB * _factors(saved_MWB, slope_M1)


def squared_norms(tensors: Tensors, shape: Shape) -> torch.Tensor:
    """Sum the squared weights of the hidden kernels of each member: (M,); the head's kernel is not penalised."""
    kernels = [tensors[f"{name}.weight"].flatten(1)[:, None] for name, _, _ in shape.layers()[:-1]]
    return sum(torch.bmm(kernel, kernel.transpose(1, 2)).view(-1) for kernel in kernels)


def as_inputs(
    inputs: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32, *, offset: float = 0.0
) -> torch.Tensor:
    """Convert inputs to flat ones (N, I) on the device: uint8 images (N, ...) to [0, 1], float32 vectors as they are.

    `offset` is subtracted from the result.
    """
    flat = torch.from_numpy(np.ascontiguousarray(inputs)).reshape(len(inputs), -1).to(device)
    if flat.dtype == torch.uint8:
        return flat.to(dtype).div_(255).sub_(offset)
    return flat.to(dtype) - offset if offset else flat.to(dtype)


def as_rows(inputs: torch.Tensor, offset: float) -> torch.Tensor:
    """Lay images (B, C, H, W) out as rows (B, I), as `as_inputs` does: positions first, then channels.

    Vectors (B, I) stay as they are. `offset` is subtracted from either.
    """
    images = inputs.movedim(1, -1) if inputs.ndim > 2 else inputs
    return images.flatten(1) - offset
