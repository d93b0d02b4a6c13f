"""Fingerprints of a database in shards, which can be made on different machines and merged into any index.

A shard holds the packed codes of items start to stop of the database in GROUPS groups, by the first bits of the mixed
code. A partition of an index is a run of groups, so that a merge reads one slice of each shard and nothing else, and an
index with another number of partitions needs no new encoding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from math import gcd
from pathlib import Path
from struct import Struct
from typing import Any

import h5py
import numpy as np

from rehash.bits import Codes
from rehash.compiled import compiled, inlined
from rehash.equihash.databases.mixing import mix
from rehash.errors import InputError
from rehash.hdf5 import created, opened, read_attributes, write_attributes

GROUPS = 2**10  # and the most partitions of an index
_READ = 2**17  # items of a shard that are read at once
_ODD_BYTES, _ODD_PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_mixed = inlined(mix)


@dataclass(frozen=True)
class Origin:
    """What all files of one database's fingerprints agree on.

    Attributes:
        n_items: the number of items of the whole database.
        bits: the length of a fingerprint, a multiple of 8.
        model, config: digests of what the fingerprints were made with: the network and how it computes
            (`rehash.equihash.learning.models.open_model`); labels, noise and images.
        device, precision: the kind of device that ran the network (`rehash.training.device_kind`) and its arithmetic;
            empty for fingerprints that no network made. On another kind, logits near 0 and thus bits may differ.
    """

    n_items: int
    bits: int
    model: str
    config: str
    device: str = ""
    precision: str = ""

    def __post_init__(self) -> None:
        """Raise an InputError if a number is out of range."""
        for what, value, low, high in (
            ("n_items", self.n_items, 0, 2**63 - 1),
            ("bits", self.bits, 8, 2**31),
        ):
            if not low <= value <= high:
                raise InputError(f"fingerprints: {what} is {value}; expected {low} to {high}")
        if self.bits % 8:
            raise InputError(f"fingerprints: bits is {self.bits}; expected a multiple of 8")

    @classmethod
    def read(cls, attributes: Mapping[str, Any]) -> Origin:
        """Read the origin from a file's attributes, as `rehash.hdf5.read_attributes` returns them."""
        return cls(**{each.name: attributes[each.name] for each in fields(cls)})

    @property
    def width(self) -> int:
        """Return the number of bytes of a fingerprint."""
        return self.bits // 8

    @property
    def id_dtype(self) -> np.dtype:
        """Return the dtype of an item's number on disk."""
        return np.dtype("<u4" if self.n_items < 2**32 else "<u8")

    def check(self, other: Origin, path: str | Path, whose: str | Path) -> None:
        """Raise an InputError if `other`, the origin of the file at `path`, differs from this one.

        whose: the words after "as" in the message, which say where this origin comes from.
        """
        apart = [each.name for each in fields(self) if getattr(self, each.name) != getattr(other, each.name)]
        if apart:
            theirs, ours = (
                ", ".join(f"{name} {getattr(each, name) or 'none'}" for name in apart) for each in (other, self)
            )
            way_out = (
                "; encode all shards of the database, and its queries, on one kind of device (profiles/README.md), in "
                "one precision"
            )
            advice = way_out if {"device", "precision"} >= set(apart) else ""
            raise InputError(f"{path}: is of {theirs}; expected {ours}, as {whose}{advice}")


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard's file; its manifest is checked when it is opened, a group's content when it is read.

    Attributes:
        path: the file.
        start, stop: its first item, and the one after its last.
        origin: the origin of its fingerprints.
        checksum: SHA-256 of the manifest, with the checksums of all groups.
        offsets: int64 (GROUPS + 1,); the rows of group g are offsets[g] to offsets[g + 1].
    """

    path: str
    start: int
    stop: int
    origin: Origin
    checksum: str
    offsets: np.ndarray = field(repr=False)

    @classmethod
    def open(cls, path: str | Path) -> Shard:
        """Open a shard: read and check its manifest.

        Raises:
            InputError: the file is not a shard of fingerprints, is truncated, or its manifest is damaged.
        """
        with opened(path, "a shard of fingerprints") as file:
            about, offsets = read_attributes(file), file["offsets"][:]
            origin, start, stop = Origin.read(about), about["start"], about["stop"]
            checksum = _manifest_checksum(origin, start, stop, offsets, file["checksums"][:])
            if about["checksum"] != checksum:
                raise InputError(f"its manifest has the checksum {checksum}; expected {about['checksum']}")
            check_dataset(file, "codes", np.uint8, (stop - start, origin.width))
            check_dataset(file, "ids", origin.id_dtype, (stop - start,))
        return cls(str(path), start, stop, origin, checksum, offsets)

    def count(self, groups: range) -> int:
        """Return how many items of the shard are in a run of groups."""
        return int(self.offsets[groups.stop] - self.offsets[groups.start])

    def blocks(self, groups: range) -> Iterator[tuple[Codes, np.ndarray]]:
        """Yield the items of a run of groups in blocks: group by group, ascending within each.

        Yields:
            codes, uint8 (m, bits / 8), and ids, id_dtype (m,), of some hundred thousand items at most.

        Raises:
            InputError: a group does not have the checksum of what was written. Of a group that is larger than a block,
                this is known after its last block.
        """
        if not self.count(groups):
            return
        with opened(self.path, "a shard of fingerprints") as file:
            codes, ids = file["codes"], file["ids"]
            for run in self._runs(groups):
                offsets = self.offsets[run.start : run.stop + 1]
                parts = [slice(low, min(low + _READ, offsets[-1])) for low in range(*offsets[[0, -1]], _READ)]
                checksums = file["checksums"][run.start : run.stop]
                if len(parts) == 1:
                    held, theirs = codes[parts[0]], ids[parts[0]]
                    limits = pairwise(offsets - offsets[0])
                    found = [_checksum(held[low:high], theirs[low:high]) for low, high in limits]
                    _check(run, found, checksums)
                    yield held, theirs
                else:  # a group that is larger than a block: its checksum is that of all codes, then of all ids
                    digest = hashlib.sha256()
                    for rows in parts:
                        held = codes[rows]
                        digest.update(held)
                        yield held, ids[rows]
                    for rows in parts:
                        digest.update(ids[rows])
                    _check(run, [digest.digest()], checksums)

    def _runs(self, groups: range) -> Iterator[range]:
        """Yield runs of groups that together are `groups`, without empty runs: of `_READ` items, or of one group."""
        first = groups.start
        while first < groups.stop:
            full = int(np.searchsorted(self.offsets, self.offsets[first] + _READ, "right")) - 1
            last = min(max(first + 1, full), groups.stop)
            if self.count(range(first, last)):
                yield range(first, last)
            first = last


def words(codes: Codes) -> np.ndarray:
    """Convert codes, uint8 (n, bits / 8), to big-endian words, uint64 (n, ceil(bits / 64)).

    The last word is filled with zeros. Rows of words have the order of the rows of bytes.
    """
    n, width = codes.shape
    if width % 8:
        codes = np.concatenate([codes, np.zeros((n, -width % 8), np.uint8)], axis=1)
    return np.ascontiguousarray(codes).view(">u8").astype(np.uint64)


def compare_words(codes: np.ndarray, queries: np.ndarray, below: np.ufunc) -> np.ndarray:
    """Return whether codes are below queries (np.less, or np.less_equal), bool (n,); both are words, uint64 (n, w)."""
    result = below(codes[:, -1], queries[:, -1])
    for column in range(codes.shape[1] - 1)[::-1]:
        a, b = codes[:, column], queries[:, column]
        result = (a < b) | ((a == b) & result)
    return result


def units(codes: Codes) -> np.ndarray:
    """Return codes, uint8 (n, w), as compiled functions take them: one after the other, in the fewest whole numbers.

    The numbers have 8, 4, 2 or 1 bytes, the most that w is a multiple of; `big_endian` makes them comparable.
    """
    return np.ascontiguousarray(codes).reshape(-1).view(f"u{gcd(codes.shape[1], 8)}")


def unit_struct(width: int) -> Struct:
    """Return what unpacks one code of so many bytes into a tuple of its `units`; those of 8 bytes have a sign."""
    size = gcd(width, 8)
    return Struct(f"={width // size}{'BHIq'[size.bit_length() - 1]}")


@inlined
def big_endian(number):
    """Return a number of `units` as the upper bytes of a uint64, which ascends as the code's bytes do."""
    number = np.uint64(number)
    number = (number & _ODD_BYTES) << np.uint64(8) | number >> np.uint64(8) & _ODD_BYTES
    number = (number & _ODD_PAIRS) << np.uint64(16) | number >> np.uint64(16) & _ODD_PAIRS
    return number << np.uint64(32) | number >> np.uint64(32)


