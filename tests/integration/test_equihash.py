"""The data half of the wing equihash, on the tests' graph."""

import shutil
from collections import defaultdict

import h5py
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from graphs import SMALL, snakemake

MANY = "results/equihash/databases/many"


def files(shards: int) -> list[str]:
    """The queries of the database, and its labels as files for others."""
    return [f"{MANY}/queries.h5", *(f"{MANY}/labels/{shard}-of-{shards}.h5" for shard in range(shards))]


def labels(folder, shards: int) -> np.ndarray:
    parts = []
    for shard in range(shards):
        with h5py.File(folder / "labels" / f"{shard}-of-{shards}.h5") as file:
            parts.append(file["labels"][:])
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def many(built, tmp_path_factory):
    """A database of more than one block of labels, which nothing is evaluated on."""
    directory = tmp_path_factory.mktemp("many")
    shutil.copytree(built / "results" / "equihash" / "banks", directory / "results" / "equihash" / "banks")
    shutil.copytree(built / "results" / "datasets", directory / "results" / "datasets")
    snakemake(directory, *files(3), "--cores", 2)
    return directory


def test_labels_and_queries_fit_together(built, many):
    folder = many / "results" / "equihash" / "databases" / "many"
    found = labels(folder, 3)
    counts = pd.read_csv(built / "results" / "equihash" / "tasks" / "digits" / "views.csv").set_index("split")
    assert counts.pictures.to_dict() == {"train": 3333, "valid": 667, "test": 1000}
    assert len(found) == 70_000 and found.min() >= 0 and found.max() < counts.labels["test"] == 1000**4
    carriers = defaultdict(list)
    for item, label in enumerate(found.tolist()):
        carriers[label].append(item)
    assert 70_000 / len(carriers) > 2  # a pool of half as many labels, some of which no item carries
    with h5py.File(folder / "queries.h5") as file:
        positive, offsets, ids = (file[f"positive/70000/{name}"][:] for name in ("labels", "offsets", "ids"))
        negative, pairs = file["negative/labels"][:], file["pairs/labels"][:]
    assert len(set(positive.tolist())) == 500
    for j, label in enumerate(positive.tolist()):
        assert ids[offsets[j] : offsets[j + 1]].tolist() == carriers[label]
    assert len(negative) == 300 and not set(negative.tolist()) & set(carriers)
    assert pairs.shape == (200, 2) and (pairs[:, 0] != pairs[:, 1]).all()


def test_shards_change_no_label(many, tmp_path):
    (tmp_path / "shards.yaml").write_text("equihash: {databases: {many: {shards: 5}}}\n")
    snakemake(tmp_path, *files(5), "--cores", 2, configs=[SMALL, tmp_path / "shards.yaml"])
    whole = many / "results" / "equihash" / "databases" / "many"
    again = tmp_path / "results" / "equihash" / "databases" / "many"
    assert (labels(again, 5) == labels(whole, 3)).all()
    with h5py.File(whole / "queries.h5") as one, h5py.File(again / "queries.h5") as other:
        for name in ("positive/70000/labels", "positive/70000/ids", "negative/labels", "pairs/labels"):
            assert (one[name][:] == other[name][:]).all(), name


def test_contact_sheets_and_noise_are_drawn(built):
    folder = built / "results" / "equihash"
    shapes = {"digits": (5, 5, 56, 56), "photos": (5, 5, 180, 270, 3), "places": (5, 5, 40, 80, 3)}
    for task, shape in shapes.items():
        with h5py.File(folder / "tasks" / task / "views.h5") as file:
            views = file["views"][:]
        assert views.shape == shape
        plain, noisy = views[:, :1].astype(float), views[:, 1:].astype(float)
        assert (np.abs(noisy - plain).reshape(5, 4, -1).mean(2) > 0.02).all()
        assert imread(folder / "tasks" / task / "views.png").std() > 0.1
    assert imread(folder / "perlin" / "small" / "spectrum.png").std() > 0.1
