"""The measurements of the codes of a network's layers: unique codes, what shares one, and simple classifiers."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.bits import as_keys, redundancy
from rehash.datasets.layout import SPLITS, Dataset
from rehash.errors import InputError
from rehash.hash_encoders.columns import LAYER_COLUMNS, ONE_VS_ONE
from rehash.hash_encoders.models.codes import ALL_LAYERS, LayerCodes, LayersEncoding, shown_splits
from rehash.hash_encoders.properties import accuracy, cluster_accuracies, encoding_properties, scheme_of
from rehash.neighbours import NEIGHBOURS, majority
from rehash.progress import progress
from rehash.seeds import integer
from rehash.store import write_csv
from rehash.training import Compute

log = logging.getLogger("rehash")


def purity(digests: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of shared codes whose inputs are all of one class; NaN if no two inputs share a code.

    Args:
        digests: uint8 (N, .), one row a code. labels: int64 (N,).
    """
    _, codes, counts = np.unique(as_keys(digests), return_inverse=True, return_counts=True)
    least, most = np.full(len(counts), np.iinfo(np.int64).max), np.full(len(counts), -1)
    np.minimum.at(least, codes, labels)
    np.maximum.at(most, codes, labels)
    shared = counts > 1
    return float((least == most)[shared].mean()) if shared.any() else np.nan


def every(classes: int, chosen: int) -> np.ndarray:
    """Return every (classes // chosen)-th class from 0 on, int64 (chosen,), as the public scripts choose them.

    Raises:
        InputError: there are fewer classes than are chosen.
    """
    if chosen > classes:
        raise InputError(
            f"config: hash_encoders.layers: {chosen} classes of a dataset that has {classes}; choose fewer"
        )
    return np.arange(chosen) * (classes // chosen)


def measure_layers(
    codes: str | Path,
    dataset: str | Path,
    output: str | Path,
    encoding: LayersEncoding,
    compute: Compute,
    *,
    each: bool,
    classes: list[int] | None,
    one_vs_one_classes: int,
) -> dict[str, Any]:
    """Write the table of a network's layers: a row for each code and number of classes (columns LAYER_COLUMNS).

    Args:
        encoding: what the codes were made with. each: whether layers are measured alone, too.
        classes: the numbers of classes to measure with; None is all.
        one_vs_one_classes: the number of classes up to which logistic regression is one-vs-one.

    Raises:
        InputError: a file is damaged, both do not fit together, there are fewer classes than are asked for, or only
            unseen ones to test.
    """
    target, images, found = compute.start(), Dataset.read(dataset), LayerCodes.read(codes)
    images.check_measurable()
    splits = shown_splits(images, encoding.samples, encoding.train_share)
    if (len(splits["train"].labels), len(found.digests)) != (found.train, sum(len(s.labels) for s in splits.values())):
        raise InputError(f"{codes}: codes of other samples than the dataset's; make it again with --force {codes}")
    labels = {name: splits[name].labels for name in SPLITS}
    numbers = [n for n, code in enumerate(found.codes) if each or code.node == ALL_LAYERS]
    counts = classes or [len(images.class_names)]
    rows = []
    for number in progress(numbers, "measuring", "code"):
        for count in counts:
            row = code_properties(
                found,
                number,
                labels,
                chosen=every(len(images.class_names), count),
                seed=integer(encoding.seed, "hash_encoders", "layers", *encoding.keys.values(), "kmeans"),
                device=target,
                lr_scheme=scheme_of(count, one_vs_one_classes),
            )
            rows.append(row)
            log.info("%s, %s, share %g, %d classes: %s", row["node"], row["pool"], row["share"], count, row)
    keys = {"paper": "hash_encoders", **encoding.keys, "source": encoding.model["source"], "seed": encoding.seed}
    table = pd.DataFrame(rows).assign(**keys)
    write_csv(table[LAYER_COLUMNS], output)
    return {"device": str(target), "digests": images.digests}


def code_properties(
    found: LayerCodes,
    number: int,
    labels: dict[str, np.ndarray],
    *,
    chosen: np.ndarray,
    seed: int,
    device: torch.device,
    lr_scheme: str,
) -> dict[str, Any]:
    """Measure one code on the samples of some classes; return a row of LAYER_COLUMNS without the network's keys.

    Args:
        labels: of each split, int64 (N,). chosen: the classes, ascending; they are numbered anew.
    """
    code, start, parts = found.codes[number], 0, {}
    for split in SPLITS:
        rows = start + np.flatnonzero(np.isin(labels[split], chosen))
        start += len(labels[split])
        if len(rows) < 2:
            raise InputError(f"config: hash_encoders.layers: {len(rows)} {split} samples of {len(chosen)} classes")
        parts[split] = rows, np.searchsorted(chosen, labels[split][rows - (start - len(labels[split]))])
    kept = found.of(number)
    (train, train_labels), (test, test_labels) = parts["train"], parts["test"]
    data = (kept[train], train_labels, kept[test], test_labels)
    how = {"classes": len(chosen), "seed": seed, "lr_scheme": lr_scheme}
    measured = (
        number_properties(*data, **how)
        if code.real
        else encoding_properties(*data, n_bits=code.kept, device=device, **how)
    )
    predicted = {split: found.predicted[rows] for split, (rows, _) in parts.items()}
    own = {
        f"accuracy_{split}": float((predicted[split] == chosen[of]).mean()) if (predicted[split] >= 0).all() else np.nan
        for split, (_, of) in parts.items()
    }
    shared = {f"purity_{split}": purity(found.digests[rows, number], of) for split, (rows, of) in parts.items()}
    unique = {f"redundancy_{split}": redundancy(found.digests[rows, number]) for split, (rows, _) in parts.items()}
    return {
        **{key: getattr(code, key) for key in ("node", "place", "pool", "share")},
        "layer_bits": code.size,
        "classes": len(chosen),
        "train_samples": len(train),
        "test_samples": len(test),
        "lr_scheme": lr_scheme,
        **measured,
        "kept_bits": code.kept,
        "code_bits": found.varying[number],
        **unique,
        **shared,
        **own,
    }


def number_properties(
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
    *,
    classes: int,
    seed: int,
    lr_scheme: str,
) -> dict[str, float]:
    """Compute the accuracies of simple classifiers on codes of numbers, float32 (N, .), by scikit-learn.

    K-Means with ten starts, the vote of the nine nearest training codes (Euclidean), logistic regression with C = 1.
    """
    from sklearn.cluster import KMeans  # which takes two seconds, and codes of bits need none of it
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
    from sklearn.neighbors import NearestNeighbors

    found: dict[str, float] = {}
    for split, values, labels in (("train", train, train_labels), ("test", test, test_labels)):
        clusters = KMeans(min(classes, len(values)), n_init=10, random_state=seed).fit_predict(values)
        found[f"kmeans_{split}"], found[f"kmeans_{split}_matched"] = cluster_accuracies(clusters, labels, classes)
    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(train))).fit(train).kneighbors(test, return_distance=False)
    found["knn"] = accuracy(majority(train_labels[near]), test_labels)
    if (train_labels == train_labels[0]).all():
        return {**found, "lr": accuracy(train_labels[0], test_labels)}
    divided = OneVsOneClassifier if lr_scheme == ONE_VS_ONE else OneVsRestClassifier
    model = divided(LogisticRegression(max_iter=1000)).fit(train, train_labels)
    return {**found, "lr": accuracy(model.predict(test), test_labels)}