@inlined
def _routed(codes, at, width, size, partitions):
    mixed = np.uint64(0)
    for start in range(0, width, 8 // size):
        word = np.uint64(0)
        for place in range(start, min(start + 8 // size, width)):
            word |= big_endian(codes[at + place]) >> np.uint64(8 * size * (place - start))
        mixed = _mixed(mixed ^ word)
    return np.int64((mixed >> np.uint64(54)) * np.uint64(partitions) >> np.uint64(10))


@compiled
def route(code, size, partitions):
    """Return the partition of one fingerprint, given as a tuple of its `units`, which have `size` bytes each.

    Each of its words goes through `mix`, so that whichever bits vary, all bits of the result vary. The first 10 bits of
    the result are the fingerprint's group; each partition has a run of groups (see `groups_of`).
    """
    return _routed(code, 0, len(code), size, partitions)


@compiled
def _route_all(codes, width, partitions, found):
    for row in range(len(found)):
        found[row] = _routed(codes, row * width, width, codes.itemsize, partitions)


def groups_of(partition: int, partitions: int) -> range:
    """Return the groups of a partition.

    Raises:
        InputError: there is no such partition, or `partitions` is not within 1 to GROUPS.
    """
    if not 1 <= partitions <= GROUPS:
        raise InputError(f"an index of {partitions} partitions; expected 1 to {GROUPS}")
    if not 0 <= partition < partitions:
        raise InputError(f"partition {partition}; expected 0 to {partitions - 1}")
    return range(-(-GROUPS * partition // partitions), -(-GROUPS * (partition + 1) // partitions))


def partition_of(codes: Codes, partitions: int) -> np.ndarray:
    """Return the partition of each code, uint8 (n, bits / 8): int64 (n,) in [0, partitions), equal for equal codes."""
    found = np.empty(len(codes), np.int64)
    numbers = units(codes)
    _route_all(numbers, codes.shape[1] // numbers.itemsize, partitions, found)
    return found


def write_shard(
    output: str | Path,
    codes: Codes,
    *,
    start: int,
    n_items: int,
    model: str,
    config: str,
    device: str = "",
    precision: str = "",
) -> None:
    """Write the fingerprints of one shard, ordered by group and, within a group, by item.

    The HDF5 file has `codes` uint8 (n, bits / 8), `ids` uint32 (n,) (uint64 if the database has 2^32 items or more),
    `offsets` int64 (GROUPS + 1,), `checksums` uint8 (GROUPS, 32), the SHA-256 of each group's codes and ids, and the
    attributes start, stop, n_items, bits, model, config, device, precision, checksum (see `Shard`). Equal arguments
    give equal bytes. The peak of memory is 28 bytes an item and a second copy of the codes.

    Args:
        codes: uint8 (n, bits / 8), of items start to start + n.
        n_items: the number of items of the whole database.
        model, config, device, precision: see `Origin`.

    Raises:
        InputError: the codes have another shape or type, or a number is out of range.
    """
    check_codes(codes, f"{output}: a shard")
    origin = Origin(n_items, 8 * codes.shape[1], model, config, device, precision)
    stop = start + len(codes)
    if not 0 <= start <= stop <= n_items:
        raise InputError(f"{output}: fingerprints of items {start} to {stop}; expected a range within 0 to {n_items}")
    groups = partition_of(codes, GROUPS)
    order = np.argsort(groups.astype(np.uint16), kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=GROUPS))])
    codes, ids = codes[order], (order + start).astype(origin.id_dtype)
    digests = b"".join(_checksum(codes[low:high], ids[low:high]) for low, high in pairwise(offsets))
    checksums = np.frombuffer(digests, np.uint8).reshape(GROUPS, -1)
    with created(output) as file:
        file.update({"codes": codes, "ids": ids, "offsets": offsets, "checksums": checksums})
        checksum = _manifest_checksum(origin, start, stop, offsets, checksums)
        write_attributes(file, {**asdict(origin), "start": start, "stop": stop, "checksum": checksum})


def check_shards(paths: Sequence[str | Path]) -> list[Shard]:
    """Check that the files, in any order, are one database's and hold each item once; read their manifests only.

    Returns:
        The shards in the order of their items.

    Raises:
        InputError: a shard is missing, given twice, overlaps another, is of another database, truncated or damaged; the
            message names it.
    """
    shards = sorted((Shard.open(path) for path in paths), key=lambda shard: (shard.start, shard.stop))
    if not shards:
        raise InputError("no shards of fingerprints; expected those of a whole database")
    whose, expected = f"{shards[0].path} is", shards[0].origin
    at, before = 0, None
    for shard in shards:
        expected.check(shard.origin, shard.path, whose)
        if shard.start > at:
            raise _missing(at, shard.start, f"{shard.path} begins there")
        if shard.start < at:
            what = "is doubled" if (shard.start, shard.stop) == (before.start, before.stop) else "overlaps"
            raise InputError(
                f"{shard.path}: {what}: has items {shard.start} to {shard.stop}, and {before.path} those from "
                f"{before.start} to {before.stop}; expected each item once"
            )
        at, before = shard.stop, shard
    if at < expected.n_items:
        raise _missing(at, expected.n_items, "the database ends there")
    return shards


def check_codes(codes: Codes, where: str, width: int | None = None) -> None:
    """Raise an InputError if the codes are not uint8 (n, width)."""
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != (width or max(1, codes.shape[1])):
        raise InputError(f"{where}: codes are {codes.dtype} {codes.shape}; expected uint8 (n, {width or 'bits / 8'})")


def check_dataset(file: h5py.File, name: str, dtype: np.dtype | type, shape: tuple[int, ...]) -> None:
    """Raise an InputError if a dataset is not of this type and shape."""
    found = file[name]
    if found.dtype != dtype or found.shape != shape:
        raise InputError(f"{name} is {found.dtype} {found.shape}; expected {np.dtype(dtype)} {shape}")


def _missing(start: int, stop: int, why: str) -> InputError:
    return InputError(f"the shard with items {start} to {stop} is missing ({why}); expected each item once")


def _check(groups: range, found: Sequence[bytes], expected: np.ndarray) -> None:
    """Raise an InputError that names the first group whose checksum is not that of its content."""
    for group, mine, theirs in zip(groups, found, expected):
        if mine != theirs.tobytes():
            raise InputError(f"the content of group {group} does not have its checksum")


def _checksum(codes: Codes, ids: np.ndarray) -> bytes:
    digest = hashlib.sha256(np.ascontiguousarray(codes))
    digest.update(ids)
    return digest.digest()


def _manifest_checksum(origin: Origin, start: int, stop: int, offsets: np.ndarray, checksums: np.ndarray) -> str:
    digest = hashlib.sha256(json.dumps([asdict(origin), start, stop], sort_keys=True, default=int).encode())
    digest.update(offsets)
    digest.update(checksums)
    return digest.hexdigest()
