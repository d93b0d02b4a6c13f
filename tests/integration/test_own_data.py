"""A dataset of one's own: one YAML block over a folder of images, to the figure."""

import os
import re
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_wine

from graphs import ROOT, snakemake

CLASSES = ("circle", "cross", "stripes")
TARGET = "results/hash_encoders/shapes/capacity.pdf"


def draw(kind: str, rng: np.random.Generator, side: int) -> np.ndarray:
    """A grey image of a shape at a random place, with noise."""
    y, x = np.mgrid[:side, :side] - side / 2 - rng.uniform(-1, 1, (2, 1, 1))
    lit = {"circle": x**2 + y**2 < (side / 3) ** 2, "cross": (abs(x) < 2) | (abs(y) < 2), "stripes": x % 5 < 2}[kind]
    return np.clip(200 * lit + rng.normal(20, 15, (side, side)), 0, 255).astype(np.uint8)


@pytest.fixture
def project(tmp_path):
    return begun(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project in which everything is built; those who change it put it back."""
    folder = begun(tmp_path_factory.mktemp("finished"))
    run(folder, "all")
    return folder


def begun(tmp_path):
    """A working folder with images of three classes in two sizes, and a configuration of one block."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 40), ("test", 20)):
        for kind in CLASSES:
            folder = tmp_path / "pictures" / split / kind
            folder.mkdir(parents=True)
            for i in range(n):
                side = int(rng.choice([16, 21]))
                Image.fromarray(draw(kind, rng, side)).save(folder / f"{i}.{'png' if i % 2 else 'bmp'}")
    block = {"reader": "image_folder", "path": str(tmp_path / "pictures"), "image_size": 16}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {
                "datasets": {"shapes": block},
                "hash_encoders": {
                    "datasets": ["shapes"],
                    "protocols": {"scripts": {"epochs": 8}},
                    "capacity": {"shapes": {"layer_widths": [2, 40], "repeats": 2}},
                },
                "wings": ["hash_encoders"],  # the others are built by other tests
            }
        )
    )
    return tmp_path


def run(project, *words, config: str = "mine.yaml", **kwargs) -> str:
    return snakemake(project, *words, "--cores", 2, configs=[project / config], **kwargs)


def planned(project, *words, **kwargs) -> set[str]:
    """The rules that would run."""
    output = run(project, "all", "-n", *words, **kwargs)
    return set(re.findall(r"^(\w+) +\d+$", output, flags=re.M)) - {"total", "all"}


def test_a_folder_of_pictures_to_figure_and_report(finished):
    project = finished
    table = pd.read_csv(project / "results/hash_encoders/shapes/capacity.csv")
    assert set(table.sample_size) == {96} and len(table) == 2 * 2 * 2  # 80% of 120 images
    narrow, wide = (table.query(f"layer_width == {width} and epoch > 0") for width in (2, 40))
    assert wide.redundancy_train.max() < narrow.redundancy_train.min()
    assert wide.knn.min() > 0.7  # three classes that anyone can tell apart
    first = (project / "results" / "report.html").read_text(encoding="utf-8")
    assert "On shapes (protocol scripts), training inputs that share their code" in first
    assert "120 train and 60 test images of 16 x 16, 3 classes" in first and "Not run: Learned equihash" in first
    assert "No published value belongs to what this run is of" in first
    report = (project / "results" / "report" / "dataset-shapes.html").read_text(encoding="utf-8")
    assert "Capacity on shapes" in report and "read as image_folder" in report
    assert report.index("120 train and 60 test images of 16 x 16, 3 classes") < report.index("Capacity on shapes</h3>")
    log = (project / "results/datasets/shapes.build_dataset.log").read_text(encoding="utf-8")
    assert "its checksum is" in log
    classes = pd.read_csv(project / "results/datasets/shapes.csv")
    assert classes.name.tolist() == list(CLASSES) and (classes.train == 40).all() and (classes.test == 20).all()


