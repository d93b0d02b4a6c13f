"""Shards of fingerprints: whole, in order, of one database, and refused by name where they are not."""

import hashlib
from functools import partial
from math import gcd
from operator import le, lt
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import stats

import small_index
from rehash.equihash.databases.labels import shard_range
from rehash.equihash.databases.mixing import mix
from rehash.equihash.index import fingerprints
from rehash.equihash.index.fingerprints import (
    GROUPS,
    Origin,
    Shard,
    big_endian,
    check_shards,
    compare_words,
    groups_of,
    partition_of,
    route,
    unit_struct,
    units,
    words,
    write_shard,
)
from rehash.errors import InputError
from small_index import counted, damage, meets_a_full_disk, random_codes
from small_index import read_shard as read

ABOUT = {"model": "a1b2", "config": "c3d4", "device": "cpu AVX2", "precision": "float32"}
WIDTHS = [1, 2, 3, 8, 12, 16]
write_shards = partial(small_index.write_shards, **ABOUT)


def datasets(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


# ---------------------------------------------------------------------------------------------------------------------
# Numbers and partitions


@pytest.mark.parametrize("width", WIDTHS)
def test_words_are_the_bytes_as_big_endian_numbers(width):
    codes = random_codes(200, width)
    expected = [
        [int.from_bytes(code.tobytes()[at : at + 8].ljust(8, b"\0"), "big") for at in range(0, width, 8)]
        for code in codes
    ]
    found = words(codes)
    assert found.dtype == np.uint64 and found.tolist() == expected
    assert (words(np.asfortranarray(codes)) == found).all() and words(codes[:0]).shape == (0, -(-width // 8))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("below", "slow"), [(np.less, lt), (np.less_equal, le)])
def test_words_are_compared_as_bytes_are(width, below, slow):
    a, b = np.random.default_rng(0).choice(np.array([0, 1, 255], np.uint8), (2, 300, width))
    b[:100] = a[:100]
    assert compare_words(words(a), words(b), below).tolist() == list(map(slow, map(bytes, a), map(bytes, b)))


@pytest.mark.parametrize("width", WIDTHS)
def test_units_are_ordered_as_bytes_are(width):
    """And are as few numbers as fill a code."""
    codes = np.random.default_rng(0).choice(np.array([0, 1, 128, 255], np.uint8), (100, width))
    found = units(codes)
    assert found.itemsize == max(size for size in (1, 2, 4, 8) if width % size == 0)
    numbers = [[int(big_endian(number)) for number in row] for row in found.reshape(100, -1)]
    assert sorted(range(100), key=lambda i: numbers[i]) == sorted(range(100), key=lambda i: codes[i].tobytes())
    assert (units(np.asfortranarray(codes)) == found).all()
    one = np.array(unit_struct(width).unpack(codes[7].tobytes()))
    assert (one.astype(found.dtype) == found.reshape(100, -1)[7]).all()


def slow_partition(code: bytes, partitions: int) -> int:
    """In exact integers, reduced once a step."""
    mixed = 0
    for at in range(0, len(code), 8):
        z = mixed ^ int.from_bytes(code[at : at + 8].ljust(8, b"\0"), "big")
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        mixed = z ^ (z >> 31)
    return mixed // 2**54 * partitions // 2**10


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("partitions", [1, 7, GROUPS])
def test_partitions_are_those_of_exact_integers(width, partitions):
    codes = random_codes(200, width)
    codes[:3] = [[0] * width, [255] * width, [128] + [0] * (width - 1)]
    found = partition_of(codes, partitions)
    assert found.dtype == np.int64
    assert found.tolist() == [slow_partition(code.tobytes(), partitions) for code in codes]
    assert found.tolist() == [
        route(unit_struct(width).unpack(code.tobytes()), gcd(width, 8), partitions) for code in codes
    ]
    assert partition_of(codes[:0], partitions).shape == (0,)


def test_the_mixer_is_splitmix64s():
    """Its first output of the seed 0 is published: 0xE220A8397B1DCDAF."""
    assert mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF
    assert mix(np.array([0x9E3779B97F4A7C15], np.uint64)).tolist() == [0xE220A8397B1DCDAF]
    code = counted([0x9E3779B97F4A7C15 - 2**64])
    assert partition_of(code, 2**10) == 0xE220 >> 6 and partition_of(code, 10) == (0xE220 >> 6) * 10 // 2**10


@pytest.mark.parametrize("partitions", [1, 2, 3, 7, 37, 1000, GROUPS])
def test_partitions_are_runs_of_groups(partitions):
    runs = [groups_of(partition, partitions) for partition in range(partitions)]
    assert [group for run in runs for group in run] == list(range(GROUPS))
    codes = random_codes(3000, 8)
    for partition, group in zip(partition_of(codes, partitions).tolist(), partition_of(codes, GROUPS).tolist()):
        assert group in runs[partition]
    assert max(map(len, runs)) - min(map(len, runs)) <= 1


@pytest.mark.parametrize(
    ("partition", "partitions", "message"),
    [
        (0, 0, "an index of 0 partitions; expected 1 to 1024"),
        (0, 1025, "an index of 1025 partitions; expected 1 to 1024"),
        (-1, 4, "partition -1; expected 0 to 3"),
        (4, 4, "partition 4; expected 0 to 3"),
    ],
)
def test_partitions_that_make_no_sense(partition, partitions, message):
    with pytest.raises(InputError, match=message):
        groups_of(partition, partitions)


@pytest.mark.parametrize("what", ["random", "counted", "first bytes", "biased", "last bytes of 128 bits"])
def test_partitions_are_balanced_whatever_bits_vary(what):
    n, partitions = 60_000, 32
    numbers, rng = counted(np.arange(n)), np.random.default_rng(1)
    codes = {
        "random": random_codes(n, 8),
        "counted": numbers,
        "first bytes": numbers[:, ::-1],
        "biased": np.unique(np.packbits(rng.random((4 * n, 64)) < 0.1, axis=1), axis=0)[:n],
        "last bytes of 128 bits": np.concatenate([np.full((n, 8), 9, np.uint8), numbers], axis=1),
    }[what]
    assert stats.chisquare(np.bincount(partition_of(codes, partitions), minlength=partitions)).pvalue > 1e-4


# ---------------------------------------------------------------------------------------------------------------------
# Writing


@pytest.mark.parametrize("width", WIDTHS)
def test_a_shard_by_hand(tmp_path, width):
    codes = random_codes(120, width)
    codes[60:] = codes[:60]
    write_shard(tmp_path / "s.h5", codes, start=1000, n_items=5000, model="m", config="c")
    rows = [[] for _ in range(GROUPS)]
    for i, code in enumerate(codes):
        rows[slow_partition(code.tobytes(), GROUPS)].append(i)
    shard, found = Shard.open(tmp_path / "s.h5"), datasets(tmp_path / "s.h5")
    assert shard.origin == Origin(5000, 8 * width, "m", "c")
    assert (shard.path, shard.start, shard.stop) == (str(tmp_path / "s.h5"), 1000, 1120)
    assert found["ids"].tolist() == [1000 + i for part in rows for i in part] and found["ids"].dtype == np.uint32
    assert found["codes"].tolist() == codes[found["ids"] - 1000].tolist() and found["codes"].dtype == np.uint8
    assert found["offsets"].tolist() == np.cumsum([0, *map(len, rows)]).tolist()
    assert found["offsets"].dtype == np.int64 and (shard.offsets == found["offsets"]).all()
    for run in (range(0), range(0, GROUPS), range(300, 700), range(5, 6), range(GROUPS, GROUPS)):
        part = [i for group in run for i in rows[group]]
        mine, ids = read(shard, run)
        assert shard.count(run) == len(part) and ids.tolist() == [1000 + i for i in part]
        assert (mine == codes[part]).all()
    for group, part in enumerate(rows):
        content = codes[part].tobytes() + np.array([1000 + i for i in part], np.uint32).tobytes()
        assert found["checksums"][group].tobytes() == hashlib.sha256(content).digest()
    with h5py.File(tmp_path / "s.h5") as file:
        assert set(file.attrs) == {*Origin.__dataclass_fields__, "start", "stop", "checksum"}
        assert (file.attrs["n_items"], file.attrs["bits"], file.attrs["start"]) == (5000, 8 * width, 1000)


def test_the_bytes_follow_from_the_arguments(tmp_path):
    codes = random_codes(500, 8)
    about = {"start": 100, "n_items": 1000, **ABOUT}
    for name, same in [("a", codes), ("b", np.asfortranarray(codes)), ("c", codes[::-1].copy()[::-1])]:
        write_shard(tmp_path / name, same, **about)
    write_shard(tmp_path / "d", codes, **{**about, "start": np.int64(100), "n_items": np.int64(1000)})
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1
    checksum = Shard.open(tmp_path / "a").checksum
    for changed in ({"start": 101}, {"n_items": 1001}, {"model": "b"}, {"config": "b"}):
        write_shard(tmp_path / "e", codes, **{**about, **changed})
        assert Shard.open(tmp_path / "e").checksum != checksum
    write_shard(tmp_path / "e", np.roll(codes, 1, axis=0), **about)
    assert Shard.open(tmp_path / "e").checksum != checksum


@pytest.mark.parametrize(
    ("n_items", "dtype"), [(2**32 - 1, np.uint32), (2**32, np.uint64), (2**32 + 9, np.uint64), (2**63 - 1, np.uint64)]
)
def test_ids_are_as_wide_as_the_database_needs(tmp_path, n_items, dtype):
    write_shard(tmp_path / "s", random_codes(5, 8), start=n_items - 5, n_items=n_items, **ABOUT)
    ids = read(Shard.open(tmp_path / "s"), range(GROUPS))[1]
    assert ids.dtype == dtype and sorted(ids.tolist()) == list(range(n_items - 5, n_items))


@pytest.mark.parametrize(
    ("codes", "changed", "message"),
    [
        (np.zeros((4, 8), np.int8), {}, r"s\.h5: a shard: codes are int8 \(4, 8\); expected uint8 \(n, bits / 8\)"),
        (np.zeros(4, np.uint8), {}, r"codes are uint8 \(4,\)"),
        (np.zeros((4, 0), np.uint8), {}, r"codes are uint8 \(4, 0\)"),
        (np.zeros((4, 8), np.uint8), {"start": -1}, r"s\.h5: fingerprints of items -1 to 3; expected .* 0 to 10"),
        (np.zeros((4, 8), np.uint8), {"start": 7}, "items 7 to 11; expected a range within 0 to 10"),
        (np.zeros((0, 8), np.uint8), {"start": 11}, "items 11 to 11"),
        (np.zeros((4, 8), np.uint8), {"n_items": -1}, "n_items is -1; expected 0 to"),
        (np.zeros((4, 8), np.uint8), {"n_items": 2**63}, "n_items is 9223372036854775808; expected 0 to"),
    ],
)
def test_shards_that_make_no_sense(tmp_path, codes, changed, message):
    with pytest.raises(InputError, match=message):
        write_shard(tmp_path / "s.h5", codes, **{"start": 0, "n_items": 10, **ABOUT, **changed})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("bits", "message"), [(12, "bits is 12; expected a multiple of 8"), (0, "bits is 0; expected")]
)
def test_fingerprints_are_whole_bytes(bits, message):
    with pytest.raises(InputError, match=message):
        Origin(10, bits, "m", "c")


# ---------------------------------------------------------------------------------------------------------------------
# Checking


@pytest.mark.parametrize(("n", "shards"), [(100, 1), (100, 7), (3, 8), (0, 2)])
def test_shards_of_a_whole_database(tmp_path, n, shards):
    paths = write_shards(tmp_path, random_codes(n, 8), shards)
    for found in (check_shards(paths), check_shards(paths[::-1])):
        assert [(shard.start, shard.stop) for shard in found] == [shard_range(n, shards, s) for s in range(shards)]
        assert {shard.origin for shard in found} == {Origin(n, 64, **ABOUT)}


def test_shards_that_are_no_whole_database(tmp_path):
    codes = random_codes(60, 8)
    thirds, halves = write_shards(tmp_path, codes, 3), write_shards(tmp_path, codes, 2)
    a, b, c = thirds
    (tmp_path / "copy.h5").write_bytes(b.read_bytes())
    for paths, message in [
        ([], "no shards of fingerprints; expected those of a whole database"),
        ([b, c], r"the shard with items 0 to 20 is missing \(.*/shard_1-of-3\.h5 begins there\)"),
        ([a, c], r"the shard with items 20 to 40 is missing \(.*/shard_2-of-3\.h5 begins there\)"),
        ([a, b], r"the shard with items 40 to 60 is missing \(the database ends there\); expected each item once"),
        (
            [a, b, c, b],
            r"/shard_1-of-3\.h5: is doubled: has items 20 to 40, and .*/shard_1-of-3\.h5 those from 20 to 40",
        ),
        ([a, b, tmp_path / "copy.h5", c], r"/copy\.h5: is doubled: has items 20 to 40, and .*/shard_1-of-3\.h5"),
        (
            [a, b, halves[1]],
            r"/shard_1-of-2\.h5: overlaps: has items 30 to 60, and .*/shard_1-of-3\.h5 those from 20 to 40",
        ),
        (
            [a, halves[0], halves[1]],
            r"/shard_0-of-2\.h5: overlaps: has items 0 to 30, and .*/shard_0-of-3\.h5 those from 0 to 20",
        ),
    ]:
        with pytest.raises(InputError, match=message):
            check_shards(paths)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "other"}, r"is of model other; expected model a1b2, as \S+/shard_0-of-2\.h5 is$"),
        ({"config": "other"}, "is of config other; expected config c3d4, as"),
        ({"n_items": 41}, "is of n_items 41; expected n_items 40, as"),
        ({"width": 16}, "is of bits 128; expected bits 64, as"),
        ({"device": "NVIDIA H100"}, "is of device NVIDIA H100; expected device cpu AVX2, as .* is; encode all shards"),
        ({"precision": "bfloat16"}, "is of precision bfloat16; expected precision float32, as"),
        ({"model": "x", "config": "y"}, "is of model x, config y; expected model a1b2, config c3d4, as"),
    ],
)
def test_foreign_shards(tmp_path, changed, message):
    paths = write_shards(tmp_path, random_codes(40, 8), 2)
    about = {"start": 20, "n_items": 40, **ABOUT, **changed}
    width = about.pop("width", 8)
    write_shard(tmp_path / "foreign", random_codes(20, width), **about)
    with pytest.raises(InputError, match=f"/foreign: {message}"):
        check_shards([paths[0], tmp_path / "foreign"])


