"""Reader of a NumPy archive with the four arrays of a dataset."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.raw import integer_labels, one_path
from rehash.errors import InputError

_NAMES = [
    {split: (f"{split}_images", f"{split}_labels") for split in SPLITS},
    {split: (f"x_{split}", f"y_{split}") for split in SPLITS},  # Keras' names
]


def read(files: dict[str, str]) -> tuple[dict[str, Split], list[str] | None]:
    """Read an .npz file with train_images, train_labels, test_images, test_labels or x_train, y_train, x_test, y_test.

    Images are uint8 (N, H, W), (N, H, W, 1) or (N, H, W, 3), labels of any integer type (N,) or (N, 1); an array
    class_names of strings, if there is one, names the classes.

    Raises:
        InputError: it is not such a file; names the array and what was expected.
    """
    path = one_path(files, "archive")
    try:
        with open(path, "rb") as file:  # np.load would leave it open if it is no archive
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.lib.npyio.NpzFile):
                if _entries(file) not in (None, len(archive.zip.filelist)):
                    raise InputError(f"{path}: its directory is damaged: it lists other members than it says")
                damaged = archive.zip.testzip()
                if damaged is not None:  # NumPy checks no checksum of a member that it does not read to its end
                    raise InputError(
                        f"{path}: {damaged.removesuffix('.npy')} is damaged: it does not have its checksum"
                    )
                return _read(archive, path)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not an .npz file ({error})") from error
    raise InputError(f"{path}: one array, not an .npz file; write it with numpy.savez")


def _read(archive: np.lib.npyio.NpzFile, path: Path) -> tuple[dict[str, Split], list[str] | None]:
    names = next((names for names in _NAMES if {n for pair in names.values() for n in pair} <= {*archive}), None)
    if names is None:
        expected = " or ".join(", ".join(n for pair in names.values() for n in pair) for names in _NAMES)
        raise InputError(f"{path}: expected the arrays {expected}; found {', '.join(archive) or 'none'}")
    splits = {
        split: Split(
            _pixels(_array(archive, images, path), f"{path}: {images}"),
            integer_labels(_array(archive, labels, path), f"{path}: {labels}"),
        )
        for split, (images, labels) in names.items()
    }
    return splits, _class_names(archive, path)


def _entries(file: BinaryIO) -> int | None:
    """Read the number of members that a zip file declares in its last record; None if a comment follows that record."""
    file.seek(-22, os.SEEK_END)
    end = file.read()
    return int.from_bytes(end[10:12], "little") if end.startswith(b"PK\5\6") else None


def _array(archive: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        array = archive[name]
    except (OSError, EOFError, ValueError, MemoryError) as error:
        raise InputError(
            f"{path}: {name} is damaged, or holds Python objects instead of numbers ({error}); expected a plain array"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: {name} is not in NumPy's format; expected a plain array")
    return array


def _pixels(images: np.ndarray, where: str) -> np.ndarray:
    if images.dtype != np.uint8:
        span = f" from {images.min()} to {images.max()}" if images.size and images.dtype.kind in "iuf" else ""
        raise InputError(f"{where}: {images.dtype}{span}; expected uint8, 0 to 255")
    if images.ndim == 4 and images.shape[3] == 1:
        return images[..., 0]
    if images.ndim != 3 and not (images.ndim == 4 and images.shape[3] == 3):
        raise InputError(f"{where}: shape {images.shape}; expected (N, H, W) or, colours last, (N, H, W, 3)")
    return images


def _class_names(archive: np.lib.npyio.NpzFile, path: Path) -> list[str] | None:
    if "class_names" not in archive:
        return None
    names = _array(archive, "class_names", path)
    if names.dtype.kind != "U" or names.ndim != 1:
        raise InputError(f"{path}: class_names is {names.dtype} {names.shape}; expected one row of strings")
    return names.tolist()
