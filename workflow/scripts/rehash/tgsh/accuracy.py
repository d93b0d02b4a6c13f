"""The accuracy on every task, before training, right after its own training and after all tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.errors import InputError
from rehash.progress import progress
from rehash.store import read_csv, write_csv
from rehash.tgsh.flynet import correct, on_device
from rehash.tgsh.images import Images, Paths
from rehash.tgsh.model import Model
from rehash.tgsh.modulations import STATES
from rehash.tgsh.tasks import task_rows
from rehash.training import Compute


def measure_accuracy(
    dataset: Paths, modulations: str | Path, history: str | Path, output: str | Path, compute: Compute
) -> dict[str, Any]:
    """Write one row per repeat and task: its transformation and three accuracies on the test split.

    The accuracies are accuracy_untrained; accuracy_at_training, from the training's history; accuracy_after_all, from
    the modulations that were saved once all tasks were trained.

    Raises:
        InputError: the history lacks the last epoch of a repeat and task.
    """
    target = compute.start()
    model = Model.read(modulations, target)
    images = Images.read(dataset, model.identity["tasks"])
    tests = on_device([images.local(task, "test") for task in range(len(model.views))], target)
    told = task_rows(model.identity["tasks"], model.keys["dataset"])
    epochs = model.identity["schedule"]["epochs"]
    last = read_csv(history, ["repeat", "task", "epoch", "accuracy"]).query(f"epoch == {epochs}")
    at_training = last.set_index(["repeat", "task"]).accuracy.to_dict()
    rows = []
    for repeat, net in enumerate(progress(model.networks, "accuracy", "network")):
        for task, view in enumerate(model.views):
            if (repeat, task) not in at_training:
                raise InputError(f"{history}: no last epoch of repeat {repeat}, task {task}; {modulations} has one")
            test, decoders = tests[task], {state: model.classifier(state, repeat, task) for state in STATES}
            right = {state: correct(test.images, test.labels, view, net, decoders[state]) for state in STATES}
            rows.append(
                {
                    "repeat": repeat,
                    "task": task,
                    **told[task],
                    "accuracy_untrained": right["untrained"] / len(test.labels),
                    "accuracy_at_training": at_training[repeat, task],
                    "accuracy_after_all": right["trained"] / len(test.labels),
                }
            )
    write_csv(pd.DataFrame([{**model.keys, **row} for row in rows]), output)
    notes = {"device": str(target), "seed": model.identity["seed"], "digests": images.digests}
    return {**notes, "test_items": len(tests[0].labels)}
