import numpy as np
import pytest
import torch

from rehash.equihash.images.noise import DeviceSource
from rehash.seeds import integer, stream


def test_same_names_same_stream_whatever_was_drawn_before():
    first = stream(1, "a", 2).random(5)
    stream(1, "b").random(1000)
    assert (stream(1, "a", "2").random(5) == first).all()


@pytest.mark.parametrize("other", [(2, "a", 2), (1, "a", 3), (1, "a2"), (1, 2, "a"), (1, "a", 2, "")])
def test_other_names_other_stream(other):
    assert not np.isin(stream(*other).integers(0, 2**62, 8), stream(1, "a", 2).integers(0, 2**62, 8)).any()


def test_streams_are_uncorrelated():
    draws = np.stack([stream(0, "x", i).standard_normal(4000) for i in range(20)])
    off_diagonal = np.corrcoef(draws)[~np.eye(20, dtype=bool)]
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(4000)


def test_integer_is_a_31_bit_seed():
    values = [integer(7, "k", i) for i in range(1000)]
    assert len(set(values)) == 1000 and min(values) >= 0 and max(values) < 2**31 and max(values) > 2**30


def test_more_bits_for_those_who_take_them():
    """Of 2^31 seeds, 800,000 draws would meet some twice."""
    values = [integer(7, "k", i, bits=63) for i in range(1000)]
    assert max(values) < 2**63 and min(values) >= 0 and sum(value >= 2**62 for value in values) > 400
    assert [value % 2**31 for value in values] == [integer(7, "k", i) for i in range(1000)]
    seeds = {DeviceSource.of(7, i, device=torch.device("cpu")).generator.initial_seed() for i in range(100)}
    assert len(seeds) == 100 and max(seeds) > 2**62
