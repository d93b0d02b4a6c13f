"""What a run survives: kills at any moment, a scheduler's time limit, a full disk, a folder that cannot be written."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from graphs import command, killed, snakemake, tables

STUDY = "results/hash_encoders/mnist5k/capacity.csv"
MODULATIONS = "results/tgsh/mnist5k/rotation/accuracy.csv"
RUN = "results/equihash/models/digits/shannon_hamming/default/seed=3210"
EVALUATION = f"{RUN}/small/evaluation.csv"
SAVE_ALWAYS = ("--config", "save_every_seconds=0")
# Rule -> what needs it; its logs; beside a log the saved state of that job, if it has one.
STAGES = {
    "train_mlps": (STUDY, "hash_encoders/**/*.train_mlps.log", ".networks_3.safetensors.*.state"),
    "measure_properties": (STUDY, "hash_encoders/**/*.measure_properties.log", None),
    "train_flynet": (MODULATIONS, "tgsh/**/*.train_flynet.log", ".modulations.safetensors.*.state"),
    "train_hash": (EVALUATION, "equihash/**/*.train_hash.log", ".network.safetensors.*.state"),
    "encode_shard": (EVALUATION, "equihash/**/*.encode_shard.log", ".{}.h5.*.state"),
    "merge_index": (EVALUATION, "equihash/**/*.merge_index.log", None),
    "evaluate_partition": (EVALUATION, "equihash/**/*.evaluate_partition.log", None),
}


def running(folder: Path, rule: str) -> bool:
    """Whether a job of a rule has begun, and neither ended nor failed; and has saved its state, if it has one."""
    _, logs, state = STAGES[rule]
    for path in (folder / "results").glob(logs):
        with contextlib.suppress(FileNotFoundError):  # Snakemake removes a job's log before the job
            _, begun, after = path.read_text().rpartition(f" {rule}: start")
            if (
                begun
                and f" {rule}: " not in after
                and (not state or any(path.parent.glob(state.format(path.stem.removesuffix(f".{rule}")))))
            ):
                return True
    return False


def leftovers(folder: Path) -> list[Path]:
    return [path for end in ("state", "tmp", "lock") for path in (folder / "results").rglob(f".*.{end}")]


def check_tables(folder: Path, built: Path) -> None:
    found, expected = tables(folder), tables(built)
    assert len(found) > 5 and {name: expected[name] for name in found} == found


def hit(folder: Path, rule: str, *words: object, delay: float) -> bool:
    """Run it and kill -9 the whole group `delay` seconds into a job of the rule; whether that job had not ended.

    The rule is forced, for an earlier run in the folder may have done it.
    """
    for path in (folder / "results").glob(STAGES[rule][1]):
        path.unlink()  # of an earlier job that was killed it would say that it runs
    seen = []

    def reached() -> bool:
        time.sleep(0.005)
        if not running(folder, rule):
            seen.clear()
        elif not seen:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] >= delay

    return killed(folder, *words, "--forcerun", rule, *SAVE_ALWAYS, after=reached) and running(folder, rule)


def lasted(folder: Path, rule: str) -> float:
    """Seconds of the shortest job of a rule, by its log."""
    logs = [path.read_text().splitlines() for path in (folder / "results").glob(STAGES[rule][1])]
    begun, ended = ([datetime.fromisoformat(" ".join(lines[i].split()[:2])) for lines in logs] for i in (0, -1))
    return min((end - begin).total_seconds() for begin, end in zip(begun, ended, strict=True))


@pytest.mark.parametrize(
    ("targets", "stages"),
    [
        ([EVALUATION], "train_hash encode_shard merge_index"),
        pytest.param(
            [STUDY, EVALUATION],
            "train_mlps train_hash measure_properties encode_shard merge_index evaluate_partition",
            marks=pytest.mark.long,
        ),
    ],
    ids=["some", "each"],
)
def test_killed_in_stages_and_restarted(built, tmp_path, targets, stages):
    """kill -9 of the whole group, a random moment after each of these stages has begun; then as the README says."""
    rng, stages = random.Random(0), stages.split()
    for rule in stages:
        for _ in range(5):
            done = hit(tmp_path, rule, *targets, "--cores", 1, delay=rng.uniform(0, min(0.3, lasted(built, rule) / 2)))
            snakemake(tmp_path, "--unlock")
            if done:
                break
        else:
            pytest.fail(f"{rule} was not hit in 5 tries")
    snakemake(tmp_path, *targets, "--cores", 2)  # other cores than before; rerun-incomplete is in the default profile
    for rule in {"train_mlps", "train_hash", "encode_shard"} & {*stages}:
        logs = "".join(path.read_text() for path in (tmp_path / "results").glob(STAGES[rule][1]))
        assert "going on from" in logs, rule
    check_tables(tmp_path, built)
    assert not leftovers(tmp_path)


@pytest.mark.long
def test_killed_a_hundred_times(built, tmp_path):
    """Half of the kills at any moment of the whole tests' graph, half in the stages that are short or matter most."""
    rng, hits, kills = random.Random(1), Counter(), 0
    stages = [*STAGES] * 7 + [None] * 51
    rng.shuffle(stages)
    for stage in stages:
        if stage:
            target, _, _ = STAGES[stage]
            done = hit(tmp_path, stage, target, "--cores", 2, delay=rng.uniform(0, lasted(built, stage) / 2))
            hits[stage] += done
        else:
            limit = time.monotonic() + rng.uniform(5, 40)

            def reached(limit=limit) -> bool:
                time.sleep(0.01)
                return time.monotonic() > limit

            done = killed(tmp_path, "all", "--cores", 2, *SAVE_ALWAYS, after=reached)
        kills += done
        snakemake(tmp_path, "--unlock")
        if not done:  # it came to its end: there must be something to do for the next
            shutil.rmtree(tmp_path / "results" / rng.choice(["hash_encoders", "tgsh", "equihash"]))
    snakemake(tmp_path, "all", "--cores", 2)
    assert kills >= 90 and all(hits[rule] >= 3 for rule in STAGES), (kills, hits)
    check_tables(tmp_path, built)
    # A forced job that was killed is not made again while all that follows from it is there; its state waits for it.
    snakemake(tmp_path, "all", "--cores", 2, "--forcerun", *STAGES)
    check_tables(tmp_path, built)
    assert not leftovers(tmp_path)


