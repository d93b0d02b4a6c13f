"""Files of the codes of one source, of queries and of a gallery that is searched.

An HDF5 file has, for the sides `queries` and `gallery`, `{side}/labels` int64 (N,) and `{side}/ids` uint64 (N,), a
checksum of each input; and for each encoder, by its bits and repeat, `{bits}/{repeat}/{side}`: codes, uint8
(N, ceil(bits / 8)) as in `rehash.bits`, or, under bits 0, real numbers, float32 (N, D), which are compared by their
cosine. The attribute `about` holds values by name (JSON).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from rehash.errors import InputError
from rehash.hdf5 import add_group, created, opened, read_attributes, seal, unsealed, write_attributes

SIDES = ("queries", "gallery")
_WHAT = "a file of codes of rehash"


@dataclass(frozen=True)
class Side:
    """The queries, or the gallery: labels int64 (N,), and ids uint64 (N,), equal for equal inputs."""

    labels: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class Coded:
    """The codes that one encoder gives to queries and gallery.

    Attributes:
        bits: the length of a code; 0 of real numbers. repeat: the encoder's number among those of its source.
        queries, gallery: packed codes, uint8 (N, ceil(bits / 8)), or real numbers, float32 (N, D).
    """

    bits: int
    repeat: int
    queries: np.ndarray
    gallery: np.ndarray


def input_ids(inputs: np.ndarray) -> np.ndarray:
    """Compute a checksum of each input, uint64 (N,), which tells copies."""
    rows = np.ascontiguousarray(inputs)
    return np.array([int.from_bytes(blake2b(row, digest_size=8).digest(), "little") for row in rows], np.uint64)


def write_codes(path: str | Path, sides: dict[str, Side], coded: Iterator[Coded], about: dict[str, Any]) -> None:
    """Write a file of codes, those of one encoder after another.

    Args:
        sides: queries and gallery. about: values that JSON can hold.
    """
    with created(path) as file:
        for name in SIDES:
            add_group(file, name)
            file[f"{name}/labels"], file[f"{name}/ids"] = sides[name].labels, sides[name].ids
        for one in coded:
            add_group(file, f"{one.bits}/{one.repeat}")
            for name in SIDES:
                file[f"{one.bits}/{one.repeat}/{name}"] = getattr(one, name)
        write_attributes(file, {"about": json.dumps(about, sort_keys=True)})
        seal(file)


def read_sides(path: str | Path) -> tuple[dict[str, Side], dict[str, Any]]:
    """Read labels and ids of both sides, and what the file says about its codes, after checking its seal.

    Raises:
        InputError: the file is something else, or damaged.
    """
    with unsealed(path, _WHAT) as file:
        sides = {name: Side(file[f"{name}/labels"][:], file[f"{name}/ids"][:]) for name in SIDES}
        return sides, json.loads(read_attributes(file)["about"])


def read_coded(path: str | Path) -> Iterator[Coded]:
    """Yield the codes of each encoder of a file, by rising bits and repeat; one of them is in memory at a time.

    Raises:
        InputError: the file is something else, or damaged; or it has no codes.
    """
    with opened(path, _WHAT) as file:
        found = sorted((int(bits), int(repeat)) for bits in file if bits.isdigit() for repeat in file[bits])
        if not found:
            raise InputError("it has no codes; expected those of one encoder or more")
    for bits, repeat in found:
        with opened(path, _WHAT) as file:
            one = Coded(bits, repeat, *(file[f"{bits}/{repeat}/{name}"][:] for name in SIDES))
        yield one
