"""CSQ, Central Similarity Quantization (Yuan et al. 2020)."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.centres import hash_centres
from rehash.equihash.learning.objectives.base import Batch, Objective, at_least, draw_views
from rehash.seeds import stream


class Csq(Objective):
    """The objective that views have the code of their class, its hash centre (`rehash.equihash.learning.centres`).

    With h = (1 + tanh z) / 2 of a logit z, and c the bit of the centre, 0 or 1: loss = mean over views and bits of the
    binary cross-entropy of h and c + lambda_q * log cosh(|2 h - 1| - 1).

    Settings:
        lambda_q: weight of the second term, which draws h to 0 and 1.
    """

    needs_classes = True

    lambda_q: float = 0.0001

    def begin(self) -> None:
        """Check the setting and make the centres."""
        at_least("csq", 0, lambda_q=self.lambda_q)
        chance = stream(self.seed, "equihash", "hash centres")
        centres = torch.from_numpy(hash_centres(self.label_count, self.bits, chance))
        self.register_buffer("centres", centres, persistent=False)

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the class of each view on its own; targets are the classes, (pairs, 2)."""
        return draw_views(generator, self.label_count, pairs)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms centre and quantization (see `Objective.forward`)."""
        wanted = (1 + self.centres[targets].to(logits.dtype)) / 2
        return {
            # (1 + tanh z) / 2 is the sigmoid of 2 z, whose cross-entropy keeps its gradient where tanh is 1.
            "centre": binary_cross_entropy_with_logits(2 * logits, wanted),
            "quantization": self.lambda_q * (logits.tanh().abs() - 1).cosh().log().mean(),
        }
