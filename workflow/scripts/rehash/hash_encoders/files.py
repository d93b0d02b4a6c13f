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


def cohort_name(keys: dict[str, Any]) -> tuple[str, ...]:
    """What the random streams of a cohort are named by: everything that tells it from other cohorts."""
    return ("hash_encoders", *(f"{key}={keys[key]}" for key in sorted(keys)))


def write_networks(path: str | Path, trained: Trained, identity: dict[str, Any]) -> None:
    """One safetensors file: tensors `snapshot/name` (R, ...), and what they are as JSON metadata."""
    tensors = {
        f"{snapshot}/{name}": tensor
        for snapshot, network in trained.networks.items()
        for name, tensor in network.items()
    }
    epochs = {"untrained": [0] * len(trained.epochs), "trained": trained.epochs}
    write_bytes(save(tensors, {"rehash": json.dumps({**identity, "epochs": epochs})}), path)


def read_networks(path: str | Path) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """Snapshots (name -> stacked tensors) and the metadata of a networks file.

    Raises:
        InputError: the file is truncated or not one of ours.
    """
    snapshots: dict[str, Tensors] = {}
    try:
        with safe_open(path, "pt") as file:
            identity = json.loads(file.metadata()["rehash"])
            for key in file.keys():  # noqa: SIM118 (not a dict)
                snapshot, name = key.split("/", 1)
                snapshots.setdefault(snapshot, {})[name] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a networks file of rehash ({error})") from error
    return {name: snapshots[name] for name in identity["epochs"]}, identity
