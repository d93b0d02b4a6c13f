"""An objective with HashNet's loss of similar pairs and ShannonHamming's entropy."""

from __future__ import annotations

import torch
from torch.nn.functional import softplus

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import (
    Objective,
    TupleEntropy,
    agreement,
    at_least,
    huber_penalty,
    sharpness,
)


class HashNetShannon(Objective):
    """HashNet's loss of pairs of one label, with the entropy of tuples of bits in place of pairs of different labels.

    loss = mean of softplus(alpha u) - alpha u (see `HashNet`) - lambda_s * the sum of entropies + Huber's penalty (see
    `ShannonHamming`).

    Settings:
        alpha, gamma, power, beta_every, beta_first: see `HashNet`.
        lambda_s, tuple_size, covered, tuples, permuted, discrete, prior, huber, huber_branch: see `ShannonHamming`.
    """

    runs_twice = True

    alpha: float = 0.05
    gamma: float = 0.0005
    power: float = 0.5
    beta_every: int = 200
    lambda_s: float = 0.0001
    tuple_size: int = 3
    covered: int = 0
    tuples: int = 0
    permuted: bool = False
    discrete: bool = False
    prior: float = 1.0
    huber: float = 0.0
    huber_branch: float = 9.0
    beta_first: float = 1.0

    def begin(self) -> None:
        """Check the settings and make the tuples of bits."""
        at_least("hash_net_shannon", 0, alpha=self.alpha, gamma=self.gamma, prior=self.prior, huber=self.huber)
        at_least("hash_net_shannon", 0, beta_first=self.beta_first)
        at_least("hash_net_shannon", 1, beta_every=self.beta_every)
        self.alpha = self.alpha or 10 / self.bits
        self.shannon = TupleEntropy(self)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms pairs and shannon, and huber if it has a weight (see `Objective.forward`)."""
        scaled = self.alpha * agreement(logits, self.beta(step))
        terms = {
            "pairs": (softplus(scaled) - scaled).mean(),
            "shannon": -self.lambda_s * self.shannon(logits.flatten(0, 1), source),
        }
        if self.huber:
            terms["huber"] = huber_penalty(logits, self.huber, self.huber_branch)
        return terms

    def beta(self, step: int) -> float:
        """Return the factor of the logits within tanh (see `Objective.beta`)."""
        return sharpness(step, self.gamma, self.power, self.beta_every, self.beta_first)
