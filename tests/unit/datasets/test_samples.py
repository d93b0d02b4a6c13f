"""Labels of any kind become classes, and samples get a split and an order in which every class has its share."""

import re

import numpy as np
import pytest

from rehash.datasets.layout import Split
from rehash.datasets.raw import plain_labels
from rehash.datasets.samples import drawn_splits, listed, mixed, numbered
from rehash.errors import InputError

W = "config: datasets.d"


def split(*labels) -> Split:
    labels = np.array(labels)
    return Split(np.arange(len(labels), dtype=np.float32)[:, None], labels)


def classes(train, test=None, known=None, given=None, first=None):
    labels = {"train": np.array(train), "test": np.array(train if test is None else test)}
    numbers, names = numbered(labels, known, given, first, W)
    assert all(found.dtype == np.int64 for found in numbers.values())
    return numbers["train"].tolist(), numbers["test"].tolist(), names


@pytest.mark.parametrize(
    ("train", "test", "options", "expected"),
    [
        # EMNIST's letters: labels from 1 on, by their order or by first_label, with names or without.
        ([2, 1, 3], [3, 3], {}, ([1, 0, 2], [2, 2], ["1", "2", "3"])),
        ([2, 1, 3], [3, 3], {"first": 1}, ([1, 0, 2], [2, 2], ["1", "2", "3"])),
        ([2, 1, 3], [3, 3], {"given": ["a", "b", "c"]}, ([1, 0, 2], [2, 2], ["a", "b", "c"])),
        ([2, 1, 3], [3, 3], {"given": ["a", "b", "c"], "first": 1}, ([1, 0, 2], [2, 2], ["a", "b", "c"])),
        # Any integers, negative ones and large ones.
        ([1, -1], [-1], {}, ([1, 0], [0], ["-1", "1"])),
        ([10**12, 5, 70], [5], {}, ([2, 0, 1], [0], ["5", "70", str(10**12)])),
        # Texts by the alphabet, texts that are numbers by their value, texts that the config names in its own order.
        (["dog", "cat"], ["cat"], {}, ([1, 0], [0], ["cat", "dog"])),
        (["10", "9", "007"], ["9"], {}, ([2, 1, 0], [1], ["007", "9", "10"])),
        (["--5", "-", "-5"], ["-5"], {}, ([1, 0, 2], [2], ["-", "--5", "-5"])),
        (["10", "-5"], ["-5"], {}, ([1, 0], [0], ["-5", "10"])),
        (["dog", "cat"], ["cat"], {"given": ["dog", "cat"]}, ([0, 1], [1], ["dog", "cat"])),
        (["dog", "cat"], ["cat"], {"given": ["Katze", "Hund"]}, ([1, 0], [0], ["Katze", "Hund"])),
        # Names that the format has for 0, 1, ...; the config's come first.
        ([1, 0], [0], {"known": ["a", "b"]}, ([1, 0], [0], ["a", "b"])),
        ([1, 0], [0], {"known": ["a", "b"], "given": ["x", "y"]}, ([1, 0], [0], ["x", "y"])),
    ],
)
def test_labels_become_classes(train, test, options, expected):
    assert classes(train, test, **options) == expected