def test_reruns_follow_the_content_of_a_folder(finished, tmp_path):
    """Not its times, its place, the spelling of its path, or what a file browser leaves in it."""
    assert planned(finished) == set()
    pictures, one = finished / "pictures", finished / "pictures" / "train" / "cross" / "0.bmp"
    for path in (pictures, pictures / "train", one):
        os.utime(path)
    left_behind = pictures / ".DS_Store", pictures / "train" / "cross" / "Thumbs.db"
    for path in left_behind:
        path.write_bytes(b"x")
    assert planned(finished) == set(), "touched"
    for path in left_behind:
        path.unlink()
    pictures.rename(finished / "moved {here} 'x'")
    try:
        config = yaml.safe_load((finished / "mine.yaml").read_text())
        for path in (
            "moved {here} 'x'",
            f"{finished}/../{finished.name}/moved {{here}} 'x'",
            "${PICS}/moved {here} 'x'",
        ):
            config["datasets"]["shapes"]["path"] = path
            (finished / "other.yaml").write_text(yaml.safe_dump(config))
            found = planned(finished, config="other.yaml", env={**os.environ, "PICS": str(finished)})
            assert found == set(), path
        assert planned(finished) == set(), "gone, after the dataset was built"
    finally:
        (finished / "moved {here} 'x'").rename(pictures)
    content = one.read_bytes()
    try:
        one.write_bytes((pictures / "train" / "cross" / "2.bmp").read_bytes())
        assert planned(finished) >= {"build_dataset", "train_mlps", "measure_properties", "plot_capacity"}, "changed"
    finally:
        one.write_bytes(content)
    assert planned(finished) == set(), "as it was"


def test_a_dataset_that_is_built_again_makes_nothing_new(finished):
    dataset = finished / "results/datasets/shapes.h5"
    before = dataset.read_bytes()
    dataset.unlink()
    run(finished, "results/datasets/shapes.h5")
    assert dataset.read_bytes() == before
    assert "train_mlps" not in planned(finished) and "measure_properties" not in planned(finished)


def test_copied_results_and_another_clone_make_nothing_new(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy)  # with times of its own, as cp -r
    assert planned(tmp_path / "copy") == set()
    (tmp_path / "clone").mkdir()
    shutil.copy(ROOT / "Snakefile", tmp_path / "clone")
    for part in ("workflow", "config", "envs", "profiles"):
        shutil.copytree(ROOT / part, tmp_path / "clone" / part)
    assert planned(finished, root=tmp_path / "clone") == set()


def test_a_file_that_is_no_picture_is_named(project):
    bad = project / "pictures" / "train" / "cross" / "notes.png"
    bad.write_text("not an image")
    output = run(project, TARGET, check=False)
    assert "1 of 181 images cannot be read: train/cross/notes.png (not an image" in output and "InputError" in output
    assert not (project / "results/datasets/shapes.h5").exists()


def test_another_checksum_is_refused(project):
    config = yaml.safe_load((project / "mine.yaml").read_text())
    config["datasets"]["shapes"]["checksum"] = "0" * 32
    (project / "mine.yaml").write_text(yaml.safe_dump(config))
    assert f"expected {'0' * 32}" in run(project, TARGET, check=False)


def test_a_folder_that_is_not_there(project):
    (project / "pictures").rename(project / "elsewhere")
    assert str(project / "pictures") in run(project, TARGET, check=False)


