"""Folders of images become datasets: which folders are the classes, and what is said where they are not."""

import logging
import os
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset
from rehash.datasets.readers import image_folder
from rehash.datasets.samples import Found
from rehash.errors import InputError

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def make(root: Path, *folders: str, shape: tuple[int, ...] = (6, 5)) -> Path:
    """Make folders, `name:count` each, of so many images."""
    for folder in folders:
        name, _, count = folder.partition(":")
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(int(count or 0)):
            save(root / name / f"{number}.png", pixels(*shape))
    return root


def read(root: Path, **settings) -> Found:
    return image_folder.read({"path": str(root)}, **settings)


def counts(found: Found) -> dict[str, dict[str, int]]:
    return {split: dict(Counter(of.labels.tolist())) for split, of in found.splits.items()}


def refused(root: Path, message: str, **settings) -> None:
    with pytest.raises(InputError, match=message):
        read(root, **settings)


def test_image_folders_agree_with_torchvision(tmp_path):
    """Many formats, upper case, nested folders, hidden files and files that are no images."""
    for split in ("train", "test"):
        endings = "png jpg JPEG bmp webp tif TIFF ppm".split()
        for i, ending in enumerate(endings * 2):
            save(tmp_path / split / "ab1"[i % 3] / "deep" / f"{i}.{ending}", pixels(6, 5, 3))
        (tmp_path / split / "a" / "notes.txt").write_text("no image")
    theirs = {split: torchvision.datasets.ImageFolder(str(tmp_path / split)) for split in ("train", "test")}
    theirs = {
        split: sorted((image.tobytes(), of.classes[label]) for image, label in of) for split, of in theirs.items()
    }
    for split in ("train", "test"):
        (tmp_path / split / "a" / ".hidden.png").write_text("no image")
        save(tmp_path / split / ".ipynb_checkpoints" / "x.png", pixels(9, 9))
        save(tmp_path / split / "b" / ".cache" / "x.png", pixels(9, 9))
    found = read(tmp_path)
    for split, of in found.splits.items():
        assert sorted((image.tobytes(), label) for image, label in zip(of.images, of.labels.tolist())) == theirs[split]
    assert found.class_names is None, "the labels are the names"
    assert found.notes == [
        "3 classes: 1 10, a 12, b 10",
        "left out: 4 files (.txt 2, hidden 2) and 4 folders (hidden 4)",
    ]


def test_items_are_in_the_order_of_their_names(tmp_path):
    for name, grey in {"b/1": 3, "a/2": 2, "a/10": 1, "b/0/9": 4, "a-b/x": 0}.items():
        save(tmp_path / f"{name}.png", np.full((2, 2), grey, np.uint8))
    whole = read(tmp_path).splits["all"]
    assert whole.images[:, 0, 0].tolist() == [0, 1, 2, 4, 3]
    assert whole.labels.tolist() == ["a-b", "a", "a", "b", "b"]


@pytest.mark.parametrize("given", [("train", "test"), ("Train", "TEST"), ("training", "Testing")])
def test_the_splits_names(tmp_path, given):
    train, test = given
    found = read(make(tmp_path, f"{train}/a:2", f"{train}/b:3", f"{test}/a:1", f"{test}/b:4"))
    assert counts(found) == {"train": {"a": 2, "b": 3}, "test": {"a": 1, "b": 4}}
    assert found.notes == ["2 classes: a 3, b 7"]


@pytest.mark.parametrize("name", ["val", "Valid", "validation", "dev", "unlabelled"])
def test_other_folders_beside_train_and_test_are_counted(tmp_path, name):
    make(tmp_path, "train/a:2", "train/b:2", "test/a:1", "test/b:1", f"{name}/a:3", f"{name}/b:4", "train:1")
    save(tmp_path / "cover.png", pixels(9, 9, 3))
    found = read(tmp_path)
    assert counts(found) == {"train": {"a": 2, "b": 2}, "test": {"a": 1, "b": 1}}
    assert found.notes == [
        "2 classes: a 3, b 3",
        "left out: 1 image that lies beside the folders of the classes",
        "left out: 1 image that lies beside the folders of the classes in train/",
        f"left out: 7 images that lie in {name}/, beside train/ and test/",
    ]


def test_a_class_may_be_called_train(tmp_path):
    assert counts(read(make(tmp_path, "car:3", "train:2"))) == {"all": {"car": 3, "train": 2}}
    assert counts(read(make(tmp_path, "test:1", "dev:1")))["all"] == {"car": 3, "train": 2, "test": 1, "dev": 1}


