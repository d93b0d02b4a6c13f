"""GPUs of one machine: a job has its own while there are enough, whatever ended the job before."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from graphs import ROOT
from rehash import devices
from rehash.digest import SCRIPTS

PROFILE = ROOT / "profiles" / "default"
JOB = """
import sys
from rehash.devices import claim_device
import os
print(claim_device(folder=sys.argv[1]), os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts jobs that claim a device and hold it until they are told to end."""
    running = []

    def begin(**environment: str) -> tuple[subprocess.Popen, list[str]]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SCRIPTS), **environment}
        command = [sys.executable, "-c", JOB, str(tmp_path)]
        job = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.append(job)
        return job, job.stdout.readline().split()

    yield begin
    for job in running:
        job.kill()
        job.communicate()


def test_two_jobs_see_different_gpus(start):
    seen = [start(CUDA_VISIBLE_DEVICES="0,1")[1] for _ in range(2)]
    assert sorted(seen) == [["0", "0"], ["1", "1"]]


def test_more_jobs_than_gpus_share_evenly(start):
    seen = Counter(start(CUDA_VISIBLE_DEVICES="GPU-a,GPU-b")[1][0] for _ in range(5))
    assert sorted(seen.values()) == [2, 3]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_frees_its_gpu(start, number):
    first, seen = start(CUDA_VISIBLE_DEVICES="0,1")
    start(CUDA_VISIBLE_DEVICES="0,1")
    first.send_signal(number)
    first.wait()
    assert start(CUDA_VISIBLE_DEVICES="0,1")[1] == seen


@pytest.mark.parametrize("environment", [{"SLURM_JOB_ID": "7"}, {"KUBERNETES_SERVICE_HOST": "x"}])
def test_a_schedulers_choice_stands(start, environment):
    assert [start(CUDA_VISIBLE_DEVICES="1", **environment)[1] for _ in range(2)] == [["None", "1"]] * 2


def test_jobs_in_one_allocation_of_two_gpus_take_one_each(start):
    for job in ("7", "8"):  # another allocation's devices are others, whatever their numbers
        seen = [start(CUDA_VISIBLE_DEVICES="0,1", SLURM_JOB_ID=job)[1] for _ in range(2)]
        assert sorted(seen) == [["0", "0"], ["1", "1"]]


def test_no_gpu(start):
    assert start(CUDA_VISIBLE_DEVICES="")[1] == ["None"]


def test_devices_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, MIG-1")
    assert devices.visible_devices() == ["3", "MIG-1"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(Path, "glob", lambda *_: [Path(f"/dev/nvidia{n}") for n in (3, 2)])
    assert devices.visible_devices() == ["0", "1"]


SNAKEFILE = """
rule all:
    input: "0.json", "1.json"

rule claim:
    output: "{name}.json"
    log: "{name}.log"
    resources: gpu=1
    script: "claim.py"
"""
CLAIM = """
import json, os, time
from pathlib import Path
from rehash.job import recorded

with recorded(snakemake):
    begun = time.time()
    Path(f"{snakemake.wildcards.name}.begun").touch()
    end = begun + snakemake.config["wait"]  # for the other to begin
    while time.time() < end and len(list(Path().glob("*.begun"))) < 2:
        time.sleep(0.1)
    Path(snakemake.output[0]).write_text(json.dumps([os.environ["CUDA_VISIBLE_DEVICES"], begun, time.time()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [1, 2])
def test_jobs_of_one_graph(tmp_path, gpus):
    """By the default profile one at a time; two if --resources says so, and then each sees another GPU."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "claim.py").write_text(CLAIM)
    words = [sys.executable, "-m", "snakemake", "--cores", "2", "--workflow-profile", str(PROFILE)]
    words += ["--config", f"wait={3 if gpus == 1 else 60}", *(["--resources", "gpu=2"] if gpus == 2 else [])]
    environment = {k: v for k, v in os.environ.items() if k not in devices._SCHEDULERS}
    environment |= {"CUDA_VISIBLE_DEVICES": "0,1", "PYTHONPATH": str(SCRIPTS), "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (first, begun, ended), (second, begun_too, ended_too) = sorted(
        (json.loads((tmp_path / f"{name}.json").read_text()) for name in "01"), key=lambda job: job[1]
    )
    if gpus == 1:
        assert begun < ended <= begun_too < ended_too and first == second == "0"
    else:
        assert begun_too < ended and {first, second} == {"0", "1"}
