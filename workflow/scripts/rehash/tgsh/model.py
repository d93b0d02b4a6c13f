"""A frozen network as it is run for measurements: networks, views and modulations, read from a file of modulations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.tgsh.flynet import FlyNet, View, respond, task_decoder, views
from rehash.tgsh.kinds import FLY
from rehash.tgsh.modulations import STATES, heads_in, read_modulations, shape_in
from rehash.tgsh.tasks import task_distances

UNMODULATED = "unmodulated"  # the frozen response alone, a control that shows what a modulation adds
MEASURED = (UNMODULATED, *STATES)


@dataclass(frozen=True)
class Model:
    """R frozen networks, the views of T tasks, and the tasks' modulations; identity is the file's metadata."""

    networks: list[FlyNet]
    views: list[View]
    arrays: dict[str, np.ndarray]
    identity: dict[str, Any]
    device: torch.device

    @classmethod
    def read(cls, path: str | Path, device: torch.device) -> Model:
        """Read a model from a file that `rehash.tgsh.modulations.write_modulations` wrote."""
        arrays, identity = read_modulations(path)
        shape, settings = shape_in(identity), identity.get("encoder", FLY)
        networks = [
            FlyNet.of(*drawn, device, settings=settings, shape=shape)
            for drawn in zip(arrays["encoder"], arrays["decoder"])
        ]
        how = {"shape": shape, "normalisation": identity.get("normalisation"), "seed": identity["seed"]}
        shown = views(identity["tasks"], identity["interpolation"], identity["fill"], device, **how)
        return cls(networks, shown, arrays, identity, device)

    @property
    def keys(self) -> dict[str, Any]:
        """Return the model's dataset and benchmark, by these names."""
        return self.identity["keys"]

    def modulation(self, state: str, repeat: int, task: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return context (U,) and strength () of one task; `state` is untrained or trained."""
        context, strength = (self.arrays[f"{part}_{state}"][repeat] for part in ("context", "strength"))
        return torch.from_numpy(context[task]).to(self.device), torch.tensor(strength[task]).to(self.device)

    def classifier(self, state: str, repeat: int, task: int) -> torch.Tensor:
        """Return the linear classifier on responses of one task's head, (K, U); `state` is untrained or trained."""
        return task_decoder(self.network(state, repeat, task), *self.modulation(state, repeat, task))

    def network(self, state: str, repeat: int, task: int) -> FlyNet:
        """Return a network with the decoder that a task has in a state, and of it the rows of the task's classes."""
        net = self.networks[repeat]
        if state == "trained" and "decoder_trained" in self.arrays:
            learned = torch.from_numpy(self.arrays["decoder_trained"][repeat, task]).to(self.device)
            net = replace(net, decoder=learned)
        return net.headed(self.head(task))

    def head(self, task: int) -> list[int]:
        """Return the numbers of the classes that a task's images have, of which alone its classifier knows."""
        return heads_in(self.identity)[task]

    def vectors(self, state: str, repeat: int) -> torch.Tensor:
        """Return the task vectors, context times strength, (T, U); all ones if `state` is UNMODULATED."""
        if state == UNMODULATED:
            return torch.ones(self.arrays["context_trained"][repeat].shape, device=self.device)
        context, strength = (self.arrays[f"{part}_{state}"][repeat] for part in ("context", "strength"))
        return torch.from_numpy(context * strength[:, None]).to(self.device)

    @cached_property
    def distances(self) -> np.ndarray:
        """Return the distances of the tasks, float64 (T, T), see `rehash.tgsh.tasks.task_distances`."""
        return task_distances(self.identity["tasks"], shape_in(self.identity), self.identity["seed"])

    def responses(self, repeat: int, images: torch.Tensor) -> torch.Tensor:
        """Compute the responses z to images, uint8 (B, PIXELS), shown in every task: (T, B, U)."""
        return torch.stack([respond(view.inputs(images), self.networks[repeat]).t() for view in self.views])


def blocks(count: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` that cover `count` items; the last one may be smaller."""
    return (slice(first, min(first + size, count)) for first in range(0, count, size))
