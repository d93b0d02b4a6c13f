"""Hash codes of modulated responses: the sign pattern, measured as in the other wings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.bits import Codes, as_keys, pack, redundancy, unpack
from rehash.neighbours import NEIGHBOURS, majority, nearest
from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.files import STATES, read_digits
from rehash.tgsh.flynet import FlyNet, Pictures, View, respond
from rehash.tgsh.model import UNMODULATED, Model, blocks
from rehash.training import resolve_device, set_reproducible

MEASURED = (UNMODULATED, *STATES)
BLOCK = 500


def active_units(images: torch.Tensor, view: View, net: FlyNet) -> Codes:
    """Packed bits, (N, ceil(U / 8)): which units respond to pictures, uint8 (N, PIXELS), shown in a task.

    A modulated response is above 0 where the unit responds and the task vector is positive; so the codes of every
    modulation are these bits, masked.
    """
    parts = [respond(view.inputs(images[part]), net).t() > 0 for part in blocks(len(images), BLOCK)]
    return np.concatenate([pack(part.cpu().numpy()) for part in parts])


def collisions(codes: Codes, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bool (N,) each: whether another row has the same code, and whether one of another digit has."""
    _, which, counts = np.unique(as_keys(codes), return_inverse=True, return_counts=True)
    digits_a_code = np.bincount(np.unique(np.stack([which, digits], 1), axis=0)[:, 0], minlength=len(counts))
    return counts[which] > 1, digits_a_code[which] > 1


def measure_codes(
    dataset: str | Path, modulations: str | Path, output: str | Path, *, references: int, device: str, threads: int
) -> dict[str, Any]:
    """Write a row a repeat, state (unmodulated, untrained, trained) and task.

    code_bits; active_share (of the bits, test); redundancy_test; knn, of the task's test codes among those of the first
    `references` train pictures; collisions and collisions_digit, the shares of test pictures whose code another
    picture, or one of another digit, has in any task of the benchmark.
    """
    set_reproducible(threads)
    target = resolve_device(device)
    model = Model.read(modulations, target)
    train, test = (Pictures(read_digits(dataset, split), target) for split in ("train", "test"))
    train_labels, test_labels = train.labels[:references].cpu().numpy(), test.labels.cpu().numpy()
    units, classes, tasks = model.identity["units"], model.identity["classes"], len(model.views)
    rows = []
    for repeat, net in enumerate(progress(model.networks, "codes", "network")):
        active = [
            [active_units(images, view, net) for view in model.views]
            for images in (train.images[:references], test.images)
        ]
        for state in MEASURED:
            masks = pack(model.vectors(state, repeat).cpu().numpy() > 0)
            train_codes, test_codes = ([codes & mask for codes, mask in zip(part, masks)] for part in active)
            shared, mixed = collisions(np.concatenate(test_codes), np.tile(test_labels, tasks))
            for task, (theirs, ours) in enumerate(zip(train_codes, test_codes)):
                own = slice(task * len(ours), (task + 1) * len(ours))
                found = nearest(ours, theirs, min(NEIGHBOURS, len(theirs)), threads=threads)
                rows.append(
                    {
                        **model.keys, "repeat": repeat, "state": state, "task": task, "code_bits": units,
                        "active_share": float(unpack(ours, units).mean()), "redundancy_test": redundancy(ours),
                        "knn": float(np.mean(majority(train_labels[found], classes) == test_labels)),
                        "collisions": float(shared[own].mean()), "collisions_digit": float(mixed[own].mean()),
                    }
                )  # fmt: skip
    write_csv(pd.DataFrame(rows), output)
    return {"device": str(target), "seed": model.identity["seed"]}
