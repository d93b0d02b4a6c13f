"""The job that measures the properties of neural codes and writes them as a table."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from rehash.hash_encoders.cells import Cell, cohort_name
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.properties import encoding_properties
from rehash.hash_encoders.protocols import Protocol
from rehash.hdf5 import unsealed
from rehash.progress import progress
from rehash.seeds import integer
from rehash.store import write_csv

log = logging.getLogger("rehash")


def property_rows(file: h5py.File, identity: dict[str, Any], *, threads: int) -> Iterator[dict[str, Any]]:
    """Yield one row per cell, snapshot and repeat: epoch, repeat, the cell's factors, code_bits and METRICS.

    A network whose loss is not finite has diverged: its metrics are NaN, and code_bits is 0.
    """
    keys, seed, protocol = identity["keys"], identity["seed"], Protocol(**identity["protocol"])
    test_labels = file["test_labels"][:]
    bits = int(keys["layer_width"]) * int(keys["depth"])
    todo = [
        (cell, snapshot, repeat, epoch)
        for cell, snapshots in enumerate(identity["epochs"])
        for snapshot, epochs in snapshots.items()
        for repeat, epoch in enumerate(epochs)
    ]
    for cell, snapshot, repeat, epoch in progress(todo, "measuring", "network"):
        train_labels = file[f"{cell}/train_labels"][:]
        train, test = file[f"{cell}/{snapshot}/train"], file[f"{cell}/{snapshot}/test"]
        columns = Cell.of(identity["cells"][cell]).columns(protocol, len(train_labels))
        row = {"epoch": epoch, "repeat": repeat, **columns}
        for split, group in (("train", train), ("test", test)):
            row[f"accuracy_{split}"] = float(group["accuracy"][repeat])
            row[f"loss_{split}"] = float(group["loss"][repeat])
        if not np.isfinite([row["loss_train"], row["loss_test"]]).all():
            log.warning("%s, repeat %d: diverged; not measured", snapshot, repeat)
            yield {**row, "code_bits": 0, **dict.fromkeys(METRICS, np.nan)}
            continue
        yield row | encoding_properties(
            train["codes"][repeat],
            train_labels,
            test["codes"][repeat],
            test_labels,
            n_bits=bits,
            classes=identity["classes"],
            seed=integer(seed, *cohort_name(keys), "kmeans", repeat, snapshot),
            threads=threads,
        )


def measure_properties(codes: str | Path, output: str | Path, *, threads: int) -> dict[str, Any]:
    """Write the property table of a codes file (see encode_networks): one row per cell, snapshot and repeat.

    Raises:
        InputError: the file is not a codes file, or is damaged.
    """
    with unsealed(codes, "a file of codes of rehash") as file:
        identity = json.loads(file["identity"][()])
        rows = list(property_rows(file, identity, threads=threads))
    constant = {"paper": "hash_encoders", **identity["keys"], "seed": identity["seed"]}
    write_csv(pd.DataFrame(rows).assign(**constant)[[*KEYS, "code_bits", *METRICS]], output)
    return {
        "seed": identity["seed"],
        "encoded": identity["encoded"],
        "diverged": sum(row["code_bits"] == 0 for row in rows),
    }
