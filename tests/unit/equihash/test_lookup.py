"""The inverted index: the same answers as a dictionary, in little space, refused by name where it is not whole."""

import os
import subprocess
import sys
import tracemalloc
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehash.equihash import sizes
from rehash.equihash.index import fingerprints
from rehash.equihash.index import lookup as module
from rehash.equihash.index import partitions as partition_module
from rehash.equihash.index.fingerprints import GROUPS, Origin, partition_of, words, write_shard
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.partitions import Header, Partition, merge_partition, sorted_order
from rehash.errors import InputError
from rehash.hdf5 import read_attributes, write_attributes
from small_index import (
    build,
    counted,
    damage,
    meets_a_full_disk,
    merge,
    places,
    random_codes,
    slow_ranges,
    write_shards,
)


def check_answers(index: Index, codes: np.ndarray, queries: np.ndarray) -> None:
    """By a dictionary, in each way to ask."""
    items = places(map(bytes, codes))
    expected = [items.get(bytes(query), []) for query in queries]
    offsets, ids = index.lookup(queries)
    assert offsets.dtype == ids.dtype == np.int64 and len(offsets) == len(queries) + 1 and offsets[0] == 0
    assert [ids[low:high].tolist() for low, high in pairwise(offsets)] == expected and offsets[-1] == len(ids)
    assert index.count(queries).tolist() == [len(each) for each in expected]
    assert {row: ids.tolist() for row, ids in index.buckets(queries)} == {j: e for j, e in enumerate(expected) if e}
    found = [index.find(query) for query in queries]
    assert [each.tolist() for each in found] == expected and all(each.dtype == np.int64 for each in found)
    assert len(index) == len(codes)


def neighbours(codes: np.ndarray) -> np.ndarray:
    """Codes just below and above, with the least, the greatest and some at random."""
    rng, width = np.random.default_rng(5), codes.shape[1]
    near = np.repeat(codes, 2, axis=0)
    near[::2, -1] -= 1
    near[1::2, -1] += 1
    extremes = np.array([[0] * width, [255] * width, [0] * (width - 1) + [1], [255] * (width - 1) + [254]], np.uint8)
    return np.concatenate([near, extremes, rng.integers(0, 256, (50, width), dtype=np.uint8)])


# ---------------------------------------------------------------------------------------------------------------------
# Answers


@settings(max_examples=40, deadline=None)
@given(
    codes=st.sampled_from([1, 2, 5, 8, 16]).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0, 1, 127, 255]), min_size=width, max_size=width), max_size=40
        ).map(lambda rows: np.array(rows, np.uint8).reshape(-1, width))
    ),
    shards=st.integers(1, 4),
    partitions=st.integers(1, 6),
    random=st.randoms(use_true_random=False),
)
def test_the_answers_of_a_dictionary(tmp_path_factory, codes, shards, partitions, random):
    folder = tmp_path_factory.mktemp("index")
    index = Index.open(build(folder, codes, shards, partitions))
    queries = list(np.concatenate([codes, neighbours(codes)]))
    random.shuffle(queries)
    check_answers(index, codes, np.array(queries))


@pytest.mark.parametrize("width", [1, 2, 3, 8, 12, 16])
@pytest.mark.parametrize("partitions", [1, 4])
def test_thousands_of_items(tmp_path, monkeypatch, width, partitions):
    """Enough for a prefix table, in several blocks of items."""
    monkeypatch.setattr(partition_module, "_BLOCK", 100)
    rng = np.random.default_rng(width)
    codes = rng.integers(0, 256, (2000, width), dtype=np.uint8)[rng.integers(0, 2000, 3000)]
    index = Index.open(build(tmp_path, codes, 3, partitions))
    check_answers(index, codes, rng.permutation(np.concatenate([codes[::3], neighbours(codes[::7])])))
    if width > 1:
        with h5py.File(tmp_path / "partition_0.h5") as file:
            assert len(file["prefix"]) > 8


