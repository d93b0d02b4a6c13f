"""The codes that a network gives to inputs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from rehash.errors import InputError, unknown
from rehash.hash_encoders.models.nodes import EXAMPLE, RELU, Watched, batch_size, check_finite

POOLS = ("none", "any")


def codes(
    network: torch.nn.Module, inputs: Any, *, nodes: str | list[str] = RELU, pool: str = "none"
) -> dict[str, np.ndarray]:
    """Return which units of a network are on for each input: the neural codes of its layers (He et al. 2021).

    >>> import torch, rehash
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 3))
    >>> _ = network[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [1.0, -1.0]]))
    >>> rehash.codes(network, [[1, 2], [3, 1], [-1, -2]])
    {'1': array([[ True, False],
           [ True,  True],
           [False,  True]])}

    Args:
        network: any `torch.nn.Module`. A copy of it runs, in evaluation mode, on the device of its parameters.
        inputs: as the network takes them, (N, ...): an array, which becomes float32, or a tensor.
        nodes: the layers. "relu" is every two-piece-linear unit (ReLU, ReLU6, leaky and parametric ReLU, as module or
            function); or names, as torchvision's `get_graph_node_names` gives them, in which * stands for any text. A
            unit's bit is whether what goes into it is above 0; another node's, whether its value is.
        pool: of layers with positions, such as convolutions: "none" for a bit at each position of each channel, channel
            after channel; "any" for one a channel, whether it is on anywhere.

    Returns:
        For each node, by its name and in the order in which they run, bits, bool (N, K). All together are
        `np.hstack(list(found.values()))`.

    Raises:
        InputError: the network cannot take the inputs, has no such nodes, is no fixed function of each input (noise,
            or BatchNorm without running statistics), or gives a value that is not finite.

    Memory: the result, and a batch of at most 256 inputs.
    """
    if pool not in POOLS:
        raise unknown("choice", pool, POOLS, "codes: pool")
    given = inputs if isinstance(inputs, torch.Tensor) else np.asanyarray(inputs)
    if given.ndim < 2 or not len(given):
        raise InputError(f"codes: inputs {tuple(given.shape)}; expected one a row, (N, ...), and at least one")
    network = copy.deepcopy(network).eval()
    device = next((tensor.device for tensor in network.parameters()), torch.device("cpu"))

    def shown(rows: slice) -> torch.Tensor:
        part = given[rows]
        return (part if isinstance(part, torch.Tensor) else torch.tensor(part, dtype=torch.float32)).to(device)

    watched = Watched(network, shown(slice(EXAMPLE)), "the network")
    found: dict[str, list[np.ndarray]] = {node.name: [] for node in watched.choose(nodes, "codes: nodes")}
    size = batch_size(watched.nodes.values())
    for start in range(0, len(given), size):

        def visit(name: str, on_BCP: torch.Tensor, value_BCP: torch.Tensor, start: int = start) -> None:
            check_finite(value_BCP, f"the network: node {name}", start)
            found[name].append((on_BCP.any(2) if pool == "any" else on_BCP.flatten(1)).cpu().numpy())

        watched.run(shown(slice(start, start + size)), found, visit)
    return {name: np.concatenate(parts) for name, parts in found.items()}
