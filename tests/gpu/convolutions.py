"""The check of convolutional networks: the same bytes each time, the CPU's results, and how fast."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from material import digits, published
from runner import Options, verdict

from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.hash_encoders import plan
from rehash.hash_encoders.models.origins import Origin
from rehash.hash_encoders.models.train import ModelTraining, train_model
from rehash.job import Saving
from rehash.store import read_csv
from rehash.training import Compute


def convolutions(options: Options) -> dict[str, Any]:
    """Train a ResNet-8 and a small VGG for two epochs, twice on the device and once on the CPU, then time ResNet-20.

    Two trainings on the device have to write the same bytes; the losses of the first epoch, in which rounding has not
    yet grown, have to be those of the CPU.
    """
    (whole, data), shown = digits(options), 128 if options.small else 640
    few = options.scratch / "few digits for convolutions.h5"
    found = Dataset.read(whole)
    with_validation = shown * 5 // 4
    splits = {
        "train": Split(found.train.images[:with_validation], found.train.labels[:with_validation]),
        "test": Split(found.test.images[:100], found.test.labels[:100]),
    }
    write_dataset(few, splits, name=data, source="", licence="", class_names=found.class_names)
    good, numbers = True, {}
    for name in ("vgg4", "resnet8"):
        bytes_, losses = {}, {}
        for run, device in (("device", options.device), ("again", options.device), ("cpu", "cpu")):
            files = [options.scratch / f"{name} {run}.{ending}" for ending in ("safetensors", "csv")]
            _train(few, files, name, Compute(device, options.threads), 2)
            bytes_[run], losses[run] = files[0].read_bytes(), read_csv(files[1]).loss.to_numpy()
        apart = float(np.abs(losses["device"] / losses["cpu"] - 1)[0])
        same = bytes_["device"] == bytes_["again"]
        good &= same and apart <= 0.02
        numbers[name] = {"same_bytes": same, "loss_difference_to_cpu": round(apart, 5)}
    epochs, begun = 1 if options.small else 4, time.monotonic()
    files = [options.scratch / f"resnet20.{ending}" for ending in ("safetensors", "csv")]
    _train(few, files, "resnet20", Compute(options.device, options.threads), epochs)
    step = 1e3 * (time.monotonic() - begun) / (epochs * shown / 64)
    return {
        "status": verdict(good),
        "data": data,
        **numbers,
        "milliseconds_a_step_of_resnet20": round(step, 2),  # with the validation inputs
    }


def _train(dataset: Any, files: list[Any], name: str, compute: Compute, epochs: int) -> None:
    config = published()
    models = {"net": {**config["hash_encoders"]["models"]["resnet20"], "name": name}}
    wing = {**config["hash_encoders"], "models": models}
    settings = plan.model_training_params({**config, "hash_encoders": wing}, "mnist", "net")
    settings["protocol"] = {**settings["protocol"], "epochs": epochs}
    keys = {"dataset": "mnist", "model": "net", "repeat": "0"}
    train_model(dataset, Origin(), *files, ModelTraining(keys=keys, **settings), compute, Saving())
