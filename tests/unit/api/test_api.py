"""The functions that `import rehash` offers, held against slow and obvious ways, and what they refuse."""

import doctest
import gc
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

import rehash
from graphs import ROOT

LIBRARY = ROOT / "workflow" / "scripts"
RNG = np.random.default_rng(0)
BITS, LABELS = RNG.random((60, 13)) < 0.4, np.arange(60) % 3
NAMED = np.array(["cat", "dog", "eel"])[LABELS]
NETWORK = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(32, 4), nn.ReLU())
IMAGES = RNG.random((300, 1, 6, 6), np.float32) - 0.5


@pytest.mark.parametrize("name", ["codes", "properties", "regions", "retrieval", "entropy", "index"])
def test_examples_in_docstrings(name):
    found = doctest.testmod(importlib.import_module(rehash._PUBLIC[name]))
    assert found.attempted >= 3 and not found.failed


def test_import_costs_nothing():
    program = "import sys, rehash; rehash.InputError, rehash.pack; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "scipy", "h5py", "numba", "sklearn"} & set(done.stdout.split())
    assert set(rehash._PUBLIC) < set(dir(rehash))
    with pytest.raises(AttributeError, match="'rehash' has no attribute 'code'; it has codes, properties"):
        rehash.code()


def test_codes_are_signs_of_what_goes_into_units(tmp_path):
    """In evaluation mode, whatever mode the network is in, and over several batches, from an array on disk as well."""
    seen = []
    for place in (1, 5):
        NETWORK[place].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1) > 0))
    NETWORK.eval()(torch.from_numpy(IMAGES))
    expected = [each.numpy() for each in seen]
    np.save(tmp_path / "images.npy", IMAGES)
    for inputs in (IMAGES, torch.from_numpy(IMAGES), np.load(tmp_path / "images.npy", mmap_mode="r")):
        found = rehash.codes(NETWORK.train(), inputs)
        assert list(found) == ["1", "5"] and NETWORK.training
        assert all(np.array_equal(*pair) for pair in zip(found.values(), expected))
    pooled = rehash.codes(NETWORK, IMAGES, nodes="1", pool="any")["1"]
    assert np.array_equal(pooled, expected[0].reshape(300, 2, -1).any(2))


def test_properties_are_the_same_whatever_codes_and_labels_look_like():
    found = rehash.properties(BITS[:40], LABELS[:40], BITS[40:], LABELS[40:], seed=3)
    packed = rehash.pack(BITS)
    assert found == rehash.properties(packed[:40], NAMED[:40], packed[40:], list(NAMED[40:]), bits=13, seed=3)
    assert found["redundancy_train"] == 1 - len({bytes(row) for row in BITS[:40]}) / 40
    nearest = KNeighborsClassifier(1, metric="hamming").fit(BITS, LABELS)  # without ties, since all find themselves
    assert nearest.score(BITS, LABELS) >= found["knn"]


def test_regions_end_where_codes_change():
    """On the line to another input codes are one up to the first change, and another behind it."""
    network = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    starts, ends = RNG.normal(size=(2, 40, 3))
    found = rehash.regions(network, starts, ends)
    along = (ends - starts) / np.linalg.norm(ends - starts, axis=1, keepdims=True)

    def codes(points: np.ndarray) -> np.ndarray:
        return np.hstack(list(rehash.codes(network, torch.from_numpy(points)).values()))

    here, reach = codes(starts), np.where(np.isfinite(found.forward), found.forward, 100.0)
    before, behind = (codes(starts + along * (reach * share)[:, None]) for share in (1 - 1e-6, 1 + 1e-6))
    assert np.array_equal(before, here)
    changed = (behind != here).any(axis=1)
    assert np.array_equal(changed, np.isfinite(found.forward)) and changed.sum() > 20
    assert (found.nearest_face <= found.forward + 1e-12).all() and found.nearest_face_exact.all()
    assert np.allclose(found.length, np.linalg.norm(ends - starts, axis=1))
    assert rehash.regions(network, starts).equals(found[["nearest_face", "nearest_face_exact"]])


