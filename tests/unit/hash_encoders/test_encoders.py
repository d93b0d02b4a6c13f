"""Cohorts as encoders: the bits that the cohort's own job computes, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rehash.bits import pack, unpack
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.encoders import Wanted, encoded
from rehash.errors import InputError
from rehash.hash_encoders.encode import encode, network_shape
from rehash.hash_encoders.encoders import cohort
from rehash.hash_encoders.networks import as_inputs, forward
from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.training import Compute

CPU, WIDTH, DEPTH = torch.device("cpu"), 19, 2
SHAPES = {"grey": (5, 4), "colour": (5, 4, 3), "vectors": (11,)}
SETTINGS = {"state": "trained", "layer": None}


@pytest.fixture(scope="module", params=[("grey", "relu"), ("colour", "leaky"), ("vectors", "prelu")], ids="-".join)
def trained(request, tmp_path_factory):
    """A dataset and a cohort of two networks with BatchNorm and an offset, and the protocol."""
    kind, activation = request.param
    folder, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(2)
    splits = {}
    for name, n in (("train", 60), ("test", 700)):
        values = rng.standard_normal if kind == "vectors" else lambda shape: rng.integers(0, 256, shape)
        inputs = values((n, *SHAPES[kind])).astype(np.float32 if kind == "vectors" else np.uint8)
        splits[name] = Split(inputs, np.arange(n, dtype=np.int64) % 3)
    write_dataset(folder / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b", "c"])
    keys = {"dataset": "d", "study": "capacity", "protocol": "p", "depth": DEPTH, "layer_width": WIDTH}
    protocol = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 8, "epochs": 2, "offset": 0.25}
    protocol |= {"batch_norm": {"momentum": 0.1, "eps": 1e-3}, "activation": activation}
    training = Training(keys, protocol, cells=[{"untrained": True}], train_share=1.0, repeats=2, seed=5)
    files = (folder / name for name in ("d.h5", "n.safetensors", "h.csv"))
    train_mlps(*files, training, Compute("cpu"), Saving())
    return Dataset.read(folder / "d.h5"), {"networks": str(folder / "n.safetensors")}, Protocol(**protocol)


def wanted(images: Dataset, bits: int = WIDTH, repeat: int = 1) -> Wanted:
    return Wanted.of(images, bits, repeat, CPU, dataset="d", seed=1, where="config: comparison.sources.x")


def numbers(encoder, images: Dataset) -> np.ndarray:
    return np.concatenate(list(encoded(encoder, images.test.inputs, CPU)))


@pytest.mark.parametrize("state", ["trained", "untrained"])
def test_bits_are_those_of_the_cohorts_own_job(trained, state):
    """Where the same sums are done: one network, as many inputs at a time; and so, too, beside another network."""
    images, files, protocol = trained
    cells, identity = read_networks(files["networks"])
    inputs = as_inputs(images.test.inputs, CPU, offset=protocol.offset)
    labels = torch.from_numpy(images.test.labels)
    shape = network_shape(identity, inputs.shape[1], "n")
    both = cells[0][state]
    for members, chunk in ((slice(1, 2), 500), (slice(None), None)):
        network = {name: tensor[members] for name, tensor in both.items()}
        packed = encode(network, inputs, labels, shape, protocol.norm, chunk)[0][-1]
        bits = unpack(packed, WIDTH * DEPTH)
        for layer in (1, 2):
            logits = numbers(cohort(files, {"state": state, "layer": layer}, wanted(images)), images)
            assert logits.dtype == np.float32 and np.array_equal(logits > 0, bits[:, WIDTH * (layer - 1) :][:, :WIDTH])
    last = numbers(cohort(files, {"state": state, "layer": None}, wanted(images)), images)
    assert np.array_equal(pack(last > 0), pack(bits[:, WIDTH:]))
    other = numbers(cohort(files, {"state": state, "layer": None}, wanted(images, repeat=0)), images)
    assert not np.array_equal(other > 0, last > 0)


def test_real_numbers_are_what_the_next_layer_is_given(trained):
    """The head's logits, computed from them, are the network's."""
    images, files, protocol = trained
    cells, identity = read_networks(files["networks"])
    network = {name: tensor[1:] for name, tensor in cells[0]["trained"].items()}
    inputs = as_inputs(images.test.inputs, CPU, offset=protocol.offset)
    shape = network_shape(identity, inputs.shape[1], "n")
    expected, _ = forward(network, inputs.t()[None], shape, protocol.norm, training=False)
    real = numbers(cohort(files, SETTINGS, wanted(images, bits=0)), images)
    head = real @ network["head.weight"][0].numpy().T + network["head.bias"][0].numpy()
    assert np.allclose(head, expected[0].t().numpy(), rtol=1e-4, atol=1e-5)


def test_what_the_file_has_not_is_refused(trained):
    images, files, _ = trained
    asked = wanted(images)
    with pytest.raises(
        InputError, match=r"x: 18 bits of .*n.safetensors, whose layers have 19 units; expected networks"
    ):
        cohort(files, SETTINGS, replace(asked, bits=18))
    with pytest.raises(InputError, match=r"x: .* has 2 repeats of untrained, trained; expected trained, repeat 2"):
        cohort(files, SETTINGS, replace(asked, repeat=2))
    with pytest.raises(InputError, match="expected half, repeat 1"):
        cohort(files, {"state": "half", "layer": None}, asked)
    for layer in (0, 3):
        with pytest.raises(InputError, match=rf"x.layer is {layer}; .* of 2 hidden layers: expected 1 to 2"):
            cohort(files, {"state": "trained", "layer": layer}, asked)
    with pytest.raises(InputError, match=r"x: .* was trained on other data than the dataset's"):
        cohort(files, SETTINGS, replace(asked, data="0"))
    with pytest.raises(InputError, match="the dataset has 7"):
        cohort(files, SETTINGS, replace(asked, shape=(7,)))
