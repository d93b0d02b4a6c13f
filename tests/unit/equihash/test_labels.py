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
from rehash.equihash.databases.label_files import LabelShards
from rehash.equihash.databases.labels import LABEL_BLOCK, Database, count_labels, draw_labels, labels, shard_range
from rehash.equihash.databases.philox import integers_at, philox
from rehash.equihash.databases.queries import Queries, draw_queries
from rehash.errors import InputError
from rehash.hdf5 import read_attributes
from small_index import damage, draw_shards, places


def plausible(p_value: float) -> bool:
    return 1e-4 < p_value < 1 - 1e-4


def write_labels(path: Path, values: np.ndarray, start: int = 0, **about) -> Path:
    """A label file by hand."""
    known = {"seed": 0, "name": "d", "n_items": len(values), "label_count": 40, "multiplicity": 1.0}
    known["checksum"] = hashlib.sha256(values.astype(np.int64)).hexdigest()
    with h5py.File(path, "w") as file:
        file["labels"] = values
        file.attrs.update({**known, "start": start, "stop": start + len(values), **about})
    return path


def content(path: Path, name: str = "labels") -> np.ndarray:
    with h5py.File(path) as file:
        return file[name.replace("positive", f"positive/{file.attrs['n_items']}")][:]


# ---------------------------------------------------------------------------------------------------------------------
# Random numbers by position


def test_philox_is_numpys():
    key = np.array([2**63 + 11, 5], np.uint64)
    counters = np.array([1, 2, 77, 2**32, 2**63 + 3], np.uint64)
    for column, counter in zip(philox(counters, key).T, counters):
        theirs = np.random.Philox(key=int(key[0]) + (int(key[1]) << 64), counter=int(counter) - 1)
        assert (column == theirs.random_raw(4)).all()


