"""The evaluations that a public checkpoint holds of its training, as a training history of ours.

The version of 2023 keeps lists by name (steps, avg_recall_at_0 ... nb_unique_buckets, nb_documents); that of 2024 has,
for each step, histograms of the Hamming distances of pairs of views of one label and of two, their medians, how many
codes are different, and the least entropy of tuples of bits, in bits. These tuples are all single bits and pairs, and
of three and four bits random ones that cover all pairs; ours are all triples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.pickles import PickledArray
from rehash.equihash.learning.triplets import RADII
from rehash.errors import InputError
from rehash.store import write_csv

_TUPLES = range(1, 5)
_NUMBERS = [
    *(f"{metric}_at_{r}" for r in RADII for metric in ("recall", "precision")),
    *("same_distance_median", "different_distance_median"),
    *(f"entropy_worst_{size}" for size in _TUPLES),
    *("distinct_codes", "pairs"),
]


def write_evaluations(checkpoint: dict[str, Any], output: str | Path, keys: dict[str, Any], where: str | Path) -> None:
    """Write a checkpoint's evaluations on train and valid (CSV); a file without any gives a table without rows.

    Columns: the keys, step, split and those numbers of `rehash.equihash.learning.triplets.summary` that the file has,
    NaN where a version lacks them: recall_at_r, precision_at_r, same_distance_median, different_distance_median,
    entropy_worst_n, distinct_codes; and pairs.

    Raises:
        InputError: the evaluations are not as any version of the public code writes them; names `where`.
    """
    rows = []
    for split in ("train", "valid"):
        try:
            found = _evaluations(checkpoint.get(f"{split}_results") or {})
            rows += [{"split": split, **row} for row in found]
        except (InputError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            said = f"{type(error).__name__}: {error}"
            raise InputError(f"{where}: {split}_results: not a training's evaluations of equihash ({said})") from error
    write_history(pd.DataFrame(rows), output, keys)


def write_history(table: pd.DataFrame, output: str | Path, keys: dict[str, Any]) -> None:
    """Write evaluations (step, split and some numbers, NaN for the others) with the keys before them (CSV)."""
    columns = [*keys, "step", "split", *_NUMBERS]
    write_csv(table.assign(**keys).reindex(columns=columns), output)


def _evaluations(results: dict[Any, Any]) -> list[dict[str, float]]:
    if "steps" in results:
        return [_of_2023(results, place) for place in range(len(results["steps"]))]
    return [{"step": int(step), **_of_2024(result)} for step, result in sorted(results.items())]


def _of_2023(results: dict[str, list], place: int) -> dict[str, float]:
    recalls = {f"recall_at_{r}": results[f"avg_recall_at_{r}"][place] for r in RADII}
    codes, pairs = results["nb_unique_buckets"][place], results["nb_documents"][place]
    return {"step": int(results["steps"][place]), **recalls, "distinct_codes": codes / pairs, "pairs": int(pairs)}


def _of_2024(result: dict[str, Any]) -> dict[str, float]:
    same, different = (_counts(result[f"{kind}_hamming_distances"]).cumsum() for kind in ("positive", "negative"))
    found: dict[str, float] = {}
    for r in RADII:
        both = same[r] + different[r]
        found[f"recall_at_{r}"] = same[r] / result["nb_pairs"]
        found[f"precision_at_{r}"] = same[r] / both if both else np.nan
    found["same_distance_median"] = result["positive_hamming_distances_median"]
    found["different_distance_median"] = result["negative_hamming_distances_median"]
    for size, entropy in result.get("worst_entropies", {}).items():
        found[f"entropy_worst_{size}"] = _number(entropy)
    found["distinct_codes"] = result["nb_unique_codes"] / result["nb_codes"]
    return {**found, "pairs": int(result["nb_pairs"])}


def _counts(held: Any) -> np.ndarray:
    return (
        held.as_array("a histogram", "whole numbers", "i8", "i4") if isinstance(held, PickledArray) else np.array(held)
    )


def _number(held: Any) -> float:
    return float(held.as_array("an entropy", "a number", "f8", "f4")) if isinstance(held, PickledArray) else held
