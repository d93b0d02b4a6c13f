"""How unique codes are, and how well they categorize."""

from __future__ import annotations

from typing import Any

from rehash.api.arrays import labelled, numbered, packed, same_length
from rehash.hash_encoders.properties import encoding_properties, scheme_of

ONE_VS_ONE_CLASSES = 50  # as the workflow's default


def properties(
    train: Any,
    train_labels: Any,
    test: Any,
    test_labels: Any,
    *,
    bits: int | None = None,
    seed: int = 0,
    one_vs_one_classes: int = ONE_VS_ONE_CLASSES,
) -> dict[str, float]:
    """Measure the encoding properties of codes (He et al. 2021): redundancy, and accuracies of simple classifiers.

    >>> import numpy as np, rehash
    >>> labels = np.arange(60) % 3
    >>> bits = np.eye(3, dtype=bool)[labels]
    >>> found = rehash.properties(bits[:40], labels[:40], bits[40:], labels[40:])
    >>> {name: round(value, 3) for name, value in found.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'code_bits': 3, 'redundancy_train': 0.925, 'redundancy_test': 0.85, 'kmeans_train': 1.0, 'kmeans_test': 1.0,
     'kmeans_train_matched': 1.0, 'kmeans_test_matched': 1.0, 'knn': 1.0, 'lr': 1.0}

    Args:
        train, test: codes of one network: bits, bool (N, K), or packed, uint8 (N, ceil(bits / 8)).
        train_labels, test_labels: (N,), whole numbers or texts.
        bits: K of packed codes. seed: of the starts of K-Means.
        one_vs_one_classes: up to so many classes logistic regression is one-vs-one, as in the paper; else one-vs-rest.

    Returns:
        code_bits, how many bits are not constant over train and test together; the others are dropped. redundancy, the
        share of codes that are not the first of their kind. kmeans, the accuracy of K-Means on one split, each cluster
        taken as its majority label; matched, by the best one-to-one matching. knn, of the vote of the nine nearest
        training codes; lr, of logistic regression on the bits: both fitted on train, measured on test.

    Raises:
        InputError: codes or labels are not of these shapes and types.
    """
    parts = {"train": (train, train_labels), "test": (test, test_labels)}
    codes = {name: packed(given, bits, name) for name, (given, _) in parts.items()}
    length = same_length([length for _, length in codes.values()], list(codes))
    labels = [labelled(given, len(codes[name][0]), f"{name}_labels") for name, (_, given) in parts.items()]
    (of_train, of_test), classes = numbered(*labels)
    return encoding_properties(
        codes["train"][0],
        of_train,
        codes["test"][0],
        of_test,
        n_bits=length,
        classes=classes,
        seed=seed,
        lr_scheme=scheme_of(classes, one_vs_one_classes),
    )
