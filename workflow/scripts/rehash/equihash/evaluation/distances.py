"""Hamming distances between views of one label and between views of two, for each model of a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.equihash.evaluation.retrieval import distance_rows, distance_statistics, distance_table
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics, view_digests
from rehash.equihash.images.task import Task
from rehash.equihash.learning.models import Model, open_model
from rehash.equihash.learning.triplets import draw_pairs, see_triplets
from rehash.progress import progress
from rehash.store import write_csv
from rehash.training import Compute


def measure_distances(
    models: Sequence[Model],
    bank: str | Path,
    perlin: str | Path | None,
    table: str | Path,
    histogram: str | Path,
    statistics: str | Path,
    compute: Compute,
    *,
    task: dict[str, Any],
    triplets: int,
    seed: int,
) -> dict[str, Any]:
    """Write recall and fallout at small Hamming distances, the whole histograms and their statistics (CSV each).

    All models see the same views, of the bank's test split. table: task, model, variant, seed, metric (recall_at_r or
    fallout_at_r), value, low, high (Clopper and Pearson's 95% interval), n. histogram: task, model, variant, seed,
    pairs_of (same or different labels), distance, count, bits. statistics: `distance_statistics` of the histogram.

    Args:
        task: see `Task.of`. triplets: how many triplets, each two views of a label and one of another.

    Raises:
        InputError: the files do not fit together.
    """
    target, shown = compute.start(), Task.of(task)
    images = Bank.open(bank, "test")
    mosaics = Mosaics.open(shown, images, perlin, target)
    few = shown.of_what != "images"
    labels = draw_pairs(mosaics.label_count, triplets, seed=seed, name="distances", repeated=few)
    digests = view_digests(images, perlin)
    rates, counts = [], []
    for model in progress(models, "distances", "model"):
        network, about, _, files = open_model(model, shown, target)
        digests |= files
        keys = {**about["keys"], "seed": about["seed"]}
        seen = see_triplets(network, mosaics, labels, seed=seed, name="distances")
        same, different = (np.bincount(found, minlength=about["bits"] + 1) for found in (seen.same, seen.different))
        rates.append(distance_rows(same, different).assign(**keys))
        counts.append(distance_table(same, different).assign(**keys, bits=about["bits"]))
    written = [pd.concat(tables, ignore_index=True) for tables in (rates, counts)]
    written = [found[[*keys, *(name for name in found if name not in keys)]] for found in written]
    for found, path in zip([*written, distance_statistics(written[1])], (table, histogram, statistics)):
        write_csv(found, path)
    return {"device": str(target), "seed": seed, "triplets": len(labels), "digests": digests}
