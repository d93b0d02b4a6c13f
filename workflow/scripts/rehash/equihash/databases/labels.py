"""The labels of a database: which mosaic each item is a view of.

A label is an int64 in [0, label_count). The label of item i is a function of i and the settings of its `Database`
alone: labels are drawn in whole blocks of LABEL_BLOCK items of the global index, with one random stream per block. So
any slice can be drawn on its own, and the number of shards changes nothing.

Labels may also be those of a file of others (`rehash.equihash.databases.public_labels`), or UNKNOWN, where there are
fingerprints of others alone: each item then stands for itself, its number in the place of a label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rehash.equihash.databases.philox import integers_at
from rehash.equihash.images.banks import Bank
from rehash.errors import InputError
from rehash.hdf5 import created, write_attributes
from rehash.progress import progress
from rehash.seeds import stream

LABEL_BLOCK = 65_536  # items
UNKNOWN = "unknown"  # the source of labels that nobody here knows
_MOST = 2**63 - 1


@dataclass(frozen=True)
class Database:
    """A database: the settings that determine its labels.

    Attributes:
        seed, name: the seed and the name of its random streams.
        n_items: the number of its items.
        label_count: labels are in [0, label_count).
        multiplicity: if 1, every item's label is drawn from all labels; if m > 1, from a pool of round(n_items / m)
            random labels, so that a label of the pool has m items on average (nearly Poisson-distributed).
        source: empty if the labels are drawn here; the checksum of the file that they are from; or UNKNOWN.
    """

    seed: int
    name: str
    n_items: int
    label_count: int
    multiplicity: float = 1.0
    source: str = ""

    @classmethod
    def read(cls, attributes: Mapping[str, Any]) -> Database:
        """Read a database from a file's attributes, as `rehash.hdf5.read_attributes` returns them."""
        names = [each.name for each in fields(cls) if each.name != "source"]
        return cls(**{name: attributes[name] for name in names}, source=attributes.get("source", ""))

    @property
    def described(self) -> dict[str, Any]:
        """Return the settings by name, for attributes and digests; `source` only where it is not empty."""
        return {name: value for name, value in asdict(self).items() if name != "source" or value}

    def __post_init__(self) -> None:
        """Raise an InputError if a number is out of range."""
        for what, value, low, high in (
            ("seed", self.seed, 0, _MOST),
            ("n_items", self.n_items, 1, _MOST),
            ("label_count", self.label_count, 1, _MOST),
            ("multiplicity", self.multiplicity, 1, self.n_items),
        ):
            if not low <= value <= high:
                raise InputError(f"database {self.name}: {what} is {value}; expected {low} to {high}")

    @property
    def pool_size(self) -> int | None:
        """Return the size of the pool that the items' labels are drawn from, or None if from all labels."""
        return round(self.n_items / self.multiplicity) if self.multiplicity > 1 else None


def count_labels(bank_size: int, images: int) -> int:
    """Return the number of mosaics of `images` images from a bank: bank_size ** images.

    Raises:
        InputError: the number does not fit int64, or an argument is below 1.
    """
    if bank_size < 1 or images < 1:
        raise InputError(f"mosaics of {images} images from a bank of {bank_size}; expected one or more of both")
    if bank_size**images > _MOST:
        raise InputError(
            f"mosaics of {images} images from a bank of {bank_size}: {bank_size}^{images} labels do not fit 64 bits; "
            f"expected a bank of at most {_largest_bank(images)}, or fewer images"
        )
    return bank_size**images


def bank_part(bank_size: int | None, available: int, what: str, where: str) -> int:
    """Return how many images (or identities) of a bank's split labels are mosaics of: `bank_size`, or all if None.

    Args:
        available: how many the split has. what: images, classes or identities. where: whose bank_size it is.

    Raises:
        InputError: the split has fewer than `bank_size`.
    """
    if (bank_size or 0) > available:
        raise InputError(
            f"{where}: bank_size is {bank_size}, but the bank's split has {available} {what}; expected at most these"
        )
    return bank_size or available


def shard_range(n_items: int, shards: int, shard: int) -> tuple[int, int]:
    """Return start and stop of one of `shards` parts of the items.

    The parts are contiguous and in order, and their sizes differ by at most one.

    Raises:
        InputError: there is no such shard.
    """
    if not 0 <= shard < shards:
        raise InputError(f"shard {shard} of {shards}; expected 0 to {shards - 1}")
    return n_items * shard // shards, n_items * (shard + 1) // shards


