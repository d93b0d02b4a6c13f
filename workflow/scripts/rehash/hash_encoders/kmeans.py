"""K-Means on codes: scikit-learn's ten starts and Lloyd's iterations, with passes that the starts share or skip.

Shape suffixes: N codes, B bits, K clusters, S starts, T candidates of a start.
"""

from __future__ import annotations

import math

import numpy as np
import torch

STARTS = 10
_ITERATIONS = 300
_TOLERANCE = 1e-4  # of the mean variance of a bit, of the squared movement of all centres: scikit-learn's default
_FEW = 10_000  # codes up to which starts take each pass together; with more, skipped distances save more on a CPU
_CELLS = 5 * 2**20  # of a matrix of distances that is held at a time; a GPU holds _MORE times as many
_MORE = 16
_SLACK = 1e-2  # by which a bound on a distance has to hold: float32 rounds the root of a square near 0 by so much


def kmeans(bits_NB: torch.Tensor, clusters: int, *, seed: int) -> tuple[np.ndarray, float]:
    """Cluster codes by K-Means with greedy k-means++; the best of 10 starts counts.

    Starts, stops and empty clusters are as in scikit-learn's KMeans (Lloyd's algorithm). Of equally near centres the
    first is taken, where there rounding decides. Sums of bits and distances between codes are exact on any device.

    Args:
        bits_NB: 0 and 1, float32 (N, B). clusters: at most N. seed: of numpy's RandomState, as scikit-learn takes it.

    Returns:
        The cluster of each code, int64 (N,), and the inertia: the sum of squared distances to its centre.
    """
    tolerance = _TOLERANCE * float(bits_NB.mean(0).mul_(-1).add_(1).mul_(bits_NB.mean(0)).mean())
    starts_SKB = initial_centres(bits_NB, clusters, seed=seed)
    few = len(bits_NB) <= _FEW or bits_NB.is_cuda
    if few and starts_SKB[..., 0].numel() * len(bits_NB) <= _CELLS * (_MORE if bits_NB.is_cuda else 1):
        found = _lloyd_of_all(bits_NB, starts_SKB, tolerance)
    else:
        found = [_lloyd(bits_NB, centres_KB, tolerance) for centres_KB in starts_SKB]
    best, least = min(found, key=lambda labels_and_inertia: labels_and_inertia[1])
    return best.cpu().numpy(), least


def initial_centres(bits_NB: torch.Tensor, clusters: int, *, seed: int) -> torch.Tensor:
    """Draw the centres of all starts by greedy k-means++ (Arthur and Vassilvitskii 2007), float32 (S, K, B).

    The random numbers are used as scikit-learn's kmeans_plusplus uses them, start after start.
    """
    count, device = len(bits_NB), bits_NB.device
    trials = 2 + int(math.log(clusters))
    drawn = np.random.RandomState(seed).random_sample((STARTS, 1 + (clusters - 1) * trials))
    ones_N = bits_NB.sum(1)
    # The first code of each start is drawn as numpy's choice draws it from equal shares.
    shares = np.full(count, 1 / count).cumsum()
    chosen_SK = torch.empty((STARTS, clusters), dtype=torch.int64, device=device)
    chosen_SK[:, 0] = torch.from_numpy(np.searchsorted(shares / shares[-1], drawn[:, 0], side="right"))
    nearest_SN = _hamming(bits_NB[chosen_SK[:, 0]], bits_NB, ones_N)
    for step in range(clusters - 1):
        values_ST = torch.from_numpy(drawn[:, 1 + step * trials :][:, :trials]).to(device)
        sums_SN = nearest_SN.double().cumsum(1)
        candidates_ST = torch.searchsorted(sums_SN, values_ST * sums_SN[:, -1:]).clamp_(max=count - 1)
        distances = _hamming(bits_NB[candidates_ST.flatten()], bits_NB, ones_N).view(STARTS, trials, count)
        torch.minimum(distances, nearest_SN[:, None], out=distances)
        best_S = distances.sum(2, dtype=torch.float64).argmin(1)
        row_S = torch.arange(STARTS, device=device)
        nearest_SN = distances[row_S, best_S]
        chosen_SK[:, step + 1] = candidates_ST[row_S, best_S]
    return bits_NB[chosen_SK]


