"""Fingerprints of a database in shards, which can be made on different machines and merged into any index.

A shard holds the packed codes of items start to stop of the database in GROUPS groups, by the first bits of the mixed
code. A partition of an index is a run of groups, so that a merge reads one slice of each shard and nothing else, and an
index with another number of partitions needs no new encoding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from rehash.bits import Codes
from rehash.equihash.databases.mixing import mix
from rehash.errors import InputError
from rehash.hdf5 import created, opened, read_attributes, write_attributes
from rehash.progress import progress

GROUPS = 2**10  # and the most partitions of an index
_READ = 2**20  # items of a shard that are read at once, or a whole group
_Word = TypeVar("_Word", int, np.ndarray)


@dataclass(frozen=True)
class Origin:
    """What all files of one database's fingerprints agree on.

    Attributes:
        n_items: the number of items of the whole database.
        bits: the length of a fingerprint, a multiple of 8.
        model, config: digests of what the fingerprints were made with.
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

    def read(self, groups: range, codes: Codes, ids: np.ndarray) -> None:
        """Read the items of a run of groups, group by group, ascending within each.

        Args:
            codes, ids: the arrays that are filled; uint8 (count, bits / 8) and id_dtype (count,).

        Raises:
            InputError: a group does not have the checksum of what was written.
        """
        if not len(ids):
            return
        offsets = self.offsets[groups.start : groups.stop + 1]
        with opened(self.path, "a shard of fingerprints") as file:
            file["codes"].read_direct(codes, np.s_[offsets[0] : offsets[-1]])
            file["ids"].read_direct(ids, np.s_[offsets[0] : offsets[-1]])
            checksums = file["checksums"][groups.start : groups.stop]
            for group, checksum, (low, high) in zip(groups, checksums, pairwise(offsets - offsets[0])):
                if _checksum(codes[low:high], ids[low:high]) != checksum.tobytes():
                    raise InputError(f"the content of group {group} does not have its checksum")


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


def route(words: Iterable[_Word], partitions: int) -> _Word:
    """Return the partition of a fingerprint given by its words, first to last: Python integers or uint64 arrays (n,).

    Each word goes through `mix`, so that whichever bits vary, all bits of the result vary. The first 10 bits of the
    result are the fingerprint's group; each partition has a run of groups (see `groups_of`).
    """
    mixed = 0
    for word in words:
        mixed = mix(mixed ^ word)
    return (mixed >> 54) * partitions >> 10


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
    return route(words(codes).T, partitions).astype(np.int64)


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


def take_codes(shards: Sequence[Shard], items: np.ndarray) -> Codes:
    """Read the fingerprints of items, ints (m,), each once and ascending: uint8 (m, bits / 8).

    A shard is ordered by groups of fingerprints, not by item. So each shard that has one of the items is read from its
    beginning to its end, about a million items at a time, and its checksums are checked.

    Args:
        shards: of a whole database, as `check_shards` returns them.
    """
    found = np.empty((len(items), shards[0].origin.width), np.uint8)
    for shard in progress(shards, "fingerprints of items", "shard"):
        low, high = np.searchsorted(items, (shard.start, shard.stop))
        wanted, codes = items[low:high], found[low:high]
        for groups in _runs(shard.offsets) if len(wanted) else ():
            n = shard.count(groups)
            held, ids = np.empty((n, codes.shape[1]), np.uint8), np.empty(n, shard.origin.id_dtype)
            shard.read(groups, held, ids)
            places = np.searchsorted(wanted, ids.astype(np.int64))
            hit = wanted[np.minimum(places, len(wanted) - 1)] == ids
            codes[places[hit]] = held[hit]
    return found


def _runs(offsets: np.ndarray) -> Iterator[range]:
    """Yield runs of groups that together are all: of at most `_READ` items, or of one group."""
    first = 0
    while first < GROUPS:
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _READ, "right")) - 1)
        yield range(first, last)
        first = last


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


def _checksum(codes: Codes, ids: np.ndarray) -> bytes:
    digest = hashlib.sha256(np.ascontiguousarray(codes))
    digest.update(ids)
    return digest.digest()


def _manifest_checksum(origin: Origin, start: int, stop: int, offsets: np.ndarray, checksums: np.ndarray) -> str:
    digest = hashlib.sha256(json.dumps([asdict(origin), start, stop], sort_keys=True, default=int).encode())
    digest.update(offsets)
    digest.update(checksums)
    return digest.hexdigest()
