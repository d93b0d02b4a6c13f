"""The encoding properties against scikit-learn and slow definitions."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier
from sklearn.neighbors import KNeighborsClassifier

from rehash.bits import pack
from rehash.hash_encoders.properties import (
    accuracy,
    cluster_accuracies,
    encoding_properties,
    kmeans_accuracies,
    logistic_regression,
    majority,
)


def codes_with_classes(n: int, k: int, classes: int, seed: int = 0, flip: float = 0.25):
    """Bits that scatter around one prototype a class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    prototypes = np.random.default_rng(99).random((classes, k)) < 0.5
    return prototypes[labels] ^ (rng.random((n, k)) < flip), labels


def test_cluster_accuracies_match_enumeration():
    rng = np.random.default_rng(0)
    clusters, labels = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    one_to_one = max(np.mean(np.array(p)[clusters] == labels) for p in permutations(range(5)))
    many = np.mean([max(np.sum(labels[clusters == c] == k) for k in range(5)) for c in range(5)]) * 5 / 60
    assert cluster_accuracies(clusters, labels, 5) == pytest.approx((many, one_to_one))
    # Two clusters of one class: the majority scores all, the matching only one of them.
    assert cluster_accuracies(np.array([0, 0, 1, 1]), np.zeros(4, int), 2) == (1.0, 0.5)


def test_kmeans_finds_clusters_that_are_there():
    bits, labels = codes_with_classes(600, 60, 4, flip=0.02)
    assert kmeans_accuracies(pack(bits), labels, n_bits=60, classes=4, seed=0) == (1.0, 1.0)


def test_majority_takes_the_lowest_class_of_a_tie():
    assert majority(np.array([[2, 1, 1, 2], [3, 3, 0, 1]]), 4).tolist() == [1, 3]


@pytest.mark.parametrize("k", [12, 40, 320])
def test_logistic_regression_reaches_the_optimum(k):
    bits, labels = codes_with_classes(1500, k, 5, flip=0.3 if k < 100 else 0.45)
    ours = logistic_regression(pack(bits), labels, n_bits=k)
    reference = OneVsOneClassifier(LogisticRegression(C=1.0, solver="newton-cg", tol=1e-10, max_iter=10_000))
    reference.fit(bits.astype(float), labels)
    for mine, theirs in zip(ours.estimators_, reference.estimators_):
        assert np.allclose(mine.coef_, theirs.coef_, atol=2e-3) and np.allclose(
            mine.intercept_, theirs.intercept_, atol=5e-3
        )
    test, test_labels = codes_with_classes(2000, k, 5, seed=1, flip=0.3 if k < 100 else 0.45)
    ours_right, theirs_right = (accuracy(m.predict(test.astype(np.float32)), test_labels) for m in (ours, reference))
    assert abs(ours_right - theirs_right) <= 0.001


def test_all_properties_against_the_definitions():
    bits, labels = codes_with_classes(1200, 30, 6)
    bits[:, 4] = True  # constant over both splits: dropped
    train, test, train_labels, test_labels = bits[:800], bits[800:], labels[:800], labels[800:]
    found = encoding_properties(pack(train), train_labels, pack(test), test_labels, n_bits=30, classes=6, seed=0)
    assert found["code_bits"] == 29
    assert found["redundancy_train"] == (800 - len({r.tobytes() for r in train})) / 800
    # A stable sort by distance is "distance, then index"; argmax of counts is "vote, then lowest class".
    distances = (test[:, None] != train[None]).sum(-1)
    votes = train_labels[np.argsort(distances, axis=1, kind="stable")[:, :9]]
    expected = [np.bincount(row, minlength=6).argmax() for row in votes]
    assert found["knn"] == np.mean(expected == test_labels)
    sklearn_knn = KNeighborsClassifier(9, metric="hamming", algorithm="brute").fit(train, train_labels)
    assert abs(found["knn"] - sklearn_knn.score(test, test_labels)) < 0.02  # its ties are arbitrary
    assert found["kmeans_test_matched"] <= found["kmeans_test"] <= 1


def test_codes_without_a_varying_bit():
    zeros, labels = np.zeros((50, 2), np.uint8), np.arange(50) % 2
    found = encoding_properties(zeros, labels, zeros, labels, n_bits=16, classes=2, seed=0)
    assert found["code_bits"] == 1 and found["redundancy_train"] == 49 / 50 and found["lr"] == 0.5
