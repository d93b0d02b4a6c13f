"""From neural codes to the rows of a property table."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from rehash.hash_encoders.cells import Cell, cohort_name
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.properties import encoding_properties
from rehash.hash_encoders.protocols import Protocol
from rehash.hdf5 import unsealed
from rehash.seeds import integer
from rehash.store import write_csv

log = logging.getLogger("rehash")


def property_rows(file: h5py.File, identity: dict[str, Any], *, threads: int) -> Iterator[dict[str, Any]]:
    """One row a cell, snapshot and repeat: epoch, repeat, the cell's factors, code_bits and METRICS.

    A network whose loss is no number has diverged: its metrics are NaN, and code_bits is 0.
    """
    keys, seed, protocol = identity["keys"], identity["seed"], Protocol(**identity["protocol"])
    test_labels = file["test_labels"][:]
    bits = int(keys["layer_width"]) * int(keys["depth"])
    for i, factors in enumerate(identity["cells"]):
        train_labels = file[f"{i}/train_labels"][:]
        columns = Cell.of(factors).columns(protocol, len(train_labels))
        for snapshot, epochs in identity["epochs"][i].items():
            train, test = file[f"{i}/{snapshot}/train"], file[f"{i}/{snapshot}/test"]
            for repeat, epoch in enumerate(epochs):
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
    """Write the property table of a codes file (see encode_networks): a row a cell, snapshot and repeat.

    Raises:
        InputError: not a codes file, or damaged.
    """
    rows, start = [], time.monotonic()
    with unsealed(codes, "a file of codes of rehash") as file:
        identity = json.loads(file["identity"][()])
        total = sum(len(epochs) for cell in identity["epochs"] for epochs in cell.values())
        measured = property_rows(file, identity, threads=threads)
        for row in tqdm(measured, total=total, desc="measuring", unit="network", disable=None, leave=False):
            rows.append(row)
            left = (time.monotonic() - start) / len(rows) * (total - len(rows))
            log.info("%d of %d networks measured | about %s left", len(rows), total, tqdm.format_interval(left))
    constant = {"paper": "hash_encoders", **identity["keys"], "seed": identity["seed"]}
    write_csv(pd.DataFrame(rows).assign(**constant)[[*KEYS, "code_bits", *METRICS]], output)
    return {
        "seed": identity["seed"],
        "encoded": identity["encoded"],
        "diverged": sum(row["code_bits"] == 0 for row in rows),
    }
