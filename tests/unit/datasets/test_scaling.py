"""Scaling, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from rehash.datasets.scaling import scaled_images, scaled_vectors
from rehash.errors import InputError

RNG = np.random.default_rng(0)
VECTORS = {"train": RNG.normal(3, 5, (40, 6)), "test": RNG.normal(3, 5, (9, 6))}


@pytest.mark.parametrize(("scale", "theirs"), [("standard", StandardScaler()), ("max", MaxAbsScaler())])
def test_scales_agree_with_scikit_learn(scale, theirs):
    theirs.fit(VECTORS["train"])
    for split, found in scaled_vectors(VECTORS, scale).items():
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, theirs.transform(VECTORS[split]), rtol=1e-6, atol=1e-6)


def test_the_scale_is_learned_from_the_train_split_alone():
    other = {**VECTORS, "test": VECTORS["test"] * 100}
    for scale in ("standard", "max"):
        assert (scaled_vectors(VECTORS, scale)["train"] == scaled_vectors(other, scale)["train"]).all()


def test_a_column_of_one_value_becomes_0_though_its_mean_is_rounded():
    """The mean of equal numbers is another number, and their deviation then not 0."""
    train = np.full((7, 1), 0.1)
    assert train.std() > 0, "of which StandardScaler would make ones"
    found = scaled_vectors({"train": train, "test": np.array([[0.1], [1.1]])}, "standard")
    assert (found["train"] == 0).all() and found["test"].tolist() == [[0], [1]]
    assert (scaled_vectors({"train": train * 0, "test": train * 0}, "max")["train"] == 0).all()


def test_columns_of_0_and_1_stay_as_they_are_by_standard():
    train = np.array([[0, 0, 0], [1, 1, 0], [0, 0.5, 2], [1, 1, 2]])
    found = scaled_vectors({"train": train, "test": train}, "standard")["train"]
    assert (found[:, 0] == train[:, 0]).all()
    np.testing.assert_allclose(found[:, 1:], StandardScaler().fit_transform(train[:, 1:]), rtol=1e-6)


def test_none_and_255():
    whole = {"train": np.arange(6, dtype=np.uint8).reshape(3, 2), "test": np.full((1, 2), 255, np.uint8)}
    assert scaled_vectors(whole, "none")["train"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert scaled_vectors(whole, "255")["test"].tolist() == [[1, 1]]
    vectors = {split: array.astype(np.float32) for split, array in whole.items()}
    assert scaled_vectors(vectors, "none")["train"] is vectors["train"], "no copy of a gigabyte"


@pytest.mark.parametrize(
    ("dtype", "values", "given", "expected"),
    [
        ("uint8", [0, 3, 200], None, [0, 3, 200]),
        ("uint8", [0, 10, 20], [0, 10], [0, 255, 255]),
        ("bool", [False, True, True], None, [0, 255, 255]),
        ("uint16", [100, 300, 200], None, [0, 255, 128]),  # 127.5 is rounded to even
        ("uint16", [0, 65535, 257], [0, 65535], [0, 255, 1]),
        ("int64", [-1, 0, 1], None, [0, 128, 255]),
        ("float32", [0, 1, 0.5], None, [0, 255, 128]),
        ("float64", [-3, 0.25, 9], [0, 1], [0, 64, 255]),
    ],
)
def test_images_of_any_type_become_bytes(dtype, values, given, expected):
    images = np.array(values, dtype).reshape(3, 1, 1)
    found, notes = scaled_images({"train": images[:2], "test": images[2:]}, given, "d")
    assert [array.dtype for array in found.values()] == [np.uint8] * 2
    assert np.concatenate([*found.values()]).reshape(-1).tolist() == expected
    assert bool(notes) == (dtype != "uint8" or given is not None)


def test_images_without_a_range():
    with pytest.raises(InputError, match="d: every pixel is 7; expected images with something to see"):
        scaled_images({"train": np.full((2, 3, 3), 7, np.int16), "test": np.full((2, 3, 3), 7, np.int16)}, None, "d")
