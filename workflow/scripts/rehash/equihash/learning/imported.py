"""Networks that were trained elsewhere: by rehash, in another run or on another machine, or by the public code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rehash.equihash.learning.public_checkpoint import import_checkpoint
from rehash.equihash.learning.public_evaluations import write_history
from rehash.equihash.learning.weights import misfits, network_of, read_network, write_network
from rehash.errors import InputError, unreadable
from rehash.resources import shipped_networks
from rehash.store import file_digest, read_csv

log = logging.getLogger("rehash")
_CPU = torch.device("cpu")


def import_network(
    path: str | Path,
    output: str | Path,
    history: str | Path,
    *,
    identity: dict[str, Any],
    task: dict[str, Any],
    sha256: str | None = None,
) -> None:
    """Write the network of a file of rehash (network.safetensors) or of the public code (state.pth) as one of ours.

    Args:
        history: where the evaluations of its training are written (CSV, `public_evaluations`): those that a public
            checkpoint holds, or that stand beside a network that comes with rehash; else a table without rows.
        identity: of the output; has network, bits and shape, as `build_network` takes them, keys and seed. Of a file
            of rehash the output also has the identity that it had there, as `trained`.
        task: the settings of the task whose views the network will be shown. The log says if a file of rehash was
            trained on others.
        sha256: of the file, compared before anything is loaded from it.

    Raises:
        InputError: the file has another checksum, is damaged, or is of another network than the identity says.
    """
    if sha256 is not None and (found := file_digest(path)) != sha256:
        raise InputError(f"{path}: has the SHA-256 {found}, expected {sha256}")
    if not _of_rehash(path):
        import_checkpoint(path, output, history, identity=identity)
        return
    network, trained = read_network(path, _CPU)
    for key in ("network", "bits", "shape"):
        if trained[key] != identity[key]:
            raise InputError(
                f"{path}: its {key} is {trained[key]}; the model's is {identity[key]}. Set {key} in the model's block, "
                "or give the model to a task with such views"
                if key != "shape"
                else f"{path}: it takes views of {_by(trained[key])} (channels, height, width), and the task's are "
                f"{_by(identity[key])}; give the model to a task with such views"
            )
    if wrong := misfits(network_of(identity).state_dict(), network.state_dict()):  # of the kind, and yet another
        there = str(trained.get("batch_norm", True)).lower()
        raise InputError(
            f"{path}: not the model's {identity['network']}: {'; '.join(wrong)}. Set batch_norm: {there} in its block"
        )
    if trained.get("task") != task:
        log.warning("%s: was trained on views of %s; here it is shown those of %s", path, trained.get("task"), task)
    shipped = Path(path) in shipped_networks().values()
    curves = read_csv(Path(path).with_suffix(".csv")) if shipped else pd.DataFrame()
    write_history(curves, history, {**identity["keys"], "seed": identity["seed"]})
    write_network(output, network, {**identity, "trained": trained})


def _of_rehash(path: str | Path) -> bool:
    """Return whether a file is laid out as safetensors: eight bytes of a length, then a header in JSON."""
    try:
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError as error:
        raise unreadable(error, path, "could not be opened") from error


def _by(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
