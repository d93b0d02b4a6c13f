"""Reader of folders of images, one folder for each class."""

from __future__ import annotations

from collections import Counter

import numpy as np

from rehash.datasets.class_folders import class_folders
from rehash.datasets.folders import folder_contents, shown
from rehash.datasets.image_files import MAX_PIXELS, ImageFiles, looked_at
from rehash.datasets.layout import Split
from rehash.datasets.raw import one_path
from rehash.datasets.samples import Found, listed
from rehash.errors import InputError
from rehash.progress import progress


def read(
    files: dict[str, str],
    *,
    image_size: int | None = None,
    background: str = "white",
    colour: str = "auto",
    value_range: list[float] | None = None,
    skip_corrupt: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Found:
    """Read images from train/<class>/* and test/<class>/*, or from <class>/*; a class is called as its folder.

    Which folders are the classes, and what they may be called, says `rehash.datasets.class_folders`; which files count,
    `rehash.datasets.folders`; how they are read and what the settings mean, `rehash.datasets.image_files.looked_at`.

    Returns:
        Images in the order of their names, uint8 (N, H, W) if all are grey, else (N, H, W, 3); labels are texts.

    Raises:
        InputError: the folder is not laid out so (names the folder that is meant, if that can be seen), images cannot
            be read, or a class has none.
    """
    contents = folder_contents(one_path(files, "path"))
    splits, notes = class_folders(contents)
    place = {name: (split, label) for split, of in splits.items() for label, names in of.items() for name in names}
    images = looked_at(
        contents.root,
        [name for name in contents.images if name in place],
        image_size=image_size,
        background=background,
        colour=colour,
        value_range=value_range,
        skip_corrupt=skip_corrupt,
        max_pixels=max_pixels,
    )
    taken = Counter(place[name] for name in images.names)
    for split, label in place.values():
        if not taken[split, label]:
            raise InputError(
                f"{shown(contents.root)}: none of the {len(splits[split][label])} images of the class '{label}'"
                f"{'' if split == 'all' else f' in {split}'} can be read; the log says why. Repair them, or remove the "
                "class's folder"
            )
    counts = Counter(place[name][1] for name in images.names)
    notes = [f"{len(counts)} classes: {listed([f'{label} {counts[label]:,}' for label in sorted(counts)])}", *notes]
    of_split = {split: [name for name in images.names if place[name][0] == split] for split in splits}
    return Found(
        {split: _read(images, names, place) for split, names in of_split.items()}, notes=[*notes, *images.notes]
    )


def _read(images: ImageFiles, names: list[str], place: dict[str, tuple[str, str]]) -> Split:
    inputs = np.empty((len(names), *images.shape), np.uint8)
    for row, name in enumerate(progress(names, "reading images", "image")):
        inputs[row] = images.read(name)
    return Split(inputs, np.array([place[name][1] for name in names]))
