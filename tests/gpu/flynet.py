"""The check of FlyNet: all tasks in one step, how fast, and with the CPU's results; and every other kind's responses."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from material import digits, published
from runner import Options, verdict

from rehash.arrays import read_arrays
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh import plan
from rehash.tgsh.flynet import FlyNet, respond
from rehash.tgsh.initialisation import draw_flynet
from rehash.tgsh.kinds import KINDS
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
    others = responses_apart(options.device, settings["units"])
    return {
        "status": verdict(accuracy <= 0.02 and np.median(apart) <= 1e-5 and max(others.values()) <= 1e-3),
        "data": data,
        "tasks": len(settings["tasks"]),
        "milliseconds_a_step": steps["whole"],  # the accuracies after the epoch included
        "milliseconds_a_step_of_the_cpu": steps["cpu"],
        "accuracy_difference_to_cpu": round(float(accuracy), 5),
        "median_difference_to_cpu": float(np.median(apart)),
        "share_above_0.001_to_cpu": float((apart > 1e-3).mean()),
        "responses_apart_from_cpu": others,
        "accuracy": round(float(trained["whole"][1].accuracy.mean()), 4),
    }


def responses_apart(device: str, units: int) -> dict[str, float]:
    """Return for each kind of encoder the share of responses that differ by 1e-4 of the largest: winners, if any."""
    inputs, found = torch.from_numpy(stream(1, "gpu", "inputs").standard_normal((784, 256), np.float32)), {}
    for kind, about in KINDS.items():
        settings = {"kind": kind, **about.takes}
        drawn = draw_flynet(units // 49 * 49, 10, seed=1, repeat=0, encoder=settings)
        here, there = (
            respond(inputs.to(place), FlyNet.of(*drawn, torch.device(place), settings=settings)).cpu()
            for place in ("cpu", device)
        )
        found[kind] = float(((there - here).abs() > 1e-4 * here.max()).double().mean())
    return found


def _first(split: Split, count: int) -> Split:
    return Split(split.images[:count], split.labels[:count])
