"""Dockerfile: it is what Snakemake prints for the environments, and its steps can be run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graphs import ROOT

STAND_IN = ROOT / "tests" / "conda"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_dockerfile_is_what_snakemake_prints(tmp_path):
    """Of the environments of all rules, whatever is asked for; conda, which it asks what it is, is the stand-in."""
    environment = {**os.environ, "PATH": f"{STAND_IN / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    words = [sys.executable, "-m", "snakemake", "datasets", "--snakefile", ROOT / "Snakefile", "--containerize"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(os.path.relpath(ROOT, tmp_path) + os.sep, "") == DOCKERFILE, "run `make dockerfile`"


def steps() -> list[tuple[str, str]]:
    """The instructions that make files, in their order."""
    text = DOCKERFILE.replace("\\\n", " ")
    return re.findall(r"^(COPY|RUN) (.*)", text, flags=re.M)


def in_root(root: Path, command: str, variables: dict[str, str]) -> subprocess.CompletedProcess:
    """Run a command with another folder as the root, in which this machine's folders are, and one for environments."""
    shared = " ".join(
        f"mkdir -p {root}/{name} && mount --rbind /{name} {root}/{name};"
        for name in ("bin", "dev", "etc", "lib", "lib64", "opt", "proc", "root", "tmp", "usr", "var", ROOT.parts[1])
        if Path("/", name).is_dir()
    )
    script = f"set -e; {shared} exec chroot {root} /bin/bash -e -c {shlex.quote(command)}"
    environment = {**os.environ, **variables}
    return subprocess.run(["unshare", "--mount", "bash", "-c", script], env=environment, capture_output=True, text=True)


@pytest.mark.long
def test_the_steps_of_the_dockerfile_make_environments(tmp_path):
    """In a chroot, since its base image is not at hand; conda is the stand-in, which is not of the image either."""
    pytest.importorskip("rattler", reason="no py-rattler here, on which the stand-in for conda rests")
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("only root can change the root of a file system")
    subprocess.run([sys.executable, STAND_IN / "channel.py", tmp_path / "channel"], check=True)
    variables = {
        "PATH": f"{STAND_IN / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LOCAL_CHANNEL": str(tmp_path / "channel"),
        "CONDA_PKGS_DIRS": str(tmp_path / "packages"),
    }
    root, made = tmp_path / "root", []
    root.mkdir()
    for kind, rest in steps():
        if kind == "COPY":
            source, target = rest.split()
            shutil.copy(ROOT / source, root / target.lstrip("/"))
            made.append((Path(source).stem, Path(target).parent))
        else:
            done = in_root(root, rest, variables)
            assert done.returncode == 0, done.stdout + done.stderr
    assert [name for name, _ in made] == ["analysis", "data", "figures", "train"]
    tried = {
        "analysis": "pandas, numba",
        "data": "skimage, pooch",
        "figures": "matplotlib, altair",
        "train": "torch, faiss",
    }
    for name, prefix in made:
        done = in_root(root, f"{prefix}/bin/python -I -c 'import sys, {tried[name]}; print(sys.prefix)'", variables)
        assert done.stdout.strip() == str(prefix), done.stdout + done.stderr
