"""rehash as a module of somebody else's workflow."""

import subprocess
import sys

import yaml

from graphs import ROOT

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
