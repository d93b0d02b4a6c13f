"""Banks of identities: folders of folders, the public file of faces, places in two photographs."""

import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import skimage
import yaml
from PIL import Image

from rehash import foreign_hdf5
from rehash.equihash.images.banks import SPLITS, Bank, build_bank
from rehash.errors import InputError

COUNTS = {f"person {number}": 2 + number % 4 for number in range(30)}


def build(path: Path, output: Path, reader: str = "identities", **settings) -> dict:
    raw = {} if reader == "stereo" else {"path": path}
    return build_bank(raw, output, description={"name": "b", "reader": reader, **settings})


def people(root: Path, counts: dict[str, int]) -> Path:
    """Image i of an identity is of one colour: the identity's number, i and 9."""
    for name, count in counts.items():
        for i in range(count):
            place = root / name / ("deep" if i % 2 else "") / f"{i}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            number = int(re.search(r"\d+", name.rpartition("/")[2])[0])
            Image.fromarray(np.full((5, 6, 3), [number, i, 9], np.uint8)).save(place)
    return root


def found(path: Path) -> dict[str, dict[str, list[int]]]:
    """The images of each identity by split and name, as they lie in the bank; all are of the identity of that name."""
    splits = {}
    for split in SPLITS:
        bank = Bank.open(path, split)
        names, of = bank.names(), bank.identities
        colours = bank.images[:, 0, 0]
        assert len(names) == bank.things and (bank.images == bank.images[:, :1, :1]).all()
        assert [f"person {n}" for n in colours[:, 0]] == [names[i] for i in of]
        splits[split] = {name: colours[of == i, 1].tolist() for i, name in enumerate(names)}
    return splits


def test_a_folder_of_identities_is_split_by_their_names(tmp_path):
    """Each is in one split, whole, and one that is added moves no other; the first image is any."""
    root = people(tmp_path / "d", COUNTS)
    Image.new("RGB", (5, 5)).save(root / "beside.png")
    notes = build(root, tmp_path / "a.h5", image_size=4)
    before = found(tmp_path / "a.h5")
    assert {name: len(each) for split in before.values() for name, each in split.items()} == COUNTS
    assert all(sorted(each) == list(range(len(each))) for split in before.values() for each in split.values())
    assert len({each[0] for each in before["train"].values()}) > 2, "not the first name's each time"
    assert notes["identities"] == {split: len(each) for split, each in before.items()}
    assert notes["notes"] == ["left out: 1 image outside the folders of the identities"]
    people(root, {f"person {number}": 3 for number in range(30, 60)})
    build(root, tmp_path / "b.h5", image_size=4)
    after = found(tmp_path / "b.h5")
    kept = {split: {name: each for name, each in after[split].items() if name in COUNTS} for split in SPLITS}
    assert kept == before and [*kept["train"]] == [*before["train"]]


def test_folders_of_the_splits_decide(tmp_path):
    for n, split in enumerate(("train", "val", "test")):
        people(tmp_path / "d", {f"{split}/person {10 * n + i}": 2 for i in range(3)})
    build(tmp_path / "d", tmp_path / "b.h5", image_size=4)
    names = {split: sorted(each) for split, each in found(tmp_path / "b.h5").items()}
    assert names == {split: [f"person {10 * n + i}" for i in range(3)] for n, split in enumerate(SPLITS)}


def test_an_identity_with_one_image_is_named_or_left_out(tmp_path):
    root = people(tmp_path / "d", {**COUNTS, "person 31": 1})
    damaged = root / "person 5" / "0.png"
    for name in COUNTS:  # of person 5, one of two images is left that can be read
        if name == "person 5":
            shutil.rmtree(root / name)
            people(root, {name: 2})
    damaged.write_bytes(damaged.read_bytes()[:45])
    words = r"d: 1 of 31 identities has one image \(person 31\); expected 2 or more, since the two views of a pair show"
    with pytest.raises(InputError, match=words):
        build(root, tmp_path / "b.h5", image_size=4)
    with pytest.raises(InputError, match=r"1 of 102 images .*person 5/0\.png .*set skip_corrupt: true"):
        build(root, tmp_path / "b.h5", image_size=4, skip_single=True)
    shutil.rmtree(root / "person 31")
    with pytest.raises(
        InputError, match=r"1 of 30 identities has one image that can be read \(person 5\); .*skip_single"
    ):
        build(root, tmp_path / "b.h5", image_size=4, skip_corrupt=True)
    assert not (tmp_path / "b.h5").exists()
    people(root, {"person 31": 1})
    notes = build(root, tmp_path / "b.h5", image_size=4, skip_corrupt=True, skip_single=True)
    assert notes["left_out"] == ["person 5/0.png"]
    assert "left out: identities with one image: person 31, person 5" in notes["notes"]
    kept = {name for split in found(tmp_path / "b.h5").values() for name in split}
    assert kept == COUNTS.keys() - {"person 5"}


