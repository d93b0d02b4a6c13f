"""What the wing's jobs share: which inputs, which random streams, and networks in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from rehash.datasets.layout import Split, read_split
from rehash.errors import InputError
from rehash.hash_encoders.cohort import Trained
from rehash.hash_encoders.networks import Tensors
from rehash.store import write_bytes


def training_inputs(dataset: str | Path, train_share: float) -> Split:
    """The first `train_share` of a dataset's train split (the rest validates).

    Raises:
        InputError: the share leaves less than two inputs.
    """
    split = read_split(dataset, "train")
    if not 0 < train_share <= 1 or (stop := round(train_share * len(split.labels))) < 2:
        raise InputError(
            f"config: hash_encoders.train_share: {train_share} of {len(split.labels)} inputs leaves nothing to train on"
        )
    return Split(split.images[:stop], split.labels[:stop])


def write_networks(path: str | Path, cells: list[Trained], identity: dict[str, Any]) -> None:
    """One safetensors file: tensors `cell/snapshot/name` (R, ...), and what they are as JSON metadata."""
    tensors = {
        f"{i}/{snapshot}/{name}": tensor
        for i, trained in enumerate(cells)
        for snapshot, network in trained.networks.items()
        for name, tensor in network.items()
    }
    epochs = [trained.epochs for trained in cells]
    write_bytes(save(tensors, {"rehash": json.dumps({**identity, "epochs": epochs})}), path)


def read_networks(path: str | Path) -> tuple[list[dict[str, Tensors]], dict[str, Any]]:
    """For each cell its snapshots (name -> stacked tensors), and the metadata of a networks file.

    Raises:
        InputError: the file is truncated or not one of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            identity = json.loads(file.metadata()["rehash"])
            cells = [{snapshot: {} for snapshot in epochs} for epochs in identity["epochs"]]
            for key in file.keys():  # noqa: SIM118 (not a dict)
                cell, snapshot, name = key.split("/", 2)
                cells[int(cell)][snapshot][name] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not a networks file of rehash ({error})") from error
    return cells, identity