def test_a_truncated_shard(tmp_path):
    a, b = write_shards(tmp_path, random_codes(4000, 8), 2)
    whole = b.read_bytes()
    for kept in (0, 100, len(whole) // 2, len(whole) - 1):
        b.write_bytes(whole[:kept])
        with pytest.raises(
            InputError, match=r"/shard_1-of-2\.h5: not a shard of fingerprints, or damaged \(.*--force \S+/shard_1-of"
        ):
            check_shards([a, b])
    b.unlink()
    with pytest.raises(InputError, match=r"/shard_1-of-2\.h5: not a shard .*No such file"):
        check_shards([a, b])
    with h5py.File(b, "w") as file:
        file["labels"] = [1]
    with pytest.raises(InputError, match=r"/shard_1-of-2\.h5: not a shard of fingerprints"):
        check_shards([a, b])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": 1}, "its manifest has the checksum"),
        ({"stop": 41}, "its manifest has the checksum"),
        ({"model": "b"}, "its manifest has the checksum"),
        ({"n_items": 99}, "its manifest has the checksum"),
        ({"bits": 9}, "a multiple of 8"),
        ({"offsets": lambda offsets: np.append([0, offsets[1] + 1], offsets[2:])}, "its manifest has the checksum"),
        ({"checksums": lambda sums: sums ^ np.eye(1, 32, dtype=np.uint8)}, "its manifest has the checksum"),
        ({"codes": lambda codes: codes[:-1]}, r"codes is uint8 \(39, 8\); expected uint8 \(40, 8\)"),
        ({"ids": lambda ids: ids.astype(np.int64)}, r"ids is int64 \(40,\); expected uint32 \(40,\)"),
    ],
)
def test_a_damaged_manifest(tmp_path, changes, message):
    (path,) = write_shards(tmp_path, random_codes(40, 8), 1)
    damage(path, **changes)
    with pytest.raises(InputError, match=rf"/shard_0-of-1\.h5: not a shard of fingerprints, or damaged \(.*{message}"):
        check_shards([path])


