"""Retrieval, internal collisions and distances: every count and every metric against a loop over all pairs."""

import tracemalloc
from collections import Counter
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise, product
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rehash import bits
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.queries import ITEMS, Relevant
from rehash.equihash.databases.queries import LABELS as LABELS_ASKED
from rehash.equihash.evaluation import collisions, retrieval
from rehash.equihash.evaluation.collisions import (
    bucket_sizes,
    collision_rows,
    icr_interval,
    internal_collisions,
    label_match,
    matching_pairs,
)
from rehash.equihash.evaluation.retrieval import (
    add_up,
    distance_counts,
    distance_rows,
    distance_statistics,
    distance_table,
    hits,
    negative_outcomes,
    positive_outcomes,
    retrieval_rows,
)
from rehash.errors import InputError
from small_index import counted, slow_ranges

N, LABELS, SIZES = 400, 90, (1, 57, 399, 400)
BOOTSTRAPPED = ("recall", "jaccard", "items_retrieved")


class Case:
    """A database of noisy views: labels with a fingerprint each, some of them shared, and bits that flip."""

    def __init__(self, n_bits: int, ids: type, seed: int):
        rng = np.random.default_rng(seed)
        of_label = rng.random((LABELS, n_bits)) < 0.5
        of_label[20:28], of_label[30:34] = of_label[0], of_label[1]

        def views(labels: np.ndarray) -> np.ndarray:
            return bits.pack(of_label[labels] ^ (rng.random((len(labels), n_bits)) < 0.4 / n_bits))

        self.labels = rng.permutation(np.append(rng.integers(80, size=N - 60), [2] * 60))
        self.codes, self.ids = views(self.labels), ids
        asked = rng.permutation(np.unique(self.labels))
        self.positive, self.negative = views(asked), views(np.repeat(np.arange(80, LABELS), 7))
        theirs = [np.flatnonzero(self.labels == label) for label in asked]
        self.relevant = Relevant(np.append(0, np.cumsum([len(each) for each in theirs])), np.concatenate(theirs))
        self.own = np.array([each[0] for each in theirs])  # as if the queries were these items again

    def partitions(self, count: int):
        """Codes and ids of each, and where the fingerprints of queries go."""

        def route(codes: np.ndarray) -> np.ndarray:
            return np.array([sum(code) % count for code in codes.tolist()])

        for number in range(count):
            items = np.flatnonzero(route(self.codes) == number)
            items = items[np.lexsort(self.codes[items].T[::-1])]
            routed = lambda codes, n=number: np.flatnonzero(route(codes) == n)  # noqa: E731
            yield self.codes[items], items.astype(self.ids), routed

    def outcomes(self, count: int) -> pd.DataFrame:
        tables = []
        for codes, ids, routed in self.partitions(count):
            asked = routed(self.positive)
            found = slow_ranges(codes, self.positive[asked])
            tables.append(positive_outcomes(ids, *found, self.relevant.take(asked), SIZES, self.own[asked]))
            tables.append(negative_outcomes(ids, *slow_ranges(codes, self.negative[routed(self.negative)]), SIZES))
        return add_up(tables)

    def collisions(self, count: int, labels_of=None) -> tuple[pd.DataFrame, pd.DataFrame]:
        labels_of = labels_of or (lambda ids: self.labels[ids.astype(int)])
        parts = list(self.partitions(count))
        sizes = add_up(bucket_sizes(codes, ids, SIZES) for codes, ids, _ in parts)
        return sizes, add_up(matching_pairs(codes, ids, labels_of, SIZES) for codes, ids, _ in parts)

    @cache  # noqa: B019 (three cases in all)
    def sets(self, size: int) -> list[tuple[set, set, bool]]:
        """Of each query that counts: what is retrieved, what is relevant, and whether its own item was retrieved."""
        items = [code.tobytes() for code in self.codes[:size]]
        offsets, relevant = self.relevant.offsets, self.relevant.ids.tolist()
        theirs = [set(relevant[low:high]) & set(range(size)) for low, high in pairwise(offsets)]
        asked = [each for each in zip(self.positive, theirs, self.own) if each[1]]
        asked += [(code, set(), -1) for code in self.negative]
        found = [{i for i, item in enumerate(items) if item == code.tobytes()} for code, _, _ in asked]
        return [(each, wanted, own in each) for each, (_, wanted, own) in zip(found, asked)]


