"""Reader of texts, which become vectors: which of the most frequent words a text has, or how often."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections import Counter
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from rehash.datasets.folders import files_below
from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.pickles import PickledArray, unpickled
from rehash.datasets.raw import one_path, plain_labels
from rehash.datasets.samples import Found
from rehash.errors import InputError, unreadable

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_UNLABELLED = "unsup"  # the folder of aclImdb's texts that have no label
_EXPECTED = "train/<class>/*.txt and test/<class>/*.txt, or <class>/*.txt"
_HOW = {"binary": "whether a text has it", "counts": "how often a text has it"}


def read(files: dict[str, str], *, words: int = 10_000, values: str = "binary", encoding: str = "utf-8") -> Found:
    """Read texts from train/<class>/* and test/<class>/*, or <class>/*; a folder, a tar archive, or Keras' imdb.npz.

    So does the public IMDB set lie in its archive, whose texts without labels (unsup) are left out. In a folder with
    files that end in .txt, only these are texts. Words are what scikit-learn's CountVectorizer takes for words, two
    letters or digits or more, in lower case; Keras' file has numbers in their place.

    Args:
        words: the size of the vocabulary, the most frequent words of the train split; of equally frequent ones the
            first in the alphabet. They are the columns in this order.
        values: binary (1 for each word that a text has) or counts.
        encoding: of the texts.

    Raises:
        InputError: there are no such texts, or one is of another encoding; names it.
    """
    path = one_path(files, "archive")
    if path.is_file() and zipfile.is_zipfile(path):
        return _sequences(path, words, values)
    texts, left_out = _texts(path)
    splits, labels, contents = _arranged(path, texts, encoding)
    from sklearn.feature_extraction.text import CountVectorizer  # two seconds that no other reader needs

    try:
        counted = CountVectorizer().fit_transform(contents)
    except ValueError as error:  # no word at all
        raise InputError(f"{path}: no words in {len(contents)} texts ({error})") from error
    notes = [f"left out: {count} {what}" for what, count in sorted(left_out.items())]
    return _found(splits, labels, counted, notes, words, values)


def _found(
    splits: dict[str, np.ndarray], labels: np.ndarray, counted: csr_array, notes: list[str], words: int, values: str
) -> Found:
    return Found(
        {split: Split(rows, labels[rows]) for split, rows in splits.items()},
        None,
        notes,
        partial(_bags, counted, words, values),
    )


def _bags(
    counted: csr_array, words: int, values: str, rows: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the vectors of each split's texts, float32 (N, D), by the most frequent words of the train split.

    Args:
        counted: how often each text (N) has each word (V), the words in the order of the alphabet.
    """
    frequency = np.asarray(counted[rows["train"]].sum(0)).reshape(-1)
    order = np.argsort(-frequency, kind="stable")
    chosen = order[frequency[order] > 0][:words]
    bags = counted[:, chosen]
    if values == "binary":
        bags = bags > 0
    bags = bags.astype(np.float32)
    found = {split: bags[of].toarray() for split, of in rows.items()}
    notes = [
        f"{len(chosen):,} words, the most frequent of {int((frequency > 0).sum()):,} in the train split; of each "
        f"{_HOW[values]}"
    ]
    empty = {split: int((array == 0).all(1).sum()) for split, array in found.items()}
    notes += [f"{count} {split} texts have none of these words" for split, count in empty.items() if count]
    return found, notes


def _texts(path: Path) -> tuple[dict[PurePosixPath, bytes], Counter]:
    """Return the texts of a folder or an archive by their relative names, and what was left out, counted by kind."""
    found, left_out = {}, Counter()
    if path.is_dir():
        names = {PurePosixPath(name): path / name for name in files_below(path)}
        wanted = _wanted([*names], left_out)
        return {short: names[name].read_bytes() for name, short in wanted.items()}, left_out
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if member.isfile() and not any(part.startswith(".") and part != "." for part in name.parts):
                    unread = _UNLABELLED in name.parts[:-1]
                    found[name] = b"" if unread else archive.extractfile(member).read()
            while archive.fileobj.read(2**20):
                pass  # the checksum of gzip, bzip2 and xz lies at the end
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        what = f"no folder, no whole tar archive and no .npz file ({error}); expected one of them with {_EXPECTED}"
        raise unreadable(error, path, what) from error
    wanted = _wanted([*found], left_out)
    return {short: found[name] for name, short in wanted.items()}, left_out


def _wanted(names: list[PurePosixPath], left_out: Counter) -> dict[PurePosixPath, PurePosixPath]:
    """Return the names of texts, in order, without the folders that all lie in; count the others in `left_out`."""
    names = sorted(names, key=lambda name: str(name).encode(errors="surrogateescape"))
    depth = _common_depth(names)
    short = {name: PurePosixPath(*name.parts[depth:]) for name in names}
    least = 3 if _has_splits([*short.values()]) else 2
    texts = {name for name in names if len(short[name].parts) >= least and _UNLABELLED not in short[name].parts[:-1]}
    if any(name.suffix == ".txt" for name in texts):
        texts = {name for name in texts if name.suffix == ".txt"}
    for name in names:
        if name not in texts:
            unlabelled = _UNLABELLED in short[name].parts[:-1]
            left_out[
                f"texts without a label ({_UNLABELLED})" if unlabelled else f"files {name.suffix or name.name}"
            ] += 1
    return {name: short[name] for name in names if name in texts}


def _common_depth(names: list[PurePosixPath]) -> int:
    """Return how many folders, one in the other, all names lie in, if there are folders below; none is a split."""
    depth = 0
    while (
        len({name.parts[: depth + 1] for name in names}) == 1
        and names[0].parts[depth] not in SPLITS
        and any(len(name.parts) > depth + 2 for name in names)
    ):
        depth += 1
    return depth


def _has_splits(names: list[PurePosixPath]) -> bool:
    """Return whether the first folder says the split: both train and test hold folders."""
    return {name.parts[0] for name in names if len(name.parts) > 2} >= {*SPLITS}


def _arranged(
    path: Path, texts: dict[PurePosixPath, bytes], encoding: str
) -> tuple[dict[str, np.ndarray], np.ndarray, list[str]]:
    """Return the rows of each split, the labels of all texts, and the texts."""
    if not texts:
        raise InputError(f"{path}: has no texts in folders; expected {_EXPECTED}")
    divided = _has_splits([*texts])
    tops = {name.parts[0] for name in texts}
    if not divided and len(tops & {*SPLITS}) == 1 and any(len(name.parts) > 2 for name in texts):
        (one,) = tops & {*SPLITS}
        (other,) = {*SPLITS} - {one}
        raise InputError(f"{path}: has a folder {one} and none called {other}; expected {_EXPECTED}")
    if divided and tops != {*SPLITS}:
        others = sorted(tops - {*SPLITS})
        raise InputError(f"{path}: beside train and test there are texts in {', '.join(others)}; expected {_EXPECTED}")
    labels = np.array([name.parts[1 if divided else 0] for name in texts])
    rows = {split: [] for split in (SPLITS if divided else ("all",))}
    for row, name in enumerate(texts):
        rows[name.parts[0] if divided else "all"].append(row)
    contents = [_decoded(content, encoding, path / name) for name, content in texts.items()]
    return {split: np.array(of) for split, of in rows.items()}, labels, contents


def _decoded(content: bytes, encoding: str, where: Path) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not {encoding} ({error}); set encoding, such as latin-1 or cp1252") from error
    except LookupError as error:
        raise InputError(
            f"encoding {encoding} is unknown; expected one of Python's, such as utf-8 or latin-1"
        ) from error


def _sequences(path: Path, words: int, values: str) -> Found:
    """Read Keras' imdb.npz: lists of numbers, a number for each word, in arrays of Python objects."""
    from scipy.sparse import csr_array

    numbers, labels, rows, start = [], [], {}, 0
    for split in SPLITS:
        lists = _lists(path, f"x_{split}")
        of = _lists(path, f"y_{split}")
        if len(of) != len(lists):
            raise InputError(f"{path}: x_{split} has {len(lists)} texts and y_{split} {len(of)} labels")
        rows[split] = np.arange(start, start + len(lists))
        numbers, labels, start = numbers + lists, labels + of, start + len(lists)
    lengths = np.array([len(text) for text in numbers])
    columns = np.array([number for text in numbers for number in text])
    if columns.dtype.kind not in "iu" or columns.min(initial=0) < 0 or columns.max(initial=0) > _MOST_WORDS:
        raise InputError(f"{path}: its texts are no lists of the numbers of words; expected Keras' imdb.npz")
    counted = csr_array((np.ones(len(columns), np.int64), columns, np.r_[0, np.cumsum(lengths)]))
    counted.sum_duplicates()
    return _found(rows, plain_labels(np.array(labels), f"{path}: labels"), counted, [], words, values)


_MOST_WORDS = 10**7


def _lists(path: Path, name: str) -> list:
    """Return an array of an .npz file as a list, though it may hold lists of numbers, which NumPy pickles."""
    where = f"{path}: {name}"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = header[version](file)
            if dtype.kind != "O":
                return np.frombuffer(file.read(), dtype).reshape(shape).tolist()
            held = unpickled(file, where)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError(f"{where}: not to be read ({error}); expected Keras' imdb.npz") from error
    content = held.content if isinstance(held, PickledArray) else None
    if not isinstance(content, list) or not all(isinstance(text, list) for text in content):
        raise InputError(f"{where}: holds no lists of the numbers of words; expected Keras' imdb.npz")
    return content
