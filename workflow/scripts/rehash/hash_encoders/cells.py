"""The cells of a study: what one group of repeats is trained on, and which settings differ from the protocol's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.hash_encoders.protocols import Protocol
from rehash.seeds import stream

# The public scripts' settings, for a cell that asks for BatchNorm or for changed images where its protocol has none.
# (The scripts of convolutional networks mirror images, too; a mirrored digit is another sign.)
BATCH_NORM = {"momentum": 0.01, "eps": 1e-3}
AUGMENTATION = {"rotation": 15, "shift": 0.1, "flip": False}


@dataclass(frozen=True)
class Cell:
    """One configuration of a study; None keeps the setting of the protocol or the dataset.

    Attributes:
        sample_size: how many training inputs are used, the first ones.
        tiled: whether an epoch repeats a small sample until it has about as many steps as with all inputs.
        label_noise: share of the training labels that are permuted among themselves.
        instance_noise: share of the training inputs that are replaced by uniform noise.
        l2, weight_decay, dropout, activation: replace the protocol's settings.
        batch_norm, augmentation: whether there is any, by the protocol's settings or, where it has none, by those here.
        patience: replaces the protocol's; False never stops early.
        epochs: networks are kept after each of these (0: before training) and trained to the last without stopping
            early; None keeps only the networks at the end of training (and before it, see `untrained`).
        untrained: whether the networks before training are kept, too.
    """

    sample_size: int | None = None
    tiled: bool = True
    label_noise: float = 0.0
    instance_noise: float = 0.0
    l2: float | None = None
    weight_decay: float | None = None
    batch_norm: bool | None = None
    dropout: float | None = None
    activation: str | None = None
    augmentation: bool | None = None
    patience: int | Literal[False] | None = None
    epochs: tuple[int, ...] | None = None
    untrained: bool = False

    @classmethod
    def of(cls, factors: dict[str, Any]) -> Cell:
        """Make a cell from a dictionary of its fields, as the config or a file's metadata has it.

        Raises:
            InputError: a field is unknown, a share is outside [0, 1], or epochs has none above 0.
        """
        unknown = set(factors) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"cell: unknown factor {sorted(unknown)[0]}")
        cell = cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in factors.items()})
        for name in ("label_noise", "instance_noise"):
            if not 0 <= getattr(cell, name) <= 1:
                raise InputError(f"cell: {name} is {getattr(cell, name)}; expected a share from 0 to 1")
        if cell.epochs is not None and not any(cell.epochs):
            raise InputError("cell: epochs has none to train to; expected at least one above 0")
        return cell

    def protocol(self, protocol: Protocol) -> Protocol:
        """Return the protocol with this cell's own settings in place."""
        own = {name: getattr(self, name) for name in ("l2", "weight_decay", "dropout", "activation")}
        changes: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        for name, default in (("batch_norm", BATCH_NORM), ("augmentation", AUGMENTATION)):
            if (wanted := getattr(self, name)) is not None:
                changes[name] = (getattr(protocol, name) or default) if wanted else None
        if self.patience is not None:
            changes["patience"] = self.patience or None
        if self.epochs is not None:
            changes |= {"epochs": max(self.epochs), "patience": None}
        return replace(protocol, **changes)

    def inputs(self, total: int, dataset: str) -> int:
        """Return how many of `total` training inputs the cell uses.

        Raises:
            InputError: the cell asks for more inputs than there are, or for less than 2.
        """
        n = total if self.sample_size is None else self.sample_size
        if not 2 <= n <= total:
            raise InputError(
                f"config: hash_encoders: sample size {n} of dataset {dataset}; expected 2 to {total}, its training "
                "inputs"
            )
        return n

    def passes(self, total: int, inputs: int) -> int:
        """Return how often an epoch shows each of the cell's inputs: floor(total / inputs) if tiled, else 1."""
        return total // inputs if self.tiled else 1

    def snapshots(self) -> tuple[int, ...]:
        """Return the epochs after which networks are kept, besides the end of training."""
        return self.epochs if self.epochs is not None else (0,) * self.untrained

    def columns(self, protocol: Protocol, inputs: int) -> dict[str, Any]:
        """Return the factors as columns of a table, with the values that the training used.

        A training that does not stop early has infinite patience.
        """
        protocol = self.protocol(protocol)
        return {
            "sample_size": inputs,
            "l2": float(protocol.l2),
            "weight_decay": float(protocol.weight_decay),
            "batch_norm": protocol.batch_norm is not None,
            "dropout": float(protocol.dropout),
            "activation": protocol.activation,
            "augmentation": protocol.augmentation is not None,
            "patience": math.inf if protocol.patience is None else float(protocol.patience),
            "label_noise": float(self.label_noise),
            "instance_noise": float(self.instance_noise),
        }


def cohort_name(keys: dict[str, Any]) -> tuple[str, ...]:
    """Return the name of a cohort's random streams, made of its dataset, depth, layer width and protocol.

    The study and a cell's factors are not part of it: repeat r starts from the same network and sees the same order of
    inputs in all of them, so that studies can be compared network by network.
    """
    return ("hash_encoders", *(f"{key}={keys[key]}" for key in ("dataset", "depth", "layer_width", "protocol")))


@dataclass(frozen=True)
class Sample:
    """The training data of a cell: inputs as in `Split`; labels int64 (n,), as trained on, and true_labels."""

    inputs: np.ndarray
    labels: np.ndarray
    true_labels: np.ndarray
    passes: int  # how often an epoch shows each input


def sample(cell: Cell, train: Split, *, seed: int, dataset: str) -> Sample:
    """Select the cell's training inputs and labels, and add its noise.

    An epoch shows the first n of N inputs floor(N / n) times, so that it has about as many steps for every n (He et al.
    2021, the public scripts), or once if the cell is not tiled. Noise is the same for all repeats, and nested: the
    items that a share corrupts are corrupted by a larger share as well. Noisy pixels are then the same, too; labels are
    permuted among the corrupted items.

    Raises:
        InputError: the cell asks for more inputs than there are.
    """
    total = len(train.labels)
    n = cell.inputs(total, dataset)
    inputs, labels = train.inputs[:n], train.labels[:n]
    noisy = labels
    if cell.label_noise:
        rows = _corrupted(cell.label_noise, n, seed, dataset, "label_noise")
        noisy = labels.copy()
        noisy[rows] = labels[stream(seed, "hash_encoders", dataset, "permuted_labels").permutation(rows)]
    if cell.instance_noise:
        rows = _corrupted(cell.instance_noise, n, seed, dataset, "instance_noise")
        noise = _noise(inputs, stream(seed, "hash_encoders", dataset, "noise_pixels"))
        inputs = inputs.copy()
        for row in rows:  # in the fixed order, so that a larger share draws the same pixels first
            inputs[row] = noise()
    return Sample(inputs, noisy, labels, cell.passes(total, n))


def _noise(inputs: np.ndarray, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Return a function that draws an input of noise: bytes from 0 to 255, or each number between its column's ends."""
    if inputs.dtype == np.uint8:
        return lambda: rng.integers(0, 256, inputs.shape[1:], dtype=np.uint8)
    low, high = inputs.min(0), inputs.max(0)
    return lambda: low + (high - low) * rng.random(inputs.shape[1:], dtype=np.float32)


def _corrupted(share: float, n: int, seed: int, dataset: str, kind: str) -> np.ndarray:
    """Return the indices of the corrupted items: the first round(share * n) of a fixed order of all items."""
    return stream(seed, "hash_encoders", dataset, kind).permutation(n)[: round(share * n)]
