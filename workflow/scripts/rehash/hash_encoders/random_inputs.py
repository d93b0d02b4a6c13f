"""The codes that networks give to random and shuffled inputs, which the public scripts study, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.bits import redundancy, unpack
from rehash.datasets.layout import Dataset
from rehash.hash_encoders.cells import Cell
from rehash.hash_encoders.columns import KEYS
from rehash.hash_encoders.encode import encode, network_shape
from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.protocols import Protocol
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.training import Compute

METRICS = ["redundancy", "active_share"]


def random_inputs(
    inputs: np.ndarray, *, seed: int, dataset: str, offset: float = 0.0
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield kinds of inputs with the inputs, float32 (N, I), as many as there are `inputs`, images or vectors.

    "test": the inputs; "permuted": the inputs, each with its numbers (pixels of all channels) in a random order of its
    own; "uniform": each number uniform in [0, 1); "uniform_negative": the same numbers less 1. A protocol's offset is
    taken from all of them.
    """
    flat = inputs.reshape(len(inputs), -1).astype(np.float32) / (255 if inputs.dtype == np.uint8 else 1)
    rng = {kind: stream(seed, "hash_encoders", dataset, "random_inputs", kind) for kind in ("permuted", "uniform")}
    yield "test", flat - offset
    yield "permuted", rng["permuted"].permuted(flat, axis=1) - offset
    uniform = rng["uniform"].random(flat.shape, dtype=np.float32)
    yield "uniform", uniform - offset
    yield "uniform_negative", uniform - 1 - offset


def measure_random_inputs(
    dataset: str | Path, networks: str | Path, output: str | Path, compute: Compute
) -> dict[str, Any]:
    """Write the redundancy, and the mean share of units that are on, per cell, snapshot, repeat and kind of input."""
    target = compute.start()
    cells, identity = read_networks(networks)
    keys, seed, protocol = identity["keys"], identity["seed"], Protocol(**identity["protocol"])
    images = Dataset.read(dataset)
    test = images.test
    shape = network_shape(identity, test.inputs[0].size, networks)
    labels = torch.from_numpy(test.labels).to(target)
    rows = []
    kinds = random_inputs(test.inputs, seed=seed, dataset=keys["dataset"], offset=protocol.offset)
    for kind, inputs in kinds:
        inputs_NI = torch.from_numpy(inputs).to(target)
        for i, snapshots in enumerate(progress(cells, kind, "cell")):
            cell = Cell.of(identity["cells"][i])
            columns = {
                "study": "random_inputs",
                **cell.columns(protocol, cell.sample_size or identity["train_items"]),
                "inputs": kind,
            }
            for snapshot, network in snapshots.items():
                network = {name: tensor.to(target) for name, tensor in network.items()}
                codes, _, _ = encode(network, inputs_NI, labels, shape, cell.protocol(protocol).norm)
                for repeat, epoch in enumerate(identity["epochs"][i][snapshot]):
                    finite = all(bool(tensor[repeat].isfinite().all()) for tensor in network.values())
                    row = {**columns, "epoch": epoch, "repeat": repeat, "redundancy": np.nan, "active_share": np.nan}
                    if finite:
                        row["redundancy"] = redundancy(codes[repeat])
                        row["active_share"] = float(unpack(codes[repeat], shape.code_bits).mean())
                    rows.append(row)
    constant = {"paper": "hash_encoders", **{k: v for k, v in keys.items() if k != "study"}, "seed": seed}
    table = pd.DataFrame(rows).assign(**constant)
    write_csv(table[[*KEYS, "inputs", *METRICS]], output)
    return {"device": str(target), "seed": seed, "digests": images.digests}
