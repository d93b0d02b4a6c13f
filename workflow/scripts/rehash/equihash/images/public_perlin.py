"""Copies of the public files of Perlin fields, as banks of ours (`rehash.equihash.images.perlin`).

The file of 2024 (perlin180x270.hdf5) has the datasets `resolution1` and `resolution2`, that of 2023
(180x270_perlin.hdf5) `perlin1` and `perlin2`: each int8 (count, height, width), the second with the finer noise.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.equihash.images.perlin import RESOLUTIONS
from rehash.errors import InputError
from rehash.foreign_hdf5 import foreign
from rehash.hdf5 import created, write_attributes

_SPELLINGS = (("resolution1", "resolution2"), ("perlin1", "perlin2"))
_WHAT = "a public file of Perlin fields"


def import_perlin(
    path: str | Path, output: str | Path, *, name: str, count: int | None, tasks: dict[str, tuple[int, int]]
) -> dict[str, Any]:
    """Copy the first fields of both resolutions of a public file into a bank, some megabytes at a time.

    In place of a seed and a lattice the bank has the attribute checksum, SHA-256 of the coarse, then the fine fields.

    Args:
        count: how many of each resolution are copied; None copies all.
        tasks: height and width, by name, of the mosaics that the fields are to move.

    Raises:
        InputError: the file lacks a resolution, the two differ in number or size, they are not int8, there are fewer
            than `count`, or a task's mosaics have another size; nothing is written then.
    """
    with foreign(path, _WHAT) as file:
        names, shapes = file.ask(_described)
        counts = [shape[0] for shape in shapes]
        if count is None and counts[0] != counts[1]:
            raise InputError(
                f"{path}: {names[0]} has {counts[0]} fields and {names[1]} {counts[1]}; expected as many of both: set "
                f"count to at most {min(counts)}"
            )
        count = count or counts[0]
        if count > min(counts):
            most = min(counts)
            raise InputError(f"{path}: {count} fields of each resolution were asked for; expected at most {most}")
        size = shapes[0][1:]
        for task, wanted in tasks.items():
            if tuple(wanted) != size:
                raise InputError(
                    f"{path}: its fields are {_by(size)}; expected {_by(wanted)}, the size of the mosaics of the task "
                    f"{task}"
                )
        digest = hashlib.sha256()
        with created(output) as bank:
            for resolution, theirs in zip(RESOLUTIONS, names):
                written, at = bank.create_dataset(resolution, (count, *size), "i1"), 0
                for fields in file.slices(theirs, (count, *size), np.int8):
                    digest.update(fields)
                    written[at : at + len(fields)] = fields
                    at += len(fields)
            about = {"name": name, "height": size[0], "width": size[1], "checksum": digest.hexdigest()}
            write_attributes(bank, about)
    return {"fields": count, "bank_checksum": digest.hexdigest()}


def _described(file: h5py.File) -> tuple[tuple[str, str], list[tuple[int, ...]]]:
    """Return the names of the two resolutions, coarse and fine, and their shapes."""
    held = sorted(file)
    names = next((pair for pair in _SPELLINGS if set(pair) & set(held)), None)
    if names is None or not set(names) <= set(held):
        pairs = ", or ".join(" and ".join(pair) for pair in _SPELLINGS)
        raise InputError(f"it has the datasets {', '.join(held) or 'none'}; expected both resolutions, {pairs}")
    for each in names:
        found = file[each]
        if found.dtype != np.int8 or len(found.shape) != 3 or 0 in found.shape:
            raise InputError(f"{each} is {found.dtype} {found.shape}; expected int8 fields (count, height, width)")
    shapes = [file[each].shape for each in names]
    if shapes[0][1:] != shapes[1][1:]:
        sizes = [f"{each} {_by(shape[1:])}" for each, shape in zip(names, shapes)]
        raise InputError(f"the fields of {' and those of '.join(sizes)} differ in size; expected one")
    return names, shapes


def _by(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))
