"""Hash codes of modulated responses, which are their sign patterns, measured as in the other wings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.bits import Codes, as_keys, pack, redundancy, unpack
from rehash.datasets.layout import SPLITS
from rehash.neighbours import NEIGHBOURS, majority, nearest
from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.flynet import FlyNet, View, on_device, respond
from rehash.tgsh.images import Images, Paths
from rehash.tgsh.model import MEASURED, Model, blocks
from rehash.training import Compute

BLOCK = 500


def active_units(images: torch.Tensor, view: View, net: FlyNet) -> Codes:
    """Compute which units respond to images, uint8 (N, P), shown in a task: packed bits (N, ceil(U / 8)).

    A modulated response is above 0 if the unit responds and the task vector is positive there, so the codes of any
    modulation are these bits under a mask.
    """
    parts = [respond(view.inputs(images[part]), net).t() > 0 for part in blocks(len(images), BLOCK)]
    return np.concatenate([pack(part.cpu().numpy()) for part in parts])


def collisions(codes: Codes, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row, bool (N,) each, whether another row has its code, and whether one of another digit has."""
    _, which, counts = np.unique(as_keys(codes), return_inverse=True, return_counts=True)
    digits_a_code = np.bincount(np.unique(np.stack([which, digits], 1), axis=0)[:, 0], minlength=len(counts))
    return counts[which] > 1, digits_a_code[which] > 1


def measure_codes(
    dataset: Paths, modulations: str | Path, output: str | Path, compute: Compute, *, references: int
) -> dict[str, Any]:
    """Write a table of code measures, one row per repeat, state (unmodulated, untrained, trained) and task.

    Columns: code_bits; active_share, of the bits of the test codes; redundancy_test; knn, the accuracy of the task's
    test codes with the codes of the first `references` train images as neighbours; collisions and collisions_digit, the
    shares of test images whose code is also that of another image, or of an image of another digit, shown in any task
    of the benchmark.
    """
    target = compute.start()
    model = Model.read(modulations, target)
    images, units, tasks = Images.read(dataset, model.identity["tasks"]), model.identity["units"], len(model.views)
    trains, tests = (on_device([images.split(task, name) for task in range(tasks)], target) for name in SPLITS)
    train_labels = [split.labels[:references].cpu().numpy() for split in trains]
    test_labels = [split.labels.cpu().numpy() for split in tests]
    shown = [[split.images[:references] for split in trains], [split.images for split in tests]]
    ends = np.cumsum([0, *map(len, test_labels)])
    rows = []
    for repeat, net in enumerate(progress(model.networks, "codes", "network")):
        active = [[active_units(*each, net) for each in zip(part, model.views)] for part in shown]
        for state in MEASURED:
            masks = pack(model.vectors(state, repeat).cpu().numpy() > 0)
            train_codes, test_codes = ([codes & mask for codes, mask in zip(part, masks)] for part in active)
            shared, mixed = collisions(np.concatenate(test_codes), np.concatenate(test_labels))
            for task, (theirs, ours) in enumerate(zip(train_codes, test_codes)):
                own = slice(ends[task], ends[task + 1])
                found = nearest(ours, theirs, min(NEIGHBOURS, len(theirs)), device=model.device)
                right = majority(train_labels[task][found]) == test_labels[task]
                rows.append(
                    {
                        **model.keys, "repeat": repeat, "state": state, "task": task, "code_bits": units,
                        "active_share": float(unpack(ours, units).mean()), "redundancy_test": redundancy(ours),
                        "knn": float(np.mean(right)),
                        "collisions": float(shared[own].mean()), "collisions_digit": float(mixed[own].mean()),
                    }
                )  # fmt: skip
    write_csv(pd.DataFrame(rows), output)
    return {"device": str(target), "seed": model.identity["seed"], "digests": images.digests}
