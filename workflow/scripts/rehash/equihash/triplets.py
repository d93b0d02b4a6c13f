"""How well a network tells views of one label from views of another: Hamming distances of triplets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from rehash.equihash.entropy import tuple_entropies
from rehash.equihash.mosaics import Mosaics
from rehash.equihash.tuples import Tuples
from rehash.errors import InputError
from rehash.seeds import stream

RADII = (0, 1, 2)
_LARGEST_TUPLE = 4
_KINDS = {"pair_a1": 0, "pair_a2": 0, "pair_b1": 1}  # kind of view -> which label of a pair


@dataclass(frozen=True)
class Triplets:
    """The bits of n triplets: two views of a label, and a view of another.

    first, second, other: bool (n, k), on the device of the network.
    """

    first: torch.Tensor
    second: torch.Tensor
    other: torch.Tensor

    @property
    def same(self) -> np.ndarray:
        """Hamming distances of the two views of one label, int64 (n,)."""
        return (self.first ^ self.second).sum(1).cpu().numpy()

    @property
    def different(self) -> np.ndarray:
        """Hamming distances of views of different labels, int64 (n,)."""
        return (self.first ^ self.other).sum(1).cpu().numpy()


def draw_pairs(label_count: int, n: int, *, seed: int, name: str) -> np.ndarray:
    """Pairs of labels, int64 (n, 2), in which no label comes twice, so that pairs are independent.

    Fewer than n where there are not so many labels.

    Raises:
        InputError: there are fewer than two.
    """
    if label_count < 2:
        raise InputError(f"{name}: {label_count} label; pairs of views need two that differ, so a larger bank")
    n = min(n, label_count // 2)
    return stream(seed, "equihash", "labels of triplets", name).choice(label_count, (n, 2), replace=False)


def see_triplets(
    network: Callable[[torch.Tensor], torch.Tensor], mosaics: Mosaics, labels: np.ndarray, *, seed: int, name: str
) -> Triplets:
    """What a network, in evaluation mode, makes of triplets of `labels`, int64 (n, 2), block by block.

    seed, name: of the streams of the views (see `Mosaics.batches`).
    """
    return Triplets(
        *(
            torch.cat(list(_bits(network, mosaics, labels[:, column], seed, name, kind)))
            for kind, column in _KINDS.items()
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
    """The numbers that training is watched by.

    recall_at_r: share of same-label pairs within Hamming distance r. precision_at_r: of the pairs within r, one
    different-label pair to each same-label pair, the share that has one label; NaN if there is none.
    same_distance_median, different_distance_median. entropy_worst_n, entropy_median_n: of tuples of n bits, in bits,
    over one view of each label: all tuples up to three, of four a cover of the pairs. distinct_codes: the number of
    different codes among these views, as a share of the views.
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
    found["distinct_codes"] = len(torch.unique(codes, dim=0)) / len(codes)
    return found


@cache
def _tuples(bits: int, size: int) -> Tuples:
    if size < _LARGEST_TUPLE:
        return Tuples.all(bits, size)
    return Tuples.cover(bits, size, 2, 0, stream(0, "equihash", "tuples whose entropy is watched"))
