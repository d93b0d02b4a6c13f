"""Divides another dataset of the config into queries, a gallery and training samples, as a retrieval protocol says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rehash.datasets.layout import GALLERY, Dataset, Split
from rehash.datasets.raw import one_path
from rehash.datasets.samples import Found, listed, places
from rehash.errors import InputError
from rehash.seeds import stream

Rows = dict[str, np.ndarray]


def read(raw: dict[str, str | Path], *, dataset: str, protocol: dict[str, Any], seed: int) -> Found:
    """Return the samples of a dataset's file (role dataset) in new splits: train, test (the queries) and the gallery.

    There is no gallery where it is the train split. Which samples are drawn depends on the seed, the dataset and the
    numbers of the protocol alone, so that two protocols that draw as many queries a class draw the same ones.

    Args:
        dataset: the dataset's name, for messages.
        protocol: its name, and its settings as in `config/schema.yaml` (those that are null may be left out).

    Raises:
        InputError: a class has too few samples, a class to leave unseen is unknown, or a split has not the size that
            the protocol states.
    """
    whole = Dataset.read(one_path(raw, "dataset"))
    settings = {key: value for key, value in protocol.items() if key not in ("name", "sizes") and value is not None}
    where = f"config: retrieval_protocols.{protocol['name']}"
    unseen = unseen_classes(settings.pop("unseen", None), whole.class_names, seed, where)
    rows = divided(
        whole.train.labels, whole.test.labels, whole.class_names, unseen=unseen, seed=seed, where=where, **settings
    )
    _check_sizes(rows, protocol.get("sizes") or {}, dataset, where)
    first = len(whole.train.labels)
    splits = {name: _taken(whole, chosen, first) for name, chosen in rows.items()}
    notes = [f"divided from the dataset {dataset} ({whole.checksum[:16]}) by the protocol {protocol['name']}"]
    if GALLERY in rows:
        notes.append(f"queries (the test split) search the gallery; {_searched(rows)}")
    else:
        notes.append("queries (the test split) search the train split")
    if unseen:
        names = ", ".join(whole.class_names[label] for label in unseen)
        notes.append(f"queries and gallery have {len(unseen)} classes, of which the train split has none: {names}")
    left = first + len(whole.test.labels) - len(np.unique(np.concatenate(list(rows.values()))))
    if left:
        notes.append(f"{left:,} samples of {dataset} are in no split")
    return Found(splits, whole.class_names, notes, unseen=unseen)


def unseen_classes(asked: float | list[str] | None, names: list[str], seed: int, where: str) -> tuple[int, ...]:
    """Return the classes, as labels in rising order, that queries and gallery have and the train split has not.

    Args:
        asked: the share of the classes, which are drawn, rounded half up; or their names; or None, for none.

    Raises:
        InputError: a name is unknown, or fewer than two classes are left on one side.
    """
    if asked is None:
        return ()
    if isinstance(asked, list):
        unknown = [name for name in asked if name not in names]
        if unknown:
            raise InputError(f"{where}.unseen: unknown class {listed(unknown)}; the classes are {listed(names)}")
        chosen = sorted(names.index(name) for name in asked)
    else:
        count = int(round(asked * len(names), 6) + 0.5)  # 0.29 of 50 is 14.5, whatever float64 makes of it
        chosen = sorted(stream(seed, "division", "unseen").permutation(len(names))[:count].tolist())
    if min(len(chosen), len(names) - len(chosen)) < 2:
        raise InputError(
            f"{where}.unseen: {len(chosen)} of {len(names)} classes; expected two or more, since all that is found of "
            "one class is right, and two or more to train on"
        )
    return tuple(chosen)


def divided(
    train: np.ndarray,
    test: np.ndarray,
    names: list[str],
    *,
    queries_a_class: int | None = None,
    train_a_class: int | None = None,
    train_in_gallery: bool = True,
    searched: str | None = None,
    unseen: tuple[int, ...] = (),
    seed: int,
    where: str,
) -> Rows:
    """Return the rows of each split: of the dataset's train samples and, after these, its test samples, ascending.

    The queries are the test samples; or so many of each class, drawn from all. From the rest, all or so many of each
    class may be trained on. The rest is the gallery, with or without these; or, searched being "queries", these are the
    gallery. Of unseen classes, queries and gallery have
    all that they would have, and the train split nothing; of the others, the train split alone.

    Args:
        train, test: labels, int64 (N,).

    Returns:
        train, test and, where it is not the same as train, gallery.

    Raises:
        InputError: a class has too few samples.
    """
    labels = np.concatenate([train, test])
    new = np.isin(labels, unseen) if unseen else np.ones(len(labels), bool)  # what may be asked and searched
    known = ~new if unseen else new
    queries = np.arange(len(labels)) >= len(train)
    if queries_a_class:
        rng = stream(seed, "division", "queries")
        queries = _drawn(labels, new, queries_a_class, names, rng, f"{where}.queries_a_class", spare=1)
    else:
        queries &= new
    rest = np.arange(len(labels)) < len(train) if not queries_a_class else ~queries
    trained = rest & known
    if train_a_class:
        rng = stream(seed, "division", "train")
        spare = int(not (train_in_gallery or unseen))
        trained = _drawn(labels, trained, train_a_class, names, rng, f"{where}.train_a_class", spare=spare)
    gallery = rest & new
    if searched == "queries":
        gallery = queries
    elif not train_in_gallery:
        gallery &= ~trained
    rows = {"train": trained, "test": queries}
    if (gallery != trained).any():
        rows[GALLERY] = gallery
    return {name: np.flatnonzero(chosen) for name, chosen in rows.items()}


def _searched(rows: Rows) -> str:
    if np.array_equal(rows["test"], rows[GALLERY]):
        return "they are searched themselves, so that each finds itself"
    return "all train samples are in it" if np.isin(rows["train"], rows[GALLERY]).all() else "no train sample is"


def _drawn(
    labels: np.ndarray,
    among: np.ndarray,
    count: int,
    names: list[str],
    rng: np.random.Generator,
    where: str,
    *,
    spare: int,
) -> np.ndarray:
    """Draw `count` samples of each class from those `among` which it has any, so that `spare` are left: bool (N,).

    Raises:
        InputError: a class has not so many.
    """
    rows = np.flatnonzero(among)
    values, numbers, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    few = counts < count + spare
    if few.any():
        found = listed([f"{names[label]} {n}" for label, n in zip(values[few], counts[few])])
        left = ", so that one is left" if spare else ""
        raise InputError(
            f"{where} is {count}, and of {int(few.sum())} classes there are fewer than {count + spare} samples to draw "
            f"from ({found}); expected {counts.min() - spare} or less{left}"
        )
    drawn = np.zeros(len(labels), bool)
    drawn[rows[places(numbers, counts, rng) < count]] = True
    return drawn


def _check_sizes(rows: Rows, sizes: dict[str, int | None], dataset: str, where: str) -> None:
    """Raise an InputError if a split has not the size that the protocol states."""
    found = {"queries": len(rows["test"]), "train": len(rows["train"])}
    found["gallery"] = len(rows.get(GALLERY, rows["train"]))
    wrong = [name for name, size in sizes.items() if size is not None and size != found[name]]
    if wrong:
        expected = ", ".join(f"{sizes[name]:,} {name}" for name in wrong)
        came = ", ".join(f"{found[name]:,} {name}" for name in wrong)
        raise InputError(
            f"{where}.sizes: {expected}; of the dataset {dataset} came {came}. Is this the whole dataset that the "
            "protocol is for? Give another protocol, or correct sizes or leave them out"
        )


def _taken(whole: Dataset, rows: np.ndarray, first: int) -> Split:
    """Return the samples at some ascending rows, of which those from `first` on are the test split's."""
    of_train, of_test = rows[rows < first], rows[rows >= first] - first
    if not len(of_test):
        return Split(whole.train.inputs[of_train], whole.train.labels[of_train])
    if not len(of_train):
        return Split(whole.test.inputs[of_test], whole.test.labels[of_test])
    return Split(
        np.concatenate([whole.train.inputs[of_train], whole.test.inputs[of_test]]),
        np.concatenate([whole.train.labels[of_train], whole.test.labels[of_test]]),
    )
