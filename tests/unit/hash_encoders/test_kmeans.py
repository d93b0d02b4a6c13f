"""K-Means against scikit-learn, whose starts it takes, and against plain Lloyd iterations."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.metrics import adjusted_rand_score

from rehash.hash_encoders import kmeans as module
from rehash.hash_encoders.kmeans import STARTS, initial_centres, kmeans
from toys import codes_with_classes


@pytest.fixture(params=[0, module._FEW], ids=["one start after another", "all starts together"], autouse=True)
def way(request, monkeypatch):
    """Both ways to take the passes, whatever the number of codes."""
    monkeypatch.setattr(module, "_FEW", request.param)
    return request.param


def as_bits(bits: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(bits).float()


@pytest.mark.parametrize(("n", "k", "clusters"), [(900, 40, 6), (50, 8, 10), (300, 3, 5), (40, 20, 1), (30, 12, 30)])
def test_starts_are_scikit_learns(n, k, clusters):
    bits, _ = codes_with_classes(n, k, 5)
    state = np.random.RandomState(3)
    expected = [kmeans_plusplus(bits.astype(float), clusters, random_state=state)[0] for _ in range(STARTS)]
    assert np.array_equal(initial_centres(as_bits(bits), clusters, seed=3).numpy(), np.stack(expected))


def lloyd(bits: np.ndarray, centres: np.ndarray, most: int = 300) -> tuple[np.ndarray, float]:
    """Plain iterations in float64: of equally near centres the first."""
    labels = None
    for _ in range(most):
        before, labels = labels, ((bits[:, None] - centres) ** 2).sum(2).round(9).argmin(1)
        if np.array_equal(labels, before):
            break
        moved = np.stack([bits[labels == c].mean(0) for c in range(len(centres))])
        shift, centres = ((moved - centres) ** 2).sum(), moved
        if shift <= 1e-4 * bits.var(0).mean():
            labels = ((bits[:, None] - centres) ** 2).sum(2).round(9).argmin(1)
            break
    return labels, ((bits - centres[labels]) ** 2).sum()


@pytest.mark.parametrize("flip", [0.05, 0.3, 0.45])
def test_the_result_is_of_plain_iterations_from_the_same_starts(flip):
    bits, _ = codes_with_classes(800, 50, 10, flip=flip)
    runs = [lloyd(bits.astype(float), start) for start in initial_centres(as_bits(bits), 10, seed=0).double().numpy()]
    expected, least = min(runs, key=lambda run: run[1])
    labels, inertia = kmeans(as_bits(bits), 10, seed=0)
    assert inertia == pytest.approx(least, rel=1e-6)
    assert adjusted_rand_score(labels, expected) == 1  # starts that end alike number their clusters differently


@pytest.mark.parametrize("flip", [0.05, 0.3, pytest.param(0.45, marks=pytest.mark.long)])
def test_inertia_is_about_scikit_learns(flip):
    """Which breaks ties between equally near centres by rounding, and so goes another way from the same starts."""
    bits, _ = codes_with_classes(3000, 50, 10, flip=flip)
    theirs = [KMeans(10, n_init=STARTS, random_state=seed).fit(bits.astype(float)).inertia_ for seed in range(5)]
    ours = [kmeans(as_bits(bits), 10, seed=seed)[1] for seed in range(5)]
    assert abs(np.mean(ours) - np.mean(theirs)) <= max(np.std(theirs, ddof=1), 1e-6 * np.mean(theirs))


@pytest.mark.parametrize("seed", range(4))
def test_inertia_is_within_the_spread_of_starts(seed):
    """Whatever rounding does to a start: never worse than scikit-learn's worst of ten, nor better than it can be."""
    bits, _ = codes_with_classes(800, 25, 8, seed=seed, flip=0.4)
    of_each = [KMeans(8, n_init=1, random_state=seed * 10 + s).fit(bits.astype(float)).inertia_ for s in range(10)]
    labels, inertia = kmeans(as_bits(bits), 8, seed=seed)
    assert inertia <= np.median(of_each)
    centres = np.stack([bits[labels == c].mean(0) for c in range(8)])
    assert inertia == pytest.approx(((bits - centres[labels]) ** 2).sum(), rel=1e-3)


def test_skipped_distances_change_nothing(monkeypatch):
    """With a slack so large that every distance is computed, the clusters are the same."""
    bits, _ = codes_with_classes(2000, 30, 7, flip=0.35)
    labels, inertia = kmeans(as_bits(bits), 7, seed=1)
    monkeypatch.setattr(module, "_SLACK", 1e9)
    again, all_inertia = kmeans(as_bits(bits), 7, seed=1)
    assert np.array_equal(labels, again) and inertia == all_inertia


@pytest.mark.parametrize(("distinct", "clusters"), [(1, 4), (3, 4), (5, 10)])
def test_fewer_distinct_codes_than_clusters(distinct, clusters):
    """Each distinct code is a cluster of its own, and some clusters stay empty or share a code."""
    codes = np.eye(max(distinct, 2), 6, dtype=bool)[:distinct]
    which = np.random.default_rng(0).integers(0, distinct, 60)
    labels, inertia = kmeans(as_bits(codes[which]), clusters, seed=0)
    assert inertia == 0 and all(len(set(which[labels == c])) <= 1 for c in range(clusters))


def test_an_empty_cluster_gets_the_farthest_code():
    """Of centres at 0000, 0000 and 1111 the second is nearest to nothing: the first wins a tie."""
    bits = as_bits(np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]], bool))
    centres = torch.tensor([[0.0] * 4, [0.0] * 4, [1.0] * 4])
    both = module._lloyd_of_all(bits, torch.stack([centres, centres.flip(0)]), 1e-9)
    for labels, inertia in (module._lloyd(bits, centres, 1e-9), both[0]):
        assert labels.tolist() == [0, 0, 1, 2, 2] and inertia == 0
    assert both[1][1] == 0


@pytest.mark.parametrize(("n", "bits", "flip"), [(700, 20, 0.4), (2500, 60, 0.45), (60, 9, 0.3)])
def test_both_ways_give_the_same_clusters(monkeypatch, n, bits, flip):
    codes, _ = codes_with_classes(n, bits, 10, flip=flip)
    found = []
    for few in (0, n):
        monkeypatch.setattr(module, "_FEW", few)
        found.append(kmeans(as_bits(codes), 10, seed=2))
    assert np.array_equal(found[0][0], found[1][0]) and found[0][1] == pytest.approx(found[1][1], rel=1e-6)


@pytest.mark.parametrize("cells", [1, 4000])
def test_many_clusters_in_parts_give_the_same(monkeypatch, cells):
    """With few distances held at a time, for more clusters than fit; empty ones and their farthest codes included."""
    codes, _ = codes_with_classes(400, 12, 40, flip=0.2)
    whole, inertia = kmeans(as_bits(codes), 60, seed=4)
    monkeypatch.setattr(module, "_CELLS", cells)
    parts, of_parts = kmeans(as_bits(codes), 60, seed=4)
    assert np.array_equal(whole, parts) and inertia == pytest.approx(of_parts, rel=1e-6)