def test_the_readmes_three_steps(tmp_path):
    """Its six lines, in an empty folder, with images at home."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"as `mine.yaml`:\n +```yaml\n(.*?)```", text, flags=re.S)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "mine.yaml").write_text(textwrap.dedent(lines))
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        for i in range(6):
            path = tmp_path / "pictures" / kind / f"{i}.{'jpg' if i % 2 else 'png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw("circle" if kind == "cat" else "cross", rng, 40 + i)).save(path)
    command = re.search(r"^ +(snakemake all .*)$", text, flags=re.M)[1].replace("--cores all", "--cores 2")
    words = [sys.executable, "-m", *command.split(), "-s", str(ROOT / "Snakefile"), "-n"]
    home = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path / "empty", env=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, flags=re.M))
    assert jobs["train_mlps"] == jobs["measure_properties"] == "4" and jobs["plot_dataset"] == "1"
    assert not {name for name in jobs if name.startswith(("train_flynet", "train_hash", "fetch"))}
    words = [*words[:-1], "results/datasets/mine.pdf"]
    words.remove("all")
    done = subprocess.run(words, cwd=tmp_path / "empty", env=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    classes = pd.read_csv(tmp_path / "empty/results/datasets/mine.csv")
    assert classes.to_dict("list") == {"class": [0, 1], "name": ["cat", "dog"], "train": [5, 5], "test": [1, 1]}


def test_a_table_to_its_figure(tmp_path):
    """The wines that scikit-learn ships, as a CSV file with a first line that a person would write."""
    wines = load_wine(as_frame=True)
    table = wines.data.assign(kind=wines.target.map({0: "red", 1: "white", 2: "rosé"}))
    table.to_csv(tmp_path / "wine.csv", index=False, sep=";")
    block = {"reader": "table", "path": "wine.csv", "label": "kind"}
    studies = {"capacity": {"wine": {"layer_widths": [2, 30], "repeats": 2}}}
    config = {"wings": ["hash_encoders"], "datasets": {"wine": block}}
    config["hash_encoders"] = {"datasets": ["wine"], "protocols": {"scripts": {"epochs": 20}}, **studies}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    run(tmp_path, "all")
    found = pd.read_csv(tmp_path / "results/hash_encoders/wine/capacity.csv").query("layer_width == 30 and epoch > 0")
    assert found.lr.min() > 0.8, "logistic regression on the table itself is right in 97%"
    report = (tmp_path / "results/report/dataset-wine.html").read_text(encoding="utf-8")
    assert "vectors of 13 numbers, 3 classes" in report and "rosé" in report


def test_the_cookbooks_network(tmp_path):
    """Its file and its block, in an empty folder: planned as they stand, and run on less."""
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    section = text.split("The layers of your own network\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"as `net.py`:\n\n```python\n(.*?)```", section, flags=re.S)
    (block,) = re.findall(r"```yaml\n(.*?)```", section, flags=re.S)
    assert len(code.strip().splitlines()) <= 20
    (tmp_path / "net.py").write_text(code)
    (tmp_path / "layers.yaml").write_text(block)
    words = re.search(r"^snakemake --cores all (\S+) --configfile mine.yaml$", section, flags=re.M)[1], "--cores", 2
    planned = snakemake(tmp_path, *words, "-n", configs=[tmp_path / "layers.yaml"])
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, flags=re.M))
    assert (jobs["train_model"], jobs["encode_model"], jobs["measure_layers"]) == ("1", "2", "2")
    less = {"models": ["mine"], "train_samples": 300, "test_samples": 100, "max_bits": 64}
    short = {"protocols": {"convolutional_quick": {"epochs": 2}}, "layers": {"mnist5k": less}}
    (tmp_path / "less.yaml").write_text(yaml.safe_dump({"hash_encoders": short}))
    snakemake(tmp_path, *words, configs=[tmp_path / "layers.yaml", tmp_path / "less.yaml"])
    found = pd.read_csv(tmp_path / "results/hash_encoders/mnist5k/layers.csv")
    assert set(found.node) == {"0.2", "1.2", "2.2", "all layers"} and set(found.pool) == {"none", "sum"}
    assert set(zip(found.model, found.state)) == {("mine", "trained"), ("mine", "untrained")}
    assert not list(tmp_path.glob("__pycache__"))
