"""The queries on a database: labels that its items carry, labels that none carries, and pairs of different labels.

They are found in passes over its labels, a block at a time, so that memory grows with the queries and not with the
database. The first n items of a database are a database of size n.

What is `asked` of a database says which its positive queries are. LABELS: distinct labels, each size's own. ITEMS: the
database's first items seen again with other noise, the same for each size, so that a label is asked as often as these
items carry it. FILE: those of a file of others, the same for each size (`rehash.equihash.databases.public_labels`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.equihash.databases.label_files import BLOCK, Labels
from rehash.equihash.databases.labels import UNKNOWN, Database
from rehash.equihash.databases.mixing import mix
from rehash.errors import InputError
from rehash.hdf5 import add_group, check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.seeds import stream

log = logging.getLogger("rehash")
LABELS, ITEMS, FILE = "labels", "items", "file"
_DENSE = 2**24  # up to this many labels, all that the database lacks are listed
_MOST_IDS = 2**28  # of relevant items, 2 GB
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
        offsets: int64 (l + 1,), ascending from 0.
        ids: int64, in lists; those of list j are ids[offsets[j]:offsets[j + 1]].
        lists: int64 (q,), the list of each query, since several may ask for one label; by default query j has list j.
    """

    offsets: np.ndarray
    ids: np.ndarray
    lists: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Raise an InputError if the offsets do not fit the ids, or if there is no such list."""
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.ids) or (np.diff(self.offsets) < 0).any():
            raise InputError(
                f"relevant ids: offsets from {self.offsets[0]} to {self.offsets[-1]}; expected them to ascend from 0 "
                f"to {len(self.ids)}, the number of ids"
            )
        if self.lists is not None and len(self.lists):
            low, high = self.lists.min(), self.lists.max()
            if low < 0 or high >= len(self.offsets) - 1:
                raise InputError(
                    f"relevant ids: queries of the lists {low} to {high}; expected 0 to {len(self.offsets) - 2}"
                )

    @property
    def counts(self) -> np.ndarray:
        """Return how many ids each query should retrieve, int64 (q,)."""
        lengths = np.diff(self.offsets)
        return lengths if self.lists is None else lengths[self.lists]

    def take(self, queries: np.ndarray) -> Relevant:
        """Return what some queries should retrieve, int (m,), in their order; a query may occur more than once."""
        return Relevant(self.offsets, self.ids, np.asarray(queries) if self.lists is None else self.lists[queries])

    def of(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of the queries start to stop, one after the other, each with its query counted from start."""
        lists = np.arange(start, stop) if self.lists is None else self.lists[start:stop]
        lengths = self.offsets[lists + 1] - self.offsets[lists]  # of these alone: readers ask for one query at a time
        owners, ends = np.repeat(np.arange(len(lists)), lengths), np.cumsum(lengths)
        return owners, self.ids[np.arange(len(owners)) + np.repeat(self.offsets[lists] - ends + lengths, lengths)]


@dataclass(frozen=True)
class Queries:
    """The queries on a database.

    Attributes:
        database: the database that is asked.
        positive: for each size, labels of the first `size` items, int64 (p,), and the items that carry them.
        negative: labels that no item carries, int64 (n,).
        pairs: pairs of different labels, int64 (m, 2).
        asked: LABELS, ITEMS or FILE; of ITEMS, positive query j is item j again.
    """

    database: Database
    positive: dict[int, tuple[np.ndarray, Relevant]]
    negative: np.ndarray
    pairs: np.ndarray
    asked: str = LABELS

    @classmethod
    def read(cls, path: str | Path) -> Queries:
        """Read a file of `draw_queries`.

        Raises:
            InputError: the file is not one of `draw_queries`, or is damaged.
        """
        with opened(path, "the queries of a database") as file:
            about = read_attributes(file)
            database = Database.read(about)
            positive = {
                size: _read_positive(group)
                for size, group in sorted((int(name), group) for name, group in file["positive"].items())
            }
            asked = str(about.get("asked", LABELS))
            found = cls(database, positive, file["negative/labels"][:], file["pairs/labels"][:], asked)
            check_seal(file)
        return found

    def check(self, database: Database, path: str | Path) -> None:
        """Raise an InputError that names the file if these are queries of another database."""
        if self.database != database:
            raise InputError(f"{path}: queries of {self.database}; expected those of {database}")

    def own(self, queries: np.ndarray) -> np.ndarray:
        """Return the item that each of some positive queries is seen again, int64 (m,); -1 for a label."""
        return queries if self.asked == ITEMS else np.full(len(queries), -1)


def _read_positive(group: h5py.Group) -> tuple[np.ndarray, Relevant]:
    labels, lists = group["labels"][:], group["lists"][:] if "lists" in group else None
    relevant = Relevant(group["offsets"][:], group["ids"][:], lists)
    if len(relevant.counts) != len(labels):
        raise InputError(f"{len(relevant.counts)} lists of relevant ids; expected {len(labels)}, one for each query")
    return labels, relevant


