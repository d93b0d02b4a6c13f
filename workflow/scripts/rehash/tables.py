"""Operations on tidy tables: summaries over repeats, concatenation, and formatting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from rehash.errors import InputError
from rehash.store import read_csv


def summarise(table: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Compute the mean and sample standard deviation of each metric in each group, and the group's size n.

    Columns: those of `by`, n, then (metric)_mean and (metric)_sd; sd is NaN in a group of one row. Rows that lack a
    metric (networks that diverged) do not count.
    """
    groups = table.dropna(subset=list(metrics)).groupby(list(by), sort=True)
    parts = [groups.size().rename("n")]
    for metric in metrics:
        parts += [groups[metric].mean().rename(f"{metric}_mean"), groups[metric].std().rename(f"{metric}_sd")]
    return pd.concat(parts, axis=1).reset_index()


def medians(table: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Compute each metric's median over the rows of each network (column repeat) in each group; NaN if all rows are."""
    return table.groupby([*by, "repeat"], as_index=False, sort=True)[list(metrics)].median()


def concatenated(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read tables of the same columns and concatenate them, one below the other.

    Raises:
        InputError: a table is not readable, or has other columns than the first.
    """
    tables = {str(path): read_csv(path) for path in paths}
    first = next(iter(tables.values()))
    for path, table in tables.items():
        if list(table) != list(first):
            raise InputError(f"{path}: has the columns {', '.join(table)}; expected {', '.join(first)}")
    # An empty table has columns of no type, which the others' would be made to fit.
    return pd.concat([table for table in tables.values() if len(table)] or [first], ignore_index=True)


def mean_and_sd(mean: float, sd: float) -> str:
    """Format a mean and a standard deviation as `0.123 ± 0.004`, or the mean alone if the deviation is NaN."""
    return f"{mean:.3f}" if pd.isna(sd) else f"{mean:.3f} ± {sd:.3f}"


def with_state(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a column `state`: untrained (epoch 0) or trained."""
    return table.assign(state=table["epoch"].gt(0).map({True: "trained", False: "untrained"}))
