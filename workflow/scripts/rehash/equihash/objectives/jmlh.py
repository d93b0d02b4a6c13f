"""JMLH, "just-maximizing-likelihood hashing" (Shen et al. 2019), as the thesis uses it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from rehash.equihash.draws import Source
from rehash.equihash.objective import Batch, Objective, at_least
from rehash.errors import InputError
from rehash.seeds import stream

_PUBLIC_SEED = 0xCAFE


def public_labels(classes: int, label_count: int, cells: int) -> np.ndarray:
    """The labels that the public trainer classifies: int64 (classes,), distinct, the same for every seed.

    They are drawn as its `generate_labels` does for banks as large as the published ones (numpy's RandomState, the
    whole draw again while two are equal), and turned into ours: the public code takes the first image of a mosaic from
    the most significant digit of the label in base n, where we take it from the least significant one
    (`rehash.equihash.mosaics`).

    Raises:
        InputError: two of so many classes would more likely be equal than not, where the public code draws otherwise.
    """
    if classes > label_count or np.log1p(-np.arange(classes) / label_count).sum() < np.log(0.5):
        raise InputError(
            f"objective jmlh: public: {classes} classes of {label_count} labels; the public draw is repeated only "
            "where equal ones are unlikely; expected fewer classes, a larger bank, or public: false"
        )
    chance = np.random.RandomState(_PUBLIC_SEED)
    labels = chance.randint(0, label_count, classes, dtype=np.uint64)
    while len(np.unique(labels)) < classes:
        labels = chance.randint(0, label_count, classes, dtype=np.uint64)
    base = np.uint64(round(label_count ** (1 / cells)))
    turned = np.zeros_like(labels)
    for _ in range(cells):
        labels, digit = np.divmod(labels, base)
        turned = turned * base + digit
    return turned.astype(np.int64)


class Jmlh(Objective):
    """A linear classifier shall tell a fixed set of labels from random bits of their views.

    Bits are 1 where p exceeds a uniform number, with the gradient of p (straight-through). loss = cross-entropy
    + kl_weight * KL(Bernoulli(p) || Bernoulli(1/2)), summed over bits, both means over views.

    The public trainer clears the network's gradient at each step and never that of its classifier, which therefore is
    the sum over all steps so far, clipped at each; and its labels are the same for every seed. `public` repeats both.
    A public micro-batch has as many single views as one of ours has pairs: of digits `pairs: 128` repeats its 256,
    of photographs `pairs: 32` its 64.

    Settings:
        classes: how many labels. kl_weight: of the divergence.
        public: the labels of the public code, and its classifier's gradient that is never cleared.
    """

    classes: int = 10_000
    kl_weight: float = 0.1
    public: bool = False

    def begin(self) -> None:
        """The labels, and the classifier as torch starts a linear layer: uniform within 1 / sqrt(bits)."""
        at_least("jmlh", 2, classes=self.classes)
        at_least("jmlh", 0, kl_weight=self.kl_weight)
        self.keeps_gradient = self.public
        if self.public:
            self.labels = public_labels(self.classes, self.label_count, self.mosaic_cells)
        else:
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
