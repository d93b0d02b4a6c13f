"""The inverted index against faiss, a dictionary and a chained table: building it, its size, and look-ups.

With 10^6 and with 10^7 fingerprints. And an index that has one large bucket, in bounded memory and without a bound.
"""

import subprocess
import sys
import time
from heapq import heappop, heappush
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import pandas as pd
import psutil
import torch
from timing import seconds

from rehash.bits import pack
from rehash.equihash.databases.labels import shard_range
from rehash.equihash.evaluation.collisions import bucket_sizes, internal_collisions, matching_pairs
from rehash.equihash.evaluation.retrieval import add_up
from rehash.equihash.index import partitions as partitions_module
from rehash.equihash.index.fingerprints import write_shard
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.partitions import merge_partition
from rehash.equihash.learning.architectures import build_network

ITEMS = 10**6
ITEMS_A_PARTITION = 10**6  # about what a partition of 10^9 items has
SHARDS = 4
QUERIES = 10**6
FEW_QUERIES = 20_000  # for what takes them one by one


def fingerprints(n: int) -> np.ndarray:
    """Of 64 random bits, two items to each of n / 2 labels on average: uint8 (n, 8)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n // 2, 8), dtype=np.uint8)[rng.integers(0, n // 2, n)]


def questions(codes: np.ndarray, count: int) -> np.ndarray:
    """Half of them fingerprints of the database, half not: uint8 (count, 8)."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 256, (count, 8), dtype=np.uint8)
    drawn[::2] = codes[rng.integers(0, len(codes), len(drawn[::2]))]
    return drawn


def keys_of(codes: np.ndarray) -> list[int]:
    """The fastest keys that Python has."""
    return codes.view(np.uint64)[:, 0].tolist()


class Chained:
    """A hash table of two arrays: the first item of a chain, and the next one of each item."""

    def __init__(self, codes: np.ndarray) -> None:
        self.keys = codes.view(np.uint64)[:, 0]
        self.bits = len(codes).bit_length()
        slots = self.keys >> np.uint64(64 - self.bits)
        order = np.argsort(slots, kind="stable")
        first = np.append(True, slots[order][1:] != slots[order][:-1])
        self.head, self.next = np.full(2**self.bits, -1, np.int32), np.full(len(codes), -1, np.int32)
        self.head[slots[order][first]] = order[first]
        self.next[order[:-1]] = np.where(first[1:], -1, order[1:])

    def find(self, key: int) -> list[int]:
        found, item = [], self.head[key >> (64 - self.bits)]
        while item >= 0:
            if self.keys[item] == key:
                found.append(int(item))
            item = self.next[item]
        return found


def build_faiss(codes: np.ndarray) -> faiss.IndexBinaryHash:
    """With about as many buckets as items."""
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryHash(64, len(codes).bit_length())
    index.add(codes)
    return index


def build_dictionary(codes: np.ndarray) -> dict[int, list[int]]:
    items: dict[int, list[int]] = {}
    for item, key in enumerate(keys_of(codes)):
        items.setdefault(key, []).append(item)
    return items


BUILDERS = {"faiss.IndexBinaryHash": build_faiss, "a dictionary": build_dictionary, "a chained table": Chained}


def resident(name: str, n: int) -> int:
    """Bytes that a peer's index of n items takes, its copy of the codes included."""
    codes, process = fingerprints(n), psutil.Process()
    before = process.memory_info().rss
    index = BUILDERS[name](codes)
    if name == "a chained table":  # arrays, whose size is known
        return index.keys.nbytes + index.head.nbytes + index.next.nbytes
    return process.memory_info().rss - before


def resident_elsewhere(name: str, n: int) -> int:
    """`resident` in a new process, whose memory nothing else has used."""
    code = f"import sys; sys.path[:0] = {sys.path}; import index; print(index.resident({name!r}, {n}))"
    return int(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, text=True, encoding="utf-8"
        ).stdout
    )


