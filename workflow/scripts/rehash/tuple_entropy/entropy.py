"""Entropies of tuples of bits of neural codes, and the gradient of their sum, as a few products of matrices.

The joint distribution of independent bits is multilinear in their probabilities u: the bits in W are 1 and the others
of a tuple are 0 with probability prod_{j in W} u_j prod_{j not in W} (1 - u_j), a signed sum of products over subsets.
So the sums over rows of u_a, u_a u_b, u_a u_b u_c and u_a u_b u_c u_d, one number for each subset of the bits, give the
distributions q of all tuples. The derivatives of the entropies by these sums are their slopes (log q combined with the
same signs). In each row, the gradient by u_i is the sum over subsets that hold i of the slope times the product of the
subset's other bits. Both steps are products of the matrix of bits with the matrix of pairs, or of pairs with pairs. For
triples they take an eighth of the work of products with all outcomes (2 of a bit, 4 of a pair), for 4-tuples a
sixteenth.

The price is that differences cancel. Where a bit is more often 1 than 0, u is the probability of 0, so that nothing is
lost on bits that hardly vary. Where too much is lost (bits that agree in every row), the distribution is computed anew
as a sum of the probabilities of its outcomes, without a difference. All is float64, which is exact on counts of hard
bits.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rehash.errors import InputError
from rehash.tuple_entropy import outcomes
from rehash.tuple_entropy.bounds import MOST_BITS, SMALL
from rehash.tuple_entropy.moments import (
    Moments,
    TupleMaps,
    gather,
    gradient_of,
    moments_of,
    scatter,
    slices,
    tuple_maps,
)
from rehash.tuple_entropy.tuples import Tuples

CHUNK_BYTES = 2**25  # small enough for a CPU's caches to help, large enough to keep a GPU busy
_LOST = 2.0**-20  # share of its first term below which a difference has fewer than about 30 correct bits


def tuple_entropy(
    logits_NK: Tensor,
    tuples: Tuples,
    *,
    discrete: bool = False,
    prior: float = 1.0,
    chunk_bytes: int = CHUNK_BYTES,
) -> Tensor:
    """Return the sum over tuples of the entropy of their bits' joint distribution, averaged over the batch, in nats.

    With p = sigmoid(z), q(v) is the mean over rows of prod_j p_j^v_j (1 - p_j)^(1 - v_j), and the entropy -sum q log q.
    The sum is differentiable once; the gradient is computed together with the value:

        -p_i (1 - p_i) / N * sum over tuples that hold i, and outcomes w of the rest, of P(w) log(q(1, w) / q(0, w))

    discrete: the ratio in the logarithm becomes (c1 + prior) / (c0 + prior), with c1 and c0 the numbers of rows whose
    bits (z > 0) are (1, w) and (0, w). The other factors stay soft, so this is not the gradient of the value, which is
    the entropy of the hard bits' joint distribution, without the prior. (In Duchesneau's losses/entropy.py this is
    gradient_type "pseudo-smooth", and the above "normal", the default; from 5 to 31 January 2024 the two names were
    exchanged.)

    Equal input gives equal bytes, also on CUDA, where nothing is added in a random order. Pass the same Tuples object
    from call to call, since the index maps prepared for it are cached.

    Args:
        logits_NK: float32 or float64; another type is cast to float32. The device must support float64.
        prior: rows that are added to each count, above 0.
        chunk_bytes: about the memory held at a time, beside a few numbers for each tuple and each three of the bits.

    Returns:
        (), of the logits' type.

    Raises:
        InputError: the logits are not of the tuples' bits, the tuples are of one bit, or the prior is not positive.
    """
    _check(logits_NK, tuples)
    if tuples.size == 1:
        raise InputError(f"entropy: tuples of 1 bit; expected 2 to {MOST_BITS}")
    if not prior > 0:
        raise InputError(f"entropy: a prior of {prior} rows; expected more than 0")
    logits_NK = logits_NK.to(torch.promote_types(logits_NK.dtype, torch.float32))
    return _TupleEntropy.apply(logits_NK, tuples, prior if discrete else None, chunk_bytes)


@torch.no_grad()
def tuple_entropies(values_NK: Tensor, tuples: Tuples, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Return the entropy of each tuple in nats, float64 (M,), in the tuples' order.

    Args:
        values_NK: probabilities, or bits as 0 and 1, of any type.
        chunk_bytes: see `tuple_entropy`.

    Raises:
        InputError: the values are not of the tuples' bits, or not in [0, 1].
    """
    _check(values_NK, tuples)
    low, high = values_NK.min().item(), values_NK.max().item()
    if not 0 <= low <= high <= 1:
        raise InputError(f"entropies: values from {low} to {high}; expected probabilities or bits, in [0, 1]")
    ones = values_NK.T.double().contiguous()
    if tuples.size > SMALL:
        values = torch.stack([1 - ones, ones], 1)
        return outcomes.entropies(values, outcomes.members_of(tuples, ones.device), chunk_bytes)
    maps = tuple_maps(tuples, ones.device)
    moments, entropies = moments_of(ones, maps, chunk_bytes), ones.new_empty(len(tuples))
    for part in _parts(maps, chunk_bytes):
        products, _ = gather(moments, maps, part)
        entropies[maps.order[part]] = outcomes.entropies_of(maps.signs @ products, len(values_NK))[0]
    return entropies


