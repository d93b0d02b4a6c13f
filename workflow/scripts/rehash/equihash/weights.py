"""A network's weights in a file, and what the network is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rehash.equihash.networks import build_network
from rehash.errors import InputError
from rehash.store import write_bytes
from rehash.tensors import pack_tensors, read_tensors


def write_network(path: str | Path, network: torch.nn.Module, identity: dict[str, Any]) -> None:
    """One safetensors file of all parameters and buffers, and what the network is (`rehash.tensors`).

    Args:
        identity: has at least network, bits and shape, as `build_network` takes them.
    """
    write_bytes(pack_tensors(network.state_dict(), identity), path)


def read_network(path: str | Path, device: torch.device) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network of a file, in evaluation mode, and its identity.

    Raises:
        InputError: the file is truncated or not one of ours, or its tensors are not those of the network that it names.
    """
    try:
        tensors, identity = read_tensors(path)
        network = build_network(identity["network"], identity["bits"], tuple(identity["shape"]), seed=0)
        if found := misfits(network.state_dict(), tensors):
            raise ValueError("; ".join(found))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a network of rehash, or damaged ({error}); make it again with: "
            f"snakemake --cores all --force {path}"
        ) from error
    network.load_state_dict(tensors)
    return network.to(device).eval(), identity


def misfits(expected: Mapping[str, torch.Tensor], found: Mapping[str, Any]) -> list[str]:
    """Why tensors cannot take the place of others: each that is missing, unexpected, of another kind or not finite."""
    wrong = [f"lacks {name}" for name in expected if name not in found]
    for name, tensor in found.items():
        if name not in expected:
            wrong.append(f"{name} is unexpected")
        elif (kind := _kind(tensor)) != _kind(expected[name]):
            wrong.append(f"{name} is {kind}, expected {_kind(expected[name])}")
        elif not tensor.isfinite().all():
            wrong.append(f"{name} holds NaN or infinity")
    return wrong


def _kind(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
