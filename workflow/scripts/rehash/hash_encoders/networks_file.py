"""Files of trained networks, and the choice of the training inputs, which the wing's jobs share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rehash.datasets.layout import Split
from rehash.errors import InputError, unreadable
from rehash.hash_encoders.cells import Cell
from rehash.hash_encoders.networks import Tensors
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.trained import Trained
from rehash.store import write_bytes
from rehash.tensors import pack_tensors, read_tensors


def training_inputs(split: Split, train_share: float) -> Split:
    """Return the first `train_share` of a train split (the rest is for validation).

    Raises:
        InputError: the share is not in (0, 1], or leaves less than two inputs.
    """
    if not 0 < train_share <= 1 or (stop := round(train_share * len(split.labels))) < 2:
        raise InputError(
            f"config: hash_encoders.train_share, or that of the study: {train_share} of {len(split.labels)} inputs "
            "leaves nothing to train on"
        )
    return Split(split.inputs[:stop], split.labels[:stop])


def write_networks(path: str | Path, cells: list[Trained], identity: dict[str, Any]) -> None:
    """Write a safetensors file of tensors `cell/snapshot/name` (R, ...) with their identity (see `rehash.tensors`)."""
    tensors = {
        f"{i}/{snapshot}/{name}": tensor
        for i, trained in enumerate(cells)
        for snapshot, network in trained.networks.items()
        for name, tensor in network.items()
    }
    epochs = [trained.epochs for trained in cells]
    write_bytes(pack_tensors(tensors, {**identity, "epochs": epochs}), path)


def read_networks(path: str | Path) -> tuple[list[dict[str, Tensors]], dict[str, Any]]:
    """Read a networks file: for each cell its snapshots (name -> stacked tensors), and the file's identity.

    Raises:
        InputError: the file is damaged, or not one that `write_networks` wrote.
    """
    try:
        tensors, identity = read_tensors(path)
        cells = [{snapshot: {} for snapshot in epochs} for epochs in identity["epochs"]]
        for key, tensor in tensors.items():
            cell, snapshot, name = key.split("/", 2)
            cells[int(cell)][snapshot][name] = tensor
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise unreadable(
            error,
            path,
            f"not a networks file of rehash, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}",
        ) from error
    return cells, identity


def read_member(
    path: str | Path, repeat: int, state: str, data: str, where: str
) -> tuple[Tensors, Protocol, dict[str, Any]]:
    """Read one network of a networks file, of the first cell: a cohort of one, its protocol, and the file's identity.

    Args:
        state: "untrained", or "trained" for the networks at the end of training; or another snapshot of the file.
        data: the dataset's checksum. where: the key of the config that asks, for messages.

    Raises:
        InputError: the file is damaged, has no such repeat or state, or is of other data.
    """
    cells, identity = read_networks(path)
    if identity["data"] != data:
        raise InputError(f"{where}: {path} was trained on other data than the dataset's; expected the same dataset")
    snapshots, protocol = cells[0], Cell.of(identity["cells"][0]).protocol(Protocol(**identity["protocol"]))
    if state not in snapshots or repeat >= identity["repeats"]:
        raise InputError(
            f"{where}: {path} has {identity['repeats']} repeats of {', '.join(snapshots)}; expected {state}, repeat "
            f"{repeat}"
        )
    tensors = {part: tensor[repeat : repeat + 1] for part, tensor in snapshots[state].items()}
    return tensors, protocol, identity
