"""The pictures of one of the project's datasets, MNIST above all."""

from __future__ import annotations

from pathlib import Path

from rehash.datasets.layout import checksum
from rehash.datasets.raw import one_path
from rehash.equihash.bank_readers.hdf5 import hdf5_pictures
from rehash.equihash.banks import Pictures

_VALID_SHARE = 6


def read(raw: dict[str, str | Path]) -> dict[str, Pictures]:
    """The file of a dataset (role dataset); its labels do not count.

    The bank's test split is the dataset's; its valid split is the last sixth of the dataset's train split, rounded, and
    the rest is its train split. Of MNIST that gives the published 50,000, 10,000 and 10,000.

    Raises:
        InputError: not a dataset in the project's layout.
    """
    path = one_path(raw, "dataset")
    checksum(path)  # says how to make a dataset again that is none
    train = hdf5_pictures(path, "train/images").count
    valid = round(train / _VALID_SHARE)
    return {
        "train": hdf5_pictures(path, "train/images", stop=train - valid),
        "valid": hdf5_pictures(path, "train/images", start=train - valid),
        "test": hdf5_pictures(path, "test/images"),
    }