@pytest.fixture(
    scope="module", params=[(16, np.uint32), (64, np.int64), (128, np.uint64)], ids=lambda p: f"{p[0]} bits"
)
def case(request) -> Case:
    return Case(*request.param, seed=request.param[0])


def exact(table: pd.DataFrame) -> set[tuple[int, ...]]:
    assert set(table.dtypes) == {np.dtype(np.int64)} and not table.duplicated(list(table)[:-1]).any()
    return set(table.itertuples(index=False, name=None))


# ---------------------------------------------------------------------------------------------------------------------
# Retrieval


@pytest.mark.parametrize("partitions, block", [(1, 2**22), (1, 25), (3, 200), (7, 2**22)])
def test_outcomes_are_those_of_all_pairs(case, partitions, block, monkeypatch):
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    expected = Counter(
        (size, len(retrieved), len(relevant), len(retrieved & relevant), int(own))
        for size in SIZES
        for retrieved, relevant, own in case.sets(size)
    )
    table = case.outcomes(partitions)
    assert list(table) == ["database_size", "retrieved", "relevant", "hits", "own", "queries"]
    assert exact(table) == {(*outcome, queries) for outcome, queries in expected.items()}
    assert len({outcome[1:] for outcome in expected}) > 30, "many kinds"


def test_metrics_are_those_of_all_pairs(case):
    rows = retrieval_rows(case.outcomes(1), 5, ITEMS).set_index(["database_size", "metric"])
    pd.testing.assert_frame_equal(retrieval_rows(case.outcomes(7), 5, ITEMS), rows.reset_index(), check_exact=True)
    of_labels = retrieval_rows(case.outcomes(1), 5, LABELS_ASKED).set_index(["database_size", "metric"])
    of_items = ["own_item_rate", "alone_in_bucket_rate"]
    pd.testing.assert_frame_equal(of_labels, rows.drop(of_items, level=1), check_exact=True)
    for size in SIZES:
        found = case.sets(size)
        again = [(own, own and len(retrieved) == 1) for retrieved, relevant, own in found if relevant]
        positive = [(retrieved, relevant) for retrieved, relevant, _ in found if relevant]
        negative = [retrieved for retrieved, relevant, _ in found if not relevant]
        rates = {
            "own_item_rate": [own for own, _ in again],
            "alone_in_bucket_rate": [alone for _, alone in again],
            "true_positive_rate": [bool(retrieved) for retrieved, _ in positive],
            "false_positive_rate": [bool(retrieved) for retrieved in negative],
            "perfect_retrieval_rate": [retrieved == relevant for retrieved, relevant in positive],
            "complete_retrieval_rate": [relevant <= retrieved for retrieved, relevant in positive],
            "sound_retrieval_rate": [retrieved <= relevant for retrieved, relevant in positive],
        }
        for metric, successes in rates.items():
            row, n = rows.loc[size, metric], len(successes)
            assert row.value == sum(successes) / n and row.n == n
            theirs = stats.binomtest(sum(successes), n).proportion_ci(0.95, "exact")
            assert [row.low, row.high] == pytest.approx([theirs.low, theirs.high], abs=1e-12)
        jaccard = [Fraction(len(a & b), len(a | b)) for a, b in positive]
        hit, wanted = (
            [len(each) for each in column] for column in ([a & b for a, b in positive], [b for _, b in positive])
        )
        retrieved = [len(each) for each, _ in positive]
        for metric, value in (
            ("jaccard", sum(jaccard) / len(positive)),
            ("recall", Fraction(sum(hit), sum(wanted))),
            ("items_retrieved", Fraction(sum(retrieved), len(positive))),
        ):
            row = rows.loc[size, metric]
            assert row.value == pytest.approx(float(value), abs=1e-12) and row.n == len(positive)
            assert row.low <= row.value <= row.high
        if size == N:
            for metric, pair in (
                ("jaccard", (np.array(jaccard, float), np.ones(len(jaccard)))),
                ("recall", (hit, wanted)),
                ("items_retrieved", (retrieved, np.ones(len(retrieved)))),
            ):
                theirs = stats.bootstrap(
                    pair, lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, method="percentile", rng=0
                ).confidence_interval
                row = rows.loc[size, metric]
                assert [row.low, row.high] == pytest.approx(theirs, abs=0.2 * (theirs.high - theirs.low))
    other = retrieval_rows(case.outcomes(1), 6, ITEMS).set_index(["database_size", "metric"])
    changed = (other.low != rows.low) & (other.high != rows.high)
    assert set(changed[changed].index.get_level_values(1)) == {*BOOTSTRAPPED}, "the seed is the bootstrap's"
    assert rows.index.get_level_values(0).tolist() == np.repeat(SIZES, 10).tolist()


