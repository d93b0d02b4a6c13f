"""Saved state: killed anywhere, a training ends with the same bytes; a foreign state is never used."""

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_cohort import SCRIPTS, cohort, digits

from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.hash_encoders.train import train_mlps
from rehash.store import read_csv
from rehash.training import StateFile, discard_state, resolve_device, run

KEYS = {"dataset": "toy", "study": "s", "protocol": "p", "depth": "2", "layer_width": "9"}


class Killed(Exception):
    pass


def result(folder: Path, kill_at=(), protocol=SCRIPTS, every=1) -> dict[str, torch.Tensor]:
    """Train the toy cohort, dying right before each of the given numbers of steps; the final networks."""
    for limit in [*kill_at, None]:
        job = cohort(protocol, dtype=torch.float32)
        step = job.step

        def mortal(job=job, step=step, limit=limit):
            if limit is not None and job.finished_steps >= limit:
                raise Killed
            step()

        job.step = mortal
        try:
            with StateFile(folder / "networks", {"a": 1}) as state:
                save, calls = state.save, count()
                # Only every `every`-th state reaches the disk, so that a restart has steps to repeat.
                state.save = lambda *s, save=save, calls=calls: next(calls) % every or save(*s)
                run(job, state, save_every_s=0, log_every_s=0)
        except Killed:
            pass
    discard_state(folder / "networks")
    assert not list(folder.iterdir()), "nothing is left of the state and the lock"
    return {f"{s}/{k}": v for s, n in job.trained.networks.items() for k, v in n.items()} | {
        "history": torch.tensor([[h["repeat"], h["epoch"], h["loss"], h["accuracy"]] for h in job.trained.history])
    }


@pytest.mark.parametrize("every", [1, 7, 20])
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 40))])
def test_killed_at_random_steps_ends_with_the_same_bytes(tmp_path, seed, every):
    stopping = type(SCRIPTS)(**{**vars(SCRIPTS), "patience": 1, "learning_rate": 0.2, "epochs": 8})
    undisturbed = result(tmp_path, protocol=stopping)
    steps = sorted(random.Random(seed).sample(range(1, 60), 5))
    disturbed = result(tmp_path, kill_at=steps, protocol=stopping, every=every)
    for name, tensor in undisturbed.items():
        assert tensor.numpy().tobytes() == disturbed[name].numpy().tobytes(), name


@pytest.fixture
def dataset(tmp_path) -> Path:
    images, labels = digits(400)
    split = Split(images, labels)
    write_dataset(
        tmp_path / "d.h5", {"train": split, "test": split}, name="toy", source="", licence="", class_names=list("abcd")
    )
    return tmp_path / "d.h5"


def arguments(dataset: Path, folder: Path, epochs: int = 20) -> dict:
    folder.mkdir(exist_ok=True)
    return {
        "dataset": str(dataset),
        "networks": str(folder / "n.safetensors"),
        "history": str(folder / "h.csv"),
        "keys": KEYS,
        "protocol": {**vars(SCRIPTS), "epochs": epochs},
        # Of all kinds: networks along a training, a small sample, dropout that draws its own numbers.
        "cells": [
            {"epochs": [0, 2, epochs]},
            {"sample_size": 90, "label_noise": 0.5, "dropout": 0.2, "untrained": True},
            {"batch_norm": False, "instance_noise": 0.3},
        ],
        "train_share": 0.8,
        "repeats": 2,
        "seed": 1,
        "device": "cpu",
        "threads": 1,
        "save_every_s": 0.02,
    }


def start(arguments: dict) -> subprocess.Popen:
    code = "import json, sys; from rehash.hash_encoders.train import train_mlps; train_mlps(**json.loads(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "workflow" / "scripts")}
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments)], env=environment, stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_process_goes_on(tmp_path, dataset, signal_number):
    once, again = tmp_path / "once", tmp_path / "again"
    train_mlps(**arguments(dataset, once))
    for delay in (0.05, 0.4):
        begun = time.time_ns()
        process = start(arguments(dataset, again))
        while not any(p.stat().st_mtime_ns > begun for p in again.glob(".n.safetensors.*.state")):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        time.sleep(delay)
        process.send_signal(signal_number)
        assert process.wait(30) == (-9 if signal_number == signal.SIGKILL else 143)
        process.stderr.close()
        assert not (again / "n.safetensors").exists() and not (again / "h.csv").exists()
    notes = train_mlps(**arguments(dataset, again))
    assert notes["epochs"] == [[20, 20]] * 3
    assert list(again.glob(".n.safetensors.*.state")), "kept until the job has written everything"
    discard_state(again / "n.safetensors")
    for name in ("n.safetensors", "h.csv"):
        assert (once / name).read_bytes() == (again / name).read_bytes()
    assert sorted(p.name for p in again.iterdir()) == ["h.csv", "n.safetensors"]


