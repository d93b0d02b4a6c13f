"""Two classes of own data, on a machine that is set up for other things, with results on another disk."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from graphs import snakemake

SETTINGS = "# gr\xf6\xdfer\ntext.usetex: True\nfont.size: 40\n"


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A working folder whose results are links, and an environment that is hostile in every way that Snakemake bears."""
    for name in ("results", "encoders", "home", "foreign", "settings"):
        (tmp_path / "disk" / name).mkdir(parents=True)
    project = tmp_path / "project"
    project.mkdir()
    (project / "results").symlink_to(tmp_path / "disk" / "results")
    (project / "results" / "hash_encoders").symlink_to(tmp_path / "disk" / "encoders")
    (project / "matplotlibrc").write_text(SETTINGS, encoding="latin-1")
    (tmp_path / "disk" / "settings" / "matplotlibrc").write_text(SETTINGS, encoding="latin-1")
    (tmp_path / "disk" / "foreign" / "rehash.py").write_text("raise SystemExit('not ours')", encoding="utf-8")
    variables = {
        "HOME": "/proc/nobody", "XDG_CACHE_HOME": tmp_path / "disk" / "home", "TMPDIR": "/nowhere",
        "MPLCONFIGDIR": tmp_path / "disk" / "settings", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "LC_ALL": "C", "PYTHONUTF8": 0, "PYTHONCOERCECLOCALE": 0, "PYTHONIOENCODING": "ascii", "PYTHONHASHSEED": 7,
        "PYTHONPATH": tmp_path / "disk" / "foreign", "PYTHONOPTIMIZE": 2, "PYTHONWARNINGS": "error",
        "OMP_DYNAMIC": "true", "OMP_NUM_THREADS": 3,
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return project


def dark_and_bright(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return (rng.integers(0, 100, (n, 6, 6)) + 120 * labels[:, None, None]).astype(np.uint8), labels


@pytest.mark.long
def test_two_classes_on_an_odd_machine(odd):
    (images, labels), (test_images, test_labels) = dark_and_bright(60, 0), dark_and_bright(20, 1)
    np.savez(
        odd / "two.npz", train_images=images, train_labels=labels, test_images=test_images, test_labels=test_labels
    )
    config = {
        "datasets": {"two": {"reader": "npz", "path": str(odd / "two.npz")}},
        "hash_encoders": {
            "datasets": ["two"],
            "protocols": {"scripts": {"epochs": 1}},
            "capacity": {"two": {"layer_widths": [6], "repeats": 1}},
            "regions": {"two": {"layer_widths": [6], "lines": 30}},
        },
        "wings": ["hash_encoders"],
    }
    (odd / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    snakemake(odd, "all", "provenance", "--cores", 2, configs=[odd / "mine.yaml"])

    made = odd / "results" / "hash_encoders" / "two"
    lines, slices = (pd.read_csv(made / f"{name}.csv") for name in ("regions", "regions_slices"))
    ends = lines[(lines.snapshot == "trained") & (lines.direction == "input")]
    counts = ends.groupby("points").size().to_dict()
    assert counts == {"train": 24, "test": 10, "random": 30} and lines.chord.notna().all(), "48 and 20 inputs"
    assert slices.empty and list(slices), "columns without rows"
    first = (odd / "results" / "report.html").read_text(encoding="utf-8")
    report = (odd / "results" / "report" / "dataset-two.html").read_text(encoding="utf-8")
    assert 'class="claim missing"' not in first + report and report.count("<section id=") == 3
    assert "one network has no spread to judge by" in first and "Not run: The three works on one scale" in first
    assert "A slice needs a corner in each of three classes; the test inputs are of 2 classes" in report
    assert "30 were asked for; there are inputs for 24 between train inputs and 10 between test inputs" in report
    assert "mean ± standard deviation" in report
    found = json.loads((odd / "results" / "provenance.json").read_text(encoding="utf-8"))
    assert {"hash_encoders/two/capacity.json", "hash_encoders/two/regions.json", "datasets/two.json"} <= set(found)
