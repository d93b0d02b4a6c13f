"""Streams of other kinds beside transformations, networks by name, and what of both is refused when planning."""

import copy
import re

import numpy as np
import pytest
import yaml

from graphs import DEFAULT, ROOT, merged, snakemake
from rehash.config import load_schema, validated
from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.job import Saving
from rehash.store import read_csv
from rehash.tgsh import plan
from rehash.tgsh.accuracy import measure_accuracy
from rehash.tgsh.figures.labels import axis_words, task_words
from rehash.tgsh.figures.relations import plot_task_similarity
from rehash.tgsh.generate import show_tasks
from rehash.tgsh.images import Images
from rehash.tgsh.modulations import read_modulations
from rehash.tgsh.relations import rank_correlation, relate_tasks
from rehash.tgsh.results import accuracy_summary, task_similarity_claims, tasks_summary
from rehash.tgsh.streams import declared_tasks
from rehash.tgsh.tasks import GREY, Transformation, permutation, sampling_of, task_distances, transformed
from rehash.tgsh.train import Training, train_flynet
from rehash.training import Compute
from toys import BARS, bars

PLAIN = vars(Transformation())
BASE, SCHEMA = merged(DEFAULT), load_schema()


def tasks_of(**block) -> list[dict]:
    return declared_tasks(block, "b", "d")


def test_permuted_pixels():
    """Each number is one order of the pixels, the same for all images and channels; 0 leaves them where they are."""
    tasks = tasks_of(stream="permuted", tasks=3)
    assert [task["permutation"] for task in tasks] == [0, 1, 2]
    rng, shape = np.random.default_rng(0), (3, 5, 7)
    images = rng.integers(0, 256, (4, 5, 7, 3), np.uint8)
    shown = [transformed(images, sampling_of(task, shape=shape, seed=9), 0.5) for task in tasks]
    np.testing.assert_allclose(shown[0], images / 255, atol=1e-7)
    for number in (1, 2):
        order = permutation(number, shape, 9)
        assert sorted(order) == list(range(35)) and list(order) != list(range(35))
        rows = (images / 255).reshape(4, 35, 3)[:, order]
        np.testing.assert_allclose(shown[number].reshape(4, 35, 3), rows, atol=1e-7)
    assert list(permutation(1, shape, 9)) != list(permutation(2, shape, 9)) != list(permutation(2, shape, 8))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_of_any_size_are_transformed_about_their_centre_in_every_channel(interpolation):
    image = np.random.default_rng(0).integers(0, 256, (1, 6, 10, 3), np.uint8)
    turned = transformed(image, sampling_of({**PLAIN, "angle": 180}, interpolation, (3, 6, 10)), 0.0)
    np.testing.assert_allclose(turned, image[:, ::-1, ::-1] / 255, atol=1e-6)
    moved = transformed(image, sampling_of({**PLAIN, "dx": 2, "dy": -1}, interpolation, (3, 6, 10)), 0.25)
    expected = np.full((1, 6, 10, 3), 0.25)
    expected[:, :5, 2:] = image[:, 1:, :8] / 255
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    grey = transformed(image[..., 1], sampling_of({**PLAIN, "angle": 35}, interpolation, (1, 6, 10)), 0.5)
    colour = transformed(image, sampling_of({**PLAIN, "angle": 35}, interpolation, (3, 6, 10)), 0.5)
    np.testing.assert_allclose(colour[..., 1], grey, atol=1e-7)


def test_distances_of_all_streams():
    """Orders of pixels move points as transformations do; tasks of other images have no distance."""
    orders = [permutation(n, (1, 4, 6), 3) for n in range(3)]
    places = np.stack(np.divmod(np.arange(24), 6), 1).astype(float)
    moved = np.empty((3, 24, 2))
    for number, order in enumerate(orders):
        moved[number, order] = places
    expected = np.sqrt(((moved[:, None] - moved) ** 2).sum(3).mean(2))
    permuted = tasks_of(stream="permuted", tasks=3)
    np.testing.assert_allclose(task_distances(permuted, (1, 4, 6), 3), expected)
    many = task_distances(tasks_of(stream="permuted", tasks=20), GREY, 0)[np.triu_indices(20, 1)]
    assert abs(many - 16.16).max() < 1, "two random orders are as far apart as any other two"
    mixed = [PLAIN, {**PLAIN, "dx": 3.0}, {**PLAIN, "classes": [0, 1]}, {**PLAIN, "dataset": "e"}]
    mixed += [{**PLAIN, "dataset": "e", "dx": 4.0}]
    found = task_distances(mixed)
    assert found[0, 1] == pytest.approx(3) and found[3, 4] == pytest.approx(4) and (found.diagonal() == 0).all()
    assert np.isnan(found[0, 2:]).all() and np.isnan(found[2, 3])
    similarity = np.exp(-np.nan_to_num(found, nan=50.0))
    assert rank_correlation(similarity, found) == pytest.approx(-1), "of the two pairs that have a distance"
    alike = np.ones((4, 4)) + np.random.default_rng(0).normal(0, 1e-16, (4, 4))
    assert np.isnan(rank_correlation(alike, np.abs(np.subtract.outer(np.arange(4.0), np.arange(4)))))


