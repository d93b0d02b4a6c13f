"""The cells of a study: what one group of repeats is trained on, and how that differs from the protocol."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.hash_encoders.protocols import Protocol
from rehash.seeds import stream

BATCH_NORM = {
    "momentum": 0.01,
    "eps": 1e-3,
}  # where a cell asks for it and its protocol has none: the scripts' settings


@dataclass(frozen=True)
class Cell:
    """One configuration of a study; None leaves what the protocol or the dataset says.

    Attributes:
        sample_size: only the first so many training inputs.
        tiled: whether an epoch repeats a small sample until it has about as many steps as with all inputs.
        label_noise: share of the training labels that are permuted among themselves.
        instance_noise: share of the training inputs that are replaced by uniform noise.
        l2, batch_norm, dropout: instead of the protocol's.
        epochs: networks are kept after each of these (0: before training) and trained to the last without stopping
            early; None keeps only the ends of a training (see `untrained`).
        untrained: keep the networks before training, too.
    """

    sample_size: int | None = None
    tiled: bool = True
    label_noise: float = 0.0
    instance_noise: float = 0.0
    l2: float | None = None
    batch_norm: bool | None = None
    dropout: float | None = None
    epochs: tuple[int, ...] | None = None
    untrained: bool = False

    @classmethod
    def of(cls, factors: dict[str, Any]) -> Cell:
        """From a dictionary as the config or a file's metadata has it.

        Raises:
            InputError: a share outside [0, 1], or no epoch to train to.
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
        """The protocol with this cell's own settings."""
        changes: dict[str, Any] = {}
        if self.l2 is not None:
            changes["l2"] = self.l2
        if self.dropout is not None:
            changes["dropout"] = self.dropout
        if self.batch_norm is not None:
            changes["batch_norm"] = (protocol.batch_norm or BATCH_NORM) if self.batch_norm else None
        if self.epochs is not None:
            changes |= {"epochs": max(self.epochs), "patience": None}
        return replace(protocol, **changes)

    def inputs(self, total: int, dataset: str) -> int:
        """How many of `total` training inputs the cell takes.

        Raises:
            InputError: more than there are, or less than 2.
        """
        n = total if self.sample_size is None else self.sample_size
        if not 2 <= n <= total:
            raise InputError(
                f"config: hash_encoders: sample size {n} of dataset {dataset}; expected 2 to {total}, its training "
                "inputs"
            )
        return n

    def passes(self, total: int, inputs: int) -> int:
        """Times an epoch sees each of `inputs` of `total` training inputs: floor(total / inputs), or once."""
        return total // inputs if self.tiled else 1

    def snapshots(self) -> tuple[int, ...]:
        """Epochs after which networks are kept besides the end."""
        return self.epochs if self.epochs is not None else (0,) * self.untrained

    def columns(self, protocol: Protocol, inputs: int) -> dict[str, Any]:
        """The factors as columns of a table, with the values that were in force."""
        protocol = self.protocol(protocol)
        return {
            "sample_size": inputs,
            "l2": float(protocol.l2),
            "batch_norm": protocol.batch_norm is not None,
            "dropout": float(protocol.dropout),
            "label_noise": float(self.label_noise),
            "instance_noise": float(self.instance_noise),
        }


def cohort_name(keys: dict[str, Any]) -> tuple[str, ...]:
    """What the random streams of a cohort are named by: its networks' data, shape and protocol.

    Neither the study nor a cell's factors: repeat r starts from the same network and sees the same order everywhere, so
    that studies can be compared network by network.
    """
    return ("hash_encoders", *(f"{key}={keys[key]}" for key in ("dataset", "depth", "layer_width", "protocol")))


@dataclass(frozen=True)
class Sample:
    """What a cell is trained on: images uint8 (n, ...); labels int64 (n,) as trained on, and the true ones."""

    images: np.ndarray
    labels: np.ndarray
    true_labels: np.ndarray
    passes: int  # times each input is seen in an epoch


def sample(cell: Cell, train: Split, *, seed: int, dataset: str) -> Sample:
    """The cell's training inputs and labels.

    An epoch sees the first n inputs floor(N / n) times, so that it has about as many steps for every n (He et al. 2021,
    the scripts), or once where the cell is not tiled. Noise is the same for all repeats and nested: what a share
    corrupts, a larger one corrupts as well, in the same way for pixels; labels are permuted among the corrupted items.

    Raises:
        InputError: the cell asks for more inputs than there are.
    """
    total = len(train.labels)
    n = cell.inputs(total, dataset)
    images, labels = train.images[:n], train.labels[:n]
    noisy = labels
    if cell.label_noise:
        rows = _corrupted(cell.label_noise, n, seed, dataset, "label_noise")
        noisy = labels.copy()
        noisy[rows] = labels[stream(seed, "hash_encoders", dataset, "permuted_labels").permutation(rows)]
    if cell.instance_noise:
        rows = _corrupted(cell.instance_noise, n, seed, dataset, "instance_noise")
        images = images.copy()
        rng = stream(seed, "hash_encoders", dataset, "noise_pixels")
        for row in rows:  # in the fixed order, so that a larger share draws the same pixels first
            images[row] = rng.integers(0, 256, images.shape[1:], dtype=np.uint8)
    return Sample(images, noisy, labels, cell.passes(total, n))


def _corrupted(share: float, n: int, seed: int, dataset: str, kind: str) -> np.ndarray:
    """The first round(share * n) of a fixed order of all items."""
    return stream(seed, "hash_encoders", dataset, kind).permutation(n)[: round(share * n)]
