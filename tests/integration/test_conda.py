"""An environment for each kind of work, made from its yaml by `--sdm conda`; conda is a stand-in (tests/conda)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graphs import CONFIGS, ROOT, command, snakemake, tables

STAND_IN = ROOT / "tests" / "conda"
KNOWN = """
equihash:
  build: {tasks: [], databases: [], models: [], families: []}
  perlin: {tiny: {height: 20, width: 30, count: 4, lattice: [2, 3]}}
  models: {digits: {known: {synthetic: {flips: 0.01, name_bits: 10}}}}
  databases: {tiny: {task: digits, items: 900, multiplicity: 3, shards: 2, partitions: 2, positives: 50, negatives: 50, pairs: 50, probed: 5, probes: 9}}
"""
TARGETS = (
    "results/equihash/models/digits/known/synthetic/seed=3210/tiny/evaluation.csv",
    "results/equihash/perlin/tiny/spectrum.csv",
)
# Snakemake puts its own place behind the environment's, for the object that a script is given.
FOR_THE_SCRIPT = ("snakemake", "charset_normalizer")


@pytest.fixture(scope="session")
def conda(tmp_path_factory):
    """The environment variables under which `conda` is the stand-in, and a folder for environments."""
    pytest.importorskip("rattler", reason="no py-rattler here, on which the stand-in for conda rests")
    folder = tmp_path_factory.mktemp("conda")
    subprocess.run([sys.executable, STAND_IN / "channel.py", folder / "channel"], check=True)
    path = f"{STAND_IN / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "LOCAL_CHANNEL": str(folder / "channel"), "CONDA_PKGS_DIRS": str(folder / "packages")}, folder


def run(directory: Path, conda, *words: object, configs: list[Path], **variables: str) -> None:
    """Snakemake with an environment a rule."""
    environment, folder = conda
    words = (*words, "--cores", 2, "--sdm", "conda", "--conda-prefix", folder / "environments")
    done = subprocess.run(
        command(directory, *words, configs=configs),
        env={**os.environ, **environment, **variables},
        capture_output=True,
        text=True,
        timeout=7200,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_run_in_the_environment_of_their_yaml(tmp_path, conda):
    """envs/analysis.yaml: labels, queries, fingerprints, index, evaluation and noise, with the tables of a run without."""
    (tmp_path / "tiny.yaml").write_text(KNOWN)
    configs = [*CONFIGS, tmp_path / "tiny.yaml"]
    plain, own, seen = tmp_path / "plain", tmp_path / "own", tmp_path / "seen"
    seen.mkdir()
    snakemake(plain, *TARGETS, "--cores", 2, configs=configs)
    for name in ("datasets", "equihash/banks"):  # of other environments
        shutil.copytree(plain / "results" / name, own / "results" / name)
    words = (*TARGETS, "--rerun-triggers", "mtime")
    run(own, conda, *words, "--conda-create-envs-only", configs=configs)
    for packages in (conda[1] / "environments").glob("*/lib/python*/site-packages"):
        shutil.copy(STAND_IN / "sitecustomize.py", packages)  # Snakemake drops PYTHONPATH here
    run(own, conda, *words, configs=configs, IMPORTS_SEEN=str(seen))
    assert tables(own) == tables(plain) and len(tables(own)) == 6
    jobs = [json.loads(path.read_text()) for path in seen.glob("*.json")]
    scripts = [job for job in jobs if ".snakemake/scripts" in job["arguments"][0]]
    rules = {Path(job["arguments"][0]).name.split(".")[1] for job in scripts}
    assert rules == {
        *("draw_labels", "draw_queries", "generate_fingerprints", "generate_query_codes", "merge_index"),
        *("evaluate_partition", "evaluate_index", "generate_perlin", "measure_spectrum"),
    }
    environments = {job["prefix"] for job in scripts}
    assert len(environments) == 1 and str(conda[1] / "environments") in environments.pop()
    for job in scripts:
        ours = (job["prefix"], str(own), str(ROOT / "workflow"))
        outside = {name.split(".")[0] for name, file in job["files"].items() if not file.startswith(ours)}
        assert all(name.startswith(FOR_THE_SCRIPT) for name in outside), (job["arguments"], outside)
        assert {"numpy", "h5py"} <= {name.split(".")[0] for name in job["files"]}


@pytest.mark.long
def test_the_whole_graph_in_its_four_environments(built, tmp_path, conda):
    run(tmp_path, conda, "all", configs=CONFIGS)
    assert len(list((conda[1] / "environments").glob("*/bin/python"))) == 4
    assert tables(tmp_path) == tables(built)
