"""Moments of bits: the sums over rows of the products of those of a subset, for all subsets of given tuples at once.

One number for each subset of up to four bits. Those of pairs and of three are products of the matrix of bits with
itself and with the matrix of pairs, those of four of the matrix of pairs with itself. And so is the gradient, by each
bit of each row, of any function of the moments.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rehash.equihash.tuples import Tuples

_SPAN = 4  # 4-tuples share a matrix by spans of their second bit: fewer, larger matrices, but more in them is unused


class Block(NamedTuple):
    """4-tuples (a, b, c, d) by a span of b: `part` of a plan's, within a matrix of pairs (a, b) by pairs (c, d)."""

    part: slice
    left: Tensor  # numbers of the pairs (a, b)
    right: int  # number of the first pair (c, d); the others are those after it


class Plan(NamedTuple):
    """Where what belongs to tuples is found. Pairs have numbers, 0 to P - 1, in the order of itertools.combinations.

    Attributes:
        members: (size, M), ascending in each tuple. order: (M,), their numbers among the Tuples.
        pairs: (K, K), numbers of pairs.
        triples: (P, K), of a pair and a bit the place in (P, K) of the pair of the lower two of the three, and the
            highest; 0, the place of no three, where the bit is one of the pair. Of 3 and 4 bits only.
        places: (M,), of a 4-tuple in the matrix of its block. blocks: of 4 bits only.
        signs: (2^size, 2^size), of outcomes in the order of binary numbers, by subsets in the same order.
    """

    members: Tensor
    order: Tensor
    pairs: Tensor
    triples: Tensor
    places: Tensor
    blocks: tuple[Block, ...]
    signs: Tensor


