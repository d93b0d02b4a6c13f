"""The job that measures networks' codes, against codes made and measured by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.measure import measure_properties
from rehash.hash_encoders.networks_file import read_networks, write_networks
from rehash.hash_encoders.properties import encoding_properties
from rehash.hash_encoders.train import Training, train_mlps
from rehash.hash_encoders.trained import Trained
from rehash.job import Saving
from rehash.training import Compute

KEYS = {"dataset": "d", "study": "label_noise", "protocol": "tiny", "depth": 2, "layer_width": 6}
PROTOCOL = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 8, "epochs": 2, "offset": 0.25}
CPU = Compute("cpu", 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A dataset and a file of networks: 2 cells (a half and none of the labels permuted) of 3 networks."""
    folder, rng = tmp_path_factory.mktemp("measure"), np.random.default_rng(0)
    splits = {
        name: Split(rng.integers(0, 256, (n, 5, 5), np.uint8), np.arange(n, dtype=np.int64) % 3)
        for name, n in (("train", 60), ("test", 30))
    }
    write_dataset(folder / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b", "c"])
    cells = [{"label_noise": 0.5, "untrained": True}, {"label_noise": 0.0}]
    training = Training(KEYS, PROTOCOL, cells=cells, train_share=0.8, repeats=3, seed=5)
    train_mlps(folder / "d.h5", folder / "n.safetensors", folder / "history.csv", training, CPU, Saving())
    return folder / "d.h5", folder / "n.safetensors", splits


def by_hand(images: np.ndarray, network: dict, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed codes and predictions of one network, layer after layer, by numpy alone."""
    x, codes = images.reshape(len(images), -1) / 255 - 0.25, []
    for layer in ("hidden.0", "hidden.1"):
        x = np.maximum(x @ network[f"{layer}.weight"][repeat].numpy().T + network[f"{layer}.bias"][repeat].numpy(), 0)
        codes.append(x > 0)
    logits = x @ network["head.weight"][repeat].numpy().T + network["head.bias"][repeat].numpy()
    return np.packbits(np.concatenate(codes, 1), axis=1), logits.argmax(1)


def test_every_row_is_of_its_network(files, tmp_path):
    dataset, networks, splits = files
    notes = measure_properties(dataset, networks, tmp_path / "p.csv", CPU, one_vs_one_classes=50)
    table = pd.read_csv(tmp_path / "p.csv")
    cells, _ = read_networks(networks)
    assert len(table) == 3 * (2 + 1) and notes["diverged"] == 0 and set(notes["digests"]) == {str(dataset)}
    for row in table.itertuples():
        cell = 0 if row.label_noise else 1
        network = cells[cell]["trained" if row.epoch else "untrained"]
        (train, _), (test, predicted) = (by_hand(splits[name].inputs, network, row.repeat) for name in splits)
        assert row.accuracy_test == pytest.approx(np.mean(predicted == splits["test"].labels))
        expected = encoding_properties(
            train[:48], splits["train"].labels[:48], test, splits["test"].labels, n_bits=12, classes=3, seed=0
        )
        # All but K-Means, whose starts have seeds of their own.
        for name in ("code_bits", "redundancy_train", "redundancy_test", "knn", "lr"):
            assert getattr(row, name) == pytest.approx(expected[name]), name


def test_many_classes_are_measured_one_vs_rest_and_it_is_said(files, tmp_path, caplog):
    """Three classes, with a limit of two; the same table otherwise."""
    dataset, networks, _ = files
    tables = {}
    for limit, scheme in ((3, "one-vs-one"), (2, "one-vs-rest")):
        with caplog.at_level("INFO", "rehash"):
            notes = measure_properties(dataset, networks, tmp_path / "p.csv", CPU, one_vs_one_classes=limit)
        tables[scheme] = pd.read_csv(tmp_path / "p.csv")
        assert notes["lr_scheme"] == scheme and set(tables[scheme].lr_scheme) == {scheme}
        assert f"3 classes: logistic regression is {scheme}" in caplog.text
    one, rest = (tables[scheme].drop(columns="lr_scheme") for scheme in ("one-vs-one", "one-vs-rest"))
    assert not one.lr.equals(rest.lr) and one.drop(columns="lr").equals(rest.drop(columns="lr"))


def test_networks_that_diverged_are_not_measured(files, tmp_path):
    dataset, networks, _ = files
    cells, identity = read_networks(networks)
    cells[1]["trained"]["head.bias"][2] = torch.nan
    trained = [Trained(snapshots, epochs) for snapshots, epochs in zip(cells, identity["epochs"])]
    write_networks(tmp_path / "n.safetensors", trained, {k: v for k, v in identity.items() if k != "epochs"})
    assert (
        measure_properties(dataset, tmp_path / "n.safetensors", tmp_path / "p.csv", CPU, one_vs_one_classes=50)[
            "diverged"
        ]
        == 1
    )
    table = pd.read_csv(tmp_path / "p.csv")
    lost = table[table.code_bits == 0]
    assert lost[["label_noise", "repeat"]].values.tolist() == [[0.0, 2]] and lost[METRICS].isna().all(axis=None)
    assert table[table.code_bits > 0][METRICS].notna().all(axis=None)


def test_a_dataset_of_another_shape_is_refused(files, tmp_path):
    other = {name: Split(np.zeros((9, 4, 4), np.uint8), np.arange(9) % 3) for name in ("train", "test")}
    write_dataset(tmp_path / "o.h5", other, name="o", source="", licence="", class_names=["a", "b", "c"])
    with pytest.raises(InputError, match="networks of 25 inputs; the dataset has 16"):
        measure_properties(tmp_path / "o.h5", files[1], tmp_path / "p.csv", CPU, one_vs_one_classes=50)
    assert not (tmp_path / "p.csv").exists()
