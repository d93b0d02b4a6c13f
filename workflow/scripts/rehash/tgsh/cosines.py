"""Cosines of many responses: float32 products or, of wide responses, exact products of rounded ones.

A core with AVX-512 multiplies bytes about eight times as fast as float32 numbers. So responses of at least `WIDE`
units are divided by their largest entry and rounded to whole numbers from -127 to 127, and the cosines are those of the
rounded responses. Their products are sums of whole numbers, and so the same on any device and for any number of
threads; where bytes are not fast, parts of the sums that float32 holds exactly are added. A cosine is off by about
0.0003 (`rehash.tgsh.responses` says what that does to its tables). Products of narrower responses are float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

WIDE = 4096  # units; the fewer there are, the more does rounding an entry matter
PARTS = 4
_MOST = 2**31 // 127**2  # units whose products fit into 32 bits
_EXACT = 2**24 // 127**2  # units whose products float32 sums exactly


@dataclass(frozen=True)
class Directions:
    """Rows whose cosines are wanted: numbers (N, U), float32 or int8, times scales (N,).

    lengths: (N,), of each row of numbers.
    """

    numbers: torch.Tensor
    lengths: torch.Tensor
    scales: torch.Tensor

    @classmethod
    def of(cls, rows: torch.Tensor) -> Directions:
        """Prepare float32 rows (N, U), which are overwritten; one of zeros alone has the cosine 0 with every other."""
        if WIDE <= rows.shape[1] <= _MOST:
            largest = torch.maximum(rows.amax(1), -rows.amin(1)).clamp_min(1e-30)  # so that 0 stays 0
            whole = rows.mul_(127 / largest[:, None]).round_()
            return cls(whole.to(torch.int8), _lengths(whole), largest / 127)
        lengths = _lengths(rows)
        return cls(rows.div_(lengths[:, None]), torch.ones_like(lengths), lengths)

    @property
    def sizes(self) -> torch.Tensor:
        """Return the length (N,) of each row as it was given."""
        return self.lengths * self.scales

    def cosines(self, others: Directions) -> torch.Tensor:
        """Compute the cosine, float32 (N, M), of each row and each of the others."""
        if self.numbers.dtype != torch.int8:
            return self.numbers @ others.numbers.t()
        found = products(self.numbers, others.numbers).to(self.lengths.dtype)
        return found.mul_(1 / self.lengths[:, None]).mul_(1 / others.lengths)

    def own_cosines(self) -> torch.Tensor:
        """Compute the cosine, float32 (N, N), of each two rows; every pair is multiplied once, or little more."""
        count = len(self.numbers)
        found = self.lengths.new_empty((count, count))
        for first in range(0, count, -(-count // PARTS)):
            part = slice(first, first - (-count // PARTS))
            found[part, first:] = self[part].cosines(self[first:])
            found[part.stop :, part] = found[part, part.stop :].t()
        return found

    def __getitem__(self, rows: slice) -> Directions:
        return Directions(self.numbers[rows], self.lengths[rows], self.scales[rows])


def products(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute the exact products of int8 rows, (N, U) with (M, U), as int32 (N, M)."""
    if multiplies_bytes(a.device):
        return torch._int_mm(a, b.t())
    found = torch.zeros((len(a), len(b)), dtype=torch.int32, device=a.device)
    for first in range(0, a.shape[1], _EXACT):
        part = slice(first, first + _EXACT)
        found += (a[:, part].float() @ b[:, part].float().t()).to(torch.int32)
    return found


def multiplies_bytes(device: torch.device) -> bool:
    """Return whether products of bytes are faster than those of float32 numbers: on a CPU with AVX-512."""
    fast = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"
    return fast and hasattr(torch, "_int_mm")  # torch calls it private


def _lengths(rows: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(rows, dim=1).clamp_min(_tiny(rows))


def _tiny(rows: torch.Tensor) -> float:
    return torch.finfo(rows.dtype).tiny
