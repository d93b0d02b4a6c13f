"""Evaluations of networks at several steps of their training, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from rehash.store import read_csv

_COLUMNS = ["model", "variant", "seed", "database", "database_size", "metric", "value", "low", "high", "n"]


def collect_steps(evaluations: Sequence[str | Path], steps: Sequence[int]) -> pd.DataFrame:
    """Read evaluations (`rehash.equihash.evaluation.summary`) and put them one below the other, with a column `step`.

    Args:
        steps: of each evaluation's network, how many steps it was trained.

    Raises:
        InputError: a table is not readable, or lacks a column.
    """
    tables = [read_csv(path, _COLUMNS).assign(step=step) for path, step in zip(evaluations, steps, strict=True)]
    return pd.concat(tables, ignore_index=True)
