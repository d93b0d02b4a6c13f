"""Reader of CIFAR-10 and CIFAR-100 as their author publishes them: binary or Python, as a folder or a tar archive."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rehash.datasets.layout import Split, check_split
from rehash.datasets.pickles import PickledArray, as_text, unpickled
from rehash.datasets.raw import one_path, plain_labels
from rehash.datasets.samples import Found
from rehash.errors import InputError, unreadable

_PIXELS = 3 * 32 * 32


class _Kind(NamedTuple):
    """What is in the files of CIFAR-10 or CIFAR-100, whose binary version's names end in .bin."""

    name: str
    folders: tuple[str, str]
    batches: dict[str, list[str]]
    label_bytes: int  # of a row of the binary version, before its pixels
    label_byte: int  # of these the one that is read
    labels: str  # of the Python version: the key of a batch
    names: str  # of the Python version: the key of the file of class names
    names_files: dict[str, str]  # by how the version's names end
    classes: int


CIFAR10 = _Kind(
    "CIFAR-10",
    ("cifar-10-batches-bin", "cifar-10-batches-py"),
    {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
    *(1, 0, "labels", "label_names", {".bin": "batches.meta.txt", "": "batches.meta"}, 10),
)
CIFAR100 = {
    labels: _Kind(
        "CIFAR-100",
        ("cifar-100-binary", "cifar-100-python"),
        {"train": ["train"], "test": ["test"]},
        *(2, byte, f"{labels}_labels", f"{labels}_label_names"),
        *({".bin": f"{labels}_label_names.txt", "": "meta"}, classes),
    )
    for byte, (labels, classes) in enumerate({"coarse": 20, "fine": 100}.items())
}


def read(files: dict[str, str], *, labels: str | None = None) -> Found:
    """Read either version of CIFAR-10 or CIFAR-100 from a folder (or its parent) or a tar archive, which stays packed.

    Images are uint8 (N, 32, 32, 3), labels int64 (N,). The class names are those of the file of names, None without it.

    Args:
        labels: of CIFAR-100, fine (100 classes; also if left out) or coarse (20).

    Raises:
        InputError: the files are neither, a batch is missing, truncated or of another shape, or a pickle asks for
            more than arrays, lists and strings.
    """
    path = one_path(files, "archive")
    kinds = (CIFAR10, CIFAR100[labels or "fine"])
    wanted = {name for kind in kinds for name in _names(kind)}
    contents = _from_folder(path, kinds, wanted) if path.is_dir() else _from_archive(path, wanted)
    found = [(kind, end) for kind in kinds for end in kind.names_files if contents.keys() & set(_batches(kind, end))]
    if not found:
        raise InputError(
            f"{path}: not CIFAR-10 or CIFAR-100; expected data_batch_1.bin or train.bin (binary version), or "
            "data_batch_1 or train (Python's)"
        )
    kind, version = found[0]
    if kind is not found[-1][0]:
        raise InputError(f"{path}: holds CIFAR-10 and CIFAR-100; set path to the folder of one of them")
    if labels and kind is CIFAR10:
        raise InputError(f"{path}: CIFAR-10, which has one kind of labels; leave out `labels: {labels}`")
    if missing := [name for name in _batches(kind, version) if name not in contents]:
        raise InputError(f"{path}: lacks {', '.join(missing)}")
    meta = contents.get(kind.names_files[version])
    names = None if meta is None else _CLASS_NAMES[version](meta, f"{path}: {kind.names_files[version]}", kind)
    splits = {}
    for split, batches in kind.batches.items():
        parts = []
        for batch in batches:
            where = f"{path}: {batch}{version}"
            pixels, numbers = _ROWS[version](contents[f"{batch}{version}"], where, kind)
            images = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            parts.append(Split(images, numbers))
            check_split(parts[-1], where, len(names) if names else kind.classes)
        splits[split] = Split(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))
    return Found(splits, names)


def _batches(kind: _Kind, version: str) -> list[str]:
    return [f"{name}{version}" for names in kind.batches.values() for name in names]


def _names(kind: _Kind) -> list[str]:
    """Return the names of all files of a kind that are read, in either version."""
    return [name for end, names in kind.names_files.items() for name in (*_batches(kind, end), names)]


def _from_folder(path: Path, kinds: tuple[_Kind, ...], wanted: set[str]) -> dict[str, bytes]:
    folders = [path, *(path / name for kind in kinds for name in kind.folders)]
    found = [
        {f.name: f for f in folder.iterdir() if f.name in wanted and f.is_file()}
        for folder in folders
        if folder.is_dir()
    ]
    here, below = found[0], {}
    for files in found[1:]:  # a parent of both, or of both versions, holds all of their files
        below = {**files, **below}
    return {name: file.read_bytes() for name, file in (here or below).items()}


def _from_archive(path: Path, wanted: set[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if member.isfile() and name in wanted:
                    if name in contents:
                        raise InputError(f"{path}: holds {name} twice")
                    contents[name] = archive.extractfile(member).read()
            while archive.fileobj.read(2**20):
                pass  # the checksum of gzip, bzip2 and xz lies at the end
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise unreadable(error, path, f"truncated or not a tar archive ({error})") from error
    return contents


def _binary_rows(content: bytes, where: str, kind: _Kind) -> tuple[np.ndarray, np.ndarray]:
    size = kind.label_bytes + _PIXELS
    if len(content) % size:
        raise InputError(
            f"{where}: truncated or too long: {len(content)} bytes, expected a multiple of {size} "
            f"({'a label' if kind.label_bytes == 1 else 'two labels'} and {_PIXELS} pixels)"
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, size)
    return rows[:, kind.label_bytes :], rows[:, kind.label_byte].astype(np.int64)


def _binary_names(content: bytes, where: str, kind: _Kind) -> list[str]:
    try:
        return [line.strip() for line in content.decode().splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not a text of class names ({error})") from error


def _python_rows(content: bytes, where: str, kind: _Kind) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = _entries(content, where, "data", kind.labels)
    if not isinstance(pixels, PickledArray):
        raise InputError(f"{where}: data is {type(pixels).__name__}; expected uint8 (N, {_PIXELS})")
    rows = pixels.as_bytes(f"{where}: data")
    if rows.shape[1:] != (_PIXELS,):
        raise InputError(f"{where}: data is uint8 {rows.shape}; expected uint8 (N, {_PIXELS})")
    if not isinstance(labels, list):
        raise InputError(f"{where}: {kind.labels} are not a list of integers ({type(labels).__name__})")
    try:
        return rows, plain_labels(np.asarray(labels), where)
    except ValueError as error:
        raise InputError(f"{where}: {kind.labels} are not a list of integers ({error})") from error


def _python_names(content: bytes, where: str, kind: _Kind) -> list[str]:
    (names,) = _entries(content, where, kind.names)
    if not isinstance(names, list) or not all(isinstance(name, (bytes, str)) for name in names):
        raise InputError(f"{where}: {kind.names} is not a list of strings")
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
