"""What is measured on modulations and modulated responses, against slow and obvious counts, scikit-learn and scipy."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.linalg
import scipy.stats
import torch
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.hdf5 import read_attributes
from rehash.intervals import mean_interval
from rehash.store import read_csv
from rehash.tgsh.codes import collisions, measure_codes
from rehash.tgsh.generate import correlations, dense_encoder, generate_digits, generated, invert_encoder
from rehash.tgsh.initialisation import DEVIATION, MEAN, draw_flynet, draw_modulations
from rehash.tgsh.modulations import write_modulations
from rehash.tgsh.published import compare_notebook, compare_similarities
from rehash.tgsh.relations import rank_correlation, relate_tasks
from rehash.tgsh.responses import (
    BINS,
    BLOCK,
    KINDS,
    gallery_items,
    histograms,
    measure_responses,
    pair_kinds,
    places,
    roc,
)
from rehash.tgsh.tasks import Transformation, sampling, transformed
from rehash.training import Compute
from toys import BARS

UNITS, CLASSES, REPEATS, SEED = 40, 3, 2, 7
TASKS = [vars(Transformation(angle=90.0 * t)) for t in range(3)]
TRAIN, TEST = BARS["train"], BARS["test"]
TABLES = ("pairs", "curves", "recovered", "manifolds", "manifold_pairs", "signs")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """Modulations that were never trained, and as arrays; "trained" ones are other random numbers."""
    path = tmp_path_factory.mktemp("tgsh") / "m.safetensors"
    nets = [draw_flynet(UNITS, CLASSES, seed=SEED, repeat=repeat) for repeat in range(REPEATS)]
    arrays = dict(zip(("encoder", "decoder"), (np.stack(part) for part in zip(*nets))))
    for state in ("untrained", "trained"):
        drawn = [draw_modulations(UNITS, len(TASKS), seed=SEED, names=(state, repeat)) for repeat in range(REPEATS)]
        arrays |= {f"{part}_{state}": np.stack(each) for part, each in zip(("context", "strength"), zip(*drawn))}
    identity = {
        "keys": {"dataset": "d", "benchmark": "b"}, "tasks": TASKS, "interpolation": "nearest", "fill": 0.0,
        "units": UNITS, "repeats": REPEATS, "classes": CLASSES, "seed": SEED,
    }  # fmt: skip
    write_modulations(path, arrays, identity)
    return path, arrays


def responses(arrays: dict, repeat: int, images: np.ndarray, state: str) -> np.ndarray:
    """(T, N, U) modulated responses, float64, from dense products."""
    found = []
    for number, task in enumerate(TASKS):
        shown = transformed(images, sampling(Transformation(**task)), 0.0).reshape(len(images), -1)
        sums = ((shown - MEAN) / DEVIATION) @ dense_encoder(arrays["encoder"][repeat]).T
        vector = np.ones(UNITS)
        if state != "unmodulated":
            vector = arrays[f"context_{state}"][repeat, number] * arrays[f"strength_{state}"][repeat, number]
        found.append(np.maximum(sums - sums.mean(1, keepdims=True), 0) * vector)
    return np.stack(found)


@pytest.fixture(scope="module")
def measured(dataset, files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured")
    paths = {name: folder / f"{name}.csv" for name in TABLES}
    measure_responses(dataset, files[0], paths, Compute("cpu"), gallery=4)
    return [read_csv(path) for path in paths.values()]


@pytest.mark.parametrize("count", [BLOCK + 5, len(TEST.labels) + 1])
def test_some_test_images_are_measured_as_if_they_were_all(tmp_path, files, dataset, measured, count):
    paths = {name: tmp_path / f"{name}.csv" for name in TABLES}
    measure_responses(dataset, files[0], paths, Compute("cpu"), gallery=4, test_images=count)
    expected = measured
    if count < len(TEST.labels):
        chosen = [i * len(TEST.labels) // count for i in range(count)]
        few = Split(TEST.images[chosen], TEST.labels[chosen])
        write_dataset(
            tmp_path / "few.h5", {**BARS, "test": few}, name="d", source="", licence="", class_names=list("abc")
        )
        again = {name: tmp_path / f"{name}_of_few.csv" for name in TABLES}
        measure_responses(tmp_path / "few.h5", files[0], again, Compute("cpu"), gallery=4)
        expected = [read_csv(path) for path in again.values()]
        assert not measured[2].equals(expected[2])
    for path, table in zip(paths.values(), expected):
        pd.testing.assert_frame_equal(read_csv(path), table)


@pytest.mark.parametrize("state", ["unmodulated", "untrained", "trained"])
@pytest.mark.parametrize("repeat", range(REPEATS))
def test_pairs_and_areas_are_those_of_a_loop_over_all_pairs(files, measured, state, repeat):
    _, arrays = files
    modulated = responses(arrays, repeat, TEST.images, state)
    found = {kind: [] for kind in KINDS}
    for first in range(0, len(TEST.labels), BLOCK):
        items = [(t, i) for t in range(len(TASKS)) for i in range(first, min(first + BLOCK, len(TEST.labels)))]
        for t, i in items:
            for s, j in items:
                if (t, i) == (s, j):
                    continue
                a, b = modulated[t, i], modulated[s, j]
                same = TEST.labels[i] == TEST.labels[j]
                kind = (0 if same else 1) if t == s else 2 if i == j else 3 if same else 4
                found[KINDS[kind]].append(a @ b / np.sqrt((a @ a) * (b @ b)))
    pairs, curves, recovered = (table[(table.repeat == repeat) & (table.state == state)] for table in measured[:3])
    for kind, values in found.items():
        rows = pairs[pairs.kind == kind]
        assert rows["count"].sum() == len(values)
        mean = (rows.similarity * rows["count"]).sum() / len(values)
        assert mean == pytest.approx(np.mean(values), abs=0.011)  # bins of 0.02
    areas = recovered[recovered.measure == "ROC area"].set_index("question").value
    questions = {
        "same digit, within a task": (found[KINDS[0]], found[KINDS[1]]),
        "same digit, across tasks": (found[KINDS[3]], found[KINDS[4]]),
        "same task": (found[KINDS[0]] + found[KINDS[1]], found[KINDS[2]] + found[KINDS[3]] + found[KINDS[4]]),
        "same task, other pictures": (found[KINDS[0]] + found[KINDS[1]], found[KINDS[3]] + found[KINDS[4]]),
    }
    assert set(questions) == set(areas.index)
    for question, (positive, negative) in questions.items():
        truth = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
        assert areas[question] == pytest.approx(roc_auc_score(truth, positive + negative), abs=0.002)
        curve = curves[curves.question == question]
        assert len(curve) == 101 and curve.true_positive.is_monotonic_increasing
        assert np.trapezoid(curve.true_positive, curve.false_positive) == pytest.approx(areas[question], abs=0.01)


@pytest.mark.parametrize("state", ["unmodulated", "trained"])
def test_recovery_is_scikit_learns_nearest_neighbour(files, measured, state):
    _, arrays = files
    items = gallery_items(TRAIN.labels, 4)
    gallery = responses(arrays, 1, TRAIN.images[items], state).reshape(-1, UNITS)
    queries = responses(arrays, 1, TEST.images, state).reshape(-1, UNITS)
    table = measured[2].query(f"repeat == 1 and state == '{state}' and measure == 'nearest neighbour'")
    shares = table.set_index("question")
    for question, theirs, truth in (
        ("digit", np.tile(TRAIN.labels[items], len(TASKS)), np.tile(TEST.labels, len(TASKS))),
        ("task", np.repeat(range(3), len(items)), np.repeat(range(3), len(TEST.labels))),
    ):
        model = KNeighborsClassifier(1, metric="cosine").fit(gallery, theirs)
        assert shares.value[question] == pytest.approx(model.score(queries, truth), abs=1e-9)
        assert shares.chance[question] == pytest.approx(1 / 3)


def test_every_test_picture_counts_and_none_with_itself(measured):
    pairs = measured[0].query("repeat == 0 and state == 'trained'")
    sizes = [16, 16, 8]
    assert pairs["count"].sum() == sum((3 * size) ** 2 - 3 * size for size in sizes)
    same = pairs[pairs.kind == "inter, same picture"]
    assert same.groupby("digit")["count"].sum().tolist() == (np.bincount(TEST.labels) * 3 * 2).tolist()


def test_histogram_counts_the_ends():
    similarity = torch.tensor([[1.0, -1.0], [0.0, 1.0 + 1e-7]])
    where = places(torch.tensor([[0, 1], [1, 0]]), torch.tensor([2, 0]), 3)
    counts = histograms(similarity, where, 3)
    assert counts[0, 2, BINS - 1] == counts[0, 0, BINS - 1] == counts[1, 2, 0] == counts[1, 0, BINS // 2] == 1
    assert counts.sum() == 4
    kinds = pair_kinds(torch.tensor([4, 4, 5]), 1)
    assert kinds.tolist() == [[-1, 0, 1], [0, -1, 1], [1, 1, -1]]


def test_roc_without_pairs_of_one_kind_has_no_area():
    assert np.isnan(roc(np.zeros(4, int), np.ones(4, int))[2])
    assert roc(np.array([0, 0, 3]), np.array([2, 1, 0]))[2] == 1
    assert roc(np.array([1, 1]), np.array([1, 1]))[2] == 0.5


def test_gallery_larger_than_a_class_is_refused():
    with pytest.raises(InputError, match=r"tgsh\.measurements\.gallery: 24 images of each class"):
        gallery_items(TRAIN.labels, 24)


def test_codes_are_signs(dataset, files, tmp_path):
    modulations, arrays = files
    out = tmp_path / "codes.csv"
    measure_codes(dataset, modulations, out, Compute("cpu"), references=30)
    table = read_csv(out)
    assert len(table) == REPEATS * 3 * len(TASKS)
    for state in ("unmodulated", "untrained", "trained"):
        test = responses(arrays, 0, TEST.images, state) > 0
        train = responses(arrays, 0, TRAIN.images[:30], state) > 0
        everywhere = [code.tobytes() for code in test.reshape(-1, UNITS)]
        for task in range(len(TASKS)):
            row = table[(table.repeat == 0) & (table.state == state) & (table.task == task)].iloc[0]
            distances = pairwise_distances(test[task], train[task], metric="hamming")
            nearest = distances.argsort(1, kind="stable")[:, :9]
            votes = np.array([np.bincount(TRAIN.labels[:30][own], minlength=3).argmax() for own in nearest])
            own = [code.tobytes() for code in test[task]]
            assert row.knn == (votes == TEST.labels).mean()
            assert row.redundancy_test == (len(own) - len(set(own))) / len(own)
            assert row.active_share == pytest.approx(test[task].mean())
            assert row.collisions == np.mean([everywhere.count(code) > 1 for code in own])


def test_collisions_by_digit():
    codes = np.array([[1], [1], [2], [2], [3], [2]], np.uint8)
    shared, mixed = collisions(codes, np.array([0, 0, 1, 2, 0, 1]))
    assert shared.tolist() == [True, True, True, True, False, True]
    assert mixed.tolist() == [False, False, True, True, False, True]


def test_related_tasks_are_scipys(files, tmp_path):
    modulations, arrays = files
    relate_tasks(modulations, tmp_path / "s.csv", tmp_path / "c.csv")
    pairs, ranks = read_csv(tmp_path / "s.csv"), read_csv(tmp_path / "c.csv")
    vectors = arrays["context_trained"][1].astype(float) * arrays["strength_trained"][1][:, None]
    cosine = 1 - pairwise_distances(vectors, metric="cosine")
    table = pairs[pairs.repeat == 1].pivot(index="task_a", columns="task_b", values="similarity_trained")
    np.testing.assert_allclose(table, cosine, atol=1e-7)
    upper = pairs.query("repeat == 1 and task_a < task_b")
    expected = scipy.stats.spearmanr(upper.similarity_trained, upper.distance).statistic
    assert ranks.query("repeat == 1 and state == 'trained'").spearman.item() == pytest.approx(expected)


def test_rank_correlation_knows_its_limits():
    distance = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5)))
    assert rank_correlation(np.exp(-distance), distance) == pytest.approx(-1)
    assert np.isnan(rank_correlation(np.ones((1, 1)), np.zeros((1, 1))))
    assert np.isnan(rank_correlation(np.exp(-distance), np.zeros((5, 5))))


def test_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [low <= 3 <= high for low, high in (mean_interval(rng.normal(3, 2, 4)) for _ in range(4000))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.01)
    assert np.isnan(mean_interval([1.0])).all()


def test_pseudo_inverse_is_scipys_and_undoes_the_encoder(tmp_path):
    invert_encoder(tmp_path / "i.h5", units=1000, repeats=2, seed=SEED)
    with h5py.File(tmp_path / "i.h5") as file:
        inverse = file["inverse"][1]
    encoder = dense_encoder(draw_flynet(1000, CLASSES, seed=SEED, repeat=1)[0])
    np.testing.assert_allclose(inverse, scipy.linalg.pinv(encoder), atol=1e-6)
    picture = TEST.images[0].ravel() / 255
    np.testing.assert_allclose(inverse @ (encoder @ picture), picture, atol=1e-4)


def test_generation_reads_the_decoder_and_writes_nothing(dataset, files, tmp_path):
    modulations, arrays = files
    invert_encoder(tmp_path / "i.h5", units=UNITS, repeats=REPEATS, seed=SEED)
    with h5py.File(tmp_path / "i.h5") as file:
        inverse = file["inverse"][0]
    decoder = arrays["decoder"][0].copy()
    vectors = arrays["context_trained"][0] * arrays["strength_trained"][0][:, None]
    made = generated(inverse, vectors, decoder, rng=np.random.default_rng(0))
    assert (decoder == arrays["decoder"][0]).all()
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1 / UNITS, (len(TASKS), CLASSES, UNITS))
    expected = inverse.astype(float) @ (vectors[2].astype(float) * decoder[1] + noise[2, 1])
    np.testing.assert_allclose(made[2, 1].ravel(), expected, atol=1e-12)
    generate_digits(dataset, modulations, tmp_path / "i.h5", tmp_path / "g.h5", tmp_path / "g.csv")
    table = read_csv(tmp_path / "g.csv")
    assert len(table) == REPEATS * 2 * len(TASKS) * CLASSES
    with h5py.File(tmp_path / "g.h5") as file:
        image, benchmark = file["images"][2, 1].astype(float), read_attributes(file)["benchmark"]
    assert benchmark == "b"
    # Turned by 180 degrees, the mean image of class 1 is the reversed one.
    mean = TEST.images[TEST.labels == 1].mean(0)[::-1, ::-1]
    row = table.query("repeat == 0 and state == 'trained' and task == 2 and digit == 1").iloc[0]
    assert row.correlation == pytest.approx(np.corrcoef(image.ravel(), mean.ravel())[0, 1], abs=1e-6)
    with pytest.raises(InputError, match="need"):
        invert_encoder(tmp_path / "j.h5", units=UNITS, repeats=1, seed=SEED)
        generate_digits(dataset, modulations, tmp_path / "j.h5", tmp_path / "x", tmp_path / "y")


def test_correlations_are_numpys():
    rng = np.random.default_rng(0)
    a, b = rng.random((3, 4, 4)), rng.random((2, 4, 4))
    both = np.corrcoef(np.r_[a.reshape(3, -1), b.reshape(2, -1)])
    np.testing.assert_allclose(correlations(a, b), both[:3, 3:])


@pytest.mark.parametrize(
    ("dataset", "units", "values", "verdict"),
    [
        ("mnist", 7840, [0.93, 0.94, 0.95], "inside"),
        ("mnist", 7840, [0.98, 0.981, 0.982], "outside"),
        ("mnist", 7840, [0.93], "no spread"),
        ("mnist", 100, [0.93, 0.94, 0.95], "context"),
        ("mnist5k", 7840, [0.93, 0.94, 0.95], "context"),
    ],
)
def test_notebook_comparison(dataset, units, values, verdict):
    tasks = pd.DataFrame([{"task": t, **vars(Transformation(angle=20.0 * t))} for t in range(3)])
    tasks.loc[2, "dx"] = 1.0  # 40 degrees, but shifted, too: no task of the notebook
    rows = [
        {"dataset": dataset, "benchmark": "b", "repeat": r, "task": t, "epoch": e, "accuracy": value + 0.01 * (e - 1)}
        for r, value in enumerate(values)
        for t in range(3)
        for e in (1, 2)
    ]
    published = pd.DataFrame({"task": range(5), "angle": [0, 10, 20, 30, 40], "epoch": 1, "accuracy": 0.935})
    found = compare_notebook(pd.DataFrame(rows), tasks, published, units=units)
    assert found.angle.tolist() == [0, 20] and found.verdict.tolist() == [verdict] * 2
    assert found.ours.tolist() == pytest.approx([np.mean(values)] * 2) and found.n.tolist() == [len(values)] * 2


@pytest.mark.parametrize(
    ("values", "published", "settings", "verdict"),
    [
        ((0.70, 0.72), 0.73, {}, "inside"),  # two standard deviations are 0.028, the error 0.002
        ((0.70, 0.72), 0.741, {}, "outside"),
        ((0.70, 0.72), 0.7399, {}, "inside"),
        ((0.71,), 0.71, {}, "no spread"),
        ((0.70, 0.72), 0.71, {"units": 1960}, "context"),
        ((0.70, 0.72), 0.71, {"epochs": 3}, "context"),
    ],
)
def test_similarities_beside_the_notebooks(values, published, settings, verdict):
    tasks = pd.DataFrame([{"task": t, **vars(Transformation(angle=20.0 * t))} for t in range(3)])
    rows = [
        {"dataset": "mnist", "benchmark": "b", "repeat": r, "task_a": a, "task_b": b,
         "similarity_untrained": 0.0, "similarity_trained": value if {a, b} == {0, 1} else 0.1}
        for r, value in enumerate(values) for a in range(3) for b in range(3)
    ]  # fmt: skip
    theirs = pd.DataFrame(
        [
            ("trained", 0, 20, 1, published, 0.002),
            ("untrained", 0, 20, 1, 0.002, 0.002),
            ("trained", 0, 10, 1, 0.8, 0.002),
        ],
        columns=["state", "angle_a", "angle_b", "epochs", "similarity", "error"],
    )
    found = compare_similarities(pd.DataFrame(rows), tasks, theirs, **{"units": 7840, "epochs": 1, **settings})
    assert list(zip(found.state, found.angle_b)) == [("trained", 20), ("untrained", 20)], "ours have no 10 degrees"
    assert found.verdict[0] == verdict and found.difference[0] == pytest.approx(np.mean(values) - published)