def draw_queries(
    labels: str | Path,
    output: str | Path,
    *,
    sizes: Sequence[int] = (),
    positives: int,
    negatives: int,
    pairs: int,
    seed: int,
    asked: str = LABELS,
    split: str = "",
    images: int = 1,
    things: str = "images",
) -> dict[str, Any]:
    """Draw a database's queries from its labels (`label_files.Labels`).

    The HDF5 file has, for each size s, `positive/{s}/labels` int64 (p,), `offsets` int64 (p + 1,) and `ids` int64 (of
    the first s items, ids[offsets[j]:offsets[j + 1]] carry label j, ascending); `negative/labels` int64 (n,);
    `pairs/labels` int64 (m, 2); the attributes of the database, and a checksum of everything.

    Positives of LABELS are distinct, and each distinct label of the first s items is equally likely to be one, however
    many items carry it: every label has a random priority, a keyed hash of the label alone, and the p lowest are taken
    (bottom-k sampling, Cohen & Kaplan 2007); if a size below the whole database has fewer labels, all are taken.

    Positives of ITEMS are the labels of the database's first p items in order, with repeats, for each size the same; of
    a size below p only those items count that it has. Several queries may share one list of ids: `offsets` is
    int64 (l + 1,) for the l distinct labels in ascending order, `lists` int64 (p,) says which is a query's, and the
    file has the attribute `asked`.

    Negatives are distinct labels that no item of the whole database carries, each equally likely; so they are negatives
    of every size. The two labels of a pair are any two that differ. Positives, negatives and pairs each have a random
    stream.

    Args:
        sizes: the sizes of the databases that are asked, as numbers of first items; by default that of the whole one.
        split, images, things: of which split of the bank labels are mosaics, of how many images each, and what these
            are (images or identities); for a message only.

    Memory holds the positives' ids and some hundred bytes per query, at least about 200 MB in all.

    Returns:
        Notes for the provenance: the digest of the labels.

    Raises:
        InputError: the labels cannot be read, a size is out of range, or there are too few labels or items.
    """
    known = Labels.open(labels)
    database = known.database
    sizes = sizes or (database.n_items,)
    for size in sizes:
        if not 1 <= size <= database.n_items:
            raise InputError(f"database {database.name}: a size of {size}; expected 1 to {database.n_items}, its items")
    streams = {
        kind: stream(seed, "equihash", "queries", database.name, kind) for kind in ("positive", "negative", "pair")
    }
    key = streams["positive"].integers(2**64, size=2, dtype=np.uint64)
    made_of = f", mosaics of the {round(database.label_count ** (1 / images)):,} {things} of the split {split}"
    negative = _absent_labels(known, negatives, streams["negative"], made_of if split else "")
    pair, positive = _pairs(database, pairs, streams["pair"]), {}
    for size in sizes:
        if asked == ITEMS:
            positive[size] = _item_queries(known, size, positives)
        else:
            chosen = _distinct_labels(known, size, positives, key)
            offsets, ids = _items(known, size, chosen)
            positive[size] = {"labels": chosen, "offsets": offsets, "ids": ids}
    write_queries(output, database, positive, negative, pair, asked)
    return {"digests": {known.path: known.checksum}}


def write_queries(
    output: str | Path,
    database: Database,
    positive: dict[int, dict[str, np.ndarray]],
    negative: np.ndarray,
    pairs: np.ndarray,
    asked: str,
) -> None:
    """Write a database's queries, whose datasets `draw_queries` describes; of `positive` by their size and name."""
    written = {"negative/labels": negative, "pairs/labels": pairs}
    for size, found in positive.items():
        written |= {f"positive/{size}/{name}": array for name, array in found.items()}
    with created(output) as file:
        for name, array in written.items():
            add_group(file, name.rpartition("/")[0])
            file.create_dataset(name, data=array)
        write_attributes(file, {**database.described, **({"asked": asked} if asked != LABELS else {})})
        seal(file)


def _item_queries(known: Labels, size: int, count: int) -> dict[str, np.ndarray]:
    """Return the labels of the first `count` items, and the items of the first `size` that carry them, in lists."""
    if count > known.database.n_items:
        raise InputError(
            f"database {known.database.name}: {count} positive queries that are its own items, but it has "
            f"{known.database.n_items}; ask for fewer"
        )
    if known.database.source == UNKNOWN:  # each item is found itself, and a pass over all labels would say no more
        items = np.arange(min(count, size))
        return {"labels": items, "offsets": np.arange(len(items) + 1), "ids": items, "lists": items}
    blocks = known.blocks(f"positive queries of {size}: labels", min(count, size))
    return listed(known, size, np.concatenate([np.empty(0, np.int64), *(block for _, block in blocks)]))


