"""Networks by the config's block of a model: as it says, trained or at random, ready to be run."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rehash.errors import unreadable
from rehash.hash_encoders.models.python_files import python_digest
from rehash.hash_encoders.models.sources import build, load_weights
from rehash.hash_encoders.networks import as_rows
from rehash.hash_encoders.networks_file import read_member
from rehash.hash_encoders.protocols import Protocol
from rehash.store import file_digest
from rehash.tensors import read_tensors


@dataclass(frozen=True)
class Origin:
    """The files of a network.

    Attributes:
        path: a Python file that makes it; None if none does.
        weights: a file of weights from outside. network: one that was trained here, of one network or of a cohort.
    """

    path: str | None = None
    weights: str | None = None
    network: str | None = None

    @cached_property
    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each file by its path; of a Python file with those that it imports beside it."""
        found = {str(self.path): python_digest(self.path)} if self.path else {}
        return found | {str(file): file_digest(file) for file in (self.weights, self.network) if file}


def open_network(
    origin: Origin,
    block: Mapping[str, Any],
    *,
    name: str,
    state: str,
    repeat: int,
    channels: int,
    classes: int,
    seed: int,
    data: str,
) -> nn.Module:
    """Return a network in evaluation mode.

    Args:
        block, name: of hash_encoders.models. state: "untrained" is the random initialisation of the repeat, "trained"
            has the weights of its files.
        channels: of what it is shown. classes, data: the dataset's number of classes, and its checksum.

    Raises:
        InputError: a file is damaged or not of this network, or was trained on other data.
    """
    where = f"config: hash_encoders.models.{name}"
    if block["source"] == "cohort":
        return cohort_network(origin.network, repeat, state, data, where)
    network = build(block, channels=channels, classes=classes, seed=seed, name=name, repeat=repeat, path=origin.path)
    if state == "untrained":
        return network
    if origin.weights:
        load_weights(network, origin.weights, f"{where}.weights")
        return network
    again = f"make it again with: snakemake --cores all --force {origin.network}"
    try:
        tensors, _ = read_tensors(origin.network)
        network.load_state_dict(tensors)
    except (OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise unreadable(error, origin.network, f"not a network of {where}, or damaged ({error}); {again}") from error
    return network


class _Rows(nn.Module):
    """Lays images out as rows, as cohorts are shown them (`rehash.hash_encoders.networks.as_rows`)."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return as_rows(inputs, self.offset)


def cohort_network(path: str | Path, repeat: int, state: str, data: str, where: str) -> nn.Module:
    """Return one multilayer perceptron of a networks file as a module.

    Its units are hidden0.relu, hidden1.relu, ..., with leaky or prelu where that is the protocol's activation.

    Args:
        state: "untrained", or "trained" for the networks at the end of training. data: the dataset's checksum.

    Raises:
        InputError: the file is damaged, has no such repeat or state, or is of other data.
    """
    stacked, protocol, identity = read_member(path, repeat, state, data, where)
    tensors = {part: tensor[0] for part, tensor in stacked.items()}
    layers: list[tuple[str, nn.Module]] = [("rows", _Rows(protocol.offset))]
    for i in range(int(identity["keys"]["depth"])):
        layers.append((f"hidden{i}", nn.Sequential(_hidden(tensors, f"hidden.{i}", protocol))))
    layers.append(("head", _dense(tensors, "head")))
    return nn.Sequential(OrderedDict(layers)).eval()


def _hidden(tensors: Mapping[str, torch.Tensor], name: str, protocol: Protocol) -> OrderedDict[str, nn.Module]:
    found = OrderedDict(dense=_dense(tensors, name))
    if protocol.norm:
        norm = nn.BatchNorm1d(len(tensors[f"{name}.bias"]), protocol.norm.eps)
        parts = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
        norm.load_state_dict({own: tensors[f"{name}.{part}"] for own, part in parts.items()}, strict=False)
        found["norm"] = norm
    found[protocol.activation] = _unit(tensors.get(f"{name}.slope"), learned=protocol.activation == "prelu")
    return found


def _unit(slope: torch.Tensor | None, *, learned: bool) -> nn.Module:
    """Return a layer's activation function; without a slope of units that are off it is a ReLU."""
    if slope is None:
        return nn.ReLU()
    unit = nn.PReLU() if learned else nn.LeakyReLU(float(slope))
    if learned:
        unit.load_state_dict({"weight": slope})
    return unit


def _dense(tensors: Mapping[str, torch.Tensor], name: str) -> nn.Linear:
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    dense = nn.Linear(weight.shape[1], weight.shape[0])
    dense.load_state_dict({"weight": weight, "bias": bias})
    return dense