def test_metrics_without_queries_are_not_known(case):
    outcomes = case.outcomes(1)
    rows = retrieval_rows(outcomes[outcomes.relevant == 0], 0, ITEMS)
    known = rows[rows.metric == "false_positive_rate"]
    assert known.notna().all(axis=None) and (known.n == 70).all()
    rest = rows[rows.metric != "false_positive_rate"]
    assert rest[["value", "low", "high"]].isna().all(axis=None) and (rest.n == 0).all()


def test_empty_partitions_and_no_queries():
    none, three = np.empty(0, np.int64), np.zeros(3, np.int64)
    ids, nothing = np.empty(0, np.uint32), Relevant(np.zeros(1, np.int64), none)
    some = Relevant(np.array([0, 1, 3, 4]), np.array([4, 0, 9, 2]))
    table = positive_outcomes(ids, three, three, some, [3, 10])
    assert exact(table) == {(3, 0, 1, 0, 0, 2), (10, 0, 1, 0, 0, 2), (10, 0, 2, 0, 0, 1)}
    assert exact(negative_outcomes(ids, three, three, [3, 10])) == {(3, 0, 0, 0, 0, 3), (10, 0, 0, 0, 0, 3)}
    empty = positive_outcomes(np.arange(3), none, none, nothing, [3])
    assert not exact(empty) and not exact(negative_outcomes(np.arange(3), none, none, [3]))
    assert exact(add_up([table, empty, table])) == {(*row[:-1], 2 * row[-1]) for row in exact(table)}


def test_ids_that_a_float_does_not_tell_apart():
    """uint64 ids and int64 relevant ones, which numpy makes floats of where it adds them."""
    big = 2**53
    ids, relevant = np.array([big, big + 2], np.uint64), Relevant(np.array([0, 2]), np.array([big + 1, big + 2]))
    table = positive_outcomes(ids, np.array([0]), np.array([2]), relevant, [big + 1, big + 2, big + 3])
    assert exact(table) == {(big + 2, 1, 1, 0, 0, 1), (big + 3, 2, 2, 1, 0, 1)}


def test_a_huge_bucket_costs_no_memory():
    n, queries = 2_000_000, 500
    ids, low = np.arange(n, dtype=np.uint32), np.zeros(queries, np.int64)
    relevant = Relevant(
        np.arange(queries + 1) * 3, np.sort(np.random.default_rng(0).integers(n, size=(queries, 3))).ravel()
    )
    tracemalloc.start()
    try:
        table = positive_outcomes(ids, low, low + n, relevant, [n // 2, n])
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
    assert (table.hits == table.relevant).all() and table.queries[table.database_size == n].sum() == queries


def test_queries_that_share_a_long_list_cost_the_memory_of_a_block(monkeypatch):
    """300 items of one label that are asked again: 600,000 pairs of a query and a relevant id."""
    monkeypatch.setattr(retrieval, "_BLOCK", 2**13)
    ids, low, queries = np.arange(2000, dtype=np.uint32), np.zeros(300, np.int64), np.arange(300)
    relevant = Relevant(np.array([0, 2000]), np.arange(2000), np.zeros(300, np.int64))
    tracemalloc.start()
    try:
        table = positive_outcomes(ids, low, low + 2000, relevant, [2000], queries)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
    assert exact(table) == {(2000, 2000, 2000, 2000, 1, 300)}


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 2, 1, 3]])
def test_offsets_of_other_ids_are_refused(offsets):
    with pytest.raises(InputError, match="ascend from 0 to 3, the number of ids"):
        Relevant(np.array(offsets), np.arange(3))


