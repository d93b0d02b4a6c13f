"""Reads DigiFace in the layout of the public code: one HDF5 file of identities, each with as many images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from rehash.datasets.raw import one_path
from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.errors import InputError
from rehash.foreign_hdf5 import dataset, foreign

SOURCE = "DigiFace-1M (Bae et al. 2023): rendered faces, 5 images of each of 109,999 identities"
LICENCE = "for non-commercial research only (Microsoft's DigiFace-1M licence)"

# As the public code has them (equihash/loaders/digiface.py): first and last identity of a split, exclusive.
PUBLIC_SPLITS = {"train": (0, 50_000), "valid": (50_000, 59_999), "test": (59_999, 109_999)}
_WHAT = "an HDF5 file of identities, with the dataset images (identities, instances, H, W, 3)"


def read(raw: dict[str, str | Path], *, splits: Mapping[str, Sequence[int]] = PUBLIC_SPLITS) -> dict[str, SplitImages]:
    """Read a file with the dataset `images`, uint8 (identities, instances, H, W, 3), slice by slice.

    The public file, `digiface_5imgs.hdf5`, has 109,999 identities with 5 images of 112 x 112 each.

    splits: the first identity of each split and the one behind its last.

    Raises:
        InputError: the file is not HDF5 or laid out in another way, or the splits do not fit it.
    """
    path = one_path(raw, "path")
    with foreign(path, _WHAT) as file:
        shape = file.ask(_shape)
    return {split: _part(path, shape, *bounds) for split, bounds in _checked(splits, shape[0], path).items()}


def _shape(file: h5py.File) -> tuple[int, ...]:
    images = dataset(file, "images")
    if images.dtype != np.uint8 or images.ndim != 5 or images.shape[4] != 3:
        raise InputError(f"images are {images.dtype} {images.shape}; expected uint8 (identities, instances, H, W, 3)")
    if images.shape[1] < 2 or 0 in images.shape:
        raise InputError(f"images are {images.shape}; expected two images or more of each identity")
    return images.shape


def _checked(splits: Mapping[str, Sequence[int]], count: int, path: Path) -> dict[str, tuple[int, int]]:
    """Return the bounds of the three splits, which do not overlap."""
    said = f"{path}: {count:,} identities, and splits {dict(splits)}"
    if set(splits) != set(SPLITS):
        raise InputError(f"{said}; expected the bounds of {', '.join(SPLITS)}")
    bounds = {split: (int(splits[split][0]), int(splits[split][1])) for split in SPLITS}
    ordered = sorted(bounds.values())
    fit = ordered[0][0] >= 0 and ordered[-1][1] <= count and all(stop - start >= 2 for start, stop in ordered)
    if not fit or any(one[1] > other[0] for one, other in pairwise(ordered)):
        raise InputError(
            f"{said}; expected two identities or more in each, none in two, up to {count:,}. Set splits, such as "
            f"splits: {{train: [0, {count // 2}], valid: [{count // 2}, {count * 3 // 4}], test: [{count * 3 // 4}, "
            f"{count}]}}"
        )
    return bounds


def _part(path: Path, shape: tuple[int, ...], start: int, stop: int) -> SplitImages:
    each = shape[1]
    return SplitImages(
        (stop - start) * each,
        _slices(path, shape, start, stop),
        identities=np.repeat(np.arange(stop - start), each),
        names=tuple(str(number) for number in range(start, stop)),
    )


def _slices(path: Path, shape: tuple[int, ...], start: int, stop: int) -> Iterator[np.ndarray]:
    with foreign(path, _WHAT) as file:
        for part in file.slices("images", (stop, *shape[1:]), np.uint8, start):
            yield part.reshape(-1, *shape[2:])
