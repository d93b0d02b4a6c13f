"""Reads the label files of a database: checks them, goes through them in order, and looks labels up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from rehash.equihash.databases.labels import LABEL_BLOCK, UNKNOWN, Database
from rehash.errors import InputError
from rehash.hdf5 import opened, read_attributes
from rehash.progress import progress

_WHAT = "a file of labels"


@dataclass(frozen=True)
class LabelFile:
    """A file with the labels of items start to stop of a database (`rehash.equihash.databases.labels.draw_labels`).

    Attributes:
        path: the file.
        start, stop: the first item, and the one after the last.
        database: the database that the items belong to.
        offset: where in the file the labels begin, in bytes.
        checksum: SHA-256 of the labels when they were drawn.
    """

    path: str
    start: int
    stop: int
    database: Database
    offset: int
    checksum: str

    @classmethod
    def open(cls, path: str | Path) -> LabelFile:
        """Open a label file: read its attributes and check its dataset.

        Raises:
            InputError: the file is not a label file, or is damaged.
        """
        with opened(path, _WHAT) as file:
            about = read_attributes(file)
            database, start, stop = Database.read(about), about["start"], about["stop"]
            if database.source == UNKNOWN:
                return cls(str(path), start, stop, database, 0, about["checksum"])
            labels = file["labels"]
            if labels.dtype != np.int64 or labels.shape != (stop - start,):
                raise InputError(f"labels are {labels.dtype} {labels.shape}; expected int64 ({stop - start},)")
            offset = labels.id.get_offset()
            if offset is None and stop > start:
                raise InputError("its labels are not contiguous")
        return cls(str(path), start, stop, database, offset or 0, about["checksum"])

    def map(self) -> np.ndarray:
        """Return the labels, int64 (stop - start,), memory-mapped; unknown ones are the items' numbers."""
        if self.database.source == UNKNOWN:
            return np.arange(self.start, self.stop)
        if self.start == self.stop:
            return np.empty(0, np.int64)
        return np.memmap(self.path, np.int64, "r", self.offset, (self.stop - self.start,)).view(np.ndarray)

    def check(self, labels: np.ndarray, first: int) -> None:
        """Raise an InputError if a label of the items from `first` on is out of the database's range."""
        if len(labels) and (labels.min() < 0 or labels.max() >= self.database.label_count):
            raise InputError(
                f"{self.path}: labels from {labels.min()} to {labels.max()} in the {LABEL_BLOCK} items from {first}; "
                f"expected 0 to {self.database.label_count - 1}"
            )


@dataclass(frozen=True)
class LabelShards:
    """The label files of a whole database, in order.

    Attributes:
        database: the database that the labels belong to.
        parts: its label files.
    """

    database: Database
    parts: tuple[LabelFile, ...]

    @classmethod
    def open(cls, paths: Sequence[str | Path]) -> LabelShards:
        """Check that the files, in any order, are one database's and hold each item once.

        Raises:
            InputError: a file is not a label file, or the files are of several databases, overlap, or leave a gap.
        """
        found = sorted((LabelFile.open(path) for path in paths), key=lambda part: (part.start, part.stop))
        if not found:
            raise InputError("no label files; expected those of all shards of a database")
        first, at = found[0], 0
        for part in found:
            if part.database != first.database:
                raise InputError(
                    f"{part.path}: labels of {part.database}, but {first.path} has those of {first.database}"
                )
        for part in found:
            if part.start != at:
                what = "overlap" if part.start < at else "leave a gap"
                raise InputError(f"{part.path}: starts at item {part.start}, expected {at}: the shards {what}")
            at = part.stop
        if at != first.database.n_items:
            raise InputError(
                f"{part.path}: ends at item {at}, expected {first.database.n_items}: the last shards are missing"
            )
        return cls(first.database, tuple(found))

    def blocks(self, title: str, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the labels in order, in blocks: the first item's number, and int64 (n,) with n at most LABEL_BLOCK.

        Args:
            size: yield the labels of the first `size` items; of all by default.

        Raises:
            InputError: a file cannot be read, has a label out of range, or does not have its checksum (which is checked
                after the file's last block).
        """
        end = self.database.n_items if size is None else size
        if self.database.source == UNKNOWN:
            for low in range(0, end, LABEL_BLOCK):
                yield low, np.arange(low, min(low + LABEL_BLOCK, end))
            return
        spans = [
            (part, low, min(low + LABEL_BLOCK, part.stop, end))
            for part in self.parts
            for low in range(part.start, min(part.stop, end), LABEL_BLOCK)
        ]
        for part, group in groupby(progress(spans, title, "block"), key=lambda span: span[0]):
            digest = hashlib.sha256()
            with opened(part.path, _WHAT) as file:
                for _, low, high in group:
                    labels = file["labels"][low - part.start : high - part.start]
                    part.check(labels, low)
                    digest.update(labels)
                    yield low, labels
                if high == part.stop and digest.hexdigest() != part.checksum:
                    raise InputError(f"its labels have the checksum {digest.hexdigest()}; expected {part.checksum}")

    def take(self, ids: np.ndarray) -> np.ndarray:
        """Return the labels of items, ints (m,) in any order, as int64 (m,); files are read in order, where needed."""
        if self.database.source == UNKNOWN:
            return ids.astype(np.int64)
        order = np.argsort(ids, kind="stable")
        ordered, found = ids[order].astype(np.int64), np.empty(len(ids), np.int64)
        ends = np.searchsorted(ordered, [part.stop for part in self.parts])
        for part, low, high in zip(self.parts, [0, *ends], ends):
            if low < high:
                found[order[low:high]] = part.map()[ordered[low:high] - part.start]
        return found
