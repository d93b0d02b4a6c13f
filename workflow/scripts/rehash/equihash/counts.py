"""What one partition of an index says about a database's queries and items: counted, so that partitions add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.bits import as_keys
from rehash.equihash.collisions import bucket_sizes, matching_pairs
from rehash.equihash.fingerprints import Identity, partition_of
from rehash.equihash.label_shards import LabelShards
from rehash.equihash.partitions import Partition
from rehash.equihash.probing import probe_hits, probe_masks
from rehash.equihash.queries import Queries
from rehash.equihash.query_codes import QueryCodes
from rehash.equihash.retrieval import add_up, negative_outcomes, positive_outcomes
from rehash.errors import InputError
from rehash.hdf5 import check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.progress import progress

_PROBED = 1000  # queries whose probes are held at once


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of one partition, tables of whole numbers.

    Attributes:
        identity, partition, partitions: of the index.
        queries: digest of the file of queries.
        tables: outcomes (see `retrieval.positive_outcomes`), buckets (`collisions.bucket_sizes`), matching
            (`collisions.matching_pairs`) and probes (`probing.probe_hits`).
    """

    identity: Identity
    queries: str
    partition: int
    partitions: int
    tables: dict[str, pd.DataFrame]

    def write(self, output: str | Path) -> None:
        """Write them as HDF5: a group a table, with an int64 dataset a column."""
        with created(output) as file:
            for name, table in self.tables.items():
                group = file.create_group(name, track_order=True)
                for column in table:
                    group[column] = table[column].to_numpy(np.int64)
            about = {"queries": self.queries, "partition": self.partition, "partitions": self.partitions}
            write_attributes(file, {**asdict(self.identity), **about})
            seal(file)

    @classmethod
    def read(cls, path: str | Path) -> Counts:
        """Read what `write` has written.

        Raises:
            InputError: it has not, or the file is damaged.
        """
        with opened(path, "a file of counts") as file:
            about = read_attributes(file)
            tables = {
                name: pd.DataFrame({column: values[:] for column, values in file[name].items()})
                for name in ("outcomes", "buckets", "matching", "probes")
            }
            found = cls(Identity.read(about), about["queries"], about["partition"], about["partitions"], tables)
            check_seal(file)
        return found


def evaluate_partition(
    partition: str | Path,
    codes: str | Path,
    queries: str | Path,
    labels: Sequence[str | Path],
    output: str | Path,
    *,
    probes: int,
) -> dict[str, Any]:
    """Ask a partition what falls to it of a database's queries, and count its collisions (`Counts`).

    Args:
        partition: a file of `partitions.merge_partition`.
        codes: of the queries (`QueryCodes`). queries: `queries.draw_queries`. labels: the database's label files.
        probes: how many each probed query has.

    Memory: 20 bytes an item of the partition, the queries, and some hundred MB.

    Raises:
        InputError: names a file that is of another database, network or configuration, or damaged.
    """
    opened_partition, asked, shards = Partition.open(partition), QueryCodes.read(codes), LabelShards.open(labels)
    wanted = Queries.read(queries)
    wanted.check(shards.database, queries)
    opened_partition.identity.check(asked.identity, codes, partition)
    asked.check(queries, codes)
    try:
        tables = _counted(opened_partition, asked, wanted, shards, probes)
    except InputError as error:
        raise InputError(
            f"{partition}: cannot be evaluated ({error}); if it is damaged, make it again with: "
            f"snakemake --cores all --force {partition}"
        ) from error
    whose = opened_partition.partition, opened_partition.partitions
    counts = Counts(asked.identity, asked.queries, *whose, tables)
    counts.write(output)
    return {"items": len(opened_partition), "digests": {part.path: part.checksum for part in shards.parts}}


def _counted(
    partition: Partition, asked: QueryCodes, wanted: Queries, shards: LabelShards, probes: int
) -> dict[str, pd.DataFrame]:
    keys, ids, sizes = as_keys(partition.codes), partition.ids, sorted(wanted.positive)

    def mine(codes: np.ndarray) -> np.ndarray:
        return np.flatnonzero(partition_of(codes, partition.partitions) == partition.partition)

    outcomes = []
    for size, codes in asked.positive.items():
        rows = mine(codes)
        outcomes.append(positive_outcomes(keys, ids, as_keys(codes[rows]), wanted.positive[size][1].take(rows), [size]))
    rows = mine(asked.negative)
    outcomes.append(negative_outcomes(keys, ids, as_keys(asked.negative[rows]), sizes))
    largest = max(wanted.positive)
    found = [probe_hits(keys, ids, keys[:0], *np.empty((2, 0), np.int64), wanted.positive[largest][1])]
    blocks = range(0, len(asked.abs_logits), _PROBED)
    for start in progress(blocks, "multi-probing", "block"):
        block = slice(start, start + _PROBED)
        flips, _ = probe_masks(asked.abs_logits[block], probes)
        codes = flips ^ asked.positive[largest][block][: len(flips), None]
        codes, width = codes.reshape(-1, codes.shape[-1]), flips.shape[1]
        rows = mine(codes)
        queries, ranks = rows // width + start, rows % width
        found.append(probe_hits(keys, ids, as_keys(codes[rows]), queries, ranks, wanted.positive[largest][1]))
    return {
        "outcomes": add_up(outcomes),
        "buckets": bucket_sizes(keys, ids, sizes),
        "matching": matching_pairs(keys, ids, shards.take, sizes),
        "probes": pd.concat(found, ignore_index=True),
    }


def check_counts(paths: Sequence[str | Path]) -> list[Counts]:
    """Read the counts of all partitions of an index, in any order.

    Raises:
        InputError: names a file that is foreign, doubled or damaged, or the partition that is missing.
    """
    found = {str(path): Counts.read(path) for path in paths}
    if not found:
        raise InputError("no counts; expected those of all partitions of an index")
    first, whole = next(iter(found.items()))
    seen: dict[int, str] = {}
    for path, counts in found.items():
        whole.identity.check(counts.identity, path, f"{first} is")
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
