"""DSH, Deep Supervised Hashing (Liu, Wang, Shan and Chen 2016)."""

from __future__ import annotations

import numpy as np
import torch

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import Batch, Objective, at_least, draw_views


class Dsh(Objective):
    """The objective that views of one class are near and of two are a margin apart, with logits at -1 and 1.

    loss = mean over all pairs (i, j) of the step's views of d / 2 for one class, max(m - d, 0) / 2 for two, + alpha
    (|| |b_i| - 1 ||_1 + || |b_j| - 1 ||_1), as in the paper, with logits b, d = ||b_i - b_j||^2 and m = margin * bits.
    Logits are not squashed. The public code gives the last term half this weight.

    Settings:
        margin: m for each bit. alpha: weight of the last term.
    """

    needs_classes = True

    margin: float = 2.0
    alpha: float = 0.01

    def begin(self) -> None:
        """Check the settings; there is nothing to make."""
        at_least("dsh", 0, margin=self.margin, alpha=self.alpha)

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the class of each view on its own; targets are the classes, (pairs, 2)."""
        return draw_views(generator, self.label_count, pairs)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms pairs and sign (see `Objective.forward`)."""
        codes, classes = logits.flatten(0, 1), targets.flatten()
        squares = codes.square().sum(1)
        distances = squares[:, None] + squares - 2 * codes @ codes.t()
        alike = classes[:, None] == classes
        lost = torch.where(alike, distances, (self.margin * self.bits - distances).clamp(min=0)) / 2
        n = len(codes)
        # Each pair stands twice in the sum; a view and itself, which is no pair, have a distance of 0.
        return {
            "pairs": (lost.sum() - lost.diagonal().sum()) / (n * (n - 1)),
            "sign": 2 * self.alpha * (codes.abs() - 1).abs().sum(1).mean(),
        }
