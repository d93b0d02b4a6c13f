"""JMLH, "just-maximizing-likelihood hashing" (Shen et al. 2019), as the thesis uses it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch.nn.functional import cross_entropy, logsigmoid
from torch.utils.checkpoint import checkpoint

from rehash.equihash.images.noise import Source
from rehash.equihash.learning.objectives.base import Batch, Objective, at_least, linear_start
from rehash.errors import InputError, unknown
from rehash.seeds import stream

_PUBLIC_SEED = 0xCAFE
_PERMUTED = 500_000  # the public code permutes fewer labels than this
_LEAST_BITS = {"heaviside": 0, "sign": -1}  # what a bit is that is not 1
_SCORES = 2**25  # held at a time: 134 MB of float32, and its logarithms and gradient as much again each


def public_labels(classes: int, label_count: int, cells: int) -> np.ndarray:
    """Return the labels that the public trainer classifies: int64 (classes,), distinct, the same for every seed.

    They are drawn as its `generate_labels` does for banks as large as the published ones (numpy's RandomState): the
    whole draw is repeated while two labels are equal or, where that would more likely than not go on, a permutation of
    the labels of single images is cut. They are converted to ours: the public code takes the first image of a mosaic
    from the most significant digit of the label in base n, where we take it from the least significant one
    (`rehash.equihash.images.mosaics`).

    Raises:
        InputError: two of so many labels would more likely than not be equal, and they are of mosaics or too many to
            permute; the public code then draws in another way.
    """
    some_equal = classes > label_count or np.log1p(-np.arange(classes) / label_count).sum() < np.log(0.5)
    if some_equal and cells == 1 and classes <= label_count < _PERMUTED:
        return np.random.RandomState(_PUBLIC_SEED).permutation(label_count)[:classes].astype(np.int64)
    if some_equal:
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
    """The objective that a linear classifier recognises each of a fixed set of labels from random bits of its views.

    Bits are 1 where p exceeds a uniform number, with the gradient of p (straight-through). loss = cross-entropy
    + kl_weight * KL(Bernoulli(p) || Bernoulli(1/2)), summed over bits, both means over views.

    The public trainer clears the network's gradient at each step, but never that of its classifier, which therefore is
    the sum over all steps so far, clipped at each; and its labels are the same for every seed. `public` repeats both.
    A public micro-batch of this objective has single views in place of pairs: `pairs: 128` repeats its 256 views of
    digits, `pairs: 32` its 64 views of photographs.

    Settings:
        classes: how many labels; where there are no more, each label is a class, once. kl_weight: of the divergence.
        public: the labels of the public code, and its classifier's gradient that is never cleared.
        binarization: heaviside, whose bits are 0 and 1, or sign, whose bits are -1 and 1. deterministic: bits are 1
            where p exceeds 1/2, without chance. classifier_bias: whether the classifier has one. (The last three are
            options of the public code that none of its configs uses.)
    """

    classes: int = 10_000
    kl_weight: float = 0.1
    public: bool = False
    binarization: Literal["heaviside", "sign"] = "heaviside"
    deterministic: bool = False
    classifier_bias: bool = True

    def begin(self) -> None:
        """Make the labels and the classifier, which starts as torch's linear layers: uniform within 1 / sqrt(bits)."""
        if self.binarization not in _LEAST_BITS:
            raise unknown("binarization", self.binarization, _LEAST_BITS, "objective jmlh")
        at_least("jmlh", 2, classes=self.classes)
        at_least("jmlh", 0, kl_weight=self.kl_weight)
        self.keeps_gradient = self.public
        if not self.public and self.label_count <= self.classes:
            self.labels, self.classes = np.arange(self.label_count), self.label_count
        elif self.public:
            self.labels = public_labels(self.classes, self.label_count, self.mosaic_images)
        else:
            self.labels = stream(self.seed, "equihash", "classes").integers(self.label_count, size=self.classes)
        chance = stream(self.seed, "equihash", "classifier")
        self.weight = linear_start(chance, (self.classes, self.bits), self.bits)
        self.bias = linear_start(chance, (self.classes,), self.bits) if self.classifier_bias else None

    def draw(self, generator: np.random.Generator, pairs: int) -> Batch:
        """Draw the class of each view on its own; targets are the numbers of the classes, (pairs, 2)."""
        classes = generator.integers(self.classes, size=(pairs, 2))
        return Batch(self.labels[classes], classes)

    def forward(
        self, logits: torch.Tensor, targets: torch.Tensor, step: int, source: Source
    ) -> dict[str, torch.Tensor]:
        """Return the terms classification and divergence (see `Objective.forward`)."""
        p = logits.sigmoid()
        chance = 0.5 if self.deterministic else source.uniform(*p.shape).to(p.device)
        hard = (p > chance).to(p.dtype)
        if least := _LEAST_BITS[self.binarization]:
            hard = hard * (1 - least) + least
        bits = hard + p - p.detach()
        # p log 2p + (1 - p) log 2(1 - p)
        divergence = p * logsigmoid(logits) + (1 - p) * logsigmoid(-logits) + np.log(2)
        return {
            "classification": self._classification(bits.flatten(0, 1), targets.flatten()),
            "divergence": self.kl_weight * divergence.sum(2).mean(),
        }

    def _classification(self, bits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of the classifier on bits (N, k), whose classes are targets, int64 (N,).

        Scores of many classes take gigabytes. So where there are more than `_SCORES`, memory holds those of some rows
        at a time: they are computed, added up, and for the gradient computed again.
        """
        rows = max(1, _SCORES // self.classes)
        if len(bits) <= rows:
            return cross_entropy(self._scores(bits), targets)
        parts = zip(bits.split(rows), targets.split(rows))
        lost = [checkpoint(self._lost, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
        return torch.stack(lost).sum() / len(bits)

    def _lost(self, bits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return cross_entropy(self._scores(bits), targets, reduction="sum")

    def _scores(self, bits: torch.Tensor) -> torch.Tensor:
        scores = bits @ self.weight.t()
        return scores if self.bias is None else scores + self.bias