def test_images_beside_the_classes_are_counted(tmp_path):
    make(tmp_path, "a:2", "b:2", ":3")
    assert counts(read(tmp_path)) == {"all": {"a": 2, "b": 2}}
    assert read(tmp_path).notes[1:] == ["left out: 3 images that lie beside the folders of the classes"]


def test_a_test_folder_without_classes(tmp_path):
    """As competitions have it; the way out that is said works."""
    make(tmp_path, "train/Cat:3", "train/Dog:2", "test:4")
    refused(
        tmp_path, "test: has images, and no folders .* nobody knows their classes, set path to the folder beside it"
    )
    assert counts(read(tmp_path / "train")) == {"all": PETS}


def test_many_classes_are_shortened(tmp_path):
    make(tmp_path, *(f"c{number:02}:1" for number in range(20)))
    assert read(tmp_path).notes == ["20 classes: c00 1, c01 1, c02 1, c03 1, c04 1, ... c19 1"]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "has no folders; expected one for each class"),
        (["a", "b"], "no images in its folders a, b"),
        (["a:2", "b"], "no images in b, but in the folders beside; expected images of a class in each"),
        (["a:2", "b:2", "c", "d"], "no images in c, d, but in the folders beside"),
        (["train:2", "test:2"], "train has no folders; expected one for each class in train and test"),
        (
            ["train/a:1", "train/b:1"],
            "has a folder train of folders, but not both train and test; .*set path to .*/train, ",
        ),
        (["Test/a:1", "Test/b:1"], "has a folder Test of folders, but not both train and test"),
        (
            ["train/a:1", "train/b:1", "val/a:1", "val/b:1"],
            "has train and val, but no test; call val test to test on it, or set path to .*/train, of which a test split",
        ),
        (["train/a:1", "Training/a:1", "test/a:1"], "Training and train are both train; expected one folder of it"),
        (
            ["train/a:1", "train/b:1", "test/a:1"],
            r"1 of the classes \(b\) have a folder in train/ and none in test/, wh",
        ),
        (
            ["train/a:1", "test/a:1", "test/b:1"],
            r"1 of the classes \(b\) have a folder in test/ and none in train/, wh",
        ),
        (["train/Cat:1", "test/cat:1"], r"\(Cat\) have a folder in train/ and none in test/, which has cat; expected"),
        (["train/a:1", "train/b:1", "test/a:1", "test/b"], "test: no images in b, but in the folders beside"),
    ],
)
def test_bad_folders(tmp_path, folders, message):
    refused(make(tmp_path, *folders), message)


def test_a_folder_of_other_files_says_what_is_there(tmp_path):
    for name in ("a/1.txt", "b/2.csv", "b/3.CR2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    refused(tmp_path, r"no images in its folders a, b \(left out: 3 files \(.csv 1, .txt 1, camera raw 1\)\)")


def test_the_path_of_an_image_folder_is_a_folder(tmp_path):
    (tmp_path / "f").touch()
    refused(tmp_path / "f", "f: cannot be read as a folder .*; expected a folder of images")


# ---------------------------------------------------------------------------------------------------------------------
# Another folder is meant. The path that an error says is then taken, and works.

PETS = {"Cat": 3, "Dog": 2}


@pytest.mark.parametrize(
    ("given", "meant", "folders", "message"),
    [
        ("", "PetImages", ["PetImages/Cat:3", "PetImages/Dog:2"], "its only folder with images holds folders"),
        ("", "x/PetImages", ["x/PetImages/Cat:3", "x/PetImages/Dog:2", "docs"], "its only folder with images"),
        ("", "PetImages", ["PetImages/Cat/deep:3", "PetImages/Dog/deep:2", ":1"], "its only folder with images"),
        ("Cat", "", ["Cat:3", "Dog:2"], "has images, and no folders of images; .* the folder of one class, set"),
        (
            "",
            "2019",
            ["2019/Cat:3", "2019/Dog:2", "2020/Cat:1", "2020/Dog:1"],
            "holds the same folders, Cat, Dog. If these",
        ),
        (
            "",
            "2019",
            ["2019/Cat:3", "2019/Dog:2", "2020/Cat:1", "2020/Dog:1", "2020/Cow:1"],
            "the same folders, Cat, Dog",
        ),
        ("", "images", ["images/Cat:3", "images/Dog:2", "masks/Cat:3", "masks/Dog:2"], "holds the same folders"),
    ],
)
def test_one_folder_too_high_or_too_deep_is_named(tmp_path, given, meant, folders, message):
    make(tmp_path, *folders)
    named = str(tmp_path / meant)
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / given)
    assert named in str(error.value).replace(",", " ").split(), error.value
    assert counts(read(named)) == {"all": PETS}