@pytest.mark.parametrize("name", ["codes", "ids"])
def test_damaged_content_is_found_when_it_is_read(tmp_path, name):
    (path,) = write_shards(tmp_path, random_codes(200, 8), 1)
    sizes = np.diff(Shard.open(path).offsets)
    group = int(np.flatnonzero(sizes)[7])
    runs = [range(group), range(group + 1, GROUPS)]
    clean = [read(Shard.open(path), run) for run in runs]
    last = int(Shard.open(path).offsets[group + 1]) - 1
    damage(path, **{name: lambda rows: np.concatenate([rows[:last], rows[last : last + 1] ^ 1, rows[last + 1 :]])})
    (shard,) = check_shards([path])
    for run, theirs in zip(runs, clean):
        assert all((mine == other).all() for mine, other in zip(read(shard, run), theirs))
    message = rf"/shard_0-of-1\.h5: .*the content of group {group} does not have its checksum"
    for run in (range(group, group + 1), range(GROUPS), range(group - 3, group + 3)):
        with pytest.raises(InputError, match=message):
            read(shard, run)


WRITE = """
codes = np.random.default_rng(0).integers(0, 256, (90_000, 8), np.uint8)
write_shard(sys.argv[2], codes, start=0, n_items=90_000, model="m", config="c")
"""


