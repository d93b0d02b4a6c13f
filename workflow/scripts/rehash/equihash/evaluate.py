"""A network on a whole database held in memory: its queries answered, its collisions counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from rehash.bits import as_keys
from rehash.equihash.banks import Bank
from rehash.equihash.collisions import bucket_sizes, collision_rows, internal_collisions, label_match, matching_pairs
from rehash.equihash.encode import encode, encoded, open_network
from rehash.equihash.labels import Database
from rehash.equihash.queries import LabelShards
from rehash.equihash.retrieval import Relevant, add_up, negative_outcomes, positive_outcomes, retrieval_rows
from rehash.equihash.task import Task
from rehash.equihash.views import open_mosaics
from rehash.errors import InputError
from rehash.store import write_csv
from rehash.training import resolve_device, set_reproducible


def evaluate_hash(
    weights: str | Path,
    bank: str | Path,
    perlin: str | Path | None,
    shards: Sequence[str | Path],
    queries: str | Path,
    output: str | Path,
    *,
    keys: dict[str, Any],
    settings: dict[str, Any],
    split: str,
    seed: int,
    device: str,
    threads: int,
) -> dict[str, Any]:
    """Encode all items and queries of a database and write the metrics of the spec (CSV).

    Columns: keys, database_size, metric, value, low, high, n; see `retrieval_rows` and `collision_rows`.

    Args:
        shards, queries: the database's label files and its queries. settings: of the task, see `Task.of`.

    Raises:
        InputError: files that do not fit together.
    """
    set_reproducible(threads)
    target, task = resolve_device(device), Task.of(settings)
    network, _ = open_network(weights, task, target)
    mosaics = open_mosaics(task, Bank.open(bank, split), perlin, target)
    opened = LabelShards.open(shards)
    database, labels, codes = opened.database, [], []
    positive, negative, relevant = _read_queries(queries, database)
    for start, part in opened.blocks(f"encoding {opened.database.name}"):
        labels.append(part)
        codes += [
            found for _, found in encoded(network, mosaics, part, start, seed=seed, name=database.name, kind="database")
        ]
    labels, found = np.concatenate(labels), as_keys(np.concatenate(codes))
    ids = np.argsort(found, kind="stable")
    index, sizes = (found[ids], ids), [database.n_items]
    asked = {
        kind: as_keys(encode(network, mosaics, label, seed=seed, name=database.name, kind=kind))
        for kind, label in (("positive", positive), ("negative", negative))
    }
    outcomes = add_up(
        [
            positive_outcomes(*index, asked["positive"], relevant, sizes),
            negative_outcomes(*index, asked["negative"], sizes),
        ]
    )
    collisions = internal_collisions(
        bucket_sizes(*index, sizes), matching_pairs(*index, lambda held: labels[held], sizes)
    )
    rows = [retrieval_rows(outcomes, seed), collision_rows(collisions, label_match(database))]
    table = pd.concat(rows, ignore_index=True)
    write_csv(table.assign(**keys)[[*keys, *table.columns]], output)
    return {"device": str(target), "seed": seed, "items": database.n_items}


def _read_queries(path: str | Path, database: Database) -> tuple[np.ndarray, np.ndarray, Relevant]:
    """Labels of positive and of negative queries, and what the positive ones shall retrieve."""
    try:
        with h5py.File(path) as file:
            theirs = {name: file.attrs[name] for name in asdict(database)}
            if theirs != asdict(database):
                raise InputError(f"of the database {theirs}; expected {asdict(database)}")
            relevant = Relevant(file["positive/offsets"][:], file["positive/ids"][:])
            return file["positive/labels"][:], file["negative/labels"][:], relevant
    except (OSError, KeyError, ValueError) as error:  # InputError is a ValueError
        raise InputError(
            f"{path}: not the queries of this database, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}"
        ) from error
