"""Augmented views against slow ones, made pixel by pixel; and labels that are classes."""

import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest

from rehash.datasets.layout import Split, write_dataset
from rehash.equihash.images.banks import Bank, SplitImages, build_bank
from rehash.equihash.images.classes import Classes
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.noise import BLOCK, StreamSource
from rehash.equihash.images.readers import digits
from rehash.equihash.images.task import Task
from rehash.errors import InputError
from rehash.hdf5 import read_attributes
from rehash.seeds import stream
from slow_mosaics import ArrayBank, bank, mosaics

GREY = Task("augmented", (1, 1), (9, 12), gaussian=0.05, flip=True)
COLOUR = replace(GREY, picture=(8, 8), colour=True, rotation=180, scale=0.5, shift=3)
STILL = Task("augmented", (1, 1), (9, 12), gaussian=0, shift=0, rotation=0, scale=0, brightness=0, contrast=0)


def source(name: object = "a test") -> StreamSource:
    return StreamSource(stream(3, name))


def slow_view(task: Task, image: np.ndarray, draws, row: int) -> np.ndarray:
    """Float64 (H, W, C): each pixel is read where it comes from, as the mean of its four neighbours by area."""
    height, width = image.shape[:2]
    down, right = draws.shift[row].tolist()
    angle, factor = draws.angle[row].item(), draws.factor[row].item()
    found = np.zeros(image.shape)
    for y in range(height):
        for x in range(width):
            # From the centre, before the shift, the turn (clockwise, as y points down), the scaling and the mirror.
            a, b = x - (width - 1) / 2 - right, y - (height - 1) / 2 - down
            a, b = a * math.cos(angle) + b * math.sin(angle), b * math.cos(angle) - a * math.sin(angle)
            a, b = a / factor * draws.mirrored[row].item(), b / factor
            a, b = a + (width - 1) / 2, b + (height - 1) / 2
            for i in (math.floor(b), math.floor(b) + 1):
                for j in (math.floor(a), math.floor(a) + 1):
                    if 0 <= i < height and 0 <= j < width:
                        found[y, x] += image[i, j] / 255 * (1 - abs(b - i)) * (1 - abs(a - j))
    mean = found.mean()
    found = mean + draws.contrast[row].item() * (found - mean) + draws.brightness[row].item()
    return found + task.gaussian * draws.normal[row].numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("task", [GREY, COLOUR, replace(GREY, flip=False, gaussian=0.3, brightness=0.5)])
def test_augmented_views_are_the_slow_ones(task):
    made, labels = mosaics(task), [0, 3, 6, 3, 5]
    draws = made.draw(source(), 5)
    found = made.views(labels, draws)
    assert found.dtype == torch.float32 and found.shape == (5, *task.shape)
    for row, label in enumerate(labels):
        image = made.bank.images[label].reshape(*task.picture, -1)
        exact = slow_view(task, image, draws, row)
        assert np.allclose(found[row].numpy().transpose(1, 2, 0), exact, atol=2e-5)


def test_a_shift_is_a_crop_of_the_padded_image():
    task = replace(STILL, shift=4)
    made = mosaics(task)
    draws = made.draw(source(), 200)
    assert set(draws.shift.flatten().tolist()) == set(range(-4, 5))
    for view, (down, right) in zip(made.views([2] * 200, draws), draws.shift.tolist()):
        padded = np.pad(made.bank.images[2] / 255, 4)
        assert np.allclose(view[0], padded[4 - down : 13 - down, 4 - right : 16 - right], atol=1e-5)


def test_a_mirrored_view_has_left_and_right_exchanged():
    made = mosaics(replace(STILL, flip=True))
    draws = made.draw(source(), 60)
    assert set(draws.mirrored.tolist()) == {-1, 1}
    for view, sign in zip(made.views([1] * 60, draws), draws.mirrored.tolist()):
        assert np.allclose(view[0], made.bank.images[1][:, :: int(sign)] / 255, atol=1e-5)


def test_a_turn_of_90_degrees_is_exact_and_clockwise():
    """Of a square, without any other change."""
    made = mosaics(replace(STILL, picture=(8, 8), rotation=90))
    draws = made.draw(source(), 1)._replace(angle=torch.tensor([math.pi / 2]))
    assert np.allclose(made.views([1], draws)[0, 0], np.rot90(made.bank.images[1] / 255, -1), atol=1e-5)


def test_without_changes_a_view_is_the_image():
    made = mosaics(STILL)
    views = made.views([4, 0], made.draw(source(), 2))
    assert torch.equal(views, made.plain([4, 0]))


