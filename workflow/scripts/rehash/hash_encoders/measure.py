"""From trained networks to the rows of a property table."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from rehash.bits import pack
from rehash.datasets.layout import Split, read_split
from rehash.errors import InputError
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.files import cohort_name, read_networks, training_inputs
from rehash.hash_encoders.networks import BatchNorm, Shape, Tensors, as_inputs, forward, losses
from rehash.hash_encoders.properties import encoding_properties
from rehash.hash_encoders.protocols import Protocol
from rehash.seeds import integer
from rehash.store import write_csv
from rehash.training import resolve_device, set_reproducible

log = logging.getLogger("rehash")


@torch.no_grad()
def encode(
    network: Tensors,
    inputs_NI: torch.Tensor,
    labels_N: torch.Tensor,
    shape: Shape,
    norm: BatchNorm | None,
    chunk: int = 4096,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a cohort in evaluation mode over all inputs.

    Returns:
        codes: uint8 (M, N, ceil(K / 8)), all hidden activations > 0, layer after layer. accuracy, loss: float64 (M,),
        loss being the cross-entropy without the penalty.
    """
    members = len(network["head.weight"])
    codes = np.empty((members, len(inputs_NI), (shape.code_bits + 7) // 8), np.uint8)
    correct = torch.zeros(members, dtype=torch.float64, device=inputs_NI.device)
    loss = torch.zeros_like(correct)
    for start in range(0, len(inputs_NI), chunk):
        stop = min(start + chunk, len(inputs_NI))
        logits, hidden = forward(network, inputs_NI[None, start:stop].transpose(1, 2), shape, norm, training=False)
        labels_MB = labels_N[start:stop].expand(members, -1)
        correct += (logits.argmax(1) == labels_MB).sum(1)
        loss += losses(logits, labels_MB).double() * (stop - start)
        active = torch.cat([h > 0 for h in hidden], 1).transpose(1, 2)
        codes[:, start:stop] = pack(active.cpu().numpy())
    n = len(inputs_NI)
    return codes, (correct / n).cpu().numpy(), (loss / n).cpu().numpy()


def measure_networks(
    snapshots: dict[str, Tensors],
    epochs: dict[str, list[int]],
    train: Split,
    test: Split,
    shape: Shape,
    norm: BatchNorm | None,
    *,
    seed: int,
    name: tuple[object, ...],
    device: torch.device,
    threads: int,
) -> pd.DataFrame:
    """One row a snapshot and repeat: epoch, repeat, code_bits and METRICS.

    Args:
        snapshots: name -> stacked tensors (R, ...). epochs: name -> each repeat's epoch at that snapshot.
    """
    data = {}
    for split_name, split in (("train", train), ("test", test)):
        data[split_name] = as_inputs(split.images, device), torch.from_numpy(split.labels).to(device)
    rows = []
    for snapshot, network in tqdm(snapshots.items(), desc="measuring", unit="snapshot", disable=None, leave=False):
        network = {key: tensor.to(device) for key, tensor in network.items()}
        codes, accuracies, mean_losses = {}, {}, {}
        for split_name, (inputs, labels) in data.items():
            found = encode(network, inputs, labels, shape, norm)
            codes[split_name], accuracies[split_name], mean_losses[split_name] = found
        for repeat, epoch in enumerate(epochs[snapshot]):
            start = time.monotonic()
            values = encoding_properties(
                codes["train"][repeat],
                train.labels,
                codes["test"][repeat],
                test.labels,
                n_bits=shape.code_bits,
                classes=shape.classes,
                seed=integer(seed, *name, "kmeans", repeat, snapshot),
                device=str(device),
                threads=threads,
            )
            row = {"epoch": epoch, "repeat": repeat, **values}
            for split_name in data:
                row[f"accuracy_{split_name}"] = float(accuracies[split_name][repeat])
                row[f"loss_{split_name}"] = float(mean_losses[split_name][repeat])
            rows.append(row)
            seconds = time.monotonic() - start
            left = len(snapshots) * len(epochs[snapshot]) - len(rows)
            log.info(
                "%s, repeat %d: measured in %.1f s | about %s left",
                snapshot,
                repeat,
                seconds,
                tqdm.format_interval(seconds * left),
            )
    return pd.DataFrame(rows)[["epoch", "repeat", "code_bits", *METRICS]]


def with_keys(table: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    """The table with its constant key columns in front, in the house's order."""
    table = table.assign(**keys)
    return table[KEYS + [column for column in table if column not in KEYS]]


def measure_properties(
    dataset: str | Path, networks: str | Path, output: str | Path, *, device: str, threads: int
) -> dict[str, Any]:
    """Write the property table of a cohort: a row a snapshot and repeat. Returns notes for the provenance."""
    set_reproducible(threads)
    target = resolve_device(device)
    snapshots, identity = read_networks(networks)
    keys, seed = identity["keys"], identity["seed"]
    train, test = training_inputs(dataset, identity["train_share"]), read_split(dataset, "test")
    shape = Shape(identity["inputs"], int(keys["layer_width"]), int(keys["depth"]), identity["classes"])
    if train.images[0].size != shape.inputs:
        raise InputError(f"{networks}: networks of {shape.inputs} inputs; {dataset} has {train.images[0].size}")
    table = measure_networks(
        snapshots,
        identity["epochs"],
        train,
        test,
        shape,
        Protocol(**identity["protocol"]).norm,
        seed=seed,
        name=cohort_name(keys),
        device=target,
        threads=threads,
    )
    constant = {"paper": "hash_encoders", **keys, "sample_size": len(train.labels), "seed": seed}
    write_csv(with_keys(table, constant), output)
    return {"device": str(target), "seed": seed}
