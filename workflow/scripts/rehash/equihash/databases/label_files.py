"""The labels of a database as one file: how they are computed by position, or, of others, all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rehash.equihash.databases.labels import UNKNOWN, Database, described_database, labels, shard_range
from rehash.errors import InputError
from rehash.hdf5 import check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.progress import progress

BLOCK = 65_536  # labels at a time, which fit the processor's cache
_WHAT = "the labels of a database"


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a database: computed by position, mapped from the file of others, or unknown.

    Attributes:
        path: the file. database: the database that they belong to.
        offset: where in the file the labels of others begin, in bytes; None where there are none.
        checksum: SHA-256 of the labels of others; else a checksum of how they are computed.
    """

    path: str
    database: Database
    checksum: str
    offset: int | None = None

    @classmethod
    def open(cls, path: str | Path) -> Labels:
        """Open a file of `describe_labels` or `public_labels.read_labels`.

        Raises:
            InputError: the file is not one of them, or is damaged.
        """
        with opened(path, _WHAT) as file:
            about = read_attributes(file)
            database = Database.read(about)
            if "labels" not in file:
                if database.source not in ("", UNKNOWN):
                    raise InputError("it has no labels, though they are of a file of others")
                check_seal(file)
                return cls(str(path), database, about["checksum"])
            held, expected = file["labels"], (database.n_items,)
            if held.dtype != np.int64 or held.shape != expected:
                raise InputError(f"labels are {held.dtype} {held.shape}; expected int64 {expected}")
            offset = held.id.get_offset()
            if offset is None:
                raise InputError("its labels are not contiguous")
        return cls(str(path), database, about["checksum"], offset)

    def __len__(self) -> int:
        return self.database.n_items

    def take(self, items: np.ndarray) -> np.ndarray:
        """Return the labels of items, ints (m,) in any order, as int64 (m,); those of a file are read in its order."""
        if self.offset is None:
            return labels(self.database, items)
        order = np.argsort(items, kind="stable")
        found = np.empty(len(items), np.int64)
        found[order] = self._map()[items[order]]
        return found

    def part(self, start: int, stop: int) -> LabelRange:
        """Return the labels of items start to stop.

        Raises:
            InputError: the range does not lie within the database.
        """
        if not 0 <= start <= stop <= len(self):
            raise InputError(
                f"database {self.database.name}: labels {start} to {stop}; expected a range within 0 to {len(self)}"
            )
        return LabelRange(self, start, stop)

    def shard(self, shard: int, shards: int) -> LabelRange:
        """Return the labels of one of `shards` parts of the items (`rehash.equihash.databases.labels.shard_range`)."""
        return self.part(*shard_range(self.database.n_items, shards, shard))

    def between(self, start: int, stop: int) -> np.ndarray:
        """Return the labels of items start to stop, int64 (stop - start,).

        Raises:
            InputError: a label of a file is out of the database's range.
        """
        if self.offset is None:
            return labels(self.database, np.arange(start, stop))
        found = np.array(self._map()[start:stop])
        if len(found) and (found.min() < 0 or found.max() >= self.database.label_count):
            raise InputError(
                f"{self.path}: labels from {found.min()} to {found.max()} in the {len(found)} items from {start}; "
                f"expected 0 to {self.database.label_count - 1}"
            )
        return found

    def blocks(self, title: str, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the labels in order, in blocks: the first item's number, and int64 (n,) with n at most BLOCK.

        Args:
            size: yield the labels of the first `size` items; of all by default.

        Raises:
            InputError: a label of a file is out of range, or the file does not have its checksum (which is checked
                after the last block of all).
        """
        end, digest = self.database.n_items if size is None else size, hashlib.sha256()
        for low in progress(range(0, end, BLOCK), title, "block"):
            found = self.between(low, min(low + BLOCK, end))
            if self.offset is not None:
                digest.update(found)
            yield low, found
        if self.offset is not None and end == len(self) and digest.hexdigest() != self.checksum:
            raise InputError(
                f"{self.path}: its labels have the checksum {digest.hexdigest()}; expected {self.checksum}"
            )

    def _map(self) -> np.ndarray:
        return np.memmap(self.path, np.int64, "r", self.offset, (len(self),)).view(np.ndarray)


@dataclass(frozen=True, eq=False)
class LabelRange:
    """The labels of consecutive items, computed or read where they are asked for: a slice is a range, too.

    `np.asarray` of a range is the labels, int64 (stop - start,).
    """

    labels: Labels
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, part: slice) -> LabelRange:
        low, high, step = part.indices(len(self))
        if step != 1:
            raise InputError(f"labels {part}; expected a slice without a step")
        return LabelRange(self.labels, self.start + low, self.start + max(low, high))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.labels.between(self.start, self.stop).astype(dtype or np.int64, copy=False)


def describe_labels(bank: str | Path | None, output: str | Path, **settings: Any) -> dict[str, Any]:
    """Write how the labels of a database are computed: an HDF5 file of attributes alone (`labels.Database`).

    bank, settings: see `labels.described_database`.
    """
    database, notes = described_database(bank, **settings)
    write_database(output, database)
    return notes


def write_database(output: str | Path, database: Database) -> None:
    """Write a database whose labels are computed by position, or unknown, as a file of `Labels`."""
    with created(output) as file:
        write_attributes(file, database.described)
        seal(file)


def write_labels(source: str | Path, output: str | Path, *, shard: int, shards: int) -> dict[str, Any]:
    """Write the labels of one of a database's shards as a file, for others to read: nothing here needs it.

    The HDF5 file has `labels`, int64 (stop - start,), contiguous, and the attributes seed, name, n_items, label_count,
    multiplicity, start, stop, checksum (SHA-256 of the labels).

    Args:
        source: the database's labels (`Labels`).

    Raises:
        InputError: the labels are unknown, or there is no such shard.
    """
    known, digest = Labels.open(source), hashlib.sha256()
    database, part = known.database, known.shard(shard, shards)
    if database.source == UNKNOWN:
        raise InputError(f"database {database.name}: its labels are unknown, so that there are none to write")
    with created(output) as file:
        written = file.create_dataset("labels", (len(part),), np.int64)
        for low in progress(range(0, len(part), BLOCK), f"labels of {database.name}", "block"):
            found = np.asarray(part[low : low + BLOCK])
            digest.update(found)
            written[low : low + len(found)] = found
        about = {**database.described, "start": part.start, "stop": part.stop, "checksum": digest.hexdigest()}
        write_attributes(file, about)
    return {"items": len(part), "digests": {known.path: known.checksum}}
