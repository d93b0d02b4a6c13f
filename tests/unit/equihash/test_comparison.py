"""Networks side by side, and published rates beside ours."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from graphs import DEFAULT, PAPER, ROOT, merged
from rehash.config import validated
from rehash.equihash import plan
from rehash.equihash.databases.label_files import write_database
from rehash.equihash.databases.labels import Database, labels
from rehash.equihash.databases.queries import draw_queries
from rehash.equihash.evaluation.comparison import (
    compare_models,
    compare_perfect_retrieval,
    expected_multiplicities,
    found_and_predicted,
)
from rehash.equihash.evaluation.retrieval import distance_statistics
from rehash.equihash.index.synthetic import generate_fingerprints, generate_query_codes
from rehash.equihash.plan import COMPARED, COMPARISONS
from rehash.equihash.results import distances_claims, retrieval_claims
from small_index import describe, evaluate

FOUND = "task model variant seed database database_size metric found low high n predicted".split()


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
        drawn = labels(Database(seed, "d", 6000, database.label_count, database.multiplicity), np.arange(6000))
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


def write_tables(folder: Path, model: str, seed: int = 1) -> Path:
    """All tables of one network on a database, in a folder of its own."""
    keys = {"task": "t", "model": model, "variant": "default", "seed": seed, "database": "small"}
    recall = {"database_size": 100, "metric": "recall", "value": seed / 8, "low": 0.1, "high": 0.6, "n": 70}
    tables = {
        "evaluation": [recall, {**recall, "metric": "jaccard"}, {**recall, "database_size": 50, "value": 0.25}],
        "bucket_sizes": [{"database_size": 100, "bucket_size": 1, "buckets": 9}],
        "query_buckets": [{"database_size": 100, "asked": "found", "retrieved": 1, "queries": 70}],
        "probes": [{"database_size": 100, "probes": 1, "metric": "recall", "value": 0.5}],
        "distances": [{"pairs_of": "same", "distance": d, "count": n, "bits": 2} for d, n in enumerate((seed, 2, 1))],
    }
    own = folder / f"{model}_{seed}"
    own.mkdir()
    for name, rows in tables.items():
        pd.DataFrame([{**keys, **row} for row in rows]).to_csv(own / f"{name}.csv", index=False)
    return own


def predict(folder: Path, *rows: tuple) -> Path:
    pd.DataFrame(rows, columns=["database_size", "metric", "expected"]).to_csv(folder / "expected.csv", index=False)
    return folder / "expected.csv"


def test_tables_of_models_are_stacked(tmp_path):
    write_database(tmp_path / "l.h5", Database(0, "small", 100, 10**6, 2))
    folders = [write_tables(tmp_path, *which) for which in (("a", 1), ("b", 2), ("c", 1), ("b", 1))]
    tables = {name: [folder / f"{table}.csv" for folder in folders] for name, table in COMPARISONS.items()}
    predicted = [predict(folders[place], (100, "recall", 0.3 + place)) for place in (3, 1)]
    outputs = {name: tmp_path / f"{name}.csv" for name in COMPARED}
    compare_models(tables, predicted, tmp_path / "l.h5", outputs)
    written = {name: pd.read_csv(path) for name, path in outputs.items()}
    for name, of_each in (("retrieval", 3), ("query_buckets", 1), ("probes", 1), ("distances", 3)):
        assert written[name].model.tolist() == [model for model in "abcb" for _ in range(of_each)]
        assert written[name].equals(pd.concat(map(pd.read_csv, tables[name]), ignore_index=True))
    sizes = written["bucket_sizes"]
    assert list(sizes) == "task model variant seed database database_size bucket_size buckets".split()
    expected = sizes[sizes.model == "labels"]
    assert sizes.model.tolist()[:4] == [*"abcb"] and expected.seed.isna().all() and {*expected.variant} == {"expected"}
    assert (expected.bucket_size * expected.buckets).sum() == pytest.approx(100, rel=1e-2)
    assert "1.0" not in outputs["bucket_sizes"].read_text().split("\n")[1]
    # Each prediction stands beside the network in whose folder it is, whatever their order.
    beside = written["predicted"]
    assert list(beside) == FOUND and beside.model.tolist() == ["b", "b"] and beside.seed.tolist() == [1, 2]
    assert beside.found.tolist() == [1 / 8, 2 / 8] and beside.predicted.tolist() == [3.3, 1.3]
    statistics = distance_statistics(written["distances"])
    pd.testing.assert_frame_equal(written["distances_statistics"], statistics, check_exact=True)
    assert list(zip(statistics.model, statistics.seed)) == [("a", 1), ("b", 2), ("c", 1), ("b", 1)]
    assert statistics.pairs.tolist() == [4, 5, 4, 4] and statistics["mean"].tolist() == [1, 0.8, 1, 1]
    compare_models(tables, [], tmp_path / "l.h5", outputs)
    nothing = pd.read_csv(outputs["predicted"])
    assert list(nothing) == FOUND and nothing.empty and retrieval_claims(written["retrieval"], nothing) == []


def test_found_beside_predicted(tmp_path):
    """Each metric and size that has both, of each network; nothing without networks."""
    one, other = write_tables(tmp_path, "a"), write_tables(tmp_path, "b", 4)
    pairs = [
        (one / "evaluation.csv", predict(one, (50, "recall", 0.2), (100, "jaccard", 0.4), (100, "fallout", 0.9))),
        (other / "evaluation.csv", predict(other, (100, "recall", 0.5), (9, "recall", 0.7))),
    ]
    found = found_and_predicted(pairs)
    about = {"task": "t", "variant": "default", "database": "small", "low": 0.1, "high": 0.6, "n": 70}
    rows = [("a", 1, 100, "jaccard", 1 / 8, 0.4), ("a", 1, 50, "recall", 0.25, 0.2), ("b", 4, 100, "recall", 0.5, 0.5)]
    names = ["model", "seed", "database_size", "metric", "found", "predicted"]
    expected = pd.DataFrame(rows, columns=names).assign(**about)[FOUND]
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert list(found_and_predicted([])) == FOUND and found_and_predicted([]).empty


def test_claims_of_what_follows_from_theory():
    rows = [  # of the first, one value in three is outside; that of no known interval does not count
        ("known", 1, 10_000, "recall", 0.50, 0.40, 0.60, 0.45),
        ("known", 1, 10_000, "jaccard", 0.010, 0.009, 0.011, 0.0125),
        ("known", 1, 500, "true_positive_rate", 1.0, 1.0, 1.0, 1.0),
        ("known", 1, 500, "recall", np.nan, np.nan, np.nan, 0.5),
        ("known", 2, 500, "recall", 0.3, 0.2, 0.4, 0.2),
        ("other", 1, 500, "recall", np.nan, np.nan, np.nan, 0.5),
    ]
    names = ["model", "seed", "database_size", "metric", "found", "low", "high", "predicted"]
    claims = retrieval_claims(pd.DataFrame(), pd.DataFrame(rows, columns=names))
    assert [claim["verdict"] for claim in claims] == [
        "2 of 3 predicted values inside",
        "1 of 1 predicted values inside",
    ]
    assert claims[0]["text"] == (
        "known, seed 1: 2 of 3 predicted values lie in the 95% interval of what was found. The one farthest off for "
        "its interval is jaccard of 10,000 items: found 0.01 (0.009 to 0.011), predicted 0.0125."
    )
    assert (
        claims[1]["text"].startswith("known, seed 2: 1 of 1 predicted") and "recall of 500 items" in claims[1]["text"]
    )


def rates(model: str, variant: str, recalls, fallouts, *, half: float = 0.05) -> list[dict]:
    """Of seeds 1, 2, ..., each with an interval of its own."""
    return [
        {"model": model, "variant": variant, "seed": seed, "metric": f"{metric}_at_{r}"}
        | {"value": value + r, "low": value + r - half, "high": value + r + half}
        for metric, values in (("recall", recalls), ("fallout", fallouts))
        for seed, value in enumerate(values, start=1)
        for r in range(2)
    ]


def test_claims_of_trained_against_untrained_networks():
    """By spread and paired seeds where there are several, by their own intervals where there is one."""
    table = pd.DataFrame(
        rates("many", "default", [0.80, 0.85, 0.90], [0.10, 0.20, 0.30])
        + rates("many", "untrained", [0.10, 0.12, 0.14], [0.20, 0.10, 0.35])
        + rates("one", "default", [0.3], [0.01], half=0.02)
        + rates("one", "untrained", [0.31], [0.2], half=0.02)
        + rates("imported", "imported", [0.9], [0.1])
    )
    claims = distances_claims(pd.DataFrame(), table, pd.DataFrame())
    same, different = (
        f"share of pairs of views of {labels} that get the same fingerprint is"
        for labels in ("one label", "different labels")
    )
    assert [(claim["verdict"], claim["text"][: claim["text"].index(" is ") + 3]) for claim in claims] == [
        ("Rises, beyond the spread", f"many: the {same}"),
        ("No change beyond the spread", f"many: the {different}"),
        ("No change beyond both 95% intervals", f"one: the {same}"),
        ("Falls, beyond both 95% intervals", f"one: the {different}"),
    ]
    assert "0.120 ± 0.020 (n = 3) before training and 0.850 ± 0.050 (n = 3) after training" in claims[0]["text"]
    low, high = stats.ttest_rel([0.80, 0.85, 0.90], [0.10, 0.12, 0.14]).confidence_interval()
    assert claims[0]["text"].endswith(f"; difference +0.730 (95% interval {low:+.3f} to {high:+.3f}).")
    before, after = ("0.2 (95% interval 0.18 to 0.22)", "0.01 (95% interval -0.01 to 0.03)")
    assert claims[3]["text"].endswith(f" is {before} before training and {after} after training (one seed).")


def test_published_rates_beside_ours(tmp_path):
    """Of each database whose queries are items: by task, model and size; by no other metric."""
    rows = []
    for task, model, size, value in (
        ("natural", "shannon_hamming", 10**6, 0.479),
        ("natural", "shannon_hamming", 10**7, 0.40),
        ("natural", "mine", 10**6, 0.7),
        ("digits", "hash_net", 20_000, 0.1),
    ):
        keys = {"task": task, "model": model, "variant": "default", "seed": 1, "database": task, "database_size": size}
        interval = {"low": value - 0.0002, "high": value + 0.0002, "n": 10**6}
        rows += [{**keys, "metric": "alone_in_bucket_rate", "value": value, **interval}]
        rows += [{**keys, "metric": "perfect_retrieval_rate", "value": 0.48, **interval}]
    tables, labels = [], []
    for task, label_count in (("natural", 65_536**2), ("digits", 10**6)):
        labels.append(tmp_path / f"{task}.h5")
        write_database(labels[-1], Database(0, task, 100, label_count))
        tables.append(tmp_path / f"{task}.csv")
        pd.DataFrame(row for row in rows if row["task"] == task).to_csv(tables[-1], index=False)
    published = pd.DataFrame(
        [("natural", "shannon_hamming", 10**e, p) for e, p in ((6, 0.48), (7, 0.472), (8, 0.433), (9, 0.315))],
        columns=["task", "model", "database_size", "published"],
    )
    published.to_csv(tmp_path / "p.csv", index=False)

    def compared(tables=tables, labels=labels, **differences) -> pd.DataFrame:
        compare_perfect_retrieval(
            tables, labels, tmp_path / "p.csv", tmp_path / "out.csv", differences={"digits": "other", **differences}
        )
        return pd.read_csv(tmp_path / "out.csv")

    table = compared()
    assert list(table) == "task database model variant seed database_size published value low high n status why".split()
    expected = {
        ("digits", "hash_net", 20_000): "no published value",
        ("natural", "mine", 10**6): "no published value",
        ("natural", "shannon_hamming", 10**6): "inside",
        ("natural", "shannon_hamming", 10**7): "outside",
        ("natural", "shannon_hamming", 10**8): "not run",
        ("natural", "shannon_hamming", 10**9): "not run",
    }
    rows = [*table.itertuples()]
    assert {(row.task, row.model, row.database_size): row.status for row in rows} == expected and table.why.isna().all()
    assert table.value.dropna().isin([0.479, 0.40, 0.7, 0.1]).all(), "of no other metric"
    assert compared([], []).status.tolist() == ["not run"] * 4
    # Ours of another database are not compared, however near they are, and why is said.
    table = compared(natural="split test (published: valid)").dropna(subset=["published", "value"])
    assert set(table.status) == {"not comparable"} and set(table.why) == {"split test (published: valid)"}
    write_database(labels[0], Database(0, "natural", 100, 256))
    table = compared(natural="").dropna(subset=["published", "value"])
    assert set(table.why) == {"256 labels (published: 4,294,967,296)"} and set(table.status) == {"not comparable"}


def test_a_model_named_like_a_published_one_is_compared(tmp_path):
    """Known fingerprints are: their rate lies inside if what is published is what theory says of them."""
    settings = {"bits": 64, "flips": 0.01, "name_bits": 40, "seed": 3}
    labels = describe(Database(1, "n", 3000, 65_536**2), tmp_path)
    files = {name: tmp_path / name for name in ("codes", "queries", "asked", "expected.csv")}
    generate_fingerprints(labels, files["codes"], **settings)
    draw_queries(labels, files["queries"], positives=2000, negatives=10, pairs=10, seed=1, asked="items")
    generate_query_codes(files["queries"], files["asked"], files["expected.csv"], probed=5, **settings)
    keys = {"task": "natural", "model": "hash_net_20", "variant": "synthetic", "seed": 3, "database": "n"}
    evaluate(tmp_path, [files["codes"]], files["asked"], files["queries"], labels, 2, keys=keys, probes=5, seed=1)
    expected = pd.read_csv(files["expected.csv"]).set_index("metric").expected["alone_in_bucket_rate"]
    flips = round(0.01 * 65_536) / 65_536
    assert expected == pytest.approx(((1 - flips) ** 2 + flips**2) ** 64, abs=1e-4), "no label has a twin among so many"
    for rate, status in ((expected, "inside"), (expected - 0.1, "outside")):
        row = {"task": "natural", "model": "hash_net_20", "database_size": 3000, "published": rate}
        pd.DataFrame([row]).to_csv(tmp_path / "p.csv", index=False)
        compare_perfect_retrieval(
            [tmp_path / "evaluation.csv"], [labels], tmp_path / "p.csv", tmp_path / "out.csv", differences={}
        )
        table = pd.read_csv(tmp_path / "out.csv")
        assert table.status.tolist() == [status] and table.published.tolist() == [pytest.approx(rate)]


def test_the_published_table_is_of_the_published_config():
    """Its rows are of the models and sizes of the task that config/paper.yaml builds, and nothing differs there."""
    published = pd.read_csv(ROOT / "workflow" / "resources" / "published_equihash.csv")
    assert len(published) == 20 and set(published.task) == {"natural"}
    config = validated(merged(DEFAULT, PAPER))
    config["equihash"]["build"] = {"databases": ["natural_1b"], "models": ["natural"]}
    assert plan.perfect_differences(config) == {"natural_1b": ""}
    assert set(published.model) == {*config["equihash"]["models"]["natural"]}
    assert {*published.database_size} == {*plan.sizes(config, "natural_1b")}
    task, database = (config["equihash"][part] for part in ("tasks", "databases"))
    task["natural"] |= {
        "hue": 0.1,
        "flow": {**dict.fromkeys(("fine", "taper", "strength")), "coarse": 256, "fade": [6, 9]},
    }
    database["natural_1b"]["split"] = "test"
    assert plan.perfect_differences(config)["natural_1b"] == (
        "split test (published: valid); hue 0.1 (published: 0.0625); flow fade [6, 9] (published: [6, 8])"
    )
    database["natural_1b"]["asked"] = "labels"
    assert plan.perfect_differences(config) == {} and plan.perfect_inputs(config) == {"retrievals": [], "labels": []}
