"""Jobs of the wing: files in, files out. What the scripts call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rehash.datasets.layout import Split, class_names, read_split
from rehash.errors import InputError
from rehash.hash_encoders.cohort import CohortTraining, Protocol, Trained
from rehash.hash_encoders.measure import measure_networks, with_keys
from rehash.hash_encoders.networks import Shape, Tensors
from rehash.store import atomic, write_csv
from rehash.training import StateFile, resolve_device, run, set_reproducible


def training_inputs(dataset: str | Path, train_share: float) -> Split:
    """The first `train_share` of a dataset's train split (the rest validates)."""
    split = read_split(dataset, "train")
    stop = round(train_share * len(split.labels))
    return Split(split.images[:stop], split.labels[:stop])


def cohort_name(keys: dict[str, Any]) -> tuple[str, ...]:
    """What the random streams of a cohort are named by: everything that tells it from other cohorts."""
    return ("hash_encoders", *(f"{key}={keys[key]}" for key in sorted(keys)))


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
        "device": target.type, "threads": threads,
    }  # fmt: skip
    with StateFile(networks, identity, code, on_code_change) as state:
        run(job, state, save_every_s=save_every_s, title=f"{keys['dataset']} {keys['protocol']} width {keys['layer_width']}")
        trained = job.trained
        table = pd.DataFrame(trained.history).sort_values(["repeat", "epoch"])
        write_csv(table.assign(**keys)[[*keys, "repeat", "epoch", "loss", "accuracy"]], history)
        write_networks(networks, trained, {**identity, "inputs": shape.inputs, "classes": shape.classes})
        return {
            "device": str(target),
            "sample_size": len(train.labels),
            "epochs": trained.epochs,
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }


def write_networks(path: str | Path, trained: Trained, identity: dict[str, Any]) -> None:
    """One safetensors file: tensors `snapshot/name` (R, ...), and what they are as JSON metadata."""
    tensors = {
        f"{snapshot}/{name}": tensor for snapshot, network in trained.networks.items() for name, tensor in network.items()
    }
    epochs = {"untrained": [0] * len(trained.epochs), "trained": trained.epochs}
    with atomic(path) as temporary:
        save_file(tensors, temporary, {"rehash": json.dumps({**identity, "epochs": epochs})})


def read_networks(path: str | Path) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """Snapshots (name -> stacked tensors) and the metadata of a networks file.

    Raises:
        InputError: the file is truncated or not one of ours.
    """
    snapshots: dict[str, Tensors] = {}
    try:
        with safe_open(path, "pt") as file:
            identity = json.loads(file.metadata()["rehash"])
            for key in file.keys():
                snapshot, name = key.split("/", 1)
                snapshots.setdefault(snapshot, {})[name] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a networks file of rehash ({error})") from error
    return {name: snapshots[name] for name in identity["epochs"]}, identity


def measure_properties(dataset: str | Path, networks: str | Path, output: str | Path, *, device: str, threads: int) -> dict[str, Any]:
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
