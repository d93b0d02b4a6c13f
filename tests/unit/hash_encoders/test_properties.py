"""The encoding properties against scikit-learn and slow definitions."""

import time
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from rehash import neighbours
from rehash.bits import pack
from rehash.hash_encoders.properties import cluster_accuracies, encoding_properties, kmeans_accuracies
from rehash.neighbours import majority, nearest, nearest_by_products
from toys import codes_with_classes


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
    assert kmeans_accuracies(torch.from_numpy(bits).float(), labels, classes=4, seed=0) == (1.0, 1.0)


def test_majority_takes_the_lowest_class_of_a_tie():
    assert majority(np.array([[2, 1, 1, 2], [3, 3, 0, 1]])).tolist() == [1, 3]


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


@pytest.mark.parametrize("cells", [1, 700, 2**26])
def test_neighbours_by_products_are_those_of_faiss(cells, monkeypatch):
    """Codes of 6 bits, so that most neighbours are tied; any number of distances held at a time."""
    monkeypatch.setattr(neighbours, "_CELLS", cells)
    codes, queries = (np.random.default_rng(seed).random((n, 6)) < 0.4 for seed, n in ((0, 300), (1, 50)))
    found = nearest_by_products(*(torch.from_numpy(bits).float() for bits in (queries, codes)), 9)
    assert np.array_equal(found.numpy(), nearest(pack(queries), pack(codes), 9))


def test_codes_without_a_varying_bit():
    zeros, labels = np.zeros((50, 2), np.uint8), np.arange(50) % 2
    found = encoding_properties(zeros, labels, zeros, labels, n_bits=16, classes=2, seed=0)
    assert found["code_bits"] == 1 and found["redundancy_train"] == 49 / 50 and found["lr"] == 0.5


def test_votes_among_many_classes_are_counted_as_among_few():
    votes = np.random.default_rng(0).integers(0, 6, (300, 9))
    expected = [np.bincount(row).argmax() for row in votes]
    assert majority(votes).tolist() == expected
    assert majority(votes * 10**12).tolist() == [label * 10**12 for label in expected], "whatever the labels are"


def test_200_classes_take_seconds():
    """They took 94 s of one core one-vs-one, pair after pair: 2,400 codes of 40 bits, 15 pictures a class."""
    bits, labels = codes_with_classes(3000, 40, 200, flip=0.1)
    start = time.process_time()
    found = encoding_properties(
        *(pack(bits[:2400]), labels[:2400], pack(bits[2400:]), labels[2400:]),
        **{"n_bits": 40, "classes": 200, "seed": 0, "lr_scheme": "one-vs-rest"},
    )
    assert time.process_time() - start < 10
    assert found["lr"] > 0.9 and found["knn"] > 0.9 and found["kmeans_train"] > 0.5
