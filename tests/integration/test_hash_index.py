"""Shards, partitions and evaluations of the wing equihash on the tests' graph: any cut, any kill, the same tables."""

import os
import re
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread, imsave

from graphs import SMALL, snakemake
from rehash.equihash.databases.label_files import Labels

EQUIHASH = "results/equihash"
RUN = f"{EQUIHASH}/models/digits/shannon_hamming/default/seed=3210/"
KNOWN = f"{EQUIHASH}/models/digits/known/synthetic/seed=3210/small/"
TABLES = ("evaluation", "bucket_sizes", "query_buckets", "probes", "distances")


def test_evaluations_are_tidy(built):
    table = pd.read_csv(built / EQUIHASH / "databases" / "small" / "retrieval.csv")
    assert table.model.unique().tolist() == ["shannon_hamming", "known"]
    assert set(table.database_size) == {700, 3000}
    counts = table.groupby(["model", "database_size"]).metric.nunique()
    assert (counts == [10, 18] * 2).all(), "recall and fallout stand with the whole database"
    assert (table.low <= table.value).all() and (table.value <= table.high).all()
    assert not table.duplicated(["model", "database_size", "metric"]).any()
    sizes = pd.read_csv(built / EQUIHASH / "databases" / "small" / "bucket_sizes.csv")
    items = (sizes.bucket_size * sizes.buckets).groupby([sizes.model, sizes.database_size]).sum()
    for model in table.model.unique():
        assert items[model, 700] == 700 and items[model, 3000] == 3000
    assert items["labels", 3000] == pytest.approx(3000, rel=0.01)


def test_known_fingerprints_are_found_as_often_as_they_must(built):
    folder = built / KNOWN
    found = pd.read_csv(folder / "evaluation.csv").set_index(["database_size", "metric"])
    expected = pd.read_csv(folder / "expected.csv").set_index(["database_size", "metric"]).expected
    for metric in ("true_positive_rate", "recall", "jaccard", "perfect_retrieval_rate"):
        for size in (700, 3000):
            deviation = (found.high[size, metric] - found.low[size, metric]) / 3.92
            assert abs(found.value[size, metric] - expected[size, metric]) < 4 * deviation, (size, metric)
    flips = round(0.01 * 65_536) / 65_536
    assert expected[3000, "recall"] == pytest.approx(((1 - flips) ** 2 + flips**2) ** 64)


def test_multi_probing_finds_more(built):
    table = pd.read_csv(built / EQUIHASH / "databases" / "small" / "probes.csv")
    for _, rows in table[table.metric == "recall"].groupby("model"):
        assert rows.probes.tolist() == list(range(1, 101)) and (np.diff(rows.value) >= 0).all()
    known = table[(table.model == "known") & (table.metric == "recall")].set_index("probes")
    assert known.low[100] > known.high[1]


def test_figures_are_drawn(built):
    for name in (
        "databases/small/retrieval",
        "databases/small/bucket_sizes",
        "databases/small/query_buckets",
        "databases/small/probes",
        "perfect_retrieval",
    ):
        assert imread(built / EQUIHASH / f"{name}.png").std() > 0.1, name
    table = pd.read_csv(built / EQUIHASH / "perfect_retrieval.csv")
    assert table.status.value_counts().to_dict() == {"not run": 20, "no published value": 2}
    found = pd.read_csv(built / EQUIHASH / "databases" / "small_natural" / "retrieval.csv")
    found = found.set_index(["metric", "database_size"]).value
    ours = table.dropna(subset="value").set_index("database_size")
    assert set(ours.task) == {"small_natural"} and ours.value.to_dict() == found["alone_in_bucket_rate"].to_dict()
    assert (found["alone_in_bucket_rate"] <= found["own_item_rate"]).all(), "items are asked again"


def test_a_gallery_is_shown(built):
    """Of the first model with a network, as the config asks; its rates are those of the evaluation's first probes."""
    folder = built / RUN / "small"
    assert imread(folder / "gallery.png").std() > 0.05
    rates = pd.read_csv(folder / "gallery_rates.csv")
    assert rates.probes.unique().tolist() == [1, 10, 100] and (rates.n == 50).all()
    table = pd.read_csv(folder / "gallery.csv").merge(rates[["probes", "outcome"]])
    assert len(table) == 3 * 6 and (table.hits <= table.relevant).all()
    probes = pd.read_csv(folder / "probes.csv").query("metric == 'recall'").set_index("probes").value
    assert (rates.query("outcome == 'perfect'").value.to_numpy() <= probes[[1, 10, 100]].to_numpy() + 1e-9).all()