def test_a_folder_around_the_splits_is_named(tmp_path):
    make(tmp_path, "data/train/a:1", "data/train/b:1", "data/test/a:1", "data/test/b:1")
    refused(
        tmp_path, rf"its only folder with images holds folders, data with test, train. .* set path to {tmp_path}/data$"
    )


def test_a_folder_around_the_classes_of_a_split(tmp_path):
    make(tmp_path, "train/images/a:1", "train/images/b:1", "test/images/a:1", "test/images/b:1")
    refused(
        tmp_path, rf"train: its only folder .* folders, train/images with a, b. .*, move them up into {tmp_path}/train$"
    )


@pytest.mark.parametrize(
    "folders", [["a/train:2", "a/test:1", "b/train:2", "b/test:1"], ["a/Train:2", "b/Train:2", "b/x:1"]]
)
def test_splits_within_classes(tmp_path, folders):
    refused(
        make(tmp_path, *folders),
        r"each of its folders \(a, b\) holds .*; expected it the other way round, train/<class>",
    )


def test_images_at_any_depth_below_a_class_are_its_own(tmp_path):
    """As in Tiny ImageNet, where each class has a folder `images`; or some in folders, and some not."""
    make(tmp_path / "t", "n01/images:2", "n02/images:2")
    assert counts(read(tmp_path / "t")) == {"all": {"n01": 2, "n02": 2}}
    make(tmp_path / "u", "a/x:1", "a/y:1", "b/x:1", "b/y:1", "b:1")
    assert counts(read(tmp_path / "u")) == {"all": {"a": 2, "b": 3}}
    make(tmp_path / "v", "a/x:1", "a/y:1", "b/z:1", "b/w:1")
    assert counts(read(tmp_path / "v")) == {"all": {"a": 2, "b": 2}}


# ---------------------------------------------------------------------------------------------------------------------
# Names


