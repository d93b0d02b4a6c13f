"""Statistics of codes: against obvious loops, numpy's correlation and scipy's entropy."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import entropy

from rehash.bits import pack
from rehash.comparison import code_statistics
from rehash.comparison.code_statistics import (
    as_codes,
    bit_statistics,
    bucket_statistics,
    statistics_of_codes,
    tuple_statistics,
)
from rehash.tuple_entropy import entropy as entropy_of_tuples


def toy(seed: int, n: int, bits: int, share: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.random((n, bits)) < share
    rows[:, 1::3] ^= rows[:, :1]  # bits that vary together
    return rows


@pytest.mark.parametrize("bits", [3, 8, 70])
def test_buckets_are_those_of_a_dictionary(bits):
    rng = np.random.default_rng(bits)
    rows = (rng.random((60, bits)) < 0.5)[rng.integers(60, size=200)]
    labels = rng.integers(4, size=200) * 10 - 5
    buckets: dict[bytes, list[int]] = {}
    for row, label in zip(rows, labels.tolist()):
        buckets.setdefault(row.tobytes(), []).append(label)
    sizes = [len(bucket) for bucket in buckets.values()]
    most = [Counter(bucket).most_common(1)[0][1] for bucket in buckets.values()]
    shared = [(c, m) for c, m in zip(sizes, most) if c > 1]
    assert bucket_statistics(pack(rows), labels) == {
        "bucket_size": pytest.approx(np.mean(sizes)),
        "bucket_size_of_an_item": pytest.approx(np.mean([size for size in sizes for _ in range(size)])),
        "largest_bucket": max(sizes),
        "bucket_purity": sum(most) / 200,
        "bucket_purity_shared": sum(m for _, m in shared) / sum(c for c, _ in shared),
    }


def test_buckets_of_unique_and_of_equal_codes():
    labels, unique = np.array([0, 1, 1, 1]), pack(np.eye(4, dtype=bool))
    found = bucket_statistics(unique, labels)
    assert np.isnan(found["bucket_purity_shared"]) and found["bucket_purity"] == found["bucket_size"] == 1
    found = bucket_statistics(unique[[0, 0, 0, 0]], labels)
    assert found["bucket_purity"] == found["bucket_purity_shared"] == 0.75 and found["largest_bucket"] == 4


@pytest.mark.parametrize("share", [0.5, 0.04])
def test_bits_are_numpys(share, monkeypatch):
    monkeypatch.setattr(code_statistics, "_ROWS", 100)
    rows = toy(1, 333, 21, share)
    rows[:, [5, 20]] = [True, False]
    found, varying = bit_statistics(pack(rows), 21), rows[:, rows.any(0) & ~rows.all(0)]
    correlations = np.abs(np.corrcoef(varying.T))[np.triu_indices(varying.shape[1], 1)]
    unbalanced = np.abs(rows.mean(0) - 0.5)
    assert found == {
        "bit_balance": pytest.approx(unbalanced.mean()),
        "bit_balance_worst": 0.5,
        "bit_correlation": pytest.approx(correlations.mean()),
        "bit_correlation_largest": pytest.approx(correlations.max()),
        "constant_bits": 21 - varying.shape[1],
    }
    assert found["constant_bits"] >= 2


def test_bits_of_which_fewer_than_two_vary():
    rows = np.zeros((9, 4), bool)
    rows[:4, 2] = True
    found = bit_statistics(pack(rows), 4)
    assert found["constant_bits"] == 3 and np.isnan(found["bit_correlation"] + found["bit_correlation_largest"])
    rows[:, 3] = ~rows[:, 2]
    assert bit_statistics(pack(rows), 4)["bit_correlation"] == 1, "of a bit and its opposite"


def entropies(rows: np.ndarray, size: int) -> list[float]:
    return [
        entropy(np.unique(rows[:, members], axis=0, return_counts=True)[1], base=2)
        for members in combinations(range(rows.shape[1]), size)
    ]


def test_entropies_are_scipys():
    rows = toy(2, 150, 9, 0.3)
    found = tuple_statistics(pack(rows), 9, seed=0).set_index(["metric", "at"]).value
    for size in (1, 2, 3):
        slow = entropies(rows, size)
        assert found["entropy_least", size] == pytest.approx(min(slow), abs=1e-12)
        assert found["entropy_median", size] == pytest.approx(np.median(slow), abs=1e-12)
    assert tuple_statistics(pack(rows[:, :1]), 1, seed=0)["at"].tolist() == [1, 1], (
        "no tuples of more bits than there are"
    )
    assert tuple_statistics(pack(np.ones((5, 2), bool)), 2, seed=0).value.tolist() == [0, 0, 0, 0]


def test_entropies_of_long_codes_and_many_items_are_those_of_some(monkeypatch):
    rows, whole = toy(3, 4000, 40), entropy_of_tuples.tuple_entropies
    known = tuple_statistics(pack(rows), 40, seed=0).value
    monkeypatch.setattr(code_statistics, "MOST_BITS", 20)
    monkeypatch.setattr(code_statistics, "MOST_ITEMS", 2000)
    seen = []
    monkeypatch.setattr(
        entropy_of_tuples, "tuple_entropies", lambda bits, tuples: seen.append(bits.shape) or whole(bits, tuples)
    )
    some = tuple_statistics(pack(rows), 40, seed=0).value
    assert seen == [(2000, 20)] * 3 and some.to_numpy() == pytest.approx(known, abs=0.05)
    assert some.tolist() == tuple_statistics(pack(rows), 40, seed=0).value.tolist()
    assert some.tolist() != tuple_statistics(pack(rows), 40, seed=1).value.tolist()


def test_all_statistics_of_codes():
    rows, labels = toy(4, 50, 10), np.arange(50) % 3
    queries = rows[[0, 0, 1, 1]]
    table = statistics_of_codes(pack(rows[[*range(50), 0]]), pack(queries), np.append(labels, 0), 10, seed=0)
    found = table.set_index("metric").value
    assert found["redundancy"] == (51 - len(np.unique(rows, axis=0))) / 51 and found["redundancy_of_queries"] == 0.5
    assert (
        table[~table.metric.str.startswith("entropy")]["at"].isna().all()
        and not table.duplicated(["metric", "at"]).any()
    )


def test_equal_numbers_are_equal_codes(monkeypatch):
    monkeypatch.setattr(code_statistics, "_ROWS", 3)
    numbers = np.array([[0.0, 1], [-0.0, 1], [0, 1.5], [1, 0], [0, 1]], np.float32)
    codes = as_codes(numbers)
    assert codes.shape == (5, 8) and codes.dtype == np.uint8
    same = (codes[:, None] == codes).all(-1)
    assert (same == (numbers[:, None] == numbers).all(-1)).all()
