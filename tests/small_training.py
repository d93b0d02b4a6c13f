"""Trainings of a few steps on a bank of noise, as jobs in memory and with all their files."""

from pathlib import Path

import torch

from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.task import Task
from rehash.equihash.learning import objectives
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.train import HashTraining, Schedule, Training, train_hash
from rehash.job import Saving
from rehash.training import Compute
from small_index import write_bank

TASK = {"kind": "noisy", "grid": [2, 2], "picture": [14, 14]}
CLASSES = {"kind": "augmented", "labels": "classes", "grid": [1, 1], "picture": [16, 16]}
SMALL = {"micro_batches": 3, "pairs": 8, "evaluate_every": 2, "evaluation_pairs": 20}


def small_bank(folder: Path) -> Path:
    """The bank of the trainings; beside it lies one that has classes."""
    write_bank(folder / "classes.h5", 30, 16, 16, classes=5)
    return write_bank(folder / "bank.h5", 30, 14, 14)


def job(bank, objective="shannon_hamming", settings=None, seed=5, **schedule) -> HashTraining:
    task, file, made = Task.of(TASK), bank, objective
    if isinstance(objective, str) and objectives.needs_classes(objective):
        task, file = Task.of(CLASSES), bank.with_name("classes.h5")
    mosaics = {split: Mosaics.open(task, Bank.open(file, split), None, CPU) for split in ("train", "valid")}
    if isinstance(objective, str):
        settings = objectives.complete(objective, settings or {})
        count = mosaics["train"].label_count
        made = objectives.load(objective)(16, count, seed, mosaic_images=task.images, **settings)
    network = build_network("mosaic_cnn", 16, task.shape, seed=seed)
    return HashTraining(network, made, mosaics, Schedule(**{"steps": 6, **SMALL, **schedule}), seed=seed, name="test")


def bytes_of(tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    return {name: tensor.detach().cpu().numpy().tobytes() for name, tensor in tensors.items()}


TABLES = ("training.csv", "losses.csv", "diagnostics.csv", "histograms.csv")


def run_training(folder, bank, *, every_s=30, steps=(), start=None, **changed):
    settings = {
        "keys": {"task": "test", "model": "m", "variant": "default"},
        "task": TASK,
        "network": "mosaic_cnn",
        "bits": 16,
        "objective": "shannon_hamming",
        "settings": objectives.complete("shannon_hamming", {}),
        "schedule": {"steps": 6, **SMALL},
        "seed": 5,
    }
    paths = [folder / name for name in ("network.safetensors", *TABLES[:2])]
    more = {Path(name).stem: folder / name for name in ("checkpoints.tar", *TABLES[2:])}
    training = Training(**settings | changed)
    train_hash(
        bank, None, *paths, training, Compute("cpu", 1), Saving(every_s=every_s), steps=steps, start=start, **more
    )
    return [path.read_bytes() for path in (*paths, *more.values())]
