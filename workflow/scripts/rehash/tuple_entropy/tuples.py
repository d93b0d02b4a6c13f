"""Sets of tuples of bits: all tuples of a size, random covers, and tuples within groups of bits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, combinations
from math import comb

import numpy as np

from rehash.errors import InputError
from rehash.tuple_entropy.bounds import check_groups, check_size, check_tuples

_TRIES = 64


@dataclass(frozen=True, eq=False)
class Tuples:
    """Tuples of `size` different bits of `bits`: all of them, or `members`, int64 (M, size), each once.

    Raises:
        InputError: the size is not 2 to 8 (or 1, for evaluation), there are fewer bits, there are too many tuples of 5
            and more bits, or members do not fit.
    """

    bits: int
    size: int
    members: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_size(self.bits, self.size, "tuples", least=1)
        if self.members is not None:
            _check_members(self.members, self.bits, self.size)
        elif self.size > 1:
            check_tuples(self.bits, self.size)

    def __len__(self) -> int:
        return comb(self.bits, self.size) if self.members is None else len(self.members)

    def array(self) -> np.ndarray:
        """Return the tuples, int64 (M, size)."""
        return _combinations(self.bits, self.size) if self.members is None else self.members

    @classmethod
    def all(cls, bits: int, size: int) -> Tuples:
        """Return all tuples of `size` bits, in the order of itertools.combinations.

        Raises:
            InputError: the size is not 1 to 8, there are fewer bits, or there are too many tuples of 5 and more bits.
        """
        return cls(bits, size)

    @classmethod
    def cover(cls, bits: int, size: int, covered: int, count: int, generator: np.random.Generator) -> Tuples:
        """Draw at least `count` random distinct tuples, so that each `covered` bits are together in one of them.

        Each subset of `covered` bits is extended by random other bits, again and again until this gives a new tuple.
        (Where tuples are so few that it never does, the subset is in a tuple drawn before.) Then random tuples are
        added up to the count.

        Returns:
            max(count, number of subsets) tuples, sorted; there may be fewer than subsets where tuples are few.

        Raises:
            InputError: the size is not 2 to 8, `covered` is not 1 to size - 1, there are too few bits or tuples, or too
                many tuples of 5 and more bits.
        """
        if not covered:
            raise InputError(f"cover: of 0 bits each, by tuples of {size}; expected 1 to {size - 1}")
        check_tuples(bits, size, covered, count, "cover")
        possible = comb(bits, size)
        found, waiting = np.empty((0, size), np.int64), _combinations(bits, covered)
        for _ in range(_TRIES):
            if not len(waiting):
                break
            drawn = _extended(waiting, bits, size, generator)
            new = _new(drawn, found, bits)
            found, waiting = np.concatenate([found, drawn[new]]), waiting[~new]
        while (missing := count - len(found)) > 0:
            # With so many draws, the expected number that are not found yet is the number missing.
            draws = missing * possible // (possible - len(found))
            drawn = _extended(np.empty((draws, 0), np.int64), bits, size, generator)
            found = np.concatenate([found, drawn[_new(drawn, found, bits)][:missing]])
        return cls(bits, size, found[np.lexsort(found.T[::-1])])

    @classmethod
    def grouped(cls, bits: int, size: int, group: int, strided: bool = True) -> Tuples:
        """Return all tuples within groups of `group` bits, each once and sorted.

        Groups are aligned (0, 1, 2, ...) and, with `strided`, also strided (0, K / group, 2 K / group, ...).

        Raises:
            InputError: the size is not 2 to 8, the group does not divide the bits or is smaller than a tuple, or there
                are too many tuples of 5 and more bits.
        """
        check_groups(bits, size, group, strided)
        groups = np.arange(bits).reshape(-1, group)
        if strided:
            groups = np.concatenate([groups, np.arange(bits).reshape(group, -1).T])
        members = groups[:, _combinations(group, size)].reshape(-1, size)
        return cls(bits, size, np.unique(members, axis=0))


def _check_members(members: np.ndarray, bits: int, size: int) -> None:
    shape, dtype = np.shape(members), getattr(members, "dtype", type(members).__name__)
    if dtype != np.int64 or len(shape) != 2 or shape[0] < 1 or shape[1] != size:
        raise InputError(f"tuples: members are {dtype} {shape}; expected int64 (M, {size}) with M at least 1")
    if members.min() < 0 or members.max() >= bits:
        raise InputError(f"tuples: bits {members.min()} to {members.max()}; a code of {bits} has 0 to {bits - 1}")
    ascending = np.sort(members, 1)
    if (twice := (np.diff(ascending, axis=1) == 0).any(1)).any():
        raise InputError(f"tuples: {members[twice][0].tolist()} has a bit twice; expected {size} different bits")
    if not (new := _new(ascending, ascending[:0], bits)).all():
        raise InputError(f"tuples: {members[~new][0].tolist()} is there twice; expected each tuple once")


def _combinations(bits: int, size: int) -> np.ndarray:
    """Return all tuples of `size` bits, int64 (M, size), in the order of itertools.combinations."""
    return np.fromiter(chain.from_iterable(combinations(range(bits), size)), np.int64).reshape(-1, size)


def _extended(subsets: np.ndarray, bits: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Extend ascending subsets (n, k) by random other bits to ascending tuples (n, size)."""
    while subsets.shape[1] < size:
        added = generator.integers(bits - subsets.shape[1], size=len(subsets))
        for held in subsets.T:  # in ascending order: the number drawn counts only the bits that are not held
            added += added >= held
        subsets = np.sort(np.column_stack([subsets, added]), 1)
    return subsets


def _new(drawn: np.ndarray, found: np.ndarray, bits: int) -> np.ndarray:
    """Return which ascending tuples, bool (n,), are neither among those found nor equal to one drawn earlier."""
    both = np.concatenate([found, drawn])
    first = np.zeros(len(both), bool)
    numbered = bits ** both.shape[1] < 2**63
    keys = np.ravel_multi_index(tuple(both.T), (bits,) * both.shape[1]) if numbered else both
    first[np.unique(keys, return_index=True, axis=0)[1]] = True
    return first[len(found) :]
