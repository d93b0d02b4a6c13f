"""Reads the images of one of the project's datasets, such as MNIST or CIFAR-10, with their classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rehash.datasets.layout import checksum, inputs_kind
from rehash.datasets.raw import one_path
from rehash.equihash.images.banks import SplitImages
from rehash.equihash.images.readers.hdf5 import hdf5_images
from rehash.errors import InputError
from rehash.hdf5 import opened

_VALID_SHARE = 6


def read(raw: dict[str, str | Path]) -> dict[str, SplitImages]:
    """Return the images of a dataset's file (role dataset), grey or in colour, and their labels.

    The bank's test split is the dataset's; its valid split is the last sixth of the dataset's train split, rounded, and
    the rest is its train split. For MNIST these are the published 50,000, 10,000 and 10,000 images. Of a dataset that a
    retrieval protocol divides, the test split are the queries; its gallery is in no split.

    Raises:
        InputError: the file is not a dataset in the project's layout, or its inputs are no images.
    """
    path = one_path(raw, "dataset")
    checksum(path)  # its error says how to make the dataset again if the file is not one
    with opened(path, "a dataset of rehash") as file:
        kind = inputs_kind(file)
        labels = {split: file[f"{split}/labels"][:] for split in ("train", "test")}
    if kind != "images":
        raise InputError(
            f"{path}: inputs are vectors; expected images: set equihash.banks.<name>.dataset in the config to a "
            f"dataset of images, {path.stem} is none"
        )
    train = hdf5_images(path, "train/images").count
    valid = round(train / _VALID_SHARE)
    return {
        "train": replace(
            hdf5_images(path, "train/images", stop=train - valid), labels=labels["train"][: train - valid]
        ),
        "valid": replace(
            hdf5_images(path, "train/images", start=train - valid), labels=labels["train"][train - valid :]
        ),
        "test": replace(hdf5_images(path, "test/images"), labels=labels["test"]),
    }
