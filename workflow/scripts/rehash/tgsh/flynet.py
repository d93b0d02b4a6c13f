"""Frozen random networks whose tasks learn nothing but a modulation (Hong & Pavlic 2023, arXiv 2401.02437).

The published one is FlyNet: an encoder of U units, each of which sums 7 pixels, maps images x (normalised pixels) to
m = E x; the response is z = relu(m - mean of m over the units). Others have another response (`RESPONSES`). A task has
a context vector c (U) and a strength s; its logits are D (s c * z), where D is the decoder. A task is thus a linear
classifier W = s D * c on z, and its gradients need no backward pass: with g the gradient of the loss by the logits and
G = g z, the outer product, which is the gradient by W, the gradients are dc = s sum_k D_k G_k, ds = sum D * c * G and,
of a decoder that is learned, dD = s c * G.

Shape suffixes: U units, K classes, T tasks, B images of a batch, P numbers of an image, Q these and the fill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d, conv2d, embedding_bag

from rehash.datasets.layout import Split
from rehash.tgsh.initialisation import DEVIATION, MEAN
from rehash.tgsh.kinds import FLY, Settings, sign_weight, winner_count
from rehash.tgsh.tasks import GREY, Sampling, Shape, Task, as_rows, sampling_of, transform

BLOCK = 500  # images at a time where no gradient is needed


@dataclass(frozen=True)
class FlyNet:
    """A frozen network: its encoder, as the response of its kind takes it, and its decoder, (K, U).

    settings: of the encoder's kind. shape: of the images.
    """

    encoder: Any
    decoder: torch.Tensor
    settings: Settings = field(default_factory=lambda: FLY)
    shape: Shape = GREY

    @classmethod
    def of(
        cls,
        encoder: np.ndarray,
        decoder: np.ndarray,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        settings: Settings = FLY,
        shape: Shape = GREY,
    ) -> FlyNet:
        """Make a network from arrays as `rehash.tgsh.initialisation.draw_flynet` returns them."""
        prepare, _ = RESPONSES[settings["kind"]]
        weights = torch.from_numpy(decoder).to(device, dtype)
        return cls(prepare(encoder, settings, device, dtype), weights, settings, shape)

    def headed(self, classes: Sequence[int]) -> FlyNet:
        """Return the network with the decoder's rows of some classes alone; itself if these are all, in their order."""
        if list(classes) == list(range(len(self.decoder))):
            return self
        return replace(self, decoder=self.decoder[torch.as_tensor(classes, device=self.decoder.device)])


class DeviceSplit:
    """A split on the device: images uint8 (N, P), one channel's pixels after the other's, and labels int64 (N,)."""

    def __init__(self, split: Split, device: torch.device) -> None:
        self.images = torch.from_numpy(as_rows(split.images)).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)

    def where(self, mine: torch.Tensor, labels: torch.Tensor) -> DeviceSplit:
        """Return some of the images, by a mask (N,), with other labels."""
        found = object.__new__(DeviceSplit)
        found.images, found.labels = self.images[mine], labels
        return found


def on_device(splits: Sequence[Split], device: torch.device) -> list[DeviceSplit]:
    """Return splits on the device; one that is there twice is one object there, too."""
    found = {id(split): DeviceSplit(split, device) for split in splits}
    return [found[id(split)] for split in splits]


@dataclass(frozen=True)
class View:
    """A task's way of showing images: a `Sampling` as tensors on the device, the fill, and how pixels are normalised.

    mean, deviation: numbers, or, of images in colour, a column (P, 1) each.
    """

    source: torch.Tensor
    weight: torch.Tensor
    contrast: float
    fill: float
    mean: Any = MEAN
    deviation: Any = DEVIATION

    def inputs(self, images_BP: torch.Tensor) -> torch.Tensor:
        """Convert images, uint8 (B, P), to the task's normalised pixels (P, B) of the weight's dtype."""
        return self.shown(images_BP.t().to(self.weight.dtype) / 255)

    def shown(self, columns_PB: torch.Tensor) -> torch.Tensor:
        """Convert images in columns, (P, B) on [0, 1], to the task's normalised pixels, (P, B)."""
        padded_QB = torch.cat([columns_PB, columns_PB.new_full((1, columns_PB.shape[1]), self.fill)])
        return (transform(padded_QB, self.source, self.weight, self.contrast) - self.mean) / self.deviation


Normalisation = tuple[Sequence[float], Sequence[float]]  # mean and deviation of each channel
PUBLISHED: Normalisation = ((MEAN,), (DEVIATION,))


def views(
    tasks: Sequence[Task],
    interpolation: str,
    fill: float,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    *,
    shape: Shape = GREY,
    normalisation: Sequence[Normalisation] | None = None,
    seed: int = 0,
) -> list[View]:
    """Make the views of a benchmark's tasks.

    Args:
        tasks: see `rehash.tgsh.tasks`. shape: of the images. normalisation: of each task; None is the published one.
        seed: of the orders of pixels.
    """
    found = []
    for number, task in enumerate(tasks):
        how: Sampling = sampling_of(task, interpolation, shape, seed)
        source, weight = torch.from_numpy(how.source).to(device), torch.from_numpy(how.weight).to(device, dtype)
        mean, deviation = (
            _by_pixel(values, shape, weight) for values in (normalisation[number] if normalisation else PUBLISHED)
        )
        found.append(View(source, weight, how.contrast, fill, mean, deviation))
    return found


