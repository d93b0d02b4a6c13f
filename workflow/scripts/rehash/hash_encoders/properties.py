"""The encoding properties of a neural code (He et al. 2021): redundancy, and accuracies of simple classifiers on it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from rehash.bits import Codes, redundancy, select_bits, unpack, varying_bits
from rehash.hash_encoders.columns import ONE_VS_ONE, ONE_VS_REST
from rehash.hash_encoders.kmeans import kmeans
from rehash.hash_encoders.logistic_regression import fit_one_vs_one, fit_one_vs_rest
from rehash.neighbours import NEIGHBOURS, majority, nearest

CPU = torch.device("cpu")
_FITS = {ONE_VS_ONE: fit_one_vs_one, ONE_VS_REST: fit_one_vs_rest}


def encoding_properties(
    train: Codes,
    train_labels: np.ndarray,
    test: Codes,
    test_labels: np.ndarray,
    *,
    n_bits: int,
    classes: int,
    seed: int,
    device: torch.device = CPU,
    lr_scheme: str = ONE_VS_ONE,
) -> dict[str, float]:
    """Compute the encoding properties of one network's codes, by the column names of the tables.

    Bits that are constant over train and test together are dropped first (`code_bits` counts the rest); if no bit
    varies, one is kept, since a code has at least one bit.

    Args:
        train, test: packed codes, uint8 (N, ceil(n_bits / 8)). train_labels, test_labels: int64 (N,).
        seed: of the starts of K-Means.
        lr_scheme: of the logistic regression, as `scheme_of` returns it.
    """
    keep = varying_bits(train, test, n_bits=n_bits)
    if not keep.any():
        keep[0] = True
    train, test, n_bits = select_bits(train, keep), select_bits(test, keep), int(keep.sum())
    train_bits, test_bits = (torch.from_numpy(unpack(codes, n_bits)).to(device).float() for codes in (train, test))
    kmeans_train = kmeans_accuracies(train_bits, train_labels, classes=classes, seed=seed)
    kmeans_test = kmeans_accuracies(test_bits, test_labels, classes=classes, seed=seed)
    neighbours = nearest(test, train, min(NEIGHBOURS, len(train)), n_bits=n_bits, device=device)
    return {
        "code_bits": n_bits,
        "redundancy_train": redundancy(train),
        "redundancy_test": redundancy(test),
        "kmeans_train": kmeans_train[0],
        "kmeans_test": kmeans_test[0],
        "kmeans_train_matched": kmeans_train[1],
        "kmeans_test_matched": kmeans_test[1],
        "knn": accuracy(majority(train_labels[neighbours]), test_labels),
        "lr": logistic_regression_accuracy(train_bits, train_labels, test_bits, test_labels, lr_scheme),
    }


def accuracy(predicted: np.ndarray | int, labels: np.ndarray) -> float:
    """Return the share of predictions that equal their labels."""
    return float(np.mean(predicted == labels))


def kmeans_accuracies(bits: torch.Tensor, labels: np.ndarray, *, classes: int, seed: int) -> tuple[float, float]:
    """Cluster codes, float32 (N, bits), with K-Means and score the clusters as classes: (many-to-one, one-to-one).

    K is the number of classes, at most that of the codes. For the accuracies see `cluster_accuracies`.
    """
    clusters, _ = kmeans(bits, min(classes, len(bits)), seed=seed)
    return cluster_accuracies(clusters, labels, classes)


def cluster_accuracies(clusters: np.ndarray, labels: np.ndarray, classes: int) -> tuple[float, float]:
    """Compute the (many-to-one, one-to-one) accuracy of cluster numbers (N,) as classes, against labels (N,).

    Many-to-one: each cluster predicts its majority label. One-to-one: the best matching of clusters and labels
    (Hungarian method).
    """
    counts = np.zeros((clusters.max() + 1, classes), np.int64)
    np.add.at(counts, (clusters, labels), 1)
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(counts.max(1).sum() / len(labels)), float(matched / len(labels))


def scheme_of(classes: int, one_vs_one_classes: int) -> str:
    """Return how logistic regression divides so many classes: one-vs-one up to a number of them, else one-vs-rest."""
    return ONE_VS_ONE if classes <= one_vs_one_classes else ONE_VS_REST


def logistic_regression_accuracy(
    train_bits: torch.Tensor,
    train_labels: np.ndarray,
    test_bits: torch.Tensor,
    test_labels: np.ndarray,
    scheme: str = ONE_VS_ONE,
) -> float:
    """Return the test accuracy of logistic regression, or of always predicting the only training label.

    The latter is for a sample so small that all its labels are equal. For the scheme see `scheme_of`.
    """
    if (train_labels == train_labels[0]).all():
        return accuracy(train_labels[0], test_labels)
    model = _FITS[scheme](train_bits, torch.from_numpy(train_labels).to(train_bits.device))
    return accuracy(model.predict(test_bits).cpu().numpy(), test_labels)