ROWS = np.arange(3000)
SKEWED = {
    "one code": np.full((3000, 8), 7, np.uint8),
    "zeros": np.zeros((3000, 16), np.uint8),
    "ones": np.full((3000, 8), 255, np.uint8),
    "counted": counted(ROWS),
    "labels that repeat": counted(np.random.default_rng(2).integers(0, 10**10, 1500)[ROWS * 7 % 3001 % 1500]),
    "from above": counted(-1 - ROWS),
    "one large bucket": counted(np.where(ROWS % 3, 10**12 + ROWS, 10**12)),
    "same first 64 bits": np.concatenate([np.full((3000, 8), 200, np.uint8), counted(ROWS // 2)], axis=1),
    "same last 64 bits": np.concatenate([counted(ROWS // 2), np.full((3000, 8), 200, np.uint8)], axis=1),
}


def check_ranges(path: Path, codes: np.ndarray, queries: np.ndarray) -> None:
    """Of a partition that has these codes, in order."""
    low, high = Partition.open(path).ranges(queries)
    expected = slow_ranges(codes, queries)
    there = expected[0] < expected[1]
    assert low.dtype == high.dtype == np.int64 and low.shape == high.shape == (len(queries),)
    assert ((low < high) == there).all() and (low[~there] == high[~there]).all()
    assert (low[there] == expected[0][there]).all() and (high[there] == expected[1][there]).all()


@pytest.mark.parametrize("bits", [8, 24, 64, 72, 128])
@pytest.mark.parametrize("partitions", [1, 3])
def test_ranges_of_a_partition_are_those_of_a_dictionary(tmp_path, bits, partitions):
    """Of many equal codes, and of codes that are not there or in another partition."""
    few, rng = random_codes(600, bits // 8), np.random.default_rng(1)
    few[::5, :-1] = few[0, :-1]  # codes that differ in their last byte alone
    codes = few[np.minimum(rng.geometric(0.01, 4000), 600) - 1]  # from one item to some forty of a code
    queries = rng.permutation(np.concatenate([codes[::9], few, neighbours(few[:200])]))
    for partition, path in enumerate(build(tmp_path, codes, 2, partitions)):
        mine = codes[partition_of(codes, partitions) == partition]
        mine = mine[np.lexsort(mine.T[::-1])]
        check_ranges(path, mine, queries)
        check_ranges(path, mine, queries[:0])


def test_ranges_of_an_empty_partition(tmp_path):
    for width, partitions in ((1, 1), (8, 2), (16, 2)):
        none = random_codes(0, width)
        for path in build(tmp_path, none, 1, partitions):
            check_ranges(path, none, neighbours(random_codes(20, width)))
    *empty, some = sorted(build(tmp_path, counted([7]), 1, 4), key=lambda path: len(Partition.open(path)))
    check_ranges(some, counted([7]), counted([6, 7, 8]))
    for path in empty:
        check_ranges(path, counted([]), counted([6, 7, 8]))


@pytest.mark.parametrize("what", SKEWED)
def test_codes_that_are_far_from_uniform(tmp_path, what):
    codes = np.random.default_rng(0).permutation(SKEWED[what])
    index = Index.open(build(tmp_path, codes, 2, 2))
    check_answers(index, codes, np.concatenate([codes[:20], neighbours(codes[:100])]))


@pytest.mark.parametrize(("n", "shards", "partitions"), [(0, 1, 1), (0, 2, 3), (1, 1, 1), (1, 3, 20), (7, 2, 50)])
def test_few_items(tmp_path, n, shards, partitions):
    codes = random_codes(n, 8)
    index = Index.open(build(tmp_path, codes, shards, partitions))
    check_answers(index, codes, np.concatenate([codes, codes, neighbours(codes)]))
    assert index.origin == Origin(n, 64, "m", "c") and index.partitions == partitions


def test_hundreds_of_partitions(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda number: None)
    codes = counted(ROWS)
    index = Index.open(build(tmp_path, codes, 1, 300))
    check_answers(index, codes, codes[::2])


def test_no_queries(tmp_path):
    index = Index.open(build(tmp_path, counted(ROWS)))
    offsets, ids = index.lookup(np.empty((0, 8), np.uint8))
    assert offsets.tolist() == [0] and ids.shape == (0,) and index.count(np.empty((0, 8), np.uint8)).shape == (0,)
    offsets, ids = index.lookup(counted(np.array([-1, -2])))
    assert offsets.tolist() == [0, 0, 0] and ids.shape == (0,)


@pytest.mark.parametrize("label_count", [3, 40, 10**6, 10**15])
def test_prefix_tables_fit_the_codes_that_there_are(tmp_path, label_count):
    """Labels, of which the first bits are all 0, are told apart as well as random codes are."""
    labels = np.random.default_rng(0).integers(0, label_count, 10_000)
    (path,) = build(tmp_path, counted(labels), 1, 1)
    with h5py.File(path) as file:
        sizes = np.diff(file["prefix"][:].astype(np.int64))
    assert sizes.max() <= max(250, np.bincount(labels).max() if label_count < 10**6 else 0)


def hollow_shard(path: Path, n: int, origin: Origin) -> Path:
    """Of n items, all in the first group, whose content was never written and takes no space."""
    offsets = np.array([0] + [n] * GROUPS)
    checksums = np.zeros((GROUPS, 32), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("codes", (n, origin.width), np.uint8)
        file.create_dataset("ids", (n,), origin.id_dtype)
        file.update({"offsets": offsets, "checksums": checksums})
        checksum = fingerprints._manifest_checksum(origin, 0, n, offsets, checksums)
        write_attributes(file, {**asdict(origin), "start": 0, "stop": n, "checksum": checksum})
    return path


def test_ids_beyond_32_bits(tmp_path):
    start, many = 2**32 + 5, counted(np.arange(200) // 3)
    codes = many[partition_of(many, 2) == 1]
    n_items = start + len(codes)
    before = hollow_shard(tmp_path / "before.h5", start, Origin(n_items, 64, "m", "c"))
    about = {"n_items": n_items, "model": "m", "config": "c"}
    write_shard(tmp_path / "far.h5", codes, start=start, **about)
    merge_partition([tmp_path / "far.h5", before], tmp_path / "p.h5", partition=1, partitions=2)
    assert Partition.open(tmp_path / "p.h5").ids.dtype == np.uint64
    index = Index([Header.read(tmp_path / "p.h5")] * 2)  # only the second is asked
    offsets, ids = index.lookup(codes)
    items = places(map(bytes, codes))
    for code, low, high in zip(codes, offsets, offsets[1:]):
        expected = [start + item for item in items[bytes(code)]]
        assert ids[low:high].tolist() == expected and index.find(code).tolist() == expected
    assert (index.codes_of(start + np.arange(len(codes))) == codes).all()


def test_places_beyond_32_bits(tmp_path, monkeypatch):
    """Of a partition of so many items, as 100 are here."""
    monkeypatch.setattr(partition_module, "_WIDE", 100)
    codes = random_codes(150, 8)[np.arange(400) % 150]
    (path,) = build(tmp_path, codes, 2, 1)
    with h5py.File(path) as file:
        assert file["prefix"].dtype == np.uint64
    check_answers(Index.open([path]), codes, np.concatenate([codes[:150], neighbours(codes[:50])]))


def test_partitions_beyond_the_open_files_of_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_MAPPED", 3)
    codes = counted(np.arange(500))
    index, before = Index.open(build(tmp_path, codes, 1, 20)), psutil.Process().num_fds()
    for _ in range(2):
        check_answers(index, codes, codes)
        assert before < psutil.Process().num_fds() <= before + 3


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.zeros((2, 4), np.uint8), r"queries: codes are uint8 \(2, 4\); expected uint8 \(n, 8\)"),
        (np.zeros((2, 9), np.uint8), r"uint8 \(2, 9\); expected"),
        (np.zeros((2, 8), np.int64), r"int64 \(2, 8\); expected"),
        (np.zeros(8, np.uint8), r"uint8 \(8,\); expected uint8 \(n, 8\)"),
    ],
)
def test_queries_of_another_width(tmp_path, query, message):
    index = Index.open(build(tmp_path, counted(np.arange(5))))
    for ask in (index.lookup, index.count, index.partition(0).ranges):
        with pytest.raises(InputError, match=message):
            ask(query)
    one = query[0] if query.ndim == 2 else query[None]
    with pytest.raises(InputError, match=r"a query is u?int\d+ \(.*\); expected uint8 \(8,\)"):
        index.find(one)


# ---------------------------------------------------------------------------------------------------------------------
# Multi-probing, and the bucket of an item


@pytest.mark.parametrize("width, probes, together", [(1, 300, 2**20), (2, 37, 40), (3, 1, 2)])
def test_probes_find_what_all_fingerprints_in_order_of_cost_hold(tmp_path, monkeypatch, width, probes, together):
    """A loop over all items: each is found by the probe that flips the bits in which it differs, if that is early."""
    monkeypatch.setattr(module, "_LOOKUPS", together)
    rng, n_bits = np.random.default_rng(width), 8 * width
    codes = random_codes(700, width)
    codes[500:] = codes[:200]
    index = Index.open(build(tmp_path, codes))
    logits = rng.normal(size=(9, n_bits)).astype(np.float32)
    logits[:5] = np.where(np.unpackbits(codes[:5], axis=1), 1, -1) * np.abs(logits[:5])  # each sure of an item
    logits[3, 4:6] = 0  # a bit of the logit 0 is off
    offsets, ids, ranks = index.probe(logits, probes)
    assert offsets.dtype == ids.dtype == ranks.dtype == np.int64 and len(offsets) == 10 and offsets[-1] == len(ids)
    masks = np.arange(2**n_bits) if n_bits < 24 else np.zeros(1, np.int64)
    flips = (masks[:, None] >> np.arange(n_bits)[::-1] & 1).astype(bool)
    for query, low, high in zip(logits, offsets, offsets[1:]):
        order = np.argsort(flips @ np.abs(query.astype(np.float64)), kind="stable")[:probes]
        expected = []
        for rank, flip in enumerate(flips[order]):
            code = np.packbits((query > 0) ^ flip)
            expected += [(rank, item) for item in np.flatnonzero((codes == code).all(axis=1)).tolist()]
        found = list(zip(ranks[low:high].tolist(), ids[low:high].tolist()))
        if query[4] == query[5] == 0:  # probes of one cost come in another order in the slow loop
            found, expected = [sorted(item for _, item in each) for each in (found, expected)]
        assert found == expected
    assert offsets[5] >= 5 and (probes == 1) == (not ranks.any())


def test_probing_in_bounded_memory(tmp_path):
    index = Index.open(build(tmp_path, random_codes(1000, 8)))
    logits = np.random.default_rng(0).normal(size=(4000, 64))
    index.probe(logits[:2], 1000)  # the sets of bits that can be among the first are kept
    tracemalloc.start()
    index.probe(logits, 1000)  # 32 MB of fingerprints, and 32 MB of costs, if all were held
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5e8


def test_probes_that_make_no_sense(tmp_path):
    index = Index.open(build(tmp_path, counted(np.arange(5))))
    for logits, probes, message in [
        (np.zeros((2, 32)), 3, r"logits of queries are \(2, 32\); expected \(n, 64\)"),
        (np.zeros(64), 3, r"logits of queries are \(64,\); expected"),
        (np.full((1, 64), np.nan), 3, r"a negative value or NaN"),
        (np.zeros((1, 64)), 0, "0 probes; expected 1 or more"),
    ]:
        with pytest.raises(InputError, match=message):
            index.probe(logits, probes)
    none = index.probe(np.empty((0, 64)), 5)
    assert none.offsets.tolist() == [0] and len(none.ids) == len(none.ranks) == 0


def test_items_that_share_the_fingerprint_of_an_item(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SCANNED", 30)
    codes = random_codes(300, 2) % 4
    index, rows = Index.open(build(tmp_path, codes)), places(map(bytes, codes))
    for item in (0, 1, 150, 299):
        found = index.sharing(item)
        assert found.tolist() == rows[bytes(codes[item])] and found.dtype == np.int64
    for item in (-1, 300):
        with pytest.raises(InputError, match=f"item {item}; expected 0 to 299"):
            index.sharing(item)


@pytest.mark.parametrize("partitions, together, marks", [(1, 2**22, 2**26), (3, 30, 2**26), (3, 2**22, 16), (2, 7, 1)])
def test_fingerprints_of_items(tmp_path, monkeypatch, partitions, together, marks):
    """Whatever is read at once, and however near an item is to one that is not asked for."""
    monkeypatch.setattr(module, "_SCANNED", together)
    monkeypatch.setattr(module, "_MARKS", marks)
    codes = random_codes(500, 3)
    paths = build(tmp_path, codes, 2, partitions)
    index = Index.open(paths)
    for items in (np.arange(500), np.array([0, 3, 499]), np.empty(0, np.int64), np.array([123])):
        assert (index.codes_of(items) == codes[items]).all()
    twice = index.partition(0).ids[:2].tolist()
    damage(paths[0], ids=lambda ids: np.append(ids[1], ids[1:]))
    with pytest.raises(InputError, match=f"no partition has item {twice[0]}; expected each item once"):
        Index.open(paths).codes_of(np.arange(500))


# ---------------------------------------------------------------------------------------------------------------------
# Files


@pytest.mark.parametrize("width", [1, 3, 4, 5, 8, 16])
def test_the_order_is_stable_and_that_of_bytes(monkeypatch, width):
    monkeypatch.setattr(partition_module, "_BLOCK", 70)
    codes = np.random.default_rng(0).choice(np.array([0, 1, 128, 255], np.uint8), (500, width))
    expected = sorted(range(500), key=lambda i: codes[i].tobytes())
    found = sorted_order(codes)
    assert found.dtype == np.uint32 and found.tolist() == expected
    assert sorted_order(codes[:0]).shape == (0,)


@pytest.mark.parametrize("width", [2, 8, 16])
def test_a_partition_by_hand(tmp_path, monkeypatch, width):
    monkeypatch.setattr(partition_module, "_BLOCK", 300)
    codes = np.random.default_rng(0).integers(0, 200, (1500, width), dtype=np.uint8)
    codes[1000:] = codes[:500]
    paths = build(tmp_path, codes, 3, 2)
    for partition, path in enumerate(paths):
        mine = np.flatnonzero(partition_of(codes, 2) == partition)
        expected = sorted(mine.tolist(), key=lambda i: (codes[i].tobytes(), i))
        with h5py.File(path) as file:
            assert file["ids"][:].tolist() == expected and file["ids"].dtype == np.uint32
            assert (file["codes"][:] == codes[expected]).all() and file["codes"].dtype == np.uint8
            about = read_attributes(file)
            shift, prefix = about.pop("prefix_shift"), file["prefix"][:]
            assert all(file[name].chunks is None for name in file) and prefix.dtype == np.uint32
        origin = {"n_items": 1500, "bits": 8 * width, "model": "m", "config": "c", "device": "", "precision": ""}
        assert about == {**origin, "partition": partition, "partitions": 2}
        values = words(codes[expected])[:, 0] >> np.uint64(shift)
        assert prefix.tolist() == [int((values < v).sum()) for v in range(len(prefix))]
        assert prefix[-1] == len(expected) and 4 <= len(prefix) - 1 <= len(expected) / 64
        opened = Partition.open(path)
        assert (opened.codes == codes[expected]).all() and opened.ids.tolist() == expected
        assert (opened.origin, opened.partition, len(opened)) == (Origin(**origin), partition, len(expected))


def test_the_number_of_shards_changes_nothing(tmp_path):
    codes = random_codes(1000, 8)
    codes[500:] = codes[:500]
    content = {}
    for shards in (1, 2, 3, 7):
        paths = build(tmp_path / str(shards), codes, shards, 3)
        content[shards] = [path.read_bytes() for path in paths]
    assert all(each == content[1] for each in content.values())
    parts = write_shards(tmp_path, codes, 3)
    merge_partition(parts[::-1], tmp_path / "again.h5", partition=1, partitions=3)
    assert (tmp_path / "again.h5").read_bytes() == content[1][1]


@pytest.mark.parametrize("partitions", [1, 16])
def test_bytes_an_item(tmp_path, partitions):
    """At most 12 and 1% from 10^6 items on: 8 of the code, 4 of its item."""
    n = 10**6
    codes = random_codes(n, 8)
    assert sum(path.stat().st_size for path in build(tmp_path, codes, 1, partitions)) <= 1.01 * 12 * n


def test_a_merge_takes_the_memory_of_its_partition(tmp_path):
    """Whatever the database: 12 bytes an item of the partition, besides the item, and some blocks."""
    n, partitions = 1_600_000, 8
    codes = random_codes(n, 8)
    parts = write_shards(tmp_path, codes, 4)
    mine = int((partition_of(codes, partitions) == 3).sum())
    tracemalloc.start()
    merge_partition(parts, tmp_path / "p.h5", partition=3, partitions=partitions)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 24 * mine <= peak <= 24 * mine + 2**21


def test_a_merge_opens_one_shard_at_a_time(tmp_path, monkeypatch):
    parts = write_shards(tmp_path, counted(ROWS), 9)
    before, most, process = psutil.Process().num_fds(), [0], psutil.Process()
    opened = h5py.File

    def watched(*args, **how):
        file = opened(*args, **how)
        most.append(process.num_fds())
        return file

    monkeypatch.setattr(h5py, "File", watched)
    merge_partition(parts, tmp_path / "p.h5", partition=0, partitions=2)
    assert len(most) > 18 and max(most) <= before + 2, "a shard, and the partition"


ONE_FINGERPRINT = {
    "all": np.full((300, 8), 200, np.uint8),
    "nine in ten": np.where((np.arange(300) % 10 > 0)[:, None], np.uint8(200), random_codes(300, 8)),
    "but for the last byte": np.concatenate([np.full((300, 15), 200, np.uint8), random_codes(300, 1)], axis=1),
}


@pytest.mark.parametrize("what", ONE_FINGERPRINT)
def test_a_merge_in_bounded_memory_writes_the_same_bytes(tmp_path, monkeypatch, what):
    """Whatever is sorted, read and merged at once."""
    codes = ONE_FINGERPRINT[what]
    shards = write_shards(tmp_path, codes, 3)
    outputs = tmp_path / "partitions"

    def merged(partitions: int) -> list[bytes]:
        outputs.mkdir(exist_ok=True)
        return [path.read_bytes() for path in merge(outputs, shards, partitions)]

    whole, held = {partitions: merged(partitions) for partitions in (1, 2)}, set()
    expected = sorted(range(300), key=lambda i: (codes[i].tobytes(), i))
    write = partition_module._write_items
    monkeypatch.setattr(
        partition_module, "_write_items", lambda *given: held.add(len(os.listdir(outputs))) or write(*given)
    )
    for size, block, read in [(1, 1, 1), (7, 2, 5), (100, 2**15, 2**17), (299, 40, 100), (300, 1, 7)]:
        monkeypatch.setattr(partition_module, "_SORTED", size)
        monkeypatch.setattr(partition_module, "_BLOCK", block)
        monkeypatch.setattr(fingerprints, "_READ", read)
        for partitions in (1, 2):
            assert merged(partitions) == whole[partitions]
    assert held == {3}, "two partitions, one of which is written: what is sorted on the disk has no name there"
    (path,) = merge(tmp_path, shards, 1)
    found = Partition.open(path)
    assert found.ids.tolist() == expected and (found.codes == codes[expected]).all()


MEMORY = """
import re, sys
from pathlib import Path
from rehash.equihash.index import partitions

def merge(shard, size):
    partitions._SORTED = size
    partitions.merge_partition([shard], sys.argv[3], partition=0, partitions=1)
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

few, many = sys.argv[1:3]
print(merge(few, 2**17), merge(many, 2**17), merge(many, 2**25))
"""


def test_one_fingerprint_of_millions_is_merged_in_the_memory_of_a_bound(tmp_path):
    """In MB, of a process of its own; it takes 24 bytes an item, as far as items are sorted at once."""
    codes = np.full((2 * 10**6, 8), 200, np.uint8)
    for name, n in (("few", 10**5), ("many", len(codes))):
        write_shard(tmp_path / name, codes[:n], start=0, n_items=n, model="m", config="c")
    run = [sys.executable, "-c", MEMORY, *(str(tmp_path / name) for name in ("few", "many", "p.h5"))]
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    before, bounded, whole = map(float, done.stdout.split())
    assert bounded - before < 8 < 40 < whole - before
    assert sizes._SORTED == partition_module._SORTED, "so that a plan knows it"


def test_partitions_that_make_no_sense(tmp_path):
    parts = write_shards(tmp_path, counted(ROWS), 3)
    for partition in (-1, 4):
        with pytest.raises(InputError, match=f"partition {partition}; expected 0 to 3"):
            merge_partition(parts, tmp_path / "p.h5", partition=partition, partitions=4)
    with pytest.raises(InputError, match="the shard with items 1000 to 2000 is missing"):
        merge_partition([parts[0], parts[2]], tmp_path / "p.h5", partition=0, partitions=4)
    with h5py.File(parts[1], "r+") as file:
        group = int(np.flatnonzero(np.diff(file["offsets"][256:513]))[0]) + 256
        file["codes"][file["offsets"][group]] ^= 1
    merge_partition(parts, tmp_path / "p.h5", partition=0, partitions=4)
    message = rf"/shard_1-of-3\.h5: .*the content of group {group} does not have its checksum"
    with pytest.raises(InputError, match=message):
        merge_partition(parts, tmp_path / "q.h5", partition=1, partitions=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.h5", *(path.name for path in parts)]


def test_an_index_that_is_not_whole(tmp_path):
    codes = counted(ROWS)
    a, b, c = build(tmp_path / "a", codes)
    other, fewer = build(tmp_path / "b", codes, model="new"), build(tmp_path / "c", codes[:2999])
    halves, moved = build(tmp_path / "d", codes, partitions=2), tmp_path / "moved.h5"
    moved.write_bytes(b.read_bytes())
    assert len(Index.open([c, a, b])) == 3000
    for paths, message in [
        ([], "no partitions; expected those of a whole index"),
        ([b, c], r"partition 0 is missing; expected those from 0 to 2, as \S+/a/partition_1\.h5 says"),
        ([c, a], r"partition 1 is missing; expected those from 0 to 2"),
        ([a, b], r"partition 2 is missing; expected those from 0 to 2"),
        ([a, b, moved, c], r"/moved\.h5: is partition 1, as \S+/a/partition_1\.h5 is; expected each once"),
        ([a, b, c, c], r"/a/partition_2\.h5: is partition 2, as \S+/a/partition_2\.h5 is; expected each once"),
        ([a, other[1], c], r"/b/partition_1\.h5: is of model new; expected model m, as \S+/a/partition_0\.h5 is"),
        ([a, halves[1], c], r"/d/partition_1\.h5: is one of 2 partitions; expected 3, as \S+/a/partition_0\.h5 says"),
        ([a, b, fewer[2]], r"/c/partition_2\.h5: is of n_items 2999; expected n_items 3000, as"),
    ]:
        with pytest.raises(InputError, match=message):
            Index.open(paths)
    fewer = {"ids": lambda ids: ids[:-1], "codes": lambda codes: codes[:-1]}
    damage(moved, **fewer, prefix=lambda prefix: np.append(prefix[:-1], prefix[-1] - 1))
    with pytest.raises(InputError, match=r"/a/partition_0\.h5 and the other partitions have 2999 items; expected 3000"):
        Index.open([a, moved, c])


def test_files_that_are_no_partitions(tmp_path):
    (path,) = build(tmp_path, counted(ROWS), 1, 1)
    whole = path.read_bytes()
    for changes, message in [
        ({"codes": lambda codes: codes[:, :7]}, r"codes is uint8 \(3000, 7\); expected uint8 \(3000, 8\)"),
        ({"codes": lambda codes: codes[1:]}, r"codes is uint8 \(2999, 8\); expected uint8 \(3000, 8\)"),
        ({"ids": lambda ids: ids.astype(np.uint64)}, r"ids is uint64 \(3000,\); expected uint32 \(3000,\)"),
        ({"prefix": lambda prefix: prefix.astype(np.int64)}, "prefix is int64"),
        ({"prefix": lambda prefix: prefix[:-1]}, r"its prefix table ends at \d+; expected 3000"),
        ({"prefix": lambda prefix: prefix[:0]}, "out of range"),
        ({"codes": {"chunks": (100, 8)}}, "its datasets are not contiguous"),
        ({"ids": {"compression": "gzip"}}, "its datasets are not contiguous"),
        ({"prefix_shift": None}, "prefix_shift"),
        ({"prefix": lambda prefix: prefix[-1:]}, "its prefix table has 1 entries"),
        ({"prefix_shift": 64}, "shifted by 64; expected 2 or more, 0 to 63"),
        ({"prefix_shift": -1}, "shifted by -1"),
        ({"partition": 1}, "partition 1; expected 0 to 0"),
    ]:
        path.write_bytes(whole)
        damage(path, **changes)
        for open_it in (Partition.open, lambda path: Index.open([path])):
            with pytest.raises(
                InputError, match=rf"/partition_0\.h5: not a partition of an index, or damaged \(.*{message}"
            ):
                open_it(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=r"damaged \(.*truncated.*make it again with: snakemake"):
        Index.open([path])


MERGE = """
from rehash.equihash.index import partitions
partitions._SORTED = int(sys.argv[3])
merge_partition(sys.argv[4:], sys.argv[2], partition=0, partitions=1)
"""


@pytest.mark.parametrize("limit, size", [(1000, 2**25), (200_000, 2**25), (350_000, 2**25), (300_000, 9000)])
def test_a_disk_that_fills_during_a_merge(tmp_path, limit, size):
    """While it has no data yet, within the codes, within the ids; and while runs are sorted on the disk."""
    shards = write_shards(tmp_path / "shards", counted(np.arange(30_000)), 2)
    meets_a_full_disk(MERGE, limit, tmp_path, size, *shards)


def test_a_pass_over_all_partitions_holds_one_at_a_time(tmp_path):
    """Of 12 partitions, 1.2 MB each and mapped; the peak is the process' resident memory."""
    paths = build(tmp_path, counted(np.random.default_rng(0).permutation(1_200_000)), 1, 12)
    code = """
import sys
import numpy as np
from rehash.equihash.index.lookup import Index
def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssFile"))
index = Index.open(sys.argv[1:])
index.codes_of(np.arange(0, 5, 5))
index.sharing(int(index.partition(11).ids[-1]))
before = resident()
index.codes_of(np.arange(0, 1_200_000, 100))
print(resident() - before)
"""
    words = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4000, "kB; all of them together are 14,400"
