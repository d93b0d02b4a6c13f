"""Files in the layouts of the public code, made from a few numbers."""

import pickle
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np

from rehash.equihash.databases.public_labels import read_labels

GRID, BANK, ITEMS = (1, 2), 12, 300


def label_file(path: Path) -> dict[str, np.ndarray]:
    """What generate_labels.py writes, from a few labels: each has about four items, and one query comes twice."""
    chance = np.random.default_rng(0)
    pool = chance.permutation(BANK**2)
    numbers = chance.choice(pool[:70], ITEMS)
    there = np.unique(numbers)
    held = {
        "database": numbers,
        "positive_queries": np.append(chance.choice(there, 19, replace=False), there[0]),
        "negative_queries": pool[70:90],
        "negative_pairs": np.stack([pool[:25], pool[25:50]], axis=1),
    }
    # As the public code has it: the first image is the most significant digit.
    digits = {name: np.stack([held[name] // BANK, held[name] % BANK], axis=-1) for name in held}
    cells = {name: each.reshape(*each.shape[:-1], *GRID).astype(np.uint8) for name, each in digits.items()}
    with h5py.File(path, "w") as file:
        file.update(cells)
    items = defaultdict(list)
    for item, label in enumerate(held["database"].tolist()):
        items[label].append(item)
    truth = [items[label] for label in held["positive_queries"].tolist()]
    path.with_suffix(".pkl").write_bytes(pickle.dumps(truth))
    return {**{name: each.reshape(*each.shape[:-2], 2).astype(int) for name, each in cells.items()}, "truth": truth}


def labels_of(folder: Path, name="db.hdf5", items=ITEMS, **changed) -> Path:
    settings = {"database": "d", "split": "test", "items": items, "grid": GRID, "bank_size": BANK, "seed": 5}
    which = {"content": "md5", **settings, **changed}
    read_labels(folder / name, which.pop("bank", None), folder / "labels.h5", **which)
    return folder / "labels.h5"
