"""Banks: what was read is what is in them, crops and splits are as promised, and bad images are named."""

import hashlib
import logging
import tracemalloc
import unicodedata
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pytest
import skimage
import sklearn
from PIL import Image

from rehash import foreign_hdf5
from rehash.datasets.layout import Split, write_dataset
from rehash.equihash.images.banks import SPLITS, Bank, SplitImages, build_bank
from rehash.equihash.images.readers import digits, hdf5, photos
from rehash.errors import InputError
from rehash.hdf5 import read_attributes

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def images(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {split: file[f"{split}/images"][:] for split in SPLITS}


def as_set(array: np.ndarray) -> set[bytes]:
    return {picture.tobytes() for picture in array}


# ---------------------------------------------------------------------------------------------------------------------
# Public HDF5 files, and banks as such


@pytest.fixture
def public(tmp_path) -> dict[str, Path]:
    """A file a split, differently stored."""
    stored = {"train": {"chunks": (5, 6, 8, 3), "compression": "gzip"}, "valid": {}, "test": {"maxshape": (None,) * 4}}
    for n, (split, how) in enumerate(stored.items()):
        with h5py.File(tmp_path / f"{split}.h5", "w") as file:
            file.create_dataset("images", data=pixels(11 + n, 6, 8, 3), **how)
    return {split: tmp_path / f"{split}.h5" for split in SPLITS}


def build(raw: dict, path: Path, **description) -> dict:
    return build_bank(raw, path, description={"name": "b", "reader": "hdf5", **description})


def test_public_files_become_a_bank(tmp_path, public, monkeypatch):
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 4 * 6 * 8 * 3)  # four images a slice: the last are short
    notes = build(public, tmp_path / "b.h5", source="s", licence="l")
    digest = hashlib.sha256()
    for split, found in images(tmp_path / "b.h5").items():
        with h5py.File(public[split]) as file:
            digest.update(file["images"][:])
            assert (found == file["images"][:]).all()
    with h5py.File(tmp_path / "b.h5") as file:
        expected = {"name": "b", "source": "s", "licence": "l", "checksum": digest.hexdigest()}
        assert read_attributes(file) == expected and file["train/images"].chunks is None
    assert notes["pictures"] == {"train": 11, "valid": 12, "test": 13}
    assert notes["bank_checksum"] == digest.hexdigest()
    content = (tmp_path / "b.h5").read_bytes()
    build({"path": tmp_path}, tmp_path / "b.h5", source="s", licence="l", checksum=digest.hexdigest())
    assert (tmp_path / "b.h5").read_bytes() == content, "same input, same bytes; a folder is as good as its files"
    with pytest.raises(InputError, match=f"bank b: has the checksum {digest.hexdigest()}, expected {'0' * 64}"):
        build(public, tmp_path / "c.h5", checksum="0" * 64)
    assert not (tmp_path / "c.h5").exists()


def test_slices_of_one_file_are_splits(tmp_path, public):
    """As in the file of 2023, whose splits begin at multiples of a number, with a dataset of another name."""
    whole, slices = tmp_path / "all.hdf5", {"train": [0, 8], "valid": [8, 14], "test": [16, 21]}
    theirs = pixels(21, 6, 8, 3)
    with h5py.File(whole, "w") as file:
        file["dataset"] = theirs
    notes = build({"path": whole}, tmp_path / "b.h5", array="dataset", slices=slices)
    assert notes["pictures"] == {"train": 8, "valid": 6, "test": 5}
    for split, found in images(tmp_path / "b.h5").items():
        assert (found == theirs[slice(*slices[split])]).all()
    build(public, tmp_path / "parts.h5", slices={split: [2, 5] for split in SPLITS})
    with h5py.File(public["test"]) as file:
        assert (images(tmp_path / "parts.h5")["test"] == file["images"][2:5]).all(), "of a file a split, too"
    for how, message in (
        (
            {"slices": {**slices, "test": [16, 22]}},
            "all.hdf5: dataset has 21 images; expected 22 or more, for those fr",
        ),
        ({}, r"all.hdf5: one file, and nothing says which of its images are of which split; set slices"),
        ({"slices": slices, "array": "images"}, "all.hdf5: not an HDF5 file with the dataset images, or damaged"),
    ):
        with pytest.raises(InputError, match=message):
            build({"path": whole}, tmp_path / "c.h5", **{"array": "dataset", **how})
    assert not (tmp_path / "c.h5").exists()