def test_seventy_two_rotations_of_five_degrees():
    tasks = tasks_of(tasks=72, angle="5 * t")
    assert [task["angle"] for task in tasks] == [5.0 * t for t in range(72)]
    found = task_distances(tasks)
    radius = np.sqrt(2 * np.mean((np.arange(28) - 13.5) ** 2))
    np.testing.assert_allclose(found[0], 2 * radius * abs(np.sin(np.radians(2.5 * np.arange(72)))), atol=1e-9)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two datasets of one size, of which the second shares the class b with the first; and colour of another size."""
    folder = tmp_path_factory.mktemp("two")
    colour = Split(np.zeros((6, 32, 32, 3), np.uint8), np.arange(6) % 2)
    for name, splits, classes in (
        ("d", BARS, "abc"), ("e", {"train": bars(30, 5), "test": bars(20, 6)}, "xby"),
        ("f", {"train": colour, "test": colour}, "ab"),
    ):  # fmt: skip
        write_dataset(folder / f"{name}.h5", splits, name=name, source="", licence="", class_names=list(classes))
    return folder


TWO = [{"angle": 0}, {"dataset": "e", "angle": 90}, {"dataset": "e", "classes": ["x", "b"]}, {"classes": [2, "a"]}]


def test_tasks_of_two_datasets_from_images_to_figures(two, tmp_path):
    """Classes are those of both; each task's classifier tells its own apart; tables and figures say whose images."""
    tasks = tasks_of(tasks=TWO)
    paths, keys = [two / "d.h5", two / "e.h5"], {"dataset": "d", "benchmark": "b"}
    images = Images.read(paths, tasks)
    assert images.class_names == ["a", "b", "c", "x", "y"]
    assert [head.tolist() for head in images.heads] == [[0, 1, 2], [1, 3, 4], [1, 3], [0, 2]]
    assert images.split(0, "train") is images.home.train and images.local(0, "test") is images.home.test
    e = bars(20, 6)
    assert np.array_equal(images.split(1, "test").labels, np.array([3, 1, 4])[e.labels])
    assert np.array_equal(images.local(2, "test").labels, np.array([1, 0])[e.labels[e.labels < 2]])
    assert np.array_equal(images.split(3, "test").images, BARS["test"].images[BARS["test"].labels != 1])

    show_tasks(paths, tmp_path / "t.h5", tmp_path / "t.csv", keys=keys, tasks=tasks, interpolation="nearest", fill=0.0)
    shown = read_csv(tmp_path / "t.csv")
    assert shown.images.tolist() == ["d", "e", "e", "d"] and set(shown.dataset) == {"d"}
    assert task_words(shown)[2] == "task 2\nturn 0°\nx, b\ne" and "what it does" in axis_words(shown)
    schedule = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01}
    training = Training(keys, tasks, "nearest", 0.0, 60, 2, schedule, 5)
    files = tmp_path / "m.safetensors", tmp_path / "h.csv"
    train_flynet(paths, *files, training, Compute("cpu"), Saving())
    identity = read_modulations(files[0])[1]
    assert identity["heads"] == [[0, 1, 2], [1, 3, 4], [1, 3], [0, 2]] and list(identity["others"]) == ["e"]
    measure_accuracy(paths, *files, tmp_path / "a.csv", Compute("cpu"))
    accuracy = read_csv(tmp_path / "a.csv")
    assert (accuracy.accuracy_at_training == accuracy.accuracy_after_all).all()
    assert accuracy.accuracy_after_all.mean() > 0.7 and set(accuracy.dataset) == {"d"}
    relate_tasks(files[0], tmp_path / "s.csv", tmp_path / "c.csv")
    similarity, correlation = read_csv(tmp_path / "s.csv"), read_csv(tmp_path / "c.csv")
    assert correlation.spearman.isna().all(), "no two pairs of tasks have a distance"
    assert task_similarity_claims(similarity, correlation)[0]["verdict"] == "Nothing to correlate"
    panel = plot_task_similarity(similarity, correlation).axes[2]
    assert panel.texts[0].get_text() == "tasks of other images:\nno distance"
    for summary in (tasks_summary(shown), accuracy_summary(accuracy)):
        assert "nan" not in summary.astype(str).to_csv() and len(summary) == 4
    with pytest.raises(InputError, match=r"f\.h5: images of d are 28 x 28 and those of f 32 x 32 x 3; .* one size"):
        Images.read([two / "d.h5", two / "f.h5"], tasks[:1])
    with pytest.raises(InputError, match="its classes c are in no group of the split benchmark"):
        Images.read(two / "d.h5", [{**PLAIN, "classes": ["a", 1]}], whole=True)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([0, 3], "unknown class '3'"),
        (["a", "bb"], r"unknown class 'bb'; did you mean 'b'\?"),
        (["a", 0], "the class a twice"),
    ],
)
def test_classes_that_a_dataset_has_not_are_refused(two, classes, message):
    with pytest.raises(InputError, match=message):
        Images.read(two / "d.h5", [{**PLAIN, "classes": classes}])


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"tasks": 1, "angle": "t"}, "b: has one task, and a benchmark compares tasks; expected two or more"),
        ({"tasks": 37, "angle": "10 * t"}, r"b: tasks 0 and 36 are the same \(angle 360.0\); expected each task once"),
        ({"tasks": [{"dataset": "e"}, {"angle": 5}, {"dataset": "e"}]}, r"tasks 0 and 2 are the same \(dataset e\)"),
        ({"tasks": [{"dataset": "d"}, {"permutation": 0}]}, "tasks 0 and 1 are the same"),
        ({"tasks": [{"classes": [0, 1]}, {"classes": [1, 0]}]}, "tasks 0 and 1 are the same"),
        ({"tasks": [{"permutation": 1, "dx": 1}, {"dx": 1}]}, "b: task 0: permutes pixels and transforms images"),
        ({"stream": "permuted", "tasks": 3, "angle": "t"}, "b.angle: a permuted stream transforms no image"),
        ({"stream": "permuted", "tasks": [{"dx": 1}]}, "b.tasks: is a list; a permuted stream takes the number"),
        ({"stream": "split", "tasks": [[0, 1], [2, 1]]}, "b: the class 1 is in the groups 0 and 1; expected each class in"),
        ({"stream": "split", "tasks": [[0, 1], [2]]}, "b: task 1: has one class, 2, and nothing to tell apart"),
        ({"stream": "split", "tasks": [[0, 0], [2, 3]]}, "b: the class 0 is in the groups 0 and 0|the class 0 stands twice"),
        ({"stream": "split", "tasks": 5}, "b.tasks: a split stream takes a list of lists of classes"),
        ({"tasks": [[0, 1], [2, 3]]}, "b: tasks are lists of classes, which are the tasks of `stream: split`"),
        ({"stream": "permutd", "tasks": 5}, r"b.stream: unknown stream 'permutd'; did you mean 'permuted'\?"),
    ],
)  # fmt: skip
def test_streams_that_make_no_sense_are_refused(block, message):
    with pytest.raises(InputError, match=message):
        declared_tasks(block, "b", "d")


