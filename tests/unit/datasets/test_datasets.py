"""Raw files to the layout: right files give right data, wrong ones a named error and nothing on disk."""

import hashlib
import logging

import h5py
import numpy as np
import pytest
from PIL import Image

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset, Split, checksum, write_dataset
from rehash.errors import InputError
from rehash.hdf5 import read_attributes

ABOUT = {"name": "d", "source": "s", "licence": "l", "class_names": ["zero", "one"]}


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def test_idx_dataset_end_to_end(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 30), ("test", 7)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 5, 4))
        arrays[f"{split}_labels"] = rng.integers(0, 2, n)
    files = {role: str(tmp_path / role) for role in arrays}
    for role, array in arrays.items():
        (tmp_path / role).write_bytes(idx(array))
    build_dataset(tmp_path / "d.h5", files, reader="idx", shuffle=None, **ABOUT)
    found = Dataset.read(tmp_path / "d.h5")
    for split in ("train", "test"):
        held = getattr(found, split)
        assert held.images.dtype == np.uint8 and (held.images == arrays[f"{split}_images"]).all()
        assert held.labels.dtype == np.int64 and (held.labels == arrays[f"{split}_labels"]).all()
    assert found.class_names == ["zero", "one"]
    content = (tmp_path / "d.h5").read_bytes()
    build_dataset(tmp_path / "e.h5", files, reader="idx", shuffle=None, **ABOUT)
    assert (tmp_path / "e.h5").read_bytes() == content, "same input, same bytes"
    with h5py.File(tmp_path / "d.h5") as file:
        digest = hashlib.sha256()
        for role in ("train_images", "train_labels", "test_images", "test_labels"):
            digest.update(arrays[role].astype(np.uint8 if "images" in role else np.int64))
        assert read_attributes(file)["checksum"] == digest.hexdigest()
    assert found.checksum == checksum(tmp_path / "d.h5") == digest.hexdigest()
    assert found.path == str(tmp_path / "d.h5") and found.digests == {found.path: digest.hexdigest()}
    (tmp_path / "d.h5").write_bytes(content[: len(content) // 2])
    again = r"d\.h5: not a dataset of rehash, or damaged .*; make it again with: snakemake --cores all --force .*d\.h5$"
    for read in (Dataset.read, checksum):
        with pytest.raises(InputError, match=again):
            read(tmp_path / "d.h5")


@pytest.mark.parametrize(("name", "value"), [("test/labels", 1), ("test/labels", 7), ("train/images", 9)])
def test_a_dataset_of_which_one_number_was_changed_is_damaged(tmp_path, name, value):
    """In whichever split: its checksum is of both."""
    path = tmp_path / "d.h5"
    write_dataset(path, {"train": Split(IMAGES, LABELS), "test": Split(IMAGES, LABELS)}, **ABOUT)
    assert checksum(path) == hashlib.sha256((IMAGES.tobytes() + LABELS.tobytes()) * 2).hexdigest()
    with h5py.File(path, "r+") as file:
        file[name][2] = value
    for read in (Dataset.read, checksum):
        with pytest.raises(InputError, match=r"d.h5: not a dataset.*, or damaged \(its content.*make it again with"):
            read(path)


def test_a_dataset_that_was_never_valid_is_refused_though_its_checksum_is_right(tmp_path):
    """A file of somebody else, or of a bug: labels outside the classes, or a split that is not there."""
    path = tmp_path / "d.h5"
    write_dataset(path, {"train": Split(IMAGES, LABELS), "test": Split(IMAGES, LABELS)}, **ABOUT)
    beyond = LABELS.copy()
    beyond[3] = 2
    with h5py.File(path, "r+") as file:
        file["test/labels"][:] = beyond
        content = IMAGES.tobytes() + LABELS.tobytes() + IMAGES.tobytes() + beyond.tobytes()
        file.attrs["checksum"] = hashlib.sha256(content).hexdigest()
    with pytest.raises(
        InputError, match=r"d\.h5: not a dataset.*test: label 2 of item 3 is out of range; expected 0 to 1"
    ):
        Dataset.read(path)
    with h5py.File(path, "r+") as file:
        del file["test"]
    with pytest.raises(InputError, match=r"d\.h5: not a dataset of rehash, or damaged .*make it again with"):
        Dataset.read(path)


def test_a_dataset_is_read_from_a_path_of_either_kind(tmp_path):
    write_dataset(tmp_path / "d.h5", {"train": Split(IMAGES, LABELS), "test": Split(IMAGES[:3], LABELS[:3])}, **ABOUT)
    for path in (tmp_path / "d.h5", str(tmp_path / "d.h5")):
        found = Dataset.read(path)
        assert found.path == str(tmp_path / "d.h5") and (len(found.train.labels), len(found.test.labels)) == (6, 3)


IMAGES, LABELS = np.zeros((6, 4, 4), np.uint8), np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES,
            np.array([0, 1, 2, 1, 0, 9]),
            "dataset d: test: label 2 of item 2 is out of range; expected 0 to 1 .2 such labels",
        ),
        (IMAGES, LABELS[:5], r"labels are int64 \(5,\); expected int64 \(6,\)"),
        (IMAGES, LABELS.astype(float), "labels are float64"),
        (IMAGES.astype(float), LABELS, r"images are float64 \(6, 4, 4\); expected images, uint8"),
        (IMAGES[..., None], LABELS, "images are uint8"),
        (IMAGES[:0], LABELS[:0], "no images"),
        (np.zeros((6, 5, 4), np.uint8), LABELS, "the splits' images differ in shape"),
    ],
)
def test_bad_arrays_are_named_and_nothing_is_written(tmp_path, images, labels, message):
    splits = {"train": Split(IMAGES, LABELS), "test": Split(images, labels)}
    with pytest.raises(InputError, match=message):
        write_dataset(tmp_path / "d.h5", splits, **ABOUT)
    assert not list(tmp_path.iterdir())