def test_take_agrees_with_h5py(tmp_path, public):
    build(public, tmp_path / "b.h5")
    bank = Bank.open(tmp_path / "b.h5", "test")
    assert isinstance(bank.images, np.ndarray), "memory-mapped"
    expected = images(tmp_path / "b.h5")["test"]
    assert (len(bank), bank.shape) == (13, (6, 8, 3))
    for indices in ([12, 0, 12, 5], [7], [], range(13)):
        indices = np.array(indices, np.int64)
        found = bank.take(indices)
        assert type(found) is np.ndarray and found.dtype == np.uint8 and (found == expected[indices]).all()
    for wrong in (13, -1):
        with pytest.raises(InputError, match=rf"test: images .*{wrong}.* were asked for; expected 0 to 12"):
            bank.take(np.array([3, wrong]))


@pytest.mark.parametrize("stored", [{"chunks": (2, 3, 8, 3)}, {"compression": "gzip"}])
def test_a_bank_in_chunks_is_refused(tmp_path, stored):
    """It could not be memory-mapped."""
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.create_dataset("test/images", data=pixels(13, 6, 8, 3), **stored)
        file.attrs["checksum"] = "c"
    with pytest.raises(
        InputError, match=r"c\.h5: not a bank of rehash, or damaged \(its images are not contiguous\); make"
    ):
        Bank.open(tmp_path / "c.h5", "test")


def test_a_bank_is_never_whole_in_memory(tmp_path, monkeypatch):
    """12 MB a split, in slices of 1 MB; two images are taken."""
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 2**20)
    # The lock of tracemalloc may be held while a process is forked, which then waits for it forever.
    monkeypatch.setattr(foreign_hdf5, "_own_process", lambda: ThreadPoolExecutor(1))
    for split in SPLITS:
        with h5py.File(tmp_path / f"{split}.h5", "w") as file:
            file.create_dataset("images", (400, 100, 100, 3), np.uint8)[200:201] = 7
    tracemalloc.start()
    build({"path": tmp_path}, tmp_path / "b.h5")
    bank = Bank.open(tmp_path / "b.h5", "test")
    assert bank.take(np.array([399, 200]))[:, 0, 0, 0].tolist() == [0, 7]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 1e6 < peak < 4e6, "a few slices, of 36 MB in all"


def test_files_that_are_no_banks(tmp_path, public):
    build(public, tmp_path / "b.h5")
    with pytest.raises(InputError, match=r"b\.h5: unknown split 'vlaid'; did you mean 'valid'"):
        Bank.open(tmp_path / "b.h5", "vlaid")
    content = (tmp_path / "b.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[:-500])
    (tmp_path / "text.h5").write_text("no bank")
    again = r"not a bank of rehash, or damaged .*; make it again with: snakemake --cores all --force"
    for name in ("cut.h5", "text.h5", "absent.h5", "train.h5"):
        with pytest.raises(InputError, match=again):
            Bank.open(tmp_path / name, "test")


@pytest.mark.parametrize(
    ("test_images", "message"),
    [
        (np.zeros((3, 6, 8, 3)), r"test\.h5: .*images: images are float64 \(3, 6, 8, 3\); expected uint8"),
        (pixels(3, 6, 8, 4), r"images are uint8 \(3, 6, 8, 4\)"),
        (pixels(0, 6, 8, 3), r"test\.h5: .*images: no images, \(0, 6, 8, 3\)"),
        (np.uint8(3), r"images are uint8 \(\)"),
        (
            pixels(3, 6, 9, 3),
            r"bank b: test: image 0 is \(6, 9, 3\), but the first of the bank is \(6, 8, 3\); expected images "
            "of one",
        ),
        (pixels(3, 6, 8), r"test: image 0 is \(6, 8\), but the first"),
        (None, "test.h5: not an HDF5 file with the dataset images, or damaged"),
    ],
)
def test_bad_public_files_are_named_and_nothing_is_written(tmp_path, public, test_images, message):
    with h5py.File(public["test"], "w") as file:
        if test_images is not None:
            file["images"] = test_images
    with pytest.raises(InputError, match=message):
        build(public, tmp_path / "b.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test.h5", "train.h5", "valid.h5"]


def test_bad_descriptions(tmp_path, public):
    for raw, description, message in [
        (
            public,
            {"reader": "hdf"},
            "bank b: unknown reader 'hdf'; did you mean 'hdf5'. Valid: digiface, digits, hdf5, ",
        ),
        (public, {"reader": "../banks"}, "unknown reader"),
        (public, {"image_size": 9}, "bank b: unknown setting of the reader hdf5 'image_size'. Valid: array, slices"),
        (
            {"path": tmp_path},
            {"reader": "image_folder", "imagesize": 9},
            "setting of the reader image_folder 'imagesize'; did you mean 'image_size'",
        ),
        ({"path": tmp_path / "no"}, {}, "bank b: the path .*no does not exist"),
        ({"train": public["train"]}, {}, "raw files: lack valid, test"),
    ]:
        with pytest.raises(InputError, match=message):
            build(raw, tmp_path / "b.h5", **description)
    assert build(public, tmp_path / "b.h5", checksum=None, source=None)["left_out"] == []


def test_a_reader_that_gives_another_count(tmp_path, public, monkeypatch):
    for count in (2, 4):
        splits = {split: SplitImages(count, [pixels(2, 4, 4), pixels(1, 4, 4)]) for split in SPLITS}
        monkeypatch.setattr(hdf5, "read", lambda raw, splits=splits: splits)
        with pytest.raises(InputError, match=f"train: 3 images; expected {count}"):
            build(public, tmp_path / "b.h5")


# ---------------------------------------------------------------------------------------------------------------------
# digits


@pytest.mark.parametrize(("train", "valid"), [(60, 10), (4000, 667), (9, 2)])
def test_digits_are_the_datasets_pictures_in_order(tmp_path, train, valid):
    splits = {name: Split(pixels(n, 4, 5), np.zeros(n, np.int64)) for name, n in (("train", train), ("test", 7))}
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=["0"])
    build({"dataset": tmp_path / "d.h5"}, tmp_path / "b.h5", reader="digits")
    found = images(tmp_path / "b.h5")
    assert len(found["valid"]) == valid and (found["test"] == splits["test"].images).all()
    assert (np.concatenate([found["train"], found["valid"]]) == splits["train"].images).all()


