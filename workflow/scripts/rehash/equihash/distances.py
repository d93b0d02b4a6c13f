"""Hamming distances of views of one label and of two, of each network of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.banks import Bank
from rehash.equihash.encode import open_network
from rehash.equihash.retrieval import distance_rows, distance_table
from rehash.equihash.task import Task
from rehash.equihash.triplets import draw_pairs, see_triplets
from rehash.equihash.views import open_mosaics
from rehash.progress import progress
from rehash.store import write_csv
from rehash.training import resolve_device, set_reproducible


def measure_distances(
    weights: Sequence[str | Path],
    bank: str | Path,
    perlin: str | Path | None,
    table: str | Path,
    histogram: str | Path,
    *,
    settings: dict[str, Any],
    triplets: int,
    seed: int,
    device: str,
    threads: int,
) -> dict[str, Any]:
    """Write recall and fallout at small Hamming distances (CSV), and the whole histograms (CSV).

    All networks see the same views, of the bank's test split. table: task, model, variant, seed, metric (recall_at_r or
    fallout_at_r), value, low, high (Clopper and Pearson's 95% interval), n. histogram: task, model, variant, seed,
    pairs_of (same or different labels), distance, count, bits.

    Args:
        settings: of the task, see `Task.of`. triplets: two views of a label, and one of another.

    Raises:
        InputError: files that do not fit together.
    """
    set_reproducible(threads)
    target, task = resolve_device(device), Task.of(settings)
    mosaics = open_mosaics(task, Bank.open(bank, "test"), perlin, target)
    labels = draw_pairs(task.label_count(mosaics.pictures), triplets, seed=seed, name="distances")
    rates, counts = [], []
    for path in progress(weights, "distances", "network"):
        network, about = open_network(path, task, target)
        keys = {**about["keys"], "seed": about["seed"]}
        seen = see_triplets(network, mosaics, labels, seed=seed, name="distances")
        same, different = (np.bincount(found, minlength=about["bits"] + 1) for found in (seen.same, seen.different))
        rates.append(distance_rows(same, different).assign(**keys))
        counts.append(distance_table(same, different).assign(**keys, bits=about["bits"]))
    for tables, path in ((rates, table), (counts, histogram)):
        whole = pd.concat(tables, ignore_index=True)
        write_csv(whole[[*keys, *(name for name in whole if name not in keys)]], path)
    return {"device": str(target), "seed": seed, "triplets": len(labels)}
