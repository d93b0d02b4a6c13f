"""Multi-probing: the order of probes by enumeration of all, and what they find by a dictionary."""

import tracemalloc
from heapq import heappop, heappush
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from rehash import bits
from rehash.equihash.databases.queries import Relevant
from rehash.equihash.evaluation.probing import probe_hits, recall_against_probes
from rehash.equihash.index import probing
from rehash.equihash.index.probing import probe_masks
from rehash.errors import InputError
from small_index import places, slow_ranges

UNIT = 2.0**-40  # |logits| in whole units are summed without rounding


def some_logits(kind: str, n_queries: int, n_bits: int) -> np.ndarray:
    rng, shape = np.random.default_rng(n_bits), (n_queries, n_bits)
    return {
        "normal": np.rint(np.abs(rng.normal(0, 2, shape)) / UNIT) * UNIT,
        "ties": rng.integers(5, size=shape) / 4,
        "zeros": np.abs(rng.normal(0, 2, shape).round(1)) * (rng.random(shape) < 0.6) // UNIT * UNIT,
        "all zero": np.zeros(shape),
        "all equal": np.full(shape, 1.5),
        "steep": np.tile(2.0 ** np.arange(n_bits)[::-1], (n_queries, 1)),
    }[kind]


def enumerated(logits: np.ndarray, probes: int) -> tuple[list[tuple[int, ...]], list[float]]:
    """Bits that are flipped, and the cost, of the first probes of all; ties as promised."""
    order = sorted(range(len(logits)), key=lambda bit: (logits[bit], bit))
    sets = [(size, places) for size in range(len(order) + 1) for places in combinations(range(len(order))[::-1], size)]
    costs = {places: sum(logits[order[place]] for place in places) for _, places in sets}
    first = sorted(sets, key=lambda each: (costs[each[1]], each))[:probes]
    return [tuple(sorted(order[place] for place in places)) for _, places in first], [
        costs[places] for _, places in first
    ]


def by_heap(logits: np.ndarray, probes: int) -> tuple[list[tuple[int, ...]], list[float]]:
    """Lv et al.'s algorithm: take the cheapest, then shift its last place, or add the next."""
    order = np.argsort(logits)
    ordered, found, heap = logits[order], [((), 0.0)], []
    heappush(heap, (ordered[0], (0,)))
    while len(found) < probes:
        cost, places = heappop(heap)
        found.append((tuple(sorted(order[list(places)].tolist())), cost))
        last = places[-1]
        if last + 1 < len(order):
            heappush(heap, (cost - ordered[last] + ordered[last + 1], (*places[:-1], last + 1)))
            heappush(heap, (cost + ordered[last + 1], (*places, last + 1)))
    return [places for places, _ in found], [cost for _, cost in found]


def flipped(flips: np.ndarray, n_bits: int) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(row).tolist()) for row in bits.unpack(flips, n_bits)]


# ---------------------------------------------------------------------------------------------------------------------
# The order of probes


