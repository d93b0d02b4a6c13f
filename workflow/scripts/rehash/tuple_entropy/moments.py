"""Moments of bits: the sum over rows of the product of a subset's bits, for all subsets of given tuples at once.

There is one number for each subset of up to four bits. The moments of two and of three bits are products of the matrix
of bits with itself and with the matrix of pairs, those of four bits are products of the matrix of pairs with itself.
The gradient of any function of the moments, by each bit of each row, is computed from such products too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rehash.tuple_entropy.tuples import Tuples

_SPAN = 4  # 4-tuples whose second bits are in one span share a matrix; wide spans leave more of it unused


class Block(NamedTuple):
    """The 4-tuples (a, b, c, d) with b in one span: `part` of all, in a matrix of pairs (a, b) by pairs (c, d)."""

    part: slice
    left: Tensor  # numbers of the pairs (a, b)
    right: int  # number of the first pair (c, d); the others are those after it


class TupleMaps(NamedTuple):
    """Index maps of a set of tuples.

    Pairs of bits are numbered from 0 to P - 1, in the order of itertools.combinations.

    Attributes:
        members: (size, M), the bits of each tuple, ascending. order: (M,), the tuples' numbers in the Tuples.
        pairs: (K, K), the number of each pair of bits.
        triples: (P, K), for a pair and a bit: the place in a table (P, K) of the pair of the lower two of the three
            bits and the highest one; where the bit is in the pair, 0, which is no triple's place. Empty for tuples of
            1 and 2 bits.
        places: (M,), the place of each 4-tuple in its block's matrix; empty for smaller tuples, as blocks is.
        signs: (2^size, 2^size), the sign of each subset (columns) in each outcome (rows), both in the order of binary
            numbers.
    """

    members: Tensor
    order: Tensor
    pairs: Tensor
    triples: Tensor
    places: Tensor
    blocks: tuple[Block, ...]
    signs: Tensor


@lru_cache(maxsize=8)
def tuple_maps(tuples: Tuples, device: torch.device) -> TupleMaps:
    """Return the index maps of tuples on a device; they are cached for the next call with the same Tuples."""
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
    return TupleMaps(*(tensor.to(device) for tensor in arrays), tuple(blocks), signs.to(device))


def slices(total: int, bytes_each: int, chunk_bytes: int) -> list[slice]:
    """Split `total` elements into slices of at most `chunk_bytes`, with at least one element in each."""
    step = max(1, chunk_bytes // bytes_each)
    return [slice(first, min(first + step, total)) for first in range(0, total, step)]


def _pair_parts(bits_KN: Tensor, maps: TupleMaps, chunk_bytes: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield slices of the rows and their products of pairs, (P, n), which are valid until the next are asked for."""
    (K, N), P = bits_KN.shape, len(maps.triples)
    parts = slices(N, 8 * P * (2 if maps.blocks else 1), chunk_bytes) if P else []
    memory = bits_KN.new_empty(P, parts[0].stop) if P else None
    for part in parts:
        bits, products = bits_KN[:, part], memory[:, : part.stop - part.start]
        for a, of_a in enumerate(products.split([*range(K - 1, 0, -1)])):
            torch.mul(bits[a], bits[a + 1 :], out=of_a)
        yield part, products


