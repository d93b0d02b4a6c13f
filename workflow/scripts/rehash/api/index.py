"""An inverted index of codes, on disk and memory-mapped."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from rehash.api.arrays import packed
from rehash.equihash.index.fingerprints import groups_of, write_shard
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.partitions import merge_partition
from rehash.errors import InputError

_SHARD = 2**24  # codes that are sorted into groups at a time


def index(codes: Any, folder: str | Path | None = None, *, bits: int | None = None, partitions: int = 1) -> Index:
    """Build an inverted index of codes: from a code to the rows that have it.

    >>> import numpy as np, rehash
    >>> rows = np.random.default_rng(0).random((1000, 16)) < 0.5
    >>> rows[7] = rows[3]
    >>> found = rehash.index(rows)
    >>> len(found), found.find(rehash.pack(rows[3])).tolist()
    (1000, [3, 7])
    >>> offsets, ids = found.lookup(rehash.pack(~rows[:2] ^ True))  # of many codes at once
    >>> np.split(ids, offsets[1:-1])
    [array([0]), array([1])]
    >>> likely = found.probe(np.where(rows[:1], 1.0, -0.1), probes=16)  # the likeliest 16 codes of each row of logits
    >>> int(likely.ids[0]), int(likely.ranks[0])
    (0, 0)

    Args:
        codes: bits, bool (N, K), or packed, uint8 (N, K / 8): also an array on disk (`numpy.memmap`), of which a part
            is read at a time. K is a multiple of 8.
        folder: where the index is kept, in files partition_0.h5, ...; `rehash.Index.open` opens these again. None keeps
            it in a temporary folder, as long as the index is used.
        bits: K of packed codes. partitions: in how many files, 1 to 1,024.

    Returns:
        A `rehash.Index`: find, lookup, count, probe (likeliest codes first), codes_of, sharing.

    Raises:
        InputError: codes are not of these shapes and types; the folder has an index; or there are too many partitions.
        FileFailure: the folder cannot be written.

    Memory: that of `rehash.equihash.index.partitions.merge_partition`, for codes of 64 bits some hundred MB and 1/16
    byte a code in a partition, however many there are. On the disk a code of 64 bits takes 12 bytes, and three times
    as much while the index is built.
    """
    given = np.asanyarray(codes)
    _, length = packed(given[:1], bits, "codes")
    if length % 8:
        raise InputError(
            f"codes: of {length} bits; expected a multiple of 8: np.pad(codes, ((0, 0), (0, {-length % 8}))) adds zeros"
        )
    groups_of(0, partitions)
    if folder and (found := sorted(Path(folder).glob("partition_*.h5"))):
        raise InputError(f"{found[0]}: an index is there; choose another folder, or delete its files partition_*.h5")
    place = Path(folder or tempfile.mkdtemp(prefix="rehash-index-"))
    paths = [place / f"partition_{number}.h5" for number in range(partitions)]
    with contextlib.ExitStack() as undo:
        undo.callback(_removed, paths, place if folder is None else None)
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".shards-", dir=place) as shards:
            parts = _shards(given, length, Path(shards))
            for number, path in enumerate(paths):
                merge_partition(parts, path, partition=number, partitions=partitions)
        built = Index.open(paths)
        undo.pop_all()
    if folder is None:
        weakref.finalize(built, _removed, paths, place)
    return built


def _removed(paths: list[Path], folder: Path | None) -> None:
    """Delete the files of an index, and the folder, if one is given."""
    for path in paths:
        path.unlink(missing_ok=True)
    if folder:
        folder.rmdir()


def _shards(codes: np.ndarray, bits: int, folder: Path) -> list[Path]:
    """Write all codes as shards, some millions each; return the files' paths."""
    pieces = [slice(start, start + _SHARD) for start in range(0, len(codes), _SHARD)]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(packed(codes[piece], bits, "codes")[0])
    paths = [folder / f"{piece.start}.h5" for piece in pieces]
    for piece, path in zip(pieces, paths):
        rows = packed(codes[piece], bits, "codes")[0]
        about = {"model": "arrays", "config": digest.hexdigest()[:16]}
        write_shard(path, rows, start=piece.start, n_items=len(codes), **about)
    return paths
