"""What is odd about data is said, and what cannot be right stops, before anything is trained."""

import logging

import numpy as np
import pandas as pd
import pytest

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset, Split
from rehash.datasets.survey import surveyed
from rehash.errors import InputError

RNG = np.random.default_rng(0)
NAMES = ["a", "b"]


def images(n: int, high: int = 256, low: int = 0) -> np.ndarray:
    return RNG.integers(low, high, (n, 4, 4), dtype=np.uint8)


def splits(train: np.ndarray, test: np.ndarray | None = None, *, labels=None, test_labels=None) -> dict[str, Split]:
    test = images(10) if test is None else test
    labels = np.arange(len(train)) % 2 if labels is None else np.array(labels)
    return {"train": Split(train, labels), "test": Split(test, np.arange(len(test)) % 2 if test_labels is None else np.array(test_labels))}  # fmt: skip


def said(found: dict[str, Split], names=NAMES) -> str:
    return "\n".join(surveyed(found, names, "config: datasets.d"))


def test_of_sound_data_nothing_is_said():
    assert said(splits(images(40))) == ""
    assert said(splits(RNG.normal(size=(40, 3)).astype(np.float32), RNG.normal(size=(10, 3)).astype(np.float32))) == ""


@pytest.mark.parametrize(
    ("found", "names", "message"),
    [
        (splits(images(40), labels=[0] * 40, test_labels=[0] * 10), ["PetImages"], "all samples are of one class, 'PetImages'"),
        (splits(images(40), labels=range(40), test_labels=range(10)), list(map(str, range(40))), "40 classes and 40 train samples"),
        (splits(np.full((40, 4, 4), 7, np.uint8)), NAMES, "every pixel of the train images is 7; .* set background to"),
        (splits(images(40, 2)), NAMES, r"values go from 0 to 1, a hundredth .* Set value_range .*: \[0, 1\], if these"),
        (splits(np.tile(RNG.integers(0, 256, (40, 1, 1), dtype=np.uint8), (1, 4, 4))), NAMES, "in each of the 40 train images all pixels have"),
        (splits(images(40), np.full((10, 4, 4), 7, np.uint8)), NAMES, "in each of the 10 test images all pixels have"),
        (splits(np.tile(images(1), (40, 1, 1))), NAMES, "all 40 train images are the same"),
        (splits(np.ones((40, 3), np.float32), np.ones((10, 3), np.float32)), NAMES, "all 40 train inputs are the same"),
    ],
)  # fmt: skip
def test_what_cannot_be_right_stops(found, names, message):
    with pytest.raises(InputError, match=f"config: datasets.d: .*{message}"):
        said(found, names)


def test_faint_images_with_one_bright_pixel_stop():
    """16 bits that hold 8, scaled by the 65,535 of one broken pixel: all others are black."""
    faint = images(40, 2)
    faint[3, 1, 1] = 255
    with pytest.raises(InputError, match="in each of the 10 test images all pixels have"):
        said(splits(faint, images(10, 2)))
    assert "39 of 40 train images have a range of values of 2 or less of 255" in said(splits(faint))


def test_what_is_odd_is_said():
    train = images(40)
    train[5], train[6] = train[7], 9
    copies = splits(train, np.concatenate([train[:2], images(8)]))
    assert said(copies).splitlines() == [
        "1 of 40 train images have one value in all pixels",
        "1 of 40 train images are exact copies of others (one stands there 2 times)",
        "2 of 10 test images are in the train split, too: accuracies on the test split are too good by what is learned by heart",
    ]
    train[8] = train[7]
    assert "1 images have copies of another class (one is 'a' and 'b')" in said(splits(train))
    assert "values go from 0 to 49, of 0 to 255; if that is not how they should look, set value_range" in said(
        splits(images(4000, 50))
    )
    few = splits(images(20), labels=[0] * 17 + [1] * 3, test_labels=[0] * 10)
    assert said(few).splitlines() == [
        "no test sample of 1 class (b): accuracies say nothing of it",
        "fewer than 10 train samples of 1 class (b)",
        "class 'a' has 10 of 10 test samples: always to say it is right in 100.0%",
    ]
    vectors = RNG.normal(size=(40, 3)).astype(np.float32) * 1000
    vectors[:, 1] = 5
    found = said(splits(vectors, vectors[::-1][:10].copy()))
    assert "1 of 3 columns never change in the train split" in found and "networks expect about 1" in found


