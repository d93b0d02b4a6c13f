"""Transfer, held-out tasks and classes, and untrained modulations, against plain counts and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import yaml
from sklearn.neighbors import KNeighborsClassifier

from graphs import ROOT
from rehash.config import validated
from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.job import Saving
from rehash.store import read_csv
from rehash.tgsh import plan
from rehash.tgsh.flynet import DeviceSplit, correct
from rehash.tgsh.held_out import (
    DRAWS,
    HeldOut,
    HeldOutTraining,
    _right,
    _training,
    grid,
    nearest_known,
    steps_to,
    train_held_out,
)
from rehash.tgsh.model import Model
from rehash.tgsh.orthogonality import measure_orthogonality
from rehash.tgsh.tasks import Transformation, class_numbers
from rehash.tgsh.train import Training, train_flynet
from rehash.tgsh.transfer import measure_transfer
from rehash.training import Compute, StateFile
from toys import BARS

CPU = torch.device("cpu")
TASKS = [vars(Transformation(angle=angle)) for angle in (0.0, 10.0, 90.0, 100.0)]
NEW = HeldOut([1, 3], ["b"], 30)


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """A file of modulations of four tasks, two of which are near the other two."""
    folder = tmp_path_factory.mktemp("trained")
    training = Training(
        keys={"dataset": "d", "benchmark": "b"}, tasks=TASKS, interpolation="nearest", fill=0.0, units=60, repeats=2,
        schedule={"epochs": 8, "batch_size": 16, "learning_rate": 0.01}, seed=1,
    )  # fmt: skip
    train_flynet(dataset, folder / "m.safetensors", folder / "h.csv", training, Compute("cpu"), Saving())
    return folder / "m.safetensors"


@pytest.fixture(scope="module")
def held_out(dataset, trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("held")
    paths = {name: folder / f"{name}.csv" for name in ("forward", "curve", "one_shot")}
    train_held_out(dataset, trained, paths, NEW, Compute("cpu"), Saving())
    return {name: read_csv(path) for name, path in paths.items()}


def test_transfer_is_a_count_for_each_modulation_alone(dataset, trained, tmp_path):
    measure_transfer(dataset, trained, tmp_path / "t.csv", tmp_path / "c.csv", Compute("cpu"))
    table, ranks = read_csv(tmp_path / "t.csv"), read_csv(tmp_path / "c.csv")
    model, test = Model.read(trained, CPU), DeviceSplit(BARS["test"], CPU)
    assert len(table) == 2 * 2 * 4 * 4
    for row in table[table.repeat == 1].itertuples():
        classifier = model.classifier(row.state, 1, row.modulation)
        right = correct(test.images, test.labels, model.views[row.task], model.networks[1], classifier)
        assert row.accuracy == right / len(test.labels)
    own = table[(table.state == "trained") & (table.modulation == table.task)]
    near = table[(table.state == "trained") & (table.distance.between(1, 3))]
    far = table[(table.state == "trained") & (table.distance > 5)]
    assert own.accuracy.mean() > 0.9 and near.accuracy.mean() > far.accuracy.mean() + 0.3
    others = table[(table.modulation != table.task) & (table.repeat == 0) & (table.state == "trained")]
    for beside in ("distance", "similarity"):
        found = ranks.query(f"repeat == 0 and state == 'trained' and beside == '{beside}'").spearman.item()
        assert found == pytest.approx(scipy.stats.spearmanr(others.accuracy, others[beside].round(9)).statistic)


def test_new_tasks_start_from_the_nearest_known_modulation(held_out, trained):
    forward, curve = held_out["forward"], held_out["curve"]
    assert len(forward) == 2 * 2 * 2
    assert (forward.known == forward.task.map({1: 0, 3: 2})).all(), "that of ten degrees less"
    by_start = forward.groupby("start")
    assert (by_start.accuracy_start.min()["nearest"] > 0.6) and (by_start.accuracy_start.max()["random"] < 0.6)
    assert by_start.steps.mean()["nearest"] < by_start.steps.mean()["random"]
    for row in forward.itertuples():
        own = curve[(curve.repeat == row.repeat) & (curve.task == row.task) & (curve.start == row.start)]
        own = own.set_index("step").accuracy
        assert own.index.tolist() == grid(8 * 5)
        assert row.accuracy_start == own[0] and row.accuracy_final == own[40]
        reached = [step for step, accuracy in own.items() if accuracy >= 0.95 * own[40]]
        assert row.steps == reached[0]


def test_without_a_class_training_is_that_on_a_dataset_without_it(dataset, trained):
    """The modulation is the one of a benchmark whose tasks have the other classes alone, from the same start."""
    model = Model.read(trained, CPU)
    train, test = (DeviceSplit(BARS[name], CPU) for name in ("train", "test"))
    job = _training(model, [3], "untrained", None, train, test, without=[1])
    assert job.train[0].labels.unique().tolist() == [0, 1] and job.heads == [[0, 2]]
    mine = BARS["train"].labels != 1
    alone = Split(BARS["train"].images[mine], (BARS["train"].labels[mine] == 2).astype(np.int64))
    other = _training(model, [3], "untrained", None, DeviceSplit(alone, CPU), DeviceSplit(alone, CPU), without=[2])
    other.heads = job.heads
    for each in (job, other):
        while not each.done:
            each.step()
    assert torch.equal(job.context, other.context) and not torch.equal(job.context[:, 0], torch.zeros(60))


def test_one_shot_is_scikit_learns_nearest_neighbour():
    torch.manual_seed(0)
    shown, tested, vector = torch.rand(DRAWS * 3, 20), torch.rand(9, 20), torch.randn(20)
    labels = torch.arange(9) % 3
    found = _right(shown, tested, vector, labels, 3)
    share = np.zeros(9)
    for draw in range(DRAWS):
        own = (vector * shown[draw * 3 : draw * 3 + 3]).numpy()
        model = KNeighborsClassifier(1, metric="cosine").fit(own, range(3))
        share += model.predict((vector * tested).numpy()) == labels.numpy()
    np.testing.assert_allclose(found, share / DRAWS)


def test_one_shot_rows(held_out):
    shots = held_out["one_shot"]
    modulations = shots.groupby("held_out").modulation.agg(lambda names: sorted(set(names)))
    assert modulations["task"] == ["known", "nearest", "trained", "unmodulated", "untrained"]
    assert modulations["class"] == ["trained", "unmodulated", "untrained", "without"]
    assert shots.accuracy.between(0, 1).all() and shots[shots.held_out == "class"].accuracy_known.between(0, 1).all()
    assert shots.groupby(["repeat", "task", "held_out"]).size().tolist() == [4, 5] * 4


@pytest.mark.parametrize("stop", [0, 3, 80, 159, 207])
def test_killed_and_resumed_learns_the_same(trained, tmp_path, stop):
    def job() -> HeldOutTraining:
        model = Model.read(trained, CPU)
        train, test = (DeviceSplit(BARS[name], CPU) for name in ("train", "test"))
        start = {"random": ("untrained", None), "nearest": ("trained", np.array([[0], [2]]))}
        jobs = {name: _training(model, [1], *each, train, test) for name, each in start.items()}
        jobs["without"] = _training(model, [1], "untrained", None, train, test, without=[0])
        return HeldOutTraining(jobs, ("random", "nearest"), test)

    whole, half = job(), job()
    assert whole.total == 208
    for _ in range(stop):
        half.step()
    with StateFile(tmp_path / "m", {}) as state:
        state.save(*half.state())
        again = job()
        again.restore(*state.load())
    for each in (whole, again):
        while not each.done:
            each.step()
    assert again.curve == whole.curve
    assert torch.equal(again.jobs["without"].context, whole.jobs["without"].context)


def test_nearest_is_the_most_accurate_on_the_shown_images_alone(trained):
    model, train = Model.read(trained, CPU), DeviceSplit(BARS["train"], CPU)
    found = nearest_known(model, train, HeldOut([2], [], 5), [0, 1, 3])
    for repeat in range(2):
        right = {
            task: correct(train.images[:5], train.labels[:5], model.views[2], model.networks[repeat],
                          model.classifier("trained", repeat, task))
            for task in (0, 1, 3)
        }  # fmt: skip
        assert found[repeat, 0] == max(right, key=right.get)


def test_steps_to_a_share_of_the_final_accuracy():
    accuracy = pd.Series({0: 0.1, 1: 0.96, 2: 0.5, 4: 1.0})
    assert steps_to(accuracy, 0.95) == 1 and np.isnan(steps_to(accuracy, 1.1))
    assert grid(1) == [0, 1] and grid(40)[:6] == [0, 1, 2, 3, 4, 5] and grid(40)[-1] == 40


def test_untrained_modulations_are_as_orthogonal_as_predicted(dataset, tmp_path):
    measure_orthogonality(dataset, tmp_path / "o.csv", Compute("cpu"), widths=[50, 400], repeats=4, seed=0)
    table = read_csv(tmp_path / "o.csv").set_index(["of", "units"])
    assert len(table) == 2 * 2 * 4
    for place, rows in table.groupby(level=[0, 1]):
        assert rows.deviation.mean() == pytest.approx(rows.predicted.mean(), rel=0.1), place
    assert table.loc["task vectors", 400].predicted.tolist() == [0.05] * 4


def config_of(held_out: dict) -> dict:
    """The config of a benchmark of four tasks, of which something is held out."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    flynet = {"mnist5k": {"benchmarks": ["turn"]}}
    blocks = {"mnist5k": {"benchmarks": ["turn"], **held_out}}
    turn = {"tasks": 4, "angle": "10 * t"}
    benchmarks = {**config["tgsh"]["benchmarks"], "turn": turn}
    config["tgsh"] = {"datasets": ["mnist5k"], "benchmarks": benchmarks, "flynet": flynet, "held_out": blocks}
    return validated(config)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"tasks": [4]}, r"tgsh\.held_out\.mnist5k\.tasks: 4, but turn has the tasks 0 to 3"),
        ({"tasks": [0, 1, 2, 3]}, "all 4 tasks of turn are held out, and none is left that is known"),
        ({"tasks": [0], "classes": ["ten"]}, r"tgsh\.held_out\.mnist5k\.classes.*ten"),
        ({"tasks": [0], "classes": [10]}, r"tgsh\.held_out\.mnist5k\.classes.*10"),
        ({"tasks": [0], "classes": [1, "1"]}, "names a class twice"),
        ({"tasks": [0], "classes": list(range(9))}, "9 of the 10 classes are held out"),
        ({"tasks": [0], "benchmarks": ["tern"]}, "did you mean 'turn'"),
        ({"tasks": []}, "tasks"),
        ({"tasks": [1, 1]}, "tasks"),
    ],
)
def test_what_cannot_be_held_out_is_refused_when_planning(block, message):
    with pytest.raises(InputError, match=message):
        config_of(block)


def test_what_is_held_out_is_asked_for():
    names = [name for name, _ in plan.asked(config_of({"tasks": [1], "classes": [9]}))]
    assert names[-2:] == ["held_out", "orthogonality"] and {"manifolds", "transfer"} < set(names)
    assert class_numbers(["b", 0], "abcd", "here") == [0, 1]
