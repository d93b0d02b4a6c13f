"""From property tables to a study: one tidy table, its summary, and what it says about the paper's claim."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rehash.errors import InputError
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.store import read_csv
from rehash.tables import mean_and_sd, summarise, with_state

STUDY_COLUMNS = [KEYS[0], KEYS[1], "study", *KEYS[2:], "code_bits", *METRICS]
BY = ["protocol", "layer_width", "state"]


def collect_study(tables: Iterable[str | Path], study: str) -> pd.DataFrame:
    """The property tables of a study as one, sorted by its keys.

    Raises:
        InputError: a table lacks a column, or two rows describe the same network.
    """
    table = pd.concat([read_csv(path, [*KEYS, *METRICS]) for path in tables], ignore_index=True)
    keys = [key for key in KEYS if key != "seed"]
    twice = table[table.duplicated(keys)]
    if len(twice):
        raise InputError(f"study {study}: two rows for {twice.iloc[0][keys].to_dict()}")
    return table.assign(study=study)[STUDY_COLUMNS].sort_values(KEYS, ignore_index=True)


def origin(table: pd.DataFrame) -> dict[str, list]:
    """Seeds, protocols and sample sizes in a study, for its provenance; devices and times are in its cohorts' files."""
    return {key: sorted(table[key].unique().tolist()) for key in ("seed", "protocol", "sample_size", "repeat")}


def capacity_claims(table: pd.DataFrame) -> list[dict[str, str]]:
    """The paper's first claim in numbers, per protocol: redundancy falls with width; training makes codes categorize.

    Each entry: `text` (with means, standard deviations and n) and `verdict`. A study of a single width has no fall.
    """
    claims = []
    for protocol, rows in summarise(with_state(table), BY, METRICS).groupby("protocol"):
        trained = rows[rows.state == "trained"].set_index("layer_width")
        untrained = rows[rows.state == "untrained"].set_index("layer_width")
        narrow, wide = trained.index.min(), trained.index.max()
        if narrow < wide:
            fall = [_value(trained.loc[width], "redundancy_train") for width in (narrow, wide)]
            claims.append(
                {
                    "text": f"Protocol {protocol}: the redundancy ratio on the training inputs goes from {fall[0]} "
                    f"at width {narrow} to {fall[1]} at width {wide}.",
                    "verdict": _verdict(trained.loc[narrow], trained.loc[wide], "redundancy_train"),
                }
            )
        knn = [_value(part.loc[wide], "knn") for part in (trained, untrained)]
        claims.append(
            {
                "text": f"Protocol {protocol}: at width {wide}, K-NN on the codes of trained networks is right for "
                f"{knn[0]} of the test inputs, on the codes of the same networks before training for {knn[1]}.",
                "verdict": _verdict(trained.loc[wide], untrained.loc[wide], "knn"),
            }
        )
    return claims


def _value(row: pd.Series, metric: str) -> str:
    return f"{mean_and_sd(row[f'{metric}_mean'], row[f'{metric}_sd'])} (n = {int(row['n'])})"


def _verdict(larger: pd.Series, smaller: pd.Series, metric: str) -> str:
    """Whether the means differ by more than the two standard deviations together."""
    if min(larger["n"], smaller["n"]) < 2:
        return "One network, so no spread to judge by"
    difference = larger[f"{metric}_mean"] - smaller[f"{metric}_mean"]
    seen = difference > larger[f"{metric}_sd"] + smaller[f"{metric}_sd"]
    return "Seen, beyond the spread" if seen else "Not seen beyond the spread"
