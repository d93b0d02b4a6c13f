"""Label files of others: what they say is what a database has and is asked, and any other file is refused by name."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from public_files import BANK, GRID, ITEMS, label_file, labels_of
from rehash import foreign_hdf5
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.public_labels import label_numbers, read_queries
from rehash.equihash.databases.queries import Queries
from rehash.equihash.images.layout import image_numbers
from rehash.errors import InputError
from small_index import write_bank


@pytest.fixture
def held(tmp_path) -> dict[str, np.ndarray]:
    return label_file(tmp_path / "db.hdf5")


def asked(folder: Path, truth=True, **changed) -> Queries:
    settings = {"split": "test", "grid": GRID, "bank_size": BANK, "sizes": [80, ITEMS]}
    settings |= {"positives": 20, "negatives": 20, "pairs": 25, **changed}
    labels = folder / "labels.h5"
    truth = folder / "db.pkl" if truth else None
    read_queries(folder / "db.hdf5", None, labels, folder / "q.h5", ground_truth=truth, **settings)
    return Queries.read(folder / "q.h5")


def test_labels_are_those_images(tmp_path, held, monkeypatch):
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 2 * 17)  # seventeen mosaics a slice
    found = Labels.open(labels_of(tmp_path))
    labels = found.between(0, ITEMS)
    assert (image_numbers(labels, BANK, 2) == held["database"]).all()
    assert (label_numbers(held["database"], BANK) == labels).all()
    database = found.database
    assert (database.n_items, database.label_count, database.source) == (ITEMS, BANK**2, "md5")
    bank = write_bank(tmp_path / "bank.h5", BANK, 4, 4)
    before = labels_of(tmp_path).read_bytes()
    assert labels_of(tmp_path, bank=bank, bank_size=None).read_bytes() == before
    assert (Labels.open(labels_of(tmp_path, items=7)).take(np.arange(7)) == labels[:7]).all()


@pytest.mark.parametrize("grid", [(1, 1), (2, 3)])
def test_other_layouts(tmp_path, grid):
    """The file of 2023, whose images are in one row; and single images, which have no rows and columns."""
    cells = np.random.default_rng(0).integers(0, BANK, (9, *grid)).astype(np.uint16)
    with h5py.File(tmp_path / "db.hdf5", "w") as file:
        file["index"] = cells.reshape(9, -1) if grid != (1, 1) else cells.ravel()
    labels = Labels.open(labels_of(tmp_path, items=9, grid=grid)).take(np.arange(9))
    assert (image_numbers(labels, BANK, grid[0] * grid[1]) == cells.reshape(9, -1)).all()


def test_queries_are_those_of_the_file(tmp_path, held):
    labels_of(tmp_path)
    queries = asked(tmp_path)
    assert queries.asked == "file" and (queries.own(np.arange(3)) == -1).all()
    for size in (80, ITEMS):
        labels, relevant = queries.positive[size]
        assert (image_numbers(labels, BANK, 2) == held["positive_queries"]).all()
        for query, items in enumerate(held["truth"]):
            assert relevant.of(query, query + 1)[1].tolist() == [item for item in items if item < size]
    assert (image_numbers(queries.negative, BANK, 2) == held["negative_queries"]).all()
    pairs = [image_numbers(queries.pairs[:, column], BANK, 2) for column in (0, 1)]
    assert (np.stack(pairs, axis=1) == held["negative_pairs"]).all()
    few = asked(tmp_path, positives=5, negatives=0, pairs=3)
    assert [len(each) for each in (few.positive[80][0], few.negative, few.pairs)] == [5, 0, 3]


def rewritten(folder: Path, **changes) -> None:
    with h5py.File(folder / "db.hdf5", "r+") as file:
        for name, change in changes.items():
            content = change(file[name][:])
            del file[name]
            if content is not None:
                file[name] = content


def with_first(content: np.ndarray, value) -> np.ndarray:
    content = content.copy()
    content[0] = value
    return content


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"database": lambda x: None}, "it has no dataset database; it has negative_pairs, negative_q"),
        ({"database": lambda x: x.astype(float)}, r"database is float64 \(300, 1, 2\); expected whole numbers"),
        ({"database": lambda x: x[:, 0, :1]}, "expected whole numbers, 1 mosaic of 1 x 2 images a row"),
        ({"database": lambda x: x.swapaxes(1, 2)}, r"uint8 \(300, 2, 1\); expected .* 1 x 2 images"),
        ({"database": lambda x: x[:299]}, "database has 299 rows; expected at least 300, the items of the database d"),
        ({"database": lambda x: with_first(x, 12)}, "database, row 0: image 12; expected 0 to 11, .* has 12 images"),
    ],
)
def test_other_files_are_refused(tmp_path, held, changes, words):
    rewritten(tmp_path, **changes)
    with pytest.raises(InputError, match=words):
        labels_of(tmp_path)
    assert not (tmp_path / "labels.h5").exists()


@pytest.mark.parametrize("content", [b"text", "truncated"])
def test_files_that_are_none_are_refused(tmp_path, held, content):
    path = tmp_path / "db.hdf5"
    path.write_bytes(path.read_bytes()[:-2000] if content == "truncated" else content)
    with pytest.raises(InputError, match=r"db\.hdf5: not a public file of labels, or damaged"):
        labels_of(tmp_path)


class Touch:
    """A pickle that would make a file."""

    def __reduce__(self):
        return (open, ("made", "w"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positive_queries": lambda x: with_first(x, [5, 5])}, "positive query 0 shows a mosaic that none of the 300"),
        ({"negative_queries": lambda x: x[:10]}, "negative_queries has 10 rows; expected at least 20, the 20 negative"),
        ({"negative_pairs": lambda x: with_first(x, 3)}, "negative pair 0 is one mosaic twice"),
        ({"negative_pairs": lambda x: x[:, :1]}, "expected whole numbers, 2 mosaics of 1 x 2 images a row"),
    ],
)
def test_queries_that_are_none_are_refused(tmp_path, held, changes, words):
    labels_of(tmp_path)
    rewritten(tmp_path, **changes)
    with pytest.raises(InputError, match=words):
        asked(tmp_path)
    assert not (tmp_path / "q.h5").exists()


def test_a_negative_query_that_an_item_shows_is_refused(tmp_path, held):
    labels_of(tmp_path)
    rewritten(tmp_path, negative_queries=lambda x: with_first(x, held["database"][7].reshape(GRID)))
    first = min(np.flatnonzero((held["database"] == held["database"][7]).all(axis=1)))
    with pytest.raises(InputError, match=rf"negative query 0 shows the mosaic of item {first}; expected none"):
        asked(tmp_path)


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (lambda lists: [*lists[:3], [*lists[3], 299], *lists[4:]], r"query 3 has the items .*; by the labels it has"),
        (lambda lists: lists[:19], "is a list of 19; expected a list of items for each of 20 queries"),
        (lambda lists: {"a": lists}, "is a dict; expected a list"),
        (lambda lists: [["a"], *lists[1:]], "items are not all whole numbers"),
        (lambda lists: [Touch(), *lists[1:]], r"the pickle asks for (_?io|builtins)\.open, .*; nothing was run"),
    ],
)
def test_another_ground_truth_is_refused(tmp_path, held, truth, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels_of(tmp_path)
    Path("db.pkl").write_bytes(pickle.dumps(truth(held["truth"])))
    with pytest.raises(InputError, match=words):
        asked(tmp_path)
    assert not Path("made").exists() and not Path("q.h5").exists()
    asked(tmp_path, truth=False)
