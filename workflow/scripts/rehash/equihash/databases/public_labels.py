"""Labels and queries of public files, as labels and queries of ours.

`generate_labels.py` (2024) writes an HDF5 file with `database` (items, rows, columns), `positive_queries` and
`negative_queries` (queries, rows, columns) and `negative_pairs` (pairs, 2, rows, columns); for tasks of single images
they have no rows and columns. A number is that of an image of the bank's split. The items that carry each positive
query lie beside it in a pickle, a list of lists. The file of 2023 (natural_index1Bx2.hdf5) has `index` (items, images)
alone. The image at place i, counted row by row, is digit i of a label of ours to the base of the bank's size; the
public number of a label, which no file holds, has its digits in the opposite order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.datasets.pickles import unpickled
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.labels import Database, count_labels, counted_bank
from rehash.equihash.databases.queries import FILE, Relevant, carriers, listed, write_queries
from rehash.errors import InputError, unreadable
from rehash.foreign_hdf5 import ForeignFile, dataset, foreign
from rehash.hdf5 import created, write_attributes

_ITEMS = ("database", "index")  # of 2024 and of 2023
_WHAT = "a public file of labels"


def label_numbers(cells: np.ndarray, bank_size: int) -> np.ndarray:
    """Return the labels of mosaics, int64 (n,), by the numbers of their images: the inverse of `layout.image_numbers`.

    Args:
        cells: ints (n, images), in [0, bank_size), row by row of each mosaic.
    """
    return cells.astype(np.int64) @ bank_size ** np.arange(cells.shape[1], dtype=np.int64)


def read_labels(
    path: str | Path,
    bank: str | Path | None,
    output: str | Path,
    *,
    content: str,
    database: str,
    split: str,
    items: int,
    grid: tuple[int, int],
    bank_size: int | None,
    seed: int,
) -> dict[str, Any]:
    """Write the labels of a database whose items are the first ones of a public file (`Labels`), some MB at a time.

    Args:
        bank: None where `bank_size` says how many images there are, and their file need not be there.
        content: the file's checksum, which tells the database from others. grid: rows and columns of a mosaic.

    Raises:
        InputError: the file is another one, has fewer items, or shows images that the bank has not; nothing is left.
    """
    pictures, digests = counted_bank(bank, split, bank_size, database)
    whole = Database(seed, database, items, count_labels(pictures, prod(grid)), source=content)
    digest, at = hashlib.sha256(), 0
    with foreign(path, _WHAT) as file, created(output) as out:
        written = out.create_dataset("labels", (items,), np.int64)
        name = next((name for name in _ITEMS if name in file.ask(sorted)), _ITEMS[0])
        for labels in _labels(file, name, 0, items, grid, pictures, f"the items of the database {database}"):
            written[at : at + len(labels)] = labels
            digest.update(labels)
            at += len(labels)
        write_attributes(out, {**whole.described, "checksum": digest.hexdigest()})
    return {"bank_pictures": pictures, "label_count": whole.label_count, "digests": digests}


def read_queries(
    path: str | Path,
    bank: str | Path | None,
    labels: str | Path,
    output: str | Path,
    *,
    ground_truth: str | Path | None,
    split: str,
    grid: tuple[int, int],
    bank_size: int | None,
    sizes: list[int],
    positives: int,
    negatives: int,
    pairs: int,
) -> dict[str, Any]:
    """Write the first queries of each kind of a public file as those of a database (`queries.draw_queries`).

    Positive queries are the same for each size of the database; of a size that lacks a query's label it does not count.

    Args:
        labels: of the database (`Labels`). ground_truth: a pickle of the items that carry each positive query, which
            has to say what the labels do.

    Raises:
        InputError: the files are other ones or have fewer queries, or a query is not what it should be.
    """
    known = Labels.open(labels)
    database = known.database
    pictures, digests = counted_bank(bank, split, bank_size, database.name)
    with foreign(path, _WHAT) as file:

        def read(kind: str, count: int, several: int = 1) -> np.ndarray:
            if not count:
                return np.empty(0, np.int64)
            whose = f"the {count} {kind.replace('_', ' ')} that the database {database.name} is asked"
            return np.concatenate(list(_labels(file, kind, 0, count, grid, pictures, whose, several)))

        positive, negative = read("positive_queries", positives), read("negative_queries", negatives)
        pair = read("negative_pairs", pairs, 2).reshape(-1, 2)
    found = {size: listed(known, size, positive) for size in sizes}
    largest = found[max(sizes)]
    relevant = Relevant(*(largest[name] for name in ("offsets", "ids", "lists")))
    if len(missing := np.flatnonzero(relevant.counts == 0)):
        raise InputError(
            f"{path}: positive query {missing[0]} shows a mosaic that none of the {database.n_items} items of the "
            f"database {database.name} does; expected the database that the queries were made for, whole: set items to "
            "the file's"
        )
    candidates = np.unique(negative)
    for items, places in carriers(known, candidates, "negative queries"):
        if len(items):
            query = np.flatnonzero(negative == candidates[places[0]])[0]
            raise InputError(f"{path}: negative query {query} shows the mosaic of item {items[0]}; expected none")
    if len(same := np.flatnonzero(pair[:, 0] == pair[:, 1])):
        raise InputError(f"{path}: negative pair {same[0]} is one mosaic twice; expected two that differ")
    if ground_truth is not None:
        _check_truth(ground_truth, relevant)
    write_queries(output, database, found, negative, pair, FILE)
    return {"digests": digests | {known.path: known.checksum}}


def _labels(
    file: ForeignFile,
    name: str,
    start: int,
    stop: int,
    grid: tuple[int, int],
    bank_size: int,
    whose: str,
    several: int = 1,
) -> Iterator[np.ndarray]:
    """Yield the labels of rows start to stop of a dataset, `several` a row, some megabytes at a time, int64 (n,)."""
    shape, dtype = file.ask(_described, name)
    images, own = prod(grid), shape[1:] if several == 1 else shape[2:]
    layouts = [tuple(grid), (images,), *([()] if images == 1 else [])]
    if dtype.kind not in "ui" or own not in layouts or (several > 1 and shape[1:2] != (several,)):
        mosaic = " x ".join(map(str, grid))
        raise InputError(
            f"{file.path}: {name} is {dtype} {shape}; expected whole numbers, {several} mosaic{'s' * (several > 1)} of "
            f"{mosaic} images a row, the grid of the task"
        )
    if stop > shape[0]:
        raise InputError(f"{file.path}: {name} has {shape[0]} rows; expected at least {stop}, {whose}")
    at = start
    for rows in file.slices(name, (stop, *shape[1:]), dtype, start):
        cells = rows.reshape(-1, images)
        wrong = np.flatnonzero(((cells < 0) | (cells >= bank_size)).any(axis=1))
        if len(wrong):
            numbers = cells[wrong[0]]
            raise InputError(
                f"{file.path}: {name}, row {at + wrong[0] // several}: image {numbers.max()}; expected 0 to "
                f"{bank_size - 1}, for the bank's split has {bank_size} images"
            )
        yield label_numbers(cells, bank_size)
        at += len(rows)


def _described(file: h5py.File, name: str) -> tuple[tuple[int, ...], np.dtype]:
    found = dataset(file, name)
    return found.shape, found.dtype


def _check_truth(path: str | Path, relevant: Relevant) -> None:
    """Raise an InputError unless a pickle has, for each query, the items that carry its label."""
    try:
        with open(path, "rb") as file:
            lists = unpickled(file, str(path))
    except OSError as error:
        raise unreadable(error, path, "not a readable file") from error
    queries = len(relevant.counts)
    if not isinstance(lists, list) or not all(isinstance(each, list) for each in lists) or len(lists) < queries:
        held = f"a list of {len(lists)}" if isinstance(lists, list) else f"a {type(lists).__name__}"
        raise InputError(f"{path}: is {held}; expected a list of items for each of {queries} queries")
    lists = lists[:queries]
    if not all(type(item) is int for item in chain.from_iterable(lists)):
        raise InputError(f"{path}: items are not all whole numbers; expected a list of items for each query")
    for query, (theirs, count) in enumerate(zip(lists, relevant.counts)):
        ours = relevant.of(query, query + 1)[1]
        if len(theirs) != count or sorted(theirs) != ours.tolist():
            raise InputError(
                f"{path}: query {query} has the items {sorted(theirs)[:5]}; by the labels it has {ours[:5].tolist()}: "
                "is it of the same database?"
            )
