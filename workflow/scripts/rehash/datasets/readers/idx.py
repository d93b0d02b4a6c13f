"""Reader of MNIST and its relatives: four idx files."""

from __future__ import annotations

import numpy as np

from rehash.datasets.idx import read_idx
from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.raw import by_role

_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def read(files: dict[str, str]) -> tuple[dict[str, Split], None]:
    """Read four files by role (train_images, train_labels, test_images, test_labels), or a folder with MNIST's names.

    Each may be packed with gzip. Images are uint8 (N, H, W), labels int64 (N,); the format knows no class names.

    Raises:
        InputError: a file is missing, or not an idx file of bytes.
    """
    paths = by_role(files, _NAMES, ("", ".gz"))
    splits = {
        split: Split(read_idx(paths[f"{split}_images"], 3), read_idx(paths[f"{split}_labels"], 1).astype(np.int64))
        for split in SPLITS
    }
    return splits, None
