"""HashNet (Cao et al. 2017), as the thesis uses it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import softplus

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import Batch, Objective, agreement, at_least, sharpness
from rehash.errors import InputError


class HashNet(Objective):
    """The objective that pairs of one label have similar logits and pairs of different labels dissimilar ones.

    With u the sum over bits of tanh(beta z1) tanh(beta z2), and s = 1 for pairs that share a label (every other one):
    loss = mean of softplus(alpha u) - s alpha u, the logistic loss. beta = beta_first (1 + gamma t)^power grows with
    the step t, rounded down to a multiple of beta_every, so that tanh nears the sign.

    Settings:
        alpha: scale of u; 0 for 10 / bits, the public code's default. beta_first, gamma, power, beta_every: of beta.
        similar: the share of the pairs that are of one label by design; the others are of two random labels.
    """

    alpha: float = 0.15
    gamma: float = 0.0005
    power: float = 0.5
    beta_every: int = 200
    beta_first: float = 1.0
    similar: float = 0.5

    def begin(self) -> None:
        """Check the settings; there is nothing to make."""
        at_least("hash_net", 0, alpha=self.alpha, gamma=self.gamma, beta_first=self.beta_first, similar=self.similar)
        at_least("hash_net", 1, beta_every=self.beta_every)
        if self.similar > 1:
            raise InputError(f"objective hash_net: similar is {self.similar}; expected a share, from 0 to 1")
        self.alpha = self.alpha or 10 / self.bits

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw one label for the similar pairs and two for the rest; targets are 1 where both are equal, else 0.

        Similar pairs are spread evenly, so that each micro-batch has its share: by default every other pair is one.
        """
        labels = generator.integers(self.label_count, size=(pairs, 2))
        reached = np.ceil((np.arange(pairs + 1) * self.similar).round(9))  # how many there are among the first
        alike = np.diff(reached) > 0
        labels[alike, 1] = labels[alike, 0]
        return Batch(labels, (labels[:, 0] == labels[:, 1]).astype(np.int64))

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the term pairs (see `Objective.forward`)."""
        scaled = self.alpha * agreement(logits, self.beta(step))
        return {"pairs": (softplus(scaled) - targets * scaled).mean()}

    def beta(self, step: int) -> float:
        """Return the factor of the logits within tanh (see `Objective.beta`)."""
        return sharpness(step, self.gamma, self.power, self.beta_every, self.beta_first)
