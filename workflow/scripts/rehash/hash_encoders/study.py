"""Collection of the tables of single jobs into one checked, tidy table of a study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rehash.errors import InputError
from rehash.hash_encoders.columns import KEYS, METRICS, SHARES
from rehash.store import read_csv

_RANDOM_INPUTS = ["redundancy", "active_share"]


def collect_study(tables: Iterable[str | Path], study: str) -> pd.DataFrame:
    """Combine the tables of a study into one, sorted by its keys.

    Raises:
        InputError: a table cannot be one that a measuring job wrote (see `check_rows`), or two rows describe the same
            network.
    """
    keys, said, metrics = KEYS, ["lr_scheme"], ["code_bits", *METRICS]
    if study == "random_inputs":
        keys, said, metrics = [*KEYS, "inputs"], [], _RANDOM_INPUTS
    parts = []
    for path in tables:
        part = read_csv(path, [*keys, *said, *metrics])
        check_rows(part, [*keys, *said], metrics, f"{path}")
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    twice = table[table.duplicated([key for key in keys if key != "seed"])]
    if len(twice):
        raise InputError(f"study {study}: two rows for {twice.iloc[0][keys].to_dict()}")
    return table[[*keys, *said, *metrics]].sort_values(keys, ignore_index=True)


def check_rows(table: pd.DataFrame, keys: list[str], metrics: list[str], where: str) -> None:
    """Raise an InputError if a table cannot be what a measuring job wrote, since it was edited or truncated.

    Keys may not be missing. Metrics may be missing only all together, in the row of a network that diverged.

    Raises:
        InputError: names the table, the column and the row, and how to make it again.
    """
    again = f"; make it again: snakemake --cores all --force {where}"
    if table.empty:
        raise InputError(f"{where}: has no rows{again}")
    for column in keys:
        if table[column].isna().any():
            raise InputError(f"{where}: row {_first(table[column].isna())} has no {column}{again}")
    measured = [metric for metric in metrics if metric != "code_bits"]
    for column in metrics:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{where}: {column} has values that are no numbers{again}")
        top = 1 if column in (*SHARES, *_RANDOM_INPUTS) else float("inf")
        wrong = (table[column] < 0) | (table[column] > top)
        if wrong.any():
            row = _first(wrong)
            raise InputError(f"{where}: row {row} has {column} = {table[column][row]}; expected 0 to {top}{again}")
    lacking = table[measured].isna()
    if (lacking.any(axis=1) & ~lacking.all(axis=1)).any():
        row = _first(lacking.any(axis=1) & ~lacking.all(axis=1))
        raise InputError(f"{where}: row {row} has only a part of its metrics{again}")
    others = [key for key in keys if key not in ("repeat", "epoch", "seed")]
    counts = table.assign(end=table.epoch.gt(0)).groupby([*others, "end"]).repeat.nunique()
    if counts.nunique() > 1:
        raise InputError(f"{where}: not every configuration has the same number of repeats{again}")


def _first(marked: pd.Series) -> int:
    return int(marked[marked].index[0])


def origin(table: pd.DataFrame) -> dict[str, list]:
    """Return a study's seeds, protocols, depths, sample sizes and repeats for its provenance, each as a sorted list.

    Devices and times are in the provenance of its cohorts' files.
    """
    return {key: sorted(table[key].unique().tolist()) for key in ("seed", "protocol", "depth", "sample_size", "repeat")}
