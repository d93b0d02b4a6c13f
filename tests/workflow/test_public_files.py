"""The documented commands for those who have the public files, on files of a few items in their place."""

import re

import h5py
import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from graphs import PAPER, ROOT, merged, snakemake
from public_files import label_file
from rehash.config import over_defaults, validated
from rehash.equihash import plan
from rehash.equihash.databases.label_files import describe_labels
from small_index import write_bank

FINGERPRINTS = ROOT / "config" / "fingerprints.yaml"
FEW = {"items": 300, "sizes": [100], "positives": 20, "shards": 2, "partitions": 1}


SECTION = (ROOT / "docs" / "equihash.md").read_text(encoding="utf-8").split("## Public files")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    """The section's blocks of code."""
    return re.findall(rf"^```{language}\n(.*?)^```", SECTION, flags=re.M | re.S)


def placed(folder) -> list[str]:
    """The models of the shipped config, with their files under the public names."""
    models = merged(FINGERPRINTS)["equihash"]["models"]["natural"]
    for model in models.values():
        for role, count in (("items", 300), ("queries", 20)):
            path = folder / model["fingerprints"][role]
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                file["codes"] = np.zeros((count, 8), np.uint8)
    return list(models)


def test_the_published_rates_are_planned_from_their_fingerprints(tmp_path):
    models = placed(tmp_path)
    few = tmp_path / "few.yaml"
    few.write_text(yaml.safe_dump({"equihash": {"databases": {"procdb": FEW}}}))
    target = "results/equihash/perfect_retrieval.pdf"
    said = snakemake(tmp_path, target, "-n", "-q", "rules", configs=[FINGERPRINTS, few])
    jobs = {
        words[0]: int(words[1]) for line in said.splitlines() if len(words := line.split()) == 2 and words[1].isdigit()
    }
    expected = {"read_fingerprints": 2 * len(models), "read_query_codes": len(models), "describe_labels": 1}
    expected |= {"draw_queries": 1, "merge_index": 5, "evaluate_partition": 5, "evaluate_index": 5}
    expected |= dict.fromkeys(("compare_models", "compare_perfect_retrieval", "plot_perfect_retrieval"), 1)
    assert {name: count for name, count in jobs.items() if name != "total"} == expected, said
    assert len(models) == 5 and "build_bank" not in said and "train_hash" not in said


@pytest.mark.parametrize(("number", "under"), [(0, FINGERPRINTS), (1, PAPER)])
def test_the_documented_configs_are_valid(tmp_path, monkeypatch, number, under):
    """Laid over the config that is named beside them; and files in their places are found by the keys that name them."""
    config = merged(under)
    update_config(config, yaml.safe_load(blocks("yaml")[number]))
    config = validated(over_defaults(config))
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    label_file(tmp_path / "data" / "1BDB.hdf5")
    (tmp_path / "data" / "1BDB.pkl").rename(tmp_path / "data" / "1BDB_ground_truth.pkl")
    for name in ("natural_index1Bx2.hdf5", "perlin180x270.hdf5"):
        (tmp_path / "data" / name).touch()
    database = ("procdb", "1bdb")[number]
    assert plan.label_place(config, database)["labels"] == f"data/{('natural_index1Bx2', '1BDB')[number]}.hdf5"
    if number:
        assert set(plan.query_content(config, "1bdb")) == {"labels", "ground_truth"}
        assert plan.perlin_tasks(config, "public") == {"openimages": (180, 270)}
        target = plan.INDEXED.format(task="openimages", model="theirs", variant="imported", seed=3210, database="1bdb")
        assert f"{target}evaluation.csv" in SECTION and target in str(plan.shard_files(config, **_run(target)))


def _run(folder: str) -> dict[str, str]:
    _, _, _, task, model, variant, seed, database, _ = folder.split("/")
    return {"task": task, "model": model, "variant": variant, "seed": seed.split("=")[1], "database": database}


def test_the_documented_items(tmp_path, monkeypatch):
    """The lines of Python as they stand, where the workflow has made the labels of the default config's database."""
    config = validated(over_defaults({}))
    monkeypatch.chdir(tmp_path)
    bank, labels = tmp_path / plan.task_inputs(config, "digits")["bank"], tmp_path / plan.labels_file("small")
    for path in (bank, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bank(bank, 30, 28, 28)
    describe_labels(bank, labels, database="small", **plan.label_params(config, "small"))
    found: dict = {}
    exec(blocks("python")[0], found)
    items = found["items"]
    assert len(items) == 20_000 and tuple(items[[3, 17, 3]].shape) == (3, 1, 56, 56)
    assert (items[:1000:100] == items[list(range(0, 1000, 100))]).all() and (items[-1] == items[19_999]).all()
