"""Reads a folder of images of any sizes."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rehash.datasets.raw import one_path, visible_files
from rehash.datasets.readers.image_folder import ENDINGS, eight_bits, opened_image
from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.errors import InputError, unknown
from rehash.progress import progress
from rehash.seeds import integer

_SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
log = logging.getLogger("rehash")


def read(
    raw: dict[str, str | Path],
    *,
    image_size: int = 180,
    shares: dict[str, float] = _SHARES,
    seed: int = 0,
    skip_corrupt: bool = False,
) -> dict[str, SplitImages]:
    """Read a folder of images, split by its folders train, valid and test if it has them, else by the images' names.

    If it has the three folders, images outside them are ignored.

    Images (png jpg jpeg bmp webp tif tiff gif ppm pgm, at any depth; hidden files are ignored) become RGB of
    image_size x image_size pixels: they are cropped to the largest square at their centre, then scaled. Grey becomes
    RGB; 16 bits are cut to the upper 8, animations to their first image; transparency is dropped.

    An image's split (if not given by a folder) and its place in the order depend on nothing but a hash of the seed and
    of its path below the folder: a file that is added moves no other to another split. A split's share of the images is
    thus approximately that of `shares`.

    With skip_corrupt, all images are decoded once beforehand, and those that cannot be read are left out and named in
    the log; without it the first such image raises an error.

    Raises:
        InputError: there are no images, or some but not all of the splits' folders; the shares do not sum to 1; or an
            image cannot be read (the message names the file).
    """
    root = one_path(raw, "path")
    if not root.is_dir():
        raise InputError(f"{root}: not a folder; expected a folder of images")
    if image_size < 1:
        raise InputError(f"{root}: image_size is {image_size}; expected 1 or more pixels")
    splits = {}
    for split, paths in _listed(root, shares, seed).items():
        kept = _readable(paths, image_size) if skip_corrupt else paths
        left_out = tuple(path.relative_to(root).as_posix() for path in sorted({*paths} - {*kept}))
        splits[split] = SplitImages(len(kept), _slices(kept, image_size, split), left_out)
    return splits


def _listed(root: Path, shares: dict[str, float], seed: int) -> dict[str, list[Path]]:
    """Return the files of each split, in their fixed random order."""
    folders = [split for split in SPLITS if (root / split).is_dir()]
    if folders and len(folders) < len(SPLITS):
        raise InputError(f"{root}: has the folder {' and '.join(folders)}, but not all of {', '.join(SPLITS)}")
    images = [path for path in visible_files(root) if path.suffix.lower() in ENDINGS]
    if not images:
        raise InputError(f"{root}: no images; expected files that end in {' '.join(sorted(ENDINGS))}")
    placed = sorted((integer(seed, "image_folder", path.relative_to(root).as_posix()) / 2**31, path) for path in images)
    if folders:
        return {split: [path for _, path in placed if path.is_relative_to(root / split)] for split in SPLITS}
    bounds = _bounds(shares, root)
    return {split: [path for at, path in placed if low <= at < high] for split, (low, high) in bounds.items()}


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


def _readable(paths: list[Path], size: int) -> list[Path]:
    kept = []
    for path in progress(paths, "looking for corrupt images", "image"):
        try:
            _picture(path, size)
            kept.append(path)
        except InputError as error:
            log.warning("left out: %s", error)
    if len(kept) < len(paths):
        log.warning("%d of %d images left out", len(paths) - len(kept), len(paths))
    return kept


def _slices(paths: list[Path], size: int, split: str) -> Iterator[np.ndarray]:
    for path in progress(paths, f"{split}: reading images", "image"):
        try:
            picture = _picture(path, size)
        except InputError as error:
            raise InputError(
                f"{error}; repair or remove it, or set skip_corrupt: true for the bank to leave such images out"
            ) from error
        yield picture[None]


def _picture(path: Path, size: int) -> np.ndarray:
    """Read an image file, cropped and scaled: uint8 (size, size, 3)."""
    with opened_image(path) as image:
        converted = eight_bits(image, path).convert("RGB")
    return np.asarray(ImageOps.fit(converted, (size, size), Image.Resampling.BILINEAR))
