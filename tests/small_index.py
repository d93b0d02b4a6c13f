"""Small databases and indices on disk, and what an index finds, looked up row by row."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rehash.equihash.databases.label_files import write_database
from rehash.equihash.databases.labels import Database, shard_range
from rehash.equihash.evaluation.counts import evaluate_partition
from rehash.equihash.evaluation.summary import evaluate_index
from rehash.equihash.index.fingerprints import GROUPS, Shard, write_shard
from rehash.equihash.index.partitions import merge_partition
from rehash.equihash.plan import TABLES

ABOUT = {"model": "m", "config": "c"}


def write_bank(path: Path, *shape: int, classes: int = 0) -> Path:
    """A bank of random images, so many of this shape a split; in turn of each of so many classes, if there are any."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for split in ("train", "valid", "test"):
            file[f"{split}/images"] = rng.integers(0, 256, shape, dtype=np.uint8)
            if classes:
                file[f"{split}/labels"] = np.arange(shape[0]) % classes
        file.attrs.update({"name": "random", "checksum": "none"})
    return path


def random_codes(n: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, width), dtype=np.uint8)


def counted(numbers) -> np.ndarray:
    """Numbers as codes of 64 bits, in the same order: uint8 (n, 8)."""
    return np.asarray(numbers).astype(">i8").view(np.uint8).reshape(-1, 8)


def describe(database: Database, folder: Path) -> Path:
    """The file of a database's labels."""
    write_database(folder / f"{database.name}_labels.h5", database)
    return folder / f"{database.name}_labels.h5"


def write_shards(folder: Path, codes: np.ndarray, shards: int, **about) -> list[Path]:
    """Fingerprints, in shards."""
    paths = [folder / f"shard_{shard}-of-{shards}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        start, stop = shard_range(len(codes), shards, shard)
        write_shard(path, codes[start:stop], start=start, n_items=len(codes), **ABOUT | about)
    return paths


def read_shard(shard: Shard, groups: range = range(GROUPS)) -> tuple[np.ndarray, np.ndarray]:
    """Codes and ids of a run of groups, all of them by default."""
    none = np.empty((0, shard.origin.width), np.uint8), np.empty(0, shard.origin.id_dtype)
    codes, ids = map(np.concatenate, zip(none, *shard.blocks(groups)))
    return codes, ids


def build(folder: Path, codes: np.ndarray, shards: int = 2, partitions: int = 3, **about) -> list[Path]:
    """The partitions of an index of fingerprints."""
    folder.mkdir(exist_ok=True)
    return merge(folder, write_shards(folder, codes, shards, **about), partitions)


def merge(folder: Path, shards: list[Path], partitions: int) -> list[Path]:
    paths = [folder / f"partition_{partition}.h5" for partition in range(partitions)]
    for partition, path in enumerate(paths):
        merge_partition(shards, path, partition=partition, partitions=partitions)
    return paths


def damage(path: Path, **changes) -> None:
    """Change an HDF5 file: an attribute to another value, a dataset to what a function makes of it, or to another way
    to store it (a dictionary of h5py's arguments); None leaves either out.
    """
    with h5py.File(path, "r+") as file:
        for name, change in changes.items():
            held = file if name in file else file.attrs
            before = held[name][()] if held is file else None
            del held[name]
            if isinstance(change, dict):
                held.create_dataset(name, data=before, **change)
            elif change is not None:
                held[name] = change(before) if held is file else change


def places(values: Iterable) -> dict[Any, list[int]]:
    """Where each value is, ascending: of labels the items that carry it, of codes (as bytes) the bucket."""
    found: dict[Any, list[int]] = {}
    for place, value in enumerate(values):
        found.setdefault(value, []).append(place)
    return found


def slow_ranges(codes: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first row that has each query's code, and the one after the last, int64 (q,); 0 and 0 where there is none."""
    rows = places(map(bytes, codes))
    found = [rows.get(bytes(query), [0, -1]) for query in queries]
    low, high = (np.array([each[end] for each in found], np.int64) for end in (0, -1))
    return low, high + 1


def evaluate(
    folder: Path, shards: list[Path], codes: Path, queries: Path, labels: Path, partitions: int, **how
) -> list[Path]:
    """An index is merged, asked and evaluated by the functions of the rules; its counts, beside tables (CSV).

    how: keys, probes, item_pairs (2,000 if left out) and seed.
    """
    counts, index = [], merge(folder, shards, partitions)
    for partition in index:
        counts.append(partition.with_name(partition.name.replace("partition", "counts")))
        evaluate_partition(partition, codes, queries, labels, counts[-1], probes=how["probes"])
    outputs = {name: folder / f"{name}.csv" for name in TABLES}
    evaluate_index(counts[::-1], codes, queries, index, labels, outputs, **{"item_pairs": 2000, **how})
    return counts


FULL_DISK = """
import resource, signal, sys
import numpy as np
from rehash.equihash.index.fingerprints import GROUPS, Shard, write_shard
from rehash.equihash.index.partitions import merge_partition
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
"""


def meets_a_full_disk(code: str, limit: int, folder: Path, *words: object) -> None:
    """A process that may write so many bytes into a file says so, and leaves what was there.

    Args:
        code: writes the file sys.argv[2], `out` in the folder; the words come after it.
    """
    output, before = folder / "out", {path.name for path in folder.iterdir()}
    output.write_text("the old content", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK + code, str(limit), str(output), *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""},
    )
    assert done.returncode == 1, done.stderr
    assert f"could not write {output}: File too large. Nothing was left behind" in done.stderr
    assert {path.name for path in folder.iterdir()} == before | {"out"} and output.read_text(
        encoding="utf-8"
    ) == "the old content"