def _by_pixel(values: Sequence[float], shape: Shape, like: torch.Tensor) -> float | torch.Tensor:
    """Return a number for each channel as one for each pixel, a column (P, 1); of one channel, the number."""
    if len(values) == 1:
        return values[0]
    return like.new_tensor(values).repeat_interleave(shape[1] * shape[2])[:, None]


def respond(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute the response z, (U, B), to normalised pixels (P, B)."""
    _, response = RESPONSES[net.settings["kind"]]
    return response(inputs_PB, net)


def _pixel_numbers(encoder: np.ndarray, settings: Settings, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(encoder.astype(np.int64)).to(device)


def _weights(encoder: np.ndarray, settings: Settings, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(encoder).to(device, dtype)


class _Signs(NamedTuple):
    """The weights of signed units that are not 0: their pixels and signs, and where each unit's begin."""

    pixels: torch.Tensor
    signs: torch.Tensor
    begins: torch.Tensor


def _signs(encoder: np.ndarray, settings: Settings, device: torch.device, dtype: torch.dtype) -> _Signs:
    units, pixels = np.nonzero(encoder)
    begins = np.searchsorted(units, np.arange(len(encoder)))
    found = torch.from_numpy(pixels), torch.from_numpy(encoder[units, pixels]).to(dtype), torch.from_numpy(begins)
    return _Signs(*(each.to(device) for each in found))


def _fly(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute what of each unit's sum is above the mean of all units.

    A unit's sum is a bag of a few rows, so an image costs 7 U additions, not the 784 U of a dense product.
    """
    sums_UB = embedding_bag(net.encoder, inputs_PB.contiguous(), mode="sum")
    return (sums_UB - sums_UB.mean(0, keepdim=True)).relu_()


def _fly_wta(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute FlyNet's response, of which the largest values of an image stay, and the rest is 0; of equals the first.

    With `binary`, a winner that responds is 1.
    """
    responses_UB = _fly(inputs_PB, net)
    count = winner_count(net.settings, len(responses_UB))
    least_1B = responses_UB.kthvalue(len(responses_UB) - count + 1, dim=0, keepdim=True).values
    above_UB, equal_UB = responses_UB > least_1B, responses_UB == least_1B
    wins_UB = above_UB | (equal_UB & (equal_UB.cumsum(0) <= count - above_UB.sum(0, keepdim=True)))
    if net.settings["binary"]:
        return (wins_UB & (responses_UB > 0)).to(responses_UB.dtype)
    return responses_UB.mul_(wins_UB)


def _dense(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute what of the product with a dense matrix is above 0."""
    return (net.encoder @ inputs_PB).relu_()


def _signed(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute what of the product with a sparse matrix of one size of weights is above 0."""
    pixels, signs, begins = net.encoder
    sums_UB = embedding_bag(pixels, inputs_PB.contiguous(), begins, mode="sum", per_sample_weights=signs)
    return sums_UB.mul_(sign_weight(net.settings, len(inputs_PB))).relu_()


def _convolution(inputs_PB: torch.Tensor, net: FlyNet) -> torch.Tensor:
    """Compute what of a convolution is above 0, pooled to a grid of places, which are a filter's units."""
    images = inputs_PB.t().reshape(-1, *net.shape)
    pool = {"max": adaptive_max_pool2d, "average": adaptive_avg_pool2d}[net.settings["pooling"]]
    return pool(conv2d(images, net.encoder).relu_(), net.settings["pool"]).flatten(1).t()


# Kind -> how its encoder's array is kept on the device, and how it responds to normalised pixels (P, B).
RESPONSES: dict[str, tuple[Callable[..., Any], Callable[[torch.Tensor, FlyNet], torch.Tensor]]] = {
    "fly": (_pixel_numbers, _fly),
    "fly_wta": (_pixel_numbers, _fly_wta),
    "dense": (_weights, _dense),
    "signed": (_signs, _signed),
    "convolution": (_weights, _convolution),
}


def task_decoder(net: FlyNet, context_U: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Compute W, (K, U), the linear classifier on responses that a task's modulation makes of the decoder."""
    return net.decoder * (context_U * strength)


def gradients(
    responses_UB: torch.Tensor,
    labels_B: torch.Tensor,
    net: FlyNet,
    context_U: torch.Tensor,
    strength: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute the mean cross-entropy of one task's batch, how many images are assigned to their label, and gradients.

    The gradients are by the context (U,), the strength () and the classifier W (K, U), which times the task vector is
    that by the decoder.
    """
    logits_KB = task_decoder(net, context_U, strength) @ responses_UB
    log_shares_KB = logits_KB.log_softmax(0)
    loss = -log_shares_KB.gather(0, labels_B[None]).mean()
    by_logits_KB = log_shares_KB.exp()
    by_logits_KB[labels_B, torch.arange(len(labels_B), device=labels_B.device)] -= 1
    by_classifier_KU = by_logits_KB / len(labels_B) @ responses_UB.t()
    by_vector_U = (net.decoder * by_classifier_KU).sum(0)
    right = (logits_KB.argmax(0) == labels_B).sum()
    return loss, right, strength * by_vector_U, context_U @ by_vector_U, by_classifier_KU


def correct(images: torch.Tensor, labels: torch.Tensor, view: View, net: FlyNet, decoder_KU: torch.Tensor) -> int:
    """Count the images, uint8 (N, P), that a task's linear classifier assigns to their label."""
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for part, truth in zip(images.split(BLOCK), labels.split(BLOCK)):
        right += ((decoder_KU @ respond(view.inputs(part), net)).argmax(0) == truth).sum()
    return int(right)