def _check(codes_NK: Tensor, tuples: Tuples) -> None:
    if codes_NK.ndim != 2 or not len(codes_NK) or codes_NK.shape[1] != tuples.bits:
        raise InputError(f"entropy: codes are {tuple(codes_NK.shape)}; expected (N, {tuples.bits}) with N at least 1")


def _parts(maps: TupleMaps, chunk_bytes: int) -> list[slice]:
    """Split the tuples into slices, given that about 8 arrays with a number for each outcome are held at a time."""
    return slices(len(maps.order), 8 * 8 * len(maps.signs), chunk_bytes)


class _TupleEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits_NK: Tensor, tuples: Tuples, prior: float | None, chunk_bytes: int) -> Tensor:
        rows, logits = len(logits_NK), logits_NK.T.double().contiguous()
        ones, zeros = logits.sigmoid(), logits.neg().sigmoid()
        if tuples.size > SMALL:
            values = torch.stack([zeros, ones], 1)
            hard = None if prior is None else torch.stack([logits <= 0, logits > 0], 1).double()
            members = outcomes.members_of(tuples, logits.device)
            if not ctx.needs_input_grad[0]:
                found = outcomes.entropies(values if hard is None else hard, members, chunk_bytes)
                return found.sum().to(logits_NK.dtype)
            value, slopes = outcomes.sum_of_entropies(values, hard, prior, members, chunk_bytes)
            gradient = (slopes[:, 1] - slopes[:, 0]).mul_(ones).mul_(zeros).div_(rows)
            ctx.save_for_backward(gradient.T.to(logits_NK.dtype).contiguous())
            return value.to(logits_NK.dtype)
        maps = tuple_maps(tuples, logits.device)
        turned = ones.sum(1, keepdim=True) > zeros.sum(1, keepdim=True)
        rare, common = torch.where(turned, zeros, ones), torch.where(turned, ones, zeros)
        counted = rare if prior is None else ((logits > 0) ^ turned).double()
        moments, value = moments_of(counted, maps, chunk_bytes), logits.new_zeros(())
        slopes = Moments(*map(torch.zeros_like, moments))
        for part in _parts(maps, chunk_bytes):
            products, places = gather(moments, maps, part)
            counts = maps.signs @ products
            if prior is None:
                _count_again(counts, products, maps.members[:, part], (common, rare), chunk_bytes)
            entropies, logs = outcomes.entropies_of(counts, rows)
            value += entropies.sum()
            if prior is not None:
                logs = (counts + prior).log()
            scatter(slopes, maps, part, places, -(maps.signs.T @ logs))
        if ctx.needs_input_grad[0]:
            gradient = gradient_of(rare, slopes, maps, chunk_bytes).mul_(ones).mul_(zeros).div_(rows)
            ctx.save_for_backward(torch.where(turned, -gradient, gradient).T.to(logits_NK.dtype).contiguous())
        return value.to(logits_NK.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, above: Tensor) -> tuple[Tensor, None, None, None]:
        return above * ctx.saved_tensors[0], None, None, None


def _count_again(
    counts: Tensor, products: Tensor, members: Tensor, by_outcome: tuple[Tensor, Tensor], chunk_bytes: int
) -> None:
    """Replace a tuple's counts by sums over outcomes where a count is far below the first term of its difference."""
    lost = (counts < products * _LOST).any(0).nonzero().flatten()
    values = torch.stack(by_outcome, 1)  # (K, 2, N)
    for part in slices(len(lost), 8 * 16 * values.shape[2], chunk_bytes):
        counts[:, lost[part]] = outcomes.count_outcomes(values, members[:, lost[part]])
