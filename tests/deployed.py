"""A workflow that uses rehash from a repository, as users of the catalog do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from graphs import ROOT

# As snakedeploy writes it for a workflow of the catalog.
DEPLOYED = """
configfile: "config/config.yaml"


module rehash:
    snakefile: github("owner/rehash", path="workflow/Snakefile", tag="v1.0.0")
    config: config


use rule * from rehash
"""


def on_github(folder: Path) -> dict[str, str]:
    """The variables under which a repository of this tree in a folder stands in for owner/rehash on GitHub."""
    tree, host = folder / "tree", folder / "github"
    for name in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", tree)
    me = ["-c", "user.name=me", "-c", "user.email=me@localhost"]
    for words in (["init"], ["add", "--all"], [*me, "commit", "--message", "rehash"], ["tag", "v1.0.0"]):
        subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True)
    subprocess.run(["git", "clone", "--bare", tree, host / "owner" / "rehash"], check=True, capture_output=True)
    shutil.rmtree(tree)
    settings = {"COUNT": "1", "KEY_0": f"url.file://{host}/.insteadOf", "VALUE_0": "https://github.com/"}
    return {f"GIT_CONFIG_{name}": value for name, value in settings.items()} | {"XDG_CACHE_HOME": str(folder / "cache")}


def deployed(folder: Path, variables: dict[str, str], *words: object) -> str:
    """Run a workflow that is deployed from the repository; what Snakemake says."""
    (folder / "config").mkdir(parents=True, exist_ok=True)
    config = {"equihash": {"perlin": {"tiny": {"height": 20, "width": 30, "count": 4, "lattice": [2, 3]}}}}
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "Snakefile").write_text(DEPLOYED)
    command = [sys.executable, "-m", "snakemake", "results/equihash/perlin/tiny/spectrum.csv", "--cores", "1", *words]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
