"""An environment for each kind of work, made from its yaml by `--sdm conda`; conda is a stand-in (tests/conda)."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployed import deployed, on_github
from graphs import ROOT, RULES, SMALL, command, tables

STAND_IN = ROOT / "tests" / "conda"
TARGETS = ("results/equihash/databases/small/queries.h5", "results/equihash/perlin/small/spectrum.csv")
# Snakemake puts its own place behind the environment's, for the object that a script is given. There libraries find
# what they take where it is, and do without where it is not: joblib psutil, torch tabulate, jsonschema idna, docutils
# pygments, numba yaml.
FROM_SNAKEMAKE = ("snakemake", "charset_normalizer", "psutil", "tabulate", "idna", "pygments", "yaml", "_yaml")


@pytest.fixture(scope="session")
def conda(tmp_path_factory):
    """The environment variables under which `conda` is the stand-in, and a folder for environments."""
    pytest.importorskip("rattler", reason="no py-rattler here, on which the stand-in for conda rests")
    folder = tmp_path_factory.mktemp("conda")
    subprocess.run([sys.executable, STAND_IN / "channel.py", folder / "channel"], check=True)
    path = f"{STAND_IN / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "LOCAL_CHANNEL": str(folder / "channel"), "CONDA_PKGS_DIRS": str(folder / "packages")}, folder


def run(directory: Path, conda, *words: object, configs: list[Path]) -> dict[str, set[str]]:
    """Snakemake with an environment a rule; the environments' paths -> the rules that ran in each.

    Asserts that whatever a script imported came from its environment.
    """
    variables, folder = conda
    environments, seen = folder / "environments", directory / "seen"
    seen.mkdir(parents=True)
    words = (*words, "--cores", 2, "--sdm", "conda", "--conda-prefix", environments)
    for more in (["--conda-create-envs-only"], []):
        done = subprocess.run(
            command(directory, *words, *more, configs=configs),
            env={**os.environ, **variables, "IMPORTS_SEEN": str(seen)},
            capture_output=True,
            text=True,
            timeout=7200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for packages in environments.glob("*/lib/python*/site-packages"):
            shutil.copy(STAND_IN / "sitecustomize.py", packages)  # Snakemake drops PYTHONPATH here
    found = {}
    for path in seen.glob("*.json"):
        job = json.loads(path.read_text())
        if ".snakemake/scripts" not in job["arguments"][0]:
            continue
        found.setdefault(job["prefix"], set()).add(Path(job["arguments"][0]).name.split(".")[1])
        assert job["prefix"].startswith(str(environments)), job["arguments"]
        ours = (job["prefix"], str(directory), str(ROOT / "workflow"))
        outside = {
            name.split(".")[0]
            for name, file in job["files"].items()
            if not file.startswith(ours) and Path(file).is_absolute()
        }
        assert all(name.startswith(FROM_SNAKEMAKE) for name in outside), (job["arguments"], outside)
        assert any("site-packages" in file for file in job["files"].values()), job["arguments"]
    return found


def test_rules_run_in_the_environment_of_their_yaml(built, tmp_path, conda):
    """envs/analysis.yaml: labels, queries and noise, with the tables and the queries of a run without."""
    for name in ("datasets", "equihash/banks"):  # of other environments
        shutil.copytree(built / "results" / name, tmp_path / "results" / name)
    (rules,) = run(tmp_path, conda, *TARGETS, "--rerun-triggers", "mtime", configs=[SMALL]).values()
    found, expected = tables(tmp_path), tables(built)
    assert {name: expected[name] for name in found} == found and len(found) == 1 + 2  # two are the dataset's
    assert (tmp_path / TARGETS[0]).read_bytes() == (built / TARGETS[0]).read_bytes()
    assert rules == {"describe_labels", "draw_queries", "generate_perlin", "measure_spectrum"}


@pytest.mark.long
def test_the_whole_graph_in_its_four_environments(built, tmp_path, conda):
    found = run(tmp_path, conda, "all", configs=[SMALL])
    scripts = set(re.findall(r"scripts/(\w+)\.py", "".join(RULES.values())))
    no_part_of_it = {"fetch_file", "collect_provenance"}
    assert len(found) == 4 and set().union(*found.values()) == scripts - no_part_of_it
    assert tables(tmp_path) == tables(built)


@pytest.mark.long
def test_a_deployed_workflow_finds_the_library_in_its_environments(tmp_path, conda):
    """The environments have none, and Snakemake drops PYTHONPATH; it hands its own path on, the library's in it."""
    variables, folder = conda
    words = ("--sdm", "conda", "--conda-prefix", folder / "environments")
    said = deployed(tmp_path / "mine", {**on_github(tmp_path), **variables}, *words)
    assert "Activating conda environment" in said
