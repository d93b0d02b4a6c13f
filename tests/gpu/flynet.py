"""The check of FlyNet: all tasks of a benchmark in one step, how fast, and with the CPU's results."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from material import digits, published
from runner import Options, verdict

from rehash.arrays import read_arrays
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.job import Saving
from rehash.store import read_csv
from rehash.tgsh import plan
from rehash.tgsh.train import Training, train_flynet
from rehash.training import Compute


def flynet(options: Options) -> dict[str, Any]:
    """Train the 36 tasks of the rotation benchmark for one epoch, and for a few steps on the CPU, too.

    Some modulations differ where a gradient near 0 has another sign, since RMSprop's first step is as long for it.
    """
    whole, data = digits(options)
    few = options.scratch / "few digits.h5"
    found = Dataset.read(whole)
    splits = {"train": _first(found.train, 10 * 128), "test": _first(found.test, 500)}
    write_dataset(few, splits, name=data, source="", licence="", class_names=found.class_names)
    settings = plan.training_params(published(), "mnist", "rotation")
    settings |= {"repeats": 1, "schedule": settings["schedule"] | {"epochs": 1}}
    if options.small:
        settings |= {"units": 196, "tasks": settings["tasks"][::12]}
        whole = few
    training = Training(keys={"dataset": data, "benchmark": "rotation"}, **settings)
    steps, trained = {}, {}
    for name, dataset, device in (("cpu", few, "cpu"), ("few", few, options.device), ("whole", whole, options.device)):
        files = [options.scratch / f"{name}.{ending}" for ending in ("safetensors", "csv")]
        begun = time.monotonic()
        train_flynet(dataset, *files, training, Compute(device, options.threads), Saving())
        count = -(-len(Dataset.read(dataset).train.labels) // settings["schedule"]["batch_size"])
        steps[name] = round(1e3 * (time.monotonic() - begun) / count, 3)
        trained[name] = read_arrays(files[0])[0]["context_trained"], read_csv(files[1])
    apart = np.abs(trained["few"][0] - trained["cpu"][0])
    accuracy = (trained["few"][1].accuracy - trained["cpu"][1].accuracy).abs().max()
    return {
        "status": verdict(accuracy <= 0.02 and np.median(apart) <= 1e-5),
        "data": data,
        "tasks": len(settings["tasks"]),
        "milliseconds_a_step": steps["whole"],  # the accuracies after the epoch included
        "milliseconds_a_step_of_the_cpu": steps["cpu"],
        "accuracy_difference_to_cpu": round(float(accuracy), 5),
        "median_difference_to_cpu": float(np.median(apart)),
        "share_above_0.001_to_cpu": float((apart > 1e-3).mean()),
        "accuracy": round(float(trained["whole"][1].accuracy.mean()), 4),
    }


def _first(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count])
