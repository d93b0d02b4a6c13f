"""Networks side by side, and published rates beside ours."""

import numpy as np
import pandas as pd
import pytest

from graphs import ROOT
from rehash.equihash.comparison import compare_models, compare_perfect_retrieval, expected_multiplicities
from rehash.equihash.labels import Database, draw_labels, labels


@pytest.mark.parametrize(
    "database",
    [Database(0, "d", 6000, 10**12, 3), Database(0, "d", 6000, 1500), Database(0, "d", 6000, 1024, 9)],
    ids=["pool", "all labels", "a pool that has labels twice"],
)
def test_expected_multiplicities_are_those_of_drawn_labels(database):
    expected = expected_multiplicities(database, 6000).set_index("bucket_size").buckets
    assert (expected.index * expected).sum() == pytest.approx(6000, rel=1e-3)
    seen = []
    for seed in range(40):
        drawn = labels(Database(seed, "d", 6000, database.label_count, database.multiplicity), 0, 6000)
        sizes = np.unique(drawn, return_counts=True)[1]
        seen.append(np.bincount(sizes, minlength=100))
    mean = np.mean(seen, axis=0)
    deviation = np.std(seen, axis=0)
    for size, value in expected.items():
        assert abs(mean[size] - value) < 5 * max(deviation[size], value**0.5) / 40**0.5 + 0.1, size


def test_labels_that_hardly_repeat():
    expected = expected_multiplicities(Database(0, "d", 10**9, 10**10), 10**9).set_index("bucket_size").buckets
    assert expected[1] == pytest.approx(10**9 * np.exp(-0.1), rel=1e-6)
    assert expected[2] == pytest.approx(10**10 * np.exp(-0.1) * 0.1**2 / 2, rel=1e-6)
    alone = expected_multiplicities(Database(0, "d", 5, 10**15), 5)
    assert alone.bucket_size.tolist() == [1] and alone.buckets[0] == pytest.approx(5)


def test_tables_of_models_are_stacked(tmp_path):
    draw_labels(tmp_path / "l.h5", Database(0, "small", 100, 10**6, 2), 0, 100)
    tables = {"retrieval": [], "bucket_sizes": []}
    for model in ("a", "b"):
        keys = {"task": "t", "model": model, "variant": "default", "seed": 1, "database": "small", "database_size": 100}
        for name, row in (
            ("retrieval", {"metric": "recall", "value": 0.5}),
            ("bucket_sizes", {"bucket_size": 1, "buckets": 9}),
        ):
            tables[name].append(tmp_path / f"{model}_{name}.csv")
            pd.DataFrame([{**keys, **row}]).to_csv(tables[name][-1], index=False)
    outputs = {name: tmp_path / f"{name}.csv" for name in tables}
    compare_models(tables, tmp_path / "l.h5", outputs)
    assert pd.read_csv(outputs["retrieval"]).model.tolist() == ["a", "b"]
    sizes = pd.read_csv(outputs["bucket_sizes"])
    assert list(sizes) == "task model variant seed database database_size bucket_size buckets".split()
    expected = sizes[sizes.model == "labels"]
    assert (
        sizes.model.tolist()[:2] == ["a", "b"] and expected.seed.isna().all() and set(expected.variant) == {"expected"}
    )
    assert (expected.bucket_size * expected.buckets).sum() == pytest.approx(100, rel=1e-2)
    assert "1.0" not in outputs["bucket_sizes"].read_text().split("\n")[1]


def test_published_rates_beside_ours(tmp_path):
    rows = []
    for task, model, size, value in (
        ("openimages", "shannon_hamming", 10**6, 0.479),
        ("openimages", "shannon_hamming", 10**7, 0.40),
        ("digits", "hash_net", 20_000, 0.1),
    ):
        keys = {"task": task, "model": model, "variant": "default", "seed": 1, "database": "x", "database_size": size}
        interval = {"value": value, "low": value - 0.0002, "high": value + 0.0002, "n": 10**6}
        rows += [{**keys, "metric": "perfect_retrieval_rate", **interval}, {**keys, "metric": "recall", **interval}]
    pd.DataFrame(rows).to_csv(tmp_path / "r.csv", index=False)
    published = pd.DataFrame(
        [("openimages", "shannon_hamming", 10**e, p) for e, p in ((6, 0.48), (7, 0.472), (8, 0.433), (9, 0.315))],
        columns=["task", "model", "database_size", "published"],
    ).assign(why_not_comparable=None)
    published.to_csv(tmp_path / "p.csv", index=False)
    compare_perfect_retrieval([tmp_path / "r.csv"], tmp_path / "p.csv", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table) == "task database model variant seed database_size published value low high n status why".split()
    status = {(row.task, row.database_size): row.status for row in table.itertuples()}
    assert status == {
        ("digits", 20_000): "no published value",
        ("openimages", 10**6): "inside",
        ("openimages", 10**7): "outside",
        ("openimages", 10**8): "not run",
        ("openimages", 10**9): "not run",
    }
    compare_perfect_retrieval([], tmp_path / "p.csv", tmp_path / "out.csv")
    assert pd.read_csv(tmp_path / "out.csv").status.tolist() == ["not run"] * 4
    # With a reason, no rate counts as inside or outside, whether ours was run or not, and however near it is.
    published.assign(why_not_comparable="another task").to_csv(tmp_path / "p.csv", index=False)
    compare_perfect_retrieval([tmp_path / "r.csv"], tmp_path / "p.csv", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv").set_index("task")
    assert set(table.status["openimages"]) == {"not comparable"} and set(table.why["openimages"]) == {"another task"}
    assert table.status["digits"] == "no published value"


def test_no_published_rate_is_compared_before_its_task_is_built():
    published = pd.read_csv(ROOT / "workflow" / "resources" / "published_equihash.csv")
    assert len(published) == 20 and published.why_not_comparable.str.len().gt(50).all()
