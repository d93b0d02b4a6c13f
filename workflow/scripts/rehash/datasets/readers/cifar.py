"""Reader of CIFAR-10 as its author publishes it: the binary or the Python version, as a folder or a tar archive."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from rehash.datasets.layout import Split, check_split
from rehash.datasets.pickles import PickledArray, as_text, unpickled
from rehash.datasets.raw import one_path, plain_labels
from rehash.datasets.samples import Found
from rehash.errors import InputError, unreadable

_BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
_PLAIN_NAMES = [name for names in _BATCHES.values() for name in names]
_META = {".bin": "batches.meta.txt", "": "batches.meta"}
_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_PIXELS = 3 * 32 * 32
_CLASSES = 10


def read(files: dict[str, str]) -> Found:
    """Read either version of CIFAR-10 from a folder (or its parent) or a tar archive, which is never unpacked to disk.

    Images are uint8 (N, 32, 32, 3), labels int64 (N,). The class names are those of batches.meta, None without it.

    Raises:
        InputError: the files are not CIFAR-10, a batch is missing, truncated or of another shape, or a pickle asks for
            more than arrays, lists and strings.
    """
    path = one_path(files, "archive")
    contents = _from_folder(path) if path.is_dir() else _from_archive(path)
    version = next((end for end in _META if any(f"{name}{end}" in contents for name in _PLAIN_NAMES)), None)
    if version is None:
        raise InputError(f"{path}: not CIFAR-10; expected data_batch_1.bin (binary version) or data_batch_1 (Python's)")
    missing = [f"{name}{version}" for name in _PLAIN_NAMES if f"{name}{version}" not in contents]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}")
    meta = contents.get(_META[version])
    names = None if meta is None else _CLASS_NAMES[version](meta, f"{path}: {_META[version]}")
    splits = {}
    for split, batches in _BATCHES.items():
        parts = []
        for batch in batches:
            where = f"{path}: {batch}{version}"
            pixels, labels = _ROWS[version](contents[f"{batch}{version}"], where)
            images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            parts.append(Split(images, labels))
            check_split(parts[-1], where, len(names) if names else _CLASSES)
        splits[split] = Split(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))
    return Found(splits, names)


def _wanted(name: str) -> bool:
    return name in _META.values() or name.removesuffix(".bin") in _PLAIN_NAMES


def _from_folder(path: Path) -> dict[str, bytes]:
    for folder in (path, *(path / name for name in _FOLDERS)):
        if folder.is_dir():
            found = (file for file in folder.iterdir() if _wanted(file.name) and file.is_file())
            contents = {file.name: file.read_bytes() for file in found}
            if contents:
                return contents
    return {}


def _from_archive(path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if member.isfile() and _wanted(name):
                    if name in contents:
                        raise InputError(f"{path}: holds {name} twice")
                    contents[name] = archive.extractfile(member).read()
            while archive.fileobj.read(2**20):
                pass  # the checksum of gzip, bzip2 and xz lies at the end
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise unreadable(error, path, f"truncated or not a tar archive ({error})") from error
    return contents


def _binary_rows(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    if len(content) % (1 + _PIXELS):
        raise InputError(
            f"{where}: truncated or too long: {len(content)} bytes, expected a multiple of {1 + _PIXELS} "
            f"(a label and {_PIXELS} pixels)"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _binary_names(content: bytes, where: str) -> list[str]:
    try:
        return [line.strip() for line in content.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not a text of class names ({error})") from error


def _python_rows(content: bytes, where: str) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = _entries(content, where, "data", "labels")
    if not isinstance(pixels, PickledArray):
        raise InputError(f"{where}: data is {type(pixels).__name__}; expected uint8 (N, {_PIXELS})")
    rows = pixels.as_bytes(f"{where}: data")
    if rows.shape[1:] != (_PIXELS,):
        raise InputError(f"{where}: data is uint8 {rows.shape}; expected uint8 (N, {_PIXELS})")
    if not isinstance(labels, list):
        raise InputError(f"{where}: labels are not a list of integers ({type(labels).__name__})")
    try:
        return rows, plain_labels(np.asarray(labels), where)
    except ValueError as error:
        raise InputError(f"{where}: labels are not a list of integers ({error})") from error


def _python_names(content: bytes, where: str) -> list[str]:
    (names,) = _entries(content, where, "label_names")
    if not isinstance(names, list) or not all(isinstance(name, (bytes, str)) for name in names):
        raise InputError(f"{where}: label_names is not a list of strings")
    return [as_text(name) for name in names]


_ROWS = {".bin": _binary_rows, "": _python_rows}
_CLASS_NAMES = {".bin": _binary_names, "": _python_names}


def _entries(content: bytes, where: str, *keys: str) -> list[Any]:
    """Return what a pickled dictionary holds under `keys`, which are bytes or strings there."""
    value = unpickled(io.BytesIO(content), where)
    if not isinstance(value, dict):
        raise InputError(f"{where}: a pickled {type(value).__name__}; expected a dictionary")
    value = {as_text(key): entry for key, entry in value.items()}
    missing = [key for key in keys if key not in value]
    if missing:
        raise InputError(f"{where}: lacks {', '.join(missing)}; it has {', '.join(map(str, value)) or 'nothing'}")
    return [value[key] for key in keys]
