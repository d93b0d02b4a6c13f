"""Views that are other images of the same identities: which image each shows, counted and identified by its pixels."""

from itertools import product

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chisquare

from rehash.equihash.databases.label_files import Labels, describe_labels
from rehash.equihash.figures.contact_sheet import draw_views
from rehash.equihash.images.banks import Bank, check_identities
from rehash.equihash.images.classes import Classes, others
from rehash.equihash.images.contact_sheet import contact_sheet, show_views
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.noise import BLOCK, DeviceSource, StreamSource
from rehash.equihash.images.task import Task
from rehash.equihash.learning import objectives
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.train import HashTraining, Schedule
from rehash.errors import InputError
from rehash.seeds import stream
from slow_mosaics import ArrayBank

COUNTS = (2, 3, 5)  # images of each identity
OF = np.repeat(range(3), COUNTS)
NAMES = {"seed": 5, "name": "d"}


def of_instances(columns: int = 1, differ: str = "every_cell", size: int = 4) -> Mosaics:
    """Image i is of the value i, so that its pixels tell which it is."""
    task = Task("instances", (1, columns), (size, size), differ=differ)
    images = np.broadcast_to(np.arange(len(OF), dtype=np.uint8)[:, None, None], (len(OF), size, size))
    return Mosaics(task, ArrayBank(images), classes=Classes.of(OF))


def shown(made: Mosaics, views: torch.Tensor) -> np.ndarray:
    """The number of the image in each cell, (n, cells)."""
    cells = views[:, 0].unflatten(2, (made.task.grid[1], -1)).transpose(1, 2).flatten(2)
    assert views.dtype == torch.uint8 and (cells == cells[..., :1]).all()
    return cells[..., 0].numpy().astype(int)


def seen(made: Mosaics, labels: np.ndarray, kind: str) -> np.ndarray:
    return shown(made, made.items(labels, 3, **NAMES, kind=kind))


