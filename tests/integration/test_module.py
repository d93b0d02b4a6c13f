"""rehash as a module of somebody else's workflow."""

import json
import subprocess
import sys

import yaml

from deployed import deployed, on_github
from graphs import ROOT
from rehash.digest import code_digest

SNAKEFILE = """
configfile: "mine.yaml"


module rehash:
    snakefile: "{snakefile}"
    config: config["rehash"]


use rule * from rehash as rehash_*


rule mine:
    default_target: True
    input:
        "results/equihash/perlin/tiny/spectrum.pdf",
    output:
        "mine.txt",
    shell:
        "ls -s {{input}} > {{output}}"
"""


def test_a_workflow_that_imports_rehash_builds_one_of_its_figures(tmp_path):
    """A small config, of what differs from the defaults, under a key beside those of the workflow itself."""
    config = {"equihash": {"perlin": {"tiny": {"height": 20, "width": 30, "count": 4, "lattice": [2, 3]}}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"samples": "samples.tsv", "rehash": config}))
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(snakefile=ROOT / "workflow" / "Snakefile"))
    words = [sys.executable, "-m", "snakemake", "--cores", "1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "results/equihash/perlin/tiny/spectrum.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "mine.txt").exists()
    listed = subprocess.run([*words[:3], "--list-rules"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "rehash_plot_perlin (Draw fields of a Perlin bank" in listed.stdout, listed.stdout + listed.stderr


def test_a_workflow_deployed_from_a_repository_finds_the_library(tmp_path):
    """Its code is that of the tag, and not of another rehash that is on Python's path."""
    other = tmp_path / "other" / "rehash"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise AssertionError('another rehash')")
    variables = {**on_github(tmp_path), "PYTHONPATH": str(tmp_path / "other")}
    deployed(tmp_path / "mine", variables)
    facts = json.loads((tmp_path / "mine/results/equihash/perlin/tiny/spectrum.json").read_text())
    assert facts["params"]["code"] == code_digest("measure_spectrum")
    (tree,) = (tmp_path / "cache").rglob("COMMIT")
    assert facts["commit"] == tree.read_text() == tree.parent.name
    assert "Nothing to be done" in deployed(tmp_path / "mine", variables)
