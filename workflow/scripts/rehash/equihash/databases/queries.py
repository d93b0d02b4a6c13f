"""The queries on a database: labels that its items carry, labels that none carries, and pairs of different labels.

They are found in passes over the label files of its shards, a block at a time, so that memory grows with the queries
and not with the database. The first n items of a database are a database of size n, with queries of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rehash.equihash.databases.label_files import LabelShards
from rehash.equihash.databases.labels import LABEL_BLOCK, Database
from rehash.equihash.databases.mixing import mix
from rehash.errors import InputError
from rehash.hdf5 import add_group, check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.seeds import stream

log = logging.getLogger("rehash")
_DENSE = 2**24  # up to this many labels, all that the database lacks are listed
_MOST_CANDIDATES = 2**24  # drawn in a round
_ROUNDS = 8
_TABLE_BITS = 24
# A triplet shows two views of one label of a pair and one view of the other. Kind of view -> which label of the pair.
TRIPLET = {"pair_a1": 0, "pair_a2": 0, "pair_b1": 1}
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: Fibonacci hashing (Knuth 6.4)


@dataclass(frozen=True)
class Relevant:
    """The ids that each query should retrieve.

    Attributes:
        offsets: int64 (q + 1,), ascending from 0.
        ids: int64; those of query j are ids[offsets[j]:offsets[j + 1]].
    """

    offsets: np.ndarray
    ids: np.ndarray

    def __post_init__(self) -> None:
        """Raise an InputError if the offsets do not fit the ids."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.ids) or (np.diff(self.offsets) < 0).any():
            raise InputError(
                f"relevant ids: offsets from {self.offsets[0]} to {self.offsets[-1]}; expected them to ascend from 0 "
                f"to {len(self.ids)}, the number of ids"
            )

    def take(self, queries: np.ndarray) -> Relevant:
        """Return the relevant ids of some queries, int (m,), in their order; a query may occur more than once."""
        lengths = np.diff(self.offsets)[queries]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Relevant(
            offsets, self.ids[np.arange(offsets[-1]) + np.repeat(self.offsets[queries] - offsets[:-1], lengths)]
        )


@dataclass(frozen=True)
class Queries:
    """The queries on a database.

    Attributes:
        database: the database that is asked.
        positive: for each size, labels of the first `size` items, int64 (p,), and the items that carry them.
        negative: labels that no item carries, int64 (n,).
        pairs: pairs of different labels, int64 (m, 2).
    """

    database: Database
    positive: dict[int, tuple[np.ndarray, Relevant]]
    negative: np.ndarray
    pairs: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> Queries:
        """Read a file of `draw_queries`.

        Raises:
            InputError: the file is not one of `draw_queries`, or is damaged.
        """
        with opened(path, "the queries of a database") as file:
            about = read_attributes(file)
            database = Database(**{field.name: about[field.name] for field in fields(Database)})
            positive = {
                size: (group["labels"][:], Relevant(group["offsets"][:], group["ids"][:]))
                for size, group in sorted((int(name), group) for name, group in file["positive"].items())
            }
            found = cls(database, positive, file["negative/labels"][:], file["pairs/labels"][:])
            check_seal(file)
        return found

    def check(self, database: Database, path: str | Path) -> None:
        """Raise an InputError that names the file if these are queries of another database."""
        if self.database != database:
            raise InputError(f"{path}: queries of {self.database}; expected those of {database}")


def draw_queries(
    shards: Sequence[str | Path],
    output: str | Path,
    *,
    sizes: Sequence[int] = (),
    positives: int,
    negatives: int,
    pairs: int,
    seed: int,
) -> dict[str, Any]:
    """Draw a database's queries from the label files of all its shards (`labels.draw_labels`).

    The HDF5 file has, for each size s, `positive/{s}/labels` int64 (p,), `offsets` int64 (p + 1,) and `ids` int64 (of
    the first s items, ids[offsets[j]:offsets[j + 1]] carry label j, ascending); `negative/labels` int64 (n,);
    `pairs/labels` int64 (m, 2); the attributes of the database, and a checksum of everything.

    Positives are distinct, and each distinct label of the first s items is equally likely to be one, however many items
    carry it: every label has a random priority, a keyed hash of the label alone, and the p lowest are taken (bottom-k
    sampling, Cohen & Kaplan 2007); if a size below the whole database has fewer labels, all are taken. Negatives are
    distinct labels that no item of the whole database carries, each equally likely; so they are negatives of every
    size. The two labels of a pair are any two that differ. Positives, negatives and pairs each have a random stream.

    Args:
        sizes: the sizes of the databases that are asked, as numbers of first items; by default that of the whole one.

    Memory holds the positives' ids and some hundred bytes per query, at least about 200 MB in all.

    Returns:
        Notes for the provenance: digests of the label files.

    Raises:
        InputError: the shards do not fit together, a size is out of range, or there are too few labels.
    """
    opened = LabelShards.open(shards)
    database = opened.database
    sizes = sizes or (database.n_items,)
    for size in sizes:
        if not 1 <= size <= database.n_items:
            raise InputError(f"database {database.name}: a size of {size}; expected 1 to {database.n_items}, its items")
    streams = {
        kind: stream(seed, "equihash", "queries", database.name, kind) for kind in ("positive", "negative", "pair")
    }
    key = streams["positive"].integers(2**64, size=2, dtype=np.uint64)
    written = {
        "negative/labels": _absent_labels(opened, negatives, streams["negative"]),
        "pairs/labels": _pairs(database, pairs, streams["pair"]),
    }
    for size in sizes:
        positive = _distinct_labels(opened, size, positives, key)
        offsets, ids = _items(opened, size, positive, key)
        found = {"labels": positive, "offsets": offsets, "ids": ids}
        written |= {f"positive/{size}/{name}": array for name, array in found.items()}
    with created(output) as file:
        for name, array in written.items():
            add_group(file, name.rpartition("/")[0])
            file.create_dataset(name, data=array)
        write_attributes(file, asdict(database))
        seal(file)
    return {"digests": {part.path: part.checksum for part in opened.parts}}


