"""Collection of the tables of single networks' layers into one checked table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rehash.errors import InputError
from rehash.hash_encoders.columns import LAYER_COLUMNS, LAYER_KEYS, LAYER_METRICS
from rehash.store import read_csv


def collect_layers(tables: Iterable[str | Path]) -> pd.DataFrame:
    """Combine tables of layers into one, sorted by model, state and repeat, then as each table is.

    Raises:
        InputError: a table cannot be what a measuring job wrote, since it was edited or truncated; says how to make it
            again.
    """
    parts = []
    for path in tables:
        part = read_csv(path, LAYER_COLUMNS)
        again = f"; make it again: snakemake --cores all --force {path}"
        if part.empty or part[LAYER_KEYS].isna().any(axis=None):
            raise InputError(f"{path}: has no rows, or rows without keys{again}")
        for column in LAYER_METRICS:
            if not (pd.api.types.is_numeric_dtype(part[column]) and part[column].dropna().between(0, 1).all()):
                raise InputError(f"{path}: {column} has values outside of 0 to 1{again}")
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    if table.duplicated(LAYER_KEYS).any():
        raise InputError(f"two rows for {table[table.duplicated(LAYER_KEYS)].iloc[0][LAYER_KEYS].to_dict()}")
    return table[LAYER_COLUMNS].sort_values(["model", "state", "repeat"], kind="stable", ignore_index=True)
