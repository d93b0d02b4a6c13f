"""HashNet (Cao et al. 2017), as the thesis uses it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import softplus

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import Batch, Objective, agreement, at_least, sharpness


class HashNet(Objective):
    """The objective that pairs of one label have similar logits and pairs of different labels dissimilar ones.

    With u the sum over bits of tanh(beta z1) tanh(beta z2), and s = 1 for pairs that share a label (every other one):
    loss = mean of softplus(alpha u) - s alpha u, the logistic loss. beta = (1 + gamma t)^power grows with the step t,
    rounded down to a multiple of beta_every, so that tanh nears the sign.

    Settings:
        alpha: scale of u. gamma, power, beta_every: of beta.
    """

    alpha: float = 0.15
    gamma: float = 0.0005
    power: float = 0.5
    beta_every: int = 200

    def begin(self) -> None:
        """Check the settings; there is nothing to make."""
        at_least("hash_net", 0, alpha=self.alpha, gamma=self.gamma)
        at_least("hash_net", 1, beta_every=self.beta_every)

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw one label for every other pair and two for the rest; targets are 1 where both are equal, else 0."""
        labels = generator.integers(self.label_count, size=(pairs, 2))
        labels[::2, 1] = labels[::2, 0]
        return Batch(labels, (labels[:, 0] == labels[:, 1]).astype(np.int64))

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the term pairs (see `Objective.forward`)."""
        scaled = self.alpha * agreement(logits, sharpness(step, self.gamma, self.power, self.beta_every))
        return {"pairs": (softplus(scaled) - targets * scaled).mean()}
