"""Reads a folder of identities: a folder of images for each."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from rehash.datasets.class_folders import below
from rehash.datasets.folders import Contents, composed, folder_contents, shown
from rehash.datasets.image_files import MAX_PIXELS, looked_at
from rehash.datasets.raw import one_path
from rehash.datasets.samples import listed
from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.equihash.images.readers.image_folder import SHARES, read_slices, split_bases, split_bounds
from rehash.errors import InputError
from rehash.seeds import integer

Identities = dict[str, list[str]]  # the images of each identity, by its folder
_LEAST = 2  # images of an identity, which the two views of a pair show; and identities of a split


def read(
    raw: dict[str, str | Path],
    *,
    image_size: int = 112,
    background: str = "white",
    colour: str = "rgb",
    value_range: list[float] | None = None,
    skip_corrupt: bool = False,
    skip_single: bool = False,
    max_pixels: int = MAX_PIXELS,
    shares: dict[str, float] = SHARES,
    seed: int = 0,
) -> dict[str, SplitImages]:
    """Read a folder of identities, split by its folders train, valid and test if it has them, else by their names.

    An identity is a folder with two images or more, at any depth below it. Images beside the folders of the identities
    are left out. Which files count, how they are read, and the settings' meaning are those of the reader
    `image_folder`. skip_single: leaves identities out that have one image, or one that can be read.

    An identity's split (if not given by a folder) and its place in the order depend on nothing but a hash of the seed
    and of its name, the place of an image among those of its identity on a hash of its path: a folder that is added
    moves no other identity to another split.

    Raises:
        InputError: there are no folders of images, some but not all of the splits' folders, an identity with one
            image, or a split with fewer than two identities; the shares do not sum to 1; or images cannot be read.
    """
    contents = folder_contents(one_path(raw, "path"))
    root = contents.root
    bases = split_bases(contents, "identities")
    found = _split(contents, bases, shares, seed)
    by_name = None if bases else seed
    kept = _with_several(root, found, (), skip_single, by_name)
    images = looked_at(
        root,
        [name for identities in kept.values() for names in identities.values() for name in names],
        image_size=image_size,
        background=background,
        colour=colour,
        value_range=value_range,
        skip_corrupt=skip_corrupt,
        max_pixels=max_pixels,
    )
    kept, read_first = _with_several(root, kept, set(images.left_out), skip_single, by_name), kept
    notes = [f"left out: {contents.left_out}"] if contents.left_out else []
    if outside := len(contents.images) - sum(len(names) for each in found.values() for names in each.values()):
        notes.append(f"left out: {outside:,} image{'s' * (outside > 1)} outside the folders of the identities")
    before, after = ({name for each in splits.values() for name in each} for splits in (found, kept))
    if single := sorted(before - after):
        notes.append(f"left out: identities with one image: {listed([*map(shown, single)])}")
    splits = {}
    for split, identities in kept.items():
        names = [name for images_of in identities.values() for name in images_of]
        left_out = {name for images_of in read_first[split].values() for name in images_of} & set(images.left_out)
        splits[split] = SplitImages(
            len(names),
            read_slices(images, names, split),
            tuple(sorted(left_out)),
            (*notes, *images.notes),
            identities=np.repeat(np.arange(len(identities)), [*map(len, identities.values())]),
            names=tuple(shown(composed(name.rpartition("/")[2])) for name in identities),
        )
    return splits


def _split(contents: Contents, bases: dict[str, str], shares: dict[str, float], seed: int) -> dict[str, Identities]:
    """Return the identities of each split, in their fixed random order, each with its images in theirs."""
    if bases:
        return {split: _ordered(_identities(contents, base), seed) for split, base in bases.items()}
    whole, bounds = _ordered(_identities(contents, ""), seed), split_bounds(shares, contents.root)
    splits: dict[str, Identities] = {split: {} for split in SPLITS}
    for folder, names in whole.items():
        at = _place(seed, folder)
        splits[next(split for split, (low, high) in bounds.items() if low <= at < high)][folder] = names
    return splits


def _place(seed: int, name: str) -> float:
    """Return the place of a name in [0, 1), the same in any form of Unicode."""
    return integer(seed, "identities", composed(name)) / 2**31


def _ordered(identities: Identities, seed: int) -> Identities:
    folders = sorted(identities, key=lambda folder: (_place(seed, folder), folder))
    return {folder: sorted(identities[folder], key=lambda name: (_place(seed, name), name)) for folder in folders}


def _identities(contents: Contents, base: str) -> Identities:
    """Return the images of each identity, whose folders lie in the folder `base`."""
    where = shown(contents.root / base)
    found = below(contents.images, base)
    directly = found.pop("", [])
    if not found:
        has = "has images, and no folders of images" if directly else "no images"
        also = f" (left out: {contents.left_out})" if contents.left_out else ""
        raise InputError(f"{where}: {has}; expected a folder for each identity, with two images or more in each{also}")
    if len({composed(folder) for folder in found}) < len(found):
        raise InputError(f"{where}: two folders have one name, in two forms of Unicode (NFC and NFD); rename one")
    if len(found) == 1:
        (folder,) = found
        inner = below(contents.images, f"{base}{folder}/")
        way = f"; if its folders are the identities, set path to {shown(contents.root / base / folder)}"
        raise InputError(
            f"{where}: one identity, {shown(folder)}; expected {_LEAST} or more in each split"
            f"{way if set(inner) - {''} and not base else ''}"
        )
    return {f"{base}{folder}": names for folder, names in found.items()}


def _with_several(
    root: Path, splits: dict[str, Identities], unreadable: Collection[str], skip_single: bool, by_name: int | None
) -> dict[str, Identities]:
    """Return the identities that have two images or more that can be read.

    Args:
        by_name: the seed, if identities are split by their names; None if by their folders.
    """
    kept, single = {}, []
    for split, identities in splits.items():
        readable = {folder: [name for name in names if name not in unreadable] for folder, names in identities.items()}
        kept[split] = {folder: names for folder, names in readable.items() if len(names) >= _LEAST}
        single += sorted(readable.keys() - kept[split].keys())
    if single and not skip_single:
        raise InputError(
            f"{shown(root)}: {len(single)} of {sum(map(len, splits.values()))} identities "
            f"{'have' if len(single) > 1 else 'has'} one image{' that can be read' * bool(unreadable)} "
            f"({listed([*map(shown, single)])}); expected {_LEAST} or more, since the two views of a pair show two. "
            "Add images, or set skip_single: true to leave these identities out"
        )
    if min(map(len, kept.values())) < _LEAST:
        raise _too_few(root, kept, by_name)
    return kept


def _too_few(root: Path, splits: dict[str, Identities], by_name: int | None) -> InputError:
    """Return the error of splits with too few identities; it says which shares would do, if names decide."""
    counts = ", ".join(f"{split} {len(identities)}" for split, identities in splits.items())
    total, need = sum(map(len, splits.values())), f"expected {_LEAST} or more in each"
    what = f"{total} {'identity' if total == 1 else 'identities'} with {_LEAST} images or more"
    if by_name is None:
        return InputError(f"{shown(root)}: its folders have {what}, {counts}; {need}: add identities")
    said = f"{shown(root)}: it has {what}, which names split into {counts}"
    places = sorted(_place(by_name, folder) for identities in splits.values() for folder in identities)
    if len(places) < _LEAST * len(SPLITS):
        return InputError(f"{said}; {need}: add identities, {_LEAST * len(SPLITS)} in all or more")
    fitting = _fitting_shares(places)
    text = ", ".join(f"{split}: {share:g}" for split, share in fitting.items())
    return InputError(
        f"{said}; {need}: lay them in the folders train, valid and test, or set shares: {{{text}}}, which fit these "
        "names"
    )


def _fitting_shares(places: list[float]) -> dict[str, float]:
    """Return shares, of as few digits as will do, that put two identities or more of sorted places into each split."""
    few = max(_LEAST, len(places) // 5)
    first, second = ((places[i - 1] + places[i]) / 2 for i in (len(places) - 2 * few, len(places) - few))
    for digits in range(1, 10):
        cuts = round(first, digits), round(second, digits)
        counts = np.histogram(places, [0, *cuts, 1])[0] if 0 < cuts[0] < cuts[1] < 1 else [0]
        if min(counts) >= _LEAST:
            break
    shares = cuts[0], cuts[1] - cuts[0], 1 - cuts[1]
    return {split: round(share, digits) for split, share in zip(SPLITS, shares)}
