"""The job that encodes a dataset by one source: the codes of its queries and of the gallery that they search."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from rehash.bits import pack
from rehash.code_files import SIDES, Coded, Side, input_ids, write_codes
from rehash.comparison.own_codes import read_own_codes
from rehash.datasets.layout import Dataset, Split
from rehash.encoders import BATCH, Encoder, Wanted, encoded
from rehash.errors import InputError
from rehash.figures.registry import load
from rehash.progress import progress
from rehash.store import file_digest
from rehash.training import Compute


def encode_source(
    dataset: str | Path,
    output: str | Path,
    source: dict[str, Any],
    compute: Compute,
    outside: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Encode a dataset's test split, the queries, and what they search, by each encoder of a source.

    One encoder's codes are in memory at a time. How long it took is said in the notes alone, since the file has the
    same bytes whenever it is made.

    Args:
        source: name, kind; open ("module:function" of the opener; "" for codes of a user's own) and settings, its
            second argument; seed, dataset (its name) and where (the key of the config that asks); sizes, how many
            samples there must be on each side (`check_sizes`), and protocol, the name of what says so; encoders, for
            each its bits (0 of real numbers), repeat and files (paths by role).
        outside: paths of more files of each encoder, from outside, by role.

    Returns:
        Notes for the provenance: device; encoding, for each encoder by "bits/repeat" the seconds that it took for all
        inputs and their number; digests.

    Raises:
        InputError: an encoder cannot be opened, or gives numbers that are not finite, or another number of them than
            bits are wanted.
    """
    if not source["open"]:
        return read_own_codes(list(outside.values()), dataset, output, source)
    device, images, took = compute.start(), Dataset.read(dataset), {}
    check_sizes(images, source)
    about = {key: source[key] for key in ("dataset", "seed", "where")}
    splits = dict(zip(SIDES, (images.test, images.searched)))

    def coded() -> Iterator[Coded]:
        for entry in progress(source["encoders"], source["name"], "encoder"):
            wanted = Wanted.of(images, entry["bits"], entry["repeat"], device, **about)
            encoder = load(source["open"])({**entry["files"], **outside}, source["settings"], wanted)
            for _ in encoded(encoder, images.test.inputs[:BATCH], device):
                pass  # what is done once, by the first batch, is no part of the time
            sides = {name: encode_side(encoder, splits[name], name, wanted) for name in SIDES}
            took[f"{wanted.bits}/{wanted.repeat}"] = {
                "seconds": round(sum(seconds for _, seconds in sides.values()), 6),
                "inputs": sum(len(split.labels) for split in splits.values()),
            }
            yield Coded(wanted.bits, wanted.repeat, **{name: codes for name, (codes, _) in sides.items()})

    write_codes(
        output,
        {name: Side(split.labels, input_ids(split.inputs)) for name, split in splits.items()},
        coded(),
        {
            "source": source["name"],
            "kind": source["kind"],
            "dataset": source["dataset"],
            "data": images.checksum,
            "class_names": images.class_names,
            "train": len(images.train.labels),
        },
    )
    files = {str(path) for entry in source["encoders"] for path in (*entry["files"].values(), *outside.values())}
    digests = images.digests | {path: file_digest(path) for path in sorted(files)}
    return {"device": str(device), "encoding": took, "digests": digests}


def check_sizes(images: Dataset, source: Mapping[str, Any]) -> None:
    """Raise an InputError if a dataset has other numbers of samples than its retrieval protocol says.

    Args:
        source: sizes, by queries, train and gallery, as far as the protocol says them; protocol, its name; dataset.
    """
    splits = {"queries": images.test, "train": images.train, "gallery": images.searched}
    for what, wanted in (source.get("sizes") or {}).items():
        found = len(splits[what].labels)
        if found != wanted:
            raise InputError(
                f"config: comparison.retrieval.{source['dataset']}: the protocol {source['protocol']} has {wanted:,} "
                f"{what}, and the dataset {found:,}; name a protocol of these sizes, or split, which takes any"
            )


def encode_side(encoder: Encoder, split: Split, side: str, wanted: Wanted) -> tuple[np.ndarray, float]:
    """Encode all inputs of a split, batch by batch.

    Returns:
        Packed codes, uint8 (N, ceil(bits / 8)), or real numbers, float32 (N, D); and the seconds that the encoder took.

    Raises:
        InputError: a number is not finite, or there are not as many as bits.
    """
    codes, at, seconds = None, 0, 0.0
    batches = encoded(encoder, split.inputs, wanted.device)
    while at < len(split.labels):
        start = time.perf_counter()
        logits = next(batches)
        seconds += time.perf_counter() - start
        _check(logits, at, side, wanted)
        rows = logits if wanted.real else pack(logits > 0)
        if codes is None:
            codes = np.empty((len(split.labels), rows.shape[1]), rows.dtype)
        codes[at : at + len(rows)] = rows
        at += len(rows)
    return codes, seconds


def _check(logits: np.ndarray, at: int, side: str, wanted: Wanted) -> None:
    if not wanted.real and logits.shape[1] != wanted.bits:
        raise InputError(
            f"{wanted.where}: its encoder gives {logits.shape[1]} numbers; expected {wanted.bits}, a bit each"
        )
    if not np.isfinite(logits).all():
        row = at + int(np.flatnonzero(~np.isfinite(logits).all(1))[0])
        raise InputError(
            f"{wanted.where}: {wanted.bits} bits, repeat {wanted.repeat}: input {row} of the {side} gives NaN or "
            "infinity; expected finite numbers. If a network of the source diverged in its training, see its history, "
            "and lower its learning rate"
        )
