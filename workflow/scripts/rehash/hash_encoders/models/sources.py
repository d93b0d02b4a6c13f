"""Networks by where they come from: a Python file of the user's, torchvision, or ours; and their weights.

Nothing is unpickled: weights are safetensors or a state dict that torch reads weights-only. A user's Python file runs,
as it has to, with the rights of the job.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import logging
import os
import random
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.parameter import UninitializedParameter

from rehash.errors import InputError, unknown, unreadable
from rehash.hash_encoders.models.architectures import ARCHITECTURES
from rehash.seeds import integer
from rehash.store import file_digest

log = logging.getLogger("rehash")
_HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")  # keys under which checkpoints have weights


def build(
    block: Mapping[str, Any],
    *,
    channels: int,
    classes: int,
    seed: int,
    name: str,
    repeat: int,
    path: str | Path | None = None,
) -> nn.Module:
    """Build a network with the random initialisation of one repeat, in evaluation mode.

    Args:
        block: of hash_encoders.models. name: the block's, for messages and random streams.
        channels: of the images that it is shown, or the length of vectors. classes: of the dataset.
        path: of the user's Python file, if the source is one.

    Raises:
        InputError: there is no such network, its function fails, or returns something else.
    """
    where, arguments = f"config: hash_encoders.models.{name}", dict(block["arguments"] or {})
    with _seeded(integer(seed, "hash_encoders", f"model={name}", "initialisation", repeat)):
        if block["source"] == "torchvision":
            network = _of_torchvision(block["name"], {"num_classes": classes, **arguments}, where)
        elif block["source"] == "rehash":
            make = _known(ARCHITECTURES, block["name"], f"{where}.name")
            network = _made(make, {"channels": channels, "classes": classes, **arguments}, f"{where}.arguments")
        else:
            network = _of_file(path, block["call"], arguments, where)
    if lazy := [name for name, each in network.named_parameters() if isinstance(each, UninitializedParameter)]:
        raise InputError(
            f"{where}: {lazy[0]} of the network has no size before it sees inputs; expected sizes that are written "
            "out, not nn.LazyLinear and its like"
        )
    return network.float().eval()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed all generators that an initialisation may draw from, and restore them afterwards."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def _of_torchvision(name: str, arguments: dict[str, Any], where: str) -> nn.Module:
    from torchvision import models  # which takes a second, and other sources need none of it

    builders = models.list_models(module=models)
    if name not in builders:
        raise unknown("network of torchvision", name, builders, f"{where}.name")
    arguments = {"weights": None, "weights_backbone": None, **arguments}
    taken = inspect.signature(models.get_model_builder(name)).parameters
    if "weights_backbone" not in taken:
        del arguments["weights_backbone"]
    return _made(models.get_model_builder(name), arguments, f"{where}.arguments")


def _known(registry: Mapping[str, Callable[..., nn.Module]], name: str, where: str) -> Callable[..., nn.Module]:
    if name not in registry:
        raise unknown("network", name, registry, where)
    return registry[name]


def _made(make: Callable[..., Any], arguments: dict[str, Any], where: str) -> nn.Module:
    try:
        return make(**arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{where}: the network cannot be made with {arguments} ({type(error).__name__}: {error})"
        ) from error


def _of_file(path: str | Path, call: str, arguments: dict[str, Any], where: str) -> nn.Module:
    with _beside(path):
        return _called(_imported(path, where), path, call, arguments, where)


@contextlib.contextmanager
def _beside(path: str | Path) -> Iterator[None]:
    """Let a Python file import those beside it, and let Python leave no compiled files there."""
    folder, before = str(Path(path).parent.resolve()), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = before


def _called(module: Any, path: str | Path, call: str, arguments: dict[str, Any], where: str) -> nn.Module:
    functions = {
        name: value
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }
    if not callable(getattr(module, call, None)):
        raise unknown("function", call, functions, f"{where}.call: {path}")
    try:
        network = getattr(module, call)(**arguments)
    except Exception as error:
        raise InputError(f"{where}: {call}({_shown(arguments)}) {_place(error, path)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"{where}: {call}({_shown(arguments)}) of {path} returned a {type(network).__name__}; expected a "
            "torch.nn.Module"
        )
    return network


def _imported(path: str | Path, where: str) -> Any:
    """Import a Python file under a name of its own, which no other module has."""
    name = f"rehash_model_{file_digest(path)[:16]}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"{where}.path: {path}: not a Python file; expected one that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses look their module up while it is imported
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{where}.path: importing it {_place(error, path)}") from error
    return module


def _shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


def _place(error: BaseException, path: str | Path) -> str:
    """Say where in the user's files an error was raised, and which."""
    folder = os.path.realpath(Path(path).parent)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _within(frame.filename, folder)]
    line = f"{own[-1].filename}, line {own[-1].lineno}" if own else f"{path}"
    return f"failed: {line}: {type(error).__name__}: {error}"


