"""A network on a small database against a Python dictionary; distances and families as tables."""

from collections import defaultdict

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from rehash.equihash.banks import Bank
from rehash.equihash.distances import measure_distances
from rehash.equihash.evaluate import evaluate_hash
from rehash.equihash.family import collect_family
from rehash.equihash.labels import Database, draw_labels
from rehash.equihash.networks import build_network
from rehash.equihash.queries import draw_queries
from rehash.equihash.task import Task
from rehash.equihash.views import open_mosaics
from rehash.equihash.weights import write_network
from rehash.errors import InputError

CPU = torch.device("cpu")
TASK = {"kind": "noisy", "grid": [1, 2], "picture": [20, 10], "gaussian": 0.02}


def calibrated(seed: int) -> torch.nn.Module:
    """An untrained network whose running statistics are those of random pictures, so that its bits are not constant."""
    network = build_network("mosaic_cnn", 8, (1, 20, 20), seed=seed)
    with torch.no_grad():
        for _ in range(30):
            network(torch.rand(64, 1, 20, 20, generator=torch.Generator().manual_seed(0)))
    return network.eval()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A bank of 20 pictures a split (400 labels), an untrained network of 8 bits, and a database of 700 items."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    with h5py.File(folder / "bank.h5", "w") as file:
        for split in ("train", "valid", "test"):
            file[f"{split}/images"] = rng.integers(0, 256, (20, 20, 10), dtype=np.uint8)
        file.attrs.update({"name": "random", "checksum": "none"})
    keys = {"task": "t", "model": "m", "variant": "default"}
    for number, seed in enumerate((1, 2)):
        network = calibrated(seed)
        about = {"keys": keys, "network": "mosaic_cnn", "bits": 8, "shape": [1, 20, 20], "seed": seed}
        write_network(folder / f"{number}.safetensors", network, about)
    database = Database(9, "small", 700, 400, 2)
    for shard, (start, stop) in enumerate([(0, 300), (300, 700)]):
        draw_labels(folder / f"labels{shard}.h5", database, start, stop)
    shards = [folder / "labels1.h5", folder / "labels0.h5"]
    draw_queries(shards, folder / "queries.h5", positives=60, negatives=50, pairs=5, seed=9)
    return folder


def fingerprint(network: torch.nn.Module, view: torch.Tensor) -> tuple[bool, ...]:
    with torch.no_grad():
        return tuple((network(view[None])[0] > 0).tolist())


