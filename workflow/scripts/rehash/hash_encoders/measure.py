"""The job that measures the properties of the neural codes of trained networks and writes them as a table."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Dataset
from rehash.hash_encoders.cells import Cell, cohort_name, sample
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.encode import encode, network_shape
from rehash.hash_encoders.networks import Shape, Tensors, as_inputs
from rehash.hash_encoders.networks_file import read_networks, training_inputs
from rehash.hash_encoders.properties import encoding_properties, scheme_of
from rehash.hash_encoders.protocols import Protocol
from rehash.progress import progress
from rehash.seeds import integer
from rehash.store import write_csv
from rehash.training import Compute

log = logging.getLogger("rehash")


def measure_properties(
    dataset: str | Path, networks: str | Path, output: str | Path, compute: Compute, *, one_vs_one_classes: int
) -> dict[str, Any]:
    """Write the table of the properties of networks' codes: one row per cell, snapshot and repeat.

    The codes of one snapshot of one cell are in memory at a time.

    Args:
        one_vs_one_classes: the number of classes up to which logistic regression is one-vs-one.

    Returns:
        Notes for the provenance: seed, device, how many networks diverged, how logistic regression divides the classes,
        digests.

    Raises:
        InputError: a file is damaged, or the dataset is not of the networks' shape, or has only unseen classes to test.
    """
    target = compute.start()
    cells, identity = read_networks(networks)
    images = Dataset.read(dataset)
    images.check_measurable()
    shape = network_shape(identity, images.train.inputs[0].size, networks)
    scheme = scheme_of(identity["classes"], one_vs_one_classes)
    log.info("%d classes: logistic regression is %s", identity["classes"], scheme)
    rows = list(property_rows(images, cells, identity, shape, target, scheme))
    constant = {"paper": "hash_encoders", **identity["keys"], "seed": identity["seed"], "lr_scheme": scheme}
    write_csv(pd.DataFrame(rows).assign(**constant)[[*KEYS, "lr_scheme", "code_bits", *METRICS]], output)
    return {
        "seed": identity["seed"],
        "device": str(target),
        "diverged": sum(row["code_bits"] == 0 for row in rows),
        "lr_scheme": scheme,
        "digests": images.digests,
    }


def property_rows(
    images: Dataset,
    cells: list[dict[str, Tensors]],
    identity: dict[str, Any],
    shape: Shape,
    device: torch.device,
    lr_scheme: str,
) -> Iterator[dict[str, Any]]:
    """Yield one row per cell, snapshot and repeat: epoch, repeat, the cell's factors, code_bits and METRICS.

    Accuracies and losses of the network on its training inputs are on the labels that it was trained on; the codes are
    measured with the true labels. A network whose loss is not finite has diverged: its metrics are NaN, and code_bits
    is 0.
    """
    keys, seed, protocol = identity["keys"], identity["seed"], Protocol(**identity["protocol"])
    train, test = training_inputs(images.train, identity["train_share"]), images.test
    test_data = as_inputs(test.inputs, device, offset=protocol.offset), torch.from_numpy(test.labels).to(device)
    todo = [(number, snapshot) for number, snapshots in enumerate(cells) for snapshot in snapshots]
    for number, snapshot in progress(todo, "measuring", "cohort"):
        cell = Cell.of(identity["cells"][number])
        chosen = sample(cell, train, seed=seed, dataset=keys["dataset"])
        inputs = as_inputs(chosen.inputs, device, offset=protocol.offset)
        train_data = inputs, torch.from_numpy(chosen.labels).to(device)
        network = {name: tensor.to(device) for name, tensor in cells[number][snapshot].items()}
        norm = cell.protocol(protocol).norm
        found = {
            split: encode(network, *data, shape, norm) for split, data in (("train", train_data), ("test", test_data))
        }
        columns = cell.columns(protocol, len(chosen.labels))
        for repeat, epoch in enumerate(identity["epochs"][number][snapshot]):
            row = {"epoch": epoch, "repeat": repeat, **columns}
            for split, (_, accuracies, losses) in found.items():
                row |= {f"accuracy_{split}": float(accuracies[repeat]), f"loss_{split}": float(losses[repeat])}
            if not np.isfinite([row["loss_train"], row["loss_test"]]).all():
                log.warning("%s, repeat %d: diverged; not measured", snapshot, repeat)
                yield {**row, "code_bits": 0, **dict.fromkeys(METRICS, np.nan)}
                continue
            yield row | encoding_properties(
                found["train"][0][repeat],
                chosen.true_labels,
                found["test"][0][repeat],
                test.labels,
                n_bits=shape.code_bits,
                classes=identity["classes"],
                seed=integer(seed, *cohort_name(keys), "kmeans", repeat, snapshot),
                device=device,
                lr_scheme=lr_scheme,
            )
