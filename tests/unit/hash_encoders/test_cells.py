"""The cells of a study: what they are trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, sample
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.train import cohorts, train_cells

PROTOCOL = Protocol("adam", 0.01, 64, 200, patience=10, l2=1e-6, batch_norm={"momentum": 0.1, "eps": 1e-5})
RNG = np.random.default_rng(0)
TRAIN = Split(RNG.integers(0, 200, (1000, 6, 6), dtype=np.uint8), RNG.integers(0, 10, 1000))


def drawn(**factors):
    return sample(Cell.of(factors), TRAIN, seed=3, dataset="d")


@pytest.mark.parametrize(("n", "passes"), [(None, 1), (2, 500), (300, 3), (400, 2), (999, 1), (1000, 1)])
def test_sample_size_takes_the_first_and_fills_the_epoch(n, passes):
    found = drawn(sample_size=n)
    assert found.passes == passes and len(found.inputs) == (n or 1000)
    assert (found.inputs == TRAIN.inputs[: n or 1000]).all() and (found.labels == TRAIN.labels[: n or 1000]).all()


@pytest.mark.parametrize("n", [None, 2, 300, 1000])
def test_a_sample_that_is_not_tiled_is_seen_once_an_epoch(n):
    found = drawn(sample_size=n, tiled=False)
    assert found.passes == 1 and (found.inputs == TRAIN.inputs[: n or 1000]).all()
    job = train_cells(
        TRAIN, Shape(36, 4, 1, 10), PROTOCOL, [Cell(sample_size=n, tiled=False)],
        repeats=1, seed=1, keys={"dataset": "d", "depth": 1, "layer_width": 4, "protocol": "p"}, device=torch.device("cpu"),
    )  # fmt: skip
    assert job.total == job.current.total == 200 * -(-(n or 1000) // 64)


@pytest.mark.parametrize("n", [0, 1, 1001])
def test_sample_size_out_of_range(n):
    with pytest.raises(InputError, match=f"sample size {n} of dataset d; expected 2 to 1000"):
        drawn(sample_size=n)


def test_label_noise_permutes_a_share():
    clean, half, all_ = (drawn(label_noise=share) for share in (0, 0.5, 1))
    assert (clean.labels == TRAIN.labels).all()
    for found in (half, all_):
        assert (found.true_labels == TRAIN.labels).all() and (found.inputs == TRAIN.inputs).all()
        assert (np.bincount(found.labels) == np.bincount(TRAIN.labels)).all(), (
            "permuted, so each label stays as frequent"
        )
    # A permuted label is right by chance: one time in ten.
    assert np.mean(half.labels != TRAIN.labels) == pytest.approx(0.45, abs=0.05)
    assert np.mean(all_.labels != TRAIN.labels) == pytest.approx(0.9, abs=0.04)


def test_instance_noise_replaces_a_share_by_uniform_pixels():
    some, more = drawn(instance_noise=0.2), drawn(instance_noise=0.7)
    changed = [np.flatnonzero((found.inputs != TRAIN.inputs).any((1, 2))) for found in (some, more)]
    assert len(changed[0]) == 200 and len(changed[1]) == 700 and set(changed[0]) <= set(changed[1])
    assert (some.inputs[changed[0]] == more.inputs[changed[0]]).all()
    assert (more.labels == TRAIN.labels).all()
    pixels = more.inputs[changed[1]].astype(float)
    assert pixels.max() > 250 and pixels.mean() == pytest.approx(127.5, abs=2)


def test_noise_depends_on_the_seed_alone():
    again, other = drawn(label_noise=0.4), sample(Cell(label_noise=0.4), TRAIN, seed=4, dataset="d")
    assert (again.labels == drawn(label_noise=0.4).labels).all() and (again.labels != other.labels).any()


def test_a_cell_overrides_its_protocol():
    assert Cell().protocol(PROTOCOL) == PROTOCOL
    along = Cell.of({"epochs": [0, 3, 7]}).protocol(PROTOCOL)
    assert along.epochs == 7 and along.patience is None and along.l2 == 1e-6
    bare = Cell(l2=0, batch_norm=False, dropout=0.5).protocol(PROTOCOL)
    assert bare.norm is None and bare.dropout == 0.5 and bare.l2 == 0 and bare.patience == 10
    assert Cell(batch_norm=True).protocol(PROTOCOL).norm.momentum == 0.1
    plain = Protocol("sgd", 0.1, 64, 9)
    assert Cell(batch_norm=True).protocol(plain).norm.momentum == 0.01
    assert Cell(augmentation=True).protocol(plain).augmentation == {"rotation": 15, "shift": 0.1, "flip": False}
    mirrored = replace(plain, augmentation={"flip": True}, activation="leaky", weight_decay=0.1)
    assert Cell(augmentation=True).protocol(mirrored) == Cell().protocol(mirrored) == mirrored
    changed = Cell(augmentation=False, activation="relu", weight_decay=0, patience=2).protocol(mirrored)
    assert changed == replace(plain, patience=2)


def test_columns_say_what_was_in_force():
    expected = {
        "sample_size": 50,
        "l2": 1e-6,
        "weight_decay": 0.0,
        "batch_norm": True,
        "dropout": 0.0,
        "activation": "relu",
        "augmentation": False,
        "patience": 10.0,
        "label_noise": 0.5,
        "instance_noise": 0.0,
    }
    assert Cell(sample_size=50, label_noise=0.5).columns(PROTOCOL, 50) == expected
    own = {"weight_decay": 0.1, "activation": "prelu", "augmentation": True, "patience": 3}
    assert Cell(sample_size=50, label_noise=0.5, **own).columns(PROTOCOL, 50) == expected | own
    endless = {"patience": np.inf}
    assert Cell(sample_size=50, label_noise=0.5, patience=False).columns(PROTOCOL, 50) == expected | endless
    along = Cell(sample_size=50, label_noise=0.5, patience=3, epochs=(1, 2)).columns(PROTOCOL, 50)
    assert along == expected | endless, "a training whose networks are kept on the way never stops early"


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"label_noise": 1.2}, "label_noise is 1.2; expected a share from 0 to 1"),
        ({"epochs": [0]}, "epochs has none to train to"),
        ({"dorpout": 0.1}, "unknown factor dorpout"),
        ({"activation": "relo"}, "unknown activation 'relo'; did you mean 'relu'"),
    ],
)
def test_bad_cells(factors, message):
    with pytest.raises(InputError, match=message):
        Cell.of(factors).protocol(PROTOCOL)


def test_a_sample_that_is_too_large_stops_before_anything_is_trained():
    shape = Shape(36, 3, 1, 10)
    options = {"repeats": 1, "seed": 0, "keys": {"dataset": "d"}, "device": torch.device("cpu")}
    with pytest.raises(InputError, match="sample size 1001 of dataset d"):
        train_cells(TRAIN, shape, PROTOCOL, [Cell(sample_size=10), Cell(sample_size=1001)], **options)


def test_vectors_are_not_augmented():
    vectors = Split(RNG.normal(size=(20, 6)).astype(np.float32), np.arange(20) % 2)
    options = {"repeats": 1, "seed": 0, "keys": {"dataset": "d"}, "device": torch.device("cpu")}
    for protocol, cell in (
        (PROTOCOL, Cell(augmentation=True)),
        (replace(PROTOCOL, augmentation={"shift": 0.1}), Cell()),
    ):
        with pytest.raises(InputError, match="augmentation changes images, and dataset d has vectors of 6 numbers"):
            train_cells(vectors, Shape(6, 3, 1, 2), protocol, [Cell(sample_size=10), cell], **options)


def test_cells_go_together_where_their_epochs_have_as_many_steps():
    """Of 1,000 inputs, 10 are shown 100 times and 200 five times; 300 only three times, which are 900."""
    sizes = [Cell(sample_size=n) for n in (10, 300, 200, 1000)]
    assert list(cohorts(sizes, PROTOCOL, 1000, "d").values()) == [[0, 2, 3], [1]]
    untiled = [Cell(sample_size=n, tiled=False) for n in (10, 20, 10)]
    assert list(cohorts(untiled, PROTOCOL, 1000, "d").values()) == [[0, 2], [1]]
    grid = [Cell(l2=l2, batch_norm=norm, dropout=0.5 * norm) for l2 in (0.0, 0.1) for norm in (False, True)]
    noise = [Cell(label_noise=0.5), Cell(instance_noise=1.0), Cell()]
    assert list(cohorts([*grid, *noise], PROTOCOL, 1000, "d").values()) == [list(range(7))]
    changed = [Cell(augmentation=changed) for changed in (False, True)]
    assert list(cohorts([*grid, *noise, *changed], PROTOCOL, 1000, "d").values()) == [list(range(9))]
    assert len(cohorts([Cell(), Cell(epochs=(1, 2)), Cell(untrained=True)], PROTOCOL, 1000, "d")) == 3
    apart = [
        Cell(activation="leaky"),
        Cell(weight_decay=0.1),
        Cell(patience=3),
        Cell(patience=False),
        Cell(patience=10),
    ]
    assert list(cohorts([Cell(), *apart], PROTOCOL, 1000, "d").values()) == [[0, 5], [1], [2], [3], [4]]


def test_results_are_in_the_order_of_the_cells():
    """The second of three cells is trained in a cohort of its own, after the others."""
    cells, shape = [Cell(sample_size=10), Cell(sample_size=300), Cell(sample_size=1000)], Shape(36, 4, 1, 10)
    keys = {"dataset": "d", "depth": 1, "layer_width": 4, "protocol": "p"}

    def losses(cells: list[Cell]) -> list[list[float]]:
        options = {"repeats": 1, "seed": 0, "keys": keys, "device": torch.device("cpu")}
        job = train_cells(TRAIN, shape, replace(PROTOCOL, epochs=2), cells, **options)
        while not job.done:
            job.step()
        return [[row["loss"] for row in trained.history] for trained in job.results()]

    for together, cell in zip(losses(cells), cells, strict=True):
        assert len(together) == 2 and together == pytest.approx(losses([cell])[0], rel=1e-4)