def test_evaluation_is_what_a_dictionary_says(files, tmp_path):
    evaluate_hash(
        files / "0.safetensors",
        files / "bank.h5",
        None,
        [files / "labels0.h5", files / "labels1.h5"],
        files / "queries.h5",
        tmp_path / "evaluation.csv",
        keys={"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "small"},
        settings=TASK,
        split="test",
        seed=9,
        device="cpu",
        threads=1,
    )
    table = pd.read_csv(tmp_path / "evaluation.csv")
    assert list(table) == "task model variant seed database database_size metric value low high n".split()
    found = table.set_index("metric")

    network = calibrated(1)
    mosaics = open_mosaics(Task.of(TASK), Bank.open(files / "bank.h5", "test"), None, CPU)
    labels = np.concatenate([h5py.File(files / f"labels{n}.h5")["labels"][:] for n in (0, 1)])
    views = mosaics.items(labels, 0, seed=9, name="small", kind="database")
    buckets = defaultdict(set)
    for item, view in enumerate(views):
        buckets[fingerprint(network, view)].add(item)
    assert 5 < len(buckets) < 250
    collisions = sum(labels[a] != labels[b] for bucket in buckets.values() for a in bucket for b in bucket if a < b)
    assert found.value["internal_collisions"] == collisions > 100
    pool = 350
    differ = 1 - (1 / pool + (1 - 1 / pool) / 400)
    assert found.value["irrelevant_collision_rate"] == pytest.approx(2 * collisions / (700 * 699) / differ, rel=1e-12)

    with h5py.File(files / "queries.h5") as file:
        positive, negative = file["positive/labels"][:], file["negative/labels"][:]
    shown = mosaics.items(positive, 0, seed=9, name="small", kind="positive")
    hits = wanted = answered = perfect = 0
    jaccard = []
    for label, view in zip(positive, shown):
        relevant, bucket = set(np.flatnonzero(labels == label)), buckets.get(fingerprint(network, view), set())
        hits, wanted = hits + len(relevant & bucket), wanted + len(relevant)
        answered, perfect = answered + bool(bucket), perfect + (relevant == bucket)
        jaccard.append(len(relevant & bucket) / len(relevant | bucket))
    assert 0 < hits < wanted
    assert found.value["recall"] == pytest.approx(hits / wanted, rel=1e-12)
    assert found.value["true_positive_rate"] == answered / 60 and found.value["perfect_retrieval_rate"] == perfect / 60
    assert found.value["jaccard"] == pytest.approx(np.mean(jaccard), rel=1e-12)
    shown = mosaics.items(negative, 0, seed=9, name="small", kind="negative")
    assert found.value["false_positive_rate"] == sum(fingerprint(network, v) in buckets for v in shown) / 50
    assert (found.low <= found.value).all() and (found.value <= found.high).all()


def test_distances_of_networks_are_counted(files, tmp_path):
    weights = [files / "0.safetensors", files / "1.safetensors"]
    outputs = tmp_path / "rates.csv", tmp_path / "histogram.csv"
    settings = {"settings": TASK, "triplets": 1000, "seed": 4, "device": "cpu", "threads": 1}
    notes = measure_distances(weights, files / "bank.h5", None, *outputs, **settings)
    assert notes["triplets"] == 200  # 400 labels, each once
    rates, histogram = map(pd.read_csv, outputs)
    assert list(rates) == "task model variant seed metric value low high n".split()
    assert rates.seed.unique().tolist() == [1, 2] and (rates.n == 200).all()
    for seed, table in histogram.groupby("seed"):
        for labels, metric in (("same", "recall"), ("different", "fallout")):
            pairs = table[table.pairs_of == labels].set_index("distance")["count"]
            assert pairs.sum() == 200 and list(pairs.index) == list(range(9))
            of_seed = rates[rates.seed == seed].set_index("metric").value
            for radius in range(4):
                assert of_seed[f"{metric}_at_{radius}"] == pairs[pairs.index <= radius].sum() / 200
        same, different = (table[table.pairs_of == labels] for labels in ("same", "different"))
        assert np.average(same.distance, weights=same["count"]) < np.average(
            different.distance, weights=different["count"]
        )


def test_a_family_says_which_value_each_run_has(tmp_path):
    paths = []
    for variant in ("alpha=0.1,tuple_size=2", "alpha=0.5,tuple_size=2"):
        rows = [{"task": "t", "model": "m", "variant": variant, "seed": 1, "metric": "recall", "value": 0.5}]
        paths.append(tmp_path / f"{variant}.csv")
        pd.DataFrame(rows).to_csv(paths[-1], index=False)
    variants = ("alpha=0.1,tuple_size=2", "alpha=0.5,tuple_size=2")
    one = dict(zip(variants, ({"alpha": 0.1}, {"alpha": 0.5})))
    collect_family(paths, tmp_path / "family.csv", family="f", parameters=one)
    table = pd.read_csv(tmp_path / "family.csv")
    assert list(table)[:6] == ["task", "model", "variant", "family", "parameter", "parameter_value"]
    assert table.parameter.unique().tolist() == ["alpha"] and table.parameter_value.tolist() == [0.1, 0.5]
    two = {variant: {"alpha": value, "beta_every": 1} for variant, value in zip(variants, (0.1, 0.5))}
    collect_family(paths, tmp_path / "family.csv", family="f", parameters=two)
    table = pd.read_csv(tmp_path / "family.csv")
    assert table.parameter.unique().tolist() == ["alpha, beta_every"]
    assert table.parameter_value.tolist() == ["0.1, 1", "0.5, 1"]


def test_a_network_of_other_views_is_refused(files, tmp_path):
    outputs = tmp_path / "rates.csv", tmp_path / "histogram.csv"
    settings = {"settings": {**TASK, "grid": [2, 2]}, "triplets": 10, "seed": 4, "device": "cpu", "threads": 1}
    with pytest.raises(
        InputError, match=r"0\.safetensors: its network takes views of 1 x 20 x 20; the task's are 1 x 40 x 20"
    ):
        measure_distances([files / "0.safetensors"], files / "bank.h5", None, *outputs, **settings)
    assert not list(tmp_path.iterdir())


def test_queries_of_another_database_or_half_a_file_are_refused(files, tmp_path):
    other, half = tmp_path / "other.h5", tmp_path / "half.h5"
    draw_labels(tmp_path / "labels.h5", Database(9, "other", 200, 400, 2), 0, 200)
    draw_queries([tmp_path / "labels.h5"], other, positives=5, negatives=5, pairs=1, seed=9)
    half.write_bytes((files / "queries.h5").read_bytes()[:2000])
    keys = {"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "small"}
    shards = [files / "labels0.h5", files / "labels1.h5"]
    words = {"settings": TASK, "split": "test", "seed": 9, "device": "cpu", "threads": 1}
    for path, message in ((other, "of the database .*'other'"), (half, "not the queries of this database, or damaged")):
        with pytest.raises(InputError, match=message):
            evaluate_hash(
                files / "0.safetensors", files / "bank.h5", None, shards, path, tmp_path / "e.csv", keys=keys, **words
            )
    assert not (tmp_path / "e.csv").exists()