def labels(database: Database, start: int, stop: int) -> np.ndarray:
    """Draw the labels of items start to stop, int64 (stop - start,).

    Raises:
        InputError: the range does not lie within the database.
    """
    _check_range(database, start, stop)
    names = (database.seed, "equihash", "labels", database.name)
    high = database.pool_size or database.label_count
    first = start // LABEL_BLOCK
    blocks = [stream(*names, b).integers(high, size=LABEL_BLOCK) for b in range(first, -(-stop // LABEL_BLOCK))]
    drawn = np.concatenate([np.empty(0, np.int64), *blocks])[start - first * LABEL_BLOCK :][: stop - start]
    return _pool(database, drawn) if database.pool_size else drawn


def draw_labels(output: str | Path, database: Database, start: int, stop: int) -> None:
    """Write the labels of items start to stop, block by block.

    The HDF5 file has `labels`, int64 (stop - start,), contiguous, and the attributes seed, name, n_items, label_count,
    multiplicity, start, stop, checksum (SHA-256 of the labels). Unknown labels are not written.

    Raises:
        InputError: the range does not lie within the database.
    """
    _check_range(database, start, stop)
    if database.source == UNKNOWN:
        with created(output) as file:
            write_attributes(file, {**database.described, "start": start, "stop": stop, "checksum": UNKNOWN})
        return
    edges, digest = range(start // LABEL_BLOCK * LABEL_BLOCK, stop, LABEL_BLOCK), hashlib.sha256()
    with created(output) as file:
        written = file.create_dataset("labels", (stop - start,), np.int64)
        for edge in progress(edges, f"labels of {database.name}", "block"):
            low, high = max(start, edge), min(stop, edge + LABEL_BLOCK)
            drawn = labels(database, low, high)
            digest.update(drawn)
            written[low - start : high - start] = drawn
        about = {**database.described, "start": start, "stop": stop, "checksum": digest.hexdigest()}
        write_attributes(file, about)


def _check_range(database: Database, start: int, stop: int) -> None:
    if not 0 <= start <= stop <= database.n_items:
        raise InputError(
            f"database {database.name}: labels {start} to {stop}; expected a range within 0 to {database.n_items}"
        )


def _pool(database: Database, members: np.ndarray) -> np.ndarray:
    """Return the labels of members of the pool, by position: a stream would draw a whole block for each of them."""
    key = stream(database.seed, "equihash", "label pool", database.name).bit_generator.state["state"]["key"]
    return integers_at(members, database.label_count, key)


def _largest_bank(images: int) -> int:
    """Return the largest whole number whose power `images` is at most _MOST."""
    root = round(_MOST ** (1 / images))
    return next(size for size in range(root + 1, 0, -1) if size**images <= _MOST)


def draw_shard(
    bank: str | Path | None,
    output: str | Path,
    *,
    database: str,
    split: str,
    items: int,
    images: int,
    multiplicity: float,
    shard: int,
    shards: int,
    seed: int,
    bank_size: int | None = None,
) -> dict[str, Any]:
    """Write the labels of one of a database's shards (see `draw_labels`), for mosaics of a bank's images or identities.

    Args:
        bank: None if the labels are unknown; there is then nothing to draw (see the module), and `bank_size` says what
            they are mosaics of.
        bank_size: only mosaics of the split's first so many images are labels; by default of all.

    Raises:
        InputError: the file is not a bank, or has fewer images, or makes too many mosaics for int64.
    """
    part = shard_range(items, shards, shard)
    if bank is None:
        count = count_labels(bank_size, images) if bank_size else items
        draw_labels(output, Database(seed, database, items, count, source=UNKNOWN), *part)
        return {"label_count": count}
    pictures, digests = counted_bank(bank, split, bank_size, database)
    whole = Database(seed, database, items, count_labels(pictures, images), multiplicity)
    draw_labels(output, whole, *part)
    return {"seed": seed, "bank_pictures": pictures, "label_count": whole.label_count, "digests": digests}


def counted_bank(
    bank: str | Path | None, split: str, bank_size: int | None, database: str
) -> tuple[int, dict[str, str]]:
    """Return how many images of a bank's split labels are mosaics of, and the bank's digest by its path.

    Args:
        bank: None if it is not at hand; the number is then `bank_size`.

    Raises:
        InputError: the file is not a bank, or has fewer images than `bank_size`.
    """
    if bank is None:
        return bank_size, {}
    found = Bank.open(bank, split)
    what = "images" if found.identities is None else "identities"
    where = f"database {database}, split {split} of {bank}"
    return bank_part(bank_size, found.things, what, where), {str(bank): found.checksum}
