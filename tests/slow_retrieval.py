"""Metrics of retrieval by obvious loops, one item after another, for one query and one order of the gallery."""

from itertools import permutations, product
from math import log2

import numpy as np


def metrics(relevant: list[bool], at: list[int], cutoffs: list[int]) -> dict[tuple[str, int | None], float]:
    """All metrics of ranks, of a ranking that says which item is relevant, the nearest first."""
    total = sum(relevant)
    found = {("map", None): precisions(relevant, len(relevant)) / total}
    for k in at:
        hits = sum(relevant[:k])
        found["map_at", k] = precisions(relevant, k) / hits if hits else 0.0
        found["map_at_of_all", k] = precisions(relevant, k) / min(k, total)
    for k in cutoffs:
        found["precision_at", k] = sum(relevant[:k]) / k
        found["recall_at", k] = sum(relevant[:k]) / total
        found["ndcg_at", k] = gain(relevant, k) / gain([True] * total, k)
    return found


def precisions(relevant: list[bool], k: int) -> float:
    seen, added = 0, 0.0
    for place, hit in enumerate(relevant[:k], 1):
        if hit:
            seen += 1
            added += seen / place
    return added


def gain(relevant: list[bool], k: int) -> float:
    return sum(1 / log2(place + 1) for place, hit in enumerate(relevant[:k], 1) if hit)


def stable_order(distances: np.ndarray) -> list[int]:
    """Of equally distant items, the one that comes first in the gallery comes first."""
    return sorted(range(len(distances)), key=lambda item: (distances[item], item))


def all_orders(distances: np.ndarray):
    """Each order in which the distances ascend, once."""
    ties = [np.flatnonzero(distances == each).tolist() for each in np.unique(distances)]
    for parts in product(*(permutations(tie) for tie in ties)):
        yield [item for part in parts for item in part]


def over_orders(distances: np.ndarray, relevant: np.ndarray, orders, at: list[int], cutoffs: list[int]):
    """The mean of each metric over orders of the gallery."""
    found = [metrics([bool(relevant[item]) for item in order], at, cutoffs) for order in orders]
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}
