"""Accuracy of every task, right after its training and after all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.errors import InputError
from rehash.progress import progress
from rehash.store import read_csv, write_csv
from rehash.tgsh.files import STATES, read_digits
from rehash.tgsh.flynet import Pictures, correct, task_decoder
from rehash.tgsh.model import Model
from rehash.training import resolve_device, set_reproducible


def measure_accuracy(
    dataset: str | Path, modulations: str | Path, history: str | Path, output: str | Path, *, device: str, threads: int
) -> dict[str, Any]:
    """Write a row a repeat and task: its transformation and three accuracies on the test split.

    accuracy_untrained; accuracy_at_training, from the training's history; accuracy_after_all, from the modulations that
    were kept once all tasks were trained.

    Raises:
        InputError: the history is of other tasks.
    """
    set_reproducible(threads)
    target = resolve_device(device)
    model = Model.read(modulations, target)
    test = Pictures(read_digits(dataset, "test"), target)
    epochs = model.identity["schedule"]["epochs"]
    last = read_csv(history, ["repeat", "task", "epoch", "accuracy"]).query(f"epoch == {epochs}")
    at_training = last.set_index(["repeat", "task"]).accuracy.to_dict()
    rows = []
    for repeat, net in enumerate(progress(model.networks, "accuracy", "network")):
        for task, view in enumerate(model.views):
            if (repeat, task) not in at_training:
                raise InputError(f"{history}: no last epoch of repeat {repeat}, task {task}; {modulations} has one")
            decoders = {state: task_decoder(net, *model.modulation(state, repeat, task)) for state in STATES}
            right = {state: correct(test.images, test.labels, view, net, decoders[state]) for state in STATES}
            rows.append(
                {
                    "repeat": repeat,
                    "task": task,
                    **model.identity["tasks"][task],
                    "accuracy_untrained": right["untrained"] / len(test.labels),
                    "accuracy_at_training": at_training[repeat, task],
                    "accuracy_after_all": right["trained"] / len(test.labels),
                }
            )
    write_csv(pd.DataFrame([{**model.keys, **row} for row in rows]), output)
    return {"device": str(target), "seed": model.identity["seed"], "test_items": len(test.labels)}
