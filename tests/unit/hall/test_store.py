"""Whole files or none."""

import subprocess
import sys

import pandas as pd
import pytest

from rehash.digest import SCRIPTS
from rehash.errors import InputError
from rehash.store import atomic, read_csv, value_digest, write_csv, write_json

# A limit on the size of files stands in for a full disk: the system refuses the write in the same way.
FULL_DISK = """
import resource, signal, sys
import numpy as np, pandas as pd
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, kind = sys.argv[1:]
from rehash.datasets.layout import Split, write_dataset
from rehash.store import atomic, write_csv
split = Split(np.random.default_rng(0).integers(0, 256, (900, 28, 28)).astype(np.uint8), np.zeros(900, np.int64))
if kind == "networks":
    import torch
    from rehash.hash_encoders.networks_file import write_networks
    from rehash.hash_encoders.trained import Trained
    trained = Trained({"trained": {"head.weight": torch.zeros(3, 100, 1000)}}, {"trained": [1] * 3})
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
if kind == "table":
    write_csv(pd.DataFrame({"x": np.arange(99_999)}), path)
elif kind == "dataset":
    write_dataset(path, {"train": split, "test": split}, name="d", source="", licence="", class_names=["a", "b"])
else:
    write_networks(path, [trained], {})
"""


@pytest.mark.parametrize("kind", ["table", "dataset", "networks"])
def test_a_disk_that_fills_leaves_nothing_and_says_so(tmp_path, kind):
    (tmp_path / "out").write_text("the old content")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "out"), kind],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SCRIPTS), "PATH": ""},
    )
    assert done.returncode == 1, done.stderr
    assert f"could not write {tmp_path / 'out'}: File too large. Nothing was left behind" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["out"] and (tmp_path / "out").read_text() == "the old content"


def test_a_failure_inside_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), atomic(tmp_path / "a" / "b") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert not list((tmp_path / "a").iterdir())


def test_only_the_dead_files_of_the_same_name_are_cleaned_up(tmp_path):
    for name in (".train.123.tmp", ".train.123.tmp.gz", ".train.labels.55.tmp", ".train.x.tmp"):
        (tmp_path / name).touch()
    write_json(1, tmp_path / "train")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".train.labels.55.tmp", ".train.x.tmp", "train"]


def test_files_are_readable_by_others(tmp_path):
    write_json({"b": 1, "a": [1.5]}, tmp_path / "x.json")
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "x.json").read_text() == '{\n  "a": [\n    1.5\n  ],\n  "b": 1\n}\n'


def test_tables_come_back_exactly(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.1 + 0.2, 1e-17], "n": [1, 2]})
    write_csv(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv", ["name"]), table, check_exact=True)
    with pytest.raises(InputError, match=r"t\.csv: lacks the columns redundancy; it has name, value, n"):
        read_csv(tmp_path / "t.csv", ["name", "redundancy"])
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(InputError, match="not a readable CSV"):
        read_csv(tmp_path / "t.csv")


def test_digest_of_values_ignores_the_order_of_keys():
    assert value_digest({"a": 1, "b": [2]}) == value_digest({"b": [2], "a": 1}) != value_digest({"a": 1, "b": [3]})
