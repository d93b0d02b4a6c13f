"""The job that measures the linear regions of networks of any shape, along lines through inputs and around them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from rehash.datasets.layout import Dataset
from rehash.errors import InputError
from rehash.hash_encoders.columns import MODEL_LINES
from rehash.hash_encoders.lines import POINTS, draw_lines
from rehash.hash_encoders.models.inputs import Preparation
from rehash.hash_encoders.models.origins import Origin, open_network
from rehash.hash_encoders.module_regions import module_lines, two_piece_units
from rehash.hash_encoders.networks_file import training_inputs
from rehash.progress import progress
from rehash.store import write_csv

log = logging.getLogger("rehash")


@dataclass(frozen=True)
class Lines:
    """The settings of the lines through one network's regions.

    Attributes:
        keys: dataset, model, state (trained or untrained), repeat.
        model: the block of hash_encoders.models. lines, directions: see the config's schema.
        train_share: the share of the train split that networks are trained on.
        seed: of the lines.
    """

    keys: dict[str, Any]
    model: dict[str, Any]
    lines: int
    directions: list[str]
    train_share: float
    seed: int


class FromPoints(nn.Module):
    """A network as a function of a dataset's inputs laid out as rows, on the scale of [0, 1].

    So distances are those of the inputs, whatever a network makes of them first; scaling them is affine.
    """

    def __init__(self, network: nn.Module, preparation: Preparation, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self.preparation, self.shape = network, preparation, shape

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        if len(self.shape) == 1:
            return self.network(points)
        height, width, *channels = self.shape
        images = points.view(-1, height, width, *(channels or [1])).movedim(3, 1)
        return self.network(self.preparation.scaled(images))


def measure_model_regions(dataset: str | Path, origin: Origin, output: str | Path, settings: Lines) -> dict[str, Any]:
    """Write the table of lines through a network's regions: a row for each line and direction (columns MODEL_LINES).

    It is computed on a CPU, in float64.

    Returns:
        Notes for the provenance: for how many starts the nearest face is exact, and the starts; digests.

    Raises:
        InputError: the network cannot be had, or is not piecewise linear.
    """
    images, keys = Dataset.read(dataset), settings.keys
    train = training_inputs(images.train, settings.train_share)
    network = open_network(
        origin,
        settings.model,
        name=keys["model"],
        state=keys["state"],
        repeat=int(keys["repeat"]),
        channels=Preparation.of(settings.model, keys["model"])(images.test.inputs[:1], torch.device("cpu")).shape[1],
        classes=len(images.class_names),
        seed=settings.seed,
        data=images.checksum,
    )
    shown = FromPoints(network, Preparation.of(settings.model, keys["model"]), images.test.inputs.shape[1:])
    parts = []
    for points in progress(POINTS, "regions", "kind of inputs"):
        starts, vectors = draw_lines(
            points, train, images.test, settings.lines, seed=settings.seed, dataset=keys["dataset"]
        )
        chosen = {name: vector for name, vector in vectors.items() if name in settings.directions}
        try:
            parts.append(module_lines(shown, two_piece_units, starts, chosen).assign(points=points))
        except InputError as error:
            raise InputError(
                f"config: hash_encoders.models.{keys['model']}: {error}. lines: 0 of hash_encoders.layers."
                f"{keys['dataset']} leaves regions out"
            ) from error
    table = pd.concat(parts, ignore_index=True)
    constant = {"paper": "hash_encoders", **keys, "source": settings.model["source"], "seed": settings.seed}
    write_csv(table.assign(**constant)[MODEL_LINES], output)
    starts = table.drop_duplicates(["points", "line"])
    if (inexact := int(np.sum(~starts.nearest_face_exact))) > 0:
        log.info("%d of %d starts: a max pooling switches before the nearest face is reached", inexact, len(starts))
    return {"starts": len(starts), "inexact": inexact, "digests": {**images.digests, **origin.digests}}
