"""Reads the images of one of the project's datasets, such as MNIST or CIFAR-10, with their classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rehash.datasets.layout import checksum, inputs_kind
from rehash.datasets.raw import one_path
from rehash.equihash.images.banks import SplitImages
from rehash.equihash.images.readers.hdf5 import hdf5_images
from rehash.errors import InputError
from rehash.hdf5 import opened
from rehash.seeds import stream

_VALID_SHARE = 6
# The largest changes of a copy, either way: turn (degrees), size and shear (shares), shift along each axis (pixels).
_TURN, _SIZE, _SHEAR, _SHIFT = 15, 0.15, 0.2, 2


def read(raw: dict[str, str | Path], *, copies: int = 0) -> dict[str, SplitImages]:
    """Return the images of a dataset's file (role dataset), grey or in colour, and their labels.

    copies: each image of the train split is followed by so many copies of it, turned by up to 15 degrees, up to 15%
        larger or smaller, sheared by up to 0.2 and moved by up to 2 pixels, black coming in; each change is drawn
        uniformly. They are images of their own: a network that has seen more shapes of digits knows new ones better.

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
    shown = replace(hdf5_images(path, "train/images", stop=train - valid), labels=labels["train"][: train - valid])
    return {
        "train": _with_copies(shown, copies) if copies else shown,
        "valid": replace(
            hdf5_images(path, "train/images", start=train - valid), labels=labels["train"][train - valid :]
        ),
        "test": replace(hdf5_images(path, "test/images"), labels=labels["test"]),
    }


def _with_copies(images: SplitImages, copies: int) -> SplitImages:
    labels = np.repeat(images.labels, copies + 1)
    return replace(images, count=len(labels), slices=_each_copied(images.slices, copies), labels=labels)


def _each_copied(slices: Iterable[np.ndarray], copies: int) -> Iterator[np.ndarray]:
    """Yield slices in which each image is followed by its changed copies."""
    random = stream(0, "equihash", "changed copies")
    for images in slices:
        # One call draws what several would, so that the size of a slice changes nothing.
        changes = random.uniform(-1, 1, (len(images), copies, 5))
        yield np.concatenate([[image, *(_changed(image, each) for each in of)] for image, of in zip(images, changes)])


def _changed(image: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return an image, uint8 (H, W) or (H, W, 3), turned, scaled, sheared and moved, read bilinearly.

    change: five numbers from -1 to 1, the shares of the largest changes.
    """
    from scipy.ndimage import affine_transform  # takes a third of a second, and few banks have copies

    turn, size, shear = np.radians(_TURN) * change[0], 1 + _SIZE * change[1], _SHEAR * change[2]
    # Where each pixel is read: down and to the right of the middle.
    read = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ [[1, 0], [shear, 1]] / size
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - read @ (middle + _SHIFT * change[3:])
    channels = image[..., None] if image.ndim == 2 else image
    moved = [
        affine_transform(plane, read, offset, output=np.float64, order=1) for plane in np.moveaxis(channels, -1, 0)
    ]
    return np.rint(np.stack(moved, -1)).astype(np.uint8).reshape(image.shape)
