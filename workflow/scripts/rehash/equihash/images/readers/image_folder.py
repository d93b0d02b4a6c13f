"""Reads a folder of images of any sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np

from rehash.datasets.class_folders import one_folder, split_folders
from rehash.datasets.folders import Contents, composed, folder_contents, shown
from rehash.datasets.image_files import MAX_PIXELS, ImageFiles, looked_at
from rehash.datasets.raw import one_path
from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.errors import InputError, unknown
from rehash.progress import progress
from rehash.seeds import integer

_SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def read(
    raw: dict[str, str | Path],
    *,
    image_size: int = 180,
    background: str = "white",
    colour: str = "rgb",
    value_range: list[float] | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    shares: dict[str, float] = _SHARES,
    seed: int = 0,
) -> dict[str, SplitImages]:
    """Read a folder of images, split by its folders train, valid and test if it has them, else by the images' names.

    If it has the three folders, images outside them are left out. They may have other names, see
    `rehash.datasets.folders.SPLIT_NAMES`.

    Which files count says `rehash.datasets.folders`; how they are read and what the settings mean,
    `rehash.datasets.image_files.looked_at`. They are read twice: first to see how all are read alike, and then one by
    one, as the bank is written.

    An image's split (if not given by a folder) and its place in the order depend on nothing but a hash of the seed and
    of its path below the folder: a file that is added moves no other to another split. A split's share of the images is
    thus approximately that of `shares`.

    Raises:
        InputError: there are no images, or some but not all of the splits' folders; the shares do not sum to 1; or
            images cannot be read.
    """
    contents = folder_contents(one_path(raw, "path"))
    root = contents.root
    if not contents.images:
        also = f" (left out: {contents.left_out})" if contents.left_out else ""
        raise InputError(f"{shown(root)}: no images; expected files that are images, at any depth{also}")
    listed = _listed(contents, shares, seed)
    images = looked_at(
        root,
        [name for names in listed.values() for name in names],
        image_size=image_size,
        background=background,
        colour=colour,
        value_range=value_range,
        skip_corrupt=skip_corrupt,
        max_pixels=max_pixels,
    )
    notes = [f"left out: {contents.left_out}"] if contents.left_out else []
    if outside := len(contents.images) - sum(map(len, listed.values())):
        notes.append(f"left out: {outside:,} image{'s' * (outside > 1)} outside the folders of the splits")
    bad = set(images.left_out)
    splits = {}
    for split, names in listed.items():
        kept = [name for name in names if name not in bad]
        left_out = tuple(sorted(name for name in names if name in bad))
        splits[split] = SplitImages(len(kept), _slices(images, kept, split), left_out, (*notes, *images.notes))
    return splits


def _listed(contents: Contents, shares: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Return the names of each split's images, in their fixed random order."""
    root, folders = contents.root, split_folders(contents)
    there = [name for names in folders.values() for name in names]
    if there and not all(folders.values()):
        raise InputError(
            f"{shown(root)}: has the folder {' and '.join(map(shown, there))}, but not all of {', '.join(SPLITS)}; add "
            "the others, or give it another name, and the images are split by their names"
        )
    placed = sorted((integer(seed, "image_folder", composed(name)) / 2**31, name) for name in contents.images)
    if there:
        below = {split: f"{one_folder(folders[split], split, root)}/" for split in SPLITS}
        return {split: [name for _, name in placed if name.startswith(base)] for split, base in below.items()}
    bounds = _bounds(shares, root)
    return {split: [name for at, name in placed if low <= at < high] for split, (low, high) in bounds.items()}


def _bounds(shares: dict[str, float], root: Path) -> dict[str, tuple[float, float]]:
    """Return the part of [0, 1) that belongs to each split."""
    for split in shares:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, f"{root}: shares")
    given = [shares.get(split, 0) for split in SPLITS]
    if not (all(share > 0 for share in given) and math.isclose(sum(given), 1, abs_tol=1e-9)):
        raise InputError(f"{root}: shares are {shares}; expected {', '.join(SPLITS)}, each above 0, 1 in all")
    ends = [*accumulate(given[:-1]), 1]
    return dict(zip(SPLITS, zip([0, *ends], ends)))


def _slices(images: ImageFiles, names: list[str], split: str) -> Iterator[np.ndarray]:
    for name in progress(names, f"{split}: reading images", "image"):
        yield images.read(name)[None]