def test_relevant_ids_of_some_queries():
    whole = Relevant(np.array([0, 2, 2, 5]), np.array([3, 8, 1, 4, 6]))
    some = whole.take(np.array([2, 1, 0, 2]))
    owners, ids = some.of(0, 4)
    assert owners.tolist() == [0, 0, 0, 2, 2, 3, 3, 3] and ids.tolist() == [1, 4, 6, 3, 8, 1, 4, 6]
    assert some.counts.tolist() == [3, 0, 2, 3] and some.take(np.array([3, 3, 1])).counts.tolist() == [3, 3, 0]
    assert [each.tolist() for each in some.of(2, 3)] == [[0, 0], [3, 8]]
    with pytest.raises(InputError, match="queries of the lists 0 to 3; expected 0 to 2"):
        whole.take(np.array([3, 0]))


@pytest.mark.parametrize("block", [1, 4, 2**22])
def test_hits_of_ranges(block, monkeypatch):
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    ids = np.array([5, 9, 12, 0, 3, 9])
    relevant = Relevant(np.array([0, 3, 3, 5]), np.array([4, 9, 12, 5, 9]))
    assert hits(ids, np.array([0, 0, 3]), np.array([3, 6, 6]), relevant).tolist() == [2, 0, 1]


# ---------------------------------------------------------------------------------------------------------------------
# Internal collisions


@pytest.mark.parametrize("partitions, block, slots", [(1, 2**22, 16), (1, 25, 4), (1, 4, 2), (3, 200, 16), (3, 1, 64)])
def test_collisions_are_those_of_all_pairs(case, partitions, block, slots, monkeypatch):
    """Blocks are smaller than a bucket, too: the largest has some sixty items, of more labels than a table holds."""
    monkeypatch.setattr(collisions, "_BLOCK", block)
    monkeypatch.setattr(collisions, "_SLOTS", slots)
    sizes, matching = case.collisions(partitions)
    codes = [code.tobytes() for code in case.codes]
    expected = {}
    for size in SIZES:
        alike = [(i, j) for i, j in combinations(range(size), 2) if codes[i] == codes[j]]
        expected[size] = sum(case.labels[i] != case.labels[j] for i, j in alike)
        assert matching.set_index("database_size").pairs[size] == len(alike) - expected[size]
        counts = Counter(Counter(codes[:size]).values())
        table = sizes[sizes.database_size == size]
        assert dict(zip(table.bucket_size, table.buckets)) == counts
    exact(sizes), exact(matching)
    assert internal_collisions(sizes, matching) == expected and expected[N] > 100


def test_labels_are_asked_for_shared_fingerprints_only(case):
    asked = []

    def labels_of(ids: np.ndarray) -> np.ndarray:
        asked.extend(ids.tolist())
        return case.labels[ids.astype(int)]

    case.collisions(3, labels_of)
    counts = Counter(code.tobytes() for code in case.codes)
    assert sorted(asked) == [id_ for id_, code in enumerate(case.codes) if counts[code.tobytes()] > 1]


