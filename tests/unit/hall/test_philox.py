"""Random numbers by position: known answers, exact whole numbers, and a table of quantiles that no library decides."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import chisquare

from rehash.compiled import compiled
from rehash.philox import block, integers_at, key_of, quantiles, words_at

ALL = 2**32 - 1


@compiled
def one(a, b, c, key_low, key_high):
    return block(a, b, c, key_low, key_high)


def slow_block(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as the paper has it (Salmon et al. 2011), in Python's whole numbers."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (q >> 32) ^ b ^ k, q & ALL, (p >> 32) ^ d ^ m, p & ALL
        k, m = (k + 0x9E3779B9) & ALL, (m + 0xBB67AE85) & ALL
    return [a, b, c, d]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([ALL] * 4, [ALL] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_known_answers_of_the_reference(counter, key, expected):
    """Those of the authors' Random123 (kat_vectors, philox4x32 10)."""
    assert " ".join(f"{word:08x}" for word in slow_block(counter, key)) == expected


def test_the_first_known_answer():
    assert [
        f"{int(word):08x}" for word in one(*np.zeros(5, np.uint64))
    ] == "6627e8d5 e169c58d bc57ac4c 9b00dbd8".split()


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**64 - 1), st.integers(0, 50), st.integers(0, 9), st.integers(0, 2**64 - 1))
def test_words_are_the_references(item, first, count, key):
    found = words_at(np.array([item], np.uint64), first, count, key)
    halves = [item & ALL, item >> 32]
    expected = [
        word
        for number in range((first + count) // 4 + 1)
        for word in slow_block([*halves, number, 0], [key & ALL, key >> 32])
    ]
    assert found.dtype == np.uint32 and found.tolist() == [expected[first : first + count]]


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**63 - 1), st.integers(1, 2**63), st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_integers_are_exact(item, high, key, number):
    (found,) = integers_at(np.array([item]), high, key, number).tolist()
    a, b, c, d = slow_block([item & ALL, item >> 32, number, 0], [key & ALL, key >> 32])
    assert found == (a << 96 | b << 64 | c << 32 | d) * high >> 128


def test_integers_are_uniform_and_their_keys_apart():
    found = integers_at(np.arange(10**5), 97, key_of(1, "a"))
    assert chisquare(np.bincount(found, minlength=97)).pvalue > 1e-3
    assert (found == integers_at(np.arange(10**5), 97, key_of(1, "b"))).mean() < 0.02
    assert np.abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.02


def test_quantiles_are_those_of_another_library_and_of_no_libraries_last_digits():
    exact = ndtri((np.arange(2**16) + 0.5) / 2**16)
    found = quantiles()
    assert (exact.astype(np.float32) == found).all()
    for beyond in (-np.inf, np.inf):
        middle = (np.nextafter(found, np.float32(beyond)).astype(float) + found) / 2
        assert np.abs(exact - middle).min() > 1e-14
    digest = hashlib.sha256(found.astype("<f4")).hexdigest()
    assert digest == "1cfbba1e07e34386a57626f82aeb43e6ed54ba70a3ea6b7d964dc66a841074a8"
