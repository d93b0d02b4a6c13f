"""Synthetic fingerprints: as random as promised, and found by an index as often as their formulas say."""

from collections import Counter, defaultdict
from math import comb

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rehash.bits import pack, unpack
from rehash.equihash.databases.label_files import BLOCK, Labels
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.labels import labels as labels_of
from rehash.equihash.databases.queries import ITEMS, Queries, Relevant, draw_queries
from rehash.equihash.index.fingerprints import check_shards
from rehash.equihash.index.query_codes import ViewList
from rehash.equihash.index.synthetic import (
    _mean_inverse,
    generate_fingerprints,
    generate_query_codes,
    name_codes,
    predicted,
    synthetic_codes,
    synthetic_logits,
)
from rehash.errors import InputError
from small_index import describe, evaluate

SETTINGS = {"bits": 64, "flips": 0.02, "name_bits": 12, "seed": 3}


def name_bits_of(labels: np.ndarray, bits: int, name_bits: int, seed: int) -> np.ndarray:
    return unpack(name_codes(labels, bits, name_bits, seed), bits)


def test_labels_have_one_name_as_often_as_promised():
    codes = name_bits_of(np.arange(3000), 64, 12, 3)
    sizes = Counter(map(bytes, pack(codes)))
    pairs = sum(comb(n, 2) for n in sizes.values())
    expected = comb(3000, 2) / 2**12
    assert abs(pairs - expected) < 5 * expected**0.5
    distinct = np.unique(codes, axis=0)
    assert abs(distinct.sum(1).var() / 16 - 1) < 5 * (2 / len(distinct)) ** 0.5
    assert np.abs(distinct.mean(0) - 0.5).max() < 5 * 0.5 / len(distinct) ** 0.5
    assert len(np.unique(name_bits_of(np.arange(3000), 64, 64, 3), axis=0)) == 3000
    assert (name_bits_of(np.arange(50), 200, 64, 3)[:, :64] == name_bits_of(np.arange(50), 64, 64, 3)).all()
    assert not (name_bits_of(np.arange(50), 64, 64, 4) == name_bits_of(np.arange(50), 64, 64, 3)).all(1).any()
    wide = name_bits_of(np.arange(2000), 200, 64, 3)
    assert abs((wide[:, :64] ^ wide[:, 64:128]).mean() - 0.5) < 0.01, "each word has bits of its own"


@pytest.mark.parametrize("bits", [8, 64, 200])
def test_bits_flip_as_often_as_promised(bits):
    views = ViewList(np.arange(6000) % 7, 10, "d", "database")
    found = np.concatenate([*synthetic_logits(views, bits=bits, flips=0.02, name_bits=20, seed=3)])
    flipped = (found > 0) ^ name_bits_of(views.labels, bits, 20, 3)
    n = flipped.size
    assert abs(flipped.sum() - 0.02 * n) < 4 * (0.02 * n) ** 0.5 and found.dtype == np.float32
    per_view = np.bincount(flipped.sum(1), minlength=40)[:4]
    expected = stats.binom.pmf(np.arange(4), bits, 0.02) * 6000
    assert (np.abs(per_view - expected) < 5 * expected**0.5 + 1).all()


def test_a_view_does_not_depend_on_where_its_list_begins():
    n = BLOCK + 300
    labels = np.arange(n)
    settings = {"bits": 8, "flips": 0.1, "name_bits": 30, "seed": 3}
    whole = np.concatenate([*synthetic_logits(ViewList(labels, 0, "d", "database"), **settings)])
    for start, stop in ((0, 5), (7, 200), (BLOCK - 3, BLOCK + 9), (BLOCK, n)):
        views = ViewList(labels[start:stop], start, "d", "database")
        assert (np.concatenate([*synthetic_logits(views, **settings)]) == whole[start:stop]).all()
    for name, kind in (("e", "database"), ("d", "negative")):
        other = next(synthetic_logits(ViewList(labels[:100], 0, name, kind), **settings))
        assert np.abs(other - whole[:100]).min() > 0


