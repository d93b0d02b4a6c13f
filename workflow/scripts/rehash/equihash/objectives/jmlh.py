"""JMLH, "just-maximizing-likelihood hashing" (Shen et al. 2019), as the thesis uses it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from rehash.equihash.draws import Source
from rehash.equihash.objective import Batch, Objective, at_least
from rehash.seeds import stream


class Jmlh(Objective):
    """A linear classifier shall tell a fixed set of labels from random bits of their views.

    Bits are 1 where p exceeds a uniform number, with the gradient of p (straight-through). loss = cross-entropy
    + kl_weight * KL(Bernoulli(p) || Bernoulli(1/2)), summed over bits, both means over views.

    Settings:
        classes: how many labels. kl_weight: of the divergence.
    """

    classes: int = 10_000
    kl_weight: float = 0.1

    def begin(self) -> None:
        """The labels, and the classifier as torch starts a linear layer: uniform within 1 / sqrt(bits)."""
        at_least("jmlh", 2, classes=self.classes)
        at_least("jmlh", 0, kl_weight=self.kl_weight)
        self.labels = stream(self.seed, "equihash", "classes").integers(self.label_count, size=self.classes)
        chance, bound = stream(self.seed, "equihash", "classifier"), self.bits**-0.5
        weight, bias = (
            chance.uniform(-bound, bound, shape).astype(np.float32)
            for shape in ((self.classes, self.bits), (self.classes,))
        )
        self.weight, self.bias = (torch.nn.Parameter(torch.from_numpy(drawn)) for drawn in (weight, bias))

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Views of classes, each drawn alone; targets are their numbers, (pairs, 2)."""
        classes = generator.integers(self.classes, size=(pairs, 2))
        return Batch(self.labels[classes], classes)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """See `Objective.forward`: classification and divergence."""
        p = logits.sigmoid()
        hard = (p > source.uniform(*p.shape).to(p.device)).to(p.dtype)
        bits = hard + p - p.detach()
        scores = bits.flatten(0, 1) @ self.weight.t() + self.bias
        # p log 2p + (1 - p) log 2(1 - p)
        divergence = p * logsigmoid(logits) + (1 - p) * logsigmoid(-logits) + np.log(2)
        return {
            "classification": cross_entropy(scores, targets.flatten()),
            "divergence": self.kl_weight * divergence.sum(2).mean(),
        }
