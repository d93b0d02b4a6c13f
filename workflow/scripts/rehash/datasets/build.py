"""Conversion of raw files to the project's HDF5 layout, with one reader per format."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path

import numpy as np

from rehash.datasets.layout import write_dataset
from rehash.datasets.raw import path_checksum
from rehash.errors import InputError, unknown

log = logging.getLogger("rehash")

_READERS = Path(__file__).with_name("readers")


def build_dataset(
    output: str | Path,
    files: dict[str, str],
    *,
    name: str,
    reader: str,
    class_names: list[str] | None = None,
    image_size: int | None = None,
    checksum: str | None = None,
    source: str = "",
    licence: str = "",
) -> dict[str, str]:
    """Read raw files, write the dataset, and return notes for the provenance.

    `files` are paths by role; the role `path` is a local file or folder. The reader is the module of that name in
    rehash.datasets.readers. `checksum` is the MD5 expected of the local file or folder; the one that is found goes to
    the log. `class_names` take precedence over those that the format knows; without either, the classes are the numbers
    from 0 to the highest label of the train split.

    Raises:
        InputError: an unknown reader, a missing file, another checksum, a class without a sample in the train split,
            or raw files that are not what the reader and the layout need.
    """
    where = f"config: datasets.{name}"
    readers = [path.stem for path in _READERS.glob("*.py") if path.stem != "__init__"]
    if reader not in readers:
        raise unknown("reader", reader, readers, f"{where}.reader")
    if image_size is not None and reader != "image_folder":
        raise InputError(
            f"{where}.image_size: only the reader image_folder scales images, {reader} does not; leave it out"
        )
    for role, path in files.items():
        if not Path(path).exists():
            raise InputError(f"{where}: the {role} {path} does not exist")
    notes = _check_path(files.get("path"), checksum, where)
    # Imported by name, so that other datasets do not depend on the code of this reader (rehash.digest).
    read = importlib.import_module(f"rehash.datasets.readers.{reader}").read
    splits, known_names = read(files, image_size=image_size) if reader == "image_folder" else read(files)
    try:
        names = _class_names(splits["train"].labels, class_names or known_names, name)
        write_dataset(output, splits, name=name, source=source, licence=licence, class_names=names)
    except InputError as error:
        raise InputError(f"{error}; read from {', '.join(map(str, files.values())) or reader}") from error
    return notes


def _class_names(labels: np.ndarray, class_names: list[str] | None, name: str) -> list[str]:
    """Return the names as given, or the classes' numbers; raise an InputError if a class has no sample."""
    classes = len(class_names) if class_names else int(labels.max(initial=-1)) + 1
    absent = _first_absent(labels, classes)
    if absent is not None and len(labels):
        called = f" ('{class_names[absent]}')" if class_names else ""
        raise InputError(
            f"dataset {name}: class {absent}{called} has no example in the train split, whose labels go from "
            f"{labels.min()} to {labels.max()}; expected one of each class, 0 to {classes - 1}. class_names in the "
            "config sets the number of classes"
        )
    return class_names or [str(label) for label in range(classes)]


def _check_path(path: str | None, checksum: str | None, where: str) -> dict[str, str]:
    if path is None:
        if checksum is not None:
            raise InputError(f"{where}.checksum: is of a path, and there is none")
        return {}
    found = path_checksum(path)
    log.info("%s: its checksum is %s", path, found)
    if checksum not in (None, found):
        raise InputError(f"{where}.checksum: {path} has the checksum {found}, expected {checksum}")
    return {"path_checksum": found}


def _first_absent(labels: np.ndarray, classes: int) -> int | None:
    """Return the first class that no label names, or None; labels may have any size."""
    present = np.unique(labels[(labels >= 0) & (labels < classes)])
    if len(present) == classes:
        return None
    gaps = np.flatnonzero(present != np.arange(len(present)))
    return int(gaps[0]) if len(gaps) else len(present)
