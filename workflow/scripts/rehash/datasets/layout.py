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
    """One split of a dataset: images, uint8 (N, H, W) or (N, H, W, 3), and labels, int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray


def write_dataset(
    path: str | Path, splits: dict[str, Split], *, name: str, source: str, licence: str, class_names: list[str]
) -> None:
    """Check the splits of a dataset and write them to a file.

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


@dataclass(frozen=True)
class Dataset:
    """A dataset that was read from its file and found to be what was written.

    Attributes:
        path: the path of its file.
        checksum: SHA-256 of its images and labels.
        class_names: the names of the classes, in the order of the labels.
        train, test: its splits.
    """

    path: str
    checksum: str
    class_names: list[str]
    train: Split
    test: Split

    @classmethod
    def read(cls, path: str | Path) -> Dataset:
        """Read both splits of a dataset and check them.

        Raises:
            InputError: the file is not a dataset in the project's layout, or its content is not what was written.
        """
        with opened(path, _WHAT) as file:
            digest, splits = hashlib.sha256(), []
            for name in SPLITS:
                split = Split(file[f"{name}/images"][:], file[f"{name}/labels"][:])
                for array in (split.images, split.labels):
                    digest.update(np.ascontiguousarray(array))
                splits.append(split)
            about = read_attributes(file)
            _check_digest(digest.hexdigest(), about["checksum"])
            for name, split in zip(SPLITS, splits):
                check_split(split, name, len(about["class_names"]))
        return cls(str(path), about["checksum"], about["class_names"], *splits)

    @property
    def digests(self) -> dict[str, str]:
        """Return the checksum by path, for the provenance, which would otherwise read the file again."""
        return {self.path: self.checksum}


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a dataset's images and labels, after checking it against the content.

    Raises:
        InputError: the file is not a dataset in the project's layout, or its content is not what was written.
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
    _check_digest(digest.hexdigest(), expected)
    return expected


def _check_digest(found: str, expected: str) -> None:
    if found != expected:
        raise InputError(f"its content has the checksum {found}; expected {expected}")
