"""The training job: a dataset in, the networks of a cohort and their history out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.datasets.layout import checksum, class_names
from rehash.hash_encoders.cohort import CohortTraining
from rehash.hash_encoders.files import cohort_name, training_inputs, write_networks
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol
from rehash.store import write_csv
from rehash.training import StateFile, resolve_device, run, set_reproducible


def train_mlps(
    dataset: str | Path,
    networks: str | Path,
    history: str | Path,
    *,
    keys: dict[str, Any],
    protocol: dict[str, Any],
    train_share: float,
    repeats: int,
    seed: int,
    device: str,
    threads: int,
    code: str = "",
    on_code_change: str = "restart",
    save_every_s: float = 30,
) -> dict[str, Any]:
    """Train a cohort and write its networks (safetensors) and its history (CSV); killed, it goes on where it was.

    The saved state stays until `rehash.training.discard_state` is called for `networks`.

    Args:
        keys: dataset, protocol (its name), depth, layer_width.
        protocol: the fields of `Protocol`.

    Returns:
        Notes for the provenance: device, sample size, epochs, wall time with earlier runs, code changes.
    """
    set_reproducible(threads)
    target = resolve_device(device)
    train = training_inputs(dataset, train_share)
    shape = Shape(train.images[0].size, int(keys["layer_width"]), int(keys["depth"]), len(class_names(dataset)))
    job = CohortTraining(
        train.images,
        train.labels,
        shape,
        Protocol(**protocol),
        repeats=repeats,
        seed=seed,
        name=cohort_name(keys),
        device=target,
    )
    identity = {
        "keys": keys, "protocol": protocol, "train_share": train_share, "repeats": repeats, "seed": seed,
        "data": checksum(dataset), "inputs": shape.inputs, "classes": shape.classes,
        "device": target.type, "threads": threads,
    }  # fmt: skip
    with StateFile(networks, identity, code, on_code_change) as state:
        run(
            job,
            state,
            save_every_s=save_every_s,
            title=f"{keys['dataset']} {keys['protocol']} width {keys['layer_width']}",
        )
        trained = job.trained
        table = pd.DataFrame(trained.history).sort_values(["repeat", "epoch"])
        write_csv(table.assign(**keys)[[*keys, "repeat", "epoch", "loss", "accuracy"]], history)
        write_networks(networks, trained, identity)
        return {
            "device": str(target),
            "sample_size": len(train.labels),
            "epochs": trained.epochs,
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }
