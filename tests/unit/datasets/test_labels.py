"""Labels of any kind become classes 0, 1, ..., and each way out that a message names leads out; all worked out by hand."""

import re

import h5py
import numpy as np
import pytest

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset
from rehash.errors import InputError

RNG = np.random.default_rng(0)


def build(folder, train, test, *, reader="npz", class_names=None, held_names=None, **settings):
    """Labels of the train split's samples, as they were given, become (numbers of train, numbers of test, names)."""
    arrays = {"train_labels": np.array(train), "test_labels": np.array(test)}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = RNG.integers(0, 256, (len(arrays[f"{split}_labels"]), 3, 3), dtype=np.uint8)
    if held_names:
        arrays["class_names"] = np.array(held_names)
    path = folder / f"d.{reader}"
    if reader == "hdf5":
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array.astype(object) if array.dtype.kind == "U" else array
    elif reader == "npz":
        np.savez(path, **arrays)
    else:
        path = folder
        for split, name in (("train", "train"), ("test", "t10k")):
            for kind, dims in (("images", 3), ("labels", 1)):
                array = arrays[f"{split}_{kind}"].astype(np.uint8)
                header = bytes([0, 0, 8, dims]) + np.array(array.shape, ">u4").tobytes()
                (folder / f"{name}-{kind}-idx{dims}-ubyte").write_bytes(header + array.tobytes())
    given = {"name": "d", "reader": reader, "class_names": class_names, "shuffle": None}
    build_dataset(folder / "d.h5", {"path": str(path)}, **given, **settings)
    found = Dataset.read(folder / "d.h5")
    return found.train.labels.tolist(), found.test.labels.tolist(), found.class_names


@pytest.mark.parametrize("reader", ["npz", "hdf5"])
@pytest.mark.parametrize(
    ("train", "test", "settings", "expected"),
    [
        # By order, whatever the integers: from 1, with gaps, negative, huge, floats, truth values, one column.
        ([1, 2, 3, 1, 2, 3], [3, 1, 2], {}, ([0, 1, 2, 0, 1, 2], [2, 0, 1], ["1", "2", "3"])),
        ([10, 5, 99, 10, 5, 99], [99, 5], {}, ([1, 0, 2, 1, 0, 2], [2, 0], ["5", "10", "99"])),
        ([-1, 1, -1, 1], [1, -1], {}, ([0, 1, 0, 1], [1, 0], ["-1", "1"])),
        ([2**62, 0, 2**62, 0], [0], {}, ([1, 0, 1, 0], [0], ["0", str(2**62)])),
        ([1.0, 2.0, 1.0, 2.0], [2.0], {}, ([0, 1, 0, 1], [1], ["1", "2"])),
        ([True, False, True, False], [False], {}, ([1, 0, 1, 0], [0], ["0", "1"])),
        ([[7], [8], [7], [8]], [[8]], {}, ([0, 1, 0, 1], [1], ["7", "8"])),
        # Texts by the alphabet, texts that are numbers by these.
        (["dog", "cat", "dog", "cat"], ["cat"], {}, ([1, 0, 1, 0], [0], ["cat", "dog"])),
        (["10", "9", "-2", "10", "9", "-2"], ["9"], {}, ([2, 1, 0, 2, 1, 0], [1], ["-2", "9", "10"])),
        # By first_label.
        ([1, 2, 1, 2], [2], {"first_label": 1}, ([0, 1, 0, 1], [1], ["1", "2"])),
        ([3, 4, 3, 4], [4], {"first_label": 3, "class_names": ["c", "d"]}, ([0, 1, 0, 1], [1], ["c", "d"])),
        # By names: of integers in their order; of texts they are the order.
        ([5, 7, 5, 7], [7], {"class_names": ["five", "seven"]}, ([0, 1, 0, 1], [1], ["five", "seven"])),
        (["no", "yes"] * 2, ["yes"], {"class_names": ["yes", "no"]}, ([1, 0, 1, 0], [0], ["yes", "no"])),
        (["a", "b"] * 2, ["b"], {"class_names": ["first", "second"]}, ([0, 1, 0, 1], [1], ["first", "second"])),
        ([0, 1, 0, 1], [1], {"held_names": ["x", "y"]}, ([0, 1, 0, 1], [1], ["x", "y"])),
        ([0, 1, 0, 1], [1], {"held_names": ["x", "y"], "class_names": ["p", "q"]}, ([0, 1, 0, 1], [1], ["p", "q"])),
    ],
)
def test_labels_become_classes(tmp_path, reader, train, test, settings, expected):
    assert build(tmp_path, train, test, reader=reader, **settings) == expected


