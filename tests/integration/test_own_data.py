"""A dataset of one's own: one YAML block over a folder of images, to the figure."""

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from graphs import snakemake

CLASSES = ("circle", "cross", "stripes")
TARGET = "results/hash_encoders/shapes/capacity.pdf"


def draw(kind: str, rng: np.random.Generator, side: int) -> np.ndarray:
    """A grey image of a shape at a random place, with noise."""
    y, x = np.mgrid[:side, :side] - side / 2 - rng.uniform(-1, 1, (2, 1, 1))
    lit = {"circle": x**2 + y**2 < (side / 3) ** 2, "cross": (abs(x) < 2) | (abs(y) < 2), "stripes": x % 5 < 2}[kind]
    return np.clip(200 * lit + rng.normal(20, 15, (side, side)), 0, 255).astype(np.uint8)


@pytest.fixture
def project(tmp_path):
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
                # The other wings are built by other tests.
                "tgsh": {"datasets": []},
                "equihash": {"build": {"tasks": [], "databases": [], "models": []}},
            }
        )
    )
    return tmp_path


def run(project, *words, **kwargs) -> str:
    return snakemake(project, *words, "--cores", 2, configs=[project / "mine.yaml"], **kwargs)


def test_a_folder_of_pictures_to_figure_and_report(project):
    run(project, "all")
    table = pd.read_csv(project / "results/hash_encoders/shapes/capacity.csv")
    assert set(table.sample_size) == {96} and len(table) == 2 * 2 * 2  # 80% of 120 images
    narrow, wide = (table.query(f"layer_width == {width} and epoch > 0") for width in (2, 40))
    assert wide.redundancy_train.max() < narrow.redundancy_train.min()
    assert wide.knn.min() > 0.7  # three classes that anyone can tell apart
    report = (project / "results" / "report.html").read_text()
    assert "Capacity on shapes" in report and "read as image_folder" in report
    log = (project / "results/datasets/shapes.build_dataset.log").read_text()
    assert "its checksum is" in log


def test_a_file_that_is_no_picture_is_named(project):
    bad = project / "pictures" / "train" / "cross" / "notes.png"
    bad.write_text("not an image")
    output = run(project, TARGET, check=False)
    assert f"{bad}" in output and "InputError" in output
    assert not (project / "results/datasets/shapes.h5").exists()


def test_another_checksum_is_refused(project):
    config = yaml.safe_load((project / "mine.yaml").read_text())
    config["datasets"]["shapes"]["checksum"] = "0" * 32
    (project / "mine.yaml").write_text(yaml.safe_dump(config))
    assert f"expected {'0' * 32}" in run(project, TARGET, check=False)


def test_a_folder_that_is_not_there(project):
    (project / "pictures").rename(project / "elsewhere")
    assert str(project / "pictures") in run(project, TARGET, check=False)
