"""Texts as vectors: by hand, against scikit-learn's vocabulary, and in the layouts of public sets."""

import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset
from rehash.datasets.readers import bag_of_words, npz
from rehash.errors import InputError
from rehash.graph import dataset_description

TRAIN = {
    "pos/0_9.txt": "A good film, a GOOD plot!",
    "pos/1_8.txt": "good <br />good good",
    "neg/0_2.txt": "bad film; no plot",
    "neg/1_1.txt": "bad bad film",
}
TEST = {"pos/0_10.txt": "good naïve actors", "neg/0_3.txt": "a naïve, bad bad film"}
# Words of the train split by how often they stand there, then by the alphabet; "a" has one letter.
WORDS = ["good", "bad", "film", "plot", "br", "no"]


def write(folder: Path, texts: dict[str, str], encoding: str = "utf-8") -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding)
    return folder


@pytest.fixture
def imdb(tmp_path) -> Path:
    """The layout of aclImdb, with all that lies beside the texts."""
    folder = tmp_path / "aclImdb"
    write(
        folder / "train",
        {**TRAIN, "unsup/0_0.txt": "zzz", "unsup/1_0.txt": "zzz", "urls_pos.txt": "x", "labeledBow.feat": "9 0:9"},
    )
    write(folder / "test", {**TEST, "urls_neg.txt": "x"})
    write(folder, {"README": "good good good", "imdb.vocab": "the\nand\n", ".hidden/pos/x.txt": "zzz"})
    return folder  # fmt: skip


def read(path: Path, **settings):
    found = bag_of_words.read({"path": str(path)}, **settings)
    inputs, notes = found.encode({split: of.inputs for split, of in found.splits.items()})
    labels = {split: of.labels.tolist() for split, of in found.splits.items()}
    return inputs, labels, [*found.notes, *notes]


def test_the_imdb_layout_by_hand(imdb):
    inputs, labels, notes = read(imdb)
    assert labels == {"train": ["neg", "neg", "pos", "pos"], "test": ["neg", "pos"]}
    assert inputs["train"].dtype == np.float32
    #                                     good bad film plot br no
    assert inputs["train"].tolist() == [[0, 1, 1, 1, 0, 1], [0, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0]]
    assert inputs["test"].tolist() == [[0, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]], "words of the test split are not known"
    assert "left out: 2 texts without a label (unsup)" in notes
    assert {"left out: 2 files .txt", "left out: 1 files .feat", "left out: 1 files .vocab", "left out: 1 files README"} < {*notes}  # fmt: skip
    assert "6 words, the most frequent of 6 in the train split; of each whether a text has it" in notes
    counts, _, _ = read(imdb, values="counts", words=2)
    assert counts["train"].tolist() == [[0, 1], [0, 2], [2, 0], [3, 0]]
    assert counts["test"].tolist() == [[0, 2], [1, 0]]


def test_equally_frequent_words_are_taken_by_the_alphabet(tmp_path):
    write(tmp_path, {"a/1.txt": "zeta beta", "a/2.txt": "delta", "b/1.txt": "alpha gamma", "b/2.txt": "alpha"})
    found = bag_of_words.read({"path": str(tmp_path)}, words=3)
    inputs, _ = found.encode({"train": np.arange(4), "test": np.arange(0)})
    # alpha (2), then beta and delta of those that stand there once.
    assert inputs["train"].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0]]


def test_vocabulary_and_counts_are_scikit_learns(tmp_path):
    """Where no two words are equally frequent."""
    rng, texts = np.random.default_rng(0), {}
    for split, n in (("train", 60), ("test", 20)):
        words = rng.permutation(np.repeat([f"w{i:02}" for i in range(40)], range(1, 41)))
        for i, part in enumerate(np.array_split(words, n)):
            texts[f"{split}/{'ab'[i % 2]}/{i:03}.txt"] = " ".join(part)
    write(tmp_path, texts)
    inputs, _, _ = read(tmp_path, words=15, values="counts")
    ordered = {split: [texts[name] for name in sorted(texts) if name.startswith(split)] for split in inputs}
    theirs = CountVectorizer(max_features=15)
    counts = theirs.fit_transform(ordered["train"]).toarray()
    order = np.argsort(-counts.sum(0), kind="stable")
    assert len({*counts.sum(0)}) == 15, "no two are equally frequent"
    assert (inputs["train"] == counts[:, order]).all()
    assert (inputs["test"] == theirs.transform(ordered["test"]).toarray()[:, order]).all()


@pytest.mark.parametrize("form", ["folder", "parent", "tar.gz", "tar.xz", "tar"])
def test_the_same_texts_in_any_form(tmp_path, imdb, form):
    whole = read(imdb)
    path = imdb.parent
    if "tar" in form:
        path = tmp_path / f"x.{form}"
        with tarfile.open(path, f"w:{form.partition('.')[2]}") as archive:
            for file in sorted(imdb.rglob("*"), reverse=True):  # in whatever order
                archive.add(file, file.relative_to(imdb.parent), recursive=False)
    elif form == "folder":
        path = imdb
    inputs, labels, notes = read(path)
    assert all((inputs[split] == whole[0][split]).all() for split in inputs)
    assert labels == whole[1] and notes == whole[2]


