"""Counts of one partition of an index: what its queries find, and collisions of its items; partitions add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.bits import Codes
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.collisions import bucket_sizes, matching_pairs
from rehash.equihash.evaluation.probing import probe_hits
from rehash.equihash.evaluation.retrieval import add_up, negative_outcomes, positive_outcomes
from rehash.equihash.index.fingerprints import Origin, partition_of
from rehash.equihash.index.partitions import Partition
from rehash.equihash.index.probing import probe_masks
from rehash.equihash.index.query_codes import QueryCodes
from rehash.errors import InputError
from rehash.hdf5 import check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.progress import progress

_PROBED = 1000  # queries whose probes are held at once


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of one partition, as tables of whole numbers.

    Attributes:
        origin, partition, partitions: of the index.
        queries: digest of the file of queries.
        tables: outcomes (see `retrieval.positive_outcomes`), buckets (`collisions.bucket_sizes`), matching
            (`collisions.matching_pairs`) and probes (`probing.probe_hits`).
    """

    origin: Origin
    queries: str
    partition: int
    partitions: int
    tables: dict[str, pd.DataFrame]

    def write(self, output: str | Path) -> None:
        """Write the counts as HDF5: a group for each table, with an int64 dataset for each column."""
        with created(output) as file:
            for name, table in self.tables.items():
                group = file.create_group(name, track_order=True)
                for column in table:
                    group[column] = table[column].to_numpy(np.int64)
            about = {"queries": self.queries, "partition": self.partition, "partitions": self.partitions}
            write_attributes(file, {**asdict(self.origin), **about})
            seal(file)

    @classmethod
    def read(cls, path: str | Path) -> Counts:
        """Read a file of counts that `write` has written.

        Raises:
            InputError: the file is of another kind, or damaged.
        """
        with opened(path, "a file of counts") as file:
            about = read_attributes(file)
            tables = {
                name: pd.DataFrame({column: values[:] for column, values in file[name].items()})
                for name in ("outcomes", "buckets", "matching", "probes")
            }
            found = cls(Origin.read(about), about["queries"], about["partition"], about["partitions"], tables)
            check_seal(file)
        return found


def evaluate_partition(
    partition: str | Path,
    codes: str | Path,
    queries: str | Path,
    labels: str | Path,
    output: str | Path,
    *,
    probes: int,
) -> dict[str, Any]:
    """Look up a database's queries in a partition, count what they find and its collisions, and write the `Counts`.

    Args:
        partition: a file of `partitions.merge_partition`.
        codes: of the queries (`QueryCodes`); a partition answers those whose fingerprints it would hold.
        queries: a file of `queries.draw_queries`. labels: of the database (`Labels`).
        probes: how many each probed query has.

    Memory: the pages of the partition that are touched, the queries, and some hundred MB.

    Raises:
        InputError: a file is of another database, network or configuration, or damaged; the message names it.
    """
    opened_partition, asked, known = Partition.open(partition), QueryCodes.read(codes), Labels.open(labels)
    wanted = Queries.read(queries)
    wanted.check(known.database, queries)
    opened_partition.origin.check(asked.origin, codes, partition)
    asked.check(queries, codes)
    try:
        tables = _counted(opened_partition, asked, wanted, known, probes)
    except InputError as error:
        raise InputError(
            f"{partition}: cannot be evaluated ({error}); if it is damaged, make it again with: "
            f"snakemake --cores all --force {partition}"
        ) from error
    whose = opened_partition.partition, opened_partition.partitions
    counts = Counts(asked.origin, asked.queries, *whose, tables)
    counts.write(output)
    return {"items": len(opened_partition), "digests": {known.path: known.checksum}}


def _counted(
    partition: Partition, asked: QueryCodes, wanted: Queries, known: Labels, probes: int
) -> dict[str, pd.DataFrame]:
    ids, sizes, largest = partition.ids, sorted(wanted.positive), max(wanted.positive)

    def mine(codes: Codes) -> np.ndarray:
        return np.flatnonzero(partition_of(codes, partition.partitions) == partition.partition)

    outcomes = []
    for size, codes in asked.positive.items():
        rows = mine(codes)
        relevant, own = wanted.positive[size][1].take(rows), wanted.own(rows)
        outcomes.append(positive_outcomes(ids, *partition.ranges(codes[rows]), relevant, [size], own))
    outcomes.append(negative_outcomes(ids, *partition.ranges(asked.negative[mine(asked.negative)]), sizes))
    found = [probe_hits(ids, *np.empty((4, 0), np.int64), wanted.positive[largest][1])]
    blocks = range(0, len(asked.abs_logits), _PROBED)
    for start in progress(blocks, "multi-probing", "block"):
        block = slice(start, start + _PROBED)
        flips, _ = probe_masks(asked.abs_logits[block], probes)
        codes = flips ^ asked.positive[largest][block][: len(flips), None]
        codes, width = codes.reshape(-1, codes.shape[-1]), flips.shape[1]
        rows = mine(codes)
        queries, ranks = rows // width + start, rows % width
        found.append(probe_hits(ids, *partition.ranges(codes[rows]), queries, ranks, wanted.positive[largest][1]))
    return {
        "outcomes": add_up(outcomes),
        "buckets": bucket_sizes(partition.codes, ids, sizes),
        "matching": matching_pairs(partition.codes, ids, known.take, sizes),
        "probes": pd.concat(found, ignore_index=True),
    }


def check_counts(paths: Sequence[str | Path]) -> list[Counts]:
    """Read the counts of all partitions of an index from files in any order, and return them by partition.

    Raises:
        InputError: a file is foreign, doubled or damaged, or a partition is missing; the message names it.
    """
    found = {str(path): Counts.read(path) for path in paths}
    if not found:
        raise InputError("no counts; expected those of all partitions of an index")
    first, whole = next(iter(found.items()))
    seen: dict[int, str] = {}
    for path, counts in found.items():
        whole.origin.check(counts.origin, path, f"{first} is")
        if counts.queries != whole.queries:
            raise InputError(f"{path}: is of other queries than {first}; expected the same")
        if counts.partitions != whole.partitions:
            raise InputError(f"{path}: is of {counts.partitions} partitions; expected {whole.partitions}, as {first}")
        if counts.partition in seen:
            raise InputError(
                f"{path}: is of partition {counts.partition}, as {seen[counts.partition]} is; expected each once"
            )
        seen[counts.partition] = path
    if missing := sorted(set(range(whole.partitions)) - set(seen)):
        raise InputError(f"the counts of partition {missing[0]} of {whole.partitions} are missing; expected all")
    return [found[path] for _, path in sorted(seen.items())]
