"""Reader of a NumPy archive with the arrays of a dataset."""

from __future__ import annotations

import contextlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rehash.datasets.named_arrays import found_arrays
from rehash.datasets.raw import one_path
from rehash.datasets.samples import Found
from rehash.errors import InputError, unreadable


def read(files: dict[str, str]) -> Found:
    """Read an .npz file whose arrays have the names that `rehash.datasets.named_arrays.found_arrays` knows.

    Images are (N, H, W), (N, H, W, 1) or (N, H, W, 3), vectors (N, D), of any type of number; labels integers or texts,
    (N,) or (N, 1). An array class_names of strings, if there is one, names the classes.

    Raises:
        InputError: it is not such a file; names the array and what was expected.
    """
    path = one_path(files, "archive")
    with arrays_of(path) as (names, get):
        return found_arrays(names, get, path)


@contextlib.contextmanager
def arrays_of(path: Path) -> Iterator[tuple[list[str], Callable[[str], np.ndarray]]]:
    """Open an .npz file: the names of its arrays, and a function from a name to the array; nothing is unpickled.

    Raises:
        InputError: it is not such a file, or damaged.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; expected an .npz file")
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
                yield [*archive], lambda name: _array(archive, name, path)
                return
    except InputError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise unreadable(error, path, f"not an .npz file ({error})") from error
    raise InputError(f"{path}: one array, not an .npz file; write it with numpy.savez")


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
            f"{path}: {name} is damaged, or holds Python objects instead of numbers ({error}); expected a plain array: "
            "save labels as labels.astype(str) and inputs as numpy.stack(inputs). Keras' imdb.npz has a reader of its "
            "own, bag_of_words"
        ) from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: {name} is not in NumPy's format; expected a plain array")
    return array
