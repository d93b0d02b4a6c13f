"""Import of public checkpoints of the original work as networks of ours, without running any code of their files.

A public state.pth is `torch.save` of a dictionary: config (the settings of the run, as JSON), net (the state_dict),
trainer, train_results and valid_results. The last three hold, beside tensors and plain values, numpy arrays (the state
of the labels' generator, histograms of distances), numpy scalars (shares of clipped gradients) and, in early versions,
defaultdicts. Torch's weights-only reader knows none of these. It is given harmless stand-ins for these classes
(`rehash.datasets.pickles`); any other class is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from rehash.datasets.pickles import STAND_INS
from rehash.equihash.learning.public_evaluations import write_evaluations
from rehash.equihash.learning.weights import misfits, network_of, write_network
from rehash.errors import InputError, unknown, unreadable

# The public class for each of our networks and numbers of input channels; the public name of each of our layers.
_RESNET = {1: "MnistResNet", 3: "Uint8ResNet"}
_CLASSES = {"mosaic_cnn": {1: "MnistMosaicCNN"}, **dict.fromkeys(("resnet18", "resnet34", "resnet50"), _RESNET)}
_LAYERS = {
    "mosaic_cnn": {
        "conv1": "conv1",
        "norm1": "conv2_bn",
        "conv2": "conv2",
        "norm2": "conv3_bn",
        "conv3": "conv3",
        "dense1": "fc1",
        "dense": "fc2",
        "norm": "bn",
    },
    "resnet": {
        **{f"body.{layer}": layer for layer in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")},
        "dense": "fc.0",
        "norm": "fc.1",
    },
}


def import_checkpoint(
    path: str | Path, output: str | Path, history: str | Path | None = None, *, identity: dict[str, Any]
) -> None:
    """Write the network of a public checkpoint as a file of ours (see `rehash.equihash.learning.weights`).

    Args:
        history: where the evaluations of its training are written, too (CSV, `public_evaluations`).
        path: a state.pth, in the format of torch 1.6 and later or in the earlier one.
        identity: of the output; has at least network, bits and shape, as `build_network` takes them.

    Raises:
        InputError: the file is damaged, holds a class that no checkpoint has, or is of another network; the message
            names every tensor that is missing, unexpected, of another kind or not finite.
    """
    name, shape = identity["network"], tuple(identity["shape"])
    if name not in _CLASSES:
        raise unknown("public network", name, _CLASSES, f"{path}")
    if shape[0] not in _CLASSES[name]:
        channels = " or ".join(map(str, _CLASSES[name]))
        raise InputError(f"{path}: the public {name} takes {channels} channels, the task has {shape[0]}")
    network = network_of(identity)
    checkpoint = _read(path)
    found_class, public_class = checkpoint["config"].get("network_class"), _CLASSES[name][shape[0]]
    if found_class != public_class:
        raise InputError(
            f"{path}: its network class is {found_class}; expected {public_class}, which is {name} with {shape[0]} "
            "input channels"
        )
    own = network.state_dict()
    layers = _LAYERS.get(name, _LAYERS["resnet"])
    if name not in _LAYERS and "norm.weight" not in own:
        layers = {**layers, "dense": "fc"}
    public_names = {ours: _public_name(ours, layers) for ours in own}
    wrong = misfits({public_names[ours]: tensor for ours, tensor in own.items()}, checkpoint["net"])
    if wrong:
        raise InputError(f"{path}: not the weights of {name} with {identity['bits']} bits: {'; '.join(wrong)}")
    network.load_state_dict({ours: checkpoint["net"][public] for ours, public in public_names.items()})
    if history is not None:
        write_evaluations(checkpoint, history, {**identity["keys"], "seed": identity["seed"]}, path)
    write_network(output, network, identity)


def _public_name(ours: str, layers: dict[str, str]) -> str:
    layer = next(layer for layer in layers if ours.startswith(f"{layer}."))
    return layers[layer] + ours.removeprefix(layer)


def _plain_dict(*_: object) -> dict:
    """Return an empty dict in place of a defaultdict, whose items the reader then sets one by one."""
    return {}


def _plain_list(*_: object) -> list:
    """Return an empty list in place of the default factory of a defaultdict."""
    return []


_STAND_INS = [
    (_plain_dict, "collections.defaultdict"),
    (_plain_list, "builtins.list"),
    *((made, ".".join(place)) for place, made in STAND_INS.items()),
]


def _read(path: str | Path) -> dict[str, Any]:
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise any exception
        # Torch's own message goes on to say how to load the file all the same; that part is left out.
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path}: asks for {refused[1]}, which no checkpoint of equihash holds; it was refused and nothing of "
                "the file was run"
            ) from None
        said = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
        reason = said[1] if said else f"{type(error).__name__}: {error}".splitlines()[0]
        raise unreadable(error, path, f"not a checkpoint that torch can read, or damaged ({reason})") from None
    for part in ("config", "net"):
        if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(part), dict):
            held = list(checkpoint) if isinstance(checkpoint, dict) else f"a {type(checkpoint).__name__}"
            raise InputError(f"{path}: not a checkpoint of equihash: it has no dictionary {part}; found {held}")
    return checkpoint