def listed(known: Labels, size: int, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the labels of queries, int64 (p,), perhaps with repeats, and the first `size` items of each, in lists."""
    distinct, lists = np.unique(labels, return_inverse=True)
    offsets, ids = _items(known, size, distinct)
    return {"labels": labels, "offsets": offsets, "ids": ids, "lists": lists}


def _distinct_labels(known: Labels, size: int, count: int, key: np.ndarray) -> np.ndarray:
    """Return the `count` labels of lowest priority among the first items, in order of priority, which is random."""
    if not count:
        return np.empty(0, np.int64)
    kept, bound, waiting = np.empty(0, np.int64), np.uint64(2**64 - 1), []
    for _, labels in known.blocks(f"positive queries of {size}: labels", size):
        waiting.append(labels[_priorities(labels, key) <= bound])
        if sum(map(len, waiting)) >= max(count, BLOCK):
            kept, waiting = _lowest(np.concatenate([kept, *waiting]), count, key), []
            if len(kept) == count > 0:
                bound = _priorities(kept[-1:], key)[0]
    kept = _lowest(np.concatenate([kept, *waiting]), count, key)
    if len(kept) < count and size == known.database.n_items:
        raise InputError(
            f"database {known.database.name}: {count} positive queries, but it has {len(kept)} distinct labels; "
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


def _items(known: Labels, size: int, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets and ids of the first `size` items that carry the chosen labels, which are distinct."""
    owners, ids, held = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for items, places in carriers(known, chosen, f"positive queries of {size}: ids", size):
        owners.append(places)
        ids.append(items)
        held += len(items)
        if held > _MOST_IDS:
            raise InputError(
                f"database {known.database.name}: its positive queries have more than {_MOST_IDS:,} relevant items "
                f"among the first {size:,}, which every job would have to hold; labels are too few for so many items: "
                "take a larger bank, a larger grid or fewer positives"
            )
    owners, ids = np.concatenate(owners), np.concatenate(ids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(chosen)))])
    return offsets.astype(np.int64), ids[np.argsort(owners, kind="stable")]


def _absent_labels(known: Labels, count: int, random: np.random.Generator, made_of: str) -> np.ndarray:
    """Draw `count` distinct labels that no item carries, int64 (count,); a message ends with `made_of`."""
    database = known.database
    if not count:
        return np.empty(0, np.int64)
    if database.label_count <= _DENSE:
        taken = np.zeros(database.label_count, bool)
        for _, labels in known.blocks("negative queries"):
            taken[labels] = True
        absent = np.flatnonzero(~taken)
        if len(absent) < count:
            raise _too_many_negatives(database, count, f"{len(absent)}", made_of)
        return random.permutation(absent)[:count]
    found = np.empty(0, np.int64)
    share = max(0.5, 1 - database.n_items / database.label_count)  # of absent labels: an estimate first, then as found
    for _ in range(_ROUNDS):
        wanted = min(_MOST_CANDIDATES, int(1.1 * count / share) + 1024)
        drawn = _in_order(random.integers(database.label_count, size=wanted))
        absent = ~_present(known, drawn)
        found = _in_order(np.concatenate([found, drawn[absent]]))
        if len(found) >= count:
            return found[:count]
        share = max(absent.mean(), 1e-6)
    raise _too_many_negatives(database, count, f"about {round(absent.mean() * database.label_count)}", made_of)


def _too_many_negatives(database: Database, count: int, lacking: str, made_of: str) -> InputError:
    return InputError(
        f"database {database.name}: {count} negative queries, but it lacks {lacking} of the {database.label_count} "
        f"labels{made_of}; ask for fewer, have fewer items, or take a larger bank or grid"
    )


def _in_order(labels: np.ndarray) -> np.ndarray:
    """Return the labels without repeats, in the order of their first occurrences."""
    return labels[np.sort(np.unique(labels, return_index=True)[1])]


def _present(known: Labels, candidates: np.ndarray) -> np.ndarray:
    """Return which of the distinct candidates are in the database, bool (n,)."""
    present = np.zeros(len(candidates), bool)
    for _, places in carriers(known, candidates, "negative queries"):
        present[places] = True
    return present


def carriers(
    known: Labels, wanted: np.ndarray, title: str, size: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, block by block, the items that carry one of the wanted labels, which are distinct, and which one it is.

    Both are int64 (m,): ascending numbers of items, and places in `wanted`.
    """
    if not len(wanted):
        return
    order = np.argsort(wanted)
    ordered = wanted[order]
    table = np.zeros(2**_TABLE_BITS, bool)  # rules out most labels, which nobody wants
    table[_slots(wanted)] = True
    for first, labels in known.blocks(title, size):
        rows = np.flatnonzero(table[_slots(labels)])
        places = np.searchsorted(ordered, labels[rows])
        same = ordered[places.clip(max=len(ordered) - 1)] == labels[rows]
        yield rows[same] + first, order[places[same]]


def _slots(labels: np.ndarray) -> np.ndarray:
    return (labels.astype(np.uint64) * _GOLDEN) >> np.uint64(64 - _TABLE_BITS)


def _pairs(database: Database, count: int, random: np.random.Generator) -> np.ndarray:
    if count and database.label_count < 2:
        raise InputError(f"database {database.name}: pairs of different labels, but there is one label only")
    first = random.integers(database.label_count, size=count)
    second = random.integers(max(database.label_count - 1, 1), size=count)
    return np.stack([first, second + (second >= first)], axis=1)