def test_changes_are_drawn_as_declared():
    n, task = 4000, replace(COLOUR, brightness=0.3, contrast=0.4)
    draws = task.draw(source(), n, 0)
    degrees = draws.angle.numpy() * 180 / math.pi
    for drawn, low, high in (
        (degrees, -180, 180),
        (draws.factor, 0.5, 1.5),
        (draws.brightness, -0.3, 0.3),
        (draws.contrast, 0.6, 1.4),
    ):
        assert kstest(drawn, "uniform", (low, high - low)).pvalue > 0.01
    assert chisquare(np.unique(draws.shift, return_counts=True)[1]).pvalue > 0.01
    assert chisquare(np.unique(draws.mirrored, return_counts=True)[1]).pvalue > 0.01
    assert kstest(draws.normal.flatten()[:5000], "norm").pvalue > 0.01 and draws.chosen.shape == (n, 0)
    assert (replace(task, flip=False).draw(source(), 50, 0).mirrored == 1).all()


# ---------------------------------------------------------------------------------------------------------------------
# Labels that are classes


CLASSES = replace(GREY, labels="classes")
OF = np.array([7, 2, 7, 7, 0, 2, 7])  # of the seven images; classes 1 and 3 to 6 have none


def by_class(task: Task = CLASSES, of: np.ndarray = OF) -> Mosaics:
    return Mosaics(task, bank(task), classes=Classes.of(of))


def test_classes_with_images_are_the_labels_in_order():
    made = by_class()
    assert made.label_count == 3 and len(made.classes) == 3
    first = made.plain([0, 1, 2])[:, 0].numpy()
    assert np.allclose(first, made.bank.images[[4, 1, 0]] / 255), "without draws, each class's first image"
    with pytest.raises(InputError, match="label 3: 3 classes in a grid of 1 x 1 make the labels 0 to 2"):
        made.plain([3])


def test_a_view_shows_any_image_of_its_class_alike():
    made = by_class(replace(STILL, labels="classes"))
    labels = np.repeat([0, 1, 2], 3000)
    views = made.views(labels, made.draw(source(), len(labels)))[:, 0].numpy()
    images = made.bank.images / np.float32(255)
    shown = np.array([np.flatnonzero((abs(view - images) < 1e-5).all((1, 2)))[0] for view in views])
    for label, (of, count) in enumerate(((0, 1), (2, 2), (7, 4))):
        seen, times = np.unique(shown[labels == label], return_counts=True)
        assert seen.tolist() == np.flatnonzero(of == OF).tolist() and len(seen) == count
        assert count == 1 or chisquare(times).pvalue > 0.01
    assert abs(np.corrcoef(shown[6000:-1], shown[6001:])[0, 1]) < 0.06, "one after the other is no pattern"


def test_mosaics_of_classes_choose_each_image_on_its_own():
    """A grid of two: the label's digits in base 3 are the classes."""
    task = replace(STILL, grid=(1, 2), labels="classes")
    made = by_class(task)
    assert made.label_count == 9
    draws = made.draw(source(), 400)
    views = made.views(np.full(400, 2 + 3 * 1), draws)[:, 0].numpy() * 255
    halves = [{bytes(v.round().astype(np.uint8)) for v in part} for part in (views[:, :, :12], views[:, :, 12:])]
    for half, of in zip(halves, (7, 2)):
        assert half == {bytes(made.bank.images[number]) for number in np.flatnonzero(of == OF)}


@pytest.mark.parametrize("made", [mosaics(GREY), mosaics(COLOUR), by_class()])
def test_an_augmented_item_is_the_same_in_any_slice(made):
    labels = np.arange(BLOCK + 200) % made.label_count
    names = {"seed": 5, "name": "d", "kind": "database"}
    whole = made.items(labels, 0, **names)
    for start, stop in ((0, 1), (0, 3), (BLOCK - 2, BLOCK + 5), (BLOCK, BLOCK + 1), (77, 333)):
        part = made.items(labels[start:stop], start, **names)
        assert torch.equal(part, whole[start:stop])
    other = made.items(labels[:50], 0, **names | {"kind": "positive"})
    assert not torch.isclose(other, whole[:50]).all((1, 2, 3)).any()


# ---------------------------------------------------------------------------------------------------------------------
# Banks that know classes


