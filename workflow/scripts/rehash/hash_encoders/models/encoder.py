"""Networks of any shape as encoders of inputs: the code of one node, or its numbers pooled over positions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rehash.encoders import Encoder, Wanted
from rehash.errors import InputError, unknown
from rehash.hash_encoders.models.inputs import Preparation
from rehash.hash_encoders.models.nodes import EXAMPLE, Node, Watched, batch_size
from rehash.hash_encoders.models.origins import Origin, open_network
from rehash.seeds import stream

POOLS = ("none", "any")  # of bits; real numbers are sums


def layer(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open one node of a network, whose logits are above 0 where the node is on (`rehash.hash_encoders.models.nodes`).

    The logits are the node's own numbers, and of a unit that is off what it lets through, taken negative: 0 of a ReLU.
    Of a node with more numbers than bits are wanted, some are drawn at random, the same for trained and untrained
    networks. Real numbers are the node's, summed over positions.

    Args:
        files: path, weights and network, as far as there are any (see `Origin`).
        settings: name and block of the model in hash_encoders.models; state (trained or untrained); node, by its name
            in the table of layers; pool: "none" for a bit at each position of each channel, "any" for one a channel,
            whether it is on anywhere.

    Raises:
        InputError: the network cannot be had, cannot take the inputs, or has no such node; or the node has fewer
            numbers than bits are wanted.
    """
    name, where = settings["name"], wanted.where
    if not wanted.real and settings["pool"] not in POOLS:
        raise unknown("pool", settings["pool"], POOLS, f"{where}.pool, which gives bits")
    preparation = Preparation.of(settings["block"], name)
    noise = stream(wanted.seed, "comparison", "example").random((EXAMPLE, *wanted.shape), np.float32)
    example = preparation.shown(torch.from_numpy(noise).to(wanted.device))
    network = open_network(
        Origin(**files),
        settings["block"],
        name=name,
        state=settings["state"],
        repeat=wanted.repeat,
        channels=example.shape[1],
        classes=wanted.classes,
        seed=wanted.seed,
        data=wanted.data,
    ).to(wanted.device)
    watched = Watched(network, example, f"hash_encoders.models.{name}")
    node = _node(watched, settings["node"], f"{where}.node")
    columns = None if wanted.real else torch.from_numpy(_columns(node, settings, wanted)).to(wanted.device)
    batch = batch_size(watched.nodes.values())  # the values of all nodes come into being, whichever is looked at

    def of_batch(inputs: torch.Tensor) -> torch.Tensor:
        found = []

        def visit(_: str, on_BCP: torch.Tensor, value_BCP: torch.Tensor) -> None:
            if wanted.real:
                found.append(value_BCP.sum(2))
                return
            logits_BCP = torch.where(on_BCP, value_BCP, -value_BCP.abs())
            logits_BN = (logits_BCP.amax(2) if settings["pool"] == "any" else logits_BCP).flatten(1)
            found.append(logits_BN.index_select(1, columns))

        watched.run(preparation.shown(inputs), [node.name], visit)
        return found[0]

    return lambda inputs: torch.cat([of_batch(part) for part in inputs.split(batch)])


def _node(watched: Watched, name: str, where: str) -> Node:
    found = watched.choose([name], where)
    if len(found) > 1:
        raise InputError(f"{where}: '{name}' stands for {len(found)} nodes, {found[0].name} first; expected one")
    return found[0]


def _columns(node: Node, settings: Mapping[str, Any], wanted: Wanted) -> np.ndarray:
    """Draw which of the node's numbers are the code's bits, int64 (bits,); all, in their order, of as many."""
    pool = settings["pool"]
    numbers = node.channels * (node.positions if pool == "none" else 1)
    if numbers == wanted.bits:
        return np.arange(numbers)
    what = f"the node {node.name} with pool: {pool}"
    names = ("layers", f"model={settings['name']}", node.name, pool)
    return wanted.draw_bits(np.ones(numbers, bool), what, *names)