def identities(made: Mosaics, labels: np.ndarray) -> np.ndarray:
    return np.stack([labels // 3**cell % 3 for cell in range(made.task.images)], 1)


@pytest.mark.parametrize("columns", [1, 2])
def test_queries_show_the_first_image_and_items_any_other(columns):
    made = of_instances(columns)
    labels = np.arange(9000) % made.label_count
    of = identities(made, labels)
    first = np.array([0, 2, 5])[of]
    assert made.label_count == 3**columns
    for kind in ("positive", "negative"):
        assert (seen(made, labels, kind) == first).all()
    assert (shown(made, made.plain(labels)) == first).all()
    items = seen(made, labels, "database")
    assert (OF[items] == of).all() and (items != first).all(), "another image of the same identity in every cell"
    for image in (3, 6):
        assert chisquare(np.bincount(items[OF[items] == OF[image]])[image:]).pvalue > 0.01
    sheet = contact_sheet(made, np.array([2, 1]), 4, seed=5)
    assert sheet.shape == (2, 5, 4, 4 * columns) and sheet.dtype == np.uint8
    assert (sheet[:, 0, 0, 0] == (5, 2)).all() and (sheet[0, 1:, 0, 0] > 5).all()


@pytest.mark.parametrize("second", ["pair_a2", "pair_b2"])
def test_the_two_views_of_a_pair_show_two_images_in_every_cell(second):
    """Each ordered pair of two images alike, and cells on their own."""
    made = of_instances(2)
    labels = np.full(12_000, 1 + 3 * 2)
    one, two = seen(made, labels, second.replace("2", "1")), seen(made, labels, second)
    assert (OF[one] == [1, 2]).all() and (OF[two] == [1, 2]).all() and (one != two).all()
    counts = np.zeros((3, 3, 5, 5), int)
    np.add.at(counts, (one[:, 0] - 2, two[:, 0] - 2, one[:, 1] - 5, two[:, 1] - 5), 1)
    possible = [counts[place] for place in np.ndindex(counts.shape) if place[0] != place[1] and place[2] != place[3]]
    assert len(possible) == 6 * 20 and sum(possible) == len(labels) and chisquare(possible).pvalue > 0.01


def test_any_cell_draws_pairs_as_the_public_code_does():
    """Two different combinations of images, all alike: of 15, a cell of three has the same image in 4 of 14."""
    made = of_instances(2, "any_cell")
    labels = np.full(12_000, 1 + 3 * 2)
    pairs = np.concatenate([seen(made, labels, "pair_a1"), seen(made, labels, "pair_a2")], 1)
    assert (OF[pairs] == [1, 2, 1, 2]).all()
    combinations = {(a, b, c, d) for a, b, c, d in product(range(2, 5), range(5, 10), repeat=2) if (a, b) != (c, d)}
    found, times = np.unique(pairs, axis=0, return_counts=True)
    assert set(map(tuple, found.tolist())) == combinations and len(combinations) == 15 * 14
    assert chisquare(times).pvalue > 0.01
    items, queries = seen(made, labels, "database"), seen(made, labels, "positive")
    assert (items != queries).any(1).all() and 0.2 < (items == queries)[:, 0].mean() < 0.35


def test_other_places_are_the_textbook_ones():
    """All steps of small mosaics against lists of what is left."""
    counts = np.array([[2, 3]])
    for a, b in product(range(2), range(3)):
        places = np.array([[a, b]])
        every = {tuple(others(places, counts, np.array([[s, t]]), "every_cell")[0]) for s in (1, 2) for t in (1, 2)}
        assert every == {(1 - a, c) for c in range(3) if c != b}
        anywhere = [tuple(others(places, counts, np.array([[s, 9]]), "any_cell")[0]) for s in range(1, 6)]
        assert sorted(anywhere) == sorted(each for each in product(range(2), range(3)) if each != (a, b))
        for differ in ("every_cell", "any_cell"):
            assert others(places, counts, np.array([[0, 0]]), differ).tolist() == [[a, b]]


@pytest.mark.parametrize("on_a_device", [False, True])
def test_pairs_of_a_training_show_two_images_of_one_label(on_a_device):
    made = of_instances(2)
    labels = np.random.default_rng(0).integers(9, size=(4000, 2))
    labels[::2, 1] = labels[::2, 0]
    source = DeviceSource.of(1, "t", device=CPU) if on_a_device else StreamSource(stream(1, "t"))
    found = shown(made, made.views(labels.ravel(), made.draw_pairs(source, labels))).reshape(4000, 2, 2)
    assert (OF[found] == np.stack([identities(made, labels[:, i]) for i in range(2)], 1)).all()
    alike = labels[:, 0] == labels[:, 1]
    assert (found[alike, 0] != found[alike, 1]).all()
    for image in (2, 5):  # every image is the second of a pair as often as the others, whatever the first one's label
        of = found[~alike, 1].ravel()
        assert chisquare(np.bincount(of[OF[of] == OF[image]])[image:]).pvalue > 0.01


def test_an_instance_is_the_same_in_any_slice_and_on_any_number_of_threads():
    made = of_instances(2)
    labels = np.arange(BLOCK + 200) % 9
    for kind in ("database", "pair_a2"):
        names = NAMES | {"kind": kind}
        whole = made.items(labels, 0, **names)
        for start, stop in ((0, 1), (BLOCK - 2, BLOCK + 5), (77, 333)):
            assert torch.equal(made.items(labels[start:stop], start, **names), whole[start:stop])


def test_a_step_of_training_shows_two_images_of_each_identity():
    made, seen_by = of_instances(size=16), []
    objective = objectives.load("shannon_hamming")(8, 3, 5, **objectives.complete("shannon_hamming", {}))
    schedule = Schedule(steps=1, micro_batches=2, pairs=30, evaluation_pairs=5, channels_last=False)
    network = build_network("mosaic_cnn", 8, made.task.shape, seed=5)
    network.register_forward_pre_hook(lambda module, inputs: seen_by.append(inputs[0].clone()))
    job = HashTraining(network, objective, {"train": made, "valid": made}, schedule, seed=5, name="t")
    assert {split: len(pairs) for split, pairs in job.pairs.items()} == {"train": 5, "valid": 5}
    job._see_untrained = lambda: None  # which shows views of its own
    job.step()
    pairs = shown(made, torch.cat(seen_by[:2])).reshape(60, 2)
    assert (pairs[:, 0] != pairs[:, 1]).all() and (OF[pairs[:, 0]] == OF[pairs[:, 1]]).all()
    assert len(set(map(tuple, pairs.tolist()))) > 15
    triplets = [shown(made, views)[:, 0] for views in seen_by[2:5]]  # of the evaluation on train
    assert (triplets[0] != triplets[1]).all() and (OF[triplets[0]] == OF[triplets[1]]).all()


# ---------------------------------------------------------------------------------------------------------------------
# Banks


def write_identities(path, counts=COUNTS, size=4) -> Bank:
    of = np.repeat(range(len(counts)), counts)
    with h5py.File(path, "w") as file:
        for split in ("train", "valid", "test"):
            images = np.broadcast_to(np.arange(len(of), dtype=np.uint8)[:, None, None], (len(of), size, size))
            file[f"{split}/images"], file[f"{split}/identities"] = images, of
            file[f"{split}/names"] = np.array([f"n{i}" for i in range(len(counts))], "S")
        file.attrs["checksum"] = "0"
    return Bank.open(path, "test")


def test_labels_are_made_of_identities(tmp_path):
    bank = write_identities(tmp_path / "b.h5")
    assert bank.things == 3 and len(bank) == 10 and bank.names() == ["n0", "n1", "n2"]
    made = Mosaics.open(Task("instances", (1, 2), (4, 4)), bank, None, CPU)
    assert made.label_count == 9
    size = {"items": 500, "images": 2, "multiplicity": 1}
    notes = describe_labels(bank.path, tmp_path / "l.h5", database="d", split="test", seed=1, **size)
    labels = np.asarray(Labels.open(tmp_path / "l.h5").shard(0, 1))
    assert notes["label_count"] == 9 and set(labels.tolist()) == set(range(9))


@pytest.mark.parametrize("known", [3, 2])
def test_a_contact_sheet_has_the_identities_names(tmp_path, known):
    """Those that the pixels show, also where labels are mosaics of the first identities alone."""
    bank, files = write_identities(tmp_path / "b.h5"), (tmp_path / "v.h5", tmp_path / "v.csv")
    settings = {"kind": "instances", "grid": [1, 2], "picture": [4, 4], "bank_size": known}
    show_views(bank.path, None, *files, name="t", settings=settings, seed=5)
    axes = draw_views(files[0]).axes[0]
    with h5py.File(files[0]) as file:
        pixels = file["views"][:, 0, 0, ::4]  # image i is of the value i
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        " + ".join(f"n{OF[i]}" for i in of) for of in pixels
    ]
    table = pd.read_csv(files[1])
    assert (table.pictures == sum(COUNTS[:known])).all() and (table.labels == known**2).all()
    assert axes.get_xticklabels()[0].get_text() == "first images"


def test_banks_and_tasks_that_do_not_fit_are_named(tmp_path):
    bank = write_identities(tmp_path / "b.h5")
    with pytest.raises(
        InputError, match=r"b\.h5: a bank of identities, for tasks of the kind instances; this one is noi"
    ):
        Mosaics.open(Task("noisy", (1, 1), (4, 4)), bank, None, CPU)
    task = Task("instances", (1, 1), (4, 4))
    with pytest.raises(InputError, match="task: views are instances, but the bank has no identities; take a bank with"):
        Mosaics(task, ArrayBank(bank.images))
    with pytest.raises(
        InputError, match="images are uint8 4x4; instances mosaics need uint8 4x4x3; set its picture, and"
    ):
        Mosaics.open(Task("instances", (1, 1), (4, 4), colour=True), bank, None, CPU).plain(np.array([0]))
    with pytest.raises(InputError, match="label 3: 3 identities in a grid of 1 x 1 make the labels 0 to 2"):
        Mosaics.open(task, bank, None, CPU).plain(np.array([3]))
    with pytest.raises(InputError, match="differ is any_cell, and 64 cells with up to 5 images each have too many"):
        Mosaics.open(Task("instances", (8, 8), (4, 4), differ="any_cell"), bank, None, CPU)
    with pytest.raises(InputError, match="t: unknown differ 'cells'"):
        Task.of({"kind": "instances", "grid": [1, 1], "picture": [4, 4], "differ": "cells"}, "t")
    for of, words in (
        ([0, 0, 1], "identity 1 has 1 image; expected two or more"),
        ([0, 0, 2, 2], "not numbered from 0 on"),
        ([1, 1, 0, 0], "not numbered from 0 on, in order"),
    ):
        with pytest.raises(InputError, match=f"test: .*{words}"):
            check_identities(np.array(of), len(of), "test")
    with pytest.raises(InputError, match=r"int64 \(2,\); expected int64 \(3,\)"):
        check_identities(np.array([0, 0]), 3, "test")
