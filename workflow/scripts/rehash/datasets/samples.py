"""From what a reader found to the splits of a dataset: labels become numbers, and samples get a split and an order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rehash.datasets.layout import SPLITS, Split
from rehash.errors import InputError

_SHOWN = 6  # labels or classes that a message lists
Encoding = Callable[[dict[str, np.ndarray]], tuple[dict[str, np.ndarray], list[str]]]


@dataclass(frozen=True)
class Found:
    """What a reader found in raw files.

    Attributes:
        splits: inputs, images or vectors of any type of number, and their labels as they stand there: {"train", "test"}
            and perhaps "gallery" or, of data without splits, {"all"}.
        class_names: the names that the format has for the labels 0, 1, ..., or None.
        notes: what was left out or changed, a sentence each.
        encode: if inputs become numbers by what is learned from the train split (categories, medians, a vocabulary),
            which may be drawn only after reading: a function from the rows of each split to its vectors (N, D), and
            notes. The inputs of `splits` are then numbers of rows, integers (N,).
        scale: how vectors are scaled unless the config says otherwise, see `rehash.datasets.scaling.scaled_vectors`.
        unseen: classes that the train split lacks on purpose, and that alone are in the others. Labels are then int64,
            the places of their classes in `class_names`.
    """

    splits: dict[str, Split]
    class_names: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    encode: Encoding | None = None
    scale: str = "none"
    unseen: tuple[int, ...] = ()


def drawn_splits(found: dict[str, Split], test_share: float, rng: np.random.Generator, where: str) -> dict[str, Split]:
    """Return the splits as they are, or draw the test split from data without splits: a share of each class.

    Raises:
        InputError: a class has less than two samples, one for each split.
    """
    if "all" not in found:
        return found
    whole = found["all"]
    values, numbers, counts = np.unique(whole.labels, return_inverse=True, return_counts=True)
    if (counts < 2).any():
        raise InputError(
            f"{where}: one sample of class {listed(values[counts < 2])}; expected two or more of each, one for the "
            "train and one for the test split. Leave such classes out, or divide the data into train and test"
        )
    wanted = np.clip(np.round(counts * test_share), 1, counts - 1)
    test = places(numbers, counts, rng) < wanted[numbers]
    return {split: Split(whole.inputs[rows], whole.labels[rows]) for split, rows in zip(SPLITS, (~test, test))}


def places(numbers: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a random order of each class's samples, and return the place of each sample in that of its class.

    Args:
        numbers: the classes 0 to C - 1 of N samples, int64 (N,). counts: the number of samples of each class (C,).

    Returns:
        int64 (N,): of a class with n samples the numbers 0 to n - 1.
    """
    order = rng.permutation(len(numbers))
    found = np.empty(len(numbers), np.int64)
    found[order] = _ranks(numbers[order], counts)
    return found


