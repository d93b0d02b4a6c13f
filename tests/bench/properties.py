"""All properties of one network's codes against the public scripts' way, and of long codes against libraries at their best."""

import time

import faiss
import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from rehash.bits import pack
from rehash.hash_encoders.properties import cluster_accuracies, encoding_properties

CLASSES = 10


def codes(n: int, bits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bits of random hyperplanes over a mixture of ten Gaussians: codes as a wide network makes them, without one."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    centres, planes = fixed.normal(size=(CLASSES, 20)), fixed.normal(size=(20, bits))
    labels = rng.integers(0, CLASSES, n)
    return (centres[labels] + 0.8 * rng.normal(size=(n, 20))) @ planes > 0, labels


def scripts_way(train, train_labels, test, test_labels) -> dict[str, float]:
    """scikit-learn on float64 rows, with its defaults."""
    train, test = train.astype(float), test.astype(float)
    knn = KNeighborsClassifier(min(9, len(train)), metric="hamming").fit(train, train_labels)
    lr = OneVsOneClassifier(LogisticRegression(max_iter=1000)).fit(train, train_labels)
    found = {"knn": knn.score(test, test_labels), "lr": lr.score(test, test_labels)}
    for split, rows, labels in (("train", train, train_labels), ("test", test, test_labels)):
        clusters = KMeans(CLASSES, n_init=10, random_state=0).fit_predict(rows)
        found[f"kmeans_{split}"], found[f"kmeans_{split}_matched"] = cluster_accuracies(clusters, labels, CLASSES)
        found[f"redundancy_{split}"] = 1 - len(np.unique(rows, axis=0)) / len(rows)
    return found


def libraries(train, train_labels, test, test_labels) -> dict[str, float]:
    """faiss's binary index, and scikit-learn's K-Means and its fastest exact logistic regression."""
    index = faiss.IndexBinaryFlat(train.shape[1])
    index.add(pack(train))
    votes = train_labels[index.search(pack(test), 9)[1]]
    right = [np.bincount(row, minlength=CLASSES).argmax() for row in votes] == test_labels
    lr = OneVsOneClassifier(LogisticRegression(solver="newton-cholesky")).fit(train.astype(float), train_labels)
    found = {"knn": right.mean(), "lr": lr.score(test.astype(float), test_labels)}
    train, test = train.astype(np.float32), test.astype(np.float32)
    for split, rows, labels in (("train", train, train_labels), ("test", test, test_labels)):
        clusters = KMeans(CLASSES, n_init=10, random_state=0).fit_predict(rows)
        found[f"kmeans_{split}"], found[f"kmeans_{split}_matched"] = cluster_accuracies(clusters, labels, CLASSES)
    return found


def rows():
    """A row for short codes and one for long ones, on one thread; stops if the results differ."""
    for n, bits, peer, name in (
        (48_000, 100, scripts_way, "the scripts' way"),
        (40_000, 1000, libraries, "faiss and scikit-learn at their best"),
    ):
        train, train_labels = codes(n, bits, 1)
        test, test_labels = codes(10_000, bits, 2)
        about = {"n_bits": bits, "classes": CLASSES, "seed": 0}
        with threadpool_limits(1):
            start = time.perf_counter()
            ours = encoding_properties(pack(train), train_labels, pack(test), test_labels, **about)
            middle = time.perf_counter()
            theirs = peer(train, train_labels, test, test_labels)
            end = time.perf_counter()
        for metric, value in theirs.items():
            # K-NN's ties, L-BFGS's early stop and K-Means' rounding are the peer's own; the rest is exactly the same.
            allowed = {"knn": 0.002, "lr": 0.001}.get(metric, 1e-3 if "kmeans" in metric else 0)
            assert abs(ours[metric] - value) <= allowed + 1e-12, (metric, ours[metric], value)
        work = f"{n:,} x 10,000 codes, {bits:,} bits"
        yield "properties of one network", work, middle - start, end - middle, name, "s"
