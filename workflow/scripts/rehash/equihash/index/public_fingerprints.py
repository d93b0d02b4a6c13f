"""Fingerprints that the public code wrote, as shards and query codes of ours.

Each file is HDF5 with `codes`, uint8: (items, bits / 8) of a database, as many of its positive or its negative queries,
and (triplets, 3, bits / 8) of two views of a label and one of another. The files of 2023 have the items of ProcDB and
its first items seen again; those of 2024 (encode.py) the queries of a file of labels (`databases.public_labels`), and
the positive queries' `logits`, float32 (queries, bits). A file of one job also has `size`, how many of its rows are
done; a merged one has not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.bits import Codes, pack
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.queries import TRIPLET, Queries
from rehash.equihash.index.fingerprints import Origin, write_shard
from rehash.equihash.index.query_codes import QueryCodes, config_digest, query_views
from rehash.errors import InputError
from rehash.foreign_hdf5 import ForeignFile, dataset, foreign
from rehash.store import value_digest

_WHAT = "a public file of fingerprints"


def read_fingerprints(
    path: str | Path,
    labels: str | Path,
    output: str | Path,
    *,
    shard: int = 0,
    shards: int = 1,
    bits: int,
    content: dict[str, str],
) -> dict[str, Any]:
    """Write the fingerprints of one of a database's shards (`fingerprints.write_shard`), read in slices.

    Args:
        path: the file of all items' codes, of which the database's items are the first. labels: of the database.
        content: checksums of this and of the queries' files, which tell them from other fingerprints.

    Raises:
        InputError: the file is another one, is not finished, or has codes of other bits or too few of them.
    """
    known = Labels.open(labels)
    database = known.database
    part = known.shard(shard, shards)
    with foreign(path, _WHAT) as file:
        whose = f"the items of the database {database.name}"
        codes = _codes(file, "codes", (part.start, part.stop), (bits // 8,), np.uint8, database.n_items, whose)
    about = {"model": value_digest(content), "config": config_digest(database, database.seed, {})}
    write_shard(output, codes, start=part.start, n_items=database.n_items, **about)
    return {"items": len(codes), "digests": {known.path: known.checksum}}


def read_query_codes(
    places: dict[str, str | Path],
    queries: str | Path,
    output: str | Path,
    *,
    bits: int,
    content: dict[str, str],
    probed: int,
) -> dict[str, Any]:
    """Write the fingerprints of a database's queries (`QueryCodes`), read from files by their role.

    Args:
        places: queries, negatives, triplets and logits, as far as the database has such queries.
        content: see `read_fingerprints`. probed: the number of positives whose |logits| are kept.

    Raises:
        InputError: a file is another one, is not finished, has codes of other bits or too few, or logits whose signs
            are not the codes.
    """
    asked = Queries.read(queries)
    wanted = {kind: len(views.labels) for kind, views in query_views(asked).items()}
    positives = wanted[f"positive/{max(asked.positive)}"]
    whose = f"that the database {asked.database.name} is asked"
    parts = [
        _of_file(places, "queries", "codes", positives, (bits // 8,), np.uint8, f"the positive queries {whose}"),
        _of_file(places, "negatives", "codes", wanted["negative"], (bits // 8,), np.uint8, f"the negatives {whose}"),
    ]
    shape, pairs = (len(TRIPLET), bits // 8), wanted[next(iter(TRIPLET))]
    triplets = _of_file(places, "triplets", "codes", pairs, shape, np.uint8, f"the pairs {whose}")
    parts += list(triplets.swapaxes(0, 1))
    kept = min(probed, positives)
    logits = _of_file(places, "logits", "logits", kept, (bits,), np.float32, "the queries that are multi-probed")
    wrong = np.flatnonzero((pack(logits > 0) != parts[0][:kept]).any(axis=1))
    if len(wrong):
        raise InputError(
            f"{places['logits']}: the signs of logits {wrong[0]} are not the bits of code {wrong[0]} of "
            f"{places['queries']}; expected both of the same queries"
        )
    database = asked.database
    digests = {"model": value_digest(content), "config": config_digest(database, database.seed, {})}
    origin = Origin(database.n_items, bits, **digests)
    QueryCodes.cut(np.concatenate(parts), np.abs(logits), asked, queries, origin).write(output)
    return {"items": sum(map(len, parts))}


def _of_file(
    places: dict[str, str | Path],
    role: str,
    name: str,
    count: int,
    shape: tuple[int, ...],
    dtype: type,
    whose: str,
) -> np.ndarray:
    """Return the first rows of a dataset of a file by its role; none where none are wanted."""
    if not count:
        return np.empty((0, *shape), dtype)
    with foreign(places[role], _WHAT) as file:
        return _codes(file, name, (0, count), shape, dtype, count, whose)


def _codes(
    file: ForeignFile,
    name: str,
    wanted: tuple[int, int],
    shape: tuple[int, ...],
    dtype: type,
    least: int,
    whose: str,
) -> Codes | np.ndarray:
    """Return some rows of a dataset, each of this shape and dtype, of a file that has to have `least` of them."""
    found, kind, done = file.ask(_described, name)
    if kind != dtype or found[1:] != shape:
        bits = f", {8 * found[-1]} bits a row" if kind == np.uint8 and len(found) == len(shape) + 1 else ""
        rows = ", ".join(map(str, ("n", *shape)))
        raise InputError(
            f"{file.path}: {name} is {kind} {found}{bits}; expected {np.dtype(dtype)} ({rows}), for the model's "
            f"bits are {8 * shape[-1] if dtype == np.uint8 else shape[-1]}"
        )
    if done < found[0]:
        raise InputError(
            f"{file.path}: is not finished: {done} of its {found[0]} rows are done, as its size says; expected all. "
            "(The public encode.py counts rows in steps of its flush_freq, 100,000 by default, and not the rest; "
            "if that is why, run it again with a flush_freq that divides their number)"
        )
    if found[0] < least:
        raise InputError(f"{file.path}: {name} has {found[0]} rows; expected at least {least}, {whose}")
    start, stop = wanted
    held, at = np.empty((stop - start, *shape), dtype), 0
    for part in file.slices(name, (stop, *shape), dtype, start):
        held[at : at + len(part)] = part
        at += len(part)
    return held


def _described(file: h5py.File, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return the shape and dtype of a dataset, and how many of its rows are done."""
    found = dataset(file, name)
    done = int(file["size"][0]) if "size" in file else found.shape[0]
    return found.shape, found.dtype, done
