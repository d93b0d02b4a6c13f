"""Reader of MNIST and its relatives: four idx files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rehash.datasets.idx import read_idx
from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.raw import by_role
from rehash.datasets.samples import Found
from rehash.errors import InputError

_NAMES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
# As MNIST's relatives call their files, too: emnist-letters-train-images-idx3-ubyte.gz, train-images.idx3-ubyte.
_NAMED = re.compile(
    r"(?P<set>.*?)[-_.]?(?P<split>train|t10k|test)[-_.](?P<kind>images|labels)[-_.]idx[13][-_.]ubyte(\.gz)?"
)


def read(files: dict[str, str]) -> Found:
    """Read four files by role (train_images, train_labels, test_images, test_labels), or a folder with MNIST's names.

    In a folder the files of MNIST's relatives are found, too, whose names begin otherwise or have dots.
    Each file may be packed with gzip. Images are uint8 (N, H, W), labels integers (N,), and classes have no names.

    Raises:
        InputError: a file is missing, or not an idx file of bytes; or a folder has the files of several datasets.
    """
    paths = _in_folder(Path(files["path"])) if "path" in files else by_role(files, _NAMES)
    return Found(
        {
            split: Split(read_idx(paths[f"{split}_images"], 3), read_idx(paths[f"{split}_labels"], 1).astype(np.int64))
            for split in SPLITS
        }
    )


def _in_folder(folder: Path) -> dict[str, Path]:
    """Return the four files of a folder by role."""
    sets: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and (found := _NAMED.fullmatch(path.name.lower())):
            role = f"{'train' if found['split'] == 'train' else 'test'}_{found['kind']}"
            sets.setdefault(found["set"], {}).setdefault(role, path)  # the first of a file and its .gz
    whole = {name: found for name, found in sets.items() if len(found) == len(_NAMES)}
    if len(whole) > 1:
        raise InputError(
            f"{folder}: has the files of {len(whole)} datasets, whose names begin with "
            f"{', '.join(repr(name) for name in sorted(whole))}; expected one. Put the four files of the one that you "
            "want into a folder of their own, or link them there"
        )
    if whole:
        return next(iter(whole.values()))
    return by_role({"path": str(folder)}, _NAMES, ("", ".gz"))  # which says what is missing
