"""The one HDF5 layout of all datasets.

`{train,test}/images` uint8 (N, H, W) or (N, H, W, 3), `{train,test}/labels` int64 (N,), and the file's attributes:
name, source, licence, checksum (SHA-256 of images and labels, train then test), class_names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import h5py
import numpy as np

from rehash.errors import InputError
from rehash.hdf5 import add_group, created, opened, read_attributes, texts, write_attributes

SPLITS = ("train", "test")
_WHAT = "a dataset of rehash"
_SLICE_BYTES = 2**24


@dataclass(frozen=True)
class Split:
    """Images, uint8 (N, H, W) or (N, H, W, 3), and labels, int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray


def write_dataset(
    path: str | Path, splits: dict[str, Split], *, name: str, source: str, licence: str, class_names: list[str]
) -> None:
    """Check and write a dataset.

    Raises:
        InputError: a split is missing or empty, has another shape or type, or labels outside the classes.
    """
    for split_name in SPLITS:
        if split_name not in splits:
            raise InputError(f"dataset {name}: has no {split_name} split")
        check_split(splits[split_name], f"dataset {name}: {split_name}", len(class_names))
    shapes = {split.images.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise InputError(f"dataset {name}: the splits' images differ in shape: {sorted(shapes)}")
    digest = hashlib.sha256()
    with created(path) as file:
        for split_name in SPLITS:
            split = splits[split_name]
            add_group(file, split_name)
            for kind, array in (("images", split.images), ("labels", split.labels)):
                digest.update(np.ascontiguousarray(array))
                file.create_dataset(f"{split_name}/{kind}", data=array)
        about = {"name": name, "source": source, "licence": licence, "checksum": digest.hexdigest()}
        write_attributes(file, {**about, "class_names": texts(class_names)})


def check_split(split: Split, where: str, classes: int) -> None:
    """Raise an InputError that says what is wrong with a split, if anything is."""
    images, labels = split.images, split.labels
    if images.dtype != np.uint8 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise InputError(f"{where}: images are {images.dtype} {images.shape}; expected uint8 (N, H, W) or (N, H, W, 3)")
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise InputError(f"{where}: labels are {labels.dtype} {labels.shape}; expected int64 {images.shape[:1]}")
    if not len(images):
        raise InputError(f"{where}: no images")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise InputError(
            f"{where}: label {labels[wrong[0]]} of item {wrong[0]} is out of range; expected 0 to {classes - 1} "
            f"({len(wrong)} such labels)"
        )


def read_split(path: str | Path, split: str, stop: int | None = None) -> Split:
    """The first `stop` items of a split (all by default).

    Raises:
        InputError: not a dataset in the project's layout, or its content is not what was written.
    """
    with opened(path, _WHAT) as file:
        _check_content(file)
        found = Split(file[f"{split}/images"][:stop], file[f"{split}/labels"][:stop])
        check_split(found, split, len(file.attrs["class_names"]))
    return found


def checksum(path: str | Path) -> str:
    """SHA-256 of the dataset's images and labels, found to be what was written into it.

    Raises:
        InputError: not a dataset in the project's layout, or its content is not what was written.
    """
    with opened(path, _WHAT) as file:
        return _check_content(file)


def _check_content(file: h5py.File) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        for kind in ("images", "labels"):
            found = file[f"{split}/{kind}"]
            step = max(1, _SLICE_BYTES // max(1, found.dtype.itemsize * prod(found.shape[1:])))
            for start in range(0, len(found), step):
                digest.update(np.ascontiguousarray(found[start : start + step]))
    expected = read_attributes(file)["checksum"]
    if digest.hexdigest() != expected:
        raise InputError(f"its content has the checksum {digest.hexdigest()}; expected {expected}")
    return expected


def class_names(path: str | Path) -> list[str]:
    """Names of the classes, in the order of the labels.

    Raises:
        InputError: not a dataset in the project's layout.
    """
    with opened(path, _WHAT) as file:
        return read_attributes(file)["class_names"]
