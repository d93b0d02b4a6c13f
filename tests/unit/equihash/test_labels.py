"""Labels and queries: the same in any shards, as random as promised, and right by brute force."""

import hashlib
import tracemalloc
from collections import Counter
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import stats

from rehash.equihash.databases import queries
from rehash.equihash.databases.label_files import BLOCK, Labels, write_labels
from rehash.equihash.databases.labels import UNKNOWN, Database, count_labels, labels, shard_range
from rehash.equihash.databases.queries import Queries, draw_queries
from rehash.errors import InputError
from rehash.hdf5 import read_attributes
from small_index import damage, describe, places


def plausible(p_value: float) -> bool:
    return 1e-4 < p_value < 1 - 1e-4


def by_hand(path: Path, values: np.ndarray, **about) -> Path:
    """A file of labels by hand, as they are read from a file of others."""
    known = {"seed": 0, "name": "d", "n_items": len(values), "label_count": 40, "multiplicity": 1.0, "source": "others"}
    known["checksum"] = hashlib.sha256(values.astype(np.int64)).hexdigest()
    with h5py.File(path, "w") as file:
        file["labels"] = values
        file.attrs.update({**known, **about})
    return path


def content(path: Path, name: str = "labels") -> np.ndarray:
    with h5py.File(path) as file:
        return file[name.replace("positive", f"positive/{file.attrs['n_items']}")][:]


# ---------------------------------------------------------------------------------------------------------------------
# Labels


@pytest.mark.parametrize("multiplicity", [1, 3.5])
def test_a_label_follows_from_its_items_number_alone(tmp_path, multiplicity):
    """In any order, part, block or file."""
    database = Database(7, "d", 2 * BLOCK + 1234, 10**10, multiplicity)
    whole = labels(database, np.arange(database.n_items))
    assert whole.dtype == np.int64 and whole.min() >= 0 and whole.max() < 10**10
    known = Labels.open(describe(database, tmp_path))
    assert known.database == database and len(known) == len(whole)
    items = np.random.default_rng(0).permutation(database.n_items)[:5000].astype(np.uint32)
    assert (known.take(items) == whole[items]).all()
    for size in (None, BLOCK + 5):
        blocks = [*known.blocks("labels", size)]
        assert np.concatenate([block for _, block in blocks]).tobytes() == whole[:size].tobytes()
        assert [first for first, _ in blocks] == [*range(0, size or len(whole), BLOCK)]
    for shards in (1, 2, 7):
        parts = [known.shard(shard, shards) for shard in range(shards)]
        assert np.concatenate(parts).tobytes() == whole.tobytes() and sum(map(len, parts)) == len(whole)
    part = known.part(100, 500)
    assert (np.asarray(part[7:][:50]) == whole[107:157]).all() and len(part[390:900]) == 10 and len(part[5:2]) == 0
    with pytest.raises(InputError, match="expected a slice without a step"):
        part[::2]


def test_labels_follow_from_seed_and_name():
    databases = [Database(0, "a", 999, 10**10), Database(1, "a", 999, 10**10), Database(0, "b", 999, 10**10)]
    databases += [Database(0, "a", 999, 10**10, 1.5)]
    drawn = [labels(database, np.arange(999)) for database in databases]
    assert len(np.unique(np.concatenate([drawn[i] for i in range(3)]))) == 3 * 999, "three streams that never meet"
    assert not set(drawn[0]) & set(drawn[3])
    longer = labels(Database(0, "a", 10**9, 10**10), np.arange(0, 999))
    assert (longer == drawn[0]).all(), "more items move no label"


@pytest.mark.parametrize("multiplicity", [1, 2])
def test_labels_are_uniform(multiplicity):
    database = Database(3, "d", 300_000, 100, multiplicity)
    counts = np.bincount(labels(database, np.arange(0, 300_000)), minlength=100)
    if multiplicity == 1:
        assert plausible(stats.chisquare(counts).pvalue)
    else:  # of the pool's 150,000 random labels
        expected_variance = 3000 * (1 + multiplicity)
        assert plausible(stats.chi2.cdf(((counts - 3000) ** 2).sum() / expected_variance, 99))


