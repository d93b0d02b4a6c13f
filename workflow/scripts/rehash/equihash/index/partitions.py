"""Partitions of the inverted index: made from all shards, searched in place.

A partition's file holds its fingerprints in ascending order, each with its item, and a small table that says where a
range of fingerprints begins. It is memory-mapped, so that a look-up reads the few pages that it needs.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.bits import Codes
from rehash.equihash.index.fingerprints import (
    Origin,
    check_codes,
    check_dataset,
    check_shards,
    compare_words,
    groups_of,
    words,
)
from rehash.errors import InputError
from rehash.hdf5 import created, opened, read_attributes, write_attributes
from rehash.progress import progress

_ITEMS_A_RANGE = 64  # at least, on average: the table takes at most 4 / 64 bytes an item
_BLOCK = 2**15  # items or queries at a time, which fit the processor's cache
_SCANNED = 256  # rows that a single look-up reads at once
_MOST_ITEMS = 2**32  # an item's place is packed into half of a 64-bit number


def merge_partition(
    shards: Sequence[str | Path], output: str | Path, *, partition: int, partitions: int
) -> dict[str, Any]:
    """Build one of an index's partitions from all shards of a database; only its own groups are read from them.

    The HDF5 file has, each contiguous, `codes` uint8 (n, bits / 8), ascending by bytes; `ids` uint32 or uint64 (n,),
    ascending where codes are equal; and `prefix` uint32: rows prefix[v] to prefix[v + 1] are the codes whose first 64
    bits, as a number, give v when shifted right by the attribute prefix_shift. Its other attributes are those of
    `Origin`, partition and partitions.

    Shards are opened one at a time. For each item of the partition, the peak of memory is the size of the item itself
    (8 + 4 bytes at 64 bits) and 12 bytes more, however large the database.

    Returns:
        Notes for the provenance: the number of items, and the checksum of each shard's manifest.

    Raises:
        InputError: there is no such partition, or the shards are incomplete (see `check_shards`) or damaged.
    """
    groups, parts = groups_of(partition, partitions), check_shards(shards)
    origin = parts[0].origin
    n = sum(part.count(groups) for part in parts)
    if n >= _MOST_ITEMS:
        raise InputError(f"{output}: {n} items; expected fewer than {_MOST_ITEMS}: take more partitions")
    codes, ids = np.empty((n, origin.width), np.uint8), np.empty(n, origin.id_dtype)
    at = 0
    for part in progress(parts, f"partition {partition}", "shard"):
        to = at + part.count(groups)
        part.read(groups, codes[at:to], ids[at:to])
        at = to
    order = sorted_order(codes)
    with created(output) as file:
        prefix, shift = _write_codes(file, codes, order)
        written = file.create_dataset("ids", ids.shape, ids.dtype)
        for rows in _blocks(n):
            written[rows] = ids[order[rows]]
        file["prefix"] = prefix
        about = {"partition": partition, "partitions": partitions, "prefix_shift": shift}
        write_attributes(file, {**asdict(origin), **about})
    return {"items": n, "digests": {part.path: part.checksum for part in parts}}


def _write_codes(file: h5py.File, codes: Codes, order: np.ndarray) -> tuple[np.ndarray, int]:
    """Write the codes in order; return the table of where ranges of them begin, uint32, and its shift."""
    last = int(words(codes[order[-1:]])[0, 0]) if len(codes) else 0
    bits = max(len(codes) // _ITEMS_A_RANGE, 1).bit_length() - 1
    shift = min(max(last.bit_length() - bits, 0), 63)
    counts = np.zeros((last >> shift) + 1, np.int64)
    written = file.create_dataset("codes", codes.shape, codes.dtype)
    for rows in _blocks(len(codes)):
        ascending = codes[order[rows]]
        written[rows] = ascending
        ranges = words(ascending)[:, 0] >> np.uint64(shift)
        low, high = int(ranges[0]), int(ranges[-1]) + 1
        counts[low:high] += np.bincount((ranges - ranges[0]).astype(np.int64))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32), shift


def sorted_order(codes: Codes) -> np.ndarray:
    """Compute the stable order of codes, uint8 (n, width), by their bytes: uint32 (n,), n below 2^32.

    This is a radix sort by digits of 32 bits, from the last to the first. Each pass sorts 64-bit numbers, a digit in
    the upper half and the place so far in the lower half: numpy sorts numbers several times as fast as it finds an
    order, and in the same time however the digits are distributed. It takes 12 bytes an item.
    """
    order, packed = np.arange(len(codes), dtype=np.uint32), np.empty(len(codes), np.uint64)
    for column in range(0, codes.shape[1], 4)[::-1]:
        for rows in _blocks(len(codes)):
            digits = words(codes[order[rows]][:, column : column + 4])[:, 0]  # in the upper half
            packed[rows] = digits | np.arange(rows.start, rows.stop, dtype=np.uint64)
        packed.sort()
        for rows in _blocks(len(codes)):
            packed[rows] = order[packed[rows] & np.uint64(_MOST_ITEMS - 1)]
        order[:] = packed
    return order


@dataclass(frozen=True)
class Header:
    """The header of a partition's file: its origin, its numbers, and where its arrays begin (`places`, bytes)."""

    path: str
    origin: Origin
    partition: int
    partitions: int
    shift: int
    items: int
    ranges: int
    places: tuple[int, int, int]

    @classmethod
    def read(cls, path: str | Path) -> Header:
        """Read the header of a partition's file; raise an InputError if it is not a partition, or is damaged."""
        with opened(path, "a partition of an index") as file:
            about = read_attributes(file)
            origin = Origin.read(about)
            partition, partitions, shift = (about[name] for name in ("partition", "partitions", "prefix_shift"))
            items, entries = len(file["ids"]), len(file["prefix"])
            check_dataset(file, "codes", np.uint8, (items, origin.width))
            check_dataset(file, "ids", origin.id_dtype, (items,))
            check_dataset(file, "prefix", np.uint32, (entries,))
            if file["prefix"][-1] != items:
                raise InputError(f"its prefix table ends at {file['prefix'][-1]}; expected {items}")
            groups_of(partition, partitions)
            if not 0 <= shift < 64 or entries < 2:
                raise InputError(
                    f"its prefix table has {entries} entries, shifted by {shift}; expected 2 or more, 0 to 63"
                )
            places = tuple(file[name].id.get_offset() for name in ("codes", "ids", "prefix"))
            if items and None in places:
                raise InputError("its datasets are not contiguous")
        return cls(
            str(path), origin, partition, partitions, shift, items, entries, tuple(place or 0 for place in places)
        )

    def map(self) -> Partition:
        """Return the partition with its arrays mapped; the file is mapped once, so that it counts as one open file."""
        with open(self.path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        shape, (codes_at, ids_at, prefix_at) = (self.items, self.origin.width), self.places
        codes = np.frombuffer(content, np.uint8, shape[0] * shape[1], codes_at).reshape(shape)
        ids = np.frombuffer(content, self.origin.id_dtype, self.items, ids_at)
        prefix = np.frombuffer(content, "<u4", self.ranges, prefix_at)
        about = self.origin, self.partition, self.partitions
        return Partition(*about, codes, ids, prefix, self.shift, content, codes_at)


@dataclass(frozen=True, eq=False)
class Partition:
    """One partition of an index, memory-mapped.

    Attributes:
        origin: the origin of its fingerprints.
        partition, partitions: its number, and the number of partitions.
        codes: uint8 (n, bits / 8), ascending by bytes.
        ids: uint32 or uint64 (n,), ascending where codes are equal.
    """

    origin: Origin
    partition: int
    partitions: int
    codes: Codes = field(repr=False)
    ids: np.ndarray = field(repr=False)
    _prefix: np.ndarray = field(repr=False)
    _shift: int = field(repr=False)
    _content: mmap.mmap = field(repr=False)
    _codes_at: int = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Partition:
        """Open a file of `merge_partition`.

        Raises:
            InputError: the file is not a partition, or is damaged.
        """
        return Header.read(path).map()

    def __len__(self) -> int:
        return len(self.ids)

    def ranges(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row of each code, uint8 (q, bits / 8), and the row after its last, int64 (q,) each.

        The two are equal where no row has the code.

        Raises:
            InputError: the codes have another width.
        """
        check_codes(codes, "queries", self.origin.width)
        first, count = self.locate(words(codes))
        return first, first + count

    def locate(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row of each code's bucket and the number of its rows, int64 (q,) each.

        Codes are given as their words, uint64 (q, ceil(bits / 64)). For a code that no row has, the number is 0 and the
        first row is meaningless.
        """
        first, count = np.zeros((2, len(queries)), np.int64)
        for rows in _blocks(len(queries) if len(self) else 0):
            first[rows], count[rows] = self._locate(queries[rows])
        return first, count

    def _locate(self, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        last = np.uint64(len(self._prefix) - 2)  # also for queries beyond all codes
        ranges = np.minimum(queries[:, 0] >> np.uint64(self._shift), last).astype(np.int64)
        low, high = (self._prefix[each].astype(np.int64) for each in (ranges, ranges + 1))
        first = self._bound(queries, low, high, np.less)
        hits = np.flatnonzero((self._words(first) == queries).all(axis=1))
        count = np.zeros(len(queries), np.int64)
        count[hits] = self._bound(queries[hits], first[hits], high[hits], np.less_equal) - first[hits]
        return first, count

    def _bound(self, queries: np.ndarray, low: np.ndarray, high: np.ndarray, below: np.ufunc) -> np.ndarray:
        """Return the first row from low to high whose code is not below the query; a binary search, one step for all.

        A step may look beyond `high`, where no code is below the query; the last row stands for all rows after it.
        """
        first, step = low.copy(), 1 << int((high - low).max(initial=0)).bit_length()
        while step := step >> 1:
            first += compare_words(self._words(first + (step - 1)), queries, below) * np.int64(step)
        return np.minimum(first, len(self))

    def _words(self, rows: np.ndarray) -> np.ndarray:
        return words(self.codes.take(rows, axis=0, mode="clip"))

    def find(self, code: bytes) -> np.ndarray:
        """Return the items of one code, ascending, int64 (n,)."""
        content, begin, width, items = self._content, self._codes_at, len(code), len(self)

        def at(row: int) -> bytes:
            return content[begin + row * width : begin + (row + 1) * width]

        key = int.from_bytes(code[:8].ljust(8, b"\0"), "big")
        place = min(key >> self._shift, len(self._prefix) - 2)
        low, high = self._prefix[place : place + 2].tolist()
        while high - low > _SCANNED:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if at(middle) < code else (low, middle)
        rows = content[begin + low * width : begin + (high + 1) * width]  # a row after the last has no item
        found = rows.find(code)
        while found > 0 and found % width:  # a match across two rows does not count
            found = rows.find(code, found + 1)
        if found < 0:
            return np.empty(0, np.int64)
        first, step = low + found // width, 1
        end = first + 1
        while end + step <= items and at(end + step - 1) == code:  # most buckets are small
            end, step = end + step, 2 * step
        end = bisect_right(range(items), code, end, min(end + step - 1, items), key=at)
        return self.ids[first:end].astype(np.int64)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(low, min(low + _BLOCK, n)) for low in range(0, n, _BLOCK))