def _ranks(numbers: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return for each sample how many of its class stand before it."""
    found = np.empty(len(numbers), np.int64)
    by_class = np.argsort(numbers, kind="stable")
    found[by_class] = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    return found


def mixed(split: Split, rng: np.random.Generator) -> Split:
    """Mix the samples so that the first n, for any n, have the classes in about the proportions of the whole.

    Sample r of the n of its class, in a random order, is placed at a random point of [r / n, (r + 1) / n).
    """
    order = rng.permutation(len(split.labels))
    _, numbers, counts = np.unique(split.labels[order], return_inverse=True, return_counts=True)
    rank = _ranks(numbers, counts)
    rows = order[np.argsort((rank + rng.random(len(order))) / counts[numbers], kind="stable")]
    return Split(split.inputs[rows], split.labels[rows])


def numbered(
    labels: dict[str, np.ndarray], known: list[str] | None, given: list[str] | None, first_label: int | None, where: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Number the classes of labels from 0, and name them.

    The classes are the labels of the train split. They are numbered in the order of the labels: numbers, and texts that
    are numbers, by their value, other texts by the alphabet; or, with `first_label`, by the label less that.

    Args:
        labels: by split, integers or texts (N,).
        known: names that the data's format has for the labels 0, 1, ... given: names from the config, in the order of
            the classes; if the labels are texts and these are the names, they give the order of the classes.

    Returns:
        The labels, int64 (N,) by split, and the names of the classes.

    Raises:
        InputError: a class has no sample in the train split, names and labels do not fit together, or a name is not
            UTF-8.
    """
    texts = labels["train"].dtype.kind == "U"
    values = _in_order(labels["train"])
    if not len(values):
        raise InputError(f"{where}: train: no samples")
    if texts and first_label is not None:
        raise InputError(
            f"{where}.first_label is {first_label}, but the labels are texts ({listed(values)}); leave it out, and "
            "give class_names in the order that the classes shall have"
        )
    names, title = given or known, "class_names" if given else "the data's own class names"
    if texts and given and sorted(given) == sorted(values.tolist()):
        values = np.array(given)
    elif first_label is not None or (names and len(names) > len(values)):
        values, names = _from_first(values, names, title, first_label or 0, where)
    elif names and len(names) < len(values):
        raise InputError(
            f"{where}: {title} has {len(names)} names, and the train split {len(values)} classes: {listed(values)}; "
            f"expected {len(values)} names, in the order of the labels"
        )
    elif known and not given and not _are_first(values):
        raise InputError(f"{where}: labels {listed(values)}; expected 0 to {len(names) - 1}, which {title} are for")
    names = list(names or map(str, values.tolist()))
    for name in names:
        _check_name(name, where)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{where}: two classes are called '{twice}'; expected a name for each")
    place = {value: number for number, value in enumerate(values.tolist())}
    return {split: _placed(of, place, split, where) for split, of in labels.items()}, names


def _in_order(labels: np.ndarray) -> np.ndarray:
    """Return the distinct labels in order; texts that are all integers are in the order of these."""
    values = np.unique(labels)
    if labels.dtype.kind == "U" and all(_is_integer(text) for text in values.tolist()):
        values = values[np.argsort([int(text) for text in values.tolist()], kind="stable")]
    return values


def _is_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit()


def _are_first(values: np.ndarray) -> bool:
    return bool((values == np.arange(len(values))).all())


def _from_first(
    values: np.ndarray, names: list[str] | None, title: str, first: int, where: str
) -> tuple[np.ndarray, list[str] | None]:
    """Return the labels from `first` on, one for each name; raise an InputError if one has no sample or no name."""
    numbers = values.tolist()
    classes = len(names) if names else int(numbers[-1]) - first + 1
    present = {value for value in numbers if isinstance(value, int) and first <= value < first + classes}
    if not names and len(present) < len(numbers):
        raise InputError(
            f"{where}.first_label is {first}, and there is the label {numbers[0]}; expected {numbers[0]} or less, or "
            "no first_label, which numbers the classes in the order of their labels"
        )
    gap = next((value for value in range(first, first + classes) if value not in present), None)
    if values.dtype.kind == "U":
        gap = next((place for place, name in enumerate(names) if name not in numbers), 0)
    if gap is not None:
        called = f" ('{names[gap - first]}')" if names else ""
        way = (
            f"leave its name out of class_names: {len(values)} names, in the order of the labels"
            if names
            else "leave first_label out, and the classes are numbered in the order of their labels"
        )
        also = " and leave first_label out" if names and title == "class_names" and first else ""
        raise InputError(
            f"{where}: class {gap - first}{called} has no sample in the train split, whose labels are "
            f"{listed(values)}; {way}{also}, or add samples of it"
        )
    if len(present) < len(numbers):
        beyond = next(value for value in numbers if value not in present)
        raise InputError(
            f"{where}: label {beyond} has no name: {title} has {classes}, for the labels from {first} on; expected "
            f"{len(values)} names in the order of the labels, which are {listed(values)}"
        )
    return np.arange(first, first + classes), names


def _placed(labels: np.ndarray, place: dict[object, int], split: str, where: str) -> np.ndarray:
    values, inverse = np.unique(labels, return_inverse=True)
    unknown = [value for value in values.tolist() if value not in place]
    if unknown:
        count = int(np.isin(labels, np.array(unknown)).sum())
        raise InputError(
            f"{where}: {count} samples of the {split} split are of class {listed(unknown)}, of which the train split "
            "has none; move some of them to the train split, or leave them out"
        )
    return np.array([place[value] for value in values.tolist()], np.int64)[inverse.reshape(-1)]


def _check_name(name: str, where: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise InputError(f"{where}: the class name '{shown}' is not UTF-8; rename it") from error


def listed(values: Sequence[object] | np.ndarray) -> str:
    """List values in a message; of many the first ones and the last.

    >>> listed([3, 1, 2]), listed(range(100))
    ('3, 1, 2', '0, 1, 2, 3, 4, ... 99')
    """
    values = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if len(values) <= _SHOWN:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[: _SHOWN - 1]))}, ... {values[-1]}"
