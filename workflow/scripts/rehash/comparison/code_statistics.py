"""Statistics of the codes of a gallery, without a query: how unique they are, what shares one, what the bits do."""

from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd

from rehash.bits import Codes, as_keys, redundancy, unpack, varying_bits
from rehash.code_files import input_ids
from rehash.seeds import stream

TUPLE_SIZES = (1, 2, 3)
MOST_BITS = 128  # whose tuples are looked at: 341,376 of three bits
MOST_ITEMS = 2**16
_ROWS = 2**13  # codes that are unpacked at a time


def bucket_statistics(codes: Codes, labels: np.ndarray) -> dict[str, float]:
    """Compute the sizes and the purity of buckets; a bucket holds the items of one code.

    With c items in a bucket, m of them of its most frequent label, and sums over buckets: bucket_size is the mean of
    c; bucket_size_of_an_item the mean over items, sum c^2 / sum c; largest_bucket the largest c. bucket_purity is sum m
    / sum c (Manning, Raghavan & Schütze 2008, section 16.3), and bucket_purity_shared the same over buckets of two
    items or more, NaN if there are none: a code that is unique is pure, and says nothing.

    Args:
        codes: uint8 (M, .). labels: int64 (M,).
    """
    bucket = np.unique(as_keys(codes), return_inverse=True)[1]
    label = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(bucket)
    pairs, counts = np.unique(bucket * (label.max() + 1) + label, return_counts=True)
    most = np.zeros_like(sizes)
    np.maximum.at(most, pairs // (label.max() + 1), counts)
    shared = sizes > 1
    return {
        "bucket_size": float(sizes.mean()),
        "bucket_size_of_an_item": float((sizes**2).sum() / sizes.sum()),
        "largest_bucket": float(sizes.max()),
        "bucket_purity": float(most.sum() / sizes.sum()),
        "bucket_purity_shared": float(most[shared].sum() / sizes[shared].sum()) if shared.any() else np.nan,
    }


def bit_statistics(codes: Codes, bits: int) -> dict[str, float]:
    """Compute the balance and the correlation of bits.

    bit_balance is the mean over bits of |share of ones - 1/2|, and bit_balance_worst the largest: 0 for balanced bits,
    1/2 for constant ones. bit_correlation is the mean of |r| over pairs of bits that vary, r being Pearson's
    coefficient, and bit_correlation_largest the largest; NaN if fewer than two bits vary. constant_bits counts those
    that do not.

    Args:
        codes: uint8 (M, ceil(bits / 8)).
    """
    n, varying = len(codes), varying_bits(codes, n_bits=bits)
    both = np.zeros((bits, bits))
    for start in range(0, n, _ROWS):
        rows = unpack(codes[start : start + _ROWS], bits).astype(np.float32)
        both += rows.T @ rows  # whole numbers below 2^24, exact in any order
    ones = both.diagonal()
    unbalanced = np.abs(ones / n - 0.5)
    mean, largest = _correlations(both[np.ix_(varying, varying)], n)
    return {
        "bit_balance": float(unbalanced.mean()),
        "bit_balance_worst": float(unbalanced.max()),
        "bit_correlation": mean,
        "bit_correlation_largest": largest,
        "constant_bits": float(bits - varying.sum()),
    }


def _correlations(both: np.ndarray, n: int) -> tuple[float, float]:
    """Return the mean and the largest |r| over pairs of bits; both[i, j] of n rows have both bits, i and j."""
    ones, total, largest = both.diagonal(), 0.0, 0.0
    if len(ones) < 2:
        return np.nan, np.nan
    variances = ones * (n - ones)
    for bit in range(len(ones) - 1):
        others = slice(bit + 1, None)
        covariances = n * both[bit, others] - ones[bit] * ones[others]  # whole numbers, exact
        found = np.abs(covariances) / np.sqrt(variances[bit] * variances[others])
        total, largest = total + found.sum(), max(largest, found.max())
    return float(total / comb(len(ones), 2)), float(largest)


def tuple_statistics(codes: Codes, bits: int, seed: int, threads: int = 1) -> pd.DataFrame:
    """Compute the least and the median entropy of tuples of 1, 2 and 3 bits, in bits; at is the size of a tuple.

    All tuples are counted over all items; of codes longer than MOST_BITS those of so many random bits, and of larger
    galleries over MOST_ITEMS random items, so that neither memory nor time grows further.

    Args:
        codes: uint8 (M, ceil(bits / 8)). seed: the root seed. threads: of torch, meanwhile; they change no number.

    Returns:
        Columns metric (entropy_least, entropy_median), at, value.
    """
    import torch  # which takes seconds, and nothing else here needs it

    from rehash.tuple_entropy.entropy import tuple_entropies
    from rehash.tuple_entropy.tuples import Tuples

    chance = stream(seed, "comparison", "tuples of bits", bits)
    if len(codes) > MOST_ITEMS:
        codes = codes[np.sort(chance.choice(len(codes), MOST_ITEMS, replace=False))]
    rows = unpack(codes, bits)
    if bits > MOST_BITS:
        rows = rows[:, np.sort(chance.choice(bits, MOST_BITS, replace=False))]
    values, found = torch.from_numpy(np.ascontiguousarray(rows)), []
    before = torch.get_num_threads()  # those of a program that calls this
    torch.set_num_threads(threads)
    try:
        for size in TUPLE_SIZES:
            if comb(rows.shape[1], size):
                entropies = tuple_entropies(values, Tuples.all(rows.shape[1], size)).numpy() / np.log(2)
                # No bit tells less than nothing, and a sum of -p log p can be -0 or a rounding error below it.
                summary = {"entropy_least": max(0.0, entropies.min()), "entropy_median": max(0.0, np.median(entropies))}
                found += [{"metric": name, "at": size, "value": float(value)} for name, value in summary.items()]
    finally:
        torch.set_num_threads(before)
    return pd.DataFrame(found).astype({"at": "Int64"})


def statistics_of_codes(
    gallery: Codes, queries: Codes, labels: np.ndarray, bits: int, seed: int, threads: int = 1
) -> pd.DataFrame:
    """Compute all statistics of a gallery's codes, and the redundancy of the queries' ones, too.

    Args:
        gallery, queries: uint8 (M, ceil(bits / 8)) and (Q, ceil(bits / 8)). labels: int64 (M,), the items'.

    Returns:
        Columns metric, at (the size of a tuple; else NA), value.
    """
    values = redundancies(gallery, queries) | bucket_statistics(gallery, labels) | bit_statistics(gallery, bits)
    return pd.concat([as_table(values), tuple_statistics(gallery, bits, seed, threads)], ignore_index=True)


def as_table(values: dict[str, float]) -> pd.DataFrame:
    """Return values by metric as a table: metric, at (NA), value."""
    return pd.DataFrame(
        {"metric": list(values), "at": pd.array([pd.NA] * len(values), "Int64"), "value": values.values()}
    )


def redundancies(gallery: Codes, queries: Codes) -> dict[str, float]:
    """Compute the redundancy of the codes (`rehash.bits.redundancy`) of both sides."""
    return {"redundancy": redundancy(gallery), "redundancy_of_queries": redundancy(queries)}


def as_codes(numbers: np.ndarray) -> Codes:
    """Replace rows of real numbers, float32 (N, D), by checksums, uint8 (N, 8), equal for equal rows; 0 is -0."""
    sums = [input_ids(numbers[start : start + _ROWS] + np.float32(0)) for start in range(0, len(numbers), _ROWS)]
    return np.concatenate(sums).view(np.uint8).reshape(-1, 8)
