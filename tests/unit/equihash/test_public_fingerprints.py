"""Fingerprints of others: every rate is the one that the public evaluation's loops give, and other files are refused."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from public_files import BANK, GRID, label_file, labels_of
from public_files import ITEMS as LABELLED
from rehash import foreign_hdf5
from rehash.config import load_schema, over_defaults, validated
from rehash.equihash.databases.label_files import describe_labels
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.public_labels import read_queries
from rehash.equihash.databases.queries import draw_queries
from rehash.equihash.evaluation.comparison import compare_models
from rehash.equihash.index.public_fingerprints import read_fingerprints, read_query_codes
from rehash.equihash.index.synthetic import generate_fingerprints, generate_query_codes
from rehash.equihash.plan import COMPARED, COMPARISONS
from rehash.errors import InputError
from small_index import describe, evaluate, places

ITEMS, QUERIES, SIZES = 3000, 300, (1000, 3000)
CONTENT = {"items": "md5", "queries": "md5"}


def write(path: Path, size: int | None = None, **arrays) -> Path:
    with h5py.File(path, "w") as file:
        file.update(arrays)
        if size is not None:
            file["size"] = np.array([size], np.uint32)
    return path


@pytest.fixture(scope="module")
def codes() -> tuple[np.ndarray, np.ndarray]:
    """Of items with about two to a bucket, and of the first of them again, of which some are another code."""
    chance = np.random.default_rng(0)
    pool = chance.integers(0, 256, (1500, 8), np.uint8)
    items = pool[chance.integers(1500, size=ITEMS)]
    again = np.where(
        chance.random((QUERIES, 1)) < 0.4, chance.integers(0, 256, (QUERIES, 8), np.uint8), items[:QUERIES]
    )
    again[5] = items[7]  # not its own bucket
    return items, again


def published_rates(items: np.ndarray, queries: np.ndarray, size: int) -> dict[str, float]:
    """By the loops of the public eval_index.py."""
    buckets = places(map(bytes, items[:size]))
    retrieved = [buckets.get(bytes(code), []) for code in queries]
    found = [i in bucket for i, bucket in enumerate(retrieved)]
    return {
        "own_item_rate": np.mean(found),
        "alone_in_bucket_rate": np.mean([own and len(bucket) == 1 for own, bucket in zip(found, retrieved)]),
        "items_retrieved": np.mean([len(bucket) for bucket in retrieved]),
        "true_positive_rate": np.mean([len(bucket) > 0 for bucket in retrieved]),
    }


def read(folder: Path, labels: Path, queries: Path, places: dict, probed=0, probes=5) -> pd.DataFrame:
    """The evaluation of fingerprints in files."""
    shards = [folder / f"shard{number}.h5" for number in range(3)]
    for number, path in enumerate(shards):
        read_fingerprints(places["items"], labels, path, shard=number, shards=3, bits=64, content=CONTENT)
    read_query_codes(places, queries, folder / "codes.h5", bits=64, content=CONTENT, probed=probed)
    keys = {"task": "t", "model": "m", "variant": "fingerprints", "seed": 0, "database": "d"}
    evaluate(folder, shards, folder / "codes.h5", queries, labels, 3, keys=keys, probes=probes, seed=5)
    return pd.read_csv(folder / "evaluation.csv").set_index(["database_size", "metric"])


def test_published_rates_without_labels(tmp_path, codes, monkeypatch):
    """As for a user who has the files of 2023 alone: 10^9 items and 10^6 queries there, 3,000 and 300 here."""
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 8 * 700)
    files = {"items": write(tmp_path / "i.hdf5", codes=codes[0])}
    files["queries"] = write(tmp_path / "q.hdf5", QUERIES, codes=codes[1])
    labels = tmp_path / "labels.h5"
    settings = {"split": "valid", "items": ITEMS, "images": 2, "multiplicity": 1, "seed": 5, "bank_size": 65_536}
    assert describe_labels(None, labels, database="d", **settings) == {"label_count": 2**32}
    asked = {"positives": QUERIES, "negatives": 0, "pairs": 0, "seed": 5, "asked": "items"}
    draw_queries(labels, tmp_path / "queries.h5", sizes=SIZES, **asked)
    rows = read(tmp_path, labels, tmp_path / "queries.h5", files)
    for size in SIZES:
        expected = published_rates(*codes, size)
        assert 0.05 < expected["alone_in_bucket_rate"] < expected["own_item_rate"] < 0.65
        for metric, value in expected.items():
            row = rows.loc[size, metric]
            assert row.value == pytest.approx(value, abs=1e-12) and row.low <= value <= row.high and row.n == QUERIES
    known = {metric for _, metric in rows.index if "_at_" not in metric}
    assert known == set(expected), "nothing is said that needs labels"
    assert rows.value.drop(index=list(expected), level="metric").isna().all(), "there are no pairs"
    tables = {name: [tmp_path / f"{table}.csv"] for name, table in COMPARISONS.items()}
    compare_models(tables, [], labels, {name: tmp_path / f"all_{name}.csv" for name in COMPARED})
    buckets = pd.read_csv(tmp_path / "all_bucket_sizes.csv")
    assert (buckets.model == "m").all() and (buckets.bucket_size * buckets.buckets).sum() == sum(SIZES)


def test_every_metric_with_the_files_of_2024(tmp_path, monkeypatch):
    """What encode.py writes for a file of labels, queries of all kinds included, by loops over items."""
    chance, held = np.random.default_rng(1), label_file(tmp_path / "db.hdf5")
    cells = held["database"]
    pool = chance.integers(0, 256, (BANK**2, 8), np.uint8)

    def hashed(of: np.ndarray, flips=0.3) -> np.ndarray:
        """The code of a mosaic, now and then with another first byte."""
        found = pool[of[..., 0] * BANK + of[..., 1]].copy()
        found[..., 0] ^= (chance.random(found.shape[:-1]) < flips).astype(np.uint8)
        return found

    items, positive, negative = (hashed(held[k]) for k in ("database", "positive_queries", "negative_queries"))
    negative[:4] = items[:4]
    triplets = np.stack([hashed(held["negative_pairs"][:, which]) for which in (0, 0, 1)], axis=1)
    logits = np.where(np.unpackbits(positive, axis=1), 1, -1) * chance.uniform(1, 2, (20, 64)).astype(np.float32)
    files = {"items": items, "queries": positive, "negatives": negative, "triplets": triplets}
    files = {role: write(tmp_path / f"{role}.hdf5", len(of), codes=of) for role, of in files.items()}
    files["logits"] = write(tmp_path / "logits.hdf5", 20, logits=logits.astype(np.float32))
    labels = labels_of(tmp_path)
    asked = {"split": "test", "grid": GRID, "bank_size": BANK, "sizes": [80, LABELLED]}
    asked |= {"positives": 20, "negatives": 20, "pairs": 25, "ground_truth": tmp_path / "db.pkl"}
    read_queries(tmp_path / "db.hdf5", None, labels, tmp_path / "queries.h5", **asked)
    rows = read(tmp_path, labels, tmp_path / "queries.h5", files, probed=20, probes=2)
    for size in (80, LABELLED):
        buckets = places(map(bytes, items[:size]))
        truth = [{item for item in of if item < size} for of in held["truth"]]
        retrieved = [set(buckets.get(bytes(code), [])) for code in positive]
        pairs = [(of, found) for of, found in zip(truth, retrieved) if of]
        expected = {
            "recall": sum(len(of & found) for of, found in pairs) / sum(len(of) for of, _ in pairs),
            "jaccard": np.mean([len(of & found) / len(of | found) for of, found in pairs]),
            "perfect_retrieval_rate": np.mean([of == found for of, found in pairs]),
            "false_positive_rate": np.mean([bytes(code) in buckets for code in negative]),
            "internal_collisions": sum(
                bytes(items[i]) == bytes(items[j]) and (cells[i] != cells[j]).any()
                for i in range(size)
                for j in range(i)
            ),
        }
        assert 0.2 < expected["recall"] < 0.9 and expected["false_positive_rate"] > 0
        for metric, value in expected.items():
            assert rows.loc[size, metric].value == pytest.approx(value, abs=1e-12), metric
        assert rows.loc[size, "recall"].n == len(pairs) and rows.loc[size, "false_positive_rate"].n == 20
    same = (triplets[:, 0] == triplets[:, 1]).all(axis=1).mean()
    assert rows.loc[LABELLED, "recall_at_0"].value == pytest.approx(same)
    probes = pd.read_csv(tmp_path / "probes.csv").set_index(["probes", "metric"])
    assert probes.loc[(1, "recall"), "value"] == pytest.approx(expected["recall"]) and (probes.n == 20).all()
    write(tmp_path / "logits.hdf5", 20, logits=-logits.astype(np.float32))
    with pytest.raises(InputError, match="the signs of logits 0 are not the bits of code 0 of"):
        read(tmp_path, labels, tmp_path / "queries.h5", files, probed=3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"codes": lambda x: x[:, :4]},
            r"codes is uint8 \(3000, 4\), 32 bits a row; expected uint8 \(n, 8\), .* bits are 64",
        ),
        ({"codes": lambda x: x.astype(np.int16)}, r"codes is int16 \(3000, 8\); expected uint8"),
        ({"codes": lambda x: x[:2999]}, "codes has 2999 rows; expected at least 3000, the items of the database d"),
        ({"other": lambda x: x}, "it has no dataset codes; it has other"),
        ({"codes": lambda x: x, "size": 2000}, "is not finished: 2000 of its 3000 rows are done"),
        (-900, "not a public file of fingerprints, or damaged"),
        (b"text", "not a public file of fingerprints, or damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, codes, changes, words):
    path, labels = tmp_path / "i.hdf5", tmp_path / "labels.h5"
    settings = {"split": "valid", "items": ITEMS, "images": 2, "multiplicity": 1, "seed": 5}
    describe_labels(None, labels, database="d", **settings)
    if isinstance(changes, dict):
        size = changes.pop("size", None)
        write(path, size, **{name: change(codes[0]) for name, change in changes.items()})
    else:
        whole = write(path, codes=codes[0]).read_bytes()
        path.write_bytes(whole[:changes] if isinstance(changes, int) else changes)
    with pytest.raises(InputError, match=words):
        read_fingerprints(path, labels, tmp_path / "out.h5", bits=64, content=CONTENT)
    assert not (tmp_path / "out.h5").exists()


SCHEMA = load_schema()
TASK = {"kind": "noisy", "bank": "digits5k", "grid": [1, 2], "picture": [28, 28]}
ALONE = {"labels": "unknown", "asked": "items", "negatives": 0, "pairs": 0, "probed": 0}
FILES = {"items": "i.hdf5", "queries": "q.hdf5"}


@pytest.mark.parametrize(
    ("database", "model", "words"),
    [
        ({}, FILES, "m: has fingerprints of others, but the labels of the database d are drawn here"),
        (
            {"labels": "file", "path": "l", "asked": "file", "logits": "all"},
            FILES,
            "m: has fingerprints of others, but the database d keeps the logits .* set equihash.databases.d.logits to p",
        ),
        ({**ALONE, "pairs": 5}, FILES, "d: labels are unknown, but pairs are labels; set them to 0"),
        ({**ALONE, "asked": "labels"}, FILES, "d: labels are unknown, so that only its own items can be asked"),
        ({**ALONE, "probed": 5}, FILES, "the database d has 5 probed, and there is no file of them; set logits to its"),
        (ALONE, {"items": "i.hdf5"}, "has 1000 positives, and there is no file of them; set queries to its path"),
        (ALONE, None, "m: makes fingerprints of labels, but those of the database d are unknown"),
        ({"labels": "file"}, FILES, "d: labels is file, with no path; expected a path with labels: file"),
        ({"path": "l.hdf5"}, None, "d: labels is drawn, with path l.hdf5"),
        ({"asked": "file"}, None, "d: asked: file takes the queries of a file of labels"),
        ({"labels": "file", "path": "l", "ground_truth": "t"}, None, "d: ground_truth is of the queries of a file"),
        ({"labels": "file", "path": "l", "multiplicity": 2}, None, "d: a multiplicity is of labels that are drawn"),
        (
            {"labels": "file", "path": "l", "asked": "items"},
            FILES,
            "of others, but negatives and pairs of the database",
        ),
        (
            {"labels": "file", "path": "l", "negatives": 0, "pairs": 0},
            FILES,
            "m: has fingerprints of others, but the database d is asked labels that are drawn here",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_when_planning(database, model, words):
    wing = {
        "tasks": {"t": TASK},
        "databases": {"d": {"task": "t", "items": 5000, **database}},
        "models": {"t": {"m": {"fingerprints": model} if model else {}}},
    }
    with pytest.raises(InputError, match=words):
        validated(over_defaults({"equihash": wing}), SCHEMA)


def known(folder: Path, zero: set[str]) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
    """The evaluation of synthetic fingerprints with no queries of some kinds, what probes find, and what is predicted."""
    labels = describe(Database(5, "d", 400, 900, 3), folder)
    count = {key: 0 if key in zero else 30 for key in ("positives", "negatives", "pairs")}
    draw_queries(labels, folder / "q.h5", sizes=(100, 400), seed=5, **count)
    settings = {"bits": 16, "flips": 0.02, "name_bits": 8, "seed": 1}
    shards = [folder / f"shard{number}.h5" for number in range(2)]
    for shard, path in enumerate(shards):
        generate_fingerprints(labels, path, shard=shard, shards=2, **settings)
    codes, expected = folder / "codes.h5", folder / "expected.csv"
    generate_query_codes(folder / "q.h5", codes, expected, probed=0 if "probed" in zero else 30, **settings)
    keys = {"task": "t", "model": "m", "variant": "synthetic", "seed": 1, "database": "d"}
    evaluate(folder, shards, codes, folder / "q.h5", labels, 2, keys=keys, probes=4, seed=5)
    rows = pd.read_csv(folder / "evaluation.csv").set_index(["database_size", "metric"])
    return rows, pd.read_csv(folder / "probes.csv"), set(pd.read_csv(expected).metric)


@pytest.fixture(scope="module")
def asked_all(tmp_path_factory) -> pd.DataFrame:
    return known(tmp_path_factory.mktemp("all"), set())[0]


@pytest.mark.parametrize("left_out", [{"positives"}, {"negatives"}, {"pairs"}, {"probed"}, {"positives", "negatives"}])
def test_queries_may_be_left_out(tmp_path, asked_all, left_out):
    """What they would have been asked for has no value and n = 0; all else is as it is with them."""
    rows, probes, predicted = known(tmp_path, left_out)
    probed = 0 if left_out & {"positives", "probed"} else 30
    assert len(probes) == 8 and (probes.n == probed).all() and probes.value[:4].isna().all() == (probed == 0)
    assert ("recall" in predicted) == ("positives" not in left_out) and "irrelevant_collision_rate" in predicted
    assert ("false_positive_rate" in predicted) == ("negatives" not in left_out)
    positive = ["true_positive_rate", "recall", "jaccard", "items_retrieved"]
    positive += [f"{kind}_retrieval_rate" for kind in ("perfect", "complete", "sound")]
    of = dict.fromkeys(positive, "positives") | {"false_positive_rate": "negatives"}
    metrics = rows.index.get_level_values("metric")
    empty = np.array([of.get(metric, "pairs" if "_at_" in metric else "") in left_out for metric in metrics])
    assert empty.any() == bool(left_out - {"probed"}) and (rows.n[empty] == 0).all()
    assert rows.value[empty].isna().all() and rows.index.equals(asked_all.index)
    pd.testing.assert_frame_equal(rows[~empty], asked_all[~empty])  # noise is drawn kind by kind
