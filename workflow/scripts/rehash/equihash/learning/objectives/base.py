"""The interface between training and objectives, and the terms that objectives share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import huber_loss, logsigmoid

from rehash.equihash.images.noise import Source
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.tuple_entropy.entropy import tuple_entropy
from rehash.tuple_entropy.tuples import Tuples


class Batch(NamedTuple):
    """The labels of the pairs of views that a step shows, and the targets of its loss.

    labels: int64 (n, 2), of the two views of each pair. targets: all that the objective's loss has to know about the
    pairs, with n entries along the first axis.
    """

    labels: np.ndarray
    targets: np.ndarray


class Objective(torch.nn.Module):
    """An objective: which labels a step shows, and the loss of the logits.

    A subclass's annotated class attributes are its settings, with their defaults; the config's `settings` may give
    other values, of the same type. Where an annotation is `Literal["one", "other"]`, planning refuses any other text.
    Parameters that it makes in `begin` are trained and saved with the network's. All random numbers come from the seed,
    the generators and the sources that the methods are given.

    Attributes that are no settings, and so have no annotation:
        runs_twice: whether the public loop runs the network twice a step (`Schedule.forward` may be "twice").
        needs_classes: whether it learns which views show one class, so that labels of its task must be classes.
        keeps_gradient: whether the gradient of the objective's own parameters is added to that of the step before,
            clipped, instead of being made anew.
    """

    runs_twice = False
    needs_classes = False
    keeps_gradient = False

    def __init__(self, bits: int, label_count: int, seed: int, *, mosaic_images: int = 1, **settings: Any) -> None:
        """Set the attributes and settings, and call `begin`.

        Args:
            bits: k of the logits. label_count: labels are in [0, label_count). seed: of the run's random streams.
            mosaic_images: images of a mosaic; label_count is the number of images to this power.
        """
        super().__init__()
        self.bits, self.label_count, self.seed, self.mosaic_images = bits, label_count, seed, mosaic_images
        for name, value in settings.items():
            setattr(self, name, value)
        self.begin()

    def begin(self) -> None:
        """Check the settings and make the objective's parameters and tables; by default there are none."""

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the labels of a step; by default each pair has two views of one random label."""
        labels = generator.integers(self.label_count, size=pairs)
        return Batch(np.stack([labels, labels], 1), labels)

    def beta(self, step: int) -> float | None:
        """Return the factor of the logits within tanh after so many steps, which HashNet lets grow; None for none."""
        return None

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms of the loss by name, each a tensor (); the loss is their sum.

        Args:
            logits: float32 (n, 2, bits), of both views of every pair of the step.
            targets: int64, of `draw`'s batch.
            step: steps taken before this one.
            source: random numbers of this step.
        """
        raise NotImplementedError


def draw_views(generator: np.random.Generator, label_count: int, pairs: int) -> Batch:
    """Draw the label of each view on its own; targets are the labels, (pairs, 2)."""
    labels = generator.integers(label_count, size=(pairs, 2))
    return Batch(labels, labels)


def linear_start(chance: np.random.Generator, shape: tuple[int, ...], inputs: int) -> torch.nn.Parameter:
    """Draw a parameter as torch's linear layers of so many inputs start: uniform within 1 / sqrt(inputs), float32."""
    bound = inputs**-0.5
    return torch.nn.Parameter(torch.from_numpy(chance.uniform(-bound, bound, shape).astype(np.float32)))


class TupleEntropy(torch.nn.Module):
    """The entropy term: the sum over tuples of bits of the entropy of their joint distribution over the batch.

    Args:
        settings: an objective with the tuple_size, covered, tuples, permuted, discrete and prior of ShannonHamming.
    """

    def __init__(self, settings: Objective) -> None:
        super().__init__()
        self.permuted, self.discrete, self.prior = settings.permuted, settings.discrete, settings.prior
        bits, size, covered = settings.bits, settings.tuple_size, settings.covered
        chance = stream(settings.seed, "equihash", "cover of tuples")
        self.tuples = Tuples.cover(bits, size, covered, settings.tuples, chance) if covered else Tuples.all(bits, size)

    def forward(self, logits: torch.Tensor, source: Source) -> torch.Tensor:
        """Return the entropy term of logits (N, bits), in nats: a tensor ()."""
        if self.permuted:
            logits = logits[:, source.uniform(logits.shape[1]).argsort().to(logits.device)]
        return tuple_entropy(logits, self.tuples, discrete=self.discrete, prior=self.prior)


class GroupEntropy(torch.nn.Module):
    """The entropy term of all tuples of `size` bits within groups of `group` bits (see `Tuples.grouped`)."""

    def __init__(self, bits: int, size: int, group: int, strided: bool = True) -> None:
        super().__init__()
        self.tuples = Tuples.grouped(bits, size, group, strided)

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the entropy term of logits (N, bits), in nats: a tensor ()."""
        return tuple_entropy(logits, self.tuples)


def equality(logits: torch.Tensor) -> torch.Tensor:
    """Return the mean over pairs of the sum over bits of log P(the bits of both views are equal), a tensor ().

    Logits are (n, 2, k). P = p1 p2 + (1 - p1)(1 - p2), from log-sigmoids, so that saturated logits keep their gradient.
    """
    (a, b), (not_a, not_b) = logsigmoid(logits).unbind(1), logsigmoid(-logits).unbind(1)
    return torch.logaddexp(a + b, not_a + not_b).sum(1).mean()


def huber_penalty(logits: torch.Tensor, slope: float, branch: float) -> torch.Tensor:
    """Return Huber's penalty of logits (n, 2, k), summed over bits and averaged over views, a tensor ().

    It has the slope `slope` beyond `branch`.
    """
    return huber_loss(logits, torch.zeros_like(logits), delta=branch, reduction="none").sum(2).mean() * (slope / branch)


def agreement(logits: torch.Tensor, beta: float) -> torch.Tensor:
    """Return HashNet's similarity of the views of each pair, (n,): the sum over bits of tanh(beta z1) tanh(beta z2)."""
    return torch.tanh(beta * logits).prod(1).sum(1)


def sharpness(step: int, gamma: float, power: float, every: int, first: float = 1.0) -> float:
    """Return HashNet's beta, first (1 + gamma t)^power with t the step rounded down to a multiple of `every`."""
    return first * (1 + gamma * (step // every * every)) ** power


def at_least(where: str, least: float, **values: float) -> None:
    """Raise an InputError for a setting below `least`."""
    for name, value in values.items():
        if value < least:
            raise InputError(f"objective {where}: {name} is {value}; expected {least} or more")
