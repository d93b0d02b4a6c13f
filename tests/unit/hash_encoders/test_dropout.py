"""Gates of dropout: the generator's published numbers, the share that is closed, and independence of the start."""

import numpy as np
import pytest
import torch

from rehash.equihash.databases.mixing import mix
from rehash.hash_encoders.dropout import gates, words


def test_words_are_those_of_splitmix64():
    """The first numbers of the generator from 0, as its authors' C code prints them; and many of other states."""
    first = [word % 2**64 for word in words(torch.tensor([0]), 0, 3)[0].tolist()]
    assert first == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    keys = np.random.default_rng(0).integers(0, 2**63, 5)
    ours = words(torch.from_numpy(keys), torch.tensor(2**40), 1000).numpy().view(np.uint64)
    places = np.arange(2**40 + 1, 2**40 + 1001, dtype=np.uint64)
    assert (ours == mix(keys.astype(np.uint64)[:, None] + places * np.uint64(0x9E3779B97F4A7C15))).all()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gates_have_their_share_and_a_mean_of_one(share, dtype):
    shares = torch.tensor([share, 0.25], dtype=dtype)
    found = gates(torch.tensor([3, 4]), 7, (3, 250, 401), shares)
    assert found.shape == (2, 3, 250, 401) and found.dtype == dtype
    for gate, each in zip(found, shares.tolist()):
        kept = 1 - min(round(each * 2**16), 2**16 - 1) / 2**16
        # of 300,750 gates, within 5 standard deviations
        assert (gate > 0).double().mean() == pytest.approx(kept, abs=5 * (kept * (1 - kept) / gate.numel()) ** 0.5)
        assert gate[gate > 0].unique().tolist() == [pytest.approx(1 / kept)]


def test_steps_of_any_size_have_numbers_of_their_own():
    """A large step and the small last one of an epoch, whatever their places, share no run of gates."""
    key, share = torch.tensor([5]), torch.tensor([0.5])
    large = gates(key, 2, (1, 30, 64), share).flatten()
    for step in range(60, 100):
        small = gates(key, step, (1, 30, 2), share).flatten()
        assert not (large.unfold(0, len(small), 1) == small).all(1).any()


def test_gates_of_steps_and_members_are_independent():
    """Correlations of gates between neighbouring steps, members, layers, units and samples are as small as of chance."""
    keys, shares = torch.tensor([10, 11]), torch.full((2,), 0.5)
    steps = torch.stack([gates(keys, step, (2, 64, 64), shares) for step in range(8)]) - 1
    for dim in range(steps.ndim):
        one, other = steps.narrow(dim, 0, steps.shape[dim] - 1), steps.narrow(dim, 1, steps.shape[dim] - 1)
        assert abs((one * other).mean()) < 5 / one.numel() ** 0.5, dim
