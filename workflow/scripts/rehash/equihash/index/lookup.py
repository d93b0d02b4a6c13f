"""The inverted index of a database: from a fingerprint to the items that have it.

Each of its partitions (see `partitions`) is a file, memory-mapped on its first use, so that an index of any size opens
at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rehash.bits import Codes, pack
from rehash.compiled import specialised
from rehash.equihash.index.fingerprints import check_codes, partition_of, route, unit_struct, words
from rehash.equihash.index.partitions import Header, Partition
from rehash.equihash.index.probing import probe_masks
from rehash.errors import InputError
from rehash.progress import progress
from rehash.store import value_digest

_MOST_MAPPED = 256  # partitions at a time: each holds a file open, and systems allow a process some hundreds
_LOOKUPS = 2**20  # fingerprints of probes that are looked up at once
_SCANNED = 2**22  # ids that are read at once
_MARKS = 2**26  # of items that lie near one that is asked for


class Probed(NamedTuple):
    """What the probes of some queries find in an index.

    Attributes:
        offsets: int64 (q + 1,); what query j finds is at offsets[j] to offsets[j + 1] of the other two.
        ids: int64, items, by the probe that finds them, those of one probe ascending.
        ranks: int64, the number of the probe that found each item, from 0, the query's own fingerprint.
    """

    offsets: np.ndarray
    ids: np.ndarray
    ranks: np.ndarray


class Index:
    """The inverted index of a database: from a fingerprint to the items that have it.

    Attributes:
        origin: the origin of its fingerprints.
        partitions: the number of its partitions.
        partition: a function from a partition's number to the mapped `rehash.equihash.index.partitions.Partition`.
    """

    def __init__(self, headers: Sequence[Header]) -> None:
        self.origin, self.partitions = headers[0].origin, headers[0].partitions
        self._shape, self._dtype = (self.origin.width,), np.dtype(np.uint8)  # of one code
        self._unpack, self._size = unit_struct(self.origin.width).unpack, gcd(self.origin.width, 8)
        self._items = sum(header.items for header in headers)
        self._headers = headers
        self.partition = lru_cache(_MOST_MAPPED)(lambda partition: headers[partition].map())

    @classmethod
    def open(cls, paths: Sequence[str | Path]) -> Index:
        """Open the files of all partitions (`merge_partition`), in any order.

        Raises:
            InputError: a file is not a partition, is damaged, of another index or given twice, or one is missing; the
                message names it.
        """
        headers = sorted((Header.read(path) for path in paths), key=lambda header: header.partition)
        if not headers:
            raise InputError("no partitions; expected those of a whole index")
        origin, partitions = headers[0].origin, headers[0].partitions
        for expected, header in enumerate(headers):
            origin.check(header.origin, header.path, f"{headers[0].path} is")
            if header.partitions != partitions:
                raise InputError(
                    f"{header.path}: is one of {header.partitions} partitions; expected {partitions}, as "
                    f"{headers[0].path} says"
                )
            if header.partition < expected:
                other = headers[expected - 1].path
                raise InputError(f"{header.path}: is partition {header.partition}, as {other} is; expected each once")
            if header.partition > expected:
                raise _missing(expected, partitions, header.path)
        if len(headers) < partitions:
            raise _missing(len(headers), partitions, headers[0].path)
        index = cls(headers)
        if len(index) != origin.n_items:
            raise InputError(
                f"{headers[0].path} and the other partitions have {len(index)} items; expected {origin.n_items}"
            )
        return index

    def __len__(self) -> int:
        return self._items

    @property
    def digest(self) -> str:
        """Return a digest of what all partitions follow from, for the provenance: their files may hold gigabytes."""
        return value_digest({**asdict(self.origin), "partitions": self.partitions})

    def lookup(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        """Look up the items of each code.

        Args:
            codes: uint8 (q, bits / 8).

        Returns:
            offsets, int64 (q + 1,), and ids, int64: the items of query j are ids[offsets[j]:offsets[j + 1]], ascending.

        Raises:
            InputError: the codes have another width.
        """
        starts, counts = np.zeros((2, len(codes)), np.int64)
        found, total = [np.empty(0, np.int64)], 0
        for partition, rows, first, count in self._buckets(codes):
            found.append(partition.ids[_spans(first, count)].astype(np.int64))
            counts[rows], starts[rows] = count, np.cumsum(count) - count + total
            total += len(found[-1])
        return np.concatenate([[0], np.cumsum(counts)]), np.concatenate(found)[_spans(starts, counts)]

    def count(self, codes: Codes) -> np.ndarray:
        """Count the items of each code, int64 (q,), without reading a single id.

        Raises:
            InputError: the codes have another width.
        """
        counts = np.zeros(len(codes), np.int64)
        for _, rows, _, count in self._buckets(codes):
            counts[rows] = count
        return counts

    def buckets(self, codes: Codes) -> Iterator[tuple[int, np.ndarray]]:
        """Yield, for each code that some item has, its row, and the ids of these items, ascending, mapped and not read.

        Rows come by partition. A bucket of any size costs no memory.

        Raises:
            InputError: the codes have another width.
        """
        for partition, rows, first, count in self._buckets(codes):
            for row in np.flatnonzero(count):
                yield int(rows[row]), partition.ids[first[row] : first[row] + count[row]]

    def find(self, code: np.ndarray) -> np.ndarray:
        """Return the items of one code, uint8 (bits / 8,): int64 (n,), ascending.

        It is faster than `lookup` for one code, and slower for many.

        Raises:
            InputError: the code has another width.
        """
        if code.shape != self._shape or code.dtype != self._dtype:
            raise InputError(f"a query is {code.dtype} {code.shape}; expected uint8 ({self.origin.width},)")
        numbers = self._unpack(code.tobytes())
        return self.partition(self._route(numbers, self._size, self.partitions)).find(numbers)

    @cached_property
    def _route(self) -> Callable:
        return specialised(route, (0,) * (self.origin.width // self._size), self._size, self.partitions)

    def probe(self, logits: np.ndarray, probes: int) -> Probed:
        """Look up the `probes` likeliest fingerprints of each query: prioritized multi-probing.

        They are the fingerprint of the logits' signs with some bits flipped, in increasing order of the flipped bits'
        summed |logit| (`rehash.equihash.index.probing.probe_masks`). An item has one fingerprint, and so is found once.

        Args:
            logits: float (q, bits), of a network. A bit is set where its logit is above 0.
            probes: how many fingerprints of each query are looked up; there are at most 2^bits.

        Returns:
            The items that each query finds, and the probe that found each.

        Memory: what is found, and some hundred MB for a million probes of all queries together, or of one query.

        Raises:
            InputError: the logits have another width or a NaN, or `probes` is below 1.
        """
        if logits.ndim != 2 or logits.shape[1] != self.origin.bits:
            raise InputError(f"logits of queries are {logits.shape}; expected (n, {self.origin.bits})")
        together = max(1, _LOOKUPS // max(probes, 1))
        counts, ids, ranks = [np.zeros(1, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for start in range(0, len(logits), together):
            block = logits[start : start + together]
            flips, _ = probe_masks(np.abs(block), probes)
            shape = flips.shape[:2]
            offsets, found = self.lookup((pack(block > 0)[:, None] ^ flips).reshape(-1, self.origin.width))
            each = np.diff(offsets)
            ids.append(found)
            ranks.append(np.repeat(np.tile(np.arange(shape[1]), shape[0]), each))
            counts.append(each.reshape(shape).sum(axis=1))
        return Probed(np.cumsum(np.concatenate(counts)), np.concatenate(ids), np.concatenate(ranks))

    def mapped(self, number: int) -> Partition:
        """Return a partition for one pass over it: its pages count as memory in use until the caller drops it."""
        return self._headers[number].map()

    def codes_of(self, items: np.ndarray) -> Codes:
        """Read the fingerprints of items, ints (m,), each once and ascending: uint8 (m, bits / 8).

        An index is ordered by fingerprint, not by item: the numbers of all items are read, from the first partition to
        the last, some millions at a time.

        Memory: the result, 9 bytes an item that is asked for, and some hundred MB.

        Raises:
            InputError: no partition has one of the items.
        """
        found, seen = np.empty((len(items), self.origin.width), np.uint8), np.zeros(len(items), bool)
        shift = max(0, (self.origin.n_items // _MARKS).bit_length())
        marks = np.zeros((self.origin.n_items >> shift) + 1, bool)  # where an item is near, which few of all are
        marks[items >> shift] = True
        for number in progress(range(self.partitions), "fingerprints of items", "partition"):
            partition = self.mapped(number)
            for start in range(0, len(partition) if len(items) else 0, _SCANNED):
                ids = partition.ids[start : start + _SCANNED]
                near = np.flatnonzero(marks.take((ids >> ids.dtype.type(shift)).astype(np.int64), mode="clip"))
                places = np.searchsorted(items[:-1], ids[near].astype(np.int64))
                hit = items[places] == ids[near]
                found[places[hit]], seen[places[hit]] = partition.codes[start + near[hit]], True
        if not seen.all():
            raise InputError(f"no partition has item {items[~seen][0]}; expected each item once")
        return found

    def sharing(self, item: int) -> np.ndarray:
        """Return the items that share an item's fingerprint, itself among them: int64 (n,), ascending.

        An index is ordered by fingerprint, not by item: the item's place is found by reading the numbers of all items
        from the first partition on, 4 or 8 bytes each, some millions at a time.

        Raises:
            InputError: the database has no such item.
        """
        if not 0 <= item < self.origin.n_items:
            raise InputError(f"item {item}; expected 0 to {self.origin.n_items - 1}, the items of the index")
        for number in range(self.partitions):
            partition = self.mapped(number)
            for start in range(0, len(partition), _SCANNED):
                rows = np.flatnonzero(partition.ids[start : start + _SCANNED] == item)
                if len(rows):
                    return self.find(partition.codes[start + int(rows[0])])
        raise InputError(f"no partition has item {item}; expected each item once")

    def _buckets(self, codes: Codes) -> Iterator[tuple[Partition, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield each partition that has queries, their row numbers, int64, and `Partition.locate` of them."""
        check_codes(codes, "queries", self.origin.width)
        places = partition_of(codes, self.partitions)
        order = np.argsort(places.astype(np.uint16), kind="stable")
        ends = np.cumsum(np.bincount(places, minlength=self.partitions))
        queries = words(codes)
        for partition, (low, high) in enumerate(zip([0, *ends], ends)):
            if low < high:
                rows = order[low:high]
                mapped = self.partition(partition)
                yield mapped, rows, *mapped.locate(queries[rows])


def _missing(partition: int, partitions: int, path: str) -> InputError:
    return InputError(f"partition {partition} is missing; expected those from 0 to {partitions - 1}, as {path} says")


def _spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return start, start + 1, ... of each span, one after the other: int64 (sum of counts,)."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(counts.sum())
