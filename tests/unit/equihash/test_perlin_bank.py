"""The file of Perlin fields: what is written comes back, and what is wrong with it is said."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from rehash.equihash.images.perlin import BLOCK, describe_perlin, fields, open_fields, write_perlin
from rehash.errors import InputError
from small_index import damage

SETTINGS = {"height": 12, "width": 18, "lattice": (2, 3), "amplitude": 127, "seed": 5, "name": "flow"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank") / "perlin.h5"
    write_perlin(path, count=BLOCK + 40, **SETTINGS)
    return path


def test_the_bank_comes_back(bank):
    for resolution, lattice in (("coarse", (2, 3)), ("fine", (4, 6))):
        expected = fields(0, BLOCK + 40, **SETTINGS | {"lattice": lattice, "name": f"flow/{resolution}"})
        assert (open_fields(bank, resolution) == expected).all()
    assert describe_perlin(bank) == SETTINGS | {"lattice": [2, 3], "count": BLOCK + 40}


def test_a_larger_bank_begins_with_the_smaller(bank, tmp_path):
    write_perlin(tmp_path / "small.h5", count=9, **SETTINGS)
    assert (open_fields(tmp_path / "small.h5", "fine") == open_fields(bank, "fine")[:9]).all()


def test_requests_that_cannot_be(bank, tmp_path):
    with pytest.raises(InputError, match="unknown resolution 'coars'; did you mean 'coarse'"):
        open_fields(bank, "coars")
    with pytest.raises(InputError, match="a bank of 0 fields"):
        write_perlin(tmp_path / "x.h5", count=0, **SETTINGS)
    with pytest.raises(InputError, match="amplitude 200"):
        write_perlin(tmp_path / "x.h5", count=3, **SETTINGS | {"amplitude": 200})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fine": None}, "fine"),
        (
            {"fine": lambda fine: fine[:, :, :9]},
            r"fine is int8 \(552, 12, 9\) in one piece; expected int8 \(552, 12, 18\)",
        ),
        ({"coarse": lambda coarse: coarse.astype(np.int16)}, "coarse is int16"),
        ({"coarse": {"chunks": (1, 12, 18)}}, r"in chunks; expected int8 \(552, 12, 18\) in one piece"),
        ({"lattice": None}, "lacks the attributes lattice"),
        ({"coarse": None}, "shape"),
    ],
)
def test_a_damaged_bank(bank, tmp_path, changes, words):
    path = tmp_path / "perlin.h5"
    path.write_bytes(bank.read_bytes())
    damage(path, **changes)
    if words == "shape":  # a group in the dataset's place has none
        with h5py.File(path, "r+") as file:
            file.create_group("coarse")
    message = rf"{path}: not a Perlin bank of rehash, or damaged .*{words}.*make it again with: snakemake"
    for read in (lambda: describe_perlin(path), lambda: open_fields(path, "coarse")):
        with pytest.raises(InputError, match=message):
            read()


@pytest.mark.parametrize("content", ["truncated", "text", "missing"])
def test_a_file_that_is_no_bank(bank, tmp_path, content):
    path = tmp_path / "perlin.h5"
    if content != "missing":
        path.write_bytes(bank.read_bytes()[:-1000] if content == "truncated" else b"not HDF5")
    with pytest.raises(InputError, match=rf"{path}: not a Perlin bank of rehash, or damaged"):
        open_fields(path, "coarse")


WRITE = """
import sys
from rehash.equihash.images.perlin import write_perlin
write_perlin(sys.argv[1], count=int(sys.argv[2]), **eval(sys.argv[3]))
"""


def test_a_kill_leaves_nothing_half_written(tmp_path):
    path, settings = tmp_path / "bank" / "perlin.h5", SETTINGS | {"height": 90, "width": 135}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, path, "100000", repr(settings)],
        env=os.environ | {"PYTHONPATH": ":".join(sys.path)},
    )
    try:
        deadline = time.monotonic() + 20
        while not any(p.stat().st_size > 10_000_000 for p in path.parent.glob(".perlin.h5.*.tmp")):
            assert writer.poll() is None and time.monotonic() < deadline, "it ended, or never began to write"
            time.sleep(0.01)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert writer.returncode == -signal.SIGKILL and not path.exists()
    write_perlin(path, count=10, **settings)
    assert [p.name for p in path.parent.iterdir()] == ["perlin.h5"], "what the dead process left is cleaned up"
    write_perlin(tmp_path / "undisturbed.h5", count=10, **settings)
    assert path.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()