def test_one_class_in_two_forms_of_unicode(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Bücher") for form in ("NFC", "NFD"))
    assert composed != decomposed
    make(tmp_path, f"train/{composed}:2", "train/a:1", f"test/{decomposed}:1", "test/a:1")
    assert counts(read(tmp_path)) == {"train": {composed: 2, "a": 1}, "test": {composed: 1, "a": 1}}
    make(tmp_path, f"train/{decomposed}:1")
    refused(tmp_path, "train: two folders are called 'Bücher', in two forms of Unicode")


def test_a_class_whose_name_is_not_utf8(tmp_path):
    make(tmp_path, "a:2", os.fsdecode(b"Stra\xdfe") + ":2")
    refused(tmp_path, r"the name of the folder 'Stra\\xdfe' is not UTF-8; rename it")


def test_a_file_whose_name_is_not_utf8(tmp_path, caplog):
    make(tmp_path, "a:5", "b:5")
    bad = tmp_path / "a" / os.fsdecode(b"caf\xe9.png")
    shutil.copy(tmp_path / "a" / "0.png", bad)
    assert counts(read(tmp_path)) == {"all": {"a": 6, "b": 5}}
    bad.write_bytes(b"")
    refused(tmp_path, r"1 of 11 images cannot be read: a/caf\\xe9.png \(an empty file\)")
    assert counts(read(tmp_path, skip_corrupt=True)) == {"all": {"a": 5, "b": 5}}
    assert caplog.text.encode()


def test_classes_that_differ_in_case_are_said(tmp_path):
    note = "classes whose names differ in upper and lower case only: Cat and cat"
    assert read(make(tmp_path, "Cat:1", "cat:1", "dog:1")).notes[1:] == [note]


# ---------------------------------------------------------------------------------------------------------------------
# Bad images, and whole datasets


def test_a_class_of_which_nothing_is_left(tmp_path):
    make(tmp_path, "train/a:3", "train/b:3", "test/a:1", "test/b:2")
    for number in range(2):
        (tmp_path / "test" / "b" / f"{number}.png").write_bytes(b"")
    refused(tmp_path, "2 of 9 images cannot be read: test/b/0.png .*, test/b/1.png .*set skip_corrupt: true")
    refused(tmp_path, "none of the 2 images of the class 'b' in test can be read", skip_corrupt=True)


def test_image_size_crops_the_centre_and_scales_without_aliasing(tmp_path):
    wide, square = np.zeros((8, 20, 3), np.uint8), pixels(32, 32, 3)
    wide[:, 6:14] = middle = pixels(8, 8, 3)
    save(tmp_path / "a" / "0.png", wide)
    save(tmp_path / "b" / "0.png", square)
    whole = read(tmp_path, image_size=8).splits["all"]
    assert (whole.images[0] == middle).all()
    tensor = torch.from_numpy(square.astype(np.float32)).permute(2, 0, 1)[None]
    scaled = torch.nn.functional.interpolate(tensor, (8, 8), mode="bilinear", antialias=True)[0]
    assert np.abs(whole.images[1] - scaled.permute(1, 2, 0).numpy()).max() <= 1


def build(root: Path, output: Path, **settings) -> tuple[Dataset, dict]:
    notes = build_dataset(output, {"path": str(root)}, name="mine", reader="image_folder", **settings)
    return Dataset.read(output), notes


def test_a_dataset_of_a_folder(tmp_path, caplog):
    """A fifth of each class tests; bad images and by-products are left out, counted and named."""
    caplog.set_level(logging.INFO, "rehash")
    make(tmp_path / "d", "b:10", "a:20", "c:5", "c/@eaDir:5")
    (tmp_path / "d" / "a" / "0.png").write_bytes((tmp_path / "d" / "a" / "0.png").read_bytes()[:60])
    (tmp_path / "d" / "c" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    with pytest.raises(
        InputError, match=r"1 of 35 images cannot be read: a/0\.png \(damaged PNG: .*skip_corrupt: true"
    ):
        build(tmp_path / "d", tmp_path / "d.h5")
    assert not (tmp_path / "d.h5").exists()
    found, notes = build(tmp_path / "d", tmp_path / "d.h5", skip_corrupt=True)
    assert found.class_names == ["a", "b", "c"]
    assert np.bincount(found.train.labels).tolist() == [15, 8, 4] and np.bincount(found.test.labels).tolist() == [
        4,
        2,
        1,
    ]
    said = [
        "3 classes: a 19, b 10, c 5",
        "left out: 1 file (Thumbs.db 1) and 1 folder (@eaDir 1)",
        "1 of 35 images cannot be read and are left out; the log names them",
    ]
    assert notes["notes"] == said and all(text in caplog.text for text in said) and "a/0.png: damaged" in caplog.text
    build(tmp_path / "d", tmp_path / "e.h5", skip_corrupt=True)
    assert (tmp_path / "d.h5").read_bytes() == (tmp_path / "e.h5").read_bytes()


def test_a_dataset_is_scaled_once(tmp_path):
    """value_range is the reader's: 0 to 51 become 0 to 255, and not again something else."""
    for name in "ab":
        for number in range(5):
            save(tmp_path / "d" / name / f"{number}.png", np.uint8([[0, number, 10, 51]]))
    found, notes = build(tmp_path / "d", tmp_path / "d.h5", value_range=[0, 51])
    rows = {tuple(row) for split in (found.train, found.test) for row in split.images[:, 0].tolist()}
    assert rows == {(0, 5 * number, 50, 255) for number in range(5)}
    assert notes["notes"][1] == "all 10 images are scaled from 0 ... 51 to 0 ... 255, as value_range says"
    with pytest.raises(InputError, match="background is 'blu'; expected a colour"):
        build(tmp_path / "d", tmp_path / "d.h5", background="blu")


def test_the_same_images_are_the_same_dataset(tmp_path, monkeypatch):
    """Through links, and in whatever order the file system has them."""
    make(tmp_path / "d", "a:6", "b:6")
    first = read(tmp_path / "d").splits["all"]
    (tmp_path / "e").mkdir()
    for name in "ab":
        (tmp_path / "e" / name).symlink_to(tmp_path / "d" / name)
    scanned = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: sorted(scanned(path), key=lambda entry: entry.name)[::-1])
    for folder in ("d", "e"):
        again = read(tmp_path / folder).splits["all"]
        assert (first.images == again.images).all() and (first.labels == again.labels).all()