@pytest.mark.parametrize("multiplicity", [1.5, 4])
def test_multiplicity_is_that_of_a_pool(multiplicity):
    """Items per label of the pool are Poisson, so of N / m labels a share e^-m has none."""
    n_items = 200_000
    drawn = labels(Database(5, "d", n_items, 10**15, multiplicity), np.arange(0, n_items))
    pool = round(n_items / multiplicity)
    found = np.bincount(list(Counter(drawn.tolist()).values()))
    found[0] = pool - found.sum()
    expected = stats.poisson.pmf(np.arange(len(found)), multiplicity) * pool
    likely = expected > 20
    table = [np.append(each[likely], pool - each[likely].sum()) for each in (found, expected)]
    assert plausible(stats.chisquare(*table).pvalue)
    few = np.unique(labels(Database(5, "d", n_items, 10**15, n_items / 3), np.arange(0, n_items)))
    assert len(few) == 3 and len(np.unique(labels(Database(5, "d", 50, 10**15, 50), np.arange(0, 50)))) == 1


def test_labels_are_written_for_others(tmp_path):
    database = Database(2, "d", 100_000, 10**6, 4)
    source = describe(database, tmp_path)
    parts = [tmp_path / f"{shard}.h5" for shard in range(3)]
    for shard, path in enumerate(parts):
        write_labels(source, path, shard=shard, shards=3)
    with h5py.File(parts[1]) as file:
        about = {"seed": 2, "name": "d", "n_items": 100_000, "label_count": 10**6, "multiplicity": 4}
        checksum = hashlib.sha256(file["labels"][:].tobytes()).hexdigest()
        assert read_attributes(file) == {**about, "start": 33_333, "stop": 66_666, "checksum": checksum}
        assert file["labels"].dtype == np.int64 and file["labels"].chunks is None
    assert (np.concatenate([content(path) for path in parts]) == labels(database, np.arange(100_000))).all()
    unknown = describe(Database(0, "u", 5, 9, source=UNKNOWN), tmp_path)
    assert Labels.open(unknown).between(1, 4).tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="database u: its labels are unknown, so that there are none to write"):
        write_labels(unknown, tmp_path / "u.h5", shard=0, shards=1)
    assert not (tmp_path / "u.h5").exists()