def job_of(process: subprocess.Popen, rule: str) -> psutil.Process:
    """The process of a job of a rule."""
    children = psutil.Process(process.pid).children(recursive=True)
    return next(p for p in children if p.is_running() and any(f".{rule}.py" in word for word in p.cmdline()))


@pytest.mark.long
def test_a_schedulers_time_limit_saves_the_state(built, tmp_path):
    """SIGTERM to the job: it saves what it has, and the next run goes on from there."""
    folder, target = tmp_path / RUN, f"{RUN}/network.safetensors"
    for name in ("equihash/banks", "datasets"):
        shutil.copytree(built / "results" / name, tmp_path / "results" / name)
    words = command(tmp_path, target, "--cores", 1, "--config", "save_every_seconds=3600")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log, end = folder / "network.train_hash.log", time.monotonic() + 300
    while not (log.exists() and running_training(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)
    job_of(process, "train_hash").send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode != 0 and not (tmp_path / target).exists()
    assert "stopped by signal 15; the state is saved, run again to go on" in log.read_text()
    assert len([*folder.glob(".network.safetensors.*.state")]) == 1
    snakemake(tmp_path, target, "--cores", 1)
    assert "going on from step" in log.read_text()
    for name in ("network.safetensors", "training.csv", "losses.csv"):
        assert (folder / name).read_bytes() == (built / RUN / name).read_bytes(), name
    assert not leftovers(tmp_path)


def running_training(folder: Path) -> bool:
    """The lock is there once the steps are to begin."""
    return (folder / ".network.safetensors.lock").exists()


def test_a_second_run_in_the_same_folder_stops_with_a_clear_message(built, tmp_path):
    shutil.copytree(built / "results" / "datasets", tmp_path / "results" / "datasets")
    words = command(tmp_path, f"{RUN}/network.safetensors", "--cores", 1)
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + 300
        while not (tmp_path / RUN / "network.train_hash.log").exists() and time.monotonic() < end:
            time.sleep(0.05)
        output = snakemake(tmp_path, f"{RUN}/network.safetensors", "--cores", 1, check=False)
        assert "Directory cannot be locked" in output and "--unlock" in output
        assert first.poll() is None, "the first goes on"
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    # Snakemake's lock is gone with --unlock, but a job of the first run lives on.
    snakemake(tmp_path, "--unlock")
    state = tmp_path / RUN / ".network.safetensors.lock"
    holder = subprocess.Popen(["flock", "--exclusive", str(state), "sleep", "60"])
    try:
        time.sleep(0.5)
        output = snakemake(tmp_path, f"{RUN}/network.safetensors", "--cores", 1, check=False)
        assert "network.safetensors: another process" in output and "wait for it or stop it, then run again" in output
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture
def mounted(tmp_path):
    """Mounts a small file system on a folder, with options; skips where that is not allowed."""
    folders = []

    def mount(folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        if subprocess.run(words, capture_output=True).returncode:
            pytest.skip(
                "this user may not mount a file system (needs root and the capability); no full disk can be had"
            )
        folders.append(folder)

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_graph_and_loses_nothing(built, tmp_path, mounted):
    results = tmp_path / "results"
    mounted(results, "size=2m")
    target = "results/equihash/banks/digits5k.h5"
    output = snakemake(tmp_path, target, "--cores", 1, check=False)
    assert "No space left on device" in output and "free some space or choose another folder" in output
    assert not (tmp_path / target).exists() and not leftovers(tmp_path)
    subprocess.run(["mount", "-o", "remount,size=200m", str(results)], check=True)
    snakemake(tmp_path, target, "--cores", 1)
    assert (tmp_path / target).read_bytes() == (built / target).read_bytes()


def test_a_folder_that_cannot_be_written_stops_the_graph(tmp_path, mounted):
    mounted(tmp_path / "results", "ro")
    output = snakemake(tmp_path, "results/equihash/banks/digits5k.h5", "--cores", 1, check=False)
    assert "Read-only file system" in output and "results" in output
    assert not [*(tmp_path / "results").iterdir()]