def test_few_identities_get_shares_that_fit_them(tmp_path):
    """The ways out that a message names do what it says."""
    root = people(tmp_path / "d", {f"person {n}": 2 for n in range(7)})
    with pytest.raises(
        InputError,
        match=r"it has 7 identities with 2 images or more, which names split into train \d, valid \d, test \d;",
    ) as error:
        build(root, tmp_path / "b.h5", image_size=4)
    shares = yaml.safe_load(re.search(r"shares: (\{.*?\})", str(error.value))[1])
    build(root, tmp_path / "b.h5", image_size=4, shares=shares)
    assert min(map(len, found(tmp_path / "b.h5").values())) >= 2
    shutil.rmtree(root / "person 1")
    shutil.rmtree(root / "person 2")
    with pytest.raises(InputError, match=r"it has 5 identities with .*; expected 2 or more in each: add identities, 6"):
        build(root, tmp_path / "b.h5", image_size=4)


def test_identities_that_are_left_out_do_not_count(tmp_path):
    """Shares have to fit those that are left; and folders of splits have no shares."""
    root = people(tmp_path / "d", {f"person {n}": 2 if n < 6 else 1 for n in range(20)})
    with pytest.raises(InputError, match="it has 6 identities with 2 images or more, which names split into") as error:
        build(root, tmp_path / "b.h5", image_size=4, skip_single=True)
    shares = yaml.safe_load(re.search(r"shares: (\{.*?\})", str(error.value))[1])
    build(root, tmp_path / "b.h5", image_size=4, skip_single=True, shares=shares)
    assert [len(each) for each in found(tmp_path / "b.h5").values()] == [2, 2, 2]
    alone = people(tmp_path / "e", {"person 1": 2, "person 2": 1})
    with pytest.raises(InputError, match=r"it has 1 identity with 2 images or more, .*: add identities, 6 in all"):
        build(alone, tmp_path / "b.h5", image_size=4, skip_single=True)
    names = {f"{split}/person {n}": 1 if split == "valid" and n else 2 for split in SPLITS for n in range(2)}
    with pytest.raises(InputError, match=r"folders have 5 identities with .*, train 2, valid 1, test 2; expected 2"):
        build(people(tmp_path / "f", names), tmp_path / "b.h5", image_size=4, skip_single=True)