def test_retrieval_of_real_numbers_is_average_precision():
    numbers = RNG.normal(size=(60, 5)).astype(np.float32)
    found = rehash.retrieval(numbers[:20], NAMED[:20], numbers[20:], NAMED[20:], resamples=10)
    unit = numbers / np.linalg.norm(numbers, axis=1, keepdims=True)
    expected = [
        average_precision_score(NAMED[20:] == NAMED[query], unit[20:] @ unit[query]) for query in range(20)
    ]  # fmt: skip
    assert found.value("map") == pytest.approx(np.mean(expected), abs=1e-6)
    with pytest.raises(rehash.InputError, match="precision_at at 7; expected one of 1, 10"):
        found.value("precision_at", 7)
    with pytest.raises(rehash.InputError, match="metric 'mapp'"):
        found.value("mapp")


def test_retrieval_of_packed_codes_is_that_of_bits():
    tables = [
        rehash.retrieval(codes[:20], LABELS[:20], codes[20:], LABELS[20:], bits=13, resamples=10, threads=threads)
        for codes, threads in ((BITS, 1), (rehash.pack(BITS), 2))
    ]
    assert all(one.equals(other) for one, other in zip(*tables)) and torch.get_num_threads() == 1, "as before"
    redundancy = 1 - len({bytes(row) for row in BITS[20:]}) / 40
    assert tables[0].value("redundancy") == pytest.approx(redundancy)


def test_entropy_is_that_of_counted_outcomes():
    outcomes = np.unique(BITS[:, [1, 4, 9]], axis=0, return_counts=True)[1] / len(BITS)
    expected = -(outcomes * np.log2(outcomes)).sum()
    for codes in (BITS, BITS.astype(float)):
        assert rehash.entropy(codes, [[1, 4, 9]]) == pytest.approx([expected])
    assert len(rehash.entropy(rehash.pack(BITS), 3, bits=13)) == 286


@pytest.mark.parametrize("partitions", [1, 3])
def test_an_index_finds_the_rows_of_a_code(tmp_path, partitions, monkeypatch):
    """As a dictionary does; in a folder, which can be opened again, and in one that goes with the index."""
    monkeypatch.setattr("rehash.api.index._SHARD", 130)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = RNG.integers(0, 3, (400, 2), dtype=np.uint8)
    kept = rehash.index(rows, tmp_path / "kept", bits=16, partitions=partitions)
    again = rehash.Index.open(sorted((tmp_path / "kept").iterdir()))
    gone = rehash.index(rehash.unpack(rows, 16), partitions=partitions)
    assert kept.digest == again.digest == gone.digest and len(gone) == 400
    for index in (kept, again, gone):
        offsets, ids = index.lookup(rows)
        for row, found in zip(rows, np.split(ids, offsets[1:-1])):
            assert np.array_equal(found, np.flatnonzero((rows == row).all(axis=1)))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [
        f"partition_{n}.h5" for n in range(partitions)
    ]
    assert len(list(tmp_path.iterdir())) == 2
    del gone, index
    gc.collect()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    with pytest.raises(rehash.InputError, match=r"partition_0\.h5: an index is there; choose another folder"):
        rehash.index(rows, tmp_path / "kept", bits=16)


def test_nothing_stays_of_an_index_that_could_not_be_built(tmp_path, monkeypatch):
    def full(*_, partition: int, **__) -> None:
        if partition:
            raise OSError("full")

    monkeypatch.setattr("rehash.api.index.merge_partition", full)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for folder in (None, tmp_path / "kept"):
        with pytest.raises(OSError, match="full"):
            rehash.index(BITS[:, :8], folder, partitions=2)
    assert [*tmp_path.iterdir()] == [tmp_path / "kept"] and not [*(tmp_path / "kept").iterdir()]