def test_labels_take_the_memory_of_a_block(tmp_path):
    source = describe(Database(0, "d", 48 * BLOCK + 5, 10**10, 2), tmp_path)
    write_labels(source, tmp_path / "l.h5", shard=0, shards=9)  # compiles
    tracemalloc.start()
    write_labels(source, tmp_path / "l.h5", shard=0, shards=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * BLOCK * 8


@pytest.mark.parametrize(("n_items", "shards"), [(10, 1), (10, 3), (10, 10), (3, 8), (10**9, 7), (0, 2), (65_536, 5)])
def test_shards_are_a_partition(n_items, shards):
    ranges = [shard_range(n_items, shards, shard) for shard in range(shards)]
    assert ranges[0][0] == 0 and ranges[-1][1] == n_items
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    sizes = [stop - start for start, stop in ranges]
    assert min(sizes) >= 0 and max(sizes) - min(sizes) <= 1


def test_counts_of_labels():
    assert (count_labels(10_000, 4), count_labels(100_000, 2), count_labels(7, 1)) == (10**16, 10**10, 7)
    assert count_labels(3_037_000_499, 2) == 3_037_000_499**2
    with pytest.raises(InputError, match=r"do not fit 64 bits; expected a bank of at most 3037000499,"):
        count_labels(3_037_000_500, 2)
    with pytest.raises(InputError, match="bank of at most 55108,"):
        count_labels(100_000, 4)
    assert count_labels(55_108, 4) < 2**63 <= 55_109**4
    with pytest.raises(InputError, match="of 0 images from a bank of 5; expected one or more"):
        count_labels(5, 0)


def test_requests_that_make_no_sense(tmp_path):
    for changed, message in [
        ({"n_items": 0}, "database d: n_items is 0; expected 1 to"),
        ({"label_count": 2**63}, "label_count is 9223372036854775808; expected 1 to 9223372036854775807"),
        ({"multiplicity": 0.5}, r"multiplicity is 0\.5; expected 1 to 10"),
        ({"multiplicity": 11}, "multiplicity is 11; expected 1 to 10"),
        ({"multiplicity": float("nan")}, "multiplicity is nan"),
        ({"seed": -1}, "seed is -1"),
    ]:
        with pytest.raises(InputError, match=message):
            Database(**{"seed": 0, "name": "d", "n_items": 10, "label_count": 5, **changed})
    database = Database(0, "d", 10, 5)
    for start, stop in ((-1, 3), (3, 11), (4, 3)):
        with pytest.raises(InputError, match=f"database d: labels {start} to {stop}; expected a range within 0 to 10"):
            Labels.open(describe(database, tmp_path)).part(start, stop)
    for shard in (-1, 3):
        with pytest.raises(InputError, match=f"shard {shard} of 3; expected 0 to 2"):
            shard_range(10, 3, shard)


# ---------------------------------------------------------------------------------------------------------------------
# Queries


@pytest.mark.parametrize(
    ("label_count", "multiplicity"), [(2000, 1), (10**10, 3), (2**25, 1)], ids=["dense", "sparse", "between"]
)
def test_queries_by_brute_force(tmp_path, label_count, multiplicity):
    database = Database(1, "d", 70_001 if label_count > 2000 else 3000, label_count, multiplicity)
    count = 400
    draw_queries(describe(database, tmp_path), tmp_path / "q.h5", positives=count, negatives=count, pairs=count, seed=4)
    carriers = places(labels(database, np.arange(database.n_items)).tolist())
    with h5py.File(tmp_path / "q.h5") as file:
        positive, offsets, ids = (
            file[f"positive/{database.n_items}/{name}"][:] for name in ("labels", "offsets", "ids")
        )
        negative, pairs = file["negative/labels"][:], file["pairs/labels"][:]
        assert read_attributes(file)["name"] == "d" and file.attrs["n_items"] == database.n_items
    assert {each.dtype for each in (positive, offsets, ids, negative, pairs)} == {np.dtype(np.int64)}
    assert len(offsets) == count + 1 and offsets[0] == 0 and offsets[-1] == len(ids)
    found = {int(label): ids[offsets[j] : offsets[j + 1]].tolist() for j, label in enumerate(positive)}
    assert len(found) == count and found == {label: carriers[label] for label in found}
    assert len(set(negative.tolist())) == count and not set(negative.tolist()) & set(carriers)
    assert pairs.shape == (count, 2) and (pairs[:, 0] != pairs[:, 1]).all()
    for drawn in (negative, pairs):
        assert drawn.min() >= 0 and drawn.max() < label_count


def test_all_labels_there_are(tmp_path):
    database = Database(1, "d", 3000, 2000)
    path = describe(database, tmp_path)
    carriers = places(labels(database, np.arange(3000)).tolist())
    lacking = 2000 - len(carriers)
    draw_queries(path, tmp_path / "q.h5", positives=len(carriers), negatives=lacking, pairs=0, seed=0)
    assert {*content(tmp_path / "q.h5", "positive/labels").tolist()} == {*carriers}
    assert {*content(tmp_path / "q.h5", "negative/labels").tolist()} == {*range(2000)} - {*carriers}
    assert sorted(content(tmp_path / "q.h5", "positive/ids").tolist()) == list(range(3000))
    for more, message in [
        (
            {"positives": len(carriers) + 1},
            f"{len(carriers) + 1} positive queries, but it has {len(carriers)} distinct",
        ),
        ({"negatives": lacking + 1}, f"{lacking + 1} negative queries, but it lacks {lacking} of the 2000 labels;"),
    ]:
        with pytest.raises(InputError, match=f"database d: {message}"):
            draw_queries(path, tmp_path / "r.h5", **{"positives": 1, "negatives": 1, "pairs": 1, "seed": 0, **more})
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.parametrize("dense", [True, False])
def test_queries_are_uniform_over_labels_however_many_items_carry_them(tmp_path, monkeypatch, dense):
    """20 of 40 labels are there, with 1 to 2,000 items; each is to be among 5 positives equally often."""
    if not dense:
        monkeypatch.setattr(queries, "_DENSE", 0)
        monkeypatch.setattr(queries, "_TABLE_BITS", 12)
    rng = np.random.default_rng(0)
    there = np.arange(0, 40, 2)
    values = rng.permutation(np.repeat(there, np.linspace(1, 45, 20).astype(int) ** 2))
    path = by_hand(tmp_path / "l.h5", values)
    drawn = {kind: [] for kind in ("positive", "negative", "pairs")}
    for seed in range(100):
        draw_queries(path, tmp_path / "q.h5", positives=5, negatives=5, pairs=5, seed=seed)
        for kind, found in drawn.items():
            found.append(content(tmp_path / "q.h5", f"{kind}/labels"))
    for kind, support in (("positive", there), ("negative", there + 1)):
        counts = Counter(np.concatenate(drawn[kind]).tolist())
        assert {*counts} == {*support.tolist()}
        expected = 100 * 5 / 20
        statistic = sum((counts[label] - expected) ** 2 for label in support.tolist()) / expected
        assert plausible(stats.chi2.cdf(statistic * 19 / 15, 19)), "without replacement the variance is 15/19 of it"
        firsts = np.bincount([each[0] for each in drawn[kind]], minlength=40)[support]
        assert plausible(stats.chisquare(firsts).pvalue), "and the order says nothing"
    pairs = np.concatenate(drawn["pairs"])
    assert plausible(stats.chisquare(np.bincount((pairs[:, 1] - pairs[:, 0]) % 40, minlength=40)[1:]).pvalue)
    assert plausible(stats.chisquare(np.bincount(pairs.reshape(-1), minlength=40)).pvalue)


def test_negatives_that_can_hardly_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "_DENSE", 0)
    path = by_hand(tmp_path / "l.h5", np.arange(1, 1000), label_count=1000)
    with pytest.raises(
        InputError,
        match="d: 2 negative queries, but it lacks about 1 of the 1000 labels, mosaics of the 10 identities of the "
        "split test; ask for fewer",
    ):
        made_of = {"split": "test", "images": 3, "things": "identities"}
        draw_queries(path, tmp_path / "q.h5", positives=1, negatives=2, pairs=0, seed=0, **made_of)
    draw_queries(path, tmp_path / "q.h5", positives=1, negatives=1, pairs=0, seed=0)
    assert content(tmp_path / "q.h5", "negative/labels").tolist() == [0]