def planned(**tgsh) -> dict:
    config = copy.deepcopy(BASE)
    for part, value in tgsh.items():
        config["tgsh"].setdefault(part, {})
        config["tgsh"][part] = {**config["tgsh"][part], **value} if isinstance(value, dict) else value
    return validated(config, SCHEMA)


STREAMS = {
    "permuted": {"stream": "permuted", "tasks": 4},
    "split": {"stream": "split", "tasks": [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]},
    "two": {"tasks": [{"angle": 0}, {"dataset": "fashion_mnist", "angle": 90}]},
}


def test_networks_have_places_of_their_own():
    """The default keeps its paths and settings; another network's name follows the benchmark's."""
    block = {"benchmarks": ["rotation", "permuted", "split-narrow"], "encoders": ["fly", "convolution"], "units": 490}
    narrow = {"kind": "fly_wta", "units": 100, "winners": 8, "decoder": "learned"}
    more = {"narrow": narrow, "strong": {"modulation": "strength"}}
    config = planned(benchmarks=STREAMS, flynet={"mnist": block}, encoders=more, datasets=["mnist"])
    built = ["rotation", "rotation-convolution", "permuted", "permuted-convolution", "split-narrow"]
    assert plan.benchmarks_of(config, "mnist") == built
    assert set(plan.training_params(config, "mnist", "rotation")) == {
        "tasks", "interpolation", "fill", "units", "repeats", "schedule", "seed"
    }  # fmt: skip
    found = plan.training_params(config, "mnist", "split-narrow")
    assert found["encoder"] == {"kind": "fly_wta", "inputs": 7, "winners": 8, "binary": False}
    assert (found["units"], found["decoder"], found["whole"]) == (100, "learned", True) and "modulation" not in found
    figures = {benchmark: [] for benchmark in built}
    for name, keys in plan.asked(config):
        figures.setdefault(keys.get("benchmark"), []).append(name)
    assert "notebook" in figures["rotation"] and "notebook" not in figures["rotation-convolution"]
    assert "generated" in figures["split-narrow"] and "generated" not in figures["permuted-convolution"]
    assert "hash_property" in figures["permuted"] and "hash_property" not in figures["split-narrow"]
    for same in ("rotation", "rotation-strong"):  # has the default's encoder
        assert plan.inverse_file(config, "mnist", same) == "results/tgsh/mnist/pseudo_inverse.h5"
    assert plan.inverse_file(config, "mnist", "split-narrow") == "results/tgsh/mnist/pseudo_inverse-narrow.h5"
    assert plan.network_params(config, "mnist", "-narrow")["units"] == 100
    assert plan.other_datasets(config, "mnist", "two-dense") == ["results/datasets/fashion_mnist.h5"]
    assert plan.tasks(config, "fashion_mnist", "two")[1] == {**PLAIN, "angle": 90.0}, "its own images need no name"
    assert plan.benchmarks_of(config, "fashion_mnist") == ["rotation", "shift", "augment", "permuted", "split"]
    for refused, message in (
        (lambda: plan.inverse_file(config, "mnist", "rotation-convolution"), "a convolution has none; expected a kind"),
        (lambda: plan.modulations_of_shared_images(config, "mnist", "split"), "its tasks have images of their own"),
        (lambda: plan.notebook_params(config, "mnist", "rotation-dense"), "only this is compared with it"),
        (
            lambda: plan.network_config(config, "mnist", "rotation-dens"),
            r"unknown encoder 'dens'; did you mean 'dense'\?",
        ),
        (lambda: plan.network_config(config, "mnist", "rotation-fly"), "fly is the default; .*: say rotation"),
    ):
        with pytest.raises(InputError, match=message):
            refused()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": {"wta": {"kind": "fly_wtaa"}}}, r"encoders.wta.kind: unknown value 'fly_wtaa'; did you mean 'fly_wta'\?"),
        ({"encoders": {"dense": {"inputs": 9}}}, "encoders.dense.inputs: means nothing to an encoder of the kind dense"),
        ({"flynet": {"mnist": {"encoders": ["dens"]}}}, r"flynet.mnist.encoders: unknown encoder 'dens'; did you mean 'dense'"),
        ({"flynet": {"mnist": {"benchmarks": ["rotation-dens"]}}}, r"unknown encoder 'dens'; did you mean 'dense'\?"),
        ({"flynet": {"mnist": {"benchmarks": ["rotaton-dense"]}}}, r"unknown benchmark 'rotaton'; did you mean 'rotation'\?"),
        ({"flynet": {"mnist5k": {"units": 98, "encoders": ["w"]}}, "encoders": {"w": {"kind": "fly_wta", "winners": 99}}},
         "encoders.w on mnist5k: 99 winners among 98 units"),
        ({"flynet": {"mnist5k": {"units": 785, "encoders": ["one"]}}, "encoders": {"one": {"inputs": 1}}},
         "encoders.one on mnist5k: 785 units, of 1 inputs each; 784 numbers .* allow 784 different choices"),
        ({"flynet": {"cifar10": {"encoders": ["all"]}}, "encoders": {"all": {"inputs": 3073}}},
         "encoders.all on cifar10: 3073 inputs a unit; images have 3072 numbers"),
        ({"flynet": {"mnist": {"units": 100, "encoders": ["convolution"]}}}, "has a multiple of 49: expected 98 or 147"),
        ({"flynet": {"mnist5k": {"task_step": 36}}}, "flynet.mnist5k.task_step: 36 leaves one of the 36 tasks of rotation"),
        ({"benchmarks": {"b": {"tasks": [{"angle": 0}, {"dataset": "cifar10"}]}}, "flynet": {"mnist5k": {"benchmarks": ["b"]}}},
         "images of mnist5k are 1 x 28 x 28 and those of cifar10 3 x 32 x 32"),
        ({"benchmarks": {"b": {"tasks": [{"angle": 0}, {"dataset": "mnits"}]}}, "flynet": {"mnist": {"benchmarks": ["b"]}}},
         r"unknown dataset 'mnits'; did you mean 'mnist'"),
        ({"benchmarks": {"b": {"tasks": 1, "angle": "t"}}}, "config: tgsh.benchmarks.b: has one task"),
        ({"benchmarks": {"b": {"stream": "splt", "tasks": 3}}}, r"benchmarks.b.stream: unknown value 'splt'; did you mean 'split'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_when_planning(changes, message):
    with pytest.raises(InputError, match=message):
        planned(**changes)


def test_what_the_docs_show_plans(tmp_path):
    """The configs of docs/tgsh.md's sections on networks and streams, and the commands below them, in one dry run."""
    text, targets, files = (ROOT / "docs" / "tgsh.md").read_text(), [], []
    for heading in ("## A family of networks", "### Streams of other kinds"):
        section = text.split(f"{heading}\n")[1].split("\n## ")[0]
        (shown,), (command,) = (
            re.findall(wanted, section, re.S) for wanted in (r"```yaml\n(.*?)```", r"`snakemake (.*?)`")
        )
        files.append(tmp_path / f"{len(files)}.yaml")
        files[-1].write_text(shown)
        targets.append(command.removeprefix("--cores all ").removesuffix(" --configfile mine.yaml"))
        config = planned(**yaml.safe_load(shown)["tgsh"])
        for dataset in yaml.safe_load(shown)["tgsh"]["flynet"]:
            for benchmark in plan.benchmarks_of(config, dataset):
                assert len(plan.training_params(config, dataset, benchmark)["tasks"]) > 1
    output = snakemake(tmp_path, "-n", "--cores", "all", *targets, configs=files)
    assert all(target in output for target in targets) and "train_flynet" in output


def test_memory_and_minutes_follow_the_network():
    from rehash.graph import Size

    size = Size(inputs=784)
    more = {"wide": {"kind": "dense", "units": 31360}, "own": {"decoder": "learned"}}
    config = planned(encoders=more)
    mb = {
        name: plan.training_mb(config, "mnist", name, size, 1) for name in ("rotation", "rotation-wide", "rotation-own")
    }
    assert mb["rotation-wide"] - mb["rotation"] > 3 * 31360 * 784 * 4 / 1e6, "three matrices in float32"
    assert mb["rotation-own"] - mb["rotation"] > 2 * 3 * 36 * 10 * 7840 * 4 / 1e6, "a decoder for each of 36 tasks"
    times = {name: plan.training_minutes(config, "mnist", f"rotation{name}", size, False, 1) for name in ("", "-dense")}
    assert times["-dense"] > 2 * times[""]
    own = {"benchmarks": ["rotation"]}
    every = planned(baselines={"mnist": own})
    one = planned(baselines={"mnist": {**own, "methods": ["full_in_sequence"], "replay_images": 60_000}})
    assert plan.baseline_params(one, "mnist", "rotation")["methods"] == ["full_in_sequence"]
    assert "ewc_lambda" not in plan.baseline_params(one, "mnist", "rotation")
    assert plan.baseline_params(every, "mnist", "rotation-dense")["encoder"] == {"kind": "dense"}
    times = [plan.baseline_minutes(config, "mnist", "rotation", size, False, 1) for config in (every, one)]
    assert times[0] > 4 * times[1], "five methods, two of which take longer"
    needed = 4 * (6 * 794 * 7840 + 60_000 * 784) / 1e6  # parameters, moments, Fisher and anchor; images
    assert plan.baseline_mb(one, "mnist", "rotation", size, 1) > 2000 + needed
    assert plan.inverse_mb(config, "mnist", "", Size(inputs=3072), 1) > plan.inverse_mb(config, "mnist", "", size, 1)