@pytest.mark.parametrize("settings", [{}, {"first_label": 1}, {"class_names": [chr(97 + i) for i in range(26)]}])
def test_letters_that_are_numbered_from_1(tmp_path, settings):
    """As the public EMNIST letters are."""
    train, test, names = build(tmp_path, [*range(1, 27)] * 2, [26, 1], reader="idx", **settings)
    assert train == [*range(26)] * 2 and test == [25, 0] and len(names) == 26


# What is wrong, what the message recommends, and what follows from doing so.
WAYS = [
    # A class of the names has no sample: leave its name out, ...
    (
        {"train": [0, 1, 3, 0, 1, 3], "test": [3], "class_names": ["w", "x", "y", "z"]},
        r"class 2 \('y'\) has no sample in the train split, whose labels are 0, 1, 3; leave its name out of class_names: "
        "3 names, in the order of the labels",
        {"class_names": ["w", "x", "z"]},
        ([0, 1, 2, 0, 1, 2], [2], ["w", "x", "z"]),
    ),
    # ... or add samples of it.
    (
        {"train": [0, 1, 3, 0, 1, 3], "test": [3], "class_names": ["w", "x", "y", "z"]},
        "or add samples of it",
        {"train": [0, 1, 3, 0, 1, 3, 2, 2]},
        ([0, 1, 3, 0, 1, 3, 2, 2], [3], ["w", "x", "y", "z"]),
    ),
    (
        {"train": [1, 2, 4, 1, 2, 4], "test": [4], "first_label": 1},
        "class 2 has no sample .* leave first_label out, and the classes are numbered in the order of their labels",
        {"first_label": None},
        ([0, 1, 2, 0, 1, 2], [2], ["1", "2", "4"]),
    ),
    (
        {"train": [1, 2, 4, 1, 2, 4], "test": [4], "first_label": 1, "class_names": ["a", "b", "c", "d"]},
        r"class 2 \('c'\) has no sample .* leave its name out of class_names: 3 names.* and leave first_label out",
        {"first_label": None, "class_names": ["a", "b", "d"]},
        ([0, 1, 2, 0, 1, 2], [2], ["a", "b", "d"]),
    ),
    (
        {"train": ["a", "c"] * 2, "test": ["c"], "class_names": ["a", "b", "c"]},
        r"class 1 \('b'\) has no sample .* leave its name out of class_names",
        {"class_names": ["a", "c"]},
        ([0, 1, 0, 1], [1], ["a", "c"]),
    ),
    # Torchvision's names of EMNIST's letters: 27, the first a dummy.
    (
        {"train": [1, 2, 1, 2], "test": [2], "class_names": ["N/A", "a", "b"]},
        r"class 0 \('N/A'\) has no sample .*leave its name out of class_names: 2 names",
        {"class_names": ["a", "b"]},
        ([0, 1, 0, 1], [1], ["a", "b"]),
    ),
    # Fewer names than classes.
    (
        {"train": [0, 1, 2, 0, 1, 2], "test": [2], "class_names": ["x", "y"]},
        "class_names has 2 names, and the train split 3 classes: 0, 1, 2; expected 3 names, in the order of the labels",
        {"class_names": ["x", "y", "z"]},
        ([0, 1, 2, 0, 1, 2], [2], ["x", "y", "z"]),
    ),
    # Too high a first label.
    (
        {"train": [0, 1, 0, 1], "test": [1], "first_label": 1},
        "first_label is 1, and there is the label 0; expected 0 or less, or no first_label",
        {"first_label": 0},
        ([0, 1, 0, 1], [1], ["0", "1"]),
    ),
    (
        {"train": ["a", "b"] * 2, "test": ["b"], "first_label": 1},
        "first_label is 1, but the labels are texts .a, b.; leave it out, and give class_names in the order",
        {"first_label": None, "class_names": ["b", "a"]},
        ([1, 0, 1, 0], [0], ["b", "a"]),
    ),
    # A class in the test split alone.
    (
        {"train": [0, 1, 0, 1], "test": [1, 2, 2]},
        "2 samples of the test split are of class 2, of which the train split has none; move some of them to the train",
        {"train": [0, 1, 0, 1, 2, 2], "test": [1, 2]},
        ([0, 1, 0, 1, 2, 2], [1, 2], ["0", "1", "2"]),
    ),
    (
        {"train": ["a", "b"] * 2, "test": ["b", "c"]},
        "1 samples of the test split are of class c, .* or leave them out",
        {"test": ["b"]},
        ([0, 1, 0, 1], [1], ["a", "b"]),
    ),
    # Two classes of one name.
    (
        {"train": [0, 1, 0, 1], "test": [1], "class_names": ["x", "x"]},
        "two classes are called 'x'; expected a name for each",
        {"class_names": ["x", "y"]},
        ([0, 1, 0, 1], [1], ["x", "y"]),
    ),
    # Names that the file has are for the labels from 0 on.
    (
        {"train": [1, 2, 1, 2], "test": [2], "held_names": ["x", "y"]},
        "labels 1, 2; expected 0 to 1, which the data's own class names are for",
        {"class_names": ["x", "y"]},
        ([0, 1, 0, 1], [1], ["x", "y"]),
    ),
    # Labels that are not labels.
    (
        {"train": np.eye(2)[[0, 1, 0, 1]], "test": np.eye(2)[[1]]},
        r"expected one label a sample, .* save numpy.argmax\(labels, 1\)",
        {"train": np.argmax(np.eye(2)[[0, 1, 0, 1]], 1), "test": [1]},
        ([0, 1, 0, 1], [1], ["0", "1"]),
    ),
    (
        {"train": [0, 0, 0, 0], "test": [0]},
        "all samples are of one class, '0'; expected two or more classes",
        {"train": [0, 1, 0, 0]},
        ([0, 1, 0, 0], [0], ["0", "1"]),
    ),
    (
        {"train": [*range(9), 0], "test": [0]},
        "9 classes and 10 train samples; expected two of each class or more. Are the labels classes",
        {"train": [number // 5 for number in range(10)]},
        ([0] * 5 + [1] * 5, [0], ["0", "1"]),
    ),
]


@pytest.mark.parametrize(("wrong", "message", "way", "expected"), WAYS)
def test_each_way_out_leads_out(tmp_path, wrong, message, way, expected):
    with pytest.raises(InputError, match=message) as error:
        build(tmp_path, **wrong)
    assert "config: datasets.d" in str(error.value) and str(tmp_path / "d.npz") in str(error.value)
    assert not (tmp_path / "d.h5").exists()
    assert build(tmp_path, **{**wrong, **way}) == expected


def test_a_single_sample_of_a_class_without_splits(tmp_path):
    x, y = RNG.random((7, 3)), np.array([0, 1, 1, 0, 2, 0, 1])
    np.savez(tmp_path / "d.npz", x=x, y=y)
    about = {"name": "d", "reader": "npz"}
    with pytest.raises(
        InputError, match=r"one sample of class 2; expected two or more of each.*Leave such classes out, or"
    ):
        build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "d.npz")}, **about)
    np.savez(tmp_path / "d.npz", x=x[y < 2], y=y[y < 2])
    build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "d.npz")}, **about)
    found = Dataset.read(tmp_path / "d.h5")
    assert sorted(found.test.labels.tolist()) == [0, 1] and found.class_names == ["0", "1"]


def test_names_that_are_no_text_in_utf8(tmp_path):
    with pytest.raises(InputError, match=re.escape(r"the class name 'f\xfcr' is not UTF-8; rename it")):
        build(tmp_path, [b"f\xfcr", b"a"] * 2, [b"a"])