def test_a_folder_for_each_class_without_splits(tmp_path):
    """As 20 newsgroups: files without an ending, in latin-1."""
    groups = {f"{group}/{100 + i}": f"{word} für alle {i}" for group, word in (("alt", "Götter"), ("sci", "Räume")) for i in range(5)}  # fmt: skip
    write(tmp_path / "news", groups, "latin-1")
    with pytest.raises(InputError, match=r"alt/100: not utf-8 .*; set encoding, such as latin-1 or cp1252"):
        read(tmp_path / "news")
    about = {"name": "d", "reader": "bag_of_words", "encoding": "latin-1"}
    notes = build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "news")}, **about)
    found = Dataset.read(tmp_path / "d.h5")
    assert found.class_names == ["alt", "sci"] and notes["samples"] == {"train": 8, "test": 2}
    # für, alle (each text), then götter and räume (4 train texts each).
    assert found.train.inputs[:, 2:4].argmax(1).tolist() == found.train.labels.tolist()
    assert found.test.inputs[:, :2].tolist() == [[1, 1]] * 2


def test_the_words_of_a_drawn_test_split_are_not_learned(tmp_path):
    write(tmp_path / "t", {f"{c}/{i}.txt": f"word{c}{i} both{i % 2}" for c in "ab" for i in range(10)})
    build_dataset(tmp_path / "d.h5", {"path": str(tmp_path / "t")}, name="d", reader="bag_of_words", shuffle=1)
    found = Dataset.read(tmp_path / "d.h5")
    # both0 and both1, and a word of each train text alone.
    assert found.train.inputs.shape == (16, 18) and (found.train.inputs[:, 2:].sum(0) == 1).all()
    assert (found.test.inputs[:, 2:] == 0).all() and (found.test.inputs[:, :2].sum(1) == 1).all()


def test_keras_file_is_read_without_running_what_it_holds(tmp_path):
    texts = {"train": [[1, 14, 22, 22], [1, 7], [14, 14]], "test": [[22, 9], [1, 1, 1]]}
    arrays = {}
    for split, of in texts.items():
        arrays[f"x_{split}"] = np.empty(len(of), object)
        arrays[f"x_{split}"][:] = of
        arrays[f"y_{split}"] = np.arange(len(of)) % 2
    np.savez(tmp_path / "imdb.npz", **arrays)
    with pytest.raises(
        InputError, match=r"x_train is damaged, or holds Python objects.*imdb.npz has a reader of its own, bag"
    ):
        npz.read({"path": str(tmp_path / "imdb.npz")})
    inputs, labels, _ = read(tmp_path / "imdb.npz", values="counts")
    # By how often: 14 three times, 1 and 22 twice, 7.
    assert inputs["train"].tolist() == [[1, 1, 2, 0], [0, 1, 0, 1], [2, 0, 0, 0]]
    assert inputs["test"].tolist() == [[0, 0, 1, 0], [0, 3, 0, 0]] and labels == {"train": [0, 1, 0], "test": [0, 1]}
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive:
        for name in arrays:
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "|O", "fortran_order": False, "shape": (1,)}
                np.lib.format.write_array_header_1_0(file, header)
                pickle.dump(Touch(tmp_path / "mark"), file, protocol=2)
    with pytest.raises(InputError, match=r"x_train: refused: the pickle asks for .*; nothing was run"):
        read(tmp_path / "evil.npz")
    assert not (tmp_path / "mark").exists()


class Touch:
    """Its pickle makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({}, "has no texts in folders; expected train/<class>/"),
        ({"a.txt": "word"}, "has no texts in folders"),
        ({"train/a/1.txt": "word", "train/b/1.txt": "word"}, "has a folder train and none called test"),
        (
            {"train/a/1.txt": "x1", "test/a/1.txt": "x1", "valid/a/1.txt": "x1"},
            "beside train and test there are texts in valid",
        ),
        ({"a/1.txt": "!", "b/1.txt": "?"}, "no words in 2 texts"),
    ],
)
def test_folders_without_texts(tmp_path, texts, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, texts))


def test_files_that_are_no_texts(tmp_path, imdb):
    (tmp_path / "f").write_text("no archive")
    with pytest.raises(InputError, match=r"f: no folder, no whole tar archive and no .npz file"):
        read(tmp_path / "f")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(imdb, "aclImdb")
    content = (tmp_path / "x.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[:-9])
    with pytest.raises(InputError, match=r"cut.tar.gz: no folder, no whole tar archive"):
        read(tmp_path / "cut.tar.gz")
    np.savez(tmp_path / "other.npz", x_train=np.ones((3, 2)), y_train=np.arange(3))
    with pytest.raises(InputError, match=r"other.npz: .*expected Keras' imdb.npz"):
        read(tmp_path / "other.npz")
    with pytest.raises(InputError, match="encoding utf-9 is unknown; expected one of Python's"):
        read(imdb, encoding="utf-9")


def test_imdb_as_the_default_config_reads_it(tmp_path, imdb):
    about = dataset_description(validated(merged(DEFAULT)), "imdb")
    with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
        archive.add(imdb, "aclImdb")
    build_dataset(tmp_path / "d.h5", {"archive": str(tmp_path / "aclImdb_v1.tar.gz")}, name="imdb", **about)
    found = Dataset.read(tmp_path / "d.h5")
    assert found.class_names == ["neg", "pos"]
    assert found.train.inputs.shape == (4, 6) and found.test.inputs.shape == (2, 6)
    assert (found.train.inputs[:, 0] == found.train.labels).all(), "good is the most frequent word"