def _hamming(a_AB: torch.Tensor, b_NB: torch.Tensor, ones_N: torch.Tensor) -> torch.Tensor:
    """Compute Hamming distances, float32 (A, N); exact, since they are whole numbers below 2^24."""
    return torch.addmm(ones_N[None, :], a_AB, b_NB.T, alpha=-2).add_(a_AB.sum(1, keepdim=True))


def _lloyd_of_all(
    bits_NB: torch.Tensor, centres_SKB: torch.Tensor, tolerance: float
) -> list[tuple[torch.Tensor, float]]:
    """Run Lloyd's iterations of all starts together; return each start's clusters, int64 (N,), and inertia."""
    ones_N, (starts, clusters, bits) = bits_NB.sum(1), centres_SKB.shape
    numbers_K1 = torch.arange(clusters, device=bits_NB.device)[:, None]
    found: dict[int, tuple[torch.Tensor, float]] = {}
    open_A, labels_AN = torch.arange(starts, device=bits_NB.device), _nearest_of_all(bits_NB, centres_SKB)
    for iteration in range(_ITERATIONS):
        members_AKN = (labels_AN[:, None] == numbers_K1).to(bits_NB.dtype)
        counts_AK = members_AKN.sum(2).long()
        sums_AKB = (members_AKN.flatten(0, 1) @ bits_NB).view(-1, clusters, bits)
        for row in (counts_AK == 0).any(1).nonzero()[:, 0].tolist():
            sums_AKB[row], counts_AK[row] = _relocated(
                bits_NB, labels_AN[row], centres_SKB[row], sums_AKB[row], counts_AK[row]
            )
        moved = torch.where(counts_AK[..., None] > 0, sums_AKB / counts_AK.clamp(min=1)[..., None], centres_SKB)
        still_A = ((moved - centres_SKB) ** 2).sum((1, 2)) <= tolerance
        centres_SKB, after_AN = moved, _nearest_of_all(bits_NB, moved)
        ended_A = still_A | (after_AN == labels_AN).all(1)
        if iteration == _ITERATIONS - 1:
            ended_A.fill_(True)
        labels_AN = after_AN
        for row in ended_A.nonzero()[:, 0].tolist():
            inertia = _squared(bits_NB, ones_N, centres_SKB[row], labels_AN[row]).sum(dtype=torch.float64)
            found[int(open_A[row])] = labels_AN[row], float(inertia)
        if len(found) == starts:
            break
        open_A, labels_AN, centres_SKB = (values[~ended_A] for values in (open_A, labels_AN, centres_SKB))
    return [found[start] for start in range(starts)]


def _nearest_of_all(bits_NB: torch.Tensor, centres_SKB: torch.Tensor) -> torch.Tensor:
    """Return each code's nearest centre of each start, the first of equally near ones, int64 (S, N)."""
    starts, clusters, _ = centres_SKB.shape
    flat = centres_SKB.flatten(0, 1)
    squared_SKN = torch.addmm((flat**2).sum(1)[:, None], flat, bits_NB.T, alpha=-2).view(starts, clusters, -1)
    numbers_K1 = torch.arange(clusters, dtype=torch.float32, device=bits_NB.device)[:, None]
    least_S1N = squared_SKN.amin(1, keepdim=True)
    return torch.where(squared_SKN == least_S1N, numbers_K1, math.inf).amin(1).long()


def _lloyd(bits_NB: torch.Tensor, centres_KB: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, float]:
    """Run Lloyd's iterations from one start; return the clusters, int64 (N,), and the inertia.

    Distances are computed only for codes whose nearest centre can have changed, by Hamerly's bounds (2010): at most
    `upper` from its own centre, at least `lower` from any other.
    """
    clusters, ones_N = len(centres_KB), bits_NB.sum(1)
    labels_N, upper_N, lower_N = _nearest(bits_NB, ones_N, centres_KB)
    sums_KB, counts_K = _sums(bits_NB, labels_N, clusters)
    for iteration in range(_ITERATIONS):
        sums, counts = sums_KB, counts_K
        if counts.min() == 0:
            sums, counts = _relocated(bits_NB, labels_N, centres_KB, sums, counts)
        moved_KB = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres_KB)
        shifts_K = (moved_KB - centres_KB).norm(dim=1)
        centres_KB = moved_KB
        last = float((shifts_K**2).sum()) <= tolerance or iteration == _ITERATIONS - 1
        upper_N += shifts_K.index_select(0, labels_N)
        lower_N -= shifts_K.max()
        near = (upper_N + _SLACK >= lower_N).nonzero()[:, 0]
        before = labels_N[near]
        after, upper_N[near], lower_N[near] = _nearest(_rows(bits_NB, near), ones_N[near], centres_KB)
        turned = near[before != after]
        if last or not len(turned):
            labels_N[near] = after
            break
        rows = _rows(bits_NB, turned)
        for labels, sign in ((labels_N[turned], -1), (after[before != after], 1)):
            sums_KB.index_add_(0, labels, rows, alpha=sign)
            counts_K += sign * torch.bincount(labels, minlength=clusters)
        labels_N[near] = after
    return labels_N, float(_squared(bits_NB, ones_N, centres_KB, labels_N).sum(dtype=torch.float64))


