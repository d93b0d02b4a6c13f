"""Intervals: against scipy's, and by how often they hold what they should."""

from math import fsum

import numpy as np
import pytest
from scipy import stats

from rehash.intervals import (
    ResampledSums,
    bootstrap_interval,
    clopper_pearson,
    percentile_interval,
    ratio_interval,
    resampled,
)


def scipys(numerators: np.ndarray, denominators: np.ndarray) -> stats._common.ConfidenceInterval:
    return stats.bootstrap(
        (numerators, denominators),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method="percentile",
        confidence_level=0.95,
        n_resamples=10_000,
        rng=np.random.default_rng(1),
    ).confidence_interval


# ---------------------------------------------------------------------------------------------------------------------
# Rates


@pytest.mark.parametrize("n", [1, 7, 40, 10**6])
def test_clopper_pearson_is_scipys(n):
    successes = np.unique([0, 1, n // 3, n - 1, n])
    low, high = clopper_pearson(successes, n)
    assert low.shape == high.shape == successes.shape and low.dtype == np.float64
    for each, *ends in zip(successes.tolist(), low, high):
        theirs = stats.binomtest(each, n).proportion_ci(0.95, "exact")
        assert ends == pytest.approx([theirs.low, theirs.high], abs=1e-12, rel=1e-9)
    assert low[0] == 0 and high[-1] == 1, "exactly"


def test_clopper_pearson_holds_the_rate_as_often_as_promised():
    """Exactly, by all outcomes."""
    for rate in (0.001, 0.1, 0.37, 0.5, 0.99):
        successes = np.arange(31)
        low, high = clopper_pearson(successes, 30)
        assert stats.binom.pmf(successes, 30, rate)[(low <= rate) & (rate <= high)].sum() >= 0.95


def test_clopper_pearson_of_one_number_and_of_nothing():
    low, high = clopper_pearson(3, 4)
    assert isinstance(low, float) and isinstance(high, float) and low < 0.75 < high
    assert np.isnan(clopper_pearson(0, 0)).all()
    low, high = clopper_pearson([[0], [2]], [0, 2, 9][1:])
    assert low.shape == (2, 2) and (np.isnan([low, high]).sum(), low[1, 0] > 0.1, high[1, 0]) == (0, True, 1)


@pytest.mark.parametrize("successes", [-1, 5])
def test_more_successes_than_trials_are_refused(successes):
    with pytest.raises(ValueError, match="between 0 and n"):
        clopper_pearson([1, successes], 4)


# ---------------------------------------------------------------------------------------------------------------------
# The bootstrap


@pytest.mark.parametrize("distinct", [3, 10**9], ids=["few values", "all different"])
@pytest.mark.parametrize("ratio", [False, True])
def test_bootstrap_is_scipys(distinct, ratio):
    rng = np.random.default_rng(2)
    numerators = rng.integers(distinct, size=120) / distinct + rng.integers(2, size=120)
    denominators = 0.5 + numerators * rng.integers(1, 3, size=120) if ratio else np.ones(120)
    ours = bootstrap_interval(
        numerators,
        np.random.default_rng(0),
        denominators=denominators if ratio else None,
        resamples=10_000,
    )
    theirs = scipys(numerators, denominators)
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.03 * (theirs.high - theirs.low))


def test_bootstrap_depends_on_the_values_alone():
    """Not on their order, nor on whether equal ones come one by one or as a count."""
    rng = np.random.default_rng(3)
    values, denominators = rng.integers(3, size=(2, 500)) + 1
    known = bootstrap_interval(values, np.random.default_rng(4), denominators=denominators)
    order = rng.permutation(500)
    again = bootstrap_interval(values[order], np.random.default_rng(4), denominators=denominators[order])
    pairs, counts = np.unique([values, denominators], axis=1, return_counts=True)
    pairs, counts = pairs[:, ::-1], counts[::-1]
    tabled = bootstrap_interval(pairs[0], np.random.default_rng(4), denominators=pairs[1], counts=counts)
    assert known == again == tabled
    assert known != bootstrap_interval(values, np.random.default_rng(5), denominators=denominators)
    assert known[0] < values.sum() / denominators.sum() < known[1]


@pytest.mark.parametrize("counts", [[1, 5, 0, 2], [50, 1, 149]], ids=["drawn one by one", "drawn by value"])
def test_bootstrap_samples_are_multinomial(counts):
    counts, rng = np.array(counts), np.random.default_rng(6)
    drawn = np.stack([resampled(counts, rng) for _ in range(20_000)])
    n, shares = counts.sum(), counts / counts.sum()
    assert drawn.dtype == np.int64 and (drawn.sum(1) == n).all()
    assert drawn.mean(0) == pytest.approx(counts, abs=5 * np.sqrt(n / 4 / 20_000))
    covariance = n * (np.diag(shares) - np.outer(shares, shares))
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.05 * covariance.max())


