"""GreedyHash (Su et al. 2018)."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import Batch, Objective, at_least, draw_views, linear_start
from rehash.seeds import stream


class GreedyHash(Objective):
    """The objective that a linear classifier recognises the class of a view from the signs of its logits.

    Signs b = sgn(h) are passed on as they are, with the gradient of h (straight-through). loss = mean over views of the
    cross-entropy of b's scores + alpha * mean over views and bits of | |h| - 1 |^3. The classifier has no bias.

    Settings:
        alpha: weight of the penalty.
    """

    needs_classes = True

    alpha: float = 0.1

    def begin(self) -> None:
        """Check the setting and make the classifier, which starts as torch's linear layers do."""
        at_least("greedy_hash", 0, alpha=self.alpha)
        chance = stream(self.seed, "equihash", "classifier")
        self.weight = linear_start(chance, (self.label_count, self.bits), self.bits)

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the class of each view on its own; targets are the classes, (pairs, 2)."""
        return draw_views(generator, self.label_count, pairs)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms classification and penalty (see `Objective.forward`)."""
        signs = 2 * (logits > 0).to(logits.dtype) - 1
        codes = signs + logits - logits.detach()
        return {
            "classification": cross_entropy(codes.flatten(0, 1) @ self.weight.t(), targets.flatten()),
            "penalty": self.alpha * (logits.abs() - 1).abs().pow(3).mean(),
        }
