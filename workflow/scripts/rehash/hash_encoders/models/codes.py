"""The codes of a network's layers: what they are, their file, and the settings that they depend on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rehash.datasets.layout import Dataset, Split
from rehash.errors import InputError
from rehash.hash_encoders.networks_file import training_inputs
from rehash.hdf5 import read_attributes, unsealed

ALL_LAYERS = "all layers"  # the name of the code of all nodes together
DIGEST = 16  # bytes of a checksum
GROWING = ("digests", "bits", "values", "predicted")  # arrays with a row for each input
_WHAT = "codes of a network's layers"


@dataclass(frozen=True)
class Code:
    """One kind of code of a layer, or of all layers together.

    Attributes:
        node: the layer's name, or ALL_LAYERS. place: its place from 1 on; 0 for all layers.
        pool: none, any or sum. share: of the channels (see the config's schema for both).
        size: the number of its bits, or of its numbers (sum).
        kept: how many of these are kept.
        start: the first of its columns, among the bytes of all codes of bits, or the numbers of all that are sums.
    """

    node: str
    place: int
    pool: str
    share: float
    size: int
    kept: int
    start: int

    @property
    def real(self) -> bool:
        """Return whether the code is of real numbers."""
        return self.pool == "sum"

    @property
    def columns(self) -> slice:
        return slice(self.start, self.start + (self.kept if self.real else -(-self.kept // 8)))


@dataclass(frozen=True)
class Wanted:
    """Which codes are taken: fields of a block of hash_encoders.layers."""

    pool: tuple[str, ...]
    bits: tuple[float, ...]
    max_bits: int


@dataclass(frozen=True)
class LayerCodes:
    """The codes of a file of `write_codes`; rows are the train samples, then the test samples.

    Attributes:
        codes: what was taken. varying: for each code how many bits are not the same for all inputs.
        train: how many rows are of train samples. The others are as in `Encoding`.
    """

    codes: list[Code]
    varying: list[int]
    train: int
    digests: np.ndarray
    bits: np.ndarray
    values: np.ndarray
    predicted: np.ndarray

    @classmethod
    def read(cls, path: str | Path) -> LayerCodes:
        """Read a file of `write_codes`.

        Raises:
            InputError: the file is something else, or damaged.
        """
        with unsealed(path, _WHAT) as file:
            about = read_attributes(file)
            arrays = {name: file[name][()] for name in GROWING}
        found = json.loads(about["codes"])
        varying = [entry.pop("varying") for entry in found]
        return cls([Code(**entry) for entry in found], varying, int(about["train"]), **arrays)

    def of(self, number: int) -> np.ndarray:
        """Return the kept part of a code: packed bits, uint8 (N, ceil(kept / 8)), or numbers, float32 (N, kept)."""
        code = self.codes[number]
        return np.ascontiguousarray((self.values if code.real else self.bits)[:, code.columns])


@dataclass(frozen=True)
class LayersEncoding:
    """The settings that the codes of one network depend on besides its files and the data.

    Attributes:
        keys: dataset, model, state (trained or untrained), repeat.
        model: the block of hash_encoders.models.
        nodes: see the config's schema.
        wanted: the fields of `Wanted`.
        samples: for each split how many samples are encoded, the first ones; None is all.
        train_share: the share of the train split that networks are trained on.
        seed: of all random streams.
    """

    keys: dict[str, Any]
    model: dict[str, Any]
    nodes: str | list[str]
    wanted: dict[str, Any]
    samples: dict[str, int | None]
    train_share: float
    seed: int


def shown_splits(images: Dataset, samples: dict[str, int | None], train_share: float) -> dict[str, Split]:
    """Return the samples of both splits that codes are measured on.

    Raises:
        InputError: a split has fewer than two.
    """
    splits = {"train": training_inputs(images.train, train_share), "test": images.test}
    found = {
        name: Split(split.inputs[: samples[name]], split.labels[: samples[name]]) for name, split in splits.items()
    }
    for name, split in found.items():
        if len(split.labels) < 2:
            raise InputError(f"{images.path}: {len(split.labels)} {name} samples; expected at least 2")
    return found
