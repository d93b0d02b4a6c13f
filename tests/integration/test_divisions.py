"""Datasets that retrieval protocols divide, through the workflow: built, looked at, and rebuilt where they must be."""

import re

import h5py
import numpy as np
import pandas as pd
import yaml

from graphs import snakemake
from rehash.datasets.layout import Dataset

CARDS = [f"results/datasets/{name}.pdf" for name in ("mnist5k_unseen", "drawn")]


def config(folder, queries: int):
    path = folder / "mine.yaml"
    protocol = {"queries_a_class": queries, "train_a_class": 50, "train_in_gallery": False}
    block = {"reader": "division", "dataset": "mnist5k", "protocol": "mine"}
    path.write_text(yaml.safe_dump({"retrieval_protocols": {"mine": protocol}, "datasets": {"drawn": block}}))
    return path


def test_divisions_are_built_from_the_digits_and_another_protocol_rebuilds_its_own(tmp_path):
    snakemake(tmp_path, "--cores", 1, *CARDS, configs=[config(tmp_path, 20)])
    folder = tmp_path / "results" / "datasets"
    whole, unseen, drawn = (Dataset.read(folder / f"{name}.h5") for name in ("mnist5k", "mnist5k_unseen", "drawn"))
    assert [len(split.labels) for split in (unseen.train, unseen.test, unseen.gallery)] == [2800, 300, 1200]
    assert [len(split.labels) for split in (drawn.train, drawn.test, drawn.gallery)] == [500, 200, 4300]
    assert not set(unseen.train.labels) & set(unseen.test.labels) and set(unseen.gallery.labels) == set(
        unseen.test.labels
    )
    known = {
        row.tobytes(): label for split in (whole.train, whole.test) for row, label in zip(split.inputs, split.labels)
    }
    for found in (unseen, drawn):
        for split in (found.train, found.test, found.gallery):
            assert all(known[row.tobytes()] == label for row, label in zip(split.inputs, split.labels))
    assert sum(len(split.labels) for split in (drawn.train, drawn.test, drawn.gallery)) == len(known) == 5000
    assert (pd.read_csv(folder / "drawn.csv")[["train", "test", "gallery"]] == [50, 20, 430]).all(axis=None)
    assert "warning" not in set(pd.read_csv(folder / "mnist5k_unseen_findings.csv").kind)
    with h5py.File(folder / "drawn.h5") as file:
        assert "Divided by the retrieval protocol mine." in str(file.attrs["source"])
    assert np.bincount(drawn.gallery.labels).tolist() == [430] * 10
    assert "Nothing to be done" in snakemake(tmp_path, "-n", *CARDS, configs=[config(tmp_path, 20)])
    again = snakemake(tmp_path, "-n", *CARDS, configs=[config(tmp_path, 30)])
    assert set(re.findall(r"Building the dataset (\w+)|Drawing data card: (\w+)", again)) == {
        ("drawn", ""),
        ("", "drawn"),
    }
