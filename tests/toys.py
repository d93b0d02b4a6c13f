"""Toy data and networks that several test files share."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from rehash.datasets.layout import Split
from rehash.hash_encoders.cohort import CohortTraining, Recipe
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol

SCRIPTS = Protocol("adam", 0.01, 16, 4, decay_every=2, l2=1e-3, batch_norm={"momentum": 0.01, "eps": 1e-3})
SHAPE = Shape(inputs=36, layer_width=9, depth=2, classes=4)
CPU = torch.device("cpu")


def digits(n: int = 208, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 (n, 6, 6), of four classes that differ in brightness, and their labels, int64 (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    return (rng.integers(0, 120, (n, 6, 6)) + 30 * labels[:, None, None]).astype(np.uint8), labels


def cohort(
    protocol: Protocol = SCRIPTS,
    repeats: int = 3,
    dtype: torch.dtype = torch.float64,
    shape: Shape = SHAPE,
    n: int = 208,
    device: torch.device = CPU,
    **more,
) -> CohortTraining:
    """The training of a few small networks on `digits`, all by one recipe."""
    recipes = [Recipe(*digits(n), protocol, **more)]
    return CohortTraining(recipes, shape, repeats=repeats, seed=5, name=("t",), device=device, dtype=dtype)


def mixed(protocol: Protocol = SCRIPTS, **more) -> list[Recipe]:
    """Recipes that differ in all in which recipes of a cohort may.

    That is their data, sample size, l2, BatchNorm, dropout and how images are changed.
    """
    images, labels = digits()
    noise, shuffled = digits(seed=1)[0], np.roll(labels, 1)
    without, changes = replace(protocol, batch_norm=None), {"rotation": 40.0, "shift": 0.2}
    return [
        Recipe(images, shuffled, replace(without, l2=0.0, dropout=0.3), **more),
        Recipe(images, labels, replace(protocol, l2=1e-3), **more),
        Recipe(noise, labels, replace(without, augmentation={"flip": True}), **more),
        Recipe(images[:104], labels[:104], replace(protocol, dropout=0.5), passes=2, **more),
        Recipe(images[:52], labels[:52], replace(without, dropout=0.5), passes=4, **more),
        *(Recipe(images, labels, replace(protocol, dropout=share, augmentation=changes), **more) for share in (0, 0.3)),
    ]


def effective(network: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A network's tensors, with what a bias in front of BatchNorm does: it only moves the running mean.

    Its gradient is exactly zero; what Adam makes of its rounding errors is noise, which the running mean follows.
    """
    found = dict(network)
    for name in network:
        if name.endswith(".mean"):
            found[name] = network[name] - found.pop(name.replace(".mean", ".bias"))
    return found


def property_row(**values) -> dict:
    """A row of a property table; everything not said is the same everywhere."""
    keys = {"paper": "hash_encoders", "dataset": "d", "study": "capacity", "protocol": "p", "depth": 1}
    keys |= {"layer_width": 40, "sample_size": 99, "l2": 0.0, "weight_decay": 0.0, "batch_norm": True, "dropout": 0.0}
    keys |= {"activation": "relu", "augmentation": False, "patience": 10.0, "label_noise": 0.0, "instance_noise": 0.0}
    keys |= {"epoch": 10, "repeat": 0, "seed": 1}
    return {**keys, "lr_scheme": "one-vs-one", "code_bits": 40, **dict.fromkeys(METRICS, 0.5), **values}


def capacity_table(widths=(3, 40), repeats=3, knn=((0.3, 0.5), (0.7, 0.9))) -> pd.DataFrame:
    """The table of a capacity study with known means; `knn[width][trained]`; redundancy is 3 / width."""
    return pd.DataFrame(
        property_row(
            layer_width=width, epoch=epoch, repeat=r, knn=means[epoch > 0] + 0.01 * r, redundancy_train=3 / width
        )
        for width, means in zip(widths, knn)
        for epoch in (0, 10)
        for r in range(repeats)
    )


def varied_table(study: str, column: str, levels, metric: str, values) -> pd.DataFrame:
    """The table of a study of one column: `metric` has the given mean, and 0.01 for each repeat, at each level."""
    return pd.DataFrame(
        property_row(study=study, **{column: level, metric: value + 0.01 * r}, repeat=r)
        for level, value in zip(levels, values)
        for r in range(3)
    )


def bars(n: int, seed: int) -> Split:
    """Images of FlyNet's size, uint8 (n, 28, 28): noise with a bright bar, whose row is the class, one of three."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3)
    images = rng.integers(0, 100, (n, 28, 28))
    for image, label in zip(images, labels):
        image[4 + 7 * label : 11 + 7 * label, 8:20] += 100
    return Split(images.astype(np.uint8), labels.astype(np.int64))


BARS = {"train": bars(70, seed=0), "test": bars(40, seed=1)}


def codes_with_classes(n: int, k: int, classes: int, seed: int = 0, flip: float = 0.25):
    """Bits, bool (n, k), that scatter around one prototype a class; and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    prototypes = np.random.default_rng(99).random((classes, k)) < 0.5
    return prototypes[labels] ^ (rng.random((n, k)) < flip), labels
