"""The job that reads codes that others computed: of queries and a gallery, by whatever method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rehash.bits import pack
from rehash.code_files import SIDES, Coded, Side, input_ids, write_codes
from rehash.datasets.layout import Dataset
from rehash.datasets.raw import plain_labels
from rehash.datasets.readers import hdf5, npz
from rehash.errors import InputError, unknown
from rehash.store import file_digest

_READERS = {".npz": npz.arrays_of, ".h5": hdf5.arrays_of, ".hdf5": hdf5.arrays_of}
_PREFIX = dict(zip(SIDES, ("query", "gallery")))
_IN_DATASET = dict(zip(SIDES, ("the test split", "what queries search (the gallery, or the train split)")))


@dataclass(frozen=True)
class OwnCodes:
    """What one file has, by side.

    Attributes:
        codes: as they stand in the file, (N, K). labels: int64 or texts (N,).
        ids: int64 or texts (N,), equal for equal inputs; None if the file has none.
    """

    codes: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    ids: dict[str, np.ndarray] | None


def read_own_codes(
    paths: list[str | Path], dataset: str | Path | None, output: str | Path, source: dict[str, Any]
) -> dict[str, Any]:
    """Read files of codes, .npz or .h5, and write them as a file of `rehash.code_files`.

    Each has query_codes and gallery_codes, (N, K), of 0 and 1, of truth values, of -1 and 1, or of real numbers, with
    query_labels and gallery_labels, (N,), integers or texts; and perhaps query_ids and gallery_ids, (N,), equal for
    equal inputs. Nothing is unpickled. Files of one length of codes are repeats, in the order of `paths`.

    Args:
        dataset: whose test split the queries are, and what they search the gallery, in the same order; None takes
            labels and ids from the files. Without ids there, either, no query is known to be in the gallery.
        source: name; kind; settings with real, whether the numbers are compared by their cosine and not their signs;
            dataset (its name, or None) and where, the key of the config that asks.

    Returns:
        Notes for the provenance: digests.

    Raises:
        InputError: a file is something else or lacks an array; values, shapes or labels are not as above, or not those
            of the dataset; names the file and the array.
    """
    images = Dataset.read(dataset) if dataset else None
    first = read_arrays_of(paths[0])
    sides, class_names = _of_dataset(first, images, paths[0]) if images else _of_file(first)

    def coded() -> Iterator[Coded]:
        repeats: Counter[int] = Counter()
        for path in paths:
            own = read_arrays_of(path)
            for side in SIDES:
                if not np.array_equal(own.labels[side], first.labels[side]):
                    raise InputError(
                        f"{path}: its {_PREFIX[side]}_labels are not those of {paths[0]}; expected files of one source "
                        f"({source['where']}) to have the same inputs in the same order"
                    )
            if source["settings"]["real"]:
                bits, codes = 0, {side: _real(own.codes[side], f"{path}: {_PREFIX[side]}_codes") for side in SIDES}
            else:
                bits, codes = own.codes["queries"].shape[1], _packed(own.codes, path, source["where"])
            yield Coded(bits, repeats[bits], **codes)
            repeats[bits] += 1

    about = {
        "source": source["name"],
        "kind": source["kind"],
        "dataset": source["dataset"],
        "data": images.checksum if images else None,
        "class_names": class_names,
        "copies_known": images is not None or first.ids is not None,
    }
    write_codes(output, sides, coded(), about)
    return {"digests": {str(path): file_digest(path) for path in paths} | (images.digests if images else {})}


def read_arrays_of(path: str | Path) -> OwnCodes:
    """Read the arrays of one file of codes, and check their shapes and types.

    Raises:
        InputError: see `read_own_codes`.
    """
    ending = Path(path).suffix.lower()
    if ending not in _READERS:
        raise unknown("kind of file", ending or "without an ending", _READERS, f"{path}")
    with _READERS[ending](Path(path)) as (names, get):
        missing = [name for side in SIDES for name in _names(side)[:2] if name not in names]
        if missing:
            raise InputError(
                f"{path}: lacks {', '.join(missing)}; expected query_codes, query_labels, gallery_codes and "
                f"gallery_labels; found {', '.join(sorted(names)) or 'no array'}"
            )
        with_ids = [name in names for name in (_names(side)[2] for side in SIDES)]
        if any(with_ids) and not all(with_ids):
            raise InputError(f"{path}: has ids of one side alone; expected query_ids and gallery_ids, or neither")
        codes, labels, ids = {}, {}, {}
        for side in SIDES:
            names_of = _names(side)
            codes[side] = _checked(get(names_of[0]), f"{path}: {names_of[0]}")
            for name, held in zip(names_of[1:], (labels, ids) if all(with_ids) else (labels,)):
                held[side] = plain_labels(get(name), f"{path}: {name}")
                if len(held[side]) != len(codes[side]):
                    raise InputError(
                        f"{path}: {name} has {len(held[side])} entries and {names_of[0]} {len(codes[side])} rows; "
                        "expected as many"
                    )
    for what, held in (("labels", labels), ("ids", ids)):
        if len({array.dtype.kind for array in held.values()}) > 1:
            raise InputError(f"{path}: {what} of one side are texts and of the other numbers; expected one kind")
    lengths = {side: codes[side].shape[1] for side in SIDES}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"{path}: query_codes have {lengths['queries']} columns and gallery_codes {lengths['gallery']}; expected "
            "as many"
        )
    return OwnCodes(codes, labels, ids or None)


def _names(side: str) -> tuple[str, str, str]:
    """Return the names that a side's codes, labels and ids have in a file."""
    prefix = _PREFIX[side]
    return f"{prefix}_codes", f"{prefix}_labels", f"{prefix}_ids"