@pytest.mark.parametrize("kind", ["normal", "ties", "zeros", "all zero", "all equal", "steep"])
@pytest.mark.parametrize(
    "n_bits, probes", [(1, 2), (8, 1), (8, 2), (8, 256), (10, 3), (10, 100), (10, 1000), (16, 1000)]
)
def test_probes_are_the_first_of_all(kind, n_bits, probes):
    logits = some_logits(kind, 2 if n_bits == 16 else 5, n_bits)
    flips, costs = probe_masks(logits, probes)
    assert flips.dtype == np.uint8 and flips.shape == (len(logits), probes, -(-n_bits // 8))
    assert costs.dtype == np.float64 and costs.shape == flips.shape[:2]
    for query, own_flips, own_costs in zip(logits, flips, costs):
        places, sums = enumerated(query.tolist(), probes)
        assert flipped(own_flips, n_bits) == places
        assert own_costs.tolist() == sums


@pytest.mark.parametrize("n_bits, probes", [(64, 1000), (64, 17), (33, 500), (130, 1000), (200, 1000)])
def test_probes_are_those_of_a_heap(n_bits, probes):
    logits = some_logits("normal", 3, n_bits)
    for query, flips, costs in zip(logits, *probe_masks(logits, probes)):
        places, sums = by_heap(query, probes)
        assert len(set(sums)) == probes, "no ties"
        assert flipped(flips, n_bits) == places and costs.tolist() == sums


def test_rounded_sums_keep_the_order():
    """Sums that float64 rounds: added from the largest down, they are ascending, and the first of all."""
    logits = np.random.default_rng(0).choice([1e16, 3.7, 1.0, 0.3, 1e-9, 1e8 / 3], size=(60, 10))
    for query, flips, costs in zip(logits, *probe_masks(logits, 300)):
        ordered = np.sort(query)[::-1].tolist()
        every = sorted(sum(chosen) for size in range(11) for chosen in combinations(ordered, size))
        assert costs.tolist() == every[:300]
        mine = [sum(sorted((query[bit] for bit in places), reverse=True)) for places in flipped(flips, 10)]
        assert mine == costs.tolist() and len(set(flipped(flips, 10))) == 300


def test_a_query_is_probed_alike_among_others(monkeypatch):
    logits = some_logits("ties", 70, 24).astype(np.float32)
    together = probe_masks(logits, 200)
    monkeypatch.setattr(probing, "_BLOCK", 1)
    alone = probe_masks(logits, 200)
    assert all((a == b).all() for a, b in zip(together, alone))
    assert not together[0][:, 0].any() and not together[1][:, 0].any(), "first the fingerprint itself"


def test_fewer_codes_than_probes():
    flips, _ = probe_masks(some_logits("normal", 2, 5), 1000)
    assert flips.shape == (2, 32, 1) and all(len(set(each[:, 0].tolist())) == 32 for each in flips)


def test_candidates_do_not_grow_with_the_bits():
    """Their number is what the documentation says."""
    assert len(probing._candidates(64, 1000).parents) == 8956
    tracemalloc.start()
    try:
        assert len(probing._candidates(512, 1000).parents) < 12_000
        assert tracemalloc.get_traced_memory()[1] < 4e8
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value, probes, message",
    [
        (-0.1, 5, "negative value or NaN"),
        (np.nan, 5, "negative value or NaN"),
        (1.0, 0, "0 probes; expected 1 or more"),
    ],
)
def test_logits_and_counts_that_cannot_be(value, probes, message):
    with pytest.raises(InputError, match=message):
        probe_masks(np.array([[1.0, value]]), probes)


# ---------------------------------------------------------------------------------------------------------------------
# What probes find

N_BITS, PROBES = 12, 60


@pytest.fixture(scope="module")
def asked():
    """Codes of items of noisy labels, and of all probes of queries with logits; and the relevant items."""
    rng = np.random.default_rng(0)
    of_label = rng.normal(0, 1, (50, N_BITS))
    labels = rng.integers(50, size=700)
    codes = bits.pack(of_label[labels] + rng.normal(0, 0.3, (700, N_BITS)) > 0)
    chosen = rng.permutation(np.unique(labels))[:40]
    logits = of_label[chosen] + rng.normal(0, 0.3, (40, N_BITS))
    theirs = [np.flatnonzero(labels == label) for label in chosen]
    relevant = Relevant(np.append(0, np.cumsum([len(each) for each in theirs])), np.concatenate(theirs))
    probes = bits.pack(logits > 0)[:, None] ^ probe_masks(np.abs(logits), PROBES)[0]
    return codes, probes.reshape(-1, 2), relevant


def in_partitions(asked, count: int) -> pd.DataFrame:
    items, probes, relevant = asked
    queries, ranks = np.divmod(np.arange(len(probes)), PROBES)
    tables = []
    for number in range(count):
        ids, mine = (np.flatnonzero(codes.sum(1) % count == number) for codes in (items, probes))
        ids = ids[np.lexsort(items[ids].T[::-1])]
        found = slow_ranges(items[ids], probes[mine])
        tables.append(probe_hits(ids.astype(np.uint32), *found, queries[mine], ranks[mine], relevant))
    return pd.concat(tables)


@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_hits_are_those_of_a_dictionary(asked, partitions):
    items, probes, relevant = asked
    buckets, expected = places(map(bytes, items)), set()
    for number, code in enumerate(probes):
        query, rank = divmod(number, PROBES)
        if bucket := buckets.get(bytes(code)):
            wanted = relevant.ids[relevant.offsets[query] : relevant.offsets[query + 1]]
            expected.add((query, rank, len(bucket), len({*bucket} & {*wanted.tolist()})))
    found = in_partitions(asked, partitions)
    assert list(found) == ["query", "rank", "retrieved", "hits"] and len(found) == len(expected) < len(probes)
    assert set(found.itertuples(index=False, name=None)) == expected


def test_recall_and_precision_are_sums_over_the_first_probes(asked):
    items, probes, relevant = asked
    lengths = np.diff(relevant.offsets)
    curves = recall_against_probes(in_partitions(asked, 1), lengths, PROBES, np.random.default_rng(0), resamples=50)
    assert (curves.n == 40).all() and len(curves) == 2 * PROBES
    again = recall_against_probes(in_partitions(asked, 7), lengths, PROBES, np.random.default_rng(0), resamples=50)
    pd.testing.assert_frame_equal(curves, again, check_exact=True)
    recall, precision = (curves[curves.metric == metric].set_index("probes") for metric in ("recall", "precision"))
    retrieved = [set() for _ in range(40)]
    for rank in range(PROBES):
        for query, own in enumerate(retrieved):
            own |= set(np.flatnonzero((items == probes[query * PROBES + rank]).all(1)).tolist())
        wanted = [set(relevant.of(query, query + 1)[1].tolist()) for query in range(40)]
        n_hits = sum(len(a & b) for a, b in zip(retrieved, wanted))
        assert recall.value[rank + 1] == pytest.approx(n_hits / lengths.sum(), abs=1e-12)
        assert precision.value[rank + 1] == pytest.approx(n_hits / sum(map(len, retrieved)), abs=1e-12)
    assert recall.value[PROBES] > recall.value[1] + 0.2 > 0.3, "probing finds more"
    fewer = recall_against_probes(in_partitions(asked, 1), lengths, 9, np.random.default_rng(0), resamples=50)
    assert (fewer.value.to_numpy() == np.concatenate([recall.value[:9], precision.value[:9]])).all()


def test_intervals_are_of_the_width_that_theory_says():
    """Of a ratio of sums over many queries, by linearisation: the deviation of the sum of the residuals."""
    rng = np.random.default_rng(1)
    lengths = rng.poisson(3, 1500) + 1
    rows = [
        (query, rank, hits + rng.poisson(1), hits)
        for query, n in enumerate(lengths)
        for rank, hits in enumerate(rng.multinomial(n, [0.4, 0.2, 0.4])[:2])
        if hits
    ]
    found = pd.DataFrame(rows, columns=["query", "rank", "retrieved", "hits"])
    curves = recall_against_probes(found, lengths, 2, rng, resamples=3000)
    for row in curves.itertuples():
        sums = found[found["rank"] < row.probes].groupby("query").sum().reindex(range(1500), fill_value=0)
        whole = lengths if row.metric == "recall" else sums.retrieved
        deviation = np.std(sums.hits - row.value * whole) * 1500**0.5 / whole.sum()
        assert [row.low, row.high] == pytest.approx(
            [row.value - 1.96 * deviation, row.value + 1.96 * deviation], abs=0.15 * deviation
        )


def test_precision_of_nothing_is_not_known():
    found = pd.DataFrame({"query": [1, 1], "rank": [2, 3], "retrieved": [4, 1], "hits": [1, 1]})
    curves = recall_against_probes(found, np.array([2, 2, 3]), 4, np.random.default_rng(0))
    recall, precision = (curves[curves.metric == metric] for metric in ("recall", "precision"))
    assert recall.value.tolist() == [0, 0, 1 / 7, 2 / 7] and recall.low[:2].tolist() == [0, 0]
    assert precision[["value", "low", "high"]].isna().all(axis=1).tolist() == [True, True, False, False]
    assert precision.value.tolist()[2:] == precision.low.tolist()[2:] == precision.high.tolist()[2:] == [0.25, 0.4]