def test_the_kinds_of_queries_have_streams_of_their_own(tmp_path):
    database = Database(0, "d", 20_000, 10**10)
    path = describe(database, tmp_path)
    names = ("positive/labels", "negative/labels", "pairs/labels")

    def drawn(**changed):
        wanted = {"positives": 500, "negatives": 500, "pairs": 500, "seed": 0, **changed}
        draw_queries(path, tmp_path / "q.h5", **wanted)
        return [content(tmp_path / "q.h5", name) for name in names]

    first = drawn()
    parts = [labels(database, np.arange(0, 20_000)), first[1], first[2][:, 0], first[2][:, 1]]
    assert len(np.unique(np.concatenate(parts))) > 21_490, "of 10^10 none are met twice but by chance"
    for changed, kept in (({"positives": 50}, (1, 2)), ({"negatives": 50}, (0, 2)), ({"pairs": 50}, (0, 1))):
        again = drawn(**changed)
        assert all((again[i] == first[i]).all() for i in kept)
    assert (drawn(positives=50)[0] == first[0][:50]).all(), "fewer positives are the first of more"
    other = drawn(seed=1)
    assert not set(other[1]) & set(first[1]) and len(set(other[0]) & set(first[0])) < 60


def test_drawing_queries_takes_the_memory_of_the_queries(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "_TABLE_BITS", 16)
    database = Database(0, "d", 40 * BLOCK, 10**10)
    path = describe(database, tmp_path)
    tracemalloc.start()
    draw_queries(path, tmp_path / "q.h5", positives=1000, negatives=1000, pairs=1000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * BLOCK * 8, "a fifth of the labels"


def test_files_of_labels_that_are_damaged(tmp_path):
    path = by_hand(tmp_path / "l.h5", np.arange(100) % 40)
    whole, again = path.read_bytes(), r"l\.h5: not the labels of a database, or damaged .*make it again with: snakemake"

    def fails(message: str, **changes) -> None:
        path.write_bytes(whole)
        damage(path, **changes)
        with pytest.raises(InputError, match=message):
            draw_queries(path, tmp_path / "q.h5", positives=1, negatives=0, pairs=0, seed=0)
        assert not (tmp_path / "q.h5").exists()

    for number in (-1, 40):
        fails(
            r"l\.h5: labels from .* in the 100 items from 0; expected 0 to 39",
            labels=lambda labels, number=number: np.where(np.arange(100) == 7, number, labels),
        )
    changed = {"labels": lambda labels: np.where(np.arange(100) == 7, 28, labels)}
    fails(r"l\.h5: its labels have the checksum \w{64}; expected \w{64}", **changed)
    fails(r"labels are int32 \(100,\); expected int64 \(100,\)", labels=lambda labels: labels.astype(np.int32))
    fails(r"labels are int64 \(99,\); expected int64 \(100,\)", labels=lambda labels: labels[1:])
    fails("its labels are not contiguous", labels={"chunks": (10,)})
    fails("it has no labels, though they are of a file of others", labels=None)
    fails(again, seed=None)
    fails(again + ".*|.*n_items is 0", n_items=0)
    for broken in (whole[:-50], b"text", b""):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=again):
            Labels.open(path)
    described = describe(Database(0, "d", 50, 9), tmp_path)
    damage(described, label_count=10)
    with pytest.raises(InputError, match=r"its content has the checksum \w{64}; expected \w{64}"):
        Labels.open(described)