@pytest.fixture
def sorted_npz(tmp_path):
    """Five classes one after another, as numpy.concatenate of one array a class makes them; a pixel says which."""

    def part(n):
        data = RNG.integers(0, 256, (5 * n, 4, 4), dtype=np.uint8)
        labels = np.repeat(np.arange(5), n)
        data[:, 0, 0] = labels * 10
        return data, labels

    (x, y), (xt, yt) = part(20), part(4)
    np.savez(tmp_path / "sorted.npz", x_train=x, y_train=y, x_test=xt, y_test=yt)
    return tmp_path / "sorted.npz"


def test_sorted_data_are_mixed_unless_their_order_is_declared(tmp_path, sorted_npz):
    build_dataset(tmp_path / "d.h5", {"path": sorted_npz}, name="d", reader="npz")
    train = Dataset.read(tmp_path / "d.h5").train
    assert np.bincount(train.labels[:50]).tolist() == [10] * 5 and np.bincount(train.labels[:5]).tolist() == [1] * 5
    assert (train.images[:, 0, 0] == 10 * train.labels).all(), "an image keeps its label"
    again = build_dataset(tmp_path / "e.h5", {"path": sorted_npz}, name="e", reader="npz", shuffle=1)
    assert (Dataset.read(tmp_path / "e.h5").train.images != train.images).any()
    assert again["samples"] == {"train": 100, "test": 20} and again["classes"] == 5 and again["input_shape"] == [4, 4]
    build_dataset(tmp_path / "f.h5", {"path": sorted_npz}, name="f", reader="npz", shuffle=None)
    assert (np.diff(Dataset.read(tmp_path / "f.h5").train.labels) >= 0).all()


def test_findings_go_to_the_log_the_tables_and_the_notes(tmp_path, caplog):
    caplog.set_level(logging.INFO, "rehash")
    x = RNG.integers(0, 4096, (30, 3, 3)).astype(np.uint16)
    x[0, 0, 0], x[1, 0, 0], x[4] = 0, 4095, x[2]
    np.savez(tmp_path / "d.npz", images=x, labels=np.arange(30) % 2)
    notes = build_dataset(
        tmp_path / "d.h5", {"path": tmp_path / "d.npz"}, name="d", reader="npz", classes=tmp_path / "c.csv", findings=tmp_path / "f.csv"
    )  # fmt: skip
    scaled = (
        "pixels (uint16) are scaled from 0 ... 4095 to 0 ... 255 (their range in all splits; value_range sets another)"
    )
    assert notes["notes"] == [scaled] and len(notes["warnings"]) == 1
    found = pd.read_csv(tmp_path / "f.csv")
    assert found.kind.tolist() == ["fact", "fact", "note", "warning"] and scaled in found.text.tolist()
    assert pd.read_csv(tmp_path / "c.csv").to_dict("list") == {
        "class": [0, 1],
        "name": [0, 1],
        "train": [12, 12],
        "test": [3, 3],
    }
    assert scaled in caplog.text and notes["warnings"][0] in caplog.text
    assert [r.levelname for r in caplog.records].count("WARNING") == 1


def test_a_range_with_equal_ends_is_refused_and_a_falling_one_turns_black_and_white_over(tmp_path):
    pixels = images(20)
    np.savez(tmp_path / "d.npz", images=pixels, labels=np.arange(20) % 2)
    with pytest.raises(
        InputError, match=r"datasets.d.value_range is \[5, 5\]; expected the value of black and another"
    ):
        build_dataset(tmp_path / "d.h5", {"path": tmp_path / "d.npz"}, name="d", reader="npz", value_range=[5, 5])
    assert not (tmp_path / "d.h5").exists()
    build_dataset(tmp_path / "d.h5", {"path": tmp_path / "d.npz"}, name="d", reader="npz", value_range=[255, 0])
    found = Dataset.read(tmp_path / "d.h5")
    turned = np.concatenate([found.train.images, found.test.images])
    assert sorted(map(bytes, turned)) == sorted(map(bytes, 255 - pixels))


def test_a_declared_range_is_used_and_what_lies_beyond_is_cut_off(tmp_path):
    x = np.tile(np.array([[0, 1000], [2000, 3000]], np.uint16), (20, 1, 1))
    x[:, 0, 1] += np.arange(20, dtype=np.uint16)
    np.savez(tmp_path / "d.npz", images=x, labels=np.arange(20) % 2)
    build_dataset(tmp_path / "d.h5", {"path": tmp_path / "d.npz"}, name="d", reader="npz", value_range=[1000, 2020])
    found = Dataset.read(tmp_path / "d.h5")
    pixels = np.concatenate([found.train.images, found.test.images])
    assert (pixels[:, 0, 0] == 0).all() and (pixels[:, 1, 0] == 250).all() and (pixels[:, 1, 1] == 255).all()
    # 1,000 + i lies i / 1,020 of the way, and 255 / 1,020 is a quarter.
    assert sorted(pixels[:, 0, 1]) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 5]
