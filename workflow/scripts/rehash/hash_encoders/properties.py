"""The encoding properties of a neural code (He et al. 2021): redundancy, and accuracies of simple classifiers on it."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier
from threadpoolctl import threadpool_limits

from rehash.bits import Codes, redundancy, select_bits, unpack, varying_bits
from rehash.neighbours import NEIGHBOURS, majority, nearest

KMEANS_STARTS = 10


def encoding_properties(
    train: Codes,
    train_labels: np.ndarray,
    test: Codes,
    test_labels: np.ndarray,
    *,
    n_bits: int,
    classes: int,
    seed: int,
    threads: int = 1,
) -> dict[str, float]:
    """Compute the encoding properties of one network's codes, by the column names of the tables.

    Bits that are constant over train and test together are dropped first (`code_bits` counts the rest); if no bit
    varies, one is kept, since a code has at least one bit.

    Args:
        train, test: packed codes, uint8 (N, ceil(n_bits / 8)). train_labels, test_labels: int64 (N,).
        seed: of the starts of K-Means.
    """
    keep = varying_bits(train, test, n_bits=n_bits)
    if not keep.any():
        keep[0] = True
    train, test, n_bits = select_bits(train, keep), select_bits(test, keep), int(keep.sum())
    with threadpool_limits(threads):
        kmeans_train = kmeans_accuracies(train, train_labels, n_bits=n_bits, classes=classes, seed=seed)
        kmeans_test = kmeans_accuracies(test, test_labels, n_bits=n_bits, classes=classes, seed=seed)
        neighbours = nearest(test, train, min(NEIGHBOURS, len(train)), threads=threads)
        return {
            "code_bits": n_bits,
            "redundancy_train": redundancy(train),
            "redundancy_test": redundancy(test),
            "kmeans_train": kmeans_train[0],
            "kmeans_test": kmeans_test[0],
            "kmeans_train_matched": kmeans_train[1],
            "kmeans_test_matched": kmeans_test[1],
            "knn": accuracy(majority(train_labels[neighbours], classes), test_labels),
            "lr": logistic_regression_accuracy(train, train_labels, test, test_labels, n_bits=n_bits),
        }


def accuracy(predicted: np.ndarray | int, labels: np.ndarray) -> float:
    """Return the share of predictions that equal their labels."""
    return float(np.mean(predicted == labels))


def kmeans_accuracies(codes: Codes, labels: np.ndarray, *, n_bits: int, classes: int, seed: int) -> tuple[float, float]:
    """Cluster codes with K-Means and score the clusters as classes: (many-to-one, one-to-one) accuracy.

    K is the number of classes, at most that of the codes; the best of 10 starts (k-means++) counts. For the accuracies
    see `cluster_accuracies`.
    """
    kmeans = KMeans(min(classes, len(codes)), n_init=KMEANS_STARTS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # small networks: fewer distinct codes than clusters
        clusters = kmeans.fit_predict(_features(codes, n_bits))
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


def logistic_regression(codes: Codes, labels: np.ndarray, *, n_bits: int) -> OneVsOneClassifier:
    """Fit one-vs-one L2 logistic regression (C = 1) to the bits as 0 and 1, to its optimum (Newton's method)."""
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-6)
    return OneVsOneClassifier(model).fit(_features(codes, n_bits), labels)


def logistic_regression_accuracy(
    train: Codes, train_labels: np.ndarray, test: Codes, test_labels: np.ndarray, *, n_bits: int
) -> float:
    """Return the test accuracy of `logistic_regression`, or of always predicting the only training label.

    The latter is for a sample so small that all its labels are equal.
    """
    if (train_labels == train_labels[0]).all():
        return accuracy(train_labels[0], test_labels)
    model = logistic_regression(train, train_labels, n_bits=n_bits)
    return accuracy(model.predict(_features(test, n_bits)), test_labels)


def _features(codes: Codes, n_bits: int) -> np.ndarray:
    return unpack(codes, n_bits).astype(np.float32)