def halves(codes, labels=LABELS, **more):
    return lambda function: function(codes[:40], labels[:40], codes[40:], labels[40:], **more)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: halves(BITS.astype(int))(rehash.properties), r"train: int64 \(40, 13\); expected bits, bool .*`values > 0` makes them"),
        (lambda: halves(BITS.astype(np.uint8), bits=13)(rehash.properties), r"uint8 \(40, 13\); expected packed codes, uint8 \(N, 2\) for 13 bits.*`.astype\(bool\)`"),
        (lambda: halves(rehash.pack(BITS))(rehash.retrieval), r"queries: .*expected packed codes, uint8 \(N, ceil\(bits / 8\)\) with bits"),
        (lambda: halves(rehash.pack(BITS) | 1, bits=13)(rehash.retrieval), "queries: row 0 has ones behind its 13 bits"),
        (lambda: halves(BITS, bits=12)(rehash.properties), "bits is 12; leave bits out"),
        (lambda: halves(BITS, LABELS / 2)(rehash.properties), r"train_labels: float64 \(40,\); expected whole numbers or texts"),
        (lambda: rehash.properties(BITS, LABELS[1:], BITS, LABELS), r"train_labels: int64 \(59,\); .*\(60,\): one a code"),
        (lambda: rehash.properties(BITS, LABELS, BITS[:, 1:], LABELS), "train: 13 bits and test: 12 bits; expected as many"),
        (lambda: halves(BITS, np.arange(60) // 15)(rehash.retrieval), r"no item of 2 of the queries' labels: 0, 1 \(30 queries\)"),
        (lambda: halves(BITS, cutoffs=[100])(rehash.retrieval), "retrieval.cutoffs: 100, and the gallery of the arrays has 20 items; choose from 1 to 20"),
        (lambda: rehash.retrieval(BITS, LABELS, BITS.astype(float), LABELS), "bits on one side and real numbers on the other"),
        (lambda: halves(np.full((60, 2), np.nan))(rehash.retrieval), "queries: float64 .*expected finite numbers"),
        (lambda: rehash.entropy(BITS.astype(float) * 2), "values from 0.0 to 2.0; expected probabilities or bits"),
        (lambda: rehash.entropy(BITS, [0, 1]), r"tuples: int64 \(2,\); expected a size, or whole numbers \(M, size\)"),
        (lambda: rehash.entropy(BITS, 9), "of 9 bits each; expected 1 to 8"),
        (lambda: rehash.index(BITS), r"codes: of 13 bits; expected a multiple of 8: np.pad\(codes, \(\(0, 0\), \(0, 3\)\)\)"),
        (lambda: rehash.index(BITS[:, :8], partitions=2000), "an index of 2000 partitions; expected 1 to 1024"),
        (lambda: rehash.codes(NETWORK, IMAGES * np.inf), "node 1: input 0 gives NaN or infinity"),
        (lambda: rehash.codes(NETWORK, IMAGES[:, 0]), "the network: cannot take .* inputs of 6 x 6 numbers"),
        (lambda: rehash.codes(NETWORK, IMAGES[0, 0, 0]), r"codes: inputs \(6,\); expected one a row"),
        (lambda: rehash.codes(NETWORK, IMAGES, nodes="conv"), "codes: nodes.*'conv'"),
        (lambda: rehash.codes(NETWORK, IMAGES, pool="all"), "codes: pool.*'all'"),
        (lambda: rehash.regions(NETWORK, IMAGES[:1], IMAGES[:2]), r"towards \(2, 1, 6, 6\); expected \(1, 1, 6, 6\)"),
        (lambda: rehash.regions(NETWORK, IMAGES[:1] * np.nan), "regions: inputs float32 .*expected finite numbers"),
    ],
)  # fmt: skip
def test_what_is_refused(call, message):
    with pytest.raises(rehash.InputError, match=message):
        call()
