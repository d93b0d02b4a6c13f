"""Reruns follow meaning: what changes a script's digest and what does not."""

from pathlib import Path

import pytest

from rehash.digest import code_digest, reached_definitions
from rehash.errors import InputError

SCRIPT = '"""Doc."""\nfrom lib import tools\nfrom lib.loss import total\n\nprint(total(tools.load(1)))\n'
FILES = {
    "run.py": SCRIPT,
    "lib/__init__.py": '"""Lib."""\n',
    "lib/tools.py": "import numpy as np\nSIZE = 3\n\ndef load(n):\n    return np.ones(n * SIZE)\n\ndef save(n):\n    return n\n",
    "lib/loss.py": (
        "from lib.base import Base, register\nimport lib.tools\n\nREGISTRY = {}\n\n"
        'def total(x):\n    """Sum."""\n    # a comment\n    return Loss().of(x) + REGISTRY.get("a", 0)\n\n'
        "class Loss(Base):\n    def of(self, x):\n        return x.sum()\n\n"
        'REGISTRY["a"] = 1\n\n@register\ndef unused(x):\n    return lib.tools.save(x)\n'
    ),
    "lib/base.py": "class Base:\n    weight = 2\n\ndef register(f):\n    return f\n\nif True:\n    FLAG = 1\n",
}


@pytest.fixture
def tree(tmp_path) -> Path:
    (tmp_path / "lib").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def edit(tree: Path, name: str, old: str, new: str) -> None:
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new))


def test_what_is_reached(tree):
    names = {name for name in reached_definitions("run", tree) if name[1] != "*"}
    assert names == {
        *(("lib.tools", "load"), ("lib.tools", "SIZE"), ("lib.loss", "total")),
        *(("lib.loss", "Loss"), ("lib.loss", "REGISTRY"), ("lib.base", "Base")),
    }


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("run.py", "total(tools.load(1))", "total(tools.load(2))"),
        ("lib/tools.py", "SIZE = 3", "SIZE = 4"),
        ("lib/tools.py", "np.ones", "np.zeros"),
        ("lib/loss.py", "x.sum()", "x.mean()"),
        ("lib/loss.py", 'REGISTRY["a"] = 1', 'REGISTRY["a"] = 2'),
        ("lib/base.py", "weight = 2", "weight = 3"),
        ("lib/tools.py", "import numpy as np", "import cupy as np"),
        ("lib/loss.py", "import Base, register", "import register\nfrom collections import UserDict as Base"),
        ("lib/__init__.py", '"""Lib."""', "import sys\nsys.setrecursionlimit(99)"),
    ],
)
def test_a_change_of_meaning_changes_the_digest(tree, name, old, new):
    before = code_digest("run", tree)
    edit(tree, name, old, new)
    assert code_digest("run", tree) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("run.py", '"""Doc."""', '"""Another doc."""\n# and a comment'),
        ("lib/loss.py", "# a comment", "# another"),
        ("lib/loss.py", '"""Sum."""', '"""The sum.\n\n    Of all."""'),
        ("lib/loss.py", "return x.sum()", "return (x\n                .sum())"),
        ("lib/loss.py", "lib.tools.save(x)", "lib.tools.save(x + 1)"),
        ("lib/tools.py", "def save", "def helper():\n    return 1\n\ndef save"),
        ("lib/base.py", "FLAG = 1", "FLAG = 2"),
    ],
)
def test_what_means_the_same_keeps_the_digest(tree, name, old, new):
    before = code_digest("run", tree)
    edit(tree, name, old, new)
    assert code_digest("run", tree) == before


def test_a_module_used_as_a_value_counts_whole(tree):
    edit(tree, "run.py", "print(", "getattr(tools, 'sa' + 've')(0)\nprint(")
    before = code_digest("run", tree)
    edit(tree, "lib/tools.py", "return n\n", "return -n\n")
    assert code_digest("run", tree) != before


def test_names_that_are_not_there(tree):
    with pytest.raises(InputError, match=r"nothing\.py: no such script"):
        code_digest("nothing", tree)
    edit(tree, "run.py", "total(", "tools.missing(")
    with pytest.raises(InputError, match=r"tools\.py: has no 'missing', which run\.py reaches"):
        code_digest("run", tree)


def test_the_projects_own_scripts():
    train = reached_definitions("train_mlps")
    assert ("rehash.hash_encoders.networks", "backpropagate") in train and ("rehash.seeds", "stream") in train
    assert not any(module.startswith("rehash.figures") or name == "encoding_properties" for module, name in train)
    assert ("rehash.hash_encoders.networks", "INITIALISATIONS") in train


def test_every_python_gives_the_same_digest(tree):
    """Else a cluster with another Python than the laptop would train everything anew; the value is 3.11's, 3.12's and 3.13's."""
    assert code_digest("run", tree) == "46112ca00cd70541"


def test_one_name_for_two_imports_is_refused(tree):
    edit(tree, "lib/tools.py", "def save(n):", "def save(n):\n    from lib.base import Base as np")
    with pytest.raises(InputError, match="'np' is imported from two places"):
        code_digest("run", tree)


def test_bookkeeping_does_not_count():
    reached = {module for module, _ in reached_definitions("train_mlps")}
    assert not reached & {"rehash.job", "rehash.provenance"} and "rehash.training" in reached
