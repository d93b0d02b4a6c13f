"""A look at data before networks are trained on them: what cannot be right is an error, and what is odd is said."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from rehash.datasets.layout import GALLERY, SPLITS, Split
from rehash.datasets.samples import listed
from rehash.errors import InputError

_TINY = 255 / 100  # a range of this is a hundredth of that of bytes
_NARROW = 255 / 4
_FEW = 10  # samples of a class
_MAJORITY = 0.9


def surveyed(
    splits: dict[str, Split], names: list[str], where: str, *, scaled: bool = False, unseen: Sequence[int] = ()
) -> list[str]:
    """Look at a dataset and return what is odd about it, a sentence each.

    Args:
        splits: train, test and perhaps a gallery. names: the names of the classes. where: the dataset's place in the
            config.
        scaled: whether the images' values are not those of the raw files.
        unseen: classes that the train split lacks on purpose, and that alone are in the test split.

    Raises:
        InputError: what no network can learn from: one class, fewer than two train samples a class on average, inputs
            that are all the same, images of a range of values that is a hundredth of a byte's.
    """
    found = [*_classes(splits, names, where, unseen)]
    found += _images(splits, where, scaled) if splits["train"].are_images else _vectors(splits, where)
    return found + _duplicates(splits, names, where)


def _classes(splits: dict[str, Split], names: list[str], where: str, unseen: Sequence[int]) -> list[str]:
    counts = {split: np.bincount(splits[split].labels, minlength=len(names)) for split in SPLITS}
    train, test = counts["train"], counts["test"]
    if len(names) < 2:
        raise InputError(
            f"{where}: all samples are of one class, '{names[0]}'; expected two or more classes. Are the labels those "
            "that you mean, and is the path the folder that holds a folder for each class?"
        )
    asked = np.isin(np.arange(len(names)), unseen) if len(unseen) else np.ones(len(names), bool)
    known = ~asked if len(unseen) else asked
    if train.sum() < 2 * known.sum():
        raise InputError(
            f"{where}: {known.sum()} classes and {train.sum()} train samples; expected two of each class or more. Are "
            "the labels classes, and not numbers of samples or measured values?"
        )
    found = []
    if (absent := asked & (test == 0)).any():
        found.append(f"no test sample of {_classes_named(names, absent)}: accuracies say nothing of it")
    if (few := known & (train < _FEW)).any():
        found.append(f"fewer than {_FEW} train samples of {_classes_named(names, few)}")
    largest = int(test.argmax())
    if test[largest] > _MAJORITY * test.sum():
        found.append(
            f"class '{names[largest]}' has {test[largest]} of {test.sum()} test samples: always to say it is right in "
            f"{test[largest] / test.sum():.1%}"
        )
    return found


def _classes_named(names: list[str], chosen: np.ndarray) -> str:
    count = int(chosen.sum())
    return f"{count} class{'es' * (count > 1)} ({listed([names[i] for i in np.flatnonzero(chosen)])})"


def _images(splits: dict[str, Split], where: str, scaled: bool) -> list[str]:
    found, lows, highs = [], {}, {}
    for split in SPLITS:
        flat = splits[split].images.reshape(len(splits[split].images), -1)
        lows[split], highs[split] = flat.min(1), flat.max(1)
    low, high = (pick(values[split]) for pick, values in ((min, lows), (max, highs)) for split in ("train",))
    way = "set value_range in the dataset's config to the values that are black and white"
    if low == high:
        raise InputError(
            f"{where}: every pixel of the train images is {low}; expected images with something to see. If they were "
            f"drawn on a transparent ground, set background to another colour; if their values lie elsewhere, {way}"
        )
    if high - low <= _TINY:
        raise InputError(
            f"{where}: the train images' values go from {low} to {high}, a hundredth of what a byte can hold; expected "
            f"more. {way[0].upper()}{way[1:]}{'' if scaled else f': [{low}, {high}], if these are all there are'}"
        )
    if high - low <= _NARROW:
        found.append(
            f"the train images' values go from {low} to {high}, of 0 to 255; if that is not how they should look, {way}"
        )
    for split in SPLITS:
        spans = highs[split].astype(int) - lows[split]
        constant, faint = int((spans == 0).sum()), int(((spans > 0) & (spans <= _TINY)).sum())
        if constant + faint == len(spans):
            raise InputError(
                f"{where}: in each of the {len(spans)} {split} images all pixels have (nearly) the same value; "
                f"expected images with something to see. {way[0].upper()}{way[1:]}"
            )
        if constant:
            found.append(f"{constant} of {len(spans)} {split} images have one value in all pixels")
        if faint:
            found.append(
                f"{faint} of {len(spans)} {split} images have a range of values of {int(_TINY)} or less of 255"
            )
    return found


def _vectors(splits: dict[str, Split], where: str) -> list[str]:
    train = splits["train"].inputs
    low, high = train.min(0), train.max(0)
    constant = low == high
    found = []
    if constant.any():
        found.append(f"{int(constant.sum())} of {train.shape[1]} columns never change in the train split")
    largest = float(np.maximum(-low, high).max())
    if largest > 100 or largest < 0.01:
        found.append(
            f"the largest absolute value of the train inputs is {largest:.3g}; networks expect about 1. scale: "
            "standard or max in the dataset's config sees to it"
        )
    return found


def _duplicates(splits: dict[str, Split], names: list[str], where: str) -> list[str]:
    """Say how many samples are exact copies of others: within a split, in two, and with different labels."""
    found, seen = [], {}
    kind = splits["train"].kind
    for split in splits:
        flat = np.ascontiguousarray(splits[split].inputs).reshape(len(splits[split].inputs), -1)
        seen[split] = [blake2b(row, digest_size=16).digest() for row in flat]
        distinct, most = np.unique(np.array(seen[split], "V16"), return_counts=True)
        if split == "train" and len(distinct) == 1:
            raise InputError(f"{where}: all {len(flat)} {split} {kind} are the same; expected {kind} that differ")
        if len(distinct) < len(flat):
            found.append(
                f"{len(flat) - len(distinct)} of {len(flat)} {split} {kind} are exact copies of others (one stands "
                f"there {most.max()} times)"
            )
    train = set(seen["train"])
    both = sum(digest in train for digest in seen["test"])
    if both:
        found.append(
            f"{both} of {len(seen['test'])} test {kind} are in the train split, too: accuracies on the test split are "
            "too good by what is learned by heart"
        )
    if GALLERY in seen:  # samples of the train split may be in it, and queries not
        gallery = set(seen[GALLERY])
        if both := sum(digest in gallery for digest in seen["test"]):
            found.append(
                f"{both} of {len(seen['test'])} test {kind} have a copy in the gallery: by any code a search finds it"
            )
    labels: dict[bytes, set[int]] = {}
    for split in splits:
        for digest, label in zip(seen[split], splits[split].labels.tolist()):
            labels.setdefault(digest, set()).add(label)
    odd = [of for of in labels.values() if len(of) > 1]
    if odd:
        example = " and ".join(f"'{names[label]}'" for label in sorted(odd[0])[:2])
        found.append(f"{len(odd)} {kind} have copies of another class (one is {example})")
    return found
