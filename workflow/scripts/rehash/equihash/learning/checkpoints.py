"""Networks at some steps of a training: kept while it goes, packed into one file at its end, taken out one by one."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rehash.arrays import pack_arrays, read_arrays
from rehash.errors import InputError, unreadable
from rehash.store import atomic, value_digest, write_bytes

if TYPE_CHECKING:  # taking a network out needs no torch, which takes seconds
    import torch


class Checkpoints:
    """The networks of declared steps, each a file of `rehash.equihash.learning.weights`.

    While the training goes they lie beside its output, hidden, under names as its saved states have them, so that they
    outlive a kill and are deleted with the states (`rehash.job.discard_state`). Memory holds one at a time.

    Args:
        output: the network's file. steps: which to keep.
        identity: of the training; that of a checkpoint says its steps.
        device: the kind of device, whose networks are not mixed with those of another.
    """

    def __init__(self, output: str | Path, steps: Sequence[int], identity: dict[str, Any], device: str) -> None:
        self.output, self.steps, self.identity = Path(output), sorted(set(steps)), identity
        self._digest = value_digest({**identity, "device_kind": device})

    def _path(self, step: int) -> Path:
        return self.output.with_name(f".{self.output.name}.{self._digest}-step={step}.state")

    def keep(self, step: int, network: torch.nn.Module) -> None:
        """Keep the network as it is after so many steps, if that step is declared."""
        if step in self.steps:
            identity = {**self.identity, "schedule": {**self.identity["schedule"], "steps": step}}
            held = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
            write_bytes(pack_arrays(held, identity), self._path(step))

    def lacking(self, finished: int) -> list[int]:
        """Return the declared steps, of those that are finished, whose networks are not kept, or not whole."""
        return [step for step in self.steps if step <= finished and not self._holds(step)]

    def _holds(self, step: int) -> bool:
        try:
            read_arrays(self._path(step))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def pack(self, path: str | Path) -> None:
        """Write all networks into one tar: `step=(N)/network.safetensors` of each, and nothing if there are none."""
        with atomic(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as packed:
            for step in self.steps:
                about = tarfile.TarInfo(_member(step))  # of no date and no owner, so that its bytes are the same
                about.size = self._path(step).stat().st_size
                with open(self._path(step), "rb") as network:
                    packed.addfile(about, network)


def take_checkpoint(source: str | Path, output: str | Path, step: int, keys: dict[str, Any]) -> None:
    """Write the network of a step as a file of its own, with the identity of a training of so many steps.

    Args:
        source: what `Checkpoints.pack` wrote; or, of the last step, the trained network itself.
        keys: task, model and variant, which tables say of the network.

    Raises:
        InputError: the file is damaged, or lacks this step; the message lists those that it has.
    """
    try:
        if str(source).endswith(".tar"):
            arrays, identity = _taken(source, step, Path(output))
        else:
            arrays, identity = read_arrays(source)
    except InputError:
        raise
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise unreadable(
            error,
            source,
            f"not the networks of a training, or damaged ({error}); make it again with: snakemake --cores all --force "
            f"{source}",
        ) from error
    write_bytes(pack_arrays(arrays, {**identity, "keys": keys}), output)


def _taken(source: str | Path, step: int, output: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the identity of a network in a tar, which is unpacked beside the output for a moment."""
    with tarfile.open(source) as packed:
        names = packed.getnames()
        if _member(step) not in names:
            there = ", ".join(name.split("/")[0] for name in names) or "none"
            raise InputError(f"{source}: has no network of step={step}; those that it has: {there}")
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as folder:
            file = Path(folder) / output.name
            file.write_bytes(packed.extractfile(_member(step)).read())
            return read_arrays(file)


def _member(step: int) -> str:
    return f"step={step}/network.safetensors"
