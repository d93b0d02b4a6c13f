"""Transfer: the accuracy of each task's modulation on every task, which tests whether manifolds are common to tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.flynet import BLOCK, DeviceSplit, FlyNet, View, respond
from rehash.tgsh.model import Model
from rehash.tgsh.modulations import STATES, read_digits
from rehash.tgsh.relations import cosines, spearman
from rehash.training import Compute

BESIDE = ("distance", "similarity")


def correct_of_each(
    images: torch.Tensor, labels: torch.Tensor, view: View, net: FlyNet, classifiers_MKU: torch.Tensor
) -> np.ndarray:
    """Count the images, uint8 (N, P), that each of M linear classifiers on responses assigns to their label.

    The images' responses are computed once for all. Returns int64 (M,).
    """
    count, classes, _ = classifiers_MKU.shape
    right = torch.zeros(count, dtype=torch.int64, device=images.device)
    for part, truth in zip(images.split(BLOCK), labels.split(BLOCK)):
        logits = classifiers_MKU.flatten(0, 1) @ respond(view.inputs(part), net)
        right += (logits.view(count, classes, len(part)).argmax(1) == truth).sum(1)
    return right.cpu().numpy()


def measure_transfer(
    dataset: str | Path, modulations: str | Path, output: str | Path, correlation: str | Path, compute: Compute
) -> dict[str, Any]:
    """Write the test accuracy of every modulation on every task, and its rank correlation with how the two relate.

    output: one row per repeat, state and ordered pair, `modulation` (the task it was learned on) and `task` (whose
    images are shown): distance of the two in pixels, similarity (cosine) of their task vectors in this state, accuracy.
    correlation: one row per repeat, state and `beside` (distance, similarity): spearman, over pairs of two tasks.
    """
    target, digits = compute.start(), read_digits(dataset)
    model = Model.read(modulations, target)
    test = DeviceSplit(digits.test, target)
    count = len(model.views)
    rows, ranks = [], []
    for repeat, net in enumerate(progress(model.networks, "transfer", "network")):
        each = torch.stack([model.classifier(state, repeat, task) for state in STATES for task in range(count)])
        right = np.stack([correct_of_each(test.images, test.labels, view, net, each) for view in model.views], 1)
        for state, found in zip(STATES, right.reshape(len(STATES), count, count) / len(test.labels)):
            similarity = cosines(model.vectors(state, repeat).cpu().numpy())
            keys = {**model.keys, "repeat": repeat, "state": state}
            table = {"distance": model.distances, "similarity": similarity, "accuracy": found}
            modulation, task = (index.ravel() for index in np.indices(found.shape))
            columns = {name: values.ravel() for name, values in table.items()}
            rows.append(pd.DataFrame({**keys, "modulation": modulation, "task": task, **columns}))
            others = modulation != task
            for name in BESIDE:
                # Distances that are equal in theory may differ in the last bit.
                rank = spearman(columns["accuracy"][others], columns[name][others].round(9))
                ranks.append({**keys, "beside": name, "spearman": rank})
    write_csv(pd.concat(rows), output)
    write_csv(pd.DataFrame(ranks), correlation)
    notes = {"device": str(target), "seed": model.identity["seed"], "digests": digits.digests}
    return {**notes, "test_items": len(test.labels)}
