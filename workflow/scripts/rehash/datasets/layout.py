"""The one HDF5 layout of all datasets.

`{train,test}/images` uint8 (N, H, W) or (N, H, W, 3), or `{train,test}/inputs` float32 (N, D) for data that are not
images; `{train,test}/labels` int64 (N,); the same under `gallery` where a retrieval protocol has one that is not the
train split; and the file's attributes: name, source, licence, checksum (SHA-256 of images or inputs and labels, train,
then test, then gallery), class_names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from math import prod
from pathlib import Path

import h5py
import numpy as np

from rehash.errors import InputError
from rehash.hdf5 import add_group, created, opened, read_attributes, texts, write_attributes

SPLITS = ("train", "test")
GALLERY = "gallery"  # a third split, of samples that queries search, which only some datasets have
_WHAT = "a dataset of rehash"
_SLICE_BYTES = 2**24


@dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes:
        inputs: images, uint8 (N, H, W) or (N, H, W, 3), or vectors, float32 (N, D).
        labels: int64 (N,).
    """

    inputs: np.ndarray
    labels: np.ndarray

    @property
    def are_images(self) -> bool:
        """Return whether the inputs are images and not vectors."""
        return self.inputs.ndim > 2

    @property
    def images(self) -> np.ndarray:
        """Return the inputs, for those that need images.

        Raises:
            InputError: the inputs are vectors.
        """
        if not self.are_images:
            raise InputError(
                f"inputs are vectors of {self.inputs.shape[1]} numbers; expected images. Vectors have the studies of "
                "hash_encoders; tgsh and equihash need images"
            )
        return self.inputs

    @property
    def kind(self) -> str:
        """Return the name of the inputs in the file: images or inputs."""
        return "images" if self.are_images else "inputs"


def write_dataset(
    path: str | Path, splits: dict[str, Split], *, name: str, source: str, licence: str, class_names: list[str]
) -> None:
    """Check the splits of a dataset and write them to a file.

    Raises:
        InputError: see `check_dataset`.
    """
    check_dataset(splits, name, class_names)
    digest = hashlib.sha256()
    with created(path) as file:
        for split_name in _names(splits):
            split = splits[split_name]
            add_group(file, split_name)
            for kind, array in ((split.kind, split.inputs), ("labels", split.labels)):
                digest.update(np.ascontiguousarray(array))
                file.create_dataset(f"{split_name}/{kind}", data=array)
        about = {"name": name, "source": source, "licence": licence, "checksum": digest.hexdigest()}
        write_attributes(file, {**about, "class_names": texts(class_names)})


def check_dataset(splits: dict[str, Split], name: str, class_names: list[str]) -> None:
    """Raise an InputError if a split is missing or empty, has another shape or type, or labels outside the classes."""
    for split_name in (*SPLITS, *splits):
        if split_name not in splits:
            raise InputError(f"dataset {name}: has no {split_name} split")
        check_split(splits[split_name], f"dataset {name}: {split_name}", len(class_names))
    shapes = {split.inputs.shape[1:] for split in splits.values()}
    if len(shapes) > 1:
        raise InputError(f"dataset {name}: the splits' {splits['train'].kind} differ in shape: {sorted(shapes)}")


def check_split(split: Split, where: str, classes: int) -> None:
    """Raise an InputError that says what is wrong with a split, if anything is."""
    inputs, labels, kind = split.inputs, split.labels, split.kind
    images = inputs.dtype == np.uint8 and (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] == 3))
    if not images and not (inputs.dtype == np.float32 and inputs.ndim == 2):
        raise InputError(
            f"{where}: {kind} are {inputs.dtype} {inputs.shape}; expected images, uint8 (N, H, W) or (N, H, W, 3), or "
            "vectors, float32 (N, D)"
        )
    if labels.dtype != np.int64 or labels.shape != inputs.shape[:1]:
        raise InputError(f"{where}: labels are {labels.dtype} {labels.shape}; expected int64 {inputs.shape[:1]}")
    if 0 in inputs.shape:
        raise InputError(f"{where}: no {kind}, {inputs.shape}")
    if inputs.dtype == np.float32 and not np.isfinite(inputs).all():
        row, column = np.argwhere(~np.isfinite(inputs))[0]
        raise InputError(f"{where}: input {row} has {inputs[row, column]} in column {column}; expected finite numbers")
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
        checksum: SHA-256 of its images or inputs and its labels.
        class_names: the names of the classes, in the order of the labels.
        train, test: its splits. gallery: what queries search where that is not the train split, else None.
    """

    path: str
    checksum: str
    class_names: list[str]
    train: Split
    test: Split
    gallery: Split | None = None

    @classmethod
    def read(cls, path: str | Path) -> Dataset:
        """Read both splits of a dataset and check them.

        Raises:
            InputError: the file is not a dataset in the project's layout, or its content is not what was written.
        """
        with opened(path, _WHAT) as file:
            digest, splits = hashlib.sha256(), []
            for name in _names(file):
                split = Split(file[f"{name}/{inputs_kind(file)}"][:], file[f"{name}/labels"][:])
                for array in (split.inputs, split.labels):
                    digest.update(np.ascontiguousarray(array))
                splits.append(split)
            about = read_attributes(file)
            _check_digest(digest.hexdigest(), about["checksum"])
            for name, split in zip(_names(file), splits):
                check_split(split, name, len(about["class_names"]))
        return cls(str(path), about["checksum"], about["class_names"], *splits)

    @property
    def searched(self) -> Split:
        """Return the samples that queries search: the gallery, or the train split where there is none."""
        return self.gallery or self.train

    def check_measurable(self) -> None:
        """Raise an InputError if the test split has none of the train split's classes, as where all are unseen."""
        if not np.isin(self.test.labels, self.train.labels).any():
            raise InputError(
                f"{self.path}: the test split has none of the classes of the train split; accuracies on it would be 0, "
                "whatever was learned. Codes of unseen classes are measured by the comparison"
            )

    @property
    def digests(self) -> dict[str, str]:
        """Return the checksum by path, for the provenance, which would otherwise read the file again."""
        return {self.path: self.checksum}


def _names(splits: Container[str]) -> list[str]:
    """Return the names of the splits that are there, in their order."""
    return [*SPLITS, *([GALLERY] if GALLERY in splits else [])]


def inputs_kind(file: h5py.File) -> str:
    """Return the name under which a dataset's file has its inputs: images, or inputs if they are vectors."""
    return "inputs" if "inputs" in file["train"] else "images"


def described(path: str | Path) -> tuple[tuple[int, ...], int, str]:
    """Describe a dataset without holding it in memory, after checking its content.

    Returns:
        The shape of an input as an encoder is shown it, (C, H, W) or (D,); the number of classes; the checksum.

    Raises:
        InputError: the file is not a dataset in the project's layout, or its content is not what was written.
    """
    with opened(path, _WHAT) as file:
        shape = file[f"train/{inputs_kind(file)}"].shape[1:]
        if len(shape) > 1:
            shape = (3 if len(shape) == 3 else 1, *shape[:2])
        return tuple(map(int, shape)), len(read_attributes(file)["class_names"]), _check_content(file)


def checksum(path: str | Path) -> str:
    """Return the SHA-256 of a dataset's images or inputs and its labels, after checking it against the content.

    Raises:
        InputError: the file is not a dataset in the project's layout, or its content is not what was written.
    """
    with opened(path, _WHAT) as file:
        return _check_content(file)


def _check_content(file: h5py.File) -> str:
    digest = hashlib.sha256()
    for split in _names(file):
        for kind in (inputs_kind(file), "labels"):
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
