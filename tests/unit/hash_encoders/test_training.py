"""The training job: killed anywhere, it ends with the same files; it never goes on from a state of other data."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rehash.datasets.layout import Split, write_dataset
from rehash.digest import SCRIPTS as PATH
from rehash.errors import InputError
from rehash.hash_encoders.studies import STUDIES
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving, discard_state
from rehash.store import read_csv
from rehash.training import Compute
from toys import SCRIPTS, digits

EPOCHS = 80  # of a training that has not ended before it is killed
KEYS = {"dataset": "toy", "study": "s", "protocol": "p", "depth": "2", "layer_width": "9"}


@pytest.fixture
def dataset(tmp_path) -> Path:
    images, labels = digits(400)
    split = Split(images, labels)
    write_dataset(
        tmp_path / "d.h5", {"train": split, "test": split}, name="toy", source="", licence="", class_names=list("abcd")
    )
    return tmp_path / "d.h5"


def arguments(dataset: Path, folder: Path, epochs: int = 20, **changes: Any) -> dict:
    """What a job is told, as JSON has it: its files, and the fields of its training."""
    folder.mkdir(exist_ok=True)
    training = {
        "keys": KEYS,
        "protocol": {**vars(SCRIPTS), "epochs": epochs},
        # Of all kinds: networks along a training, a small sample, dropout that draws its own numbers.
        "cells": [
            {"epochs": [0, 2, epochs], "activation": "prelu"},
            {"sample_size": 90, "label_noise": 0.5, "dropout": 0.2, "untrained": True},
            {"batch_norm": False, "instance_noise": 0.3},
        ],
        "train_share": 0.8,
        "repeats": 2,
        "seed": 1,
    }
    return {
        "files": [str(dataset), str(folder / "n.safetensors"), str(folder / "h.csv")],
        "training": {**training, **changes},
    }


def train(files: list[str], training: dict) -> dict[str, Any]:
    return train_mlps(*files, Training(**training), Compute("cpu", 1), Saving())


JOB = """
import json, sys
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.training import Compute
job = json.loads(sys.argv[1])
train_mlps(*job["files"], Training(**job["training"]), Compute("cpu", 1), Saving(every_s=0.02))
"""


def start(arguments: dict) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(PATH)}
    return subprocess.Popen([sys.executable, "-c", JOB, json.dumps(arguments)], env=environment, stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [pytest.param(signal.SIGKILL, marks=pytest.mark.long), signal.SIGTERM])
def test_killed_process_goes_on(tmp_path, dataset, signal_number):
    once, again = tmp_path / "once", tmp_path / "again"
    train(**arguments(dataset, once, EPOCHS))
    for delay in (0.05, 0.4):
        begun = time.time_ns()
        process = start(arguments(dataset, again, EPOCHS))
        while not any(p.stat().st_mtime_ns > begun for p in again.glob(".n.safetensors.*.state")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        time.sleep(delay)
        process.send_signal(signal_number)
        assert process.wait(30) == (-9 if signal_number == signal.SIGKILL else 143)
        process.stderr.close()
        assert not (again / "n.safetensors").exists() and not (again / "h.csv").exists()
    notes = train(**arguments(dataset, again, EPOCHS))
    assert notes["epochs"] == [[EPOCHS, EPOCHS]] * 3
    assert list(again.glob(".n.safetensors.*.state")), "kept until the job has written everything"
    discard_state(again / "n.safetensors")
    for name in ("n.safetensors", "h.csv"):
        assert (once / name).read_bytes() == (again / name).read_bytes()
    assert sorted(p.name for p in again.iterdir()) == ["h.csv", "n.safetensors"]


@pytest.mark.slow
def test_repeats_do_not_depend_on_their_number(tmp_path, dataset):
    """A study that grows from 2 to 3 repeats keeps its first two (their sums may be rounded otherwise)."""
    two, three = tmp_path / "two", tmp_path / "three"
    train(**arguments(dataset, two, 2))
    train(**arguments(dataset, three, 2, repeats=3))
    few, more = (load_file(folder / "n.safetensors") for folder in (two, three))
    for name in few:
        if "/untrained/" in name:
            assert torch.equal(few[name], more[name][:2])
    few, more = (read_csv(folder / "h.csv") for folder in (two, three))
    few, more = (table.set_index(["sample_size", "batch_norm", "repeat", "epoch"]).loss for table in (few, more))
    assert np.allclose(few, more[few.index], rtol=1e-3)


@pytest.mark.slow
def test_a_state_is_not_used_on_other_data(tmp_path, dataset):
    """The dataset was rebuilt with other content between the kill and the restart."""
    other = tmp_path / "other.h5"
    images, labels = digits(400, seed=9)
    split = {"train": Split(images, labels), "test": Split(images, labels)}
    write_dataset(other, split, name="toy", source="", licence="", class_names=list("abcd"))
    process = start(arguments(dataset, tmp_path / "run"))
    while not list((tmp_path / "run").glob(".n.safetensors.*.state")):
        time.sleep(0.02)
    process.kill()
    process.wait(30)
    process.stderr.close()
    train(**arguments(other, tmp_path / "run"))
    train(**arguments(other, tmp_path / "fresh"))
    assert (tmp_path / "run" / "h.csv").read_bytes() == (tmp_path / "fresh" / "h.csv").read_bytes()


@pytest.mark.parametrize("share", [1e-9, float("nan"), 1.5])
def test_a_share_that_leaves_nothing(tmp_path, dataset, share):
    with pytest.raises(
        InputError, match=r"config: hash_encoders\.train_share, or that of the study: .* of 400 inputs leaves nothing"
    ):
        train(**arguments(dataset, tmp_path / "x", train_share=share))


def test_smaller_samples_along_a_training_and_one_that_is_none(tmp_path, dataset):
    """They have the epochs of the others; one of all inputs would give the same networks twice."""
    study = STUDIES["training_time"]
    cells = study.cells({"epochs": [1, 0], "sample_sizes": [90, 30], "tiled": False})
    assert cells == [{"epochs": [0, 1]}, *({"epochs": [0, 1], "sample_size": n, "tiled": False} for n in (30, 90))]
    train(**arguments(dataset, tmp_path / "run", cells=cells))
    assert sorted(read_csv(tmp_path / "run" / "h.csv").sample_size) == [30, 30, 90, 90, 320, 320]
    cells = study.cells({"epochs": [0, 1], "sample_sizes": [320], "tiled": True})
    with pytest.raises(
        InputError, match=r"sample size 320 of dataset toy is all of its training inputs, .* take it out"
    ):
        train(**arguments(dataset, tmp_path / "again", cells=cells))


def test_a_failure_after_training_loses_nothing(tmp_path, dataset, monkeypatch):
    """The outputs cannot be written; the next run writes them without training again."""
    arguments_ = arguments(dataset, tmp_path / "run", 5)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rehash.hash_encoders.train.write_networks", full)
        with pytest.raises(OSError, match="No space left"):
            train(**arguments_)
    monkeypatch.setattr("rehash.hash_encoders.cohort.CohortTraining.step", lambda self: pytest.fail("trained again"))
    train(**arguments_)
    assert (tmp_path / "run" / "n.safetensors").exists()
