"""FlyNet: a frozen random network whose tasks learn nothing but a modulation (Hong & Pavlic 2023, arXiv 2401.02437).

An encoder of U units, each of which sums 7 pixels, maps images x (normalised pixels) to m = E x; the response is
z = relu(m - mean of m over the units). A task has a context vector c (U) and a strength s; its logits are
D (s c * z), where D is the frozen decoder. A task is thus a linear classifier W = s D * c on z, and its gradients need
no backward pass: with g the gradient of the loss by the logits and G = g z, the outer product, the gradients are
dc = s sum_k D_k G_k and ds = sum D * c * G.

Shape suffixes: U units, K classes, T tasks, B images of a batch, Q pixels and the fill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from rehash.datasets.layout import Split
from rehash.tgsh.initialisation import DEVIATION, MEAN
from rehash.tgsh.tasks import Sampling, Transformation, sampling, transform

BLOCK = 500  # images at a time where no gradient is needed


@dataclass(frozen=True)
class FlyNet:
    """The frozen network: encoder, int64 (U, 7), the pixels that each unit sums; decoder, (K, U)."""

    encoder: torch.Tensor
    decoder: torch.Tensor

    @classmethod
    def of(cls, encoder: np.ndarray, decoder: np.ndarray, device: torch.device, dtype=torch.float32) -> FlyNet:
        """Make a network from arrays as `rehash.tgsh.initialisation.draw_flynet` returns them."""
        return cls(torch.from_numpy(encoder.astype(np.int64)).to(device), torch.from_numpy(decoder).to(device, dtype))


class DeviceSplit:
    """A split on the device: images uint8 (N, PIXELS), labels int64 (N,)."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self.images = torch.from_numpy(split.images.reshape(len(split.images), -1)).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)


@dataclass(frozen=True)
class View:
    """A task's way of showing images: a `Sampling` as tensors on the device, and the fill."""

    source: torch.Tensor
    weight: torch.Tensor
    contrast: float
    fill: float

    def inputs(self, images_BP: torch.Tensor) -> torch.Tensor:
        """Convert images, uint8 (B, PIXELS), to the task's normalised pixels (PIXELS, B) of the weight's dtype."""
        return self.shown(images_BP.t().to(self.weight.dtype) / 255)

    def shown(self, columns_PB: torch.Tensor) -> torch.Tensor:
        """Convert images in columns, (PIXELS, B) on [0, 1], to the task's normalised pixels, (PIXELS, B)."""
        padded_QB = torch.cat([columns_PB, columns_PB.new_full((1, columns_PB.shape[1]), self.fill)])
        return (transform(padded_QB, self.source, self.weight, self.contrast) - MEAN) / DEVIATION


def views(
    tasks: list[dict[str, float]], interpolation: str, fill: float, device: torch.device, dtype=torch.float32
) -> list[View]:
    """Make the views of a benchmark's tasks, which are given as fields of `Transformation`."""
    found = []
    for task in tasks:
        how: Sampling = sampling(Transformation(**task), interpolation)
        weight = torch.from_numpy(how.weight).to(device, dtype)
        found.append(View(torch.from_numpy(how.source).to(device), weight, how.contrast, fill))
    return found


def respond(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute the response z, (U, B), to normalised pixels (PIXELS, B)."""
    return centred(inputs_PB, net).relu_()


def centred(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute each unit's sum less the mean of all units, (U, B), of which the response is what is above 0.

    A unit's sum is a bag of 7 rows, so an image costs 7 U additions, not the 784 U of a dense product.
    """
    sums_UB = embedding_bag(net.encoder, inputs_PB.contiguous(), mode="sum")
    return sums_UB - sums_UB.mean(0, keepdim=True)


def task_decoder(net: FlyNet, context_U: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Compute W, (K, U), the linear classifier on responses that a task's modulation makes of the decoder."""
    return net.decoder * (context_U * strength)


def gradients(
    responses_UB: torch.Tensor,
    labels_B: torch.Tensor,
    net: FlyNet,
    context_U: torch.Tensor,
    strength: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute the mean cross-entropy of one task's batch, and its gradients by context (U,) and strength ()."""
    logits_KB = task_decoder(net, context_U, strength) @ responses_UB
    log_shares_KB = logits_KB.log_softmax(0)
    loss = -log_shares_KB.gather(0, labels_B[None]).mean()
    by_logits_KB = log_shares_KB.exp()
    by_logits_KB[labels_B, torch.arange(len(labels_B), device=labels_B.device)] -= 1
    by_decoder_KU = net.decoder * (by_logits_KB / len(labels_B) @ responses_UB.t())
    by_vector_U = by_decoder_KU.sum(0)
    return loss, strength * by_vector_U, context_U @ by_vector_U


def correct(images: torch.Tensor, labels: torch.Tensor, view: View, net: FlyNet, decoder_KU: torch.Tensor) -> int:
    """Count the images, uint8 (N, PIXELS), that a task's linear classifier assigns to their label."""
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for part, truth in zip(images.split(BLOCK), labels.split(BLOCK)):
        right += ((decoder_KU @ respond(view.inputs(part), net)).argmax(0) == truth).sum()
    return int(right)
