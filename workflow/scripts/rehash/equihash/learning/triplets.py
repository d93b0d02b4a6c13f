"""Hamming distances of triplets of views: how well a network tells views of one label from views of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from rehash.equihash.databases.queries import TRIPLET
from rehash.equihash.images.mosaics import Mosaics
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.tuple_entropy.entropy import tuple_entropies
from rehash.tuple_entropy.tuples import Tuples

RADII = (0, 1, 2)
_LARGEST_TUPLE = 4
_COVERED = 3  # of these tuples the public number, over a cover, stands beside ours


@dataclass(frozen=True)
class Triplets:
    """The bits of n triplets of views: two views of one label and a view of another label.

    first, second, other: bool (n, k), on the device of the network.
    """

    first: torch.Tensor
    second: torch.Tensor
    other: torch.Tensor

    @property
    def same(self) -> np.ndarray:
        """Return the Hamming distances of the two views of one label, int64 (n,)."""
        return (self.first ^ self.second).sum(1).cpu().numpy()

    @property
    def different(self) -> np.ndarray:
        """Return the Hamming distances of views of different labels, int64 (n,)."""
        return (self.first ^ self.other).sum(1).cpu().numpy()


def draw_pairs(label_count: int, n: int, *, seed: int, name: str, repeated: bool = False) -> np.ndarray:
    """Draw pairs of labels that differ, int64 (n, 2), in which no label occurs twice, so that pairs are independent.

    Where there are fewer than 2 n labels, there are fewer than n pairs; or, `repeated`, n pairs in rounds that follow
    each other, in each of which no label occurs twice. Classes and identities are repeated: there may be few, and their
    views show other images, so that two pairs of one class are nearly independent, too.

    Raises:
        InputError: there are fewer than two labels.
    """
    if label_count < 2:
        raise InputError(f"{name}: {label_count} label; pairs of views need two that differ, so a larger bank")
    chance, together = stream(seed, "equihash", "labels of triplets", name), min(n, label_count // 2)
    rounds = -(-n // together) if repeated else 1
    return np.concatenate([chance.choice(label_count, (together, 2), replace=False) for _ in range(rounds)])[:n]


def see_triplets(
    network: Callable[[torch.Tensor], torch.Tensor], mosaics: Mosaics, labels: np.ndarray, *, seed: int, name: str
) -> Triplets:
    """Compute the bits that a network, in evaluation mode, gives to a triplet of views of each pair of labels.

    Views are made and hashed block by block.

    Args:
        labels: pairs, int64 (n, 2).
        seed, name: of the views' random numbers (see `Mosaics.batches`).
    """
    return Triplets(
        *(
            torch.cat(list(_bits(network, mosaics, labels[:, column], seed, name, kind)))
            for kind, column in TRIPLET.items()
        )
    )


def _bits(
    network: Callable[[torch.Tensor], torch.Tensor],
    mosaics: Mosaics,
    labels: np.ndarray,
    seed: int,
    name: str,
    kind: str,
) -> Iterator[torch.Tensor]:
    with torch.inference_mode():
        for _, views in mosaics.batches(labels, 0, seed=seed, name=name, kind=kind):
            yield network(views) > 0


def summary(triplets: Triplets) -> dict[str, float]:
    """Return the numbers that training is watched by.

    recall_at_r: the share of same-label pairs within Hamming distance r. precision_at_r: the share of same-label pairs
    among all pairs within r, with as many different-label as same-label pairs; NaN if no pair is within r.
    same_distance_median, different_distance_median: in bits. entropy_worst_n, entropy_median_n: the least and the
    median entropy (bits) of tuples of n bits over one view of each label of each pair, of all tuples for n up to 3, and
    for n = 4 of tuples that cover all pairs of bits; entropy_worst_3_cover is the least of such triples, as the public
    code has it. distinct_codes: the number of different codes among these views, as a share of the views.
    """
    same, different = triplets.same, triplets.different
    found: dict[str, float] = {}
    for r in RADII:
        hits, wrong = int((same <= r).sum()), int((different <= r).sum())
        found[f"recall_at_{r}"] = hits / len(same)
        found[f"precision_at_{r}"] = hits / (hits + wrong) if hits + wrong else float("nan")
    found["same_distance_median"] = float(np.median(same))
    found["different_distance_median"] = float(np.median(different))
    codes = torch.cat([triplets.first, triplets.other])
    for size in range(1, _LARGEST_TUPLE + 1):
        entropies = tuple_entropies(codes.float(), _tuples(codes.shape[1], size)) / np.log(2)
        found[f"entropy_worst_{size}"] = float(entropies.min())
        found[f"entropy_median_{size}"] = float(entropies.median())
        if size == _COVERED:
            entropies = tuple_entropies(codes.float(), _tuples(codes.shape[1], size, cover=True)) / np.log(2)
            found[f"entropy_worst_{size}_cover"] = float(entropies.min())
    found["distinct_codes"] = len(torch.unique(codes, dim=0)) / len(codes)
    return found


@cache
def _tuples(bits: int, size: int, cover: bool = False) -> Tuples:
    if size < _LARGEST_TUPLE and not cover:
        return Tuples.all(bits, size)
    return Tuples.cover(bits, size, 2, 0, stream(0, "equihash", "tuples whose entropy is watched"))
