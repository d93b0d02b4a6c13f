"""Tensors in files: to the bit, and damage anywhere is found."""

import pytest
import torch

from rehash.tensors import pack_tensors, read_tensors

TENSORS = {
    "none": torch.empty(0, 3),
    "one": torch.tensor(7),
    "yes": torch.tensor([True, False]),
    "half": torch.arange(6).reshape(2, 3).half().T,
    "x": torch.randn(5, generator=torch.Generator().manual_seed(0)),
}
ABOUT = {"b": [1, None], "a": {"é": 0.1}}


def test_round_trip(tmp_path):
    content = pack_tensors(TENSORS, ABOUT)
    assert content == pack_tensors(TENSORS, ABOUT), "the same bytes"
    (tmp_path / "t").write_bytes(content)
    found, about = read_tensors(tmp_path / "t")
    assert about == ABOUT and list(about) == list(ABOUT) and set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)


def test_every_byte_matters(tmp_path):
    content = pack_tensors(TENSORS, ABOUT)
    for at in range(len(content)):
        (tmp_path / "t").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            found, about = read_tensors(tmp_path / "t")
        except ValueError:
            continue
        assert about == ABOUT and set(found) == set(TENSORS), at
        assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items()), "padding alone may differ"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        read_tensors(tmp_path / "none")