def _checked(codes: np.ndarray, where: str) -> np.ndarray:
    if codes.dtype.kind not in "biuf" or codes.ndim != 2 or 0 in codes.shape:
        raise InputError(f"{where}: {codes.dtype} {codes.shape}; expected numbers (N, K), a row for each input")
    return codes


def _real(codes: np.ndarray, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        found = codes.astype(np.float32)
    if not np.isfinite(found).all():
        row, column = np.argwhere(~np.isfinite(found))[0]
        raise InputError(
            f"{where}: row {row}, column {column} is {codes[row, column]}; expected finite numbers within float32's "
            "range"
        )
    return found


def _packed(codes: dict[str, np.ndarray], path: str | Path, where: str) -> dict[str, np.ndarray]:
    """Pack codes of 0 and 1, or of -1 and 1, the same of both sides."""
    for low in (0, -1):
        if all(((found == low) | (found == 1)).all() for found in codes.values()):
            return {side: pack(found > 0) for side, found in codes.items()}
    for side, found in codes.items():
        wrong = np.argwhere((found != 0) & (np.abs(found.astype(np.float64)) != 1))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"{path}: {_PREFIX[side]}_codes: row {row}, column {column} is {found[row, column]}; expected 0 and 1, "
                f"or -1 and 1. Real numbers need real: true in {where}; of codes packed into bytes save "
                "numpy.unpackbits(codes, axis=1)"
            )
    raise InputError(
        f"{path}: its codes have 0 and -1; expected 0 and 1, or -1 and 1, the same in query_codes and gallery_codes. "
        "If they are signs, a 0 is a tie: save codes > 0"
    )


def _of_file(own: OwnCodes) -> tuple[dict[str, Side], list[str]]:
    """Number the classes of a file from 0 on, in the order of their names or numbers; and give each input an id."""
    names, labels = np.unique(np.concatenate([own.labels[side] for side in SIDES]), return_inverse=True)
    if own.ids:
        ids = input_ids(np.concatenate([own.ids[side] for side in SIDES])[:, None])
    else:
        ids = np.arange(len(labels), dtype=np.uint64)
    n = len(own.labels["queries"])
    parts = dict(zip(SIDES, (slice(None, n), slice(n, None))))
    sides = {side: Side(labels[part].astype(np.int64), ids[part]) for side, part in parts.items()}
    return sides, list(map(str, names.tolist()))


def _of_dataset(own: OwnCodes, images: Dataset, path: str | Path) -> tuple[dict[str, Side], list[str]]:
    """Return a dataset's sides and classes, after checking that the file's labels are its labels, in its order."""
    sides = {}
    for side, split in zip(SIDES, (images.test, images.searched)):
        name, found = f"{_PREFIX[side]}_labels", own.labels[side]
        if found.dtype.kind == "U":
            numbers = {each: number for number, each in enumerate(images.class_names)}
            for each in np.unique(found):
                if each not in numbers:
                    raise unknown("class", each, numbers, f"{path}: {name}")
            found = np.array([numbers[each] for each in found.tolist()], np.int64)
        if len(found) != len(split.labels):
            raise InputError(
                f"{path}: {name} has {len(found)} entries; {_IN_DATASET[side]} of {images.path} has "
                f"{len(split.labels)}: expected a row for each, in its order"
            )
        wrong = np.flatnonzero(found != split.labels)
        if len(wrong):
            raise InputError(
                f"{path}: {name}: row {wrong[0]} is of class {found[wrong[0]]}, which in {_IN_DATASET[side]} of "
                f"{images.path} is of class {split.labels[wrong[0]]} ({len(wrong)} of {len(found)} rows differ); "
                "expected the dataset's order"
            )
        sides[side] = Side(split.labels, input_ids(split.inputs))
    return sides, images.class_names