def build(codes: np.ndarray, folder: Path) -> list[Path]:
    """Shards, and partitions of about ITEMS_A_PARTITION."""
    partitions = -(-len(codes) // ITEMS_A_PARTITION)
    shards = [folder / f"shard_{shard}.h5" for shard in range(SHARDS)]
    paths = [folder / f"partition_{partition}.h5" for partition in range(partitions)]
    about = {"n_items": len(codes), "model": "bench", "config": "bench"}
    for shard, path in enumerate(shards):
        start, stop = shard_range(len(codes), SHARDS, shard)
        write_shard(path, codes[start:stop], start=start, **about)
    for partition, path in enumerate(paths):
        merge_partition(shards, path, partition=partition, partitions=partitions)
    return paths


def check_equal(index: Index, queries: np.ndarray, peers: dict) -> None:
    """Stops if any of the ways has other answers."""
    offsets, ids = index.lookup(queries)
    limits, _, theirs = peers["faiss.IndexBinaryHash"].range_search(queries, 1)
    for query, key, (low, high), (low2, high2) in zip(queries, keys_of(queries), pairwise(offsets), pairwise(limits)):
        ours = ids[low:high].tolist()
        assert ours == index.find(query).tolist() == peers["a dictionary"].get(key, [])
        assert ours == peers["a chained table"].find(key) == sorted(theirs[low2:high2].tolist())


def collisions_of(labels: np.ndarray, index: Index) -> int:
    """Internal collisions, counted by the partitions of an index."""
    buckets, matching, sizes = [], [], [len(labels)]
    for number in range(index.partitions):
        partition = index.partition(number)
        buckets.append(bucket_sizes(partition.codes, partition.ids, sizes))
        matching.append(matching_pairs(partition.codes, partition.ids, lambda ids: labels[ids], sizes))
    return internal_collisions(add_up(buckets), add_up(matching))[len(labels)]


def grouped_collisions(codes: np.ndarray, labels: np.ndarray) -> int:
    """Pairs of one code, less pairs of one code and one label."""
    table = pd.DataFrame({"code": codes.view(np.uint64)[:, 0], "label": labels})
    alike, same = (table.groupby(keys).size().to_numpy() for keys in (["code"], ["code", "label"]))
    return int((alike * (alike - 1) // 2).sum() - (same * (same - 1) // 2).sum())


def heap_lookups(logits: np.ndarray, probes: int, items: dict[int, list[int]]) -> list[int]:
    """Multi-probing as the field does it (Lv et al. 2007): a heap of sets of bits, and a dictionary."""
    order = np.argsort(np.abs(logits))
    costs, words = np.abs(logits)[order].tolist(), keys_of(pack(np.eye(64, dtype=bool)[order]))
    (own,), found, heap = keys_of(pack(logits[None] > 0)), [], [(costs[0], 0, words[0])]
    found += items.get(own, ())
    for _ in range(probes - 1):
        cost, last, flips = heappop(heap)
        found += items.get(own ^ flips, ())
        if last + 1 < len(costs):
            heappush(heap, (cost + costs[last + 1], last + 1, flips ^ words[last + 1]))
            heappush(heap, (cost + costs[last + 1] - costs[last], last + 1, flips ^ words[last] ^ words[last + 1]))
    return found


def rows_of_a_query(index: Index, codes: np.ndarray, items: dict[int, list[int]], about: str):
    """The time of one query, encoding and search apart; (stage, work, ours, peer, peer's name, unit)."""
    torch.set_num_threads(1)
    network = build_network("mosaic_cnn", 64, (1, 56, 56), seed=0).eval()
    views = torch.rand(128, 1, 56, 56)
    with torch.inference_mode():
        alone, together = seconds(lambda: network(views[:1]), steps=20), seconds(lambda: network(views)) / 128
    work = "a mosaic of 56 x 56 pixels, mosaic_cnn, one thread"
    yield "encoding one query", work, alone * 1e3, together * 1e3, "the same, of 128 at once", "ms"
    rng = np.random.default_rng(3)
    signs = np.unpackbits(codes[rng.integers(len(codes), size=20)], axis=1).astype(bool)
    logits = np.where(signs, 1, -1) * np.abs(rng.normal(size=signs.shape))
    assert [sorted(index.probe(one[None], 1000).ids) for one in logits] == [
        sorted(heap_lookups(one, 1000, items)) for one in logits
    ]
    ours = seconds(lambda: [index.probe(one[None], 1000) for one in logits]) / len(logits)
    theirs = seconds(lambda: [heap_lookups(one, 1000, items) for one in logits]) / len(logits)
    work = f"1,000 probes of one query, {about}"
    yield "searching for one query", work, ours * 1e3, theirs * 1e3, "a heap and a dictionary", "ms"
    ours = seconds(lambda: index.probe(logits, 1000)) / len(logits)
    yield (
        "searching for one query",
        f"{work}, {len(logits)} at once",
        ours * 1e3,
        theirs * 1e3,
        "a heap and a dictionary",
        "ms",
    )


def rows_of(n: int):
    """(stage, work, ours, peer, peer's name, unit) for n fingerprints."""
    codes = fingerprints(n)
    queries, few = questions(codes, QUERIES), questions(codes, FEW_QUERIES)
    with TemporaryDirectory() as folder:
        paths = build(codes, Path(folder))
        ours = seconds(lambda: build(codes, Path(folder)))
        index, size = Index.open(paths), sum(path.stat().st_size for path in paths)
        items = f"{n:,} fingerprints of 64 bits"
        peers = {}
        for name in ("faiss.IndexBinaryHash", "a dictionary"):
            start = time.perf_counter()
            peers[name] = BUILDERS[name](codes)
            yield "building an inverted index", items, ours, time.perf_counter() - start, name, "s"
        peers["a chained table"] = Chained(codes)
        for name in BUILDERS:
            yield "size of an inverted index", items, size / n, resident_elsewhere(name, n) / n, name, "bytes an item"
        check_equal(index, few[:2000], peers)

        labels = np.random.default_rng(2).integers(0, n // 3, n)
        assert collisions_of(labels, index) == grouped_collisions(codes, labels)
        ours, theirs = (
            seconds(work, 1)
            for work in (lambda: collisions_of(labels, index), lambda: grouped_collisions(codes, labels))
        )
        yield "internal collisions", items, ours, theirs, "pandas.groupby", "s"

        ours = seconds(lambda: index.lookup(queries)) / QUERIES
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            theirs = seconds(lambda: peers["faiss.IndexBinaryHash"].range_search(queries, 1)) / QUERIES
            name = f"faiss.IndexBinaryHash, {threads} thread{'s' * (threads > 1)}"
            yield "look-ups in a batch", f"{QUERIES:,} queries, {items}", ours * 1e6, theirs * 1e6, name, "µs"
        faiss.omp_set_num_threads(1)
        one_by_one = {
            "a dictionary": lambda: [peers["a dictionary"].get(key, ()) for key in keys_of(few)],
            "a chained table, one by one": lambda: [peers["a chained table"].find(key) for key in keys_of(few)],
        }
        for name, work in one_by_one.items():
            theirs = seconds(work) / FEW_QUERIES
            yield "look-ups in a batch", f"{QUERIES:,} queries, {items}", ours * 1e6, theirs * 1e6, name, "µs"

        yield from rows_of_a_query(index, codes, peers["a dictionary"], items)
        ours = seconds(lambda: [index.find(query) for query in few]) / FEW_QUERIES
        alone = {
            "faiss.IndexBinaryHash": lambda: [
                peers["faiss.IndexBinaryHash"].range_search(one, 1) for one in few[:, None]
            ],
            **one_by_one,
        }
        for name, work in alone.items():
            theirs = seconds(work) / FEW_QUERIES
            yield "look-ups one by one", items, ours * 1e6, theirs * 1e6, name, "µs"


def rows_of_a_large_bucket(n: int):
    """(stage, work, ours, peer, peer's name, unit) for n fingerprints, nine in ten of them one and the same."""
    codes = fingerprints(n)
    codes[np.arange(n) % 10 > 0] = 200
    work, labels = f"{n:,} fingerprints, nine in ten of them equal", np.random.default_rng(2).integers(0, n // 3, n)
    whole, bound, found = partitions_module._SORTED, n // 16, {}
    with TemporaryDirectory() as folder:
        shard, path = Path(folder, "shard.h5"), Path(folder, "partition.h5")
        write_shard(shard, codes, start=0, n_items=n, model="bench", config="bench")
        for size in (bound, whole):
            partitions_module._SORTED = size
            taken = seconds(lambda: merge_partition([shard], path, partition=0, partitions=1), 1)
            found[size] = taken, path.read_bytes()
        assert found[bound][1] == found[whole][1]
        about = f"{work}, {bound:,} sorted at a time"
        yield "merging a partition", about, found[bound][0], found[whole][0], "all at once", "s"
        index = Index.open([path])
        assert collisions_of(labels, index) == grouped_collisions(codes, labels)
        counts = (lambda: collisions_of(labels, index), lambda: grouped_collisions(codes, labels))
        ours, theirs = (seconds(count, 1) for count in counts)
        yield "internal collisions", work, ours, theirs, "pandas.groupby", "s"


def rows():
    """(stage, work, ours, peer, peer's name, unit) for a million fingerprints; and for ten, which takes its time."""
    yield from rows_of(ITEMS)
    yield from rows_of(10 * ITEMS)
    yield from rows_of_a_large_bucket(10 * ITEMS)