def _nearest(
    bits_NB: torch.Tensor, ones_N: torch.Tensor, centres_KB: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return each code's nearest centre, its distance and that of the next centre (infinite if there is none)."""
    parts = zip(*(rows.split(max(1, _CELLS // len(centres_KB))) for rows in (bits_NB, ones_N)))
    return tuple(torch.cat(found) for found in zip(*(_nearest_of_part(*part, centres_KB) for part in parts)))


def _nearest_of_part(
    bits_NB: torch.Tensor, ones_N: torch.Tensor, centres_KB: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    squared_KN = torch.addmm((centres_KB**2).sum(1)[:, None], centres_KB, bits_NB.T, alpha=-2)
    least_N = squared_KN.amin(0)
    # Of equally near centres the first; several times as fast as torch's own argmin over so few rows.
    numbers_K1 = torch.arange(len(centres_KB), dtype=torch.float32, device=bits_NB.device)[:, None]
    labels_N = torch.where(squared_KN == least_N, numbers_K1, math.inf).amin(0).long()
    squared_KN.scatter_(0, labels_N[None], math.inf)
    next_N = squared_KN.amin(0)
    return labels_N, (least_N + ones_N).clamp_(min=0).sqrt_(), (next_N + ones_N).clamp_(min=0).sqrt_()


def _rows(bits_NB: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return some rows; on a CPU numpy copies them several times as fast as torch."""
    if bits_NB.device.type == "cpu":
        return torch.from_numpy(bits_NB.numpy().take(rows.numpy(), 0))
    return bits_NB[rows]


def _squared(
    bits_NB: torch.Tensor, ones_N: torch.Tensor, centres_KB: torch.Tensor, labels_N: torch.Tensor
) -> torch.Tensor:
    """Compute each code's squared distance to the centre of its cluster, float64 (N,)."""
    centres = centres_KB.double()
    parts = zip(*(rows.split(max(1, _CELLS // len(centres))) for rows in (bits_NB, labels_N)))
    own = torch.cat([(bits @ centres_KB.T).gather(1, labels[:, None])[:, 0].double() for bits, labels in parts])
    return (ones_N.double() - 2 * own + (centres**2).sum(1)[labels_N]).clamp_(min=0)


def _sums(bits_NB: torch.Tensor, labels_N: torch.Tensor, clusters: int) -> tuple[torch.Tensor, torch.Tensor]:
    sums_KB = bits_NB.new_zeros((clusters, bits_NB.shape[1])).index_add_(0, labels_N, bits_NB)
    return sums_KB, torch.bincount(labels_N, minlength=clusters)


def _relocated(
    bits_NB: torch.Tensor,
    labels_N: torch.Tensor,
    centres_KB: torch.Tensor,
    sums_KB: torch.Tensor,
    counts_K: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give each empty cluster one of the codes farthest from their centres, for this iteration's centres."""
    empty = (counts_K == 0).nonzero()[:, 0]
    squared_N = _squared(bits_NB, bits_NB.sum(1), centres_KB, labels_N)
    if squared_N.max() == 0:
        return sums_KB, counts_K
    far = squared_N.topk(len(empty)).indices
    sums_KB, counts_K = sums_KB.clone(), counts_K.clone()
    sums_KB.index_add_(0, labels_N[far], bits_NB[far], alpha=-1)
    counts_K -= torch.bincount(labels_N[far], minlength=len(counts_K))
    sums_KB[empty], counts_K[empty] = bits_NB[far], 1
    return sums_KB, counts_K
