"""Which sets of tuples of bits can be had, found out before any is made: planning needs no arrays."""

from __future__ import annotations

from math import comb

from rehash.errors import InputError

MOST_BITS = 8  # of a tuple, whose joint distribution has 2^8 outcomes
SMALL = 4  # bits of the tuples whose moments are products of matrices (`rehash.tuple_entropy.moments`)
MOST_WIDE = 2**20  # tuples of more bits: their time and memory grow with their number


def check_tuples(bits: int, size: int, covered: int = 0, count: int = 0, where: str = "tuples") -> None:
    """Raise an InputError that names `where`, unless a code has tuples of so many bits, and not too many of them.

    Args:
        covered: 0 for all tuples; m for a cover of each m bits. count: the least number of tuples in the cover.
    """
    check_size(bits, size, where)
    possible = comb(bits, size)
    if covered and not 1 <= covered < size:
        raise InputError(f"{where}: of {covered} bits each, by tuples of {size}; expected 1 to {size - 1}")
    if covered and count > possible:
        raise InputError(f"{where}: {count} tuples of {size} bits; a code of {bits} has {possible}")
    made = max(count, min(comb(bits, covered), possible)) if covered else possible
    if size > SMALL and made > MOST_WIDE:
        able = max(m for m in range(1, size) if comb(bits, m) <= MOST_WIDE)
        raise InputError(
            f"{where}: {made:,} tuples of {size} bits; expected at most {MOST_WIDE:,} of more than {SMALL} bits. With "
            f"covered: {able} and tuples: 0 there are about {comb(bits, able):,}, which hold each {able} of the bits"
        )


def check_groups(bits: int, size: int, group: int, strided: bool = True, where: str = "groups") -> None:
    """Raise an InputError that names `where`, unless all tuples within groups of so many bits can be had."""
    check_size(bits, size, where)
    if not size <= group <= bits or bits % group:
        raise InputError(f"{where}: of {group} bits; expected a divisor of {bits}, and at least {size}")
    made = (2 if strided else 1) * (bits // group) * comb(group, size)
    if size > SMALL and made > MOST_WIDE:
        raise InputError(
            f"{where}: {made:,} tuples of {size} of {group} bits; expected at most {MOST_WIDE:,} of more than {SMALL} "
            "bits: take smaller groups, or smaller tuples"
        )


def check_size(bits: int, size: int, where: str, least: int = 2) -> None:
    """Raise an InputError that names `where`, unless there are tuples of `size` of so many bits."""
    if not least <= size <= MOST_BITS:
        raise InputError(f"{where}: of {size} bits each; expected {least} to {MOST_BITS}")
    if bits < size:
        raise InputError(f"{where}: of {size} bits each; a code of {bits} has fewer")