def dataset(path, labels: dict[str, list[int]], shape=(6, 5, 3), classes=10):
    chance = np.random.default_rng(0)
    splits = {
        split: Split(chance.integers(0, 256, (len(of), *shape), dtype=np.uint8), np.array(of, np.int64))
        for split, of in labels.items()
    }
    names = [str(n) for n in range(classes)]
    write_dataset(path, splits, name="d", source="", licence="", class_names=names)
    return splits


def test_a_bank_of_a_dataset_keeps_its_classes(tmp_path):
    """Three of ten classes are never seen in training; a gallery, which would tell them, is not in the bank."""
    train = [0, 1, 2, 4, 6, 8, 9] * 3
    splits = dataset(tmp_path / "d.h5", {"train": train, "test": [3, 5, 7, 3], "gallery": [3, 5, 7, 3, 3]})
    build_bank({"dataset": tmp_path / "d.h5"}, tmp_path / "b.h5", description={"name": "b", "reader": "digits"})
    found = {split: Bank.open(tmp_path / "b.h5", split) for split in ("train", "valid", "test")}
    valid = 4  # a sixth of 21, rounded
    assert (found["train"].labels == splits["train"].labels[:-valid]).all()
    assert (found["valid"].labels == splits["train"].labels[-valid:]).all()
    assert (found["test"].labels == splits["test"].labels).all() and len(found["test"]) == 4
    assert (found["test"].take(np.arange(4)) == splits["test"].images).all()
    task = Task.of({"kind": "augmented", "grid": [1, 1], "picture": [6, 5], "colour": True, "labels": "classes"})
    made = Mosaics.open_all(task, found, None, CPU)
    assert {split: each.label_count for split, each in made.items()} == {"train": 7, "valid": 4, "test": 3}
    view = made["train"].views([2, 6], made["train"].draw(source(), 2))
    assert view.shape == (2, 3, 6, 5)
    with h5py.File(tmp_path / "b.h5") as file:
        before = read_attributes(file)["checksum"]
    other = dataset(tmp_path / "d.h5", {"train": [*train[:-1], 3], "test": [3, 5, 7, 3]})
    assert (other["train"].images == splits["train"].images).all()
    notes = build_bank({"dataset": tmp_path / "d.h5"}, tmp_path / "b.h5", description={"name": "b", "reader": "digits"})
    assert notes["bank_checksum"] != before, "classes are part of what a bank is"


def test_labels_that_do_not_fit_a_bank_are_named(tmp_path, monkeypatch):
    images = np.zeros((3, 2, 2), np.uint8)
    for labels, words in ((np.zeros(2, np.int64), r"int64 \(2,\)"), (np.zeros(3, np.int32), r"int32 \(3,\)")):
        bad = SplitImages(3, [images], labels=labels)
        monkeypatch.setattr(digits, "read", lambda raw, bad=bad: dict.fromkeys(("train", "valid", "test"), bad))
        with pytest.raises(InputError, match=rf"bank b: train: labels are {words}; expected int64 \(3,\)"):
            build_bank({}, tmp_path / "b.h5", description={"name": "b", "reader": "digits"})
        assert not (tmp_path / "b.h5").exists()


def test_classes_of_a_bank_without_any_are_refused(tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["train/images"] = np.zeros((3, 9, 12), np.uint8)
        file.attrs["checksum"] = "c"
    with pytest.raises(InputError, match=r"labels are classes, but the bank's images have none; .* or set labels: im"):
        Mosaics.open(CLASSES, Bank.open(tmp_path / "b.h5", "train"), None, CPU)
    assert Mosaics.open(GREY, Bank.open(tmp_path / "b.h5", "train"), None, CPU).label_count == 3


def test_images_of_another_kind_than_the_task_says_are_named():
    made = Mosaics(GREY, ArrayBank(np.zeros((3, 9, 12, 3), np.uint8)))
    words = "images are uint8 9x12x3; augmented mosaics need uint8 9x12; set its picture, and colour for images in col"
    with pytest.raises(InputError, match=words):
        made.plain([0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": "clases"}, "t: unknown labels 'clases'; did you mean 'classes'"),
        ({"shift": 13}, "t: shift is 13; expected 0 to 12"),
        ({"rotation": 181}, "t: rotation is 181; expected 0 to 180"),
        ({"scale": 1}, r"t: scale is 1; expected 0 to 0\.9"),
        ({"brightness": -0.1}, r"t: brightness is -0\.1; expected 0 to 1"),
        ({"contrast": 2}, "t: contrast is 2; expected 0 to 1"),
    ],
)
def test_augmentations_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        Task.of({"kind": "augmented", "grid": [1, 1], "picture": [12, 12], **changes}, "t")