def _distinct_labels(shards: LabelShards, size: int, count: int, key: np.ndarray) -> np.ndarray:
    """Return the `count` labels of lowest priority among the first items, in order of priority, which is random."""
    kept, bound, waiting = np.empty(0, np.int64), np.uint64(2**64 - 1), []
    for _, labels in shards.blocks(f"positive queries of {size}: labels", size):
        waiting.append(labels[_priorities(labels, key) <= bound])
        if sum(map(len, waiting)) >= max(count, LABEL_BLOCK):
            kept, waiting = _lowest(np.concatenate([kept, *waiting]), count, key), []
            if len(kept) == count > 0:
                bound = _priorities(kept[-1:], key)[0]
    kept = _lowest(np.concatenate([kept, *waiting]), count, key)
    if len(kept) < count and size == shards.database.n_items:
        raise InputError(
            f"database {shards.database.name}: {count} positive queries, but it has {len(kept)} distinct labels; "
            "ask for fewer"
        )
    if len(kept) < count:
        log.info("the first %d items have %d distinct labels, fewer than %d: all are asked", size, len(kept), count)
    return kept


def _lowest(labels: np.ndarray, count: int, key: np.ndarray) -> np.ndarray:
    """Return up to `count` distinct labels of lowest priority, in order of priority."""
    ordered = labels[np.argsort(_priorities(labels, key))]
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]][:count]


def _priorities(labels: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Return the priorities, uint64 (n,), of labels, int64 (n,): a bijection, so that different labels never tie."""
    mixed = labels.astype(np.uint64)
    for word in key:
        mixed = mix(mixed + word)
    return mixed


def _items(shards: LabelShards, size: int, chosen: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets and ids of the first `size` items that carry the chosen labels, those of lowest priority."""
    bound = _priorities(chosen, key).max(initial=0)
    order = np.argsort(chosen)
    ordered = chosen[order]
    owners, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, labels in shards.blocks(f"positive queries of {size}: ids", size):
        rows = np.flatnonzero(_priorities(labels, key) <= bound)
        owners.append(order[np.searchsorted(ordered, labels[rows])])
        ids.append(rows + first)
    owners, ids = np.concatenate(owners), np.concatenate(ids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(chosen)))])
    return offsets.astype(np.int64), ids[np.argsort(owners, kind="stable")]


def _absent_labels(shards: LabelShards, count: int, random: np.random.Generator) -> np.ndarray:
    """Draw `count` distinct labels that no item carries, int64 (count,)."""
    database = shards.database
    if not count:
        return np.empty(0, np.int64)
    if database.label_count <= _DENSE:
        taken = np.zeros(database.label_count, bool)
        for _, labels in shards.blocks("negative queries"):
            taken[labels] = True
        absent = np.flatnonzero(~taken)
        if len(absent) < count:
            raise _too_many_negatives(database, count, f"{len(absent)} of the {len(taken)} labels are")
        return random.permutation(absent)[:count]
    found = np.empty(0, np.int64)
    share = max(0.5, 1 - database.n_items / database.label_count)  # of absent labels: an estimate first, then as found
    for _ in range(_ROUNDS):
        wanted = min(_MOST_CANDIDATES, int(1.1 * count / share) + 1024)
        drawn = _in_order(random.integers(database.label_count, size=wanted))
        absent = ~_present(shards, drawn)
        found = _in_order(np.concatenate([found, drawn[absent]]))
        if len(found) >= count:
            return found[:count]
        share = max(absent.mean(), 1e-6)
    about = f"about {round(absent.mean() * database.label_count)} of the {database.label_count} labels are"
    raise _too_many_negatives(database, count, about)


def _too_many_negatives(database: Database, count: int, there_are: str) -> InputError:
    return InputError(
        f"database {database.name}: {count} negative queries, but {there_are} not in it; ask for fewer, or take a "
        "larger bank"
    )


def _in_order(labels: np.ndarray) -> np.ndarray:
    """Return the labels without repeats, in the order of their first occurrences."""
    return labels[np.sort(np.unique(labels, return_index=True)[1])]


def _present(shards: LabelShards, candidates: np.ndarray) -> np.ndarray:
    """Return which of the distinct candidates are in the database, bool (n,)."""
    order = np.argsort(candidates)
    ordered, present = candidates[order], np.zeros(len(candidates), bool)
    table = np.zeros(2**_TABLE_BITS, bool)  # rules out most labels, which are no candidates
    table[_slots(candidates)] = True
    for _, labels in shards.blocks("negative queries"):
        near = labels[table[_slots(labels)]]
        places = np.searchsorted(ordered, near).clip(max=len(ordered) - 1)
        present[order[places[ordered[places] == near]]] = True
    return present


def _slots(labels: np.ndarray) -> np.ndarray:
    return (labels.astype(np.uint64) * _GOLDEN) >> np.uint64(64 - _TABLE_BITS)


def _pairs(database: Database, count: int, random: np.random.Generator) -> np.ndarray:
    if count and database.label_count < 2:
        raise InputError(f"database {database.name}: pairs of different labels, but there is one label only")
    first = random.integers(database.label_count, size=count)
    second = random.integers(max(database.label_count - 1, 1), size=count)
    return np.stack([first, second + (second >= first)], axis=1)
