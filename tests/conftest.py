import os
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from graphs import snakemake


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also run the tests marked long")
    parser.addoption("--built", type=Path, help="a folder in which the tests' whole graph has run, to save its time")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: runs in `make test-all`"))


@pytest.fixture(scope="session")
def built(tmp_path_factory, pytestconfig) -> Path:
    """A folder in which the tests' whole graph has run, undisturbed: once, whichever of pytest's workers needs it first."""
    if found := pytestconfig.getoption("--built"):
        return found
    common = tmp_path_factory.getbasetemp()
    common = common.parent if "PYTEST_XDIST_WORKER" in os.environ else common
    directory, done = common / "built", common / "built.done"
    with FileLock(common / "built.lock"):
        if not done.exists():
            snakemake(directory, "all", "--cores", 2)
            done.touch()
    return directory


@pytest.fixture(autouse=True)
def one_thread():
    """Run torch on one thread, as jobs do; where other work keeps the cores busy, more make a test ten times as slow."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def closed_figures():
    """Close each test's figures; where nothing was drawn, pyplot is not imported for it."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
