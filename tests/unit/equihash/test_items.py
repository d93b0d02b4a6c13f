"""A database by the numbers of its items, and parts of banks: as plain arrays of all of it say."""

import pickle

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from rehash.config import load_schema, over_defaults, validated
from rehash.equihash import plan
from rehash.equihash.databases.label_files import Labels, describe_labels
from rehash.equihash.images.banks import SPLITS, Bank, build_bank
from rehash.equihash.images.layout import image_numbers
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.task import Task
from rehash.equihash.items import Items, open_items
from rehash.errors import InputError
from small_index import write_bank

SCHEMA = load_schema()


def checked(wing: dict) -> dict:
    return validated(over_defaults({"equihash": wing}), SCHEMA)


@pytest.fixture(scope="module")
def items(small) -> Items:
    return Items(Labels.open(small.labels), small.mosaics, 5)


@pytest.mark.parametrize(
    "index",
    [
        [3, 700, 3, -1, 1499, 512],
        slice(None, None, 400),
        slice(-3, None),
        slice(1030, 500, -130),
        slice(5, 5),
        [],
        np.array([7]),
    ],
)
def test_items_are_those_of_the_whole_database(small, items, index):
    labels = items.known.between(0, 1500)
    whole = small.mosaics.items(labels, 0, seed=5, name="d", kind="database")
    wanted = np.arange(1500)[index if isinstance(index, slice) else np.asarray(index, int)].copy()
    assert torch.equal(items[index], whole[wanted]) and (items.labels(index) == labels[wanted]).all()
    assert torch.equal(items[-1], whole[1499]) and len(items) == 1500


@pytest.mark.parametrize("index", [1500, -1501, [0, 1500]])
def test_other_items_are_refused(items, index):
    with pytest.raises(InputError, match=r"database d: item -?150\d was asked for; it has the items 0 to 1499"):
        items[index]


def block_of(**database) -> dict:
    task = {"kind": "noisy", "bank": "b", "grid": [1, 2], "picture": [20, 10]}
    wing = {"tasks": {"t": task}, "banks": {"b": {"reader": "hdf5", "path": "p"}}}
    return checked({**wing, "databases": {"d": {"task": "t", "items": 40, **database}}})


def test_the_items_of_a_config(tmp_path):
    """Another seed of the noise gives the same labels other views; fewer images give other labels of these alone."""
    (tmp_path / "results/equihash/banks").mkdir(parents=True)
    bank = write_bank(tmp_path / "results/equihash/banks/b.h5", 30, 20, 10)
    found = {}
    for name, keys in {"plain": {}, "noise": {"noise_seed": 9}, "few": {"bank_size": 5}}.items():
        config = block_of(**keys)
        output = tmp_path / plan.labels_file("d")
        output.parent.mkdir(parents=True, exist_ok=True)
        describe_labels(bank, output, database="d", **plan.label_params(config, "d"))
        found[name] = open_items(config, "d", tmp_path)
        views, labels = found[name][:], found[name].labels(slice(None))
        numbers = image_numbers(labels, keys.get("bank_size", 30), 2)
        assert found[name].known.database.label_count == keys.get("bank_size", 30) ** 2
        with h5py.File(bank) as file:
            images = file["test/images"][:][numbers] / 255
        assert np.abs(views[:, 0].numpy() - np.concatenate([*images.swapaxes(0, 1)], axis=-1)).mean() < 0.2
        found[name] = (views, labels)
    assert (found["plain"][1] == found["noise"][1]).all() and found["few"][1].max() < 25
    assert not np.isclose(found["plain"][0], found["noise"][0]).any(axis=(1, 2, 3)).all()
    for size in (31, 100):
        with pytest.raises(
            InputError, match=rf"split test of .*: bank_size is {size}, but the bank's split has 30 images"
        ):
            params = plan.label_params(block_of(bank_size=size), "d")
            describe_labels(bank, tmp_path / "x.h5", database="d", **params)
        with pytest.raises(InputError, match=rf"bank_size is {size}, but the bank's split has 30 images"):
            task = Task.of({"kind": "noisy", "grid": [1, 2], "picture": [20, 10], "bank_size": size})
            Mosaics(task, Bank.open(bank, "test"), None, CPU)


