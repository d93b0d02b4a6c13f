"""Summaries over the seeds of a network: series, means with intervals, and the words that state them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from rehash.intervals import mean_interval

LEAST_SEEDS = 3  # from this number on, the interval of a mean says more than the values


def with_series(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a column `series`: the model, and its variant where the model has several."""
    several = table.groupby("model").variant.transform("nunique") > 1
    return table.assign(series=table.model.where(~several, table.model + ", " + table.variant.astype(str)))


def seed_mean(values: Iterable[float], *, geometric: bool = False) -> tuple[float, float, float]:
    """Compute the mean over seeds, NaN left out, and its 95% interval, which is NaN for fewer than `LEAST_SEEDS`.

    Args:
        geometric: whether to compute the geometric mean, of values above 0, and the interval from that of the mean
            logarithm.
    """
    found = pd.Series(values, dtype=float).dropna()
    if geometric:
        mean, low, high = np.exp(seed_mean(np.log(found)))
        return mean, low, high
    low, high = mean_interval(found) if len(found) >= LEAST_SEEDS else (float("nan"), float("nan"))
    return found.mean(), low, high


def seed_words(values: Iterable[float], form: str = "{:.3f}", *, geometric: bool = False) -> str:
    """Format `seed_mean` and its interval, or the mean of two seeds and both values, or the value of one seed."""
    found = pd.Series(values, dtype=float).dropna()
    if found.empty:
        return "none"
    mean, *interval = map(form.format, seed_mean(found, geometric=geometric))
    if len(found) == 1:
        return mean
    ends = interval if len(found) >= LEAST_SEEDS else map(form.format, (found.min(), found.max()))
    return f"{mean} ({' to '.join(ends)})"


def spread_words(counts: Sequence[int], mark: str) -> str:
    """Describe what a figure's lines show, given the numbers of their seeds, and what `mark` (band, bar) means."""
    least, most = min(counts), max(counts)
    if most == 1:
        return "one seed, no spread over seeds"
    n = str(most) if least == most else f"{least} to {most}"
    if most < LEAST_SEEDS:
        return f"{n} seeds, each drawn"
    few = f"; fewer than {LEAST_SEEDS}: each drawn" if least < LEAST_SEEDS else ""
    return f"mean of {n} seeds, {mark}: 95% interval of the mean{few}"


def seed_lines(rows: pd.DataFrame, x: str, counted: bool = False) -> list[pd.DataFrame]:
    """Compute the lines that show the runs of a model: one of means from three seeds on, else one for each seed.

    Args:
        rows: has the columns x, seed, value, low, high; rows without a value are left out.
        x: name of the column on the horizontal axis.
        counted: whether means are geometric, and a zero is replaced by an upper limit, the upper end of its interval.

    Returns:
        Tables of x (ascending), value, low and high (of the mean, or a lone run's own), and limit: whether the value is
        an upper limit.
    """
    rows = rows.dropna(subset="value").sort_values(x)
    rows = rows.assign(limit=rows.value.eq(0) & counted)
    rows["value"] = rows.value.where(~rows.limit, rows.high)
    columns = ["value", "low", "high"]
    if rows.seed.nunique() < LEAST_SEEDS:
        return [found[[x, *columns, "limit"]].reset_index(drop=True) for _, found in rows.groupby("seed")]
    means = []
    for place, found in rows.groupby(x):
        values = found[columns].iloc[0] if len(found) == 1 else seed_mean(found.value, geometric=counted)
        means.append({x: place, **dict(zip(columns, values)), "limit": found.limit.any()})
    return [pd.DataFrame(means)]


def range_words(values: pd.Series) -> str:
    """Format the least and the largest of some counts, or one number if they are equal."""
    values = values.dropna()
    return "" if values.empty else " to ".join(dict.fromkeys(f"{n:,.0f}" for n in (values.min(), values.max())))