def test_a_search_as_documented(built, tmp_path):
    """From the folder that a user stands in, with results elsewhere; nothing else is made again for it."""
    run, picture = built / RUN / "small", np.full((90, 60, 3), 77, np.uint8)
    imsave(tmp_path / "photo.jpg", picture)
    targets, home = [f"{RUN}small/search.html", f"{RUN}small/query_results.csv"], {**os.environ, "PWD": str(tmp_path)}
    output = snakemake(built, *targets, "--cores", 1, "--config", "query=[photo.jpg, item:123]", env=home)
    assert sorted(re.findall(r"^Job \d+: (\w+)", output, flags=re.M)) == ["Listing", "Searching"]
    text = (run / "search.html").read_text()
    assert "60 x 90 pixels; in colour: converted to grey" in text and "scaled to 56 x 56" in text
    (label,) = Labels.open(built / EQUIHASH / "databases" / "small" / "labels.h5").take(np.array([123]))
    first = pd.read_csv(run / "search.csv").query("query == 2 and item == 123").iloc[0]
    assert (first.distance, first.label, first.same_label) == (0, label, True), "an item finds itself"
    assert "Nothing to be done" in snakemake(built, f"{RUN}small/evaluation.csv", "-n", "--config", "query=other")
    error = "InputError: config: query: there is none; say what to search for: --config query=photo.jpg"
    assert error in snakemake(built, targets[0], "-n", check=False)

    table = pd.read_csv(run / "query_results.csv")
    found = pd.read_csv(run / "evaluation.csv").set_index(["database_size", "metric"]).value
    for size, rows in table[table.kind == "positive"].groupby("database_size"):
        assert found[size, "recall"] == pytest.approx(rows.hits.sum() / rows.relevant.sum())
        assert found[size, "items_retrieved"] == pytest.approx(rows.retrieved.mean())
        assert found[size, "sound_retrieval_rate"] == pytest.approx((rows.hits == rows.retrieved).mean())


def a_copy(built, folder):
    """What fingerprints of the digits are made from."""
    for name in ("banks", "databases"):
        shutil.copytree(built / EQUIHASH / name, folder / EQUIHASH / name)
    shutil.copytree(built / "results" / "datasets", folder / "results" / "datasets")
    (folder / RUN).mkdir(parents=True)
    for path in (built / RUN).glob("*.*"):
        shutil.copy2(path, folder / RUN / path.name)


def test_shards_and_partitions_change_no_table(built, tmp_path):
    """Other shards are encoded again; other partitions are merged only."""
    a_copy(built, tmp_path)
    target = f"{RUN}small/evaluation.csv"
    for shards, partitions in ((1, 3), (1, 5)):
        (tmp_path / "cut.yaml").write_text(
            f"equihash: {{databases: {{small: {{shards: {shards}, partitions: {partitions}}}}}}}\n"
        )
        output = snakemake(tmp_path, target, "--cores", 2, configs=[SMALL, tmp_path / "cut.yaml"])
        for name in TABLES:
            path = f"{RUN}small/{name}.csv"
            assert (tmp_path / path).read_bytes() == (built / path).read_bytes(), name
    begun = re.findall(r"^Job \d+: (\w+)", output, flags=re.M)
    assert sorted(begun) == ["Evaluating"] * 6 + ["Merging"] * 5


def test_a_foreign_shard_stops_the_merge(built, tmp_path):
    a_copy(built, tmp_path)
    shutil.copytree(built / RUN / "small" / "fingerprints", tmp_path / RUN / "small" / "fingerprints")
    other = tmp_path / RUN / "small" / "fingerprints" / "1-of-3.h5"
    assert not list((built / KNOWN / "fingerprints").glob("*.h5")), "they were temporary"
    foreign = f"{KNOWN}fingerprints/1-of-3.h5"
    snakemake(tmp_path, foreign, "--cores", 1)
    with h5py.File(tmp_path / foreign) as file:
        assert file.attrs["start"] == 1000
    shutil.copy(tmp_path / foreign, other)
    target = f"{RUN}small/index/0-of-2.h5"
    snakemake(tmp_path, target, "--cores", 1, "--allowed-rules", "merge_index", check=False)
    log = (tmp_path / target).with_suffix(".merge_index.log").read_text()
    of_another = (
        r"is of model \w+, config \w+, device none, precision none; "
        r"expected model \w+, config \w+, device cpu \w+, precision float32, as"
    )
    assert re.search(rf"InputError: \S*1-of-3\.h5: {of_another}", log)
    assert not (tmp_path / target).exists()
