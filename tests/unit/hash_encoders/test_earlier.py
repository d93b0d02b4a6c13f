"""Repeats can be added: those that are trained are taken, and only the others are trained."""

import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rehash.datasets.layout import Split, write_dataset
from rehash.hash_encoders.cohort import CohortTraining
from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.store import write_json
from rehash.training import Compute
from toys import SCRIPTS, digits

# Of all kinds: networks along a training, a sample with noise and dropout, and one without BatchNorm.
CELLS = [
    {"epochs": [0, 2, 5]},
    {"sample_size": 96, "label_noise": 0.5, "dropout": 0.2, "untrained": True},
    {"batch_norm": False, "instance_noise": 0.3, "l2": 0.01},
]
PROTOCOL = {**vars(SCRIPTS), "epochs": 5, "patience": 2}


def make_dataset(path: Path, seed: int = 0) -> Path:
    split = Split(*digits(240, seed))
    about = {"name": "toy", "source": "", "licence": "", "class_names": list("abcd")}
    write_dataset(path, {"train": split, "test": split}, **about)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "d.h5")


@pytest.fixture
def trained(monkeypatch) -> set[int]:
    """The repeats that are trained, as a test goes on."""
    found, step = set(), CohortTraining.step

    def seen(self) -> None:
        found.update(repeat for _, repeat in self.running)
        step(self)

    monkeypatch.setattr(CohortTraining, "step", seen)
    return found


def job(dataset: Path, folder: Path, repeats: int, *, code: str = "c0de", go_on: str = "restart", **changes) -> dict:
    """Train as the rule does, in a folder: networks, history and provenance. Return the notes."""
    folder.mkdir(exist_ok=True)
    keys = {"dataset": "toy", "study": "s", "protocol": "p", "depth": "2", "layer_width": "7"}
    settings = {"keys": keys, "protocol": PROTOCOL, "cells": CELLS, "train_share": 0.8, "seed": 1} | changes
    files = folder / f"networks_{repeats}.safetensors", folder / f"training_{repeats}.csv"
    training = Training(**settings, repeats=repeats)
    notes = train_mlps(dataset, *files, training, Compute("cpu", 1), Saving(code, go_on))
    write_json({"params": {"code": code}, **notes, "digests": {}}, files[0].with_suffix(".json"))
    return notes


def contents(folder: Path, repeats: int) -> tuple[bytes, bytes]:
    return tuple(
        (folder / name).read_bytes() for name in (f"networks_{repeats}.safetensors", f"training_{repeats}.csv")
    )


def test_seven_are_trained_beside_three_and_the_three_keep_their_bytes(dataset, tmp_path, trained):
    job(dataset, tmp_path / "grown", 3)
    three = contents(tmp_path / "grown", 3)
    assert trained == {0, 1, 2}
    trained.clear()
    notes = job(dataset, tmp_path / "grown", 10)
    assert trained == set(range(3, 10))
    assert (notes["repeats_taken"], notes["taken_from"]) == (3, "networks_3.safetensors")
    assert notes["continued_from_code"] == []
    assert contents(tmp_path / "grown", 3) == three, "it is left as it was"
    few, many = (load_file(tmp_path / "grown" / f"networks_{n}.safetensors") for n in (3, 10))
    assert few.keys() == many.keys()
    for name in few:
        assert few[name].numpy().tobytes() == many[name][:3].numpy().tobytes(), name
    rows = three[1].decode().splitlines()
    assert {*rows} <= {*contents(tmp_path / "grown", 10)[1].decode().splitlines()}
    # As if all ten had been trained at once, byte for byte.
    trained.clear()
    assert job(dataset, tmp_path / "once", 10)["repeats_taken"] == 0
    assert trained == set(range(10))
    assert contents(tmp_path / "grown", 10) == contents(tmp_path / "once", 10)
    # Fewer are the first of more; nothing is trained.
    trained.clear()
    job(dataset, tmp_path / "once", 3)
    assert trained == set() and contents(tmp_path / "once", 3) == three


