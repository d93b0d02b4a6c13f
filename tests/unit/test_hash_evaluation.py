"""A network on a small database against a Python dictionary; distances and families as tables."""

from collections import Counter, defaultdict
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from rehash.equihash import counts as counts_module
from rehash.equihash.banks import Bank
from rehash.equihash.collisions import bucket_sizes
from rehash.equihash.counts import check_counts, evaluate_partition
from rehash.equihash.distances import measure_distances
from rehash.equihash.encode import encode_queries, encode_shard
from rehash.equihash.evaluate import evaluate
from rehash.equihash.family import collect_family
from rehash.equihash.labels import Database, draw_labels
from rehash.equihash.networks import build_network
from rehash.equihash.partitions import merge_partition
from rehash.equihash.queries import Queries, draw_queries
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
    draw_queries(shards, folder / "queries.h5", sizes=(300, 700), positives=60, negatives=50, pairs=40, seed=9)
    return folder


def fingerprint(network: torch.nn.Module, view: torch.Tensor) -> tuple[bool, ...]:
    with torch.no_grad():
        return tuple((network(view[None])[0] > 0).tolist())


SAVING = {"code": "", "on_code_change": "restart", "save_every_s": 30}
ENCODING = {"settings": TASK, "split": "test", "seed": 9, "device": "cpu", "threads": 1}


