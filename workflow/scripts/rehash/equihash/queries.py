"""The queries that a database is asked: labels that it has, labels that it has not, and pairs of different labels.

All is found in passes over the label files of its shards, a block at a time, so that memory grows with the queries and
not with the database. The first n items of a database are a database of their own, of size n, with queries of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from rehash.equihash.label_shards import LabelShards
from rehash.equihash.labels import LABEL_BLOCK, Database
from rehash.equihash.mixing import mix
from rehash.errors import InputError
from rehash.hdf5 import add_group, check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.seeds import stream

log = logging.getLogger("rehash")
_DENSE = 2**24  # up to so many labels, those that the database lacks are simply listed
_MOST_CANDIDATES = 2**24  # a round
_ROUNDS = 8
_TABLE_BITS = 24
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: Fibonacci hashing (Knuth 6.4)


@dataclass(frozen=True)
class Relevant:
    """The ids that each query should retrieve.

    Attributes:
        offsets: int64 (q + 1,), from 0 on.
        ids: int64; those of query j are ids[offsets[j]:offsets[j + 1]].
    """

    offsets: np.ndarray
    ids: np.ndarray

    def __post_init__(self) -> None:
        """Raise an InputError if the offsets are not of these ids."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.ids) or (np.diff(self.offsets) < 0).any():
            raise InputError(
                f"relevant ids: offsets from {self.offsets[0]} to {self.offsets[-1]}; expected them to ascend from 0 "
                f"to {len(self.ids)}, the number of ids"
            )

    def take(self, queries: np.ndarray) -> Relevant:
        """Those of some queries, int (m,), in their order; a query may come more than once."""
        lengths = np.diff(self.offsets)[queries]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Relevant(
            offsets, self.ids[np.arange(offsets[-1]) + np.repeat(self.offsets[queries] - offsets[:-1], lengths)]
        )


@dataclass(frozen=True)
class Queries:
    """What a database is asked.

    Attributes:
        database: which.
        positive: by size, labels of the first so many items, int64 (p,), and the items that carry them.
        negative: labels of no item, int64 (n,).
        pairs: two labels that differ, int64 (m, 2).
    """

    database: Database
    positive: dict[int, tuple[np.ndarray, Relevant]]
    negative: np.ndarray
    pairs: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> Queries:
        """Read a file of `draw_queries`.

        Raises:
            InputError: it is none, or is damaged.
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
) -> None:
    """Draw a database's queries from the label files of all its shards (`labels.draw_labels`).

    HDF5: for each size s `positive/{s}/labels` int64 (p,), `offsets` int64 (p + 1,) and `ids` int64: those of the first
    s items that carry label j are ids[offsets[j]:offsets[j + 1]], ascending; `negative/labels` int64 (n,);
    `pairs/labels` int64 (m, 2); and the attributes of the database, and a checksum of it all.

    Positives are distinct, and each distinct label of the first s items is equally likely to be one, however many items
    carry it: every label has a random priority, a keyed hash of the label alone, and the p lowest are taken (bottom-k
    sampling, Cohen & Kaplan 2007); all, where a size below the whole database has fewer. Negatives are distinct labels
    that no item of the whole database carries, each equally likely, and so are negatives of every size. The two labels
    of a pair are any two that differ. Each of the three has a random stream of its own.

    Args:
        sizes: of the databases that are asked, numbers of first items; of the whole one by default.

    Memory: the positives' ids, and some hundred bytes a query; at least about 200 MB.

    Raises:
        InputError: the shards do not fit together, there is no such size, or fewer labels than queries are there.
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


def _distinct_labels(shards: LabelShards, size: int, count: int, key: np.ndarray) -> np.ndarray:
    """Of the first items, the `count` labels of lowest priority, in the order of their priorities: a random one."""
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
    """The distinct labels of lowest priority, in order."""
    ordered = labels[np.argsort(_priorities(labels, key))]
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]][:count]


def _priorities(labels: np.ndarray, key: np.ndarray) -> np.ndarray:
    """int64 (n,) to uint64 (n,), `mix` once a word of the key: a bijection, so that different labels never tie."""
    mixed = labels.astype(np.uint64)
    for word in key:
        mixed = mix(mixed + word)
    return mixed


def _items(shards: LabelShards, size: int, chosen: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and ids of those of the first items that carry the labels of lowest priority."""
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
    """Distinct labels that no item carries."""
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
    share = max(0.5, 1 - database.n_items / database.label_count)  # of all labels that are absent; then as it was found
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
    """The labels without repeats, each where it came first."""
    return labels[np.sort(np.unique(labels, return_index=True)[1])]


def _present(shards: LabelShards, candidates: np.ndarray) -> np.ndarray:
    """Which of the distinct candidates are in the database, bool (n,)."""
    order = np.argsort(candidates)
    ordered, present = candidates[order], np.zeros(len(candidates), bool)
    table = np.zeros(2**_TABLE_BITS, bool)  # most labels are no candidates, and are known to be none by this
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
