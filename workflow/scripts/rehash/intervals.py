"""95% confidence intervals: of means over few repeats, of rates, and of means and ratios over many queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import betainccinv, betaincinv, stdtrit  # scipy.stats takes a second to import

CONFIDENCE = 0.95
RESAMPLES = 1000


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Compute Student's t interval of the mean; NaN for fewer than two values."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2) * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean() - half), float(values.mean() + half)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float]:
    """Compute the interval of mean(numerators) / mean(denominators), values that are paired; NaN for fewer than two.

    It is Student's t interval of the residuals numerator - ratio * denominator, divided by the mean denominator (the
    classical ratio estimator: Cochran, Sampling Techniques, 3rd edition 1977, section 6.3); close if the mean
    denominator is many of its standard errors from 0. Where it is 0, the interval is NaN.
    """
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    if len(numerators) < 2 or denominators.mean() == 0:
        return float("nan"), float("nan")
    mean = denominators.mean()
    ratio = numerators.mean() / mean
    low, high = mean_interval(numerators - ratio * denominators)
    return float(ratio + low / mean), float(ratio + high / mean)


def clopper_pearson(successes: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the exact interval of a rate from `successes` of `n` trials (Clopper & Pearson 1934); NaN where n is 0.

    Both arguments may be arrays of ints that broadcast; low and high are float64 of their common shape.

    Raises:
        ValueError: successes below 0 or above n.
    """
    successes, n = np.broadcast_arrays(successes, n)
    if (successes < 0).any() or (successes > n).any():
        raise ValueError("successes must lie between 0 and n")
    tail = (1 - CONFIDENCE) / 2
    failures = n - successes
    low = np.where(successes > 0, betaincinv(np.maximum(successes, 1), failures + 1, tail), 0.0)
    high = np.where(failures > 0, betainccinv(successes + 1, np.maximum(failures, 1), tail), 1.0)
    return np.where(n > 0, low, np.nan)[()], np.where(n > 0, high, np.nan)[()]


def bootstrap_interval(
    numerators: np.ndarray,
    generator: np.random.Generator,
    *,
    denominators: np.ndarray | None = None,
    counts: np.ndarray | None = None,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Compute the percentile bootstrap interval (Efron 1979) of sum(numerators) / sum(denominators).

    It is NaN if there are no values. Without denominators each is 1, and the interval is that of the mean. Equal
    observations are put together, and a bootstrap sample draws how often each distinct one occurs. So the cost grows
    with the number of distinct observations where that is small, the result does not depend on their order, and a table
    of distinct values with their counts can be given.

    Args:
        numerators: (D,).
        denominators: (D,), none negative. Samples in which they are all 0 do not count.
        counts: int (D,), how often each observation was seen; once by default.

    Memory: some arrays of D values, and of sum(counts) values where D is not much smaller; not times `resamples`.
    """
    numerators = np.asarray(numerators, np.float64)
    denominators = np.ones_like(numerators) if denominators is None else np.asarray(denominators, np.float64)
    counts = np.ones(len(numerators), np.int64) if counts is None else np.asarray(counts, np.int64)
    if not counts.sum():
        return float("nan"), float("nan")
    order = np.lexsort((denominators, numerators))
    numerators, denominators = numerators[order], denominators[order]
    changes = (np.diff(numerators) != 0) | (np.diff(denominators) != 0)
    starts = np.flatnonzero(np.append(True, changes))
    counts = np.add.reduceat(counts[order], starts)
    numerators, denominators = numerators[starts], denominators[starts]
    samples = np.empty(resamples)
    for sample in range(resamples):
        times = resampled(counts, generator)
        total = times @ denominators
        samples[sample] = times @ numerators / total if total else np.nan
    low, high = percentile_interval(samples[:, None])
    return float(low[0]), float(high[0])


class ResampledSums:
    """Sums over bootstrap samples of n observations (Efron 1979) of many columns of numbers, all with the same samples.

    Observations are added in parts, in any order, and the sums are the same bytes for any parts, order and number of
    threads. For that a number on [0, 1] is split into a multiple of 2^-53 n and one of its square, on each of which
    float64 adds without an error; whole numbers are summed exactly, too, as long as no sum reaches 2^53.
    """

    def __init__(self, n: int, columns: int, generator: np.random.Generator, resamples: int = RESAMPLES) -> None:
        once = np.ones(n, np.int64)
        self._times = np.ones((resamples + 1, n), np.uint32)  # the first sample is the observations as they are
        for times in self._times[1:]:
            times[:] = resampled(once, generator)
        self._sums = np.zeros((2, resamples + 1, columns))
        self._grid = 2.0 ** (53 - n.bit_length())

    def add(self, part: np.ndarray, values: np.ndarray) -> None:
        """Add observations of the numbers `part`, int64 (q,), with their values, float64 (q, columns)."""
        times = self._times[:, part].astype(float)
        coarse = np.rint(values * self._grid) / self._grid
        fine = np.rint((values - coarse) * self._grid**2) / self._grid**2
        self._sums += np.stack([times @ coarse, times @ fine])

    @property
    def total(self) -> np.ndarray:
        """Return the sums over the observations as they are, float64 (columns,)."""
        return self._sums[:, 0].sum(axis=0)

    @property
    def samples(self) -> np.ndarray:
        """Return the sums over each sample, float64 (resamples, columns)."""
        return self._sums[:, 1:].sum(axis=0)


def resampled(counts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw how often each distinct observation, seen counts[i] times, occurs in a bootstrap sample, int64 (D,)."""
    n = counts.sum()
    if 8 * len(counts) < n:  # a binomial variate costs about as much as eight drawn indices
        return generator.multinomial(n, counts / n)
    observations = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(observations[generator.integers(n, size=n)], minlength=len(counts))


def percentile_interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the percentiles over the first axis of (samples, m) that hold the middle 95%, NaNs left out.

    Returns:
        The low and the high end, (m,) each.
    """
    known = ~np.isnan(samples).all(axis=0)
    interval = np.full((2, samples.shape[1]), np.nan)
    tail = (1 - CONFIDENCE) / 2
    quantile = np.nanquantile if np.isnan(samples).any() else np.quantile  # which is ten times as fast
    interval[:, known] = quantile(samples[:, known], [tail, 1 - tail], axis=0)
    return interval[0], interval[1]