def test_digits_need_a_dataset(tmp_path, public):
    with pytest.raises(InputError, match=r"train\.h5: not a dataset of rehash.*make it again with"):
        build({"dataset": public["train"]}, tmp_path / "b.h5", reader="digits")


def test_copies_are_changed_a_little_whatever_the_slices():
    images = RNG.integers(0, 256, (5, 9, 11), np.uint8)
    whole, parts = (list(digits._each_copied(slices, 3)) for slices in ([images], [images[:2], images[2:]]))
    found = np.concatenate(whole)
    assert (found == np.concatenate(parts)).all() and found.dtype == np.uint8
    found = found.reshape(5, 4, 9, 11)
    assert (found[:, 0] == images).all() and all((found[:, 1 + i] != images).any((1, 2)).all() for i in range(3))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_copy_is_read_bilinearly(channels):
    """By a loop over pixels: each is read where the turn, the size, the shear and the shift put it; outside is black."""
    image, change = RNG.integers(0, 256, (9, 12, *channels), np.uint8), RNG.uniform(-1, 1, 5)
    turn, size, shear = np.radians(15 * change[0]), 1 + 0.15 * change[1], 0.2 * change[2]
    middle, expected = np.array([4, 5.5]), np.zeros(image.shape)
    for place in np.ndindex(9, 12):
        y, x = np.array(place) - middle - 2 * change[3:]
        x += shear * y
        at = middle + np.array([np.cos(turn) * y - np.sin(turn) * x, np.sin(turn) * y + np.cos(turn) * x]) / size
        if (at >= 0).all() and (at <= [8, 11]).all():
            for corner in np.ndindex(2, 2):
                near = np.floor(at).astype(int) + corner
                weight = np.prod(1 - abs(at - near))
                if weight:
                    expected[place] += weight * image[tuple(near)]
    found = digits._changed(image, change)
    assert np.abs(found - expected).max() <= 0.5 + 1e-9, "rounded"
    assert (digits._changed(image, np.zeros(5)) == image).all()


# ---------------------------------------------------------------------------------------------------------------------
# photos


