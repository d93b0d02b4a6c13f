import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from rehash import bits
from rehash.neighbours import nearest


def random_bits(seed: int, n: int, k: int, p: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).random((n, k)) < p


cases = st.tuples(st.integers(0, 999), st.integers(1, 60), st.integers(1, 150), st.sampled_from([0.0, 0.03, 0.5, 1.0]))


@settings(deadline=None)
@given(cases)
def test_codes_agree_with_plain_rows(case):
    rows = random_bits(*case)
    codes, k = bits.pack(rows), rows.shape[1]
    assert codes.shape == (len(rows), -(-k // 8))
    assert (bits.unpack(codes, k) == rows).all()
    distinct = len({tuple(row) for row in rows})
    assert bits.count_distinct(codes) == distinct
    assert bits.redundancy(codes) == (len(rows) - distinct) / len(rows)
    keep = bits.varying_bits(codes[: len(codes) // 2 + 1], codes, n_bits=k)
    assert (keep == (rows.any(0) & ~rows.all(0))).all()
    if keep.any():
        assert (bits.unpack(bits.select_bits(codes, keep), keep.sum()) == rows[:, keep]).all()
        assert bits.count_distinct(bits.select_bits(codes, keep)) == distinct
        # Rows in one piece: gathering rows of columns took most of the time of K-Means.
        assert bits.select_bits(codes, keep).flags.c_contiguous
        assert bits.unpack(bits.select_bits(codes, keep), keep.sum()).flags.c_contiguous


@pytest.mark.parametrize("k", [1, 7, 8, 33, 64, 100, 130, 600])
def test_neighbours_by_distance_then_index(k):
    rows, asked = (random_bits(seed, n, k) for seed, n in ((1, 700), (2, 90)))
    distances = np.rint(cdist(asked, rows, "hamming") * k).astype(int)
    order = distances * len(rows) + np.arange(len(rows))
    assert (nearest(bits.pack(asked), bits.pack(rows), 9) == np.argsort(order, axis=1)[:, :9]).all()


def test_more_neighbours_than_codes():
    codes = bits.pack(random_bits(3, 40, 12))
    assert sorted(nearest(codes, codes, 40)[0]) == list(range(40))
    with pytest.raises(ValueError, match="41 neighbours asked of 40"):
        nearest(codes, codes, 41)
