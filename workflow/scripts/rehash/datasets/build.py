"""Conversion of raw files to the project's HDF5 layout, with one reader per format."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.layout import Split, check_dataset, write_dataset
from rehash.datasets.readers import check_settings, reader_settings
from rehash.datasets.samples import Found, drawn_splits, mixed, numbered
from rehash.datasets.scaling import scaled_images, scaled_vectors
from rehash.datasets.survey import surveyed
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_csv

log = logging.getLogger("rehash")


def build_dataset(
    output: str | Path,
    files: dict[str, str],
    *,
    name: str,
    reader: str,
    class_names: list[str] | None = None,
    first_label: int | None = None,
    shuffle: int | None = 0,
    test_share: float = 0.2,
    value_range: list[float] | None = None,
    scale: str | None = None,
    source: str = "",
    licence: str = "",
    content: Any = None,
    checksum: str | None = None,
    classes: str | Path | None = None,
    findings: str | Path | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Read raw files, look at what they hold, write the dataset, and return notes for the provenance.

    Args:
        files: paths by role; the role `path` is a local file or folder.
        reader: the module of that name in rehash.datasets.readers. settings: of the reader; None counts as left out.
        class_names, first_label: how labels become classes, see `rehash.datasets.samples.numbered`.
        shuffle: the seed with which samples are mixed (`rehash.datasets.samples.mixed`) and, if the data have no test
            split, drawn for it; None leaves samples in the order in which they stand.
        test_share: the share of each class that becomes the test split of data without one.
        value_range: the values that become black and white, see `rehash.datasets.scaling.scaled_images`.
        scale: how vectors are scaled, see `rehash.datasets.scaling.scaled_vectors`; None takes the reader's habit.
        content: the checksum of the path (`rehash.outside.content_digest`), for the log. checksum: the expected one.
        classes: where to write the table of classes: class, name, and the number of samples in each split.
        findings: where to write the table of what was found: kind (fact, note or warning) and text.

    Raises:
        InputError: an unknown reader or setting, a missing file, raw files that are not what the reader and the layout
            need, or data that cannot be right (`rehash.datasets.survey.surveyed`).
    """
    where = f"config: datasets.{name}"
    own = reader_settings(reader, where)
    if "value_range" in own:  # it scales by itself, since it cannot hold all unscaled
        settings["value_range"], value_range = value_range, None
    if "seed" in own:  # it draws samples
        settings["seed"] = shuffle or 0
    settings = {key: value for key, value in settings.items() if value is not None}
    check_settings(reader, settings, where)
    # Imported by name, so that other datasets do not depend on the code of this reader (rehash.digest).
    module = importlib.import_module(f"rehash.datasets.readers.{reader}")
    for role, path in files.items():
        if not Path(path).exists():
            raise InputError(f"{where}: the {role} {path} does not exist")
    _check_content(files.get("path"), content, checksum, where)
    try:
        found: Found = module.read(files, **settings)
        splits = drawn_splits(found.splits, test_share, stream(shuffle or 0, "test split"), where)
        labels, names = {split: of.labels for split, of in splits.items()}, found.class_names
        if not found.unseen:
            labels, names = numbered(labels, names, class_names, first_label, where)
        splits = {split: Split(of.inputs, labels[split]) for split, of in splits.items()}
        if shuffle is not None:
            splits = {split: mixed(of, stream(shuffle, "order", split)) for split, of in splits.items()}
        inputs, notes = _numbers({split: of.inputs for split, of in splits.items()}, found, value_range, scale, where)
        splits = {split: Split(inputs[split], of.labels) for split, of in splits.items()}
        check_dataset(splits, name, names)
        scaled = bool(notes) or settings.get("value_range") is not None
        warnings = surveyed(splits, names, where, scaled=scaled, unseen=found.unseen)
    except InputError as error:
        said = str(error) if where in str(error) else f"{where}: {error}"
        raise InputError(f"{said}; read from {', '.join(map(str, files.values())) or reader}") from error
    counts = {split: np.bincount(of.labels, minlength=len(names)) for split, of in splits.items()}
    said = [("fact", text) for text in _facts(splits, names)]
    said += [("note", text) for text in (*found.notes, *notes)] + [("warning", text) for text in warnings]
    for kind, text in said:
        log.log(logging.WARNING if kind == "warning" else logging.INFO, "%s: %s: %s", where, kind, text)
    if classes:
        write_csv(pd.DataFrame({"class": range(len(names)), "name": names, **counts}), classes)
    if findings:
        write_csv(pd.DataFrame(said, columns=["kind", "text"]), findings)
    write_dataset(output, splits, name=name, source=source, licence=licence, class_names=names)
    return {
        "samples": {split: int(count.sum()) for split, count in counts.items()},
        "classes": len(names),
        "input_shape": list(splits["train"].inputs.shape[1:]),
        "notes": [text for kind, text in said if kind == "note"],
        "warnings": warnings,
    }


def _check_content(path: str | None, content: Any, checksum: str | None, where: str) -> None:
    """Log the checksum of a local file or folder; raise an InputError if another one is expected."""
    if path is None:
        if checksum is not None:
            raise InputError(f"{where}.checksum: is of a path, and there is none")
        return
    log.info("%s: its checksum is %s", path, content)
    if checksum not in (None, content):
        raise InputError(f"{where}.checksum: {path} has the checksum {content}, expected {checksum}")


def _numbers(
    inputs: dict[str, np.ndarray], found: Found, value_range: list[float] | None, scale: str | None, where: str
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Make images of bytes, or vectors of numbers for a network; return them by split, and notes on what was done."""
    inputs, notes = found.encode(inputs) if found.encode else (inputs, [])
    if inputs["train"].ndim > 2:
        if scale is not None:
            raise InputError(f"{where}.scale: is for vectors, and these are images; leave it out, or set value_range")
        return scaled_images(inputs, value_range, where)
    if value_range is not None:
        raise InputError(f"{where}.value_range: is for images, and these are vectors; leave it out, or set scale")
    scale = scale or found.scale
    return scaled_vectors(inputs, scale), [*notes, f"vectors are scaled as scale: {scale} says"]


def _facts(splits: dict[str, Split], names: list[str]) -> list[str]:
    """Describe a dataset: how many samples, how large, of which classes, and their values."""
    train = splits["train"]
    shape = " x ".join(map(str, train.inputs.shape[1:]))
    what = f"images of {shape}" if train.are_images else f"vectors of {shape} numbers"
    *first, last = (f"{len(of.labels):,} {split}" for split, of in splits.items())
    numbers = f"{', '.join(first)} and {last}"
    low, high = (float(pick(train.inputs)) for pick in (np.min, np.max))
    return [f"{numbers} {what}, {len(names)} classes", f"values from {low:.4g} to {high:.4g} in the train split"]