class Moments(NamedTuple):
    """Sums over rows of products of bits (not means, so that counts of hard bits stay whole), or slopes by these sums.

    Attributes:
        table: (1 + K + K K + P K,), for no bit, each bit, each two bits, and each pair with a third bit; without the
            last P K for tuples of 1 and 2 bits.
        fours: (M,), for the 4-tuples of the maps; empty for smaller tuples.
    """

    table: Tensor
    fours: Tensor

    def split(self, K: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return views of the table by the number of bits: (K,), (K, K) and (P, K)."""
        single, double, triple = self.table[1:].tensor_split((K, K + K * K))
        return single, double.view(K, K), triple.view(-1, K)


def moments_of(bits_KN: Tensor, maps: TupleMaps, chunk_bytes: int) -> Moments:
    """Compute the moments of bits, or of probabilities of bits, float64 (K, N)."""
    K, N = bits_KN.shape
    moments = Moments(bits_KN.new_zeros(1 + K + K * K + maps.triples.numel()), bits_KN.new_zeros(len(maps.places)))
    single, double, triple = moments.split(K)
    moments.table[0] = N
    torch.sum(bits_KN, 1, out=single)
    torch.mm(bits_KN, bits_KN.T, out=double)
    for part, products in _pair_parts(bits_KN, maps, chunk_bytes):
        triple.addmm_(products, bits_KN[:, part].T)
        for block in maps.blocks:
            matrix = products[block.left] @ products[block.right :].T
            moments.fours[block.part] += matrix.flatten()[maps.places[block.part]]
    return moments


def gather(moments: Moments, maps: TupleMaps, part: slice) -> tuple[Tensor, Tensor]:
    """Return the moments of all subsets of some tuples, (2^size, m), and the table's places of those of up to 3 bits.

    Subsets are in the order of binary numbers, whose first digit is the tuple's first bit.
    """
    members, K = maps.members[:, part], len(maps.pairs)
    places = []
    for subset in range(min(len(maps.signs), 15)):
        held = [bit for j, bit in enumerate(members) if subset >> (len(members) - 1 - j) & 1]
        if len(held) == 3:
            places.append(1 + K + K * K + K * maps.pairs[held[0], held[1]] + held[2])
        elif len(held) == 2:
            places.append(1 + K + K * held[0] + held[1])
        else:
            places.append(1 + held[0] if held else torch.zeros_like(members[0]))
    products = moments.table[torch.stack(places)]
    return (torch.cat([products, moments.fours[None, part]]) if maps.blocks else products), torch.cat(places)


def scatter(slopes: Moments, maps: TupleMaps, part: slice, places: Tensor, by_subset: Tensor) -> None:
    """Add the slopes of some tuples, by subset, at the places that `gather` returned for these tuples."""
    if maps.blocks:
        slopes.fours[part] = by_subset[-1]
    values = by_subset.flatten()[: len(places)]
    add_at(slopes.table, places, values)


def add_at(total: Tensor, places: Tensor, values: Tensor) -> None:
    """Add values, (n, ...), at places of a total's first axis, int64 (n,), always in one order."""
    if values.is_cuda:  # on CUDA index_add_ adds in random order, while index_put_ sorts first
        total.index_put_((places,), values, accumulate=True)
    else:
        total.index_add_(0, places, values)


def gradient_of(bits_KN: Tensor, slopes: Moments, maps: TupleMaps, chunk_bytes: int) -> Tensor:
    """Compute the gradient, (K, N), by each bit of each row, of the sum over moments of slope times moment."""
    K = len(bits_KN)
    single, double, triple = slopes.split(K)
    found = torch.addmm(single[:, None], double + double.T, bits_KN)
    third = triple.flatten()[maps.triples.T]
    for part, products in _pair_parts(bits_KN, maps, chunk_bytes):
        mine, bits = found[:, part], bits_KN[:, part]
        mine.addmm_(third, products)
        if maps.blocks:
            by_pair = torch.zeros_like(products)
            for block in maps.blocks:
                left, right = products[block.left], products[block.right :]
                matrix = left.new_zeros(len(left), len(right))
                matrix.view(-1)[maps.places[block.part]] = slopes.fours[block.part]
                by_pair[block.right :].addmm_(matrix.T, left)
                by_pair.index_add_(0, block.left, matrix @ right)
            for a, of_a in enumerate(by_pair.split([*range(K - 1, 0, -1)])):
                mine[a] += (of_a * bits[a + 1 :]).sum(0)
                mine[a + 1 :].addcmul_(of_a, bits[a])
    return found
