"""Networks of a cohort as encoders of inputs: a layer's neural code, or what its units give."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import torch

from rehash.encoders import Encoder, Wanted
from rehash.errors import InputError
from rehash.hash_encoders.encode import network_shape
from rehash.hash_encoders.networks import activations, as_rows, forward
from rehash.hash_encoders.networks_file import read_member


def cohort(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open one layer of one network of a cohort; the logits are the pre-activations of its units.

    A bit is 1 where a unit is on, as in `rehash.hash_encoders.encode`. Real numbers are what the units give.

    Args:
        files: networks, a file of `rehash.hash_encoders.networks_file`.
        settings: state (trained or untrained, or another snapshot of the file) and layer (1, 2, ...; None is the last
            hidden layer).

    Raises:
        InputError: the file is damaged, is of other data or of inputs of another size, or has no such repeat, state or
            layer; or its layers have not so many units as bits are wanted.
    """
    path, where = files["networks"], wanted.where
    tensors, protocol, identity = read_member(path, wanted.repeat, settings["state"], wanted.data, where)
    shape = network_shape(identity, prod(wanted.shape), path)
    layer = shape.depth if settings["layer"] is None else settings["layer"]
    if not 1 <= layer <= shape.depth:
        raise InputError(
            f"{where}.layer is {layer}; {path} has networks of {shape.depth} hidden layers: expected 1 to {shape.depth}"
        )
    if not wanted.real and wanted.bits != shape.layer_width:
        raise InputError(
            f"{where}: {wanted.bits} bits of {path}, whose layers have {shape.layer_width} units; expected networks of "
            "that width: a unit is a bit"
        )
    tensors = {name: tensor.to(wanted.device) for name, tensor in tensors.items()}

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        columns_1IB = as_rows(inputs, protocol.offset)[None].transpose(1, 2)
        before_1WB = forward(tensors, columns_1IB, shape, protocol.norm, training=False)[1][layer - 1]
        if wanted.real:
            before_1WB = activations(before_1WB, tensors.get(f"hidden.{layer - 1}.slope"))
        return before_1WB[0].t()

    return logits
