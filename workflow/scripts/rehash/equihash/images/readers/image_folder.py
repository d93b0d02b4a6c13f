"""Reads a folder of images of any sizes, divided by its folders, by lists of names, or by the names themselves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np

from rehash.datasets.class_folders import one_folder, split_folders
from rehash.datasets.folders import Contents, composed, folder_contents, shown
from rehash.datasets.image_files import MAX_PIXELS, ImageFiles, looked_at
from rehash.datasets.pickles import as_text, unpickled
from rehash.datasets.raw import one_path
from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.errors import InputError, unknown, unreadable
from rehash.progress import progress
from rehash.seeds import integer

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def read(
    raw: dict[str, str | Path],
    *,
    image_size: int = 180,
    background: str = "white",
    colour: str = "rgb",
    value_range: list[float] | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
    shares: dict[str, float] = SHARES,
    seed: int = 0,
) -> dict[str, SplitImages]:
    """Read a folder of images, split by its folders train, valid and test if it has them, else by the images' names.

    Or it is split by lists of names below the folder, a pickle for each split (roles train, valid and test), as the
    public code has them: an image's number is its place in the list, and images in no list are left out.

    If it has the three folders, images outside them are left out. They may have other names, see
    `rehash.datasets.folders.SPLIT_NAMES`.

    Which files count says `rehash.datasets.folders`; how they are read and what the settings mean,
    `rehash.datasets.image_files.looked_at`. They are read twice: first to see how all are read alike, and then one by
    one, as the bank is written.

    An image's split (if not given by a folder) and its place in the order depend on nothing but a hash of the seed and
    of its path below the folder: a file that is added moves no other to another split. A split's share of the images is
    thus approximately that of `shares`.

    Raises:
        InputError: there are no images, or some but not all of the splits' folders; the shares do not sum to 1; a list
            is none, or has a name that no image has, or that another list has, too; or images cannot be read.
    """
    contents = folder_contents(one_path(raw, "path"))
    root = contents.root
    if not contents.images:
        also = f" (left out: {contents.left_out})" if contents.left_out else ""
        raise InputError(f"{shown(root)}: no images; expected files that are images, at any depth{also}")
    lists = {split: raw[split] for split in SPLITS if split in raw}
    listed = _from_lists(contents, lists) if lists else _listed(contents, shares, seed)
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
        where = "in none of the lists" if lists else "outside the folders of the splits"
        notes.append(f"left out: {outside:,} image{'s' * (outside > 1)} {where}")
    bad = set(images.left_out)
    splits = {}
    for split, names in listed.items():
        kept = [name for name in names if name not in bad]
        left_out = tuple(sorted(name for name in names if name in bad))
        splits[split] = SplitImages(len(kept), read_slices(images, kept, split), left_out, (*notes, *images.notes))
    return splits


def _listed(contents: Contents, shares: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Return the names of each split's images, in their fixed random order."""
    placed = sorted((integer(seed, "image_folder", composed(name)) / 2**31, name) for name in contents.images)
    if bases := split_bases(contents, "images"):
        return {split: [name for _, name in placed if name.startswith(base)] for split, base in bases.items()}
    bounds = split_bounds(shares, contents.root)
    return {split: [name for at, name in placed if low <= at < high] for split, (low, high) in bounds.items()}


def split_bases(contents: Contents, what: str) -> dict[str, str]:
    """Return the folder of each split, with a slash behind it; nothing where a folder has none of them.

    what: is split by names where there are no such folders, for messages.

    Raises:
        InputError: there are some of the folders, but not all, or two of one split.
    """
    root, folders = contents.root, split_folders(contents)
    there = [name for names in folders.values() for name in names]
    if there and not all(folders.values()):
        raise InputError(
            f"{shown(root)}: has the folder {' and '.join(map(shown, there))}, but not all of {', '.join(SPLITS)}; add "
            f"the others, or give it another name, and the {what} are split by their names"
        )
    return {split: f"{one_folder(folders[split], split, root)}/" for split in SPLITS} if there else {}


def _from_lists(contents: Contents, lists: dict[str, str | Path]) -> dict[str, list[str]]:
    """Return the names of each split's images in the order of its list."""
    there = {composed(name): name for name in contents.images}
    found: dict[str, list[str]] = {}
    seen: dict[str, str] = {}
    for split, path in lists.items():
        try:
            with open(path, "rb") as file:
                names = unpickled(file, str(path))
        except OSError as error:
            raise unreadable(error, path, "not a readable file") from error
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, (str, bytes)) for name in names):
            raise InputError(f"{path}: is a {type(names).__name__}; expected a list of the names of {split}'s images")
        names = [composed(as_text(name)) for name in names]
        for name in names:
            if name not in there:
                raise InputError(f"{path}: has the name {shown(name)}; {shown(contents.root)} has no such image")
            if name in seen:
                raise InputError(
                    f"{path}: has the name {shown(name)}, as the list of {seen[name]} has; expected it once"
                )
            seen[name] = split
        found[split] = [there[name] for name in names]
    return found


def split_bounds(shares: dict[str, float], root: Path) -> dict[str, tuple[float, float]]:
    """Return the part of [0, 1) that belongs to each split.

    Raises:
        InputError: the shares are not of the three splits, or not each above 0 and 1 in all.
    """
    for split in shares:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, f"{root}: shares")
    given = [shares.get(split, 0) for split in SPLITS]
    if not (all(share > 0 for share in given) and math.isclose(sum(given), 1, abs_tol=1e-9)):
        raise InputError(f"{root}: shares are {shares}; expected {', '.join(SPLITS)}, each above 0, 1 in all")
    ends = [*accumulate(given[:-1]), 1]
    return dict(zip(SPLITS, zip([0, *ends], ends)))


def read_slices(images: ImageFiles, names: list[str], split: str) -> Iterator[np.ndarray]:
    """Yield images one by one, uint8 (1, H, W) or (1, H, W, 3)."""
    for name in progress(names, f"{split}: reading images", "image"):
        yield images.read(name)[None]
