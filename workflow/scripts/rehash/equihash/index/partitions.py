"""Partitions of the inverted index: made from all shards, searched in place.

A partition's file holds its fingerprints in ascending order, each with its item, and a small table that says where a
range of fingerprints begins. It is memory-mapped, so that a look-up reads the few pages that it needs.
"""

from __future__ import annotations

import contextlib
import mmap
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import h5py
import numpy as np

from rehash.bits import Codes
from rehash.compiled import compiled, specialised
from rehash.equihash.index.fingerprints import (
    Origin,
    Shard,
    big_endian,
    check_codes,
    check_dataset,
    check_shards,
    compare_words,
    groups_of,
    units,
    words,
)
from rehash.errors import InputError
from rehash.hdf5 import created, opened, read_attributes, write_attributes
from rehash.progress import progress

_ITEMS_A_RANGE = 64  # at least, on average: the table takes at most 4 / 64 bytes an item
_BLOCK = 2**15  # items or queries at a time, which fit the processor's cache
_SORTED = 2**25  # items that are sorted in memory at a time
_INT64 = np.dtype(np.int64)
_WIDE = 2**32  # items of a partition from which on a place among them takes 8 bytes
_Items = tuple[Codes, np.ndarray]  # codes, uint8 (n, bits / 8), and their ids (n,)


def merge_partition(
    shards: Sequence[str | Path], output: str | Path, *, partition: int, partitions: int
) -> dict[str, Any]:
    """Build one of an index's partitions from all shards of a database; only its own groups are read from them.

    The HDF5 file has, each contiguous, `codes` uint8 (n, bits / 8), ascending by bytes; `ids` uint32 or uint64 (n,),
    ascending where codes are equal; and `prefix` uint32 (uint64 from 2^32 rows on): rows prefix[v] to prefix[v + 1] are
    the codes whose first 64 bits, as a number, give v when shifted right by the attribute prefix_shift. Its other
    attributes are those of `Origin`, partition and partitions.

    Shards are opened one at a time. For each item of the partition, the peak of memory is the size of the item itself
    (8 + 4 bytes at 64 bits) and 12 bytes more, however large the database; and it is that of 2^25 items (800 MB at 64
    bits), and 1/16 byte an item, for all partitions of more: a network that gives most items one fingerprint makes one
    of these. Then runs of so many items are sorted, each kept in a temporary file beside the output, and merged. That
    file takes as much of the disk as the items do; it has no name, so that nothing is left of it even by a process that
    is killed. The bytes of the output do not depend on how it was sorted.

    Returns:
        Notes for the provenance: the number of items, and the checksum of each shard's manifest.

    Raises:
        InputError: there is no such partition, or the shards are incomplete (see `check_shards`) or damaged.
    """
    groups, parts = groups_of(partition, partitions), check_shards(shards)
    origin = parts[0].origin
    n = sum(part.count(groups) for part in parts)
    with created(output) as file, contextlib.ExitStack() as stack:
        pieces = _pieces(progress(parts, f"partition {partition}", "shard"), groups, min(n, _SORTED), origin)
        if n <= _SORTED:
            last, ascending = _sorted(*next(pieces))
        else:
            kept = stack.enter_context(TemporaryFile(dir=Path(output).parent))
            last, ascending = _sorted_on_disk(pieces, kept, origin)
        prefix, shift = _write_items(file, ascending, n, last)
        file["prefix"] = prefix
        about = {"partition": partition, "partitions": partitions, "prefix_shift": shift}
        write_attributes(file, {**asdict(origin), **about})
    return {"items": n, "digests": {part.path: part.checksum for part in parts}}


def _pieces(parts: Iterable[Shard], groups: range, size: int, origin: Origin) -> Iterator[_Items]:
    """Yield the items of a partition, `size` at a time, in arrays that are filled again; one empty piece if none.

    Those of one code come in the order of their items, within a piece and from piece to piece.
    """
    codes, ids, held = np.empty((size, origin.width), np.uint8), np.empty(size, origin.id_dtype), 0
    for part in parts:
        for theirs in part.blocks(groups):
            at = 0
            while at < len(theirs[1]):
                if held == size:
                    yield codes, ids
                    held = 0
                taken = min(size - held, len(theirs[1]) - at)
                for mine, other in zip((codes, ids), theirs):
                    mine[held : held + taken] = other[at : at + taken]
                held, at = held + taken, at + taken
    yield codes[:held], ids[:held]


