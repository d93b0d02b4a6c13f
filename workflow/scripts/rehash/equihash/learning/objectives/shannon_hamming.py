"""ShannonHamming, the thesis' own objective."""

from __future__ import annotations

import torch

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import (
    GroupEntropy,
    Objective,
    TupleEntropy,
    at_least,
    equality,
    huber_penalty,
)


class ShannonHamming(Objective):
    """The objective that views of one label agree in every bit and tuples of bits have as much entropy as possible.

    loss = - lambda_h * mean over pairs of the sum over bits of log P(bits are equal) - lambda_s * sum over tuples of
    bits of the entropy (nats) of their joint distribution over all logits of the step - group_lambda_s * the same over
    tuples within groups + Huber's penalty of the logits. The last two are left out where their weights are 0.

    Settings:
        lambda_h, lambda_s: weights of the Hamming and of the Shannon term.
        tuple_size: bits of a tuple, 2 to 8. covered: 0 for all tuples; m for a random cover, in which every m bits
            are in a tuple. tuples: the least number of tuples in the cover. permuted: permute the bits anew at each
            step.
        discrete: log ratios from counts of hard bits (the public code's `pseudo-smooth`), with `prior` added to each.
        group_lambda_s: weight of a second Shannon term, over all tuples of `group_size` within groups of `group_bits`
            bits; 0 for none. group_strided: whether groups of bits that are equally far apart count beside those of
            neighbours (the public `striding`).
        huber: the largest slope of the penalty; 0 for none. huber_branch: the logit from which on it has that slope.
    """

    runs_twice = True

    lambda_h: float = 1.0
    lambda_s: float = 0.01
    tuple_size: int = 3
    covered: int = 0
    tuples: int = 0
    permuted: bool = False
    discrete: bool = False
    prior: float = 1.0
    group_lambda_s: float = 0.0
    group_size: int = 4
    group_bits: int = 32
    huber: float = 0.0
    huber_branch: float = 9.0
    group_strided: bool = True

    def begin(self) -> None:
        """Check the settings and make the tuples of bits."""
        at_least("shannon_hamming", 0, huber=self.huber, prior=self.prior, lambda_h=self.lambda_h)
        self.shannon = TupleEntropy(self)
        if self.group_lambda_s:
            self.group = GroupEntropy(self.bits, self.group_size, self.group_bits, self.group_strided)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms hamming and shannon, and group and huber if they have a weight (see `Objective.forward`)."""
        rows = logits.flatten(0, 1)
        terms = {
            "hamming": -self.lambda_h * equality(logits),
            "shannon": -self.lambda_s * self.shannon(rows, source),
        }
        if self.group_lambda_s:
            terms["group"] = -self.group_lambda_s * self.group(rows)
        if self.huber:
            terms["huber"] = huber_penalty(logits, self.huber, self.huber_branch)
        return terms