def evaluated(files: Path, folder: Path, partitions: int, probes: int = 30) -> Path:
    """A database encoded, indexed and evaluated by the functions of the rules; the folder with the tables."""
    labels = [files / "labels0.h5", files / "labels1.h5"]
    source = files / "0.safetensors", files / "bank.h5", None
    shards = [folder / f"shard{n}.h5" for n in range(2)]
    for path, shard in zip(labels, shards):
        encode_shard(*source, path, shard, saving=SAVING, **ENCODING)
    codes, queries = folder / "codes.h5", files / "queries.h5"
    encode_queries(*source, queries, codes, probed=25, saving=SAVING, **ENCODING)
    counts = []
    for partition in range(partitions):
        merge_partition(shards, folder / f"p{partition}.h5", partition=partition, partitions=partitions)
        counts.append(folder / f"c{partition}.h5")
        evaluate_partition(folder / f"p{partition}.h5", codes, queries, labels, counts[-1], probes=probes)
    outputs = {name: folder / f"{name}.csv" for name in ("evaluation", "bucket_sizes", "probes", "distances")}
    keys = {"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "small"}
    evaluate(counts[::-1], codes, queries, outputs, keys=keys, probes=probes, seed=9)
    return folder


def test_evaluation_is_what_a_dictionary_says(files, tmp_path):
    """Every metric of a network, of the whole database and of its first 300 items, by brute force."""
    folder = evaluated(files, tmp_path, 3)
    table = pd.read_csv(folder / "evaluation.csv")
    assert list(table) == "task model variant seed database database_size metric value low high n".split()
    network = calibrated(1)
    mosaics = open_mosaics(Task.of(TASK), Bank.open(files / "bank.h5", "test"), None, CPU)
    labels = np.concatenate([h5py.File(files / f"labels{n}.h5")["labels"][:] for n in (0, 1)])
    views = mosaics.items(labels, 0, seed=9, name="small", kind="database")
    codes = [fingerprint(network, view) for view in views]
    asked = Queries.read(files / "queries.h5")
    sizes = pd.read_csv(folder / "bucket_sizes.csv")
    for size in (300, 700):
        found = table[table.database_size == size].set_index("metric")
        buckets = defaultdict(set)
        for item, code in enumerate(codes[:size]):
            buckets[code].add(item)
        assert 5 < len(buckets) < 250
        expected = Counter(map(len, buckets.values()))
        mine = sizes[sizes.database_size == size]
        assert dict(zip(mine.bucket_size, mine.buckets)) == expected
        collisions = sum(labels[a] != labels[b] for bucket in buckets.values() for a in bucket for b in bucket if a < b)
        assert found.value["internal_collisions"] == collisions > 50
        pool = 350
        differ = 1 - (1 / pool + (1 - 1 / pool) / 400)
        icr = 2 * collisions / (size * (size - 1)) / differ
        assert found.value["irrelevant_collision_rate"] == pytest.approx(icr, rel=1e-12)
        positive = asked.positive[size][0]
        shown = mosaics.items(positive, 0, seed=9, name=f"small {size}", kind="positive")
        hits = wanted = answered = perfect = 0
        jaccard = []
        for label, view in zip(positive, shown):
            relevant = set(np.flatnonzero(labels[:size] == label))
            bucket = buckets.get(fingerprint(network, view), set())
            hits, wanted = hits + len(relevant & bucket), wanted + len(relevant)
            answered, perfect = answered + bool(bucket), perfect + (relevant == bucket)
            jaccard.append(len(relevant & bucket) / len(relevant | bucket))
        assert 0 < hits < wanted
        assert found.value["recall"] == pytest.approx(hits / wanted, rel=1e-12)
        assert found.value["true_positive_rate"] == answered / 60
        assert found.value["perfect_retrieval_rate"] == perfect / 60
        assert found.value["jaccard"] == pytest.approx(np.mean(jaccard), rel=1e-12)
        shown = mosaics.items(asked.negative, 0, seed=9, name="small", kind="negative")
        assert found.value["false_positive_rate"] == sum(fingerprint(network, v) in buckets for v in shown) / 50
    assert (table.low <= table.value).all() and (table.value <= table.high).all()

    pairs = pd.read_csv(folder / "distances.csv")
    views = {
        kind: mosaics.items(asked.pairs[:, column], 0, seed=9, name="small", kind=kind)
        for kind, column in (("pair_a1", 0), ("pair_a2", 0), ("pair_b1", 1))
    }
    a1, a2, b1 = ([fingerprint(network, view) for view in seen] for seen in views.values())
    for kind, metric, other in (("same", "recall", a2), ("different", "fallout", b1)):
        distances = [sum(x != y for x, y in zip(*both)) for both in zip(a1, other)]
        counts = pairs[pairs.pairs_of == kind].set_index("distance")["count"]
        assert counts[counts > 0].to_dict() == Counter(distances) and (pairs.bits == 8).all()
        for r in range(4):
            assert found.value[f"{metric}_at_{r}"] == np.mean([d <= r for d in distances])

    probed = pd.read_csv(folder / "probes.csv").set_index(["metric", "probes"]).value
    positive, relevant = asked.positive[700]
    shown = mosaics.items(positive[:25], 0, seed=9, name="small 700", kind="positive")
    got = np.zeros((3, 30))
    for label, view in zip(positive, shown):
        with torch.no_grad():
            logits = network(view[None])[0]
        order = sorted(product([False, True], repeat=8), key=lambda flips: sum(abs(logits[np.array(flips)]).tolist()))
        mine = set(np.flatnonzero(labels == label))
        for rank, flips in enumerate(order[:30]):
            bucket = buckets.get(tuple(((logits > 0).numpy() ^ np.array(flips)).tolist()), set())
            got[:, rank] += len(bucket & mine), len(bucket), 0
        got[2] += len(mine)
    hits, retrieved = got[:2].cumsum(axis=1)
    for t in (1, 2, 10, 30):
        assert probed["recall", t] == pytest.approx(hits[t - 1] / got[2, 0])
        assert probed["precision", t] == pytest.approx(hits[t - 1] / retrieved[t - 1])


def test_the_number_of_partitions_changes_no_table(files, tmp_path, monkeypatch):
    """Nor how many queries are probed at once."""
    tables = []
    for partitions, probed in ((1, 1000), (4, 7)):
        monkeypatch.setattr(counts_module, "_PROBED", probed)
        folder = tmp_path / str(partitions)
        folder.mkdir()
        evaluated(files, folder, partitions)
        tables.append({path.name: path.read_bytes() for path in folder.glob("*.csv")})
    assert len(tables[0]) == 4 and tables[0] == tables[1]


def test_files_that_do_not_fit_together(files, tmp_path):
    folder = evaluated(files, tmp_path, 2)
    labels, queries = [files / "labels0.h5", files / "labels1.h5"], files / "queries.h5"
    source = files / "bank.h5", None, queries, folder / "foreign.h5"
    encode_queries(files / "1.safetensors", *source, probed=25, saving=SAVING, **ENCODING)
    draw_labels(tmp_path / "other.h5", Database(9, "other", 200, 400, 2), 0, 200)
    draw_queries([tmp_path / "other.h5"], tmp_path / "otherq.h5", positives=5, negatives=5, pairs=1, seed=9)
    draw_queries(labels, tmp_path / "fewer.h5", positives=5, negatives=5, pairs=1, seed=9)
    (tmp_path / "half.h5").write_bytes((folder / "p0.h5").read_bytes()[:500])
    partition, codes, output = folder / "p0.h5", folder / "codes.h5", folder / "out.h5"
    for words, message in [
        (
            (partition, folder / "foreign.h5", queries, labels),
            r"/foreign\.h5: is of model \w+; expected model \w+, as .*p0",
        ),
        (
            (partition, codes, tmp_path / "otherq.h5", labels),
            r"otherq\.h5: queries of .*'other'.*expected those of .*'small'",
        ),
        (
            (partition, codes, queries, [tmp_path / "other.h5"]),
            r"queries\.h5: queries of .*'small'.*expected .*'other'",
        ),
        (
            (partition, codes, tmp_path / "fewer.h5", labels),
            r"codes\.h5: fingerprints of other queries than those of .*fewer\.h5",
        ),
        ((tmp_path / "half.h5", codes, queries, labels), r"half\.h5: not a partition of an index, or damaged"),
        ((partition, partition, queries, labels), r"p0\.h5: not a file of fingerprints of queries, or damaged"),
    ]:
        with pytest.raises(InputError, match=message):
            evaluate_partition(*words, output, probes=3)
    assert not output.exists()
    whole, three = [folder / "c0.h5", folder / "c1.h5"], tmp_path / "three"
    three.mkdir()
    evaluated(files, three, 3)
    (tmp_path / "twin.h5").write_bytes(whole[1].read_bytes())
    for counts, message in [
        ([], "no counts; expected those of all partitions"),
        (whole[:1], "the counts of partition 1 of 2 are missing"),
        ([*whole, tmp_path / "twin.h5"], r"twin\.h5: is of partition 1, as .*c1\.h5 is; expected each once"),
        ([whole[0], three / "c1.h5"], r"three/c1\.h5: is of 3 partitions; expected 2, as .*c0\.h5"),
        ([whole[0], codes], r"codes\.h5: not a file of counts, or damaged"),
    ]:
        with pytest.raises(InputError, match=message):
            check_counts(counts)
    outputs = {name: tmp_path / "never.csv" for name in ("evaluation", "bucket_sizes", "probes", "distances")}
    with pytest.raises(InputError, match=r"codes\.h5: fingerprints of other queries than those of .*fewer\.h5"):
        evaluate(whole, codes, tmp_path / "fewer.h5", outputs, keys={}, probes=3, seed=9)
    assert not (tmp_path / "never.csv").exists()


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
    for variant in ("alpha=0.1+tuple_size=2", "alpha=0.5+tuple_size=2"):
        rows = [{"task": "t", "model": "m", "variant": variant, "seed": 1, "metric": "recall", "value": 0.5}]
        paths.append(tmp_path / f"{variant}.csv")
        pd.DataFrame(rows).to_csv(paths[-1], index=False)
    variants = ("alpha=0.1+tuple_size=2", "alpha=0.5+tuple_size=2")
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


def test_fingerprints_out_of_order_are_refused():
    """As a damaged partition may have them; a loop over its buckets would not end, or count what is not there."""
    keys, ids = np.array([1, 5, 2], np.uint64), np.arange(3)
    with pytest.raises(InputError, match="not in order; expected them sorted"):
        bucket_sizes(keys, ids, [3])
    assert bucket_sizes(np.sort(keys), ids, [3]).buckets.sum() == 3