@pytest.mark.parametrize(
    ("train", "test", "options", "message"),
    [
        ([1, 2], [1], {"given": ["none", "a", "b"]}, r"class 0 \('none'\) has no sample .* labels are 1, 2; leave its name out of class_names: 2 names"),
        ([0, 1, 3], [1], {"given": list("wxyz")}, r"class 2 \('y'\) has no sample in the train split"),
        ([0, 1, 3], [1], {"first": 0}, "class 2 has no sample .* leave first_label out"),
        ([0, 1, 2], [1], {"given": ["a", "b"]}, r"class_names has 2 names, and the train split 3 classes: 0, 1, 2; expected 3"),
        ([0, 1], [1], {"first": 1}, "first_label is 1, and there is the label 0; expected 0 or less"),
        ([0, 1], [1, 2, 2], {}, "2 samples of the test split are of class 2, of which the train split has none"),
        (["a", "b"], ["c"], {}, "1 samples of the test split are of class c"),
        (["a", "b"], ["b"], {"first": 1}, r"first_label is 1, but the labels are texts \(a, b\)"),
        (["a", "b"], ["b"], {"given": ["a", "b", "c"]}, r"class 2 \('c'\) has no sample"),
        (["a", "Stra\udcdfe"], ["a"], {}, r"the class name 'Stra\\xdfe' is not UTF-8; rename it"),
        ([0, 1], [1], {"given": ["a", "a"]}, "two classes are called 'a'"),
        ([3, 4], [4], {"known": ["a", "b"]}, "labels 3, 4; expected 0 to 1"),
        ([], [], {}, "train: no samples"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_named(train, test, options, message):
    with pytest.raises(InputError, match=message):
        classes(np.array(train, dtype=None if train else np.int64), test, **options)


def test_what_a_message_recommends_works():
    """27 names for the labels 1 to 26, as torchvision has them: without the name that it says to leave out."""
    letters = np.arange(1, 27)
    names = ["N/A", *map(chr, range(97, 123))]
    for first in (None, 0):
        with pytest.raises(
            InputError, match=r"leave its name out of class_names: 26 names, in the order of the labels"
        ):
            classes(letters, given=names, first=first)
    assert classes(letters, given=names[1:]) == (list(range(26)), list(range(26)), names[1:])
    with pytest.raises(InputError, match="leave first_label out"):
        classes([1, 3], first=1)
    assert classes([1, 3])[2] == ["1", "3"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([[3], [1]], np.uint8), [3, 1]),
        (np.array([True, False]), [1, 0]),
        (np.array([2.0, 7.0]), [2, 7]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array([b"b", "é".encode()]), ["b", "é"]),
    ],
)
def test_plain_labels(labels, expected):
    assert plain_labels(labels, "y").tolist() == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0.5, 1]), "y: labels are float64 (2,), among them 0.5; expected whole numbers or texts"),
        (np.array([np.nan, 1]), "among them nan"),
        (
            np.eye(3),
            "expected one label a sample, (N,) or (N, 1). If the largest number of a row is at its class, save",
        ),
        (np.zeros((2, 1, 1), int), "labels are int64 (2, 1, 1); expected integers or texts"),
        (np.array([1j]), "labels are complex128"),
        (np.array([2**63], np.uint64), "expected numbers that fit into 64 bits"),
    ],
)
def test_labels_of_another_kind_are_named(labels, message):
    with pytest.raises(InputError, match=re.escape(message)):
        plain_labels(labels, "y")


def test_a_drawn_test_split_has_a_share_of_each_class():
    """Of 10, 5, 2 samples a fifth is 2, 1 and, rounded, 0.4, but at least 1; nothing is lost or there twice."""
    whole = split(*[0] * 10, *[1] * 5, *[2] * 2)
    found = drawn_splits({"all": whole}, 0.2, np.random.default_rng(0), W)
    assert np.bincount(found["test"].labels).tolist() == [2, 1, 1]
    assert np.bincount(found["train"].labels).tolist() == [8, 4, 1]
    assert sorted([*found["train"].inputs[:, 0], *found["test"].inputs[:, 0]]) == list(range(17))
    assert all((whole.labels[part.inputs[:, 0].astype(int)] == part.labels).all() for part in found.values())
    chosen = {
        tuple(drawn_splits({"all": whole}, 0.2, np.random.default_rng(i), W)["test"].inputs[:2, 0]) for i in range(9)
    }
    assert len(chosen) > 4, "drawn, not the first or the last ones"


def test_a_class_with_one_sample_cannot_be_in_both_splits():
    with pytest.raises(InputError, match="one sample of class b; expected two or more of each"):
        drawn_splits({"all": split("a", "a", "b")}, 0.2, np.random.default_rng(0), W)


@pytest.mark.parametrize("sizes", [(20, 20, 20), (50, 10, 3), (1, 1, 30)])
def test_the_first_samples_have_every_class_in_proportion(sizes):
    """Sample r of the n of its class lies in [r / n, (r + 1) / n) of the whole: the first k have k n / N of it, within 1."""
    sorted_by_class = split(*np.repeat(np.arange(len(sizes)), sizes))
    found = mixed(sorted_by_class, np.random.default_rng(1))
    assert sorted(found.inputs[:, 0]) == list(range(sum(sizes)))
    assert (sorted_by_class.labels[found.inputs[:, 0].astype(int)] == found.labels).all()
    for label, size in enumerate(sizes):
        seen = np.cumsum(found.labels == label)
        assert np.abs(seen - np.arange(1, sum(sizes) + 1) * size / sum(sizes)).max() <= len(sizes)
        assert (np.diff(found.inputs[found.labels == label, 0]) < 0).any() or size < 3, "a class is shuffled, too"
    if len(set(sizes)) == 1:
        assert all(set(found.labels[i : i + 3]) == {0, 1, 2} for i in range(0, 60, 3))


def test_lists_in_messages():
    assert (listed([3, 1]), listed(range(100))) == ("3, 1", "0, 1, 2, 3, 4, ... 99")
