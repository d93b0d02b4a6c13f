"""Which folders are splits, and which are classes; and which folder is meant if it is another one than the given."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from rehash.datasets.folders import SPLIT_NAMES, Contents, composed, shown
from rehash.datasets.layout import SPLITS
from rehash.datasets.samples import listed
from rehash.errors import InputError

Classes = dict[str, list[str]]  # the relative names of the images of each class


def class_folders(contents: Contents) -> tuple[dict[str, Classes], list[str]]:
    """Find the classes in <class>/* or in train/<class>/* and test/<class>/*; the splits as in `split_folders`.

    A class is called as its folder, in Unicode's composed form; its images lie at any depth.

    Returns:
        The classes by split, {"train", "test"} or {"all"}, and a note on each thing that is left out or odd.

    Raises:
        InputError: folders are not laid out so, a class has no images or a name that is not UTF-8, or the splits'
            classes differ.
    """
    bases = {split: f"{folder}/" for split, folder in _train_and_test(contents).items()} or {"all": ""}
    splits = {split: _classes(contents, base) for split, base in bases.items()}
    if len(splits) > 1:
        _check_alike(contents.root, splits, bases)
    taken = {name for classes in splits.values() for names in classes.values() for name in names}
    notes = [f"left out: {contents.left_out}"] if contents.left_out else []
    for where, count in sorted(Counter(_place(name, bases) for name in contents.images if name not in taken).items()):
        notes.append(f"left out: {count:,} image{'s' * (count > 1)} that lie{'s' * (count == 1)} {shown(where)}")
    by_case = defaultdict(list)
    for label in next(iter(splits.values())):
        by_case[label.casefold()].append(label)
    alike = [" and ".join(labels) for labels in by_case.values() if len(labels) > 1]
    return splits, notes + [f"classes whose names differ in upper and lower case only: {pair}" for pair in alike]


def split_folders(contents: Contents) -> dict[str, list[str]]:
    """Return, for each split, the top folders that are called as `SPLIT_NAMES` says."""
    top = [name for name in contents.folders if "/" not in name]
    return {split: [name for name in top if name.lower() in names] for split, names in SPLIT_NAMES.items()}


def one_folder(folders: list[str], split: str, root: Path) -> str:
    """Return the one folder of a split.

    Raises:
        InputError: there are several.
    """
    if len(folders) > 1:
        raise InputError(
            f"{shown(root)}: {' and '.join(map(shown, folders))} are both {split}; expected one folder of it"
        )
    return folders[0]


def _train_and_test(contents: Contents) -> dict[str, str]:
    """Return the folders of the splits, or none if the folder's own folders are the classes.

    A class may be called train, too: its folder has no folders in it, or none beside it is called test.
    """
    root, found = contents.root, split_folders(contents)
    holding = {name.partition("/")[0] for name in contents.folders if "/" in name}
    named = [*found["train"], *found["test"]]
    if not holding.intersection(named):
        others = [name for name in contents.folders if "/" not in name and name not in [*named, *found["valid"]]]
        if found["train"] and found["test"] and not others:
            raise InputError(
                f"{shown(root)}: {named[0]} has no folders; expected one for each class in {' and '.join(named)}"
            )
        return {}
    if found["train"] and found["test"]:
        return {split: one_folder(found[split], split, root) for split in SPLITS}
    only = shown(named[0])
    if found["train"] and found["valid"]:
        valid = shown(found["valid"][0])
        raise InputError(
            f"{shown(root)}: has {only} and {valid}, but no test; call {valid} test to test on it, or set path to "
            f"{shown(root / named[0])}, of which a test split is then drawn"
        )
    raise InputError(
        f"{shown(root)}: has a folder {only} of folders, but not both train and test; add the other, or set path to "
        f"{shown(root / named[0])}, of which a test split is then drawn"
    )


def _check_alike(root: Path, splits: dict[str, Classes], bases: dict[str, str]) -> None:
    for one, other in (SPLITS, SPLITS[::-1]):
        if odd := sorted(splits[one].keys() - splits[other].keys()):
            raise InputError(
                f"{shown(root)}: {len(odd)} of the classes ({listed(odd)}) have a folder in {bases[one]} and none in "
                f"{bases[other]}, which has {listed(sorted(splits[other]))}; expected the same classes in both"
            )


def _place(name: str, bases: dict[str, str]) -> str:
    """Say where an image lies that belongs to no class."""
    top = f"{name.partition('/')[0]}/"
    if "/" not in name or top in bases.values():
        return f"beside the folders of the classes{f' in {top}' if '/' in name else ''}"
    return f"in {top}, beside {' and '.join(bases.values())}"


def below(names: list[str], base: str) -> dict[str, list[str]]:
    """Return the names below a folder by the folder in it that they lie in; under '' those that lie in none."""
    found = defaultdict(list)
    for name in names:
        if name.startswith(base):
            folder, slash, _ = name[len(base) :].partition("/")
            found[folder if slash else ""].append(name)
    return found


def _classes(contents: Contents, base: str) -> Classes:
    """Return the images of each class, whose folders lie in the folder `base`."""
    where = shown(contents.root / base)
    also = f" (left out: {contents.left_out})" if contents.left_out else ""
    found = below(contents.images, base)
    directly = found.pop("", [])
    folders = [name[len(base) :] for name in contents.folders if name.startswith(base) and "/" not in name[len(base) :]]
    if directly and not found:
        way = f"it is the folder of one class, set path to {shown(contents.root.absolute().parent)}"
        if base:
            way = "nobody knows their classes, set path to the folder beside it, of which a test split is then drawn"
        raise InputError(f"{where}: has images, and no folders of images; expected a folder for each class. If {way}")
    if not folders:
        raise InputError(f"{where}: has no folders; expected one for each class{also}")
    if not found:
        raise InputError(f"{where}: no images in its folders {listed([*map(shown, folders)])}{also}")
    _check_level(contents, base, found)
    if empty := [name for name in folders if name not in found]:
        raise InputError(
            f"{where}: no images in {listed([*map(shown, empty)])}, but in the folders beside; expected images of a "
            f"class in each. Remove those that are no classes{also}"
        )
    classes: Classes = {}
    for name in sorted(found):
        label = composed(name)
        if shown(label) != label:
            raise InputError(f"{where}: the name of the folder '{shown(label)}' is not UTF-8; rename it")
        if label in classes:
            raise InputError(
                f"{where}: two folders are called '{label}', in two forms of Unicode (NFC and NFD); bring them together"
            )
        classes[label] = found[name]
    return classes


def _check_level(contents: Contents, base: str, found: dict[str, list[str]]) -> None:
    """Raise an InputError that names the right folder if the classes seem to lie further down, or upside down."""
    where, down, inner = shown(contents.root / base), base, found
    while len(inner) == 1 and "" not in inner:
        down += f"{next(iter(inner))}/"
        inner = below(contents.images, down)
    if down != base and "" not in inner:
        way = f"move them up into {where}" if base else f"set path to {shown(contents.root / down)}"
        raise InputError(
            f"{where}: its only folder with images holds folders, {shown(down[:-1])} with "
            f"{listed([*map(shown, inner)])}. If these are the classes (or train and test), {way}"
        )
    parts = [below(names, f"{base}{name}/").keys() for name, names in found.items()]
    shared = sorted(set.intersection(*map(set, parts)))
    if len(found) < 2 or any("" in folders for folders in parts) or not shared:
        return
    first, all_of_them = next(iter(found)), listed([*map(shown, found)])
    if any(name.lower() in SPLIT_NAMES["train"] for name in shared):
        raise InputError(
            f"{where}: each of its folders ({all_of_them}) holds {listed(shared)}; expected it the other way round, "
            f"train/<class> and test/<class>: move {shown(first)}/{shared[0]} to {shared[0]}/{shown(first)}, and so on"
        )
    if len(shared) > 1:
        way = (
            f", set path to the folder of one, such as {shown(contents.root / first)}, or bring them together"
            if not base
            else ""
        )
        raise InputError(
            f"{where}: each of its folders ({all_of_them}) holds the same folders, {listed([*map(shown, shared)])}. If "
            f"these are the classes{way or ', bring those of one name together'}; if they are parts of each class, "
            "move their images up into the folder of the class"
        )