def test_folders_that_hold_no_identities(tmp_path):
    image = Image.new("RGB", (5, 5))
    for name in ("flat/a.png", "one/faces/a/1.png", "one/faces/b/1.png", "two/train/a/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name)
    (tmp_path / "none").mkdir()
    for split in SPLITS:
        people(tmp_path / "thin", {f"{split}/person {n}": 2 for n in range(1 + (split != "valid"))})
    for name, message in (
        ("none", "none: no images; expected a folder for each identity, with two images or more in each"),
        ("flat", "flat: has images, and no folders of images; expected a folder for each identity"),
        (
            "one",
            "one: one identity, faces; expected 2 or more .*; if its folders are the identities, set path to .*one/fac",
        ),
        (
            "two",
            "two: has the folder train, but not all of train, valid, test; .* and the identities are split by their",
        ),
        ("thin", "valid: one identity, person 0; expected 2 or more in each split"),
    ):
        with pytest.raises(InputError, match=message):
            build(tmp_path / name, tmp_path / "b.h5", image_size=4)
    assert not (tmp_path / "b.h5").exists()


# ---------------------------------------------------------------------------------------------------------------------
# digiface


def faces(path: Path, count: int = 14, each: int = 5, **datasets) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (count, each, 6, 4, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        for name, content in (datasets or {"images": images}).items():
            file[name] = content
    return images


def test_the_public_file_of_faces_is_read_slice_by_slice(tmp_path, monkeypatch):
    """The splits are those of the public loader: images[a:b], and the same slices whatever their size."""
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 3 * 5 * 6 * 4 * 3)
    images = faces(tmp_path / "f.hdf5")
    splits = {"train": [0, 7], "valid": [7, 9], "test": [9, 14]}
    build(tmp_path / "f.hdf5", tmp_path / "b.h5", "digiface", splits=splits)
    for split, (start, stop) in splits.items():
        bank = Bank.open(tmp_path / "b.h5", split)
        assert (bank.images == images[start:stop].reshape(-1, 6, 4, 3)).all() and bank.things == stop - start
        assert (bank.identities == np.repeat(np.arange(stop - start), 5)).all()
        assert bank.names() == [str(number) for number in range(start, stop)]


def test_other_files_of_faces_are_refused(tmp_path):
    good = faces(tmp_path / "f.hdf5")
    words = (
        "14 identities, and splits .*50000.*; expected two identities or more in each, none in two, up to 14. Set spl"
    )
    with pytest.raises(InputError, match=words) as error:
        build(tmp_path / "f.hdf5", tmp_path / "b.h5", "digiface")
    way_out = yaml.safe_load(re.search(r"such as splits: (\{.*\})", str(error.value))[1])
    build(tmp_path / "f.hdf5", tmp_path / "b.h5", "digiface", splits=way_out)
    (tmp_path / "b.h5").unlink()
    for splits in (
        {"train": [0, 7], "valid": [6, 9], "test": [9, 14]},
        {"train": [0, 7], "valid": [7, 8], "test": [9, 14]},
        {"train": [0, 7], "valid": [7, 9], "test": [9, 15]},
    ):
        with pytest.raises(InputError, match="expected two identities or more in each, none in two"):
            build(tmp_path / "f.hdf5", tmp_path / "b.h5", "digiface", splits=splits)
    (tmp_path / "text.hdf5").write_text("no HDF5")
    (tmp_path / "cut.hdf5").write_bytes((tmp_path / "f.hdf5").read_bytes()[:3000])
    for name, content, message in (
        ("other", {"x": good}, "it has no dataset images; it has x"),
        (
            "four",
            {"images": good[:, 0]},
            r"images are uint8 \(14, 6, 4, 3\); expected uint8 \(identities, instances, H",
        ),
        ("floats", {"images": good / 255}, r"images are float64 .*; expected uint8"),
        ("grey", {"images": good[..., :1]}, r"images are uint8 \(14, 5, 6, 4, 1\); expected uint8"),
        ("single", {"images": good[:, :1]}, r"images are \(14, 1, 6, 4, 3\); expected two images or more"),
        ("text", None, r"text\.hdf5: not an HDF5 file of identities"),
        ("cut", None, r"cut\.hdf5: not an HDF5 file of identities, .*damaged"),
    ):
        if content:
            faces(tmp_path / f"{name}.hdf5", **content)
        with pytest.raises(InputError, match=message):
            build(tmp_path / f"{name}.hdf5", tmp_path / "b.h5", "digiface")
    assert not (tmp_path / "b.h5").exists()


# ---------------------------------------------------------------------------------------------------------------------
# stereo


def test_places_are_crops_of_both_photographs_that_show_the_same(tmp_path):
    """Each pair lies in one row of pixels of the pair; no two images of a photograph overlap; no split shares a row."""
    build(tmp_path, tmp_path / "b.h5", "stereo")
    sides = [
        np.asarray(Image.open(Path(skimage.__file__).parent / "data" / f"motorcycle_{side}.png").convert("RGB"))
        for side in ("left", "right")
    ]
    rows, covered, alike, strange = {}, [np.zeros(sides[0].shape[:2], int) for _ in sides], [], []
    for split in SPLITS:
        bank = Bank.open(tmp_path / "b.h5", split)
        assert bank.things == {"train": 61, "valid": 13, "test": 27}[split] and len(bank) == 2 * bank.things
        rows[split] = set()
        for place, name in enumerate(bank.names()):
            y, x = (int(part[1:]) for part in name.split())
            rows[split].add(y)
            assert (bank.images[2 * place] == sides[0][y : y + 40, x : x + 40]).all()
            windows = np.lib.stride_tricks.sliding_window_view(sides[1][y : y + 40], (40, 40, 3))[0, :, 0]
            (at,) = np.flatnonzero((windows == bank.images[2 * place + 1]).all((1, 2, 3)))
            assert 5 < x - at < 62, "the scene lies between 7 and 60 pixels of disparity"
            for side, left in enumerate((x, at)):
                covered[side][y : y + 40, left : left + 40] += 1
        grey = bank.images.mean(-1).reshape(bank.things, 2, -1)
        centred = grey - grey.mean(2, keepdims=True)
        unit = centred / np.linalg.norm(centred, axis=2, keepdims=True)
        alike += np.diag(unit[:, 0] @ unit[:, 1].T).tolist()
        strange += (unit[:, 0] @ np.roll(unit[:, 1], 1, 0).T).diagonal().tolist()
    assert max(map(np.max, covered)) == 1 and not (rows["train"] & rows["valid"] | rows["test"] & rows["valid"])
    assert not rows["train"] & rows["test"]
    assert np.median(alike) > 0.8 and np.median(strange) < 0.3, "correlation of one place and of two neighbours"
    build(tmp_path, tmp_path / "small.h5", "stereo", image_size=20)
    small = Bank.open(tmp_path / "small.h5", "test").images
    assert np.abs(small.mean((1, 2)) - bank.images.mean((1, 2))).max() < 1