@pytest.mark.parametrize("high", [1, 7, 10**10, 2**63 - 1])
def test_integers_are_exact_fractions(high):
    """Against Python's integers of any size."""
    key, positions = np.array([3, 4], np.uint64), np.arange(500)
    first, second = philox(positions.astype(np.uint64), key)[:2].tolist()
    expected = [(a * 2**64 + b) * high // 2**128 for a, b in zip(first, second)]
    found = integers_at(positions, high, key)
    assert found.dtype == np.int64 and found.tolist() == expected


# ---------------------------------------------------------------------------------------------------------------------
# Labels


@pytest.mark.parametrize("multiplicity", [1, 3.5])
def test_the_number_of_shards_changes_nothing(tmp_path, multiplicity):
    database = Database(7, "d", 2 * LABEL_BLOCK + 1234, 10**10, multiplicity)
    whole = labels(database, 0, database.n_items)
    assert whole.dtype == np.int64 and whole.min() >= 0 and whole.max() < 10**10
    for shards in (1, 2, 7):
        parts = [content(path) for path in draw_shards(database, tmp_path, shards)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
    for start, stop in ((0, 1), (65_535, 65_537), (131_000, 131_000), (70_001, 132_000), (132_305, 132_306)):
        assert (labels(database, start, stop) == whole[start:stop]).all()


def test_labels_follow_from_seed_and_name():
    databases = [Database(0, "a", 999, 10**10), Database(1, "a", 999, 10**10), Database(0, "b", 999, 10**10)]
    databases += [Database(0, "a", 999, 10**10, 1.5)]
    drawn = [labels(database, 0, 999) for database in databases]
    assert len(np.unique(np.concatenate([drawn[i] for i in range(3)]))) == 3 * 999, "three streams that never meet"
    assert not set(drawn[0]) & set(drawn[3])
    longer = labels(Database(0, "a", 10**9, 10**10), 0, 999)
    assert (longer == drawn[0]).all(), "more items move no label"


@pytest.mark.parametrize("multiplicity", [1, 2])
def test_labels_are_uniform(multiplicity):
    database = Database(3, "d", 300_000, 100, multiplicity)
    counts = np.bincount(labels(database, 0, 300_000), minlength=100)
    if multiplicity == 1:
        assert plausible(stats.chisquare(counts).pvalue)
    else:  # of the pool's 150,000 random labels
        expected_variance = 3000 * (1 + multiplicity)
        assert plausible(stats.chi2.cdf(((counts - 3000) ** 2).sum() / expected_variance, 99))


@pytest.mark.parametrize("multiplicity", [1.5, 4])
def test_multiplicity_is_that_of_a_pool(multiplicity):
    """Items per label of the pool are Poisson, so of N / m labels a share e^-m has none."""
    n_items = 200_000
    drawn = labels(Database(5, "d", n_items, 10**15, multiplicity), 0, n_items)
    pool = round(n_items / multiplicity)
    found = np.bincount(list(Counter(drawn.tolist()).values()))
    found[0] = pool - found.sum()
    expected = stats.poisson.pmf(np.arange(len(found)), multiplicity) * pool
    likely = expected > 20
    table = [np.append(each[likely], pool - each[likely].sum()) for each in (found, expected)]
    assert plausible(stats.chisquare(*table).pvalue)
    few = np.unique(labels(Database(5, "d", n_items, 10**15, n_items / 3), 0, n_items))
    assert len(few) == 3 and len(np.unique(labels(Database(5, "d", 50, 10**15, 50), 0, 50))) == 1


def test_label_files_say_whose_they_are(tmp_path):
    database = Database(2, "d", 100_000, 10**6, 4)
    draw_labels(tmp_path / "l.h5", database, 65_000, 66_000)
    with h5py.File(tmp_path / "l.h5") as file:
        about = {"seed": 2, "name": "d", "n_items": 100_000, "label_count": 10**6, "multiplicity": 4}
        checksum = hashlib.sha256(file["labels"][:].tobytes()).hexdigest()
        assert read_attributes(file) == {**about, "start": 65_000, "stop": 66_000, "checksum": checksum}
        assert file["labels"].dtype == np.int64 and file["labels"].chunks is None
    draw_labels(tmp_path / "none.h5", database, 70_000, 70_000)
    assert content(tmp_path / "none.h5").shape == (0,)


def test_drawing_labels_takes_the_memory_of_a_block(tmp_path):
    for multiplicity, blocks in ((1, 6), (2, 24)):
        database = Database(0, "d", 48 * LABEL_BLOCK + 5, 10**10, multiplicity)
        tracemalloc.start()
        draw_labels(tmp_path / "l.h5", database, 1, database.n_items)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < blocks * LABEL_BLOCK * 8, "the pool's numbers are made of several words each"


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
        for request in (lambda *span: labels(database, *span), lambda *span: draw_labels("l.h5", database, *span)):
            with pytest.raises(
                InputError, match=f"database d: labels {start} to {stop}; expected a range within 0 to 10"
            ):
                request(start, stop)
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
    shards = draw_shards(database, tmp_path, 3)
    draw_queries(shards, tmp_path / "q.h5", positives=count, negatives=count, pairs=count, seed=4)
    carriers = places(labels(database, 0, database.n_items).tolist())
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
    [path] = draw_shards(database, tmp_path, 1)
    carriers = places(content(path).tolist())
    lacking = 2000 - len(carriers)
    draw_queries([path], tmp_path / "q.h5", positives=len(carriers), negatives=lacking, pairs=0, seed=0)
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
            draw_queries([path], tmp_path / "r.h5", **{"positives": 1, "negatives": 1, "pairs": 1, "seed": 0, **more})
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
    path = write_labels(tmp_path / "l.h5", values)
    drawn = {kind: [] for kind in ("positive", "negative", "pairs")}
    for seed in range(100):
        draw_queries([path], tmp_path / "q.h5", positives=5, negatives=5, pairs=5, seed=seed)
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
    path = write_labels(tmp_path / "l.h5", np.arange(1, 1000), label_count=1000)
    with pytest.raises(
        InputError,
        match="d: 2 negative queries, but it lacks about 1 of the 1000 labels, mosaics of the 10 identities of the "
        "split test; ask for fewer",
    ):
        made_of = {"split": "test", "images": 3, "things": "identities"}
        draw_queries([path], tmp_path / "q.h5", positives=1, negatives=2, pairs=0, seed=0, **made_of)
    draw_queries([path], tmp_path / "q.h5", positives=1, negatives=1, pairs=0, seed=0)
    assert content(tmp_path / "q.h5", "negative/labels").tolist() == [0]


def test_the_number_and_order_of_shards_change_no_query(tmp_path):
    database = Database(1, "d", 70_001, 10**7, 2)
    wanted = {"positives": 300, "negatives": 300, "pairs": 300, "seed": 0}
    contents = []
    for shards in (1, 5):
        draw_queries(draw_shards(database, tmp_path, shards)[::-1], tmp_path / "q.h5", **wanted)
        contents.append((tmp_path / "q.h5").read_bytes())
    small = Database(1, "s", 5, 10)
    draw_queries(draw_shards(small, tmp_path, 8), tmp_path / "q.h5", positives=1, negatives=1, pairs=1, seed=0)
    assert contents[0] == contents[1], "and empty shards do no harm"


def test_the_kinds_of_queries_have_streams_of_their_own(tmp_path):
    database = Database(0, "d", 20_000, 10**10)
    [path] = draw_shards(database, tmp_path, 1)
    names = ("positive/labels", "negative/labels", "pairs/labels")

    def drawn(**changed):
        wanted = {"positives": 500, "negatives": 500, "pairs": 500, "seed": 0, **changed}
        draw_queries([path], tmp_path / "q.h5", **wanted)
        return [content(tmp_path / "q.h5", name) for name in names]

    first = drawn()
    parts = [labels(database, 0, 20_000), first[1], first[2][:, 0], first[2][:, 1]]
    assert len(np.unique(np.concatenate(parts))) > 21_490, "of 10^10 none are met twice but by chance"
    for changed, kept in (({"positives": 50}, (1, 2)), ({"negatives": 50}, (0, 2)), ({"pairs": 50}, (0, 1))):
        again = drawn(**changed)
        assert all((again[i] == first[i]).all() for i in kept)
    assert (drawn(positives=50)[0] == first[0][:50]).all(), "fewer positives are the first of more"
    other = drawn(seed=1)
    assert not set(other[1]) & set(first[1]) and len(set(other[0]) & set(first[0])) < 60


def test_drawing_queries_takes_the_memory_of_the_queries(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "_TABLE_BITS", 16)
    database = Database(0, "d", 40 * LABEL_BLOCK, 10**10)
    shards = draw_shards(database, tmp_path, 2)
    tracemalloc.start()
    draw_queries(shards, tmp_path / "q.h5", positives=1000, negatives=1000, pairs=1000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * LABEL_BLOCK * 8, "a fifth of the labels"


@pytest.fixture
def halves(tmp_path) -> list[Path]:
    """Two shards of 100 items, by hand."""
    values = np.arange(100) % 40
    return [
        write_labels(tmp_path / "a.h5", values[:60], n_items=100),
        write_labels(tmp_path / "b.h5", values[60:], start=60, n_items=100),
    ]


@pytest.mark.parametrize(
    ("start", "about", "message"),
    [
        (61, {"n_items": 101}, "b.h5: labels of Database.*n_items=101.*, but .*a.h5 has those of .*n_items=100"),
        (60, {"seed": 1}, "b.h5: labels of .*seed=1"),
        (60, {"name": "e"}, "b.h5: labels of .*'e'.*a.h5 has those of .*'d'"),
        (60, {"label_count": 41}, "label_count=41"),
        (60, {"multiplicity": 2.0}, r"multiplicity=2\.0"),
        (61, {}, "b.h5: starts at item 61, expected 60: the shards leave a gap"),
        (59, {}, "b.h5: starts at item 59, expected 60: the shards overlap"),
        (0, {}, "a.h5: starts at item 0, expected 40: the shards overlap"),
        (60, {"stop": 99}, r"b.h5: not a file of labels.*labels are int64 \(40,\); expected int64 \(39,\)"),
        (60, {"n_items": 0}, "b.h5: not a file of labels.*n_items is 0"),
    ],
)
def test_shards_that_do_not_fit_together(tmp_path, halves, start, about, message):
    damage(halves[1], **{"start": start, "stop": start + 40, **about})
    with pytest.raises(InputError, match=message):
        draw_queries(halves, tmp_path / "q.h5", positives=1, negatives=0, pairs=0, seed=0)
    assert not (tmp_path / "q.h5").exists()


def test_shards_that_are_missing_or_damaged(tmp_path, halves):
    def fails(paths: list[Path], message: str) -> None:
        with pytest.raises(InputError, match=message):
            draw_queries(paths, tmp_path / "q.h5", positives=1, negatives=0, pairs=0, seed=0)

    draw_queries(halves, tmp_path / "whole.h5", positives=40, negatives=0, pairs=0, seed=0)
    assert len(content(tmp_path / "whole.h5", "positive/ids")) == 100
    fails([], "no label files")
    fails(halves[:1], "a.h5: ends at item 60, expected 100: the last shards are missing")
    fails(halves[1:], "b.h5: starts at item 60, expected 0: the shards leave a gap")
    again = "not a file of labels, or damaged .*make it again with: snakemake --cores all --force .*b.h5"
    whole = halves[1].read_bytes()
    for broken in (whole[:-50], b"text"):
        halves[1].write_bytes(broken)
        fails(halves, again)
    halves[1].write_bytes(whole)

    def relabelled(number: int):
        return lambda labels: np.where(np.arange(40) == 7, number, labels)

    for number in (-1, 40):
        damage(halves[1], labels=relabelled(number))
        fails(halves, r"b\.h5: labels from .* in the 65536 items from 60; expected 0 to 39")
    damage(halves[1], labels=relabelled(28))
    fails(halves, r"b\.h5: .*its labels have the checksum \w{64}; expected \w{64}.*make it again")
    damage(halves[1], labels=lambda labels: labels.astype(np.int32))
    fails(halves, r"labels are int32 \(40,\); expected int64 \(40,\)")
    damage(halves[1], seed=None)
    fails(halves, again)


def test_pairs_need_two_labels(tmp_path):
    path = write_labels(tmp_path / "l.h5", np.zeros(9, np.int64), label_count=1)
    with pytest.raises(InputError, match="database d: pairs of different labels, but there is one label only"):
        draw_queries([path], tmp_path / "q.h5", positives=1, negatives=0, pairs=1, seed=0)
    draw_queries([path], tmp_path / "q.h5", positives=1, negatives=0, pairs=0, seed=0)
    assert content(tmp_path / "q.h5", "positive/ids").tolist() == list(range(9))


def test_the_first_items_are_a_database_of_their_own(tmp_path):
    """Of each size, queries are what a database of that size would be asked."""
    values = np.random.default_rng(3).integers(0, 900, 2000)
    whole = write_labels(tmp_path / "whole.h5", values, label_count=5000)
    about = {"positives": 200, "negatives": 50, "pairs": 20, "seed": 4}
    draw_queries([whole], tmp_path / "q.h5", sizes=(500, 1300, 2000), **about)
    found = Queries.read(tmp_path / "q.h5")
    assert list(found.positive) == [500, 1300, 2000]
    for size, (positive, relevant) in found.positive.items():
        carriers = places(values[:size].tolist())
        ids = [relevant.ids[low:high].tolist() for low, high in pairwise(relevant.offsets)]
        assert dict(zip(positive.tolist(), ids)) == {label: carriers[label] for label in positive.tolist()}
        alone = write_labels(tmp_path / "alone.h5", values[:size], label_count=5000)
        draw_queries([alone], tmp_path / "a.h5", **about)
        assert content(tmp_path / "a.h5", "positive/labels").tolist() == positive.tolist()
    assert not set(found.negative.tolist()) & set(values.tolist()) and len(found.pairs) == 20
    assert found.database == Database(0, "d", 2000, 5000)
    for size in (0, 2001):
        with pytest.raises(InputError, match=f"database d: a size of {size}; expected 1 to 2000, its items"):
            draw_queries([whole], tmp_path / "r.h5", sizes=(500, size), **about)
    assert not (tmp_path / "r.h5").exists()
    draw_queries([whole], tmp_path / "r.h5", sizes=(500, 2000), **{**about, "positives": 700})
    asked = {size: positive for size, (positive, _) in Queries.read(tmp_path / "r.h5").positive.items()}
    assert set(asked[500].tolist()) == set(values[:500].tolist()) and len(asked[2000]) == 700


def test_files_that_are_no_queries(tmp_path):
    path = write_labels(tmp_path / "l.h5", np.arange(50), label_count=100)
    draw_queries([path], tmp_path / "q.h5", positives=5, negatives=5, pairs=5, seed=0)
    whole = (tmp_path / "q.h5").read_bytes()
    for broken in (b"", whole[: len(whole) // 2], path.read_bytes()):
        (tmp_path / "q.h5").write_bytes(broken)
        with pytest.raises(InputError, match=r"/q\.h5: not the queries of a database, or damaged .* --force \S+/q\.h5"):
            Queries.read(tmp_path / "q.h5")
    (tmp_path / "q.h5").write_bytes(whole)
    damage(tmp_path / "q.h5", **{"positive/50/offsets": lambda offsets: np.append(offsets[:-1], 77)})
    with pytest.raises(InputError, match="relevant ids: offsets from 0 to 77"):
        Queries.read(tmp_path / "q.h5")


def test_labels_of_any_items(tmp_path):
    database = Database(1, "d", 70_001, 10**7, 2)
    whole = labels(database, 0, 70_001)
    for shards in (1, 5):
        opened = LabelShards.open(draw_shards(database, tmp_path, shards))
        for ids in (np.random.default_rng(0).integers(0, 70_001, 5000), np.arange(70_001)[::-1], np.empty(0, int)):
            assert (opened.take(ids.astype(np.uint32)) == whole[ids]).all()
    small = Database(1, "s", 5, 10)
    opened = LabelShards.open(draw_shards(small, tmp_path, 8))
    assert opened.take(np.array([4, 0, 4])).tolist() == labels(small, 0, 5)[[4, 0, 4]].tolist()