def test_a_disk_that_fills(tmp_path):
    meets_a_full_disk(WRITE, 200_000, tmp_path)


def test_a_group_that_is_read_in_parts(tmp_path, monkeypatch):
    """As one that holds most of a database; where its end is damaged, that is known after its last part."""
    codes = random_codes(300, 3)
    codes[::2] = codes[0]
    (path,) = write_shards(tmp_path, codes, 1)
    shard, group = Shard.open(path), int(partition_of(codes[:1], GROUPS)[0])
    whole = read(shard)
    monkeypatch.setattr(fingerprints, "_READ", 40)
    assert all((mine == other).all() for mine, other in zip(read(shard), whole))
    assert max(len(ids) for _, ids in shard.blocks(range(GROUPS))) == 40 and shard.count(range(group, group + 1)) > 120
    last = int(shard.offsets[group + 1]) - 1
    for name in ("codes", "ids"):
        damage(path, **{name: lambda rows: np.concatenate([rows[:last], rows[last : last + 1] ^ 1, rows[last + 1 :]])})
        blocks = shard.blocks(range(group, group + 1))
        for _ in range(0, shard.count(range(group, group + 1)), 40):
            next(blocks)
        with pytest.raises(InputError, match=f"the content of group {group} does not have its checksum"):
            next(blocks)
        write_shards(tmp_path, codes, 1)
