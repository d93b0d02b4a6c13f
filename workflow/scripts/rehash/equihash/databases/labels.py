"""The labels of a database: which mosaic each item is a view of.

A label is an int64 in [0, label_count). The label of item i is integer i of a stream that can be read at any position
(`rehash.philox`), which belongs to the seed and the name of the `Database`. So any item's label is known without those
of other items, and a label costs less to compute than to read.

Labels may also be those of a file of others (`rehash.equihash.databases.public_labels`), or UNKNOWN, where there are
fingerprints of others alone: each item then stands for itself, its number in the place of a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rehash.equihash.images.banks import Bank
from rehash.errors import InputError
from rehash.philox import integers_at, key_of

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


def labels(database: Database, items: np.ndarray) -> np.ndarray:
    """Compute the labels of items, ints (n,) in any order: int64 (n,).

    A label of a pool is integer j of the pool's stream, for a random member j of the pool.
    """
    if database.source == UNKNOWN:
        return items.astype(np.int64)
    names = database.seed, "equihash"
    drawn = key_of(*names, "labels", database.name)
    if not database.pool_size:
        return integers_at(items, database.label_count, drawn)
    members = integers_at(items, database.pool_size, drawn)
    return integers_at(members, database.label_count, key_of(*names, "label pool", database.name))


def _largest_bank(images: int) -> int:
    """Return the largest whole number whose power `images` is at most _MOST."""
    root = round(_MOST ** (1 / images))
    return next(size for size in range(root + 1, 0, -1) if size**images <= _MOST)


def described_database(
    bank: str | Path | None,
    *,
    database: str,
    split: str,
    items: int,
    images: int,
    multiplicity: float,
    seed: int,
    bank_size: int | None = None,
) -> tuple[Database, dict[str, Any]]:
    """Return a database whose labels are drawn here or unknown, and notes for the provenance.

    Labels are mosaics of a bank's images or identities.

    Args:
        bank: None if the labels are unknown; there is then nothing to draw (see the module), and `bank_size` says what
            they are mosaics of.
        bank_size: only mosaics of the split's first so many images are labels; by default of all.

    Raises:
        InputError: the file is not a bank, or has fewer images, or makes too many mosaics for int64.
    """
    if bank is None:
        count = count_labels(bank_size, images) if bank_size else items
        return Database(seed, database, items, count, source=UNKNOWN), {"label_count": count}
    pictures, digests = counted_bank(bank, split, bank_size, database)
    whole = Database(seed, database, items, count_labels(pictures, images), multiplicity)
    return whole, {"bank_pictures": pictures, "label_count": whole.label_count, "digests": digests}


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
