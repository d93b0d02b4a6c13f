"""Rankings and the metrics of retrieval: against scikit-learn, against slow loops, and known answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from rehash.bits import pack
from rehash.comparison import measures
from rehash.comparison.measures import BY_RADIUS, BY_RANK, Asked, measure, measure_block, measured_blocks
from rehash.comparison.rankings import Cosine, Hamming
from slow_retrieval import metrics, over_orders, stable_order

RANKED = ["map", "map_at", "map_at_of_all", "precision_at", "recall_at", "ndcg_at"]


def toy(seed: int, queries: int, items: int, bits: int, classes: int = 3, flipped: float = 0.3):
    """Noisy copies of a code a class: bits of queries and of items, and the labels of both."""
    rng = np.random.default_rng(seed)
    centres = rng.random((classes, bits)) < 0.5
    asked, labels = rng.integers(classes, size=queries), np.arange(items) % classes
    rng.shuffle(labels)
    return (*(centres[of] ^ (rng.random((len(of), bits)) < flipped) for of in (asked, labels)), asked, labels)


def hamming(queries, gallery, asked, labels, **how) -> Hamming:
    return Hamming(pack(queries), pack(gallery), queries.shape[1], asked, labels, **how)


def run(searched, asked: np.ndarray, what: Asked, **how) -> tuple[pd.DataFrame, pd.DataFrame]:
    return measure(searched, asked, what, np.random.default_rng(0), **{"resamples": 20, **how})


def values(table: pd.DataFrame, column: str = "value") -> dict:
    at = table["at"].astype(object).where(table["at"].notna(), None)
    return dict(zip(zip(table.metric, at), table[column]))


# ---------------------------------------------------------------------------------------------------------------------
# Rankings


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("bits", [1, 8, 63, 64, 65, 130, 300, 5000, 33_000])
def test_rankings_by_hamming_distance(bits, stable):
    queries, gallery, asked, labels = toy(bits, 4, 150, bits)
    searched = hamming(queries, gallery, asked, labels, stable=stable)
    for ranking, query, label in zip(searched.rankings(np.arange(4)), queries, asked):
        distances = (query ^ gallery).sum(1)
        for found, each in ((ranking.ends, distances), (ranking.found, distances[labels == label])):
            assert (found == np.searchsorted(np.sort(each), np.arange(bits + 1), side="right")).all()
        if not stable:
            assert ranking.ranks is None
            continue
        assert ranking.ranks.tolist() == [
            place for place, item in enumerate(stable_order(distances), 1) if labels[item] == label
        ]


def test_rankings_with_wide_keys():
    """Where distance and place need more than 32 digits."""
    queries, gallery, asked, labels = toy(0, 2, 200, 70)
    narrow, wide = (hamming(queries, gallery, asked, labels) for _ in range(2))
    wide._keys, wide._shift, wide._limits = np.uint64, np.uint64(narrow._shift), narrow._limits.astype(np.uint64)
    for one, other in zip(narrow.rankings(np.arange(2)), wide.rankings(np.arange(2))):
        for name, values in vars(one).items():
            assert (values == vars(other)[name]).all()


def numbers(seed: int, queries: int, items: int, width: int = 6):
    """Real numbers, some of them equal, some zeros and scaled copies, which tie."""
    rng = np.random.default_rng(seed)
    gallery, asked = rng.integers(-2, 3, (items, width)).astype(np.float32), rng.normal(size=(queries, width))
    gallery[:3], gallery[3] = 0, gallery[5]
    gallery[7] = 4 * gallery[5]
    asked[0] = 0
    return asked.astype(np.float32), gallery, rng.integers(3, size=queries), np.arange(items) % 3


def test_rankings_by_cosine():
    queries, gallery, asked, labels = numbers(0, 6, 80)
    with np.errstate(invalid="ignore"):
        similarities = 1 - cdist(queries.astype(float), gallery.astype(float), "cosine")
    similarities = np.nan_to_num(similarities).astype(np.float32) + 0
    # scipy's and ours round differently in the last digit of float64, which float32 has not.
    for ranking, own, label in zip(Cosine(queries, gallery, asked, labels).rankings(np.arange(6)), similarities, asked):
        order = stable_order(-own)
        assert ranking.ranks.tolist() == [place for place, item in enumerate(order, 1) if labels[item] == label]
        tied = [[(-own < -own[item]).sum(), (own >= own[item]).sum()] for item in order if labels[item] == label]
        assert np.unique(ranking.ends).tolist() == np.unique(tied).tolist()


# ---------------------------------------------------------------------------------------------------------------------
# Metrics


def test_without_ties_metrics_are_scikit_learns():
    from sklearn.metrics import average_precision_score, ndcg_score

    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(20, 9)).astype(np.float32), rng.normal(size=(150, 9)).astype(np.float32)
    asked, labels = rng.integers(3, size=20), np.arange(150) % 3
    found, _ = run(Cosine(queries, gallery, asked, labels), asked, Asked(150, (10, 150), (1, 7, 150)))
    scores = 1 - cdist(queries, gallery, "cosine")
    relevant = asked[:, None] == labels
    found = values(found)
    sklearns = np.mean([average_precision_score(*each) for each in zip(relevant, scores)])
    assert found["map", None] == pytest.approx(sklearns, abs=1e-12)
    assert found["map_at", 150] == pytest.approx(sklearns) == found["map_at_of_all", 150] / 150 * 50 * 3
    for k in (1, 7, 150):
        assert found["ndcg_at", k] == pytest.approx(ndcg_score(relevant, scores, k=k), abs=1e-12)


@pytest.mark.parametrize("bits", [4, 12])
def test_metrics_are_those_of_slow_loops(bits):
    """The stable ones exactly; the expectations by shuffles."""
    queries, gallery, asked, labels = toy(1, 5, 60, bits)
    at, cutoffs = [1, 20, 60], [1, 5, 33]
    table, _ = run(hamming(queries, gallery, asked, labels), asked, Asked(60, tuple(at), tuple(cutoffs)))
    rng, slow, drawn = np.random.default_rng(0), [], []
    for query, label in zip(queries, asked):
        distances, relevant = (query ^ gallery).sum(1), labels == label
        slow.append(metrics(relevant[stable_order(distances)].tolist(), at, cutoffs))
        orders = (np.lexsort((rng.random(60), distances)) for _ in range(300))
        drawn.append(over_orders(distances, relevant, orders, at, cutoffs))
    stable, found = values(table, "stable"), values(table)
    for name in slow[0]:
        assert stable[name] == pytest.approx(np.mean([each[name] for each in slow]), abs=1e-12)
        assert found[name] == pytest.approx(np.mean([each[name] for each in drawn]), abs=0.02)


def test_metrics_within_radii():
    queries, gallery, asked, labels = toy(2, 40, 90, 6, flipped=0.2)
    what = Asked(90, (1,), (1,), (0, 1, 2, 9))
    table, curves = run(hamming(queries, gallery, asked, labels), asked, what)
    found, distances = values(table), (queries[:, None] ^ gallery).sum(-1)
    relevant = asked[:, None] == labels
    for radius in what.radii:
        near = distances <= radius
        hits = (near & relevant).sum(1)
        precision = [hit / all_ if all_ else 0 for hit, all_ in zip(hits, near.sum(1))]
        assert found["precision_within", radius] == pytest.approx(np.mean(precision), abs=1e-12)
        assert found["recall_within", radius] == pytest.approx((hits / relevant.sum(1)).mean(), abs=1e-12)
        assert found["found_within", radius] == near.any(1).mean()
    assert found["found_within", 0] < 1 == found["recall_within", 9]
    assert table[table.metric.str.endswith("within")].stable.isna().all(), "no order matters"
    curve = curves[curves.curve == BY_RADIUS]
    assert curve.x.tolist() == list(range(7))
    for row in curve.itertuples():
        near = distances <= row.x
        assert row.recall == pytest.approx((near & relevant).sum() / relevant.sum())
        assert row.precision == pytest.approx((near & relevant).sum() / near.sum())


def test_the_curve_by_rank():
    queries, gallery, asked, labels = toy(3, 10, 500, 8)
    searched = hamming(queries, gallery, asked, labels)
    grid = Asked(500, (1,), (1,)).curve
    table, curves = run(searched, asked, Asked(500, (1,), tuple(grid.tolist())))
    curve, found = curves[curves.curve == BY_RANK], values(table)
    assert curve.x.tolist() == grid.tolist() and grid[[0, -1]].tolist() == [1, 500] and (np.diff(grid) > 0).all()
    for metric in ("precision", "recall"):
        assert curve[metric].tolist() == [found[f"{metric}_at", k] for k in grid]
        for end in ("low", "high"):
            assert curve[f"{metric}_{end}"].tolist() == [values(table, end)[f"{metric}_at", k] for k in grid]
    assert curve.recall.iloc[-1] == 1 and curve.precision.iloc[-1] == pytest.approx(1 / 3, abs=0.01)
    assert Asked(1, (1,), (1,)).curve.tolist() == [1]


def test_perfect_codes_find_everything():
    labels = np.arange(40) % 4
    codes = np.eye(4, dtype=bool)[labels]
    table, curves = run(hamming(codes[:8], codes, labels[:8], labels), labels[:8], Asked(40, (5, 10), (1, 10), (0, 1)))
    found, stable = values(table), values(table, "stable")
    expected = {name: 1.0 for name in found} | {("recall_at", 1): 0.1}
    assert found == expected == values(table, "low") == values(table, "high"), "exactly"
    assert all(stable[name] == expected[name] for name in found if name[0] in RANKED)
    first = curves.iloc[0]
    assert (first.curve, first.x, first.precision, first.recall) == (BY_RADIUS, 0, 1, 1)


def test_codes_that_are_all_equal_find_a_class_by_its_share():
    """In any order: precision is the share, and the average precision that of a random order."""
    labels = np.repeat([0, 1], [25, 75])
    codes = np.zeros((100, 9), bool)
    table, _ = run(hamming(codes[:1], codes, labels[:1], labels), labels[:1], Asked(100, (40,), (1, 10), (0,)))
    found, stable = values(table), values(table, "stable")
    for name in (("precision_at", 1), ("precision_at", 10), ("precision_within", 0), ("ndcg_at", 10)):
        assert found[name] == pytest.approx(0.25)
    assert stable["map", None] == stable["map_at", 40] == 1, "the gallery is in the order of classes"
    # Known average of the average precision of a random order (Bestgen, 2015).
    harmonic = (1 / np.arange(1, 101)).sum()
    assert found["map", None] == pytest.approx((24 / 99 * (100 - harmonic) + harmonic) / 100)


def test_random_codes_find_a_class_by_its_share():
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=4000)
    codes = rng.random((4000, 32)) < 0.5
    table, _ = run(
        hamming(codes[:400], codes[400:], labels[:400], labels[400:]), labels[:400], Asked(3600, (1000,), (500,))
    )
    found = values(table)
    assert found["map", None] == pytest.approx(0.2, abs=0.01) and found["precision_at", 500] == pytest.approx(
        0.2, abs=0.01
    )


def test_codes_of_one_bit():
    """By hand: the bit is on in 2 of 3 items of class 1, and in 1 of 3 items of class 0; a query of class 1 has it on."""
    labels, on = np.array([0, 1, 0, 1, 0, 1]), np.array([[1], [1], [0], [1], [0], [0]], bool)
    query, asked = np.array([[1]], bool), np.array([1])
    table, _ = run(hamming(query, on, asked, labels), asked, Asked(6, (2,), (1, 3, 4), (0, 1, 2)))
    found, stable = values(table), values(table, "stable")
    assert found["precision_within", 0] == found["precision_at", 1] == found["recall_within", 0] == 2 / 3
    assert found["recall_within", 1] == found["recall_within", 2] == 1 and found["precision_within", 2] == 0.5
    assert found["precision_at", 4] == pytest.approx((2 + 1 / 3) / 4) and found["recall_at", 3] == pytest.approx(2 / 3)
    # Of the first three, one is of the other class: at place 1, 2 or 3. Of the first two, both or one are relevant.
    near = [(1 / 2 + 2 / 3), (1 + 2 / 3), (1 + 1)]
    far = [3 / 4, 3 / 5, 3 / 6]
    assert found["map", None] == pytest.approx((np.mean(near) + np.mean(far)) / 3)
    assert found["map_at", 2] == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert found["map_at_of_all", 2] == pytest.approx((1 / 4 + 1 / 2 + 1) / 3)
    assert stable["map", None] == pytest.approx((near[0] + far[2]) / 3) and stable["precision_at", 1] == 0


# ---------------------------------------------------------------------------------------------------------------------
# What changes no number


@given(st.integers(0, 10**6), st.sampled_from([2, 5, 16]))
@settings(max_examples=10, deadline=None)
def test_the_gallerys_order_changes_no_expectation(seed, bits):
    queries, gallery, asked, labels = toy(seed, 6, 30, bits)
    order, what = np.random.default_rng(seed).permutation(30), Asked(30, (1, 9), (1, 4), (0, 1))
    one, other = (
        run(hamming(queries, gallery[own], asked, labels[own]), asked, what) for own in (np.arange(30), order)
    )
    pd.testing.assert_frame_equal(one[0].drop(columns="stable"), other[0].drop(columns="stable"), check_exact=True)
    pd.testing.assert_frame_equal(one[1], other[1], check_exact=True)


@pytest.mark.parametrize("real", [False, True])
def test_threads_and_blocks_change_no_number(real, monkeypatch):
    if real:
        queries, gallery, asked, labels = numbers(1, 90, 120)
        searched, radii = Cosine(queries, gallery, asked, labels), ()
    else:
        queries, gallery, asked, labels = toy(4, 90, 120, 10)
        searched, radii = hamming(queries, gallery, asked, labels), (0, 2)
    what = Asked(120, (5, 100), (3,), radii)
    known = run(searched, asked, what)
    for threads, size in ((2, measures._BYTES), (1, 10**5), (3, 1)):
        monkeypatch.setattr(measures, "_BYTES", size)
        for one, other in zip(known, run(searched, asked, what, threads=threads)):
            pd.testing.assert_frame_equal(one, other, check_exact=True)
    monkeypatch.setattr(measures, "_BYTES", 1)
    assert [len(part) for part, _ in measured_blocks(searched, asked, what)] == [1] * 90


def test_expectations_need_no_stable_sort():
    queries, gallery, asked, labels = toy(8, 30, 80, 20)
    what = Asked(80, (9, 50), (4,), (1,))
    with_, without = (
        run(hamming(queries, gallery, asked, labels, stable=stable), asked, what) for stable in (True, False)
    )
    assert without[0].stable.isna().all() and not with_[0].stable.isna().all()
    pd.testing.assert_frame_equal(without[0].drop(columns="stable"), with_[0].drop(columns="stable"), check_exact=True)
    pd.testing.assert_frame_equal(without[1], with_[1], check_exact=True)


def test_a_query_alone_has_the_numbers_that_it_has_among_others():
    queries, gallery, asked, labels = toy(5, 20, 70, 12)
    searched, what = hamming(queries, gallery, asked, labels), Asked(70, (9,), (4,), (1,))
    together = measure_block(searched, np.arange(20), what).columns()
    with ThreadPoolExecutor(2) as pool:
        alone = list(pool.map(lambda query: measure_block(searched, np.array([query]), what).columns(), range(20)))
    assert (together == np.concatenate(alone)).all()


# ---------------------------------------------------------------------------------------------------------------------
# Intervals


def test_intervals_are_those_of_a_slow_bootstrap():
    from rehash.intervals import percentile_interval, resampled

    queries, gallery, asked, labels = toy(6, 50, 60, 8)
    searched, what = hamming(queries, gallery, asked, labels), Asked(60, (9,), (4,), (1,))
    table, curves = run(searched, asked, what, resamples=200)
    block, rng = measure_block(searched, np.arange(50), what), np.random.default_rng(0)
    samples = [np.repeat(np.arange(50), resampled(np.ones(50, int), rng)) for _ in range(200)]
    for number, each in enumerate(block.metrics.values()):
        low, high = percentile_interval(np.array([[each[sample].mean()] for sample in samples]))
        assert table.loc[number, ["low", "high"]].tolist() == pytest.approx([low[0], high[0]], abs=1e-12)
    for radius in range(9):
        pairs = [block.pairs[sample][:, :, [radius, 8]].sum(0) for sample in samples]
        ratios = np.array(
            [[each[1, 0] / each[0, 0] if each[0, 0] else np.nan, each[1, 0] / each[1, 1]] for each in pairs]
        )
        low, high = percentile_interval(ratios)
        row = curves[(curves.curve == BY_RADIUS) & (curves.x == radius)].iloc[0]
        assert [row.precision_low, row.recall_low] == pytest.approx(low, abs=1e-12, nan_ok=True)
        assert [row.precision_high, row.recall_high] == pytest.approx(high, abs=1e-12, nan_ok=True)
    assert (table.n == 50).all() and (curves.n == 50).all()


def test_equal_generators_give_paired_samples():
    """The difference of two sources' intervals is none if one's numbers are the other's."""
    queries, gallery, asked, labels = toy(7, 30, 40, 8)
    table, _ = run(hamming(queries, gallery, asked, labels), asked, Asked(40, (9,), (4,)))
    turned, _ = run(hamming(~queries, ~gallery, asked, labels), asked, Asked(40, (9,), (4,)))
    pd.testing.assert_frame_equal(table, turned)