def test_of_several_files_the_one_that_leaves_least_to_do(dataset, tmp_path, trained):
    for repeats in (1, 4, 3):
        job(dataset, tmp_path, repeats)
    trained.clear()
    assert job(dataset, tmp_path, 6)["taken_from"] == "networks_4.safetensors" and trained == {4, 5}
    trained.clear()
    assert job(dataset, tmp_path, 5)["taken_from"] == "networks_6.safetensors" and trained == set()


@pytest.mark.parametrize(
    "why",
    ["code", "mixed code", "data", "settings", "networks", "history", "no provenance", "provenance", "device"],
)
def test_what_is_not_the_same_is_not_used(dataset, tmp_path, trained, why):
    """Nor does it stop a job, which can train all."""
    job(dataset, tmp_path, 2)
    networks, history, facts = (
        tmp_path / name for name in ("networks_2.safetensors", "training_2.csv", "networks_2.json")
    )
    changes, asked = {}, dataset
    if why == "code":
        changes = {"code": "other"}
    elif why == "mixed code":
        write_json({**json.loads(facts.read_text()), "continued_from_code": ["older"]}, facts)
    elif why == "data":
        asked = make_dataset(tmp_path / "other.h5", seed=9)
    elif why == "settings":
        changes = {"seed": 2}
    elif why == "networks":
        content = bytearray(networks.read_bytes())
        content[-5] ^= 1
        networks.write_bytes(content)
    elif why == "history":
        history.write_text(history.read_text().replace("0.", "1.", 1))
    elif why == "no provenance":
        facts.unlink()
    elif why == "provenance":
        facts.write_text('{"params": []')
    elif why == "device":
        write_json({**json.loads(facts.read_text()), "device_kind": "cpu of another kind"}, facts)
    trained.clear()
    assert job(asked, tmp_path, 3, **changes)["repeats_taken"] == 0
    assert trained == {0, 1, 2}


def test_networks_of_other_code_are_used_where_a_training_goes_on_all_the_same(dataset, tmp_path, trained):
    job(dataset, tmp_path, 2, code="old")
    trained.clear()
    notes = job(dataset, tmp_path, 3, code="new", go_on="continue")
    assert trained == {2} and notes["continued_from_code"] == ["old"]
    # What is of two codes is not taken for that of one.
    trained.clear()
    assert job(dataset, tmp_path, 4, code="new")["repeats_taken"] == 0 and trained == {0, 1, 2, 3}


def test_a_state_of_some_repeats_is_not_taken_for_that_of_others(dataset, tmp_path, trained, monkeypatch):
    """It was stopped while it trained the third repeat; then the file with the first two was deleted."""
    job(dataset, tmp_path, 2)
    with monkeypatch.context() as patch:
        patch.setattr(
            "rehash.hash_encoders.train.write_networks", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
        )
        with pytest.raises(OSError, match="full"):
            job(dataset, tmp_path, 3)
    assert list(tmp_path.glob(".networks_3.safetensors.*.state"))
    (tmp_path / "networks_2.safetensors").unlink()
    trained.clear()
    job(dataset, tmp_path, 3)
    assert trained == {0, 1, 2}
    cells, _ = read_networks(tmp_path / "networks_3.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in cells[0]["trained"].values())


def test_networks_that_diverged_and_their_history_are_taken_as_they_are(dataset, tmp_path, trained):
    protocol = PROTOCOL | {"optimiser": "sgd", "learning_rate": 1e18, "batch_norm": None, "epochs": 4}
    for place, counts in (("grown", (1, 2)), ("once", (2,))):
        for repeats in counts:
            job(dataset, tmp_path / place, repeats, protocol=protocol, cells=[{}, {"sample_size": 96}])
    for grown, once in zip(contents(tmp_path / "grown", 2), contents(tmp_path / "once", 2)):
        assert grown == once
    losses = [line["loss"] for line in csv.DictReader((tmp_path / "grown" / "training_2.csv").read_text().splitlines())]
    assert {"", "inf"} & {*losses}, "a loss that is no number"
