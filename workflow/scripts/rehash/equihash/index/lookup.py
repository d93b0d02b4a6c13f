"""The inverted index of a database: from a fingerprint to the items that have it.

Each of its partitions (see `partitions`) is a file, memory-mapped on its first use, so that an index of any size opens
at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from struct import Struct

import numpy as np

from rehash.bits import Codes
from rehash.equihash.index.fingerprints import check_codes, partition_of, route, words
from rehash.equihash.index.partitions import Header, Partition
from rehash.errors import InputError

_MOST_MAPPED = 256  # partitions at a time: each holds a file open, and systems allow a process some hundreds


class Index:
    """The inverted index of a database: from a fingerprint to the items that have it.

    Attributes:
        origin: the origin of its fingerprints.
        partitions: the number of its partitions.
        partition: a function from a partition's number to the mapped `rehash.equihash.index.partitions.Partition`.
    """

    def __init__(self, headers: Sequence[Header]) -> None:
        self.origin, self.partitions = headers[0].origin, headers[0].partitions
        self._words = Struct(f">{-(-self.origin.width // 8)}Q")  # `fingerprints.words` of one code
        self._items = sum(header.items for header in headers)
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

    def find(self, code: np.ndarray) -> np.ndarray:
        """Return the items of one code, uint8 (bits / 8,): int64 (n,), ascending.

        It is faster than `lookup` for one code, and slower for many.

        Raises:
            InputError: the code has another width.
        """
        if code.shape != (self.origin.width,) or code.dtype != np.uint8:
            raise InputError(f"a query is {code.dtype} {code.shape}; expected uint8 ({self.origin.width},)")
        content = code.tobytes()
        numbers = self._words.unpack(content.ljust(self._words.size, b"\0"))
        return self.partition(route(numbers, self.partitions)).find(content)

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