def test_pairs_need_two_labels(tmp_path):
    path = by_hand(tmp_path / "l.h5", np.zeros(9, np.int64), label_count=1)
    with pytest.raises(InputError, match="database d: pairs of different labels, but there is one label only"):
        draw_queries(path, tmp_path / "q.h5", positives=1, negatives=0, pairs=1, seed=0)
    draw_queries(path, tmp_path / "q.h5", positives=1, negatives=0, pairs=0, seed=0)
    assert content(tmp_path / "q.h5", "positive/ids").tolist() == list(range(9))


def test_the_first_items_are_a_database_of_their_own(tmp_path):
    """Of each size, queries are what a database of that size would be asked."""
    values = np.random.default_rng(3).integers(0, 900, 2000)
    whole = by_hand(tmp_path / "whole.h5", values, label_count=5000)
    about = {"positives": 200, "negatives": 50, "pairs": 20, "seed": 4}
    draw_queries(whole, tmp_path / "q.h5", sizes=(500, 1300, 2000), **about)
    found = Queries.read(tmp_path / "q.h5")
    assert list(found.positive) == [500, 1300, 2000]
    for size, (positive, relevant) in found.positive.items():
        carriers = places(values[:size].tolist())
        ids = [relevant.ids[low:high].tolist() for low, high in pairwise(relevant.offsets)]
        assert dict(zip(positive.tolist(), ids)) == {label: carriers[label] for label in positive.tolist()}
        alone = by_hand(tmp_path / "alone.h5", values[:size], label_count=5000)
        draw_queries(alone, tmp_path / "a.h5", **about)
        assert content(tmp_path / "a.h5", "positive/labels").tolist() == positive.tolist()
    assert not set(found.negative.tolist()) & set(values.tolist()) and len(found.pairs) == 20
    assert found.database == Database(0, "d", 2000, 5000, source="others")
    for size in (0, 2001):
        with pytest.raises(InputError, match=f"database d: a size of {size}; expected 1 to 2000, its items"):
            draw_queries(whole, tmp_path / "r.h5", sizes=(500, size), **about)
    assert not (tmp_path / "r.h5").exists()
    draw_queries(whole, tmp_path / "r.h5", sizes=(500, 2000), **{**about, "positives": 700})
    asked = {size: positive for size, (positive, _) in Queries.read(tmp_path / "r.h5").positive.items()}
    assert set(asked[500].tolist()) == set(values[:500].tolist()) and len(asked[2000]) == 700


def test_files_that_are_no_queries(tmp_path):
    path = by_hand(tmp_path / "l.h5", np.arange(50), label_count=100)
    draw_queries(path, tmp_path / "q.h5", positives=5, negatives=5, pairs=5, seed=0)
    whole = (tmp_path / "q.h5").read_bytes()
    for broken in (b"", whole[: len(whole) // 2], path.read_bytes()):
        (tmp_path / "q.h5").write_bytes(broken)
        with pytest.raises(InputError, match=r"/q\.h5: not the queries of a database, or damaged .* --force \S+/q\.h5"):
            Queries.read(tmp_path / "q.h5")
    (tmp_path / "q.h5").write_bytes(whole)
    damage(tmp_path / "q.h5", **{"positive/50/offsets": lambda offsets: np.append(offsets[:-1], 77)})
    with pytest.raises(InputError, match="relevant ids: offsets from 0 to 77"):
        Queries.read(tmp_path / "q.h5")