def test_unknown_reader(tmp_path):
    valid = "Valid: bag_of_words, cifar, division, hdf5, idx, image_folder, mnist5k, npz, svhn, table"
    with pytest.raises(InputError, match=f"datasets.d.reader: unknown reader 'idxx'; did you mean 'idx'. {valid}"):
        build_dataset(tmp_path / "d.h5", {}, reader="idxx", **ABOUT)
    with pytest.raises(InputError, match=r"unknown reader '\.\./build'"):
        build_dataset(tmp_path / "d.h5", {}, reader="../build", **ABOUT)


@pytest.fixture
def archive(tmp_path):
    """Images and labels 0, 1, 2 as an npz file, and variations."""
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 4), dtype=np.uint8)
    splits = {
        **{"train_images": images[:6], "train_labels": np.arange(6) % 3},
        **{"test_images": images[6:], "test_labels": LABELS},
    }
    np.savez(tmp_path / "d.npz", **splits)
    np.savez(tmp_path / "named.npz", **splits, class_names=["a", "b", "c"])
    np.savez(tmp_path / "gap.npz", **{**splits, "train_labels": np.array([0, 1, 3, 0, 1, 3])})
    np.savez(tmp_path / "none.npz", **{**splits, "train_images": IMAGES[:0], "train_labels": LABELS[:0]})
    return tmp_path / "d.npz"


def test_class_names_are_the_configs_or_the_readers_or_numbers(tmp_path, archive):
    for file, given, expected in [
        ("d", None, ["0", "1", "2"]),
        ("named", None, ["a", "b", "c"]),
        ("named", ["x", "y", "z"], ["x", "y", "z"]),
    ]:
        build_dataset(tmp_path / "d.h5", {"path": tmp_path / f"{file}.npz"}, name="d", reader="npz", class_names=given)
        assert Dataset.read(tmp_path / "d.h5").class_names == expected


@pytest.mark.parametrize(
    ("file", "names", "message"),
    [
        ("d", list("wxyz"), r"config: datasets.d: class 3 \('z'\) has no sample in the train split, whose labels are 0, 1, 2"),
        ("gap", list("wxyz"), r"class 2 \('y'\) has no sample"),
        ("d", list("xy"), "class_names has 2 names, and the train split 3 classes"),
        ("none", None, "datasets.d: train: no samples"),
        ("none", list("xy"), "datasets.d: train: no samples"),
    ],
)  # fmt: skip
def test_every_class_has_an_example_to_train_on(tmp_path, archive, file, names, message):
    with pytest.raises(InputError, match=message):
        build_dataset(tmp_path / "d.h5", {"path": tmp_path / f"{file}.npz"}, name="d", reader="npz", class_names=names)
    assert not (tmp_path / "d.h5").exists()


def test_checksum_of_a_path_is_logged_and_checked(tmp_path, archive, caplog):
    caplog.set_level(logging.INFO, "rehash")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    build_dataset(tmp_path / "d.h5", {"path": str(archive)}, name="d", reader="npz", content=md5)
    assert f"{archive}: its checksum is {md5}" in caplog.text
    build_dataset(tmp_path / "d.h5", {"path": str(archive)}, name="d", reader="npz", content=md5, checksum=md5)
    with pytest.raises(InputError, match=rf"datasets.d.checksum: .*d\.npz has the checksum {md5}, expected {'0' * 32}"):
        build_dataset(tmp_path / "e.h5", {"path": str(archive)}, name="d", reader="npz", content=md5, checksum="0" * 32)
    with pytest.raises(InputError, match="checksum: is of a path, and there is none"):
        build_dataset(tmp_path / "e.h5", {"archive": str(archive)}, name="d", reader="npz", checksum=md5)
    assert not (tmp_path / "e.h5").exists()


def test_missing_files_and_settings_of_another_reader(tmp_path, archive):
    with pytest.raises(InputError, match=r"config: datasets\.d: the path .*/nowhere does not exist"):
        build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "nowhere")}, name="d", reader="image_folder")
    with pytest.raises(InputError, match=r"datasets\.d\.image_size: the reader npz has no such setting; leave"):
        build_dataset(tmp_path / "d.h5", {"path": str(archive)}, name="d", reader="npz", image_size=8)


def test_image_size_reaches_the_image_folder(tmp_path):
    for name in "ab":
        (tmp_path / "i" / name).mkdir(parents=True)
        for i in range(3):
            Image.radial_gradient("L").resize((9 + i, 7)).convert("RGB").rotate(90 * i).save(
                tmp_path / "i" / name / f"{i}.png"
            )
    build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "i")}, name="d", reader="image_folder", image_size=8)
    found = Dataset.read(tmp_path / "d.h5")
    assert found.train.images.shape == (4, 8, 8, 3) and found.class_names == ["a", "b"]
