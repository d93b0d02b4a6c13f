"""Distributions of tuples of bits, outcome by outcome: sums of products without a difference, for tuples of any size.

The outcomes of a tuple are those of its first half of the bits times those of the others, so that the sums over rows of
their probabilities are, for each tuple, one product of matrices. Their number doubles with each bit. So tuples of few
bits have a faster way (`rehash.tuple_entropy.moments`), which needs this one where its differences cancel; and those of
more bits have only this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor

from rehash.tuple_entropy.moments import add_at, slices
from rehash.tuple_entropy.tuples import Tuples

_LEAST = torch.finfo(torch.float64).tiny


@lru_cache(maxsize=8)
def members_of(tuples: Tuples, device: torch.device) -> Tensor:
    """Return the bits of each tuple on a device, int64 (size, M); cached for the next call with the same Tuples."""
    return torch.from_numpy(tuples.array()).to(device).T.contiguous()


def entropies_of(counts: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Return the entropies (m,) of counts of outcomes (2^size, m), and the logarithms of their shares of the rows."""
    shares = counts / rows
    logs = shares.clamp_min(_LEAST).log_()
    return -(shares * logs).sum(0), logs


def count_outcomes(values: Tensor, bits: Tensor) -> Tensor:
    """Return the sum over rows of the probability of each outcome of tuples, (2^size, m).

    Outcomes are in the order of binary numbers, whose first digit is the tuple's first bit.

    Args:
        values: float64 (K, 2, N), the probabilities that each bit is 0 and that it is 1, in each row.
        bits: int64 (size, m), the bits of each tuple.
    """
    return (
        _products(values[bit] for bit in bits[: len(bits) // 2])
        .matmul(_products(values[bit] for bit in bits[len(bits) // 2 :]).mT)
        .flatten(1)
        .T
    )


def entropies(values: Tensor, members: Tensor, chunk_bytes: int) -> Tensor:
    """Return the entropy of each tuple in nats, float64 (M,); arguments as those of `sum_of_entropies`."""
    rows = values.shape[2]
    parts = _parts(values, members, chunk_bytes)
    return torch.cat([entropies_of(count_outcomes(values, members[:, part]), rows)[0] for part in parts])


def sum_of_entropies(
    values: Tensor, hard: Tensor | None, prior: float | None, members: Tensor, chunk_bytes: int
) -> tuple[Tensor, Tensor]:
    """Return the sum over tuples of their entropies in nats, (), and N times its slope by each value, (K, 2, N).

    The shares of a tuple's outcomes always sum to 1, so that their changes sum to 0 and the derivative of
    -sum q log q is -sum q' log q: that of the mean over rows of P(v) times -log q(v), with the logarithm held fixed.

    Args:
        values: see `count_outcomes`.
        hard: the same of hard bits, 0 and 1, whose entropies are returned, and whose counts plus `prior` are in the
            logarithms of the slopes; None for the values' own.
        members: int64 (size, M). chunk_bytes: about the memory held at a time.
    """
    value, slopes, half = values.new_zeros(()), torch.zeros_like(values), len(members) // 2
    for part in _parts(values, members, chunk_bytes):
        bits = members[:, part]
        with torch.enable_grad():
            mine = values[bits].requires_grad_()
            outcomes = _products(mine[:half]) @ _products(mine[half:]).mT
        counts = outcomes.detach().flatten(1).T if hard is None else count_outcomes(hard, bits)
        found, logs = entropies_of(counts, values.shape[2])
        value += found.sum()
        if hard is not None:
            logs = (counts + prior).log()
        (by_value,) = torch.autograd.grad(outcomes, mine, -logs.T.view_as(outcomes))
        add_at(slopes, bits.flatten(), by_value.flatten(0, 1))
    return value, slopes


def _parts(values: Tensor, members: Tensor, chunk_bytes: int) -> list[slice]:
    """Split the tuples into slices, given what each holds: values of bits, products of halves, and slopes of both."""
    size, rows = len(members), values.shape[2]
    held = 4 * size + 4 * 2 ** (size - size // 2) + 4 * 2 ** (size // 2)
    return slices(members.shape[1], 8 * (held * rows + 4 * 2**size), chunk_bytes)


def _products(values: Iterable[Tensor]) -> Tensor:
    """Return the product of the values of each outcome of n bits, (m, 2, N) each, in each row: (m, 2^n, N)."""
    first, *others = values
    for more in others:
        first = (first[:, :, None] * more[:, None]).flatten(1, 2)
    return first
