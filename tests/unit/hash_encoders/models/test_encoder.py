"""Nodes of networks as encoders: against torch's own activations, and against the codes of layers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from rehash.bits import unpack
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.encoders import Wanted, as_batch, encoded
from rehash.errors import InputError
from rehash.hash_encoders.models import encoder as module
from rehash.hash_encoders.models.codes import LayerCodes, LayersEncoding
from rehash.hash_encoders.models.encode import encode_model
from rehash.hash_encoders.models.encoder import layer
from rehash.hash_encoders.models.origins import Origin
from rehash.job import Saving
from rehash.training import Compute

CPU = torch.device("cpu")
FILE = """
from torch import nn

def make():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 8, 3), nn.LeakyReLU(0.3, inplace=True), nn.Flatten(),
        nn.Linear(72, 10), nn.ReLU(inplace=True), nn.Linear(10, 4),
    )
"""
BLOCK = {
    "source": "file", "call": "make", "name": None, "arguments": {}, "image_size": None, "channels": None,
    "inputs": {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2]}, "protocol": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A dataset of colour images, the files of a network, and for each node what a layer gives, (N, C, P)."""
    folder, rng = tmp_path_factory.mktemp("layer"), np.random.default_rng(0)
    splits = {
        name: Split(rng.integers(0, 256, (n, 7, 7, 3), np.uint8), np.arange(n) % 4)
        for name, n in (("train", 40), ("test", 90))
    }
    write_dataset(folder / "d.h5", splits, name="d", source="", licence="", class_names=list("abcd"))
    (folder / "net.py").write_text(FILE)
    torch.manual_seed(7)
    layers = [nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.LeakyReLU(0.3), nn.Flatten(), nn.Linear(72, 10)]
    network = nn.Sequential(*layers, nn.ReLU(), nn.Linear(10, 4)).eval()
    save_file(network.state_dict(), folder / "w.safetensors")
    images = Dataset.read(folder / "d.h5")
    mean, std = (torch.tensor(BLOCK["inputs"][key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    value, before, after = (as_batch(images.test.inputs, CPU) - mean) / std, {}, {}
    with torch.no_grad():
        for number, part in enumerate(network):
            before[str(number)] = value
            value = part(value)
            after[str(number)] = value
    files = {"path": str(folder / "net.py"), "weights": str(folder / "w.safetensors")}
    return images, files, before, after


def settings(node="3", pool="none", state="trained"):
    return {"name": "mine", "block": BLOCK, "state": state, "node": node, "pool": pool}


def wanted(images: Dataset, bits: int) -> Wanted:
    return Wanted.of(images, bits, 0, CPU, dataset="d", seed=11, where="config: comparison.sources.x")


def numbers(encoder, images: Dataset) -> np.ndarray:
    return np.concatenate(list(encoded(encoder, images.test.inputs, CPU)))


def columns_of(found: np.ndarray, among: np.ndarray) -> list[int]:
    """For each column of bits, (N, K), the only column among (N, M) that is equal."""
    places = [np.flatnonzero((among == column[:, None]).all(0)) for column in found.T]
    assert all(len(place) == 1 for place in places)
    return [int(place[0]) for place in places]


@pytest.mark.parametrize("node", ["1", "3", "6"])
@pytest.mark.parametrize("pool", ["none", "any"])
def test_a_bit_is_1_where_a_unit_is_on(given, node, pool):
    """Units that overwrite their inputs, and leaky ones whose outputs below 0 are not 0."""
    images, files, before, _ = given
    on = (before[node] > 0).flatten(2) if before[node].ndim > 2 else (before[node] > 0)[..., None]
    on = (on if pool == "none" else on.any(2)).flatten(1).numpy()
    every = numbers(layer(files, settings(node, pool), wanted(images, on.shape[1])), images)
    assert np.array_equal(every > 0, on)
    if pool == "none" and node != "6":
        drawn = numbers(layer(files, settings(node, pool), wanted(images, 40)), images) > 0
        fewer = numbers(layer(files, settings(node, pool), wanted(images, 16)), images) > 0
        places = columns_of(drawn, on)
        assert np.array_equal(fewer, drawn[:, :16]) and len(set(places)) == 40 and places != sorted(places)


def test_logits_are_pre_activations_where_a_unit_is_on(given):
    images, files, before, after = given
    logits = numbers(layer(files, settings("3"), wanted(images, 72)), images)
    pre = before["3"].flatten(1).numpy()
    assert np.allclose(logits, np.where(pre > 0, pre, after["3"].flatten(1).numpy()), rtol=1e-5, atol=1e-6)
    dense = numbers(layer(files, settings("5"), wanted(images, 10)), images)  # no unit: its own numbers
    assert np.allclose(dense, after["5"].numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("node", ["3", "5", "6"])
def test_real_numbers_are_sums_over_positions(given, node):
    images, files, _, after = given
    value = after[node] if after[node].ndim == 2 else after[node].sum((2, 3))
    found = numbers(layer(files, settings(node), wanted(images, 0)), images)
    assert np.allclose(found, value.numpy(), rtol=1e-4, atol=1e-5)


def test_codes_are_those_of_the_study_of_layers(given, tmp_path):
    images, files, _, _ = given
    keys = {"dataset": "d", "model": "mine", "state": "untrained", "repeat": "0"}
    pools = {"pool": ["none", "any"], "bits": [1.0], "max_bits": 500}
    encoding = LayersEncoding(keys, BLOCK, "relu", pools, {"train": None, "test": None}, 1.0, 11)
    encode_model(images.path, Origin(path=files["path"]), tmp_path / "c.h5", encoding, Compute("cpu"), Saving())
    codes = LayerCodes.read(tmp_path / "c.h5")
    compared = 0
    for number, code in enumerate(codes.codes):
        if code.place:
            bits = unpack(codes.of(number)[codes.train :], code.size)
            own = layer({"path": files["path"]}, settings(code.node, code.pool, "untrained"), wanted(images, code.size))
            assert np.array_equal(numbers(own, images) > 0, bits)
            compared += 1
    assert compared == 6


def test_small_batches_give_the_same_bits(given, monkeypatch):
    images, files, _, _ = given
    whole = numbers(layer(files, settings(), wanted(images, 16)), images)
    monkeypatch.setattr(module, "batch_size", lambda nodes: 7 if len(list(nodes)) == 8 else 0)
    assert np.array_equal(numbers(layer(files, settings(), wanted(images, 16)), images) > 0, whole > 0)


def test_vectors_are_shown_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    splits = dict.fromkeys(("train", "test"), Split(rng.standard_normal((30, 5)).astype(np.float32), np.arange(30) % 2))
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b"])
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Linear(5, 4), nn.ReLU())\n"
    )
    torch.manual_seed(0)
    dense = nn.Linear(5, 4)
    save_file({f"0.{name}": tensor for name, tensor in dense.state_dict().items()}, tmp_path / "w.safetensors")
    files, images = (
        {"path": str(tmp_path / "net.py"), "weights": str(tmp_path / "w.safetensors")},
        Dataset.read(tmp_path / "d.h5"),
    )
    plain = {**settings("1"), "block": {**BLOCK, "inputs": "unit"}}
    with torch.no_grad():
        expected = F.linear(torch.from_numpy(images.test.inputs), dense.weight, dense.bias) > 0
    assert np.array_equal(numbers(layer(files, plain, wanted(images, 4)), images) > 0, expected.numpy())
    with pytest.raises(InputError, match=r"models.mine: the dataset has vectors; inputs, image_size and channels are"):
        layer(files, settings("1"), wanted(images, 4))


def test_what_cannot_be_had_is_refused(given):
    images, files, _, _ = given
    with pytest.raises(
        InputError, match=r"^config: comparison.sources.x: 73 bits of the node 3 with pool: none, which has 72"
    ):
        layer(files, settings(), wanted(images, 73))
    with pytest.raises(InputError, match="11 bits of the node 3 with pool: any, which has 8"):
        layer(files, settings(pool="any"), wanted(images, 11))
    with pytest.raises(InputError, match=r"config: comparison.sources.x.node: unknown node '9'"):
        layer(files, settings("9"), wanted(images, 8))
    with pytest.raises(InputError, match=r"x.node: '\*' stands for 8 nodes, 0 first; expected one"):
        layer(files, settings("*"), wanted(images, 8))
    with pytest.raises(InputError, match=r"x.pool, which gives bits: unknown pool 'sum'"):
        layer(files, settings(pool="sum"), wanted(images, 8))
    grey = replace(wanted(images, 8), shape=(1, 7, 7))
    with pytest.raises(InputError, match=r"models.mine.inputs: mean has 3 numbers"):
        layer(files, settings(), grey)