def test_two_processes_on_one_file(tmp_path):
    with (
        StateFile(tmp_path / "out", {"a": 1}),
        pytest.raises(InputError, match=rf"another process \(.*process {os.getpid()}\) is making this file"),
    ):
        StateFile(tmp_path / "out", {"a": 1}).__enter__()


def saved(path: Path, key: dict, code: str = "c") -> StateFile:
    state = StateFile(path, key, code)
    path.parent.mkdir(exist_ok=True)
    state.save({"x": torch.ones(2)}, {"n": 1})
    return state


def test_state_of_another_configuration_is_never_used(tmp_path):
    other, mine = saved(tmp_path / "out", {"width": 3}), StateFile(tmp_path / "out", {"width": 4}, "c")
    assert mine.load() is None, "it has another name"
    os.rename(other.path, mine.path)
    with pytest.raises(InputError, match=f"another configuration .found {other.digest}, expected {mine.digest}"):
        mine.load()
    assert StateFile(tmp_path / "out", {"width": 3}).digest == other.digest


def test_unreadable_state_starts_anew(tmp_path, caplog):
    state = saved(tmp_path / "out", {})
    content = state.path.read_bytes()
    for broken in (content[:20], content[:-3], b"", b"rubbish" * 9):
        state.path.write_bytes(broken)
        assert state.load() is None and "not a readable state" in caplog.text
    save_file({"x": torch.ones(1)}, state.path)  # a safetensors file of somebody else
    assert state.load() is None


def test_changed_code_restarts_or_continues(tmp_path):
    saved(tmp_path / "out", {}, code="old")
    assert StateFile(tmp_path / "out", {}, "new", "restart").load() is None
    going_on = StateFile(tmp_path / "out", {}, "new", "continue")
    tensors, values = going_on.load()
    assert tensors["x"].tolist() == [1, 1] and values == {"n": 1} and going_on.continued_from == ["old"]
    going_on.save({"x": torch.zeros(1)}, {})
    newest = StateFile(tmp_path / "out", {}, "newest", "continue")
    newest.load()
    assert newest.continued_from == ["old", "new"]


def test_asking_for_a_gpu_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(InputError, match="config: device: cuda asked for, but torch sees no GPU"):
        resolve_device("cuda")


def test_repeats_do_not_depend_on_their_number(tmp_path, dataset):
    """A study that grows from 2 to 3 repeats keeps its first two (their sums may be rounded otherwise)."""
    two, three = tmp_path / "two", tmp_path / "three"
    train_mlps(**arguments(dataset, two, 2))
    train_mlps(**{**arguments(dataset, three, 2), "repeats": 3})
    few, more = (load_file(folder / "n.safetensors") for folder in (two, three))
    for name in few:
        if "/untrained/" in name:
            assert torch.equal(few[name], more[name][:2])
    few, more = (read_csv(folder / "h.csv") for folder in (two, three))
    few, more = (table.set_index(["sample_size", "batch_norm", "repeat", "epoch"]).loss for table in (few, more))
    assert np.allclose(few, more[few.index], rtol=1e-3)


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
    train_mlps(**arguments(other, tmp_path / "run"))
    train_mlps(**arguments(other, tmp_path / "fresh"))
    assert (tmp_path / "run" / "h.csv").read_bytes() == (tmp_path / "fresh" / "h.csv").read_bytes()


@pytest.mark.parametrize("share", [1e-9, float("nan"), 1.5])
def test_a_share_that_leaves_nothing(tmp_path, dataset, share):
    with pytest.raises(
        InputError, match=r"config: hash_encoders\.train_share, or that of the study: .* of 400 inputs leaves nothing"
    ):
        train_mlps(**{**arguments(dataset, tmp_path / "x"), "train_share": share})


def test_a_failure_after_training_loses_nothing(tmp_path, dataset, monkeypatch):
    """The outputs cannot be written; the next run writes them without training again."""
    arguments_ = arguments(dataset, tmp_path / "run", 5)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("rehash.hash_encoders.train.write_networks", full)
        with pytest.raises(OSError, match="No space left"):
            train_mlps(**arguments_)
    monkeypatch.setattr("rehash.hash_encoders.cohort.CohortTraining.step", lambda self: pytest.fail("trained again"))
    train_mlps(**arguments_)
    assert (tmp_path / "run" / "n.safetensors").exists()


def test_a_lock_that_was_removed_is_no_lock(tmp_path):
    """A third process must not slip in through the lock file that the first has just removed."""
    first = StateFile(tmp_path / "out", {})
    with first:
        path = first._lock_path
        stale = open(path)  # noqa: SIM115
    fcntl.flock(stale, fcntl.LOCK_EX)  # somebody locks the file that has no name any more
    with StateFile(tmp_path / "out", {}), pytest.raises(InputError, match="another process"):
        StateFile(tmp_path / "out", {}).__enter__()
    stale.close()
