"""The queries that a database is asked: labels that it has, labels that it has not, and pairs of different labels.

All is found in passes over the label files of its shards, a block at a time, so that memory grows with the queries and
not with the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np

from rehash.equihash.labels import LABEL_BLOCK, Database
from rehash.equihash.mixing import mix
from rehash.errors import InputError
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import atomic

_DENSE = 2**24  # up to so many labels, those that the database lacks are simply listed
_MOST_CANDIDATES = 2**24  # a round
_ROUNDS = 8
_TABLE_BITS = 24
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd: Fibonacci hashing (Knuth 6.4)


@dataclass(frozen=True)
class LabelShards:
    """The label files of a whole database, in order.

    Attributes:
        database: whose labels they are.
        parts: path, first item and the item after the last of each.
    """

    database: Database
    parts: tuple[tuple[str, int, int], ...]

    @classmethod
    def open(cls, paths: Sequence[str | Path]) -> LabelShards:
        """Check that the files, in any order, are one database's and hold each item once.

        Raises:
            InputError: a file is none of labels, they are of several databases, overlap, or leave a gap.
        """
        found = sorted((_identity(path) for path in paths), key=lambda each: each[1:3])
        if not found:
            raise InputError("no label files; expected those of all shards of a database")
        path, _, _, database = found[0]
        for other, _, _, theirs in found:
            if theirs != database:
                raise InputError(f"{other}: labels of {theirs}, but {path} has those of {database}")
        at = 0
        for other, start, stop, _ in found:
            if start != at:
                what = "overlap" if start < at else "leave a gap"
                raise InputError(f"{other}: starts at item {start}, expected {at}: the shards {what}")
            at = stop
        if at != database.n_items:
            raise InputError(f"{other}: ends at item {at}, expected {database.n_items}: the last shards are missing")
        return cls(database, tuple((path, start, stop) for path, start, stop, _ in found))

    def blocks(self, title: str) -> Iterator[tuple[int, np.ndarray]]:
        """All labels in order: the first item's number, and int64 (n,) with n at most LABEL_BLOCK.

        Raises:
            InputError: a file cannot be read, or has a label that is out of range.
        """
        spans = [(part, low) for part in self.parts for low in range(part[1], part[2], LABEL_BLOCK)]
        for (path, start, stop), group in groupby(progress(spans, title, "block"), key=lambda span: span[0]):
            with _opened(path) as file:
                for _, low in group:
                    labels = file["labels"][low - start : min(low + LABEL_BLOCK, stop) - start]
                    if labels.min() < 0 or labels.max() >= self.database.label_count:
                        raise InputError(
                            f"{path}: labels from {labels.min()} to {labels.max()} in the {LABEL_BLOCK} items from "
                            f"{low}; expected 0 to {self.database.label_count - 1}"
                        )
                    yield low, labels


def draw_queries(
    shards: Sequence[str | Path], output: str | Path, *, positives: int, negatives: int, pairs: int, seed: int
) -> None:
    """Draw a database's queries from the label files of all its shards (`labels.draw_labels`).

    HDF5: `positive/labels` int64 (p,), `positive/offsets` int64 (p + 1,), `positive/ids` int64: the items that carry
    label j are ids[offsets[j]:offsets[j + 1]], ascending; `negative/labels` int64 (n,); `pairs/labels` int64 (m, 2);
    and the attributes of the database.

    Positives are distinct, and each distinct label of the database is equally likely to be one, however many items
    carry it: every label has a random priority, a keyed hash of the label alone, and the p lowest are taken (bottom-k
    sampling, Cohen & Kaplan 2007). Negatives are distinct labels that no item carries, each equally likely. The two
    labels of a pair are any two that differ. Each of the three has a random stream of its own.

    Memory: the positives' ids, and some hundred bytes a query; at least about 200 MB.

    Raises:
        InputError: the shards do not fit together, or fewer labels than queries are there.
    """
    opened = LabelShards.open(shards)
    database = opened.database
    streams = {
        kind: stream(seed, "equihash", "queries", database.name, kind) for kind in ("positive", "negative", "pair")
    }
    key = streams["positive"].integers(2**64, size=2, dtype=np.uint64)
    positive = _distinct_labels(opened, positives, key)
    offsets, ids = _items(opened, positive, key)
    written = {
        "positive/labels": positive,
        "positive/offsets": offsets,
        "positive/ids": ids,
        "negative/labels": _absent_labels(opened, negatives, streams["negative"]),
        "pairs/labels": _pairs(database, pairs, streams["pair"]),
    }
    with atomic(output) as temporary, h5py.File(temporary, "w") as file:
        for name, array in written.items():
            file.create_dataset(name, data=array)
        file.attrs.update(asdict(database))


def _distinct_labels(shards: LabelShards, count: int, key: np.ndarray) -> np.ndarray:
    """The `count` labels of lowest priority, in the order of their priorities, which is random too."""
    kept, bound, waiting = np.empty(0, np.int64), np.uint64(2**64 - 1), []
    for _, labels in shards.blocks("positive queries: labels"):
        waiting.append(labels[_priorities(labels, key) <= bound])
        if sum(map(len, waiting)) >= max(count, LABEL_BLOCK):
            kept, waiting = _lowest(np.concatenate([kept, *waiting]), count, key), []
            if len(kept) == count > 0:
                bound = _priorities(kept[-1:], key)[0]
    kept = _lowest(np.concatenate([kept, *waiting]), count, key)
    if len(kept) < count:
        raise InputError(
            f"database {shards.database.name}: {count} positive queries, but it has {len(kept)} distinct labels; ask "
            "for fewer"
        )
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


def _items(shards: LabelShards, chosen: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and ids of the items that carry the labels of lowest priority."""
    bound = _priorities(chosen, key).max(initial=0)
    order = np.argsort(chosen)
    ordered = chosen[order]
    owners, ids = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, labels in shards.blocks("positive queries: ids"):
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


def _identity(path: str | Path) -> tuple[str, int, int, Database]:
    """Path, start, stop and database of a label file."""
    with _opened(path) as file:
        about = {name: np.asarray(value).item() for name, value in file.attrs.items()}
        database = Database(**{field.name: about[field.name] for field in fields(Database)})
        labels, start, stop = file["labels"], about["start"], about["stop"]
        if labels.dtype != np.int64 or labels.shape != (stop - start,):
            raise InputError(f"labels are {labels.dtype} {labels.shape}; expected int64 ({stop - start},)")
    return str(path), start, stop, database


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError, InputError) as error:
        raise InputError(
            f"{path}: not a file of labels, or damaged ({error}); make it again with: snakemake --cores all --force "
            f"{path}"
        ) from error
