"""OrthoHash (Hoe et al. 2021), one loss for all."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize, one_hot

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.centres import hash_centres
from rehash.equihash.learning.objectives.base import Batch, Objective, at_least, draw_views
from rehash.seeds import stream


class OrthoHash(Objective):
    """The objective that the logits of a view point to the code of its class, by a margin more than to others'.

    With c the cosines of the logits and each class's target (`rehash.equihash.learning.centres`, orthogonal where there
    are such codes): loss = mean over views of the cross-entropy of scale * (c - margin at the view's class).

    Settings:
        scale: of cosines. margin: taken from the cosine of a view's own class.
    """

    needs_classes = True

    scale: float = 8.0
    margin: float = 0.2

    def begin(self) -> None:
        """Check the settings and make the targets."""
        at_least("ortho_hash", 0, scale=self.scale, margin=self.margin)
        chance = stream(self.seed, "equihash", "hash centres")
        centres = torch.from_numpy(hash_centres(self.label_count, self.bits, chance))
        self.register_buffer("directions", normalize(centres), persistent=False)

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the class of each view on its own; targets are the classes, (pairs, 2)."""
        return draw_views(generator, self.label_count, pairs)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the term cosine (see `Objective.forward`)."""
        classes = targets.flatten()
        cosines = normalize(logits.flatten(0, 1)) @ self.directions.to(logits.dtype).t()
        own = one_hot(classes, self.label_count)
        return {"cosine": cross_entropy(self.scale * (cosines - self.margin * own), classes)}