def _sorted(codes: Codes, ids: np.ndarray) -> tuple[bytes, Iterator[_Items]]:
    """Sort items by their codes, stably; return the last code (b"" if there is none), and blocks of all, in order."""
    order = sorted_order(codes)
    blocks = ((codes[order[rows]], ids[order[rows]]) for rows in _blocks(len(codes)))
    return codes[order[-1:]].tobytes(), blocks


@dataclass(eq=False)
class _Run:
    """A sorted run of items in a file, whose rows are a code and its id's bytes.

    Attributes:
        at, stop: where in the file the rows lie that were not read yet, in bytes.
        rows: uint8 (m, bytes a row), those that were read and not merged yet.
    """

    at: int
    stop: int
    rows: np.ndarray

    def read(self, file: IO[bytes], count: int) -> None:
        """Read the next `count` rows, if those that were read before are merged."""
        if not len(self.rows):
            width = self.rows.shape[1]
            file.seek(self.at)
            content = file.read(min(count * width, self.stop - self.at))
            self.at, self.rows = self.at + len(content), np.frombuffer(content, np.uint8).reshape(-1, width)


def _sorted_on_disk(pieces: Iterable[_Items], file: IO[bytes], origin: Origin) -> tuple[bytes, Iterator[_Items]]:
    """Sort pieces of items as `_sorted` sorts one: each for itself, kept in a file, and then merged."""
    last, runs, none = b"", [], np.empty((0, origin.width + origin.id_dtype.itemsize), np.uint8)
    for codes, ids in pieces:
        greatest, blocks = _sorted(codes, ids)
        begin, last = file.tell(), max(last, greatest)
        for part, theirs in blocks:
            file.write(np.concatenate([part, theirs.view(np.uint8).reshape(len(part), -1)], axis=1))
        runs.append(_Run(begin, file.tell(), none))
    merged = _merged(runs, file, max(1, _SORTED // 2 // len(runs)), origin.width)
    return last, (
        (rows[:, : origin.width], rows[:, origin.width :].copy().view(origin.id_dtype)[:, 0]) for rows in merged
    )


def _merged(runs: list[_Run], file: IO[bytes], count: int, width: int) -> Iterator[np.ndarray]:
    """Yield blocks of the rows of sorted runs, ascending by code, and by run where codes are equal.

    Up to `count` rows of each run are in memory.
    """

    def code(row: np.ndarray) -> bytes:
        return row[:width].tobytes()

    while True:
        for run in runs:
            run.read(file, count)
        runs = [run for run in runs if len(run.rows)]
        if not runs:
            return
        # All rows below the least code that ends what was read of an unfinished run are in memory; and those that equal
        # it, as far as the first run that ends so.
        ends = [(code(run.rows[-1]), number) for number, run in enumerate(runs) if run.at < run.stop]
        end, first = min(ends, default=(None, len(runs)))
        taken = []
        for number, run in enumerate(runs):
            bisect = bisect_right if number <= first else bisect_left
            to = len(run.rows) if end is None else bisect(run.rows, end, key=code)
            taken.append(run.rows[:to])
            run.rows = run.rows[to:]
        rows = np.concatenate(taken)
        order = sorted_order(rows[:, :width])
        for block in _blocks(len(rows)):
            yield rows[order[block]]


def _write_items(file: h5py.File, ascending: Iterable[_Items], n: int, last: bytes) -> tuple[np.ndarray, int]:
    """Write n items in their order; return the table of where ranges of codes begin, uint32 or uint64, and its shift.

    last: the greatest code.
    """
    greatest, bits = int.from_bytes(last[:8].ljust(8, b"\0"), "big"), max(n // _ITEMS_A_RANGE, 1).bit_length() - 1
    shift = min(max(greatest.bit_length() - bits, 0), 63)
    prefix, at = np.zeros((greatest >> shift) + 2, _place_dtype(n)), 0
    for codes, ids in ascending:
        for name, values in (("codes", codes), ("ids", ids)):
            file.require_dataset(name, (n, *values.shape[1:]), values.dtype)[at : at + len(ids)] = values
        at += len(ids)
        if n:
            ranges = words(codes)[:, 0] >> np.uint64(shift)
            low, high = int(ranges[0]) + 1, int(ranges[-1]) + 2
            prefix[low:high] += np.bincount((ranges - ranges[0]).astype(np.int64)).astype(prefix.dtype)
    return np.cumsum(prefix, out=prefix, dtype=prefix.dtype), shift


def _place_dtype(items: int) -> np.dtype:
    """Return the dtype of a place among so many items on disk."""
    return np.dtype("<u4" if items < _WIDE else "<u8")


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
            packed[rows] = order[packed[rows] & np.uint64(2**32 - 1)]
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
            check_dataset(file, "prefix", _place_dtype(items), (entries,))
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
        codes_at, ids_at, prefix_at = self.places
        codes = np.frombuffer(content, np.uint8, self.items * self.origin.width, codes_at)
        shaped = codes.reshape(self.items, self.origin.width)
        ids = np.frombuffer(content, self.origin.id_dtype, self.items, ids_at)
        prefix = np.frombuffer(content, _place_dtype(self.items), self.ranges, prefix_at)
        return Partition(self.origin, self.partition, self.partitions, shaped, ids, units(shaped), prefix, self.shift)


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
    _numbers: np.ndarray = field(repr=False)  # the codes in `units`
    _prefix: np.ndarray = field(repr=False)
    _shift: int = field(repr=False)

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

    def find(self, code: tuple[int, ...]) -> np.ndarray:
        """Return the items of one code, a tuple of its units (`fingerprints.unit_struct`): int64 (n,), ascending."""
        first, end = self._locate_one(self._numbers, self._prefix, self._shift, code)
        return self.ids[first:end].astype(_INT64)

    @cached_property
    def _locate_one(self) -> Callable:
        code = (0,) * (self.origin.width // self._numbers.itemsize)
        return specialised(_locate_one, self._numbers, self._prefix, self._shift, code)


@compiled
def _locate_one(codes, prefix, shift, asked):
    """Return the first row of a query's bucket and the row after its last, which are equal if there is none.

    One query takes less time so than by `Partition.locate`, which makes many queries take each step together, so that
    the processor waits for all of their codes at once. Rows are kept within the codes even if the table is damaged,
    since nothing checks them here.

    Args:
        codes: the partition's, in `fingerprints.units`. asked: the tuple of those of the query.
    """
    width, size, key = len(asked), codes.itemsize, np.uint64(0)
    for place in range(min(width, 8 // size)):
        key |= big_endian(asked[place]) >> np.uint64(8 * size * place)
    entry, items = np.int64(min(key >> np.uint64(shift), np.uint64(len(prefix) - 2))), len(codes) // width
    low, high = min(np.int64(prefix[entry]), items), min(np.int64(prefix[entry + 1]), items)
    first = end = low
    # Codes are about even within a range: the search begins where the query would be then, and goes on in longer and
    # longer steps until it has passed it, since a row far from the last one is not in the processor's cache.
    rest = key << np.uint64(64 - shift) >> np.uint64(32) if shift else np.uint64(0)
    probe = low + np.int64(rest * np.uint64(max(high - low, 0)) >> np.uint64(32))
    for side in range(2):  # the first row that is not below the query, and the first that is above it
        first, last, step = end, high, 1
        while end < last:
            place = 0
            mine, theirs = big_endian(codes[probe * width]), big_endian(asked[0])
            while mine == theirs and place + 1 < width:
                place += 1
                mine, theirs = big_endian(codes[probe * width + place]), big_endian(asked[place])
            below = mine < theirs or (side == 1 and mine == theirs)
            if below:
                end = probe + 1
            else:
                last = probe
            if first < end and last < high:
                probe = (end + last) >> 1
            else:
                probe, step = min(end + step, last) - 1 if below else max(last - step, end), 4 * step
        probe = end
    return first, end


def _blocks(n: int) -> Iterator[slice]:
    """Return slices of n items in order; an empty one of none."""
    return (slice(low, min(low + _BLOCK, n)) for low in range(0, max(n, 1), _BLOCK))
