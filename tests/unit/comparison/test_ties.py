"""Expectations over ties: against all orders, against shuffles, and against a ranking without ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rehash.comparison.measures import Asked, metrics_of_ranks
from rehash.comparison.ties import Ties, expected, expected_averages, in_order
from slow_retrieval import all_orders, over_orders

LEVELS = 6


def ties_of(distances: np.ndarray, relevant: np.ndarray) -> Ties:
    """Of one query; a tie at each distance, some of them empty."""
    ends, found = (
        np.searchsorted(np.sort(each), np.arange(LEVELS), side="right") for each in (distances, distances[relevant])
    )
    return Ties.of([ends], [found])


def found_at(ends: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    return np.searchsorted(ranks, ends, side="right")


def ours(distances: np.ndarray, relevant: np.ndarray, at: list[int], cutoffs: list[int]) -> dict:
    asked, ties = Asked(len(distances), tuple(at), tuple(cutoffs)), ties_of(distances, relevant)
    averages = expected_averages(ties, np.array(at), asked.items)
    found = expected(ties, asked.places, asked.items)
    metrics = metrics_of_ranks(found, averages, np.array([relevant.sum()]), asked)
    return {name: float(values[0]) for name, values in metrics.items()}


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=7))
@settings(max_examples=80, deadline=None)
def test_expectations_are_the_mean_over_all_orders(items):
    """Exactly: each order of each tie is looked at, each R and k are asked for."""
    distances, relevant = (np.array(each) for each in zip(*items))
    relevant[0] = True
    everywhere = list(range(1, len(items) + 1))
    slow = over_orders(distances, relevant, all_orders(distances), everywhere, everywhere)
    assert ours(distances, relevant, everywhere, everywhere) == pytest.approx(slow, abs=1e-12)


def test_a_tie_at_r_has_a_random_denominator():
    """By hand: two items in a tie, one of them relevant, of which one is looked at: found and right, or not found."""
    found = ours(np.array([0, 0]), np.array([True, False]), [1], [1])
    assert found["map_at", 1] == found["map_at_of_all", 1] == 0.5 and found["map", None] == 0.75
    # After a relevant item, one of a tie of a relevant and an irrelevant one: (1 + 1) / 2 or 1 / 1, and of all 2 or 1 / 2.
    found = ours(np.array([0, 1, 1]), np.array([True, True, False]), [2], [2])
    assert found["map_at", 2] == 1 and found["map_at_of_all", 2] == 0.75


def test_expectations_are_the_mean_over_shuffles():
    """With large ties, some across R and k, and many relevant items, more than the part of their number that counts."""
    rng = np.random.default_rng(0)
    distances = rng.binomial(LEVELS - 1, 0.4, 3000)
    relevant = rng.random(3000) < np.where(distances < 2, 0.5, 0.1)
    at, cutoffs, shuffles = [1, 100, 700, 2000, 3000], [1, 30, 1500], 500
    asked = Asked(3000, tuple(at), tuple(cutoffs))
    values = []
    for _ in range(shuffles):
        order = rng.permutation(3000)
        order = order[np.argsort(distances[order], kind="stable")]
        found = in_order(np.flatnonzero(relevant[order]) + 1, asked.places, 3000)
        places = np.searchsorted(asked.places, at)
        averages = found.precisions[:, places] / np.maximum(found.relevant[:, places], 1)
        values.append(metrics_of_ranks(found, averages, np.array([relevant.sum()]), asked))
    for name, value in ours(distances, relevant, at, cutoffs).items():
        drawn = np.array([each[name][0] for each in values])
        assert abs(drawn.mean() - value) < 5 * drawn.std() / shuffles**0.5 + 1e-12, name


@pytest.mark.parametrize(("items", "relevant", "drawn"), [(5000, 2500, 4000), (5000, 3, 2000), (4000, 3990, 100)])
def test_averages_of_a_large_tie_are_sums_over_the_whole_hypergeometric_distribution(items, relevant, drawn):
    """Of which ours leaves out what is too improbable to count."""
    from scipy.stats import hypergeom

    before, start = 7, 20
    ties = Ties(np.array([[start, start + items]]), np.array([[before, before + relevant]]))
    value = expected_averages(ties, np.array([start + drawn]), start + items)[0, 0]
    reciprocals = (1 / np.arange(start + 1, start + drawn + 1)).sum()
    hits = np.arange(min(relevant, drawn) + 1)
    share, slope = hits / drawn, (hits - 1) / (drawn - 1)
    inner = share * ((before + 1) * reciprocals + slope * (drawn - (start + 1) * reciprocals))
    first = before / start * (((1 / np.arange(1, start + 1)).sum()) + (before - 1) / (start - 1) * (
        start - (1 / np.arange(1, start + 1)).sum()))  # fmt: skip
    slow = (hypergeom.pmf(hits, items, relevant, drawn) * (first + inner) / (before + hits)).sum()
    assert value == pytest.approx(slow, rel=1e-9)


@given(st.permutations(range(9)), st.sets(st.integers(0, 8), min_size=1))
@settings(max_examples=50, deadline=None)
def test_without_ties_the_expectation_is_the_ranking(order, chosen):
    ranks = np.flatnonzero(np.isin(order, list(chosen))) + 1
    places = np.arange(1, 10)
    ties = Ties.of([places], [found_at(places, ranks)])
    one, all_ = in_order(ranks, places, 9), expected(ties, places, 9)
    for name in vars(one):
        assert vars(all_)[name] == pytest.approx(vars(one)[name], abs=1e-12)
    averages = one.precisions / np.maximum(one.relevant, 1)
    assert expected_averages(ties, places, 9) == pytest.approx(averages, abs=1e-12)


def test_the_longest_rankings_lose_no_digits():
    """Of a million items each alone, where differences of harmonic numbers are small ones of large ones."""
    n = 10**6
    ranks = np.arange(n // 2, n, 5)
    ends = np.stack([ranks - 1, ranks], axis=1).ravel()
    exact, ours = (
        in_order(ranks, np.array([n]), n),
        expected(Ties.of([ends], [found_at(ends, ranks)]), np.array([n]), n),
    )
    assert ours.precisions == pytest.approx(exact.precisions, rel=1e-10)
    assert ours.gains == pytest.approx(exact.gains, rel=1e-10)


def test_ties_of_queries_with_different_numbers_of_them():
    """A query's numbers are the same beside others as alone."""
    rng = np.random.default_rng(1)
    ends = [np.unique(rng.integers(1, 40, size)) for size in (3, 9, 20)]
    ends = [np.append(each[each < 40], 40) for each in ends]
    ranks = [np.sort(rng.choice(40, size, replace=False)) + 1 for size in (1, 7, 30)]
    found = [found_at(*each) for each in zip(ends, ranks)]
    places, together = np.array([1, 5, 39, 40]), Ties.of(ends, found)
    for number in range(3):
        alone = Ties.of([ends[number]], [found[number]])
        for name, values in vars(expected(alone, places, 40)).items():
            assert (vars(expected(together, places, 40))[name][number] == values[0]).all()
        assert (expected_averages(together, places, 40)[number] == expected_averages(alone, places, 40)[0]).all()
