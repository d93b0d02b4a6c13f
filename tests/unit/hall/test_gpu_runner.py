"""The checks of tests/gpu: in miniature on the CPU they pass, and the runner survives checks that do not."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow
GPU = Path(__file__).parents[2] / "gpu"
CHECKS = (
    "environment graphs networks views capacity encoding blocks entropies shards flynet convolutions studies".split()
)


def command(*words: object, python=(sys.executable,)) -> list[str]:
    return [*python, str(GPU), *map(str, words)]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def runner(monkeypatch):
    monkeypatch.syspath_prepend(str(GPU))
    return importlib.import_module("runner")


def test_a_check_that_fails_crashes_or_hangs_is_told_and_the_others_go_on(tmp_path, runner):
    options = runner.Options(out=tmp_path, scratch=tmp_path)
    names = ("raises", "crashes", "hangs", "passes")
    begun = time.monotonic()
    runner.run([runner.Task(name, f"broken:{name}", 3) for name in names], options, 60)
    assert time.monotonic() - begun < 30
    raised, crashed, hung, passed = lines(tmp_path / "gpu.jsonl")
    assert raised["check"] == "raises" and raised["status"] == "error"
    assert "ValueError: found 3, expected 4" in raised["error"]
    assert (
        crashed["status"] == "error" and "Segmentation fault" in crashed["error"] and "in crashes" in crashed["error"]
    )
    assert hung["status"] == "timeout" and 3 <= hung["seconds"] < 14 and "in hangs" in hung["error"]
    assert passed == {"check": "passes", "status": "passed", "seconds": passed["seconds"], "number": 42}
    runner.run([runner.Task("passes", "broken:passes", 3)], options, 1)
    assert lines(tmp_path / "gpu.jsonl")[-1]["status"] == "skipped"


def test_parts_run_beside_each_other_and_share_the_time(tmp_path, runner):
    options = runner.Options(out=tmp_path, scratch=tmp_path)
    begun = time.monotonic()
    tasks = [runner.Task("study", "broken:hangs", 60, f"part {part}") for part in range(4)]
    runner.run(tasks, options, 4, jobs=3)
    assert time.monotonic() - begun < 20
    told = lines(tmp_path / "gpu.jsonl")
    assert sorted(line["status"] for line in told) == ["skipped", "timeout", "timeout", "timeout"]
    assert len(runner.merged(told)["study"]["parts"]) == 4


@pytest.mark.long
def test_all_checks_pass_in_miniature(tmp_path, monkeypatch):
    """And the README's table reads what they found."""
    done = subprocess.run(command("--device", "cpu", "--small", "--out", tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    told = lines(tmp_path / "gpu.jsonl")
    assert [line["check"] for line in told if "part" not in line] == CHECKS
    assert {line["status"] for line in told} == {"passed"}
    assert list(json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))) == sorted(CHECKS)
    assert {path.stem for path in tmp_path.glob("*.csv")} >= {"capacity", "sample_size", "training_time"}
    monkeypatch.syspath_prepend(GPU.parents[1] / "docs")
    tables = importlib.import_module("tables_gpu")
    monkeypatch.setattr(tables, "RESULT", tmp_path / "gpu.json")
    table, _ = tables.gpu()
    assert (table.status == "passed").all() and table.found.str.len().min() > 3


@pytest.mark.long
def test_what_was_known_is_there_when_the_runner_is_killed(tmp_path):
    path = tmp_path / "gpu.jsonl"
    whole = subprocess.Popen(command("--device", "cpu", "--small", "--out", tmp_path), stdout=subprocess.DEVNULL)
    while len(lines(path)) < 2 and whole.poll() is None:
        time.sleep(0.1)
    time.sleep(1)
    family = psutil.Process(whole.pid).children(recursive=True)
    whole.kill()
    whole.wait()
    assert [line["check"] for line in lines(path)] == CHECKS[:2] and family
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE], "no check goes on alone"


def test_without_the_gpu_that_was_asked_for_nothing_runs(tmp_path):
    no_gpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command("--out", tmp_path), capture_output=True, text=True, env=no_gpu)
    (told,) = lines(tmp_path / "gpu.jsonl")
    assert done.returncode == 1 and told["status"] == "error" and "torch sees no GPU" in told["error"]


def test_missing_packages_are_named(tmp_path):
    done = subprocess.run(
        command("--out", tmp_path / "out", python=(sys.executable, "-S")), capture_output=True, text=True
    )
    assert done.returncode == 2 and "missing packages: torch, torchvision, numpy" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_a_training_goes_on_where_it_was_stopped(tmp_path):
    steps = []
    for _ in range(2):
        words = ("train", "--device", "cpu", "--small", "--minutes", 1, "--out", tmp_path)
        done = subprocess.run(command(*words), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        steps.append([line["steps"] for line in lines(tmp_path / "train.jsonl")[1:]])
    assert all(0 < before < after for before, after in zip(*steps))
    tables = [(tmp_path / f"{kind}.csv").read_text(encoding="utf-8") for kind in ("training", "losses")]
    assert all("shannon_hamming" in text and "hash_net" in text for text in tables)
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == {"shannon_hamming", "hash_net"}
