"""Banks: the images that mosaics are made of, in the splits train, valid and test.

A bank is an HDF5 file with `{train,valid,test}/images`, uint8 (N, H, W) or (N, H, W, 3), contiguous in the file so that
they can be memory-mapped; `{train,valid,test}/labels`, int64 (N,), the class of each image, if it was built from a
dataset; and, in a bank of identities, `{train,valid,test}/identities`, int64 (N,), the identity of each image, in
order, each of two images or more, and `{train,valid,test}/names`, the name of each identity. Its attributes are name,
source, licence and checksum (SHA-256 of images and of labels or identities, if there are any, of train, valid, then
test).
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np

from rehash.errors import InputError, unknown
from rehash.hdf5 import add_group, created, opened, read_attributes, texts, write_attributes

SPLITS = ("train", "valid", "test")
_READERS = Path(__file__).with_name("readers")
_COMMON = ("name", "reader", "source", "licence", "checksum", "images_limit")
log = logging.getLogger("rehash")


@dataclass(frozen=True)
class SplitImages:
    """The images of a split, which are read on demand.

    Attributes:
        count: the number of images.
        slices: uint8 (n, H, W) or (n, H, W, 3), in order, n of any size; may be iterable only once.
        left_out: names of files that could not be read and are not counted.
        notes: what else was left out or changed, in all splits, a sentence each.
        labels: the class of each image, int64 (count,), or None if images have no classes.
        identities: the identity of each image, int64 (count,), from 0 and ascending, or None if there are none.
        names: of the identities, in their order.
    """

    count: int
    slices: Iterable[np.ndarray]
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    identities: np.ndarray | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Bank:
    """One split of a bank, open for reading; its images stay on disk until they are taken.

    Attributes:
        path, split: the bank's file and the split in it.
        checksum: SHA-256 of all the bank's splits.
        images: uint8 (N, H, W) or (N, H, W, 3), memory-mapped.
        labels: the class of each image, int64 (N,), or None if the bank has no classes.
        identities: the identity of each image, int64 (N,), from 0 and ascending, or None if the bank has none.
    """

    path: Path
    split: str
    checksum: str
    images: np.ndarray = field(repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    identities: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: str | Path, split: str) -> Bank:
        """Open a split of a bank, memory-mapped.

        Raises:
            InputError: the file is not a bank, or there is no such split.
        """
        path = Path(path)
        if split not in SPLITS:
            raise unknown("split", split, SPLITS, str(path))
        with opened(path, "a bank of rehash") as file:
            images, checksum = file[f"{split}/images"], str(read_attributes(file)["checksum"])
            check_images(images, split)
            offset = images.id.get_offset()
            if offset is None:
                raise InputError("its images are not contiguous")
            mapped = np.memmap(path, np.uint8, "r", offset, images.shape).view(np.ndarray)
            labels, identities = (
                file[f"{split}/{of}"][:] if f"{split}/{of}" in file else None for of in ("labels", "identities")
            )
            if labels is not None:
                check_labels(labels, len(mapped), split)
            if identities is not None:
                check_identities(identities, len(mapped), split)
        return cls(path, split, checksum, mapped, labels, identities)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one image: (H, W) or (H, W, 3)."""
        return self.images.shape[1:]

    @property
    def things(self) -> int:
        """Return how many things the labels of mosaics are made of: identities, or images in a bank without them."""
        return len(self) if self.identities is None else int(self.identities[-1]) + 1

    def names(self) -> list[str]:
        """Return the names of the identities, in their order; none in a bank without them."""
        with opened(self.path, "a bank of rehash") as file:
            stored = file.get(f"{self.split}/names")
            return [] if stored is None else [name.decode() for name in stored[:]]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Return the images at `indices`, uint8 (n, H, W) or (n, H, W, 3).

        Args:
            indices: int64 (n,), in any order, with or without repeats.

        Raises:
            InputError: an index is out of range.
        """
        indices = np.asarray(indices)
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise InputError(
                f"{self.path}: {self.split}: images {indices.min()} to {indices.max()} were asked for; expected 0 to "
                f"{len(self) - 1}"
            )
        return self.images[indices]


def check_images(images: np.ndarray | h5py.Dataset, where: str) -> None:
    """Raise an InputError if the images are not uint8 (N, H, W) or (N, H, W, 3), or if there are none."""
    shape = images.shape
    if images.dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)):
        raise InputError(f"{where}: images are {images.dtype} {shape}; expected uint8 (N, H, W) or (N, H, W, 3)")
    if 0 in shape:
        raise InputError(f"{where}: no images, {shape}")


def check_labels(labels: np.ndarray, images: int, where: str) -> None:
    """Raise an InputError if the labels are not int64 (images,)."""
    if labels.dtype != np.int64 or labels.shape != (images,):
        raise InputError(f"{where}: labels are {labels.dtype} {labels.shape}; expected int64 ({images},)")


def check_identities(identities: np.ndarray, images: int, where: str) -> None:
    """Raise an InputError if the identities are not int64 (images,), 0 to the last in order, each of two or more."""
    if identities.dtype != np.int64 or identities.shape != (images,):
        raise InputError(f"{where}: identities are {identities.dtype} {identities.shape}; expected int64 ({images},)")
    numbers, counts = np.unique(identities, return_counts=True)
    if (np.diff(identities) < 0).any() or not np.array_equal(numbers, np.arange(len(numbers))):
        raise InputError(f"{where}: identities are not numbered from 0 on, in order")
    if counts.min() < 2:
        raise InputError(f"{where}: identity {counts.argmin()} has 1 image; expected two or more of each")


def build_bank(raw: dict[str, str | Path], output: str | Path, *, description: dict[str, Any]) -> dict[str, Any]:
    """Read raw images (role -> path) and write the bank, slice by slice; return notes on it.

    Args:
        description: `name`, `reader` (a module of rehash.equihash.images.readers), and optionally `source` and
            `licence` (the reader's own by default), `checksum` (the expected one; the bank's own is logged),
            `images_limit` (the most images of a split, which are its first ones), and the reader's settings. A value of
            None counts as left out.

    Raises:
        InputError: the reader or a setting is unknown, a path does not exist, a split has no images, images differ in
            size or have another type, or the checksum differs.
    """
    description = {key: value for key, value in description.items() if value is not None}
    name, where = description["name"], f"bank {description['name']}"
    for role, path in raw.items():
        if not Path(path).exists():
            raise InputError(f"{where}: the {role} {path} does not exist")
    reader = _reader(description["reader"], where)
    settings = {key: value for key, value in description.items() if key not in _COMMON}
    _check_settings(settings, reader, where)
    splits = reader.read(raw, **settings)
    if limit := description.get("images_limit"):
        splits = {split: _first(images, limit) for split, images in splits.items()}
    notes = list(dict.fromkeys(note for split in SPLITS for note in splits[split].notes))
    for note in notes:
        log.info("%s: %s", where, note)
    about = {key: description.get(key, getattr(reader, key.upper(), "")) for key in ("source", "licence")}
    with created(output) as file:
        checksum = _write_splits(file, splits, where)
        log.info("%s: its checksum is %s", where, checksum)
        if description.get("checksum", checksum) != checksum:
            raise InputError(f"{where}: has the checksum {checksum}, expected {description['checksum']}")
        write_attributes(file, {"name": name, **about, "checksum": checksum})
    identities = {split: len(splits[split].names) for split in SPLITS if splits[split].names}
    return {
        "bank_checksum": checksum,
        "pictures": {split: splits[split].count for split in SPLITS},
        **({"identities": identities} if identities else {}),
        "left_out": sorted(path for split in SPLITS for path in splits[split].left_out),
        "notes": notes,
    }


def _reader(name: str, where: str) -> ModuleType:
    names = [path.stem for path in _READERS.glob("*.py") if path.stem != "__init__"]
    if name not in names:
        raise unknown("reader", name, names, where)
    # Imported by name, so that a bank depends on the code of its own reader alone (rehash.digest).
    return importlib.import_module(f"rehash.equihash.images.readers.{name}")


def _check_settings(settings: dict[str, Any], reader: ModuleType, where: str) -> None:
    parameters = inspect.signature(reader.read).parameters.values()
    accepted = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for key in settings:
        if key not in accepted:
            raise unknown(f"setting of the reader {reader.__name__.rpartition('.')[2]}", key, accepted, where)


def _first(images: SplitImages, limit: int) -> SplitImages:
    """Return the first images of a split, as many as it has up to a limit."""

    def slices() -> Iterator[np.ndarray]:
        left = count
        for part in images.slices:
            yield part[:left]
            left -= len(part)
            if left <= 0:
                break

    count = min(limit, images.count)
    labels = None if images.labels is None else images.labels[:count]
    return replace(images, count=count, slices=slices(), labels=labels)


def _write_splits(file: h5py.File, splits: dict[str, SplitImages], where: str) -> str:
    """Write all splits slice by slice; return the SHA-256 of their images, and of their labels or identities."""
    digest, shape = hashlib.sha256(), None
    for split in SPLITS:
        count, done, images = splits[split].count, 0, None
        if not count:
            raise InputError(f"{where}: {split}: no images; expected one or more in each of {', '.join(SPLITS)}")
        for part in splits[split].slices:
            check_images(part, f"{where}: {split}")
            shape = shape or part.shape[1:]
            if part.shape[1:] != shape:
                raise InputError(
                    f"{where}: {split}: image {done} is {part.shape[1:]}, but the first of the bank is {shape}; "
                    "expected images of one size"
                )
            if images is None:
                add_group(file, split)
                images = file.create_dataset(f"{split}/images", (count, *shape), np.uint8)
            if done + len(part) <= count:
                images[done : done + len(part)] = part
            digest.update(np.ascontiguousarray(part))
            done += len(part)
        if done != count:
            raise InputError(f"{where}: {split}: {done} images; expected {count}")
        if (identities := splits[split].identities) is not None:
            check_identities(identities, count, f"{where}: {split}")
            file.create_dataset(f"{split}/identities", data=identities)
            file.create_dataset(f"{split}/names", data=texts(list(splits[split].names)))
            digest.update(np.ascontiguousarray(identities))
        if (labels := splits[split].labels) is not None:
            check_labels(labels, count, f"{where}: {split}")
            file.create_dataset(f"{split}/labels", data=labels)
            digest.update(np.ascontiguousarray(labels))
    return digest.hexdigest()