def test_items_without_labels_cannot_be_seen(tmp_path):
    """Their numbers, which stand for labels, would be taken for mosaics of the bank."""
    config = block_of(labels="unknown", asked="items", positives=9, negatives=0, pairs=0, bank_size=30)
    describe_labels(None, tmp_path / "l.h5", database="d", **plan.label_params(config, "d"))
    bank, labels = tmp_path / plan.BANK.format(bank="b"), tmp_path / plan.labels_file("d")
    for path in (bank, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bank(bank, 30, 20, 10)
    (tmp_path / "l.h5").rename(labels)
    with pytest.raises(InputError, match=r"databases\.d: labels are unknown, so that its items cannot be shown"):
        open_items(config, "d", tmp_path)


def test_a_database_without_the_new_settings_is_as_it_was():
    params = plan.label_params(block_of(), "d")
    assert params == {"split": "test", "items": 40, "multiplicity": 1, "images": 2, "seed": 2021}
    shown = plan.encoding_params(block_of(), "t", "default", "d")
    assert shown["seed"] == 2021 and shown["task"] == plan.task_settings(block_of(), "t")
    assert "bank_size" not in shown["task"]


def test_the_first_images_of_parts_of_one_file(tmp_path, monkeypatch):
    """As mnist.hdf5, whose 70,000 images are `x`."""
    monkeypatch.setattr("rehash.foreign_hdf5._SLICE_BYTES", 2 * 28 * 28)  # two images a slice
    slices = {"train": [4, 12], "valid": [0, 1], "test": [1, 4]}
    settings, expected = {"array": "x", "slices": slices, "images_limit": 3}, [(4, 7), (0, 1), (1, 4)]
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
    with h5py.File(tmp_path / "mnist.hdf5", "w") as file:
        file["x"] = images
    about = {"name": "b", "reader": "hdf5", **settings}
    notes = build_bank({"path": tmp_path / "mnist.hdf5"}, tmp_path / "b.h5", description=about)
    for split, (start, stop) in zip(SPLITS, expected):
        assert (Bank.open(tmp_path / "b.h5", split).images == images[start:stop]).all()
        assert notes["pictures"][split] == stop - start


def test_public_lists_of_splits(tmp_path):
    """An image's number is its place in the list, whatever its name; names in no list are left out."""
    folder, chance = tmp_path / "OpenImages180x180", np.random.default_rng(0)
    pixels = {f"{name}.png": chance.integers(0, 256, (6, 6, 3), np.uint8) for name in "abcdefgh"}
    (folder / "deep").mkdir(parents=True)
    for name, image in pixels.items():
        Image.fromarray(image).save(folder / name)
    lists = {"train": ["h.png", "a.png", "c.png"], "valid": ["g.png"], "test": ["f.png", "b.png"]}
    raw = {"path": folder}

    def build(**changed) -> dict:
        for split, names in {**lists, **changed}.items():
            raw[split] = tmp_path / f"{split}_split.pkl"
            raw[split].write_bytes(pickle.dumps(names))
        about = {"name": "b", "reader": "image_folder", "image_size": 6}
        return build_bank(raw, tmp_path / "b.h5", description=about)

    assert build()["notes"] == ["left out: 2 images in none of the lists"]
    for split, names in lists.items():
        assert (Bank.open(tmp_path / "b.h5", split).images == [pixels[name] for name in names]).all()
    for changed, words in (
        ({"valid": ["x.png"]}, "valid_split.pkl: has the name x.png; .*OpenImages180x180 has no such image"),
        ({"valid": ["a.png"]}, "valid_split.pkl: has the name a.png, as the list of train has"),
        ({"valid": {"g.png": 1}}, "valid_split.pkl: is a dict; expected a list of the names of valid's images"),
        ({"valid": [slice(3)]}, "the pickle asks for builtins.slice, .*; nothing was run"),
    ):
        with pytest.raises(InputError, match=words):
            build(**changed)
    with pytest.raises(InputError, match=r"banks.b: the lists in paths divide the folder; expected one each of"):
        checked({"banks": {"b": {"reader": "image_folder", "path": "p", "paths": {"train": "t"}}}})
