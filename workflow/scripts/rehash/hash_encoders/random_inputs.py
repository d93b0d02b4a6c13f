"""What trained networks make of inputs that are no pictures: a scripts' study without published numbers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from rehash.bits import redundancy, unpack
from rehash.datasets.layout import read_split
from rehash.hash_encoders.cells import Cell
from rehash.hash_encoders.columns import KEYS
from rehash.hash_encoders.encode import encode, network_shape
from rehash.hash_encoders.files import read_networks
from rehash.hash_encoders.protocols import Protocol
from rehash.seeds import stream
from rehash.store import write_csv
from rehash.training import resolve_device, set_reproducible

log = logging.getLogger("rehash")
METRICS = ["redundancy", "active_share"]


def random_inputs(images: np.ndarray, *, seed: int, dataset: str) -> dict[str, np.ndarray]:
    """Float32 (N, I) inputs by kind, as many as `images`, uint8 (N, ...).

    "test": the images; "permuted": the same, each with its pixels (of all channels) in an order of its own; "uniform":
    each pixel uniform in [0, 1]; "uniform_negative": uniform in [-1, 0].
    """
    flat = images.reshape(len(images), -1)
    rng = {kind: stream(seed, "hash_encoders", dataset, "random_inputs", kind) for kind in ("permuted", "uniform")}
    uniform = rng["uniform"].random(flat.shape, dtype=np.float32)
    return {
        "test": flat.astype(np.float32) / 255,
        "permuted": rng["permuted"].permuted(flat, axis=1).astype(np.float32) / 255,
        "uniform": uniform,
        "uniform_negative": uniform - 1,
    }


def measure_random_inputs(
    dataset: str | Path, networks: str | Path, output: str | Path, *, device: str, threads: int
) -> dict[str, Any]:
    """Write a row a cell, snapshot, repeat and kind of input: redundancy, and the mean share of units that are on."""
    set_reproducible(threads)
    target = resolve_device(device)
    cells, identity = read_networks(networks)
    keys, seed, protocol = identity["keys"], identity["seed"], Protocol(**identity["protocol"])
    test = read_split(dataset, "test")
    shape = network_shape(identity, test.images[0].size, networks)
    labels = torch.from_numpy(test.labels).to(target)
    rows = []
    for kind, inputs in random_inputs(test.images, seed=seed, dataset=keys["dataset"]).items():
        inputs_NI = torch.from_numpy(inputs).to(target)
        for i, snapshots in enumerate(tqdm(cells, desc=kind, unit="cell", disable=None, leave=False)):
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
        log.info("%s: encoded", kind)
    constant = {"paper": "hash_encoders", **{k: v for k, v in keys.items() if k != "study"}, "seed": seed}
    table = pd.DataFrame(rows).assign(**constant)
    write_csv(table[[*KEYS, "inputs", *METRICS]], output)
    return {"device": str(target), "seed": seed}