@pytest.mark.parametrize("bits", [8, 72, 200])
def test_codes_are_the_signs_of_logits(bits):
    """The fast way to items' fingerprints is the slow one; the database is longer than a block."""
    database = Database(2, "d", BLOCK + 2000, 10**9, 2)
    part = Labels("none", database, "").part(1, BLOCK + 1500)
    for flips, name_bits in ((0.02, 12), (0.49, 64)):
        settings = {"bits": bits, "flips": flips, "name_bits": name_bits, "seed": 3, "noise_seed": 8}
        slow = np.concatenate([*synthetic_logits(ViewList(part, 1, "d", "database"), **settings)])
        assert (synthetic_codes(part, **settings) == pack(slow > 0)).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"flips": 1e-6}, "flips is 1e-06; it is rounded to a multiple of 1 / 65,536"),
        ({"flips": 0}, "flips is 0; expected it between 0 and 0.5"),
        ({"flips": 0.5}, "flips is 0.5; expected"),
        ({"name_bits": 65}, "name_bits is 65; expected it between 0 and 65"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        generate_fingerprints(tmp_path / "l.h5", tmp_path / "s.h5", **{**SETTINGS, **changed})


def test_predictions_by_simulation():
    """Of a pool of 13 labels with 4 names: the query's label has r of 40 items, the others have any other label."""
    rng = np.random.default_rng(0)
    bits, flips, name_bits, n_items, pool = 30, 0.02, 2, 40, 13
    relevant = Relevant(np.array([0, 1, 5]), np.arange(5))
    database = Database(0, "d", n_items, 10**6, n_items / pool)
    queries = Queries(database, {n_items: (np.arange(2), relevant)}, np.arange(2, 4), np.empty(0), ITEMS)
    expected = predicted(queries, bits=bits, flips=flips, name_bits=name_bits)
    assert (expected.database_size == n_items).all()
    sums = defaultdict(list)
    for _ in range(30_000):
        r = (1, 4)[rng.integers(2)]
        codes = rng.integers(0, 2, (2**name_bits, bits))[rng.integers(0, 2**name_bits, pool)]
        labels = np.append(np.zeros(r, int), rng.integers(1, pool, n_items - r))
        views = codes[labels] ^ (rng.random((n_items, bits)) < flips)
        found = (views == (codes[0] ^ (rng.random(bits) < flips))).all(1)
        hits, others = found[:r].sum(), found[r:].sum()
        sums["true_positive_rate"].append(found.any())
        sums["perfect_retrieval_rate"].append(hits == r and not others)
        sums["complete_retrieval_rate"].append(hits == r)
        sums["sound_retrieval_rate"].append(not others)
        sums["items_retrieved"].append(hits + others)
        sums["jaccard"].append(hits / (r + others))
        sums["recall"].append(hits / r)
        sums["irrelevant_collision_rate"].append(found[-1])
        sums["own_item_rate"].append(found[0])
        sums["alone_in_bucket_rate"].append(found[0] and found.sum() == 1)
        stranger = codes[0] ^ (rng.random(bits) < flips)
        views = codes[rng.integers(1, pool, n_items)] ^ (rng.random((n_items, bits)) < flips)
        sums["false_positive_rate"].append((views == stranger).all(1).any())
    for row in expected.itertuples():
        seen = np.array(sums[row.metric], float)
        assert abs(seen.mean() - row.expected) < 4 * seen.std() / len(seen) ** 0.5, row
    assert set(expected.metric) == set(sums)


def known_index(folder, database: Database, sizes: tuple[int, ...], **wanted):
    """Fingerprints in two shards, and their queries, codes and tables of an index of two partitions, all on disk."""
    labels = describe(database, folder)
    shards = [folder / f"{shard}.codes" for shard in range(2)]
    for shard, output in enumerate(shards):
        generate_fingerprints(labels, output, shard=shard, shards=2, **SETTINGS)
    queries, codes, theory = (folder / name for name in ("q", "codes", "expected.csv"))
    draw_queries(labels, queries, sizes=sizes, seed=1, **wanted)
    notes = generate_query_codes(queries, codes, theory, probed=300, signed=True, **SETTINGS)
    with h5py.File(codes) as file:
        for path in [f"positive/{size}" for size in file["logits/positive"]] + ["negative"]:
            assert (pack(file[f"logits/{path}"][:] > 0) == file[path][:]).all()
    evaluate(folder, shards, codes, queries, labels, 2, keys={"model": "known"}, probes=70, seed=1)
    tables = (pd.read_csv(path).set_index(["database_size", "metric"]) for path in (theory, folder / "evaluation.csv"))
    return notes, Queries.read(queries), shards, *tables


@pytest.mark.parametrize(("asked", "label_count", "m"), [("labels", 10**12, 3), ("items", 257_600, 1)])
def test_an_index_finds_what_the_formulas_say(tmp_path, asked, label_count, m):
    """Through shards, partitions and queries, within what names and noise leave to chance."""
    database, sizes = Database(1, "d", 60_000, label_count, m), (20_000, 60_000)
    wanted = {"positives": 8000, "negatives": 8000, "pairs": 2000, "asked": asked}
    notes, queries, shards, theory, found = known_index(tmp_path, database, sizes, **wanted)
    assert notes["items"] == (2 if asked == "labels" else 1) * 8000 + 8000 + 3 * 2000
    expected = theory.expected
    assert found.value[20_000, "internal_collisions"] > 1000
    for key, value in expected.items():
        # 1,000 names are shared by some pairs of labels, which tell of one collision several times.
        deviation = (found.high[key] - found.low[key]) / 3.92 if "collision" not in key[1] else 0.03 * value
        assert abs(found.value[key] - value) < 4 * deviation, (key, value, found.value[key])
    flips = round(0.02 * 65_536) / 65_536
    assert expected[60_000, "recall"] == pytest.approx(((1 - flips) ** 2 + flips**2) ** 64)
    probed = pd.read_csv(tmp_path / "probes.csv").set_index(["metric", "probes"]).value
    assert probed["recall", 1] < probed["recall", 70] - 0.1, "the likeliest flips come first"
    assert check_shards(shards)[0].origin.bits == 64
    assert ("alone_in_bucket_rate" in found.loc[60_000].index) == (asked == "items")
    if asked == "items":  # as many items a label as 10^9 of 65,536^2: the prediction says how many have a twin
        alone = np.mean(queries.positive[60_000][1].counts == 1)
        least = (1 - 1 / label_count) ** (60_000 - 1)
        assert least == pytest.approx((1 - 65_536.0**-2) ** (10**9 - 1), abs=1e-4) == pytest.approx(0.792, abs=1e-3)
        assert abs(alone - least) < 4 * (least * (1 - least) / 8000) ** 0.5
        assert expected[60_000, "alone_in_bucket_rate"] < 0.9 * expected[20_000, "alone_in_bucket_rate"]


def test_items_seen_again_by_brute_force(tmp_path):
    """Queries are the first items with other noise; of 150 items only these are asked, of more sizes the first 400."""
    database, sizes = Database(1, "d", 3000, 2000), (150, 1000, 3000)
    wanted = {"positives": 400, "negatives": 50, "pairs": 20, "asked": "items"}
    notes, queries, _, _, found = known_index(tmp_path, database, sizes, **wanted)
    assert notes["items"] == 400 + 50 + 3 * 20 and queries.asked == "items"
    labels = labels_of(database, np.arange(3000))

    def codes(labels: np.ndarray, kind: str) -> list[bytes]:
        return [*map(bytes, pack(np.concatenate([*synthetic_logits(ViewList(labels, 0, "d", kind), **SETTINGS)]) > 0))]

    items, asked = codes(labels, "database"), codes(labels[:400], "positive")
    assert set(items[:400]) & set(asked) and items[:400] != asked
    for size in sizes:
        positive, relevant = queries.positive[size]
        assert (positive == labels[: min(400, size)]).all()
        buckets = [{i for i in range(size) if items[i] == code} for code in asked[:size]]
        theirs = [set(np.flatnonzero(labels[:size] == label).tolist()) for label in positive]
        assert relevant.counts.tolist() == [*map(len, theirs)]
        expected = {
            "own_item_rate": np.mean([j in bucket for j, bucket in enumerate(buckets)]),
            "alone_in_bucket_rate": np.mean([bucket == {j} for j, bucket in enumerate(buckets)]),
            "perfect_retrieval_rate": np.mean([bucket == mine for bucket, mine in zip(buckets, theirs)]),
            "true_positive_rate": np.mean([bool(bucket) for bucket in buckets]),
            "items_retrieved": np.mean([*map(len, buckets)]),
            "recall": sum(len(a & b) for a, b in zip(buckets, theirs)) / sum(map(len, theirs)),
        }
        for metric, value in expected.items():
            assert found.value[size, metric] == pytest.approx(value) and found.n[size, metric] == min(400, size)
    assert 0 < expected["alone_in_bucket_rate"] < expected["own_item_rate"] < 1
    with pytest.raises(InputError, match="database d: 3001 positive queries that are its own items, but it has 3000"):
        draw_queries(tmp_path / "d_labels.h5", tmp_path / "r", seed=1, **{**wanted, "positives": 3001})


@pytest.mark.parametrize("n", [1, 30, 10**4, 10**7, 10**9])
@pytest.mark.parametrize("p", [1e-18, 2.0**-16, 2.0**-8, 0.3])
def test_mean_inverses_are_exact(n, p):
    """E 1 / (1 + I) = (1 - (1 - p)^(n + 1)) / ((n + 1) p), I binomial (n, p)."""
    closed = -np.expm1((n + 1) * np.log1p(-p)) / ((n + 1) * p)
    assert _mean_inverse(1, n, np.array([p]))[0] == pytest.approx(closed, rel=1e-8)
    if n <= 10**4:
        i = np.arange(n + 1)
        assert _mean_inverse(4, n, np.array([p]))[0] == pytest.approx(
            stats.binom.pmf(i, n, p) @ (1 / (4 + i)), rel=1e-8
        )