@pytest.mark.parametrize("what", ["all apart", "one label", "few labels"])
def test_one_fingerprint_of_many_items_is_counted_in_the_memory_of_a_block(monkeypatch, what):
    """Of 10^6 items; all of their labels at once would take 8 MB, and their order as much."""
    monkeypatch.setattr(collisions, "_BLOCK", 2**15)
    monkeypatch.setattr(collisions, "_SLOTS", 2**16)
    n, sizes = 10**6, [10**6, 10**5]
    codes, ids = np.full((n, 8), 200, np.uint8), np.arange(n, dtype=np.uint32)
    of = {"all apart": 2**20, "one label": 1, "few labels": 1000}[what]
    labels = ids.astype(np.int64) * 977 % of
    matching_pairs(codes[: 2**16], ids[: 2**16], labels.take, sizes)
    tracemalloc.start()
    buckets, pairs = bucket_sizes(codes, ids, sizes), matching_pairs(codes, ids, labels.take, sizes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert exact(buckets) == {(size, size, 1) for size in sizes} and peak < 4e6
    counts = {size: np.bincount(labels[:size]) for size in sizes}
    assert exact(pairs) == {(size, int((counts[size] * (counts[size] - 1) // 2).sum())) for size in sizes}


def test_collisions_without_items():
    codes, ids = np.empty((0, 8), np.uint8), np.empty(0, np.uint32)
    sizes = bucket_sizes(codes, ids, [3])
    assert not exact(sizes) and list(sizes) == ["database_size", "bucket_size", "buckets"]
    assert exact(matching_pairs(codes, ids, lambda ids: ids, [3, 5])) == {(3, 0), (5, 0)}


@pytest.mark.parametrize("width", [1, 8, 12])
@pytest.mark.parametrize("block", [1, 4, 5, 2**22])
def test_codes_out_of_order_are_refused_wherever_they_are(width, block, monkeypatch):
    """As a damaged partition may have them: within a block, at a block's border, behind a bucket larger than one."""
    monkeypatch.setattr(collisions, "_BLOCK", block)
    codes = np.full((30, width), 9, np.uint8)
    codes[:, -1] = np.repeat(np.arange(9), [1, 2, 9, 1, 1, 5, 4, 6, 1])
    ids = np.arange(30)
    table = bucket_sizes(codes, ids, [30])
    assert dict(zip(table.bucket_size, table.buckets)) == {1: 4, 2: 1, 4: 1, 5: 1, 6: 1, 9: 1}
    assert matching_pairs(codes, ids, np.zeros_like, [30]).pairs.tolist() == [1 + 36 + 10 + 6 + 15]
    changes = np.flatnonzero(codes[1:, -1] != codes[:-1, -1])
    for place in changes:
        wrong = codes.copy()
        wrong[[place, place + 1]] = codes[[place + 1, place]]
        for count in (lambda c: bucket_sizes(c, ids, [30]), lambda c: matching_pairs(c, ids, np.zeros_like, [30])):
            with pytest.raises(InputError, match="not in order; expected them sorted"):
                count(wrong)
    assert len(changes) == 8


def test_collisions_of_four_billion_items_are_exact():
    n = 4_000_000_001
    sizes = pd.DataFrame({"database_size": [n, n], "bucket_size": [n - 3, 3], "buckets": [1, 1]})
    found = internal_collisions(sizes, pd.DataFrame({"database_size": [n], "pairs": [7]}))
    assert found == {n: (n - 3) * (n - 4) // 2 + 3 - 7}
    sizes = pd.DataFrame({"database_size": [6 * 10**9], "bucket_size": [3 * 10**9], "buckets": [2]})
    found = internal_collisions(sizes, pd.DataFrame({"database_size": [6 * 10**9], "pairs": [0]}))
    assert found == {6 * 10**9: 3 * 10**9 * (3 * 10**9 - 1)}


def test_a_missing_partition_is_refused(case):
    sizes, matching = case.collisions(1)
    codes, ids, _ = next(case.partitions(3))
    with pytest.raises(InputError, match=r"hold \d+ of the first 57 items; expected all partitions"):
        internal_collisions(bucket_sizes(codes, ids, (57, 400)), matching)
    with pytest.raises(InputError, match=r"hold 800 of the first 400 items"):
        doubled = add_up([sizes, sizes])
        internal_collisions(doubled[doubled.database_size == 400], matching)


# ---------------------------------------------------------------------------------------------------------------------
# The irrelevant collision rate


def test_two_items_have_one_label_as_often_as_all_draws_say():
    assert label_match(Database(0, "d", 10**6, 10**10)) == 1e-10
    n_labels, pool = 3, 4  # every pool of four labels, every two of its members
    match = [
        Fraction(sum(a == b for a, b in product(members, repeat=2)), pool**2)
        for members in product(range(n_labels), repeat=pool)
    ]
    found = label_match(Database(0, "d", 8, n_labels, 2))
    assert found == pytest.approx(float(sum(match) / len(match)), abs=1e-15)


def bound(x: float, n: int, match: float) -> float:
    """The spec's bound of the variance."""
    return 2 / (n**2 - n) * (x + (2 * n - 4) * (x + match) ** 1.5 - (2 * n - 3) * x**2)


def interval(*counts, confidence: float) -> tuple[float, float]:
    """Chebyshev's, at another confidence than the evaluation's 95%, too."""
    with mock.patch.object(collisions, "CONFIDENCE", confidence):
        return icr_interval(*counts)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("n", [2, 3, 20, 200])
def test_the_bound_is_met_by_one_bucket(n, share):
    """Items of labels of their own, of which each has one certain fingerprint with this probability, else its own.

    The collisions are those of K (K - 1) / 2 pairs, K binomial; their variance is the bound's, exactly, and so the
    interval holds the truth at least as often as it says.
    """
    k, truth = np.arange(n + 1), share**2
    probability, seen = stats.binom.pmf(k, n, share), k * (k - 1) / (n**2 - n)
    assert probability @ (seen - truth) ** 2 == pytest.approx(bound(truth, n, 0.0), rel=1e-9, abs=0)
    for confidence in (0.5, 0.95):
        intervals = [interval(each * (each - 1) // 2, n, 0.0, confidence=confidence) for each in k.tolist()]
        held = [low <= truth <= high for low, high in intervals]
        assert probability[held].sum() >= confidence


@pytest.mark.parametrize(
    "pairs, n, match",
    [(0, 50, 1e-3), (3, 50, 1e-3), (10**6, 10**7, 1e-8), (2 * 10**17, 10**9, 1e-10), (40, 10, 0.5)],
)
@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_the_interval_ends_where_chebyshevs_inequality_does(pairs, n, match, confidence):
    seen = pairs / (n * (n - 1) / 2)
    ends = interval(pairs, n, match, confidence=confidence)
    assert ends[0] <= seen / (1 - match) <= ends[1]
    for end, sign in zip(ends, (-1, 1)):
        x = end * (1 - match)
        if 0 < x < max(seen, 1 - match):
            assert (seen - x) ** 2 == pytest.approx(bound(x, n, match) / (1 - confidence), rel=1e-6, abs=0)
            outside = x + sign * np.linspace(0.001, 1, 50) * ((1 - match - x) if sign > 0 else x)
            assert all((seen - y) ** 2 > bound(y, n, match) / (1 - confidence) for y in outside if y != x)
        elif x == 0:
            assert seen**2 <= bound(0, n, match) / (1 - confidence)
        else:
            assert x == pytest.approx(max(seen, 1 - match))


@pytest.mark.parametrize("n_labels, noise", [(3, 0.0), (40, 0.3), (1000, 0.1)])
def test_the_interval_holds_the_rate_as_often_as_promised(n_labels, noise):
    """Labels in buckets of known probabilities, views that stray to any bucket."""
    rng, n, buckets = np.random.default_rng(n_labels), 60, 12
    home = rng.choice(buckets, n_labels, p=stats.zipfian.pmf(np.arange(1, buckets + 1), 1, buckets))
    of_label = (1 - noise) * np.eye(buckets)[home] + noise / buckets
    total = of_label.sum(0)
    different = (total @ total - (of_label**2).sum()) / n_labels**2
    rate, match = different / (1 - 1 / n_labels), 1 / n_labels
    held, estimates, runs = {0.5: 0, 0.95: 0}, [], 200
    for _ in range(runs):
        labels = rng.integers(n_labels, size=n)
        numbers = np.where(rng.random(n) < noise, rng.integers(buckets, size=n), home[labels])
        order = np.argsort(numbers, kind="stable")
        part = counted(numbers[order]), order
        found = internal_collisions(bucket_sizes(*part, [n]), matching_pairs(*part, labels.__getitem__, [n]))[n]
        estimates.append(found / (n * (n - 1) / 2))
        for confidence in held:
            low, high = interval(found, n, match, confidence=confidence)
            held[confidence] += low <= rate <= high
    assert all(held[confidence] >= confidence * runs for confidence in held)
    assert np.mean(estimates) == pytest.approx(different, abs=4 * np.std(estimates) / runs**0.5)
    assert np.var(estimates) <= bound(different, n, match)


def test_collision_rows_are_consistent():
    rows = collision_rows({1: 0, 50: 30, 1000: 12345}, 0.01).set_index(["database_size", "metric"])
    assert rows.n.tolist() == [1, 1, 50, 50, 1000, 1000]
    assert rows.loc[1, "internal_collisions"].value == 0 and np.isnan(rows.loc[1, "irrelevant_collision_rate"].value)
    for size, count in ((50, 30), (1000, 12345)):
        number, rate = (rows.loc[size, metric] for metric in ("internal_collisions", "irrelevant_collision_rate"))
        pairs = size * (size - 1) / 2
        assert number.value == count and rate.value == pytest.approx(2 * count / (size**2 - size) / 0.99, rel=1e-12)
        assert (rate.low, rate.high) == icr_interval(count, size, 0.01) and rate.low < rate.value < rate.high
        assert [number.low, number.high] == pytest.approx(
            [rate.low * 0.99 * pairs, rate.high * 0.99 * pairs], rel=1e-12
        )
    assert np.isnan(icr_interval(0, 9, 1.0)).all() and np.isnan(icr_interval(0, 1, 0.5)).all()
    alone = collision_rows({9: 0}, 1.0).set_index("metric").value
    assert alone["internal_collisions"] == 0 and np.isnan(alone["irrelevant_collision_rate"])


# ---------------------------------------------------------------------------------------------------------------------
# Distances


@pytest.mark.parametrize("n_bits", [12, 64, 130])
def test_recall_and_fallout_of_triplets(n_bits):
    rng = np.random.default_rng(n_bits)
    first = rng.random((300, n_bits)) < 0.5
    views = [first ^ (rng.random(first.shape) < 1 / n_bits), first ^ (rng.random(first.shape) < 2.5 / n_bits)]
    distances = [(first ^ view).sum(1) for view in views]
    codes = bits.pack(first)
    counts = [
        sum(distance_counts(codes[part], bits.pack(view)[part], n_bits) for part in (slice(0, 77), slice(77, None)))
        for view in views
    ]
    assert all(len(each) == n_bits + 1 and each.dtype == np.int64 for each in counts)
    rows = distance_rows(*counts)
    assert rows.metric.tolist() == [f"{kind}_at_{r}" for kind in ("recall", "fallout") for r in range(4)]
    for row, (theirs, r) in zip(rows.itertuples(), product(distances, range(4))):
        within = int((theirs <= r).sum())
        assert row.value == within / 300 and row.n == 300
        interval = stats.binomtest(within, 300).proportion_ci(0.95, "exact")
        assert [row.low, row.high] == pytest.approx([interval.low, interval.high], abs=1e-12)
    table = distance_table(*counts)
    assert len(table) == 2 * (n_bits + 1)
    for pairs_of, theirs in zip(("same", "different"), distances):
        known = table[(table.pairs_of == pairs_of) & (table["count"] > 0)]
        assert dict(zip(known.distance, known["count"])) == Counter(theirs.tolist())


def test_statistics_are_those_of_the_distances_themselves():
    rng, bits = np.random.default_rng(0), {"narrow": 8, "wide": 64}
    raw = {
        ("narrow", "same"): rng.integers(0, 3, 500),
        ("narrow", "different"): rng.binomial(8, 0.5, 777),
        ("wide", "same"): np.full(9, 5),
        ("wide", "different"): rng.binomial(64, 0.45, 3000),
    }
    tables = []
    for model, k in bits.items():
        counts = [np.bincount(raw[model, pairs_of], minlength=k + 1) for pairs_of in ("same", "different")]
        tables.append(distance_table(*counts).assign(model=model, seed=3, bits=k))
    histogram = pd.concat(tables, ignore_index=True)
    found = distance_statistics(histogram)
    assert list(found) == ["pairs_of", "model", "seed", "bits", "pairs", "mean", "deviation", "binomial"]
    assert list(zip(found.model, found.pairs_of)) == list(raw), "in the order of the histogram"
    for row in found.itertuples():
        distances, k = raw[row.model, row.pairs_of], bits[row.model]
        assert (row.pairs, row.bits, row.seed) == (len(distances), k, 3)
        assert row.mean == pytest.approx(np.mean(distances), rel=1e-12)
        assert row.deviation == pytest.approx(np.std(distances), rel=1e-12, abs=1e-12)
        shares = [np.mean(distances == distance) for distance in range(k + 1)]
        # The largest difference of the probabilities of a set of distances.
        apart = sum(max(0, share - stats.binom(k, 0.5).pmf(d)) for d, share in enumerate(shares))
        assert row.binomial == pytest.approx(apart, rel=1e-9)
    # Distances that no pair has may be left out, and rows come in any order.
    shuffled = distance_statistics(histogram[histogram["count"] > 0].sample(frac=1, random_state=0))
    keys = list(found)[:4]
    pd.testing.assert_frame_equal(
        shuffled.sort_values(keys, ignore_index=True), found.sort_values(keys, ignore_index=True), rtol=1e-12
    )


def test_statistics_of_the_binomial_itself_and_of_its_opposite():
    k = 6
    exact_counts = np.rint(2**k * stats.binom(k, 0.5).pmf(np.arange(k + 1))).astype(int)
    found = distance_statistics(distance_table(exact_counts, np.eye(k + 1, dtype=int)[0]).assign(bits=k))
    assert found.binomial.tolist() == pytest.approx([0, 1 - 0.5**k], abs=1e-12)
    assert found["mean"].tolist() == [3, 0] and found.deviation.tolist() == pytest.approx([1.5**0.5, 0])