def test_bootstrap_holds_a_ratio_about_as_often_as_promised():
    rng, held = np.random.default_rng(7), 0
    for _ in range(300):
        relevant = rng.poisson(2, 150) + 1
        low, high = bootstrap_interval(rng.binomial(relevant, 0.7), rng, denominators=relevant, resamples=200)
        held += low <= 0.7 <= high
    assert stats.binomtest(held, 300, 0.94).pvalue > 1e-3


def test_bootstrap_of_nothing_and_of_one_value():
    rng = np.random.default_rng(8)
    assert np.isnan(bootstrap_interval([], rng)).all() and np.isnan(bootstrap_interval([1.0], rng, counts=[0])).all()
    assert bootstrap_interval([0.25] * 9, rng) == bootstrap_interval([0.25], rng, counts=[10**6]) == (0.25, 0.25)
    assert bootstrap_interval([0, 3], rng, denominators=[0, 4]) == (0.75, 0.75), "samples of 0 / 0 do not count"
    assert np.isnan(bootstrap_interval([0, 0], rng, denominators=[0, 0])).all()


@pytest.mark.parametrize("n", [1, 37, 4000])
def test_sums_over_samples_are_those_of_observations_drawn(n):
    """Of all columns by the same draws, to the last digit, whatever the parts in which they are added."""
    rng = np.random.default_rng(9)
    values = np.column_stack([rng.random(n), rng.random(n) ** 9, rng.integers(2, size=n), rng.integers(10**6, size=n)])
    sums = ResampledSums(n, 4, np.random.default_rng(1), resamples=30)
    sums.add(np.arange(n), values)
    again, draws = np.random.default_rng(1), []
    for _ in range(30):
        draws.append(np.repeat(np.arange(n), resampled(np.ones(n, int), again)))
    assert sums.total.tolist() == [fsum(column) for column in values.T]
    assert sums.samples.tolist() == [[fsum(column) for column in values[drawn].T] for drawn in draws]
    parts = ResampledSums(n, 4, np.random.default_rng(1), resamples=30)
    for part in np.array_split(rng.permutation(n), 7):
        parts.add(part, values[part])
    assert (parts.samples == sums.samples).all() and (parts.total == sums.total).all()


def test_percentiles_of_what_is_known():
    samples = np.array([[0.0, np.nan, 5], [1, np.nan, np.nan], [2, np.nan, 5], [3, np.nan, 6], [4, np.nan, 6]])
    low, high = percentile_interval(samples)
    assert low[[0, 2]] == pytest.approx([0.1, 5]) and high[[0, 2]] == pytest.approx([3.9, 6])
    assert np.isnan([low[1], high[1]]).all()


# ---------------------------------------------------------------------------------------------------------------------
# Ratios of paired means


@pytest.mark.parametrize("n", [3, 10])
def test_the_interval_of_a_ratio_holds_it_as_often_as_promised(n):
    """Values of one repeat vary together, as accuracies of networks that start alike do."""
    chance, inside = np.random.default_rng(n), 0
    for _ in range(2000):
        common = chance.normal(0, 0.05, n)
        best = 0.9 + common + chance.normal(0, 0.01, n)
        low, high = ratio_interval(0.6 * best + chance.normal(0, 0.01, n), best)
        inside += low <= 0.6 <= high
    assert abs(inside / 2000 - 0.95) < 4 * (0.95 * 0.05 / 2000) ** 0.5


def test_the_interval_of_a_ratio_is_fiellers_where_the_denominator_hardly_varies():
    """Fieller's interval: all ratios for which numerator - ratio * denominator does not differ from 0."""
    chance = np.random.default_rng(0)
    a, b = 0.5 + chance.normal(0, 0.02, 6), 0.9 + chance.normal(0, 0.01, 6)
    low, high = ratio_interval(a, b)
    grid = np.linspace(low - 0.05, high + 0.05, 4001)
    accepted = grid[[stats.ttest_1samp(a - ratio * b, 0).pvalue >= 0.05 for ratio in grid]]
    assert [low, high] == pytest.approx([accepted.min(), accepted.max()], abs=2e-3)


def test_the_interval_of_a_ratio_of_one_pair_or_to_nothing_is_none():
    assert np.isnan([ratio_interval([0.5], [0.9]), ratio_interval([0.1, 0.2], [0.0, 0.0])]).all()
    assert ratio_interval([0.3, 0.6], [0.4, 0.8]) == pytest.approx((0.75, 0.75)), "the same share in each pair"