@lru_cache(maxsize=8)
def plan_of(tuples: Tuples, device: torch.device) -> Plan:
    """Of tuples, on a device; kept for the next call with the same Tuples."""
    K, members = tuples.bits, np.sort(tuples.array(), 1)
    low, high = np.triu_indices(K, 1)
    pairs = np.zeros((K, K), np.int64)
    pairs[low, high] = pairs[high, low] = np.arange(len(low))
    order, triples, places, blocks = np.arange(len(members)), np.empty((0, K), np.int64), np.empty(0, np.int64), []
    if tuples.size > 2:
        three = np.sort(np.stack(np.broadcast_arrays(low[:, None], high[:, None], np.arange(K)), -1), -1)
        triples = pairs[three[..., 0], three[..., 1]] * K + three[..., 2]
        triples[(np.diff(three, axis=-1) == 0).any(-1)] = 0
    if tuples.size == 4:
        order = np.argsort(members[:, 1] // _SPAN, kind="stable")
        members, places = members[order], np.empty(len(members), np.int64)
        spans = members[:, 1] // _SPAN
        for span in np.unique(spans):
            part = slice(*np.searchsorted(spans, [span, span + 1]).tolist())
            a, b, c, d = members[part].T
            left, row = np.unique(pairs[a, b], return_inverse=True)
            right = int(pairs[c, d].min())
            places[part] = row * (len(low) - right) + pairs[c, d] - right
            blocks.append(Block(part, torch.from_numpy(left).to(device), right))
    signs = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(tuples.size):
        signs = torch.kron(signs, signs.new_tensor([[1, -1], [0, 1]]))
    arrays = (torch.from_numpy(np.ascontiguousarray(array)) for array in (members.T, order, pairs, triples, places))
    return Plan(*(tensor.to(device) for tensor in arrays), tuple(blocks), signs.to(device))


def slices(total: int, bytes_each: int, chunk_bytes: int) -> list[slice]:
    """Parts of `total` things, of at most so many bytes, or of one."""
    step = max(1, chunk_bytes // bytes_each)
    return [slice(first, min(first + step, total)) for first in range(0, total, step)]


def _pair_parts(bits_KN: Tensor, plan: Plan, chunk_bytes: int) -> Iterator[tuple[slice, Tensor]]:
    """Parts of the rows, and their products of pairs, (P, n): each for as long as the next is not asked for."""
    (K, N), P = bits_KN.shape, len(plan.triples)
    parts = slices(N, 8 * P * (2 if plan.blocks else 1), chunk_bytes) if P else []
    memory = bits_KN.new_empty(P, parts[0].stop) if P else None
    for part in parts:
        bits, products = bits_KN[:, part], memory[:, : part.stop - part.start]
        for a, of_a in enumerate(products.split([*range(K - 1, 0, -1)])):
            torch.mul(bits[a], bits[a + 1 :], out=of_a)
        yield part, products


class Moments(NamedTuple):
    """Sums over rows (not means, so that counts of hard bits stay whole), or slopes by them.

    Attributes:
        table: (1 + K + K K + P K,), of no bit, of a, of (a, b), and of a pair and c; P = 0 for tuples of 1 and 2 bits.
        fours: (M,), of the plan's 4-tuples.
    """

    table: Tensor
    fours: Tensor

    def split(self, K: int) -> tuple[Tensor, Tensor, Tensor]:
        """Views of the table: (K,), (K, K) and (P, K)."""
        single, double, triple = self.table[1:].tensor_split((K, K + K * K))
        return single, double.view(K, K), triple.view(-1, K)


def moments_of(bits_KN: Tensor, plan: Plan, chunk_bytes: int) -> Moments:
    """Of bits, or probabilities of bits, float64 (K, N)."""
    K, N = bits_KN.shape
    moments = Moments(bits_KN.new_zeros(1 + K + K * K + plan.triples.numel()), bits_KN.new_zeros(len(plan.places)))
    single, double, triple = moments.split(K)
    moments.table[0] = N
    torch.sum(bits_KN, 1, out=single)
    torch.mm(bits_KN, bits_KN.T, out=double)
    for part, products in _pair_parts(bits_KN, plan, chunk_bytes):
        triple.addmm_(products, bits_KN[:, part].T)
        for block in plan.blocks:
            matrix = products[block.left] @ products[block.right :].T
            moments.fours[block.part] += matrix.flatten()[plan.places[block.part]]
    return moments


def gather(moments: Moments, plan: Plan, part: slice) -> tuple[Tensor, Tensor]:
    """The moments of all subsets of some of the plan's tuples, (2^size, m), and where those of up to 3 bits stand.

    Subsets are in the order of binary numbers, their first digit the tuple's first bit.
    """
    members, K = plan.members[:, part], len(plan.pairs)
    places = []
    for subset in range(min(len(plan.signs), 15)):
        held = [bit for j, bit in enumerate(members) if subset >> (len(members) - 1 - j) & 1]
        if len(held) == 3:
            places.append(1 + K + K * K + K * plan.pairs[held[0], held[1]] + held[2])
        elif len(held) == 2:
            places.append(1 + K + K * held[0] + held[1])
        else:
            places.append(1 + held[0] if held else torch.zeros_like(members[0]))
    products = moments.table[torch.stack(places)]
    return (torch.cat([products, moments.fours[None, part]]) if plan.blocks else products), torch.cat(places)


def scatter(slopes: Moments, plan: Plan, part: slice, places: Tensor, by_subset: Tensor) -> None:
    """Add to the slopes those of some of the tuples, by what `gather` gave for them."""
    if plan.blocks:
        slopes.fours[part] = by_subset[-1]
    values = by_subset.flatten()[: len(places)]
    if values.is_cuda:  # there index_add_ is a race, and this sorts first
        slopes.table.index_put_((places,), values, accumulate=True)
    else:
        slopes.table.index_add_(0, places, values)


def gradient_of(bits_KN: Tensor, slopes: Moments, plan: Plan, chunk_bytes: int) -> Tensor:
    """By each bit of each row, (K, N), of the sum over moments of slope times moment."""
    K = len(bits_KN)
    single, double, triple = slopes.split(K)
    found = torch.addmm(single[:, None], double + double.T, bits_KN)
    third = triple.flatten()[plan.triples.T]
    for part, products in _pair_parts(bits_KN, plan, chunk_bytes):
        mine, bits = found[:, part], bits_KN[:, part]
        mine.addmm_(third, products)
        if plan.blocks:
            by_pair = torch.zeros_like(products)
            for block in plan.blocks:
                left, right = products[block.left], products[block.right :]
                matrix = left.new_zeros(len(left), len(right))
                matrix.view(-1)[plan.places[block.part]] = slopes.fours[block.part]
                by_pair[block.right :].addmm_(matrix.T, left)
                by_pair.index_add_(0, block.left, matrix @ right)
            for a, of_a in enumerate(by_pair.split([*range(K - 1, 0, -1)])):
                mine[a] += (of_a * bits[a + 1 :]).sum(0)
                mine[a + 1 :].addcmul_(of_a, bits[a])
    return found