def _within(file: str, folder: str) -> bool:
    return os.path.realpath(file).startswith(folder + os.sep)


def load_weights(network: nn.Module, path: str | Path, where: str) -> None:
    """Load a file of weights into a network: safetensors, or a state dict of torch.

    A state dict may lie under a key of a checkpoint (state_dict, model, ...), and all names may begin with "module.",
    as torch's DataParallel writes them, or "_orig_mod.", as its compiler does. Floating-point numbers of any precision
    become float32.

    Args:
        where: the key of the config, for messages.

    Raises:
        InputError: the file holds something else, or weights of another network; names them, with both shapes.
    """
    state = _without_prefix(_state_dict(path, where))
    own = network.state_dict()
    # A counter of batches, which some versions of torch do not write, and which evaluation does not use.
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    wrong = [f"lacks {name} {_shape(own[name])}" for name in own if name not in state and name not in optional]
    for name, tensor in state.items():
        if name not in own:
            wrong.append(f"has {name} {_shape(tensor)}, which the network has not")
        elif tensor.shape != own[name].shape:
            wrong.append(f"{name} is {_shape(tensor)}, expected {_shape(own[name])}")
        elif tensor.is_floating_point() != own[name].is_floating_point():
            wrong.append(f"{name} is of {tensor.dtype}, expected {own[name].dtype}")
        elif tensor.is_floating_point() and not tensor.isfinite().all():
            wrong.append(f"{name} holds NaN or infinity")
    if wrong:
        more = f"; and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise InputError(
            f"{where}: {path}: not weights of this network: {'; '.join(wrong[:8])}{more}. Does the block make the "
            "network that was trained? Its arguments change it, such as num_classes of torchvision's"
        )
    network.load_state_dict(state, strict=False)


def _shape(tensor: torch.Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _without_prefix(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for prefix in ("module.", "_orig_mod."):
        if state and all(name.startswith(prefix) for name in state):
            log.info("weights: all names begin with %s, which is left out", prefix)
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _state_dict(path: str | Path, where: str) -> dict[str, torch.Tensor]:
    """Read tensors by name from a safetensors file or a state dict, whatever the file is called."""
    try:
        with open(path, "rb") as file:
            head = file.read(9)
        if head[8:] == b"{":  # the length of a safetensors header, then its JSON
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # of pickles that it then refuses
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise any exception
        refused = re.search(r"GLOBAL (\S+)", str(error))
        reason = (
            f"it asks for {refused[1]}, and only tensors are read; nothing of it was run. Save "
            "model.state_dict(), or better a safetensors file"
            if refused
            else f"not safetensors and not a state dict of torch, or damaged ({_first_line(error)})"
        )
        raise unreadable(error, path, f"{reason} ({where})") from None
    keys: list[str] = []
    while isinstance(held, Mapping) and not _is_state(held):
        key = next((key for key in _HOLDERS if isinstance(held.get(key), Mapping)), None)
        if key is None:
            break
        keys.append(key)
        held = held[key]
    if not isinstance(held, Mapping) or not _is_state(held):
        what = f"a dictionary of {', '.join(map(str, held))}" if isinstance(held, Mapping) else f"a {_name(held)}"
        raise InputError(f"{where}: {path}: holds {what}; expected a state dict, tensors by name")
    if keys:
        log.info("%s: weights are those under %s", path, ".".join(keys))
    return dict(held)


def _is_state(held: Mapping[Any, Any]) -> bool:
    return bool(held) and all(isinstance(value, torch.Tensor) for value in held.values())


def _name(value: object) -> str:
    return type(value).__name__


def _first_line(error: Exception) -> str:
    if isinstance(error, SafetensorError):
        return f"{error}"
    said = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    return said[1] if said else f"{type(error).__name__}: {error}".splitlines()[0]
