"""The job that computes the neural codes of trained networks, the part of measuring that benefits from a GPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import pack
from rehash.datasets.layout import Dataset
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, sample
from rehash.hash_encoders.networks import Shape, Tensors, as_inputs, forward, losses
from rehash.hash_encoders.networks_file import read_networks, training_inputs
from rehash.hash_encoders.protocols import BatchNorm, Protocol
from rehash.hdf5 import add_group, created, seal, text
from rehash.progress import progress
from rehash.store import file_digest
from rehash.training import Compute


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
        codes: uint8 (M, N, ceil(K / 8)), packed bits: whether each hidden activation is > 0, layer after layer.
        accuracy, loss: float64 (M,); the loss is the cross-entropy without the penalty.
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


def network_shape(identity: dict[str, Any], inputs: int, where: str | Path) -> Shape:
    """Return the shape of the networks in a file, checked against the size of the dataset's inputs.

    Raises:
        InputError: the networks take another number of inputs.
    """
    keys = identity["keys"]
    if inputs != identity["inputs"]:
        raise InputError(f"{where}: networks of {identity['inputs']} inputs; the dataset has {inputs}")
    return Shape(inputs, int(keys["layer_width"]), int(keys["depth"]), identity["classes"])


def encode_networks(dataset: str | Path, networks: str | Path, output: str | Path, compute: Compute) -> None:
    """Write the codes of every cell, snapshot and split (HDF5).

    `{cell}/train_labels` and `test_labels`: int64 (N,), the true ones. `{cell}/{snapshot}/{split}`: codes uint8 (R, N,
    ceil(K / 8)), accuracy and loss float64 (R,); for the split train on the labels that the cell was trained on.
    `identity`: the networks' metadata, and the device, torch version and file of networks that made the codes, as JSON.
    """
    target = compute.start()
    cells, identity = read_networks(networks)
    images = Dataset.read(dataset)
    train, test = training_inputs(images.train, identity["train_share"]), images.test
    shape = network_shape(identity, train.images[0].size, networks)
    test_data = as_inputs(test.images, target), torch.from_numpy(test.labels).to(target)
    with created(output) as file:
        made_by = {"device": str(target), "torch": torch.__version__, "networks": file_digest(networks)}
        # A dataset, since HDF5 limits attributes to 64 KB.
        file["identity"] = text(json.dumps({**identity, "encoded": made_by}))
        file["test_labels"] = test.labels
        for i, snapshots in enumerate(progress(cells, "encoding", "cell")):
            cell = Cell.of(identity["cells"][i])
            norm = cell.protocol(Protocol(**identity["protocol"])).norm
            chosen = sample(cell, train, seed=identity["seed"], dataset=identity["keys"]["dataset"])
            add_group(file, f"{i}")
            file[f"{i}/train_labels"] = chosen.true_labels
            train_data = as_inputs(chosen.images, target), torch.from_numpy(chosen.labels).to(target)
            for snapshot, network in snapshots.items():
                network = {name: tensor.to(target) for name, tensor in network.items()}
                for split, (inputs, labels) in (("train", train_data), ("test", test_data)):
                    found = encode(network, inputs, labels, shape, norm)
                    add_group(file, f"{i}/{snapshot}/{split}")
                    for name, array in zip(("codes", "accuracy", "loss"), found):
                        file[f"{i}/{snapshot}/{split}/{name}"] = array
        seal(file)
