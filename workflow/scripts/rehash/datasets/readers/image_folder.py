"""Reader of folders of images, one folder for each class."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.raw import one_path, visible_files
from rehash.errors import InputError
from rehash.seeds import stream

ENDINGS = frozenset(".png .jpg .jpeg .bmp .webp .tif .tiff .gif .ppm .pgm".split())
log = logging.getLogger("rehash")

_GREY = frozenset("1 L LA La I I;16 I;16L I;16B I;16N F".split())
_TEST_SHARE = 5


def read(files: dict[str, str], *, image_size: int | None = None) -> tuple[dict[str, Split], list[str]]:
    """Read images from train/<class>/* and test/<class>/*, or from <class>/* with a fixed fifth as the test split.

    Classes are the sorted folder names. Images (png jpg jpeg bmp webp tif tiff gif ppm pgm, at any depth; hidden files
    do not count) become uint8 (N, H, W) if all are grey, else (N, H, W, 3). Of 16 bits the upper 8 are kept, and of an
    animation the first image; transparency is dropped. With `image_size` each image is cropped to a square at its
    centre and scaled to a side of that many pixels; without it all images must have one size.

    The order of the items is fixed: they are shuffled within each class, and the classes are then mixed in their
    proportions throughout. Networks are trained on the first share of the train split, often on its first n items, so
    if the items were ordered by class, networks would never see the last classes.

    Raises:
        InputError: a folder has no images, the splits' classes differ, a file cannot be read, or sizes differ.
    """
    root = one_path(files, "path")
    if not root.is_dir():
        raise InputError(f"{root}: not a folder; expected a folder of folders of images")
    classes, images = _listed(root)
    everything = sorted(path for split in SPLITS for paths in images[split] for path in paths)
    grey, size = _survey(everything, image_size)
    return {split: _decoded(_interleaved(images[split]), grey, size) for split in SPLITS}, classes


def _listed(root: Path) -> tuple[list[str], dict[str, list[list[Path]]]]:
    """List the class names and, for each split, each class's files in their fixed random order."""
    if not _is_split(root):
        classes = _folders(root)
        images = {split: [] for split in SPLITS}
        for name in classes:
            paths = _images(root / name)
            if len(paths) < 2:
                raise InputError(f"{root / name}: one image; expected two or more, for the train and the test split")
            paths = _shuffled(paths, name)
            count = max(1, len(paths) // _TEST_SHARE)
            images["test"].append(paths[:count])
            images["train"].append(paths[count:])
        return classes, images
    found = {split: _folders(root / split) for split in SPLITS}
    classes = found["train"]
    if odd := sorted(set(classes) ^ set(found["test"])):
        has, lacks = SPLITS if odd[0] in classes else reversed(SPLITS)
        raise InputError(
            f"{root}: the class '{odd[0]}' has a folder in {has} and none in {lacks}; expected the same classes"
        )
    return classes, {s: [_shuffled(_images(root / s / name), name, s) for name in classes] for s in SPLITS}


def _is_split(root: Path) -> bool:
    """Return whether a folder holds the splits and not the classes (a class may be called train)."""
    there = [split for split in SPLITS if (root / split).is_dir()]
    if len(there) == 1 and any(path.is_dir() and not path.name.startswith(".") for path in (root / there[0]).iterdir()):
        raise InputError(f"{root}: has a folder {there[0]} of folders, but not both train and test")
    return len(there) == len(SPLITS)


def _folders(parent: Path) -> list[str]:
    names = sorted(path.name for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise InputError(f"{parent}: has no folders; expected one for each class")
    return names


def _images(folder: Path) -> list[Path]:
    paths = [path for path in visible_files(folder) if path.suffix.lower() in ENDINGS]
    if not paths:
        raise InputError(f"{folder}: no images; expected files that end in {' '.join(sorted(ENDINGS))}")
    return paths


def _shuffled(paths: list[Path], *names: str) -> list[Path]:
    return [paths[i] for i in stream(0, "image_folder", *names).permutation(len(paths))]


def _interleaved(by_class: list[list[Path]]) -> list[tuple[Path, int]]:
    """Mix the classes in about their proportions throughout: item r of a class of n is placed at (r + 1/2) / n."""
    placed = [
        ((rank + 0.5) / len(paths), label, path)
        for label, paths in enumerate(by_class)
        for rank, path in enumerate(paths)
    ]
    return [(path, label) for _, label, path in sorted(placed, key=lambda item: item[:2])]


def _survey(paths: list[Path], image_size: int | None) -> tuple[bool, tuple[int, int]]:
    """Return whether all images are grey, and the (width, height) that they get."""
    grey, first = True, None
    for path in paths:
        with opened_image(path) as image:
            if grey and not _is_grey(image):
                grey = False
                log.info("%s is in colour, so all images are read as RGB", path)
            first = first or image.size
            if image_size is None and image.size != first:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels, but {paths[0]} has {first[0]} x {first[1]}; set "
                    "image_size in the dataset's config to crop and scale all images to one size"
                )
    return grey, (image_size, image_size) if image_size else first


def _is_grey(image: Image.Image) -> bool:
    """Return whether an image is grey by its mode; a palette counts as grey if all its colours are."""
    if image.mode != "P" or image.palette is None:
        return image.mode in _GREY
    colours = np.frombuffer(image.palette.getdata()[1], np.uint8)
    rgb = colours.reshape(-1, len(image.palette.mode))[:, :3]
    return bool((rgb == rgb[:, :1]).all())


def _decoded(items: list[tuple[Path, int]], grey: bool, size: tuple[int, int]) -> Split:
    width, height = size
    images = np.empty((len(items), height, width) if grey else (len(items), height, width, 3), np.uint8)
    for row, (path, _) in enumerate(items):
        with opened_image(path) as image:
            converted = eight_bits(image, path).convert("L" if grey else "RGB")
        if converted.size != size:
            converted = ImageOps.fit(converted, size, Image.Resampling.BILINEAR)
        images[row] = np.asarray(converted)
    return Split(images, np.array([label for _, label in items], np.int64))


def eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """Reduce an image of 16 bits to the upper 8; Pillow's own conversion would make all values above 255 white."""
    if image.mode == "F":
        raise InputError(f"{path}: pixels are floating-point numbers; expected integers of 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise InputError(f"{path}: pixels from {values.min()} to {values.max()}; expected integers of 8 or 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


@contextlib.contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """Open an image for reading; whatever is wrong with the file becomes an InputError that names it."""
    try:
        # Reading from a file, Pillow would first take the memory for as many bytes as a damaged header says.
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            yield image
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not an image that Pillow can read") from error
    except Exception as error:  # Pillow's plugins raise errors of many types for bad bytes
        raise InputError(f"{path}: not an image that Pillow can read ({error})") from error
