"""The relation of tasks: the similarity of their modulations, and their distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.store import write_csv
from rehash.tgsh.modulations import STATES, read_modulations, shape_in
from rehash.tgsh.tasks import task_distances


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Compute the cosine similarity, float64 (N, N), of the rows of `vectors` (N, D)."""
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return unit @ unit.T


def rank_correlation(similarity: np.ndarray, distance: np.ndarray) -> float:
    """Compute Spearman's correlation of two (T, T) matrices over the pairs of tasks; NaN if either does not vary.

    Pairs without a distance do not count. Cosines that differ in the last digits alone, as those of task vectors of one
    direction, are ties.
    """
    pairs = np.triu_indices(len(distance), 1)
    return spearman(similarity[pairs].round(12), distance[pairs])


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Compute Spearman's correlation of numbers (N,), without pairs that lack one; NaN if either does not vary."""
    there = np.isfinite(a) & np.isfinite(b)
    a, b = a[there], b[there]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(pd.Series(a).rank(), pd.Series(b).rank())[0, 1])


def relate_tasks(modulations: str | Path, similarity: str | Path, correlation: str | Path) -> dict[str, Any]:
    """Write a table of the similarity and distance of tasks, and one of the correlation of the two.

    similarity: one row per repeat and ordered pair of tasks (task_a, task_b): distance in pixels
    (`rehash.tgsh.tasks.task_distances`; NaN between tasks of other images), and the cosine of the task vectors (context
    times strength) in each state.
    correlation: one row per repeat and state: spearman (see `rank_correlation`), negative if near tasks have similar
    vectors.
    """
    arrays, identity = read_modulations(modulations)
    distance = task_distances(identity["tasks"], shape_in(identity), identity["seed"])
    a, b = (index.ravel() for index in np.indices(distance.shape))
    pairs, correlations = [], []
    for repeat in range(identity["repeats"]):
        columns = {"repeat": repeat, "task_a": a, "task_b": b, "distance": distance.ravel()}
        for state in STATES:
            vectors = arrays[f"context_{state}"][repeat] * arrays[f"strength_{state}"][repeat][:, None]
            found = cosines(vectors)
            columns[f"similarity_{state}"] = found.ravel()
            correlations.append({"repeat": repeat, "state": state, "spearman": rank_correlation(found, distance)})
        pairs.append(pd.DataFrame(columns))
    keys = identity["keys"]
    write_csv(_keyed(pd.concat(pairs), keys), similarity)
    write_csv(_keyed(pd.DataFrame(correlations), keys), correlation)
    return {"seed": identity["seed"]}


def _keyed(table: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    return table.assign(**keys)[[*keys, *table.columns]]
