"""Files that hold a network's weights and its identity: what the network is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from rehash.equihash.images.task import Task
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.folding import folded
from rehash.equihash.learning.precision import arithmetic, check_precision
from rehash.errors import InputError, unreadable
from rehash.store import write_bytes
from rehash.tensors import pack_tensors, read_tensors

Network = Callable[[torch.Tensor], torch.Tensor]


def write_network(path: str | Path, network: torch.nn.Module, identity: dict[str, Any]) -> None:
    """Write all parameters and buffers of a network, and its identity, as one safetensors file (`rehash.tensors`).

    Args:
        identity: has at least network, bits and shape, and batch_norm if it is False, as `build_network` takes them.
    """
    write_bytes(pack_tensors(network.state_dict(), identity), path)


def network_of(identity: dict[str, Any]) -> torch.nn.Module:
    """Build the network that an identity describes, with weights of no meaning.

    Raises:
        InputError: there is no such network, or it does not take such views (see `build_network`).
    """
    shape, batch_norm = tuple(identity["shape"]), identity.get("batch_norm", True)
    return build_network(identity["network"], identity["bits"], shape, seed=0, batch_norm=batch_norm)


def read_network(path: str | Path, device: torch.device) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Read the network of a file, in evaluation mode, and its identity.

    Raises:
        InputError: the file is truncated or not one of ours, or its tensors are not those of the network that it names;
            the way out is to make it again if it is a file of the graph, and otherwise to copy it again.
    """
    try:
        tensors, identity = read_tensors(path)
        network = network_of(identity)
        if found := misfits(network.state_dict(), tensors):
            raise ValueError("; ".join(found))
    except (OSError, KeyError, TypeError, ValueError) as error:
        again = f"make it again with: snakemake --cores all --force {path}"
        if Path(path).parts[:1] != ("results",):  # no target of the workflow
            again = "copy it again from where it comes, or make it again there"
        raise unreadable(error, path, f"not a network of rehash, or damaged ({error}); {again}") from error
    network.load_state_dict(tensors)
    return network.to(device).eval(), identity


def open_network(
    path: str | Path, task: Task, device: torch.device, precision: str = "float32"
) -> tuple[Network, dict[str, Any]]:
    """Read a network as a function from a task's views to logits, float32 (n, bits), and its identity.

    Its BatchNorms are folded (`rehash.equihash.learning.folding`), on the CPU whatever the device, and its activations
    lie channels last, unless it was trained otherwise.

    Args:
        precision: what it computes in, whatever it was trained in (`rehash.equihash.learning.precision`).

    Raises:
        InputError: the file is not a network (see `read_network`), or one for views of another shape; or there is no
            such precision.
    """
    check_precision(precision, "config: equihash")
    network, about = read_network(path, torch.device("cpu"))
    if tuple(about["shape"]) != task.shape:
        found, expected = (" x ".join(map(str, shape)) for shape in (about["shape"], task.shape))
        raise InputError(f"{path}: its network takes views of {found}; the task's are {expected}")
    schedule = about.get("trained", about).get("schedule", {})
    layout = torch.channels_last if schedule.get("channels_last", True) else torch.contiguous_format
    network = folded(network).to(device, memory_format=layout)

    def logits(views: torch.Tensor) -> torch.Tensor:
        with arithmetic(precision, device):
            return network(views.contiguous(memory_format=layout))

    return logits, about


def misfits(expected: Mapping[str, torch.Tensor], found: Mapping[str, Any]) -> list[str]:
    """List why tensors cannot replace the expected: each that is missing, unexpected, of another kind or not finite."""
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
