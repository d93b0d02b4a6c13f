"""The arrays of a dataset in a file that holds arrays by name: which are inputs and which labels, of which split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.raw import numbers, plain_labels
from rehash.datasets.samples import Found, listed
from rehash.errors import InputError

# What people call them, the one that is taken first where there are several; in upper case or lower.
_INPUTS = ("images", "inputs", "embeddings", "features", "x", "data")
_LABELS = ("labels", "label", "targets", "target", "y")
_CLASS_NAMES = ("class_names", "target_names")
_OF_SPLIT = ("{split}_{kind}", "{kind}_{split}", "{split}/{kind}")  # train_images, x_train, train/images


def found_arrays(names: Iterable[str], read: Callable[[str], np.ndarray], path: Path) -> Found:
    """Choose the arrays of inputs and labels by their names, and read these.

    Of each split there are inputs (images, inputs, embeddings, features, x or data) and labels (labels, label, targets,
    target or y), as train_images, x_train or train/images; or train alone with train_labels. Data without splits have
    the names alone: images and labels, X and y, data and target. class_names or target_names name the classes.

    Args:
        names: of all arrays. read: returns the array of a name.

    Raises:
        InputError: there are no such arrays, or their types or shapes are other ones; names the array.
    """
    known: dict[str, list[str]] = {}
    for name in names:
        known.setdefault(name.lower(), []).append(name)
    chosen = next((of for of in _candidates() if {name for pair in of.values() for name in pair} <= {*known}), None)
    if chosen is None:
        raise InputError(
            f"{path}: expected inputs and labels of both splits, called train_images, train_labels, test_images and "
            "test_labels, or x_train, y_train, x_test and y_test, or of data without splits images and labels, X and "
            f"y, or data and target (inputs may be called {', '.join(_INPUTS)}, labels {', '.join(_LABELS)}); found "
            f"{listed(sorted(names)) or 'none'}"
        )
    title = next((name for name in _CLASS_NAMES if name in known), None)
    used = [name for pair in chosen.values() for name in pair] + ([title] if title else [])
    for name in used:
        if len(known[name]) > 1:
            raise InputError(
                f"{path}: has {' and '.join(sorted(known[name]))}; expected one of them: remove or rename the other"
            )
    splits = {
        split: Split(
            numbers(read(known[inputs][0]), f"{path}: {known[inputs][0]}"),
            plain_labels(read(known[labels][0]), f"{path}: {known[labels][0]}"),
        )
        for split, (inputs, labels) in chosen.items()
    }
    for split, (inputs, labels) in chosen.items():
        counts = len(splits[split].inputs), len(splits[split].labels)
        if counts[0] != counts[1]:
            raise InputError(f"{path}: {inputs} has {counts[0]} samples and {labels} {counts[1]}; expected as many")
    others = sorted(name for lower, of in known.items() for name in of if lower not in used)
    notes = [f"of the arrays {listed(others)} nothing was read"] if others else []
    return Found(splits, _texts(read(known[title][0]), f"{path}: {title}") if title else None, notes)


def _candidates() -> Iterator[dict[str, tuple[str, str]]]:
    """Yield the names that a dataset's arrays may have: of inputs and labels, by split."""
    pairs = [(inputs, labels) for inputs in _INPUTS for labels in _LABELS]
    for pattern in _OF_SPLIT:
        for pair in pairs:
            yield {split: tuple(pattern.format(split=split, kind=kind) for kind in pair) for split in SPLITS}
    for labels in _LABELS:
        yield {split: (split, f"{split}_{labels}") for split in SPLITS}
    for pair in pairs:
        yield {"all": pair}


def _texts(names: np.ndarray, where: str) -> list[str]:
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8", "surrogateescape")
    if names.dtype.kind not in "Uiu" or names.ndim != 1:
        raise InputError(f"{where} is {names.dtype} {names.shape}; expected one row of strings or integers")
    return names.astype(str).tolist()
