"""rehash as a package: what the wheel has and needs, and that one version is named everywhere."""

import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rehash
from graphs import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# As a package's user would: the examples of the documentation, and no module of another place.
TRIED = """
import doctest, importlib, re, sys
import rehash
assert "torch" not in sys.modules and rehash.__version__ == "{version}", rehash.__version__
for module in dict.fromkeys(rehash._PUBLIC.values()):
    found = doctest.testmod(importlib.import_module(module))
    assert not found.failed, module
places = {{module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)}}
assert not [place for place in places if place.startswith({elsewhere!r})], places
assert importlib.util.find_spec("snakemake") is None and importlib.util.find_spec("sklearn") is None
for line in sys.stdin.read().splitlines():
    told = re.match(r"(.*?) +#.*: ([0-9.]+)$", line)
    if told:
        assert round(eval(told[1]), 2) == float(told[2]), line
    else:
        exec(line)
print("tried")
"""


def test_one_version_is_named_everywhere():
    assert PROJECT["dynamic"] == ["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = re.findall(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    assert changes[0] == (rehash.__version__, str(citation["date-released"]))
    assert citation["version"] == rehash.__version__
    tags = {tag for page in ROOT.glob("*.md") for tag in re.findall(r'tag="(.*?)"', page.read_text(encoding="utf-8"))}
    assert tags <= {f"v{rehash.__version__}"}


def closure(requirements: list[str]) -> set[str]:
    """The installed distributions that requirements ask for, and all that these ask for."""
    found, todo = set(), [Requirement(line) for line in requirements]
    while todo:
        needed = todo.pop()
        name = canonicalize_name(needed.name)
        if name not in found and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            found.add(name)
            todo += map(Requirement, metadata.requires(name) or [])
    return found


def bare(folder: Path) -> Path:
    """The interpreter of an environment with nothing but what the package asks for, linked from this one."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in closure(PROJECT["dependencies"]):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(distribution.locate_file(top))
    return folder / "bin" / "python"


def example() -> str:
    """That of docs/library.md, as it stands there."""
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    return re.findall(r"^## As a library\n.*?```python\n(.*?)```", page, flags=re.M | re.S)[0]


def tried(python: Path, folder: Path, version: str = rehash.__version__) -> None:
    program = TRIED.format(version=version, elsewhere=str(ROOT / "workflow"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "numba")}
    words = [python, "-I", "-W", "ignore", "-c", program]
    done = subprocess.run(words, input=example(), cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.endswith("tried\n"), done.stdout + done.stderr


def test_the_wheel_works_with_what_it_asks_for(tmp_path):
    """`pip install .`, into an environment that has what the package needs and no more; nothing is left in the tree."""
    python = bare(tmp_path / "environment")
    (packages,) = (tmp_path / "environment").glob("lib/python*/site-packages")
    words = ["install", "-q", "--no-deps", "--no-compile", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", *words, "--target", packages, ROOT]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [*ROOT.glob("build"), *ROOT.glob("dist"), *ROOT.glob("*.egg-info"), *SCRIPTS.glob("*.egg-info")]
    tried(python, tmp_path)


@pytest.mark.long
def test_pip_installs_the_package_and_what_it_asks_for(tmp_path):
    """Minutes, most of them PyTorch's."""
    venv.create(tmp_path / "environment", with_pip=True)
    python = tmp_path / "environment" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", ROOT], check=True)
    tried(python, tmp_path)