@pytest.fixture(scope="module")
def photo_bank(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photos.h5"
    build_bank({}, path, description={"name": "photos", "reader": "photos"})
    return path


def matches(crops: np.ndarray, photograph: np.ndarray) -> dict[int, tuple[int, int]]:
    """Number -> top and left of each crop that is anywhere in the photograph."""
    colours, wanted = (each @ np.array([65536, 256, 1], np.int32) for each in (photograph, crops))
    corners = np.ascontiguousarray(colours[:-179, :-179])
    found = {}
    for number, crop in enumerate(wanted):
        for y, x in np.argwhere(corners == crop[0, 0]).tolist():
            if colours[y + 90, x + 90] == crop[90, 90] and (colours[y : y + 180, x : x + 180] == crop).all():
                found[number] = (y, x)
    return found


def test_crops_of_a_photograph_are_in_one_split_and_do_not_overlap(photo_bank):
    crops = images(photo_bank)
    assert {split: len(found) for split, found in crops.items()} == {"train": 56, "valid": 16, "test": 32}
    folders = [Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"]
    names = "retina motorcycle_left motorcycle_right ihc chelsea coffee rocket astronaut hubble_deep_field china flower"
    numbers_of = defaultdict(list)  # photograph and split -> crops
    for name in names.split():
        file = next(path for folder in folders for path in folder.glob(f"{name}.*"))
        with Image.open(file) as image:
            photograph = np.asarray(image.convert("RGB"))
        for split in SPLITS:
            places = matches(crops[split], photograph)
            if not places:
                continue
            numbers_of[name.split("_")[0], split] += places
            assert len({*places.values()}) == len(places)
            for at, extent in zip(zip(*places.values()), photograph.shape):
                assert {each % 180 for each in at} == {extent % 180 // 2}, "on a grid of 180, which is centred"
    assert len(numbers_of) == 10, "ten photographs, each in one split"
    assert Counter(split for _, split in numbers_of) == {"train": 4, "valid": 3, "test": 3}
    assert sum(map(len, numbers_of.values())) == 104
    for (_, split), numbers in numbers_of.items():
        assert abs(np.mean(numbers) / (len(crops[split]) - 1) - 0.5) < 0.1, "mixed throughout"


def test_crops_are_varied(photo_bank):
    for found in images(photo_bank).values():
        brightness = found.mean(axis=-1)
        assert brightness.std(axis=(1, 2)).min() > 5.5
        assert len(as_set(found)) == len(found)
    with h5py.File(photo_bank) as file:
        assert (
            "CC BY 2.0 (china, flower)" in read_attributes(file)["licence"]
            and "scikit-image" in read_attributes(file)["source"]
        )


def test_photographs_that_are_not_the_declared_ones(tmp_path, monkeypatch):
    for row, message in [
        (
            ("train", "skimage/data/coins.png", "0" * 64),
            "coins.png has the SHA-256 f8d7.*, not 0+; expected scikit-image's file",
        ),
        (("train", "skimage/data/none.png", "0" * 64), r"none\.png is not installed .*expected scikit-image's file"),
    ]:
        monkeypatch.setattr(photos, "_FILES", (row, *photos._FILES[1:]))
        with pytest.raises(InputError, match=message):
            build({}, tmp_path / "b.h5", reader="photos")


# ---------------------------------------------------------------------------------------------------------------------
# image_folder


def flat(root: Path, count: int, start: int = 0) -> None:
    """Images of one colour, which is their number."""
    for i in range(start, start + count):
        save(root / f"{i % 3}" / "deep" / f"{i}.png", np.full((4, 4, 3), [i // 256, i % 256, 9], np.uint8))


def numbers(path: Path) -> dict[str, list[int]]:
    return {s: [int(p[0, 0, 0]) * 256 + int(p[0, 0, 1]) for p in found] for s, found in images(path).items()}


def test_a_folder_is_split_by_names_and_a_new_file_moves_no_other(tmp_path):
    raw, settings = {"path": tmp_path / "d"}, {"reader": "image_folder", "image_size": 2}
    flat(tmp_path / "d", 400)
    build(raw, tmp_path / "a.h5", **settings)
    before = numbers(tmp_path / "a.h5")
    assert sorted(chain.from_iterable(before.values())) == list(range(400)), "each once"
    assert 290 < len(before["train"]) < 350 and 20 < len(before["valid"]) < 65 and 20 < len(before["test"]) < 65
    assert abs(np.corrcoef(before["train"], range(len(before["train"])))[0, 1]) < 0.3, "folders and names are mixed"
    flat(tmp_path / "d", 60, start=400)
    build(raw, tmp_path / "b.h5", **settings)
    after = numbers(tmp_path / "b.h5")
    assert {split: [i for i in after[split] if i < 400] for split in SPLITS} == before
    build(raw, tmp_path / "c.h5", **settings, seed=1)
    assert set(numbers(tmp_path / "c.h5")["test"]) != set(after["test"])
    build(raw, tmp_path / "c.h5", **settings, shares={"train": 0.2, "valid": 0.2, "test": 0.6})
    assert 230 < len(numbers(tmp_path / "c.h5")["test"]) < 320


def test_folders_named_after_the_splits_are_the_splits(tmp_path):
    for n, split in enumerate(SPLITS):
        flat(tmp_path / "d" / split, 5, start=100 * n)
    save(tmp_path / "d" / "cover.png", pixels(4, 4, 3))
    build({"path": tmp_path / "d"}, tmp_path / "b.h5", reader="image_folder", image_size=2)
    found = {split: sorted(each) for split, each in numbers(tmp_path / "b.h5").items()}
    assert found == {split: list(range(100 * n, 100 * n + 5)) for n, split in enumerate(SPLITS)}


def test_the_splits_may_have_other_names_and_what_does_not_count_is_said(tmp_path):
    for n, split in enumerate(("Training", "VAL", "testing")):
        flat(tmp_path / "d" / split, 5, start=100 * n)
        save(tmp_path / "d" / split / "@eaDir" / "x.png", pixels(4, 4, 3))
        (tmp_path / "d" / split / "list.txt").write_text("text")
    save(tmp_path / "d" / "cover.png", pixels(4, 4, 3))
    notes = build({"path": tmp_path / "d"}, tmp_path / "b.h5", reader="image_folder", image_size=2)
    found = {split: sorted(each) for split, each in numbers(tmp_path / "b.h5").items()}
    assert found == {split: list(range(100 * n, 100 * n + 5)) for n, split in enumerate(SPLITS)}
    assert notes["notes"] == [
        "left out: 3 files (.txt 3) and 3 folders (@eaDir 3)",
        "left out: 1 image outside the folders of the splits",
    ]


def test_a_split_follows_from_the_name_in_any_form_of_unicode(tmp_path):
    """Of 60 images, which a Mac and others name in bytes of their own."""
    for form in ("NFC", "NFD"):
        for i in range(60):
            name = unicodedata.normalize(form, f"é{i}.png")
            save(tmp_path / form / name, np.full((2, 2, 3), i, np.uint8))
        build({"path": tmp_path / form}, tmp_path / f"{form}.h5", reader="image_folder", image_size=2)
    assert all((images(tmp_path / "NFC.h5")[split] == images(tmp_path / "NFD.h5")[split]).all() for split in SPLITS)


def test_a_bank_reads_images_as_a_dataset_does(tmp_path):
    """Upright, on a background, grey, by a declared range, and of an animation the first."""
    top = np.zeros((4, 4), np.uint8)
    top[:2] = 200
    for split in SPLITS:
        place = tmp_path / "d" / split
        save(place / "a.png", top)
        tags = Image.Exif()
        tags[0x0112] = 3
        Image.fromarray(top[::-1, ::-1].copy()).save(place / "b.png", exif=tags)
        holes = Image.fromarray(np.full((4, 4), 200, np.uint8))
        holes.putalpha(Image.fromarray(np.where(top > 0, 255, 0).astype(np.uint8)))
        holes.save(place / "c.png")
        save(place / "d.png", top * np.uint16(2))
        Image.fromarray(top).save(place / "e.gif", save_all=True, append_images=[Image.fromarray(top[::-1].copy())])
    settings = {"reader": "image_folder", "image_size": 4, "background": "black", "colour": "auto"}
    notes = build({"path": tmp_path / "d"}, tmp_path / "b.h5", **settings, value_range=[0, 255])
    for found in images(tmp_path / "b.h5").values():
        doubled = [picture for picture in found if picture.max() == 255]
        assert len(doubled) == 1 and (doubled[0] == np.where(top > 0, 255, 0)).all()
        others = [picture for picture in found if picture.max() == 200]
        assert len(others) == 4 and (np.array(others) == top).all()
    assert notes["notes"] == [
        "3 of 15 images are animated or have several pages; the first of each is taken",
        "3 of 15 images are transparent in part; they are laid over black (background)",
        "all 15 images are scaled from 0 ... 255 to 0 ... 255, as value_range says",
    ]


def test_pictures_of_any_size_and_mode(tmp_path):
    """Cropped to the largest square at the centre; grey, palette, alpha and 16 bits become RGB, scaled by their range."""
    middle, grey, deep, alpha = (
        pixels(8, 8, 3),
        pixels(8, 8),
        RNG.permutation(256)[:64].reshape(8, 8).astype(np.uint16),
        pixels(8, 8, 4),
    )
    wide, tall = np.zeros((8, 20, 3), np.uint8), np.zeros((30, 8, 3), np.uint8)
    wide[:, 6:14] = tall[11:19] = middle
    deep[0, :2], alpha[..., 3] = (0, 255), 255 * (alpha[..., 3] > 99)
    half = np.repeat(np.repeat(middle, 2, 0), 2, 1)
    given = {"wide": wide, "tall": tall, "half": half, "grey": grey, "deep": deep, "alpha": alpha}
    for split in SPLITS:
        for name, picture in given.items():
            save(tmp_path / "d" / split / f"{name}.png", picture)
        Image.fromarray(grey).convert("P").save(tmp_path / "d" / split / "palette.png")
    build({"path": tmp_path / "d"}, tmp_path / "b.h5", reader="image_folder", image_size=8)
    on_white = np.where(alpha[..., 3:] == 255, alpha[..., :3], 255)
    expected = [middle, np.stack([grey] * 3, -1), np.stack([deep] * 3, -1).astype(np.uint8), on_white]
    found = images(tmp_path / "b.h5")["valid"]
    assert len(found) == 7 and {each.tobytes() for each in expected} <= as_set(found)
    others = [picture for picture in found if picture.tobytes() not in {each.tobytes() for each in expected}]
    assert len(others) == 1, "the middle three times, and twice grey"
    assert np.abs(others[0].mean((0, 1)) - middle.mean((0, 1))).max() < 3, "scaled from twice the size"


@pytest.mark.parametrize("bad", ["empty", "text", "cut"])
def test_one_corrupt_picture_among_many(tmp_path, caplog, bad):
    flat(tmp_path / "d", 200)
    broken = tmp_path / "d" / "1" / "deep" / "no picture.tif"
    save(broken, pixels(9, 9, 3))
    broken.write_bytes({"empty": b"", "text": b"text", "cut": broken.read_bytes()[:150]}[bad])
    raw, settings = {"path": tmp_path / "d"}, {"reader": "image_folder", "image_size": 4}
    with pytest.raises(
        InputError, match=r"1 of 201 images .* 1/deep/no picture\.tif \(.*set skip_corrupt: true to leave"
    ):
        build(raw, tmp_path / "b.h5", **settings)
    assert not (tmp_path / "b.h5").exists()
    caplog.set_level(logging.WARNING, "rehash")
    notes = build(raw, tmp_path / "b.h5", **settings, skip_corrupt=True)
    assert notes["left_out"] == ["1/deep/no picture.tif"] and sum(notes["pictures"].values()) == 200
    assert "left out: " in caplog.text and str(broken) in caplog.text and "1 of " in caplog.text
    assert sorted(chain.from_iterable(numbers(tmp_path / "b.h5").values())) == list(range(200))


def test_bad_folders(tmp_path):
    for split in ("train", "valid"):
        flat(tmp_path / "two" / split, 3)
    flat(tmp_path / "few", 2)
    flat(tmp_path / "d", 30)
    (tmp_path / "none").mkdir()
    for name, settings, message in [
        ("two", {}, "two: has the folder train and valid, but not all of train, valid, test"),
        ("few", {}, "bank b: .*: no images; expected one or more in each of train, valid, test"),
        ("none", {}, "none: no images; expected files that are images"),
        ("d/0/deep/0.png", {}, "0.png: cannot be read as a folder"),
        ("d", {"background": "blu"}, "background is 'blu'; expected a colour"),
        ("d", {"max_pixels": 15}, "30 of 30 images are too large: .* max_pixels, which is 15, says how many"),
        (
            "d",
            {"shares": {"train": 0.8, "valid": 0.1}},
            "shares are .*; expected train, valid, test, each above 0, 1 in",
        ),
        ("d", {"shares": {"train": 0.8, "valid": 0.1, "test": 0.2}}, "1 in all"),
        (
            "d",
            {"shares": {"train": 0.8, "valid": 0.1, "tset": 0.1}},
            "shares: unknown split 'tset'; did you mean 'test'",
        ),
        ("d", {"image_size": 0}, "image_size is 0; expected 1 or more"),
    ]:
        with pytest.raises(InputError, match=message):
            build({"path": tmp_path / name}, tmp_path / "b.h5", reader="image_folder", **settings)
