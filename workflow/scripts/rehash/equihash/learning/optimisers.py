"""The optimisers of a training: Adam and SGD as the published settings have them, and any other of torch by its name.

Planning has to know names and arguments, but must not import torch, which would cost each job seconds. So both are read
from torch's source; where planning finds no torch, the job finds out before its first step.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehash.errors import InputError, unknown

if TYPE_CHECKING:
    import torch

OWN = {"adam": "Adam", "sgd": "SGD"}  # their arguments are settings of the training
_SETTINGS = {"lr": "learning_rate", "weight_decay": "weight_decay", "momentum": "momentum"}
# What is about how torch computes a step, and not about which: a state could not be restored alike, or runs of one
# config would not be alike.
_SWITCHES = ("params", "capturable", "differentiable", "foreach", "fused")
_REFUSED = {
    "LBFGS": "it needs the loss several times a step, which is computed once here",
    "SparseAdam": "it takes sparse gradients, and these are dense",
    "Muon": "it takes matrices alone, and networks here have other parameters too",
}


def check_optimiser(name: str, arguments: Mapping[str, Any], weight_decay: float, where: str) -> None:
    """Raise an InputError if there is no such optimiser, or none with such arguments, as far as torch's source tells.

    Args:
        name: "adam", "sgd", or the name of a class of torch.optim.
        arguments: keyword arguments beside those that the training's own settings give.
        weight_decay: the training's setting, which is of "adam" and "sgd".
        where: the key of the config.
    """
    found = _found() if name not in OWN or arguments else {}
    if name in _REFUSED:
        raise InputError(f"{where}: optimiser {name}: {_REFUSED[name]}; take another, for example AdamW")
    if name not in OWN and (found or not name.isidentifier()) and name not in found:
        raise unknown("optimiser", name, [*OWN, *found], where)
    if name not in OWN and weight_decay:
        raise InputError(
            f"{where}: weight_decay is {weight_decay}, a setting of adam and sgd; of {name} say it in "
            "optimiser_arguments (left out, torch's own default stands)"
        )
    given = ["lr"] + (["weight_decay"] if name in OWN else []) + (["momentum"] if name == "sgd" else [])
    for argument in arguments:
        if argument in given:
            raise InputError(
                f"{where}: optimiser_arguments: {argument} is the setting {_SETTINGS[argument]}; say it there"
            )
        able = [each for each in found.get(OWN.get(name, name), [argument]) if each not in (*given, *_SWITCHES)]
        if argument not in able:
            raise unknown(f"argument of {name}", argument, able, f"{where}: optimiser_arguments")


def make_optimiser(
    name: str,
    parameters: Sequence[torch.nn.Parameter],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
    arguments: Mapping[str, Any],
) -> torch.optim.Optimizer:
    """Return an optimiser of parameters.

    Args:
        name, arguments: as `check_optimiser` takes them.
        weight_decay: of "adam" and "sgd". momentum: of "sgd".

    Raises:
        InputError: torch refuses the arguments.
    """
    import torch.optim  # planning imports this module, too

    given = {"lr": learning_rate}
    if name in OWN:
        given["weight_decay"] = weight_decay
    if name == "sgd":
        given["momentum"] = momentum
    try:
        return getattr(torch.optim, OWN.get(name, name))(parameters, **given, **arguments)
    except (AttributeError, TypeError, ValueError, RuntimeError, IndexError) as error:
        said = dict(arguments)
        raise InputError(f"training: optimiser {name} with optimiser_arguments {said}: torch says: {error}") from error


@cache
def _found() -> dict[str, list[str]]:
    """Return the names of torch's optimisers, each with its arguments; empty where there is no torch."""
    if (spec := importlib.util.find_spec("torch")) is None or not spec.submodule_search_locations:
        return {}
    folder = Path(spec.submodule_search_locations[0])
    package = folder / "optim" / "__init__.py"
    found = {}
    for node in _body(package):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch.optim."):
            module = folder.joinpath(*node.module.split(".")[1:]).with_suffix(".py")
            classes = {of.name: of for of in _body(module) if isinstance(of, ast.ClassDef)}
            for alias in node.names:
                if alias.name in classes and alias.name != "Optimizer" and alias.name not in _REFUSED:
                    found[alias.name] = _arguments(classes[alias.name])
    return found


def _body(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8"), str(path)).body if path.is_file() else []


def _arguments(of: ast.ClassDef) -> list[str]:
    """Return the names of the arguments with which a class is made."""
    made = next(node for node in of.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    return [each.arg for each in (*made.args.args[1:], *made.args.kwonlyargs)]
