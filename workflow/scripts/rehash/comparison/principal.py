"""Principal directions of many features, in memory that their number does not matter to.

Sums are float64, block by block, so that equal features give equal directions. Shape suffixes: N inputs, D features,
K directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from rehash.errors import InputError

_BLOCK = 2**21  # numbers of a block of features
_COLUMNS = 512  # of a part of the covariance, of which those below its diagonal are left out


@dataclass(frozen=True, eq=False)
class Features:
    """What a method is fitted on: numbers of each input, float32 (N, D), and the key of the config that asks."""

    numbers: np.ndarray
    where: str

    @cached_property
    def mean(self) -> torch.Tensor:
        """Compute the mean input, float64 (D,)."""
        return sum(block.sum(0) for block in self._blocks()) / len(self.numbers)

    def _blocks(self) -> Iterator[torch.Tensor]:
        step = max(1, _BLOCK // self.numbers.shape[1])
        for start in range(0, len(self.numbers), step):
            yield torch.from_numpy(self.numbers[start : start + step]).double()

    @cached_property
    def directions(self) -> torch.Tensor:
        """Compute all directions in which the inputs vary, float64 (K, D) of length 1, those of most variance first.

        A direction is told from rounding as `numpy.linalg.matrix_rank` tells it. Its sign is such that the entry of
        largest size is positive.
        """
        upper = torch.zeros(len(self.mean), len(self.mean), dtype=torch.float64)
        for block in self._blocks():
            block -= self.mean
            for start in range(0, len(upper), _COLUMNS):
                stop = start + _COLUMNS
                upper[start:stop, start:].addmm_(block[:, start:stop].t(), block[:, start:])
        variances, columns = torch.linalg.eigh(upper, UPLO="U")
        least = variances[-1] * max(self.numbers.shape) * torch.finfo(torch.float64).eps
        found = columns[:, variances > least].flip(1).t()
        largest = found.gather(1, found.abs().argmax(1, keepdim=True))
        return (found * largest.sign()).contiguous()

    def first_directions(self, count: int, kind: str) -> torch.Tensor:
        """Return the first directions, float64 (count, D).

        Raises:
            InputError: there are fewer; names how many there are.
        """
        if len(self.directions) < count:
            raise InputError(
                f"{self.where}: {count} bits of {kind} need as many directions in which inputs vary; the "
                f"{len(self.numbers)} train inputs of {self.numbers.shape[1]} numbers have {len(self.directions)}: "
                f"expected at most {len(self.directions)} bits"
            )
        return self.directions[:count]

    def along(self, directions: torch.Tensor) -> torch.Tensor:
        """Compute the inputs' coordinates, less those of the mean, along directions (K, D): float64 (N, K)."""
        found, at = torch.empty(len(self.numbers), len(directions), dtype=torch.float64), 0
        for block in self._blocks():
            block -= self.mean
            torch.mm(block, directions.t(), out=found[at : at + len(block)])
            at += len(block)
        return found
