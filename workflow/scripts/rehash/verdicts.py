"""Claims: sentences on what tables show, with a verdict on whether a difference is beyond the spread.

A claim is a dictionary with `verdict` and `text`. One rule holds everywhere. Values are compared over repeats (seeds),
and a difference is *beyond the spread* if the two means differ by more than their two standard deviations together and
the 95% interval of the difference, paired by repeat, leaves out 0: with few repeats either alone would claim too much.
Single runs whose values have 95% intervals of their own are compared by these: a difference is *beyond both intervals*
if the two do not overlap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rehash.intervals import mean_interval
from rehash.tables import mean_and_sd

Claim = dict[str, str]
Claims = list[Claim]
Verdicts = tuple[str, str, str]  # as claimed, neither, the other way round

DEFINITION = (
    "In the boxes, 'beyond the spread' means that two means differ by more than their two standard deviations together "
    "and that the 95% interval of their difference, paired by repeat, leaves out 0."
)
SINGLE = "One network, so no spread to judge by"
NOTHING = "No difference beyond the spread"
HOLDS = ("Holds, beyond the spread", NOTHING, "Does not hold, beyond the spread")
CHANGES = ("Rises, beyond the spread", "No change beyond the spread", "Falls, beyond the spread")


def compared(
    start: pd.Series,
    end: pd.Series,
    what: str,
    names: tuple[str, str],
    *,
    rises: bool = True,
    verdicts: Verdicts = HOLDS,
) -> Claim | None:
    """Return the claim that `end` is above `start` (below it if not `rises`); None if no repeat has both.

    Args:
        start, end: values by repeat.
        what: the start of the sentence. names: what start and end are, written behind their values.
    """
    pairs = paired(start, end)
    if pairs.empty:
        return None
    text = f"{what} is {told(pairs.start)} {names[0]} and {told(pairs.end)} {names[1]}"
    return {"verdict": verdict(pairs, verdicts, rises), "text": text + difference(pairs)}


def paired(start: pd.Series, end: pd.Series) -> pd.DataFrame:
    """Return a table with the columns start and end, and a row for each repeat that has both."""
    return pd.concat([start.rename("start"), end.rename("end")], axis=1).dropna()


def verdict(pairs: pd.DataFrame, verdicts: Verdicts, rises: bool = True) -> str:
    """Choose one of the three verdicts for `paired` values, or `SINGLE` for fewer than two repeats."""
    if len(pairs) < 2:
        return SINGLE
    apart = pairs.end.mean() - pairs.start.mean()
    low, high = mean_interval(pairs.end - pairs.start)
    if abs(apart) <= pairs.end.std() + pairs.start.std() or low <= 0 <= high:
        return verdicts[1]
    return verdicts[0] if (apart > 0) == rises else verdicts[2]


def told(values: pd.Series) -> str:
    """Format the mean, the standard deviation and the number of values."""
    return f"{mean_and_sd(values.mean(), values.std())} (n = {len(values)})"


def difference(pairs: pd.DataFrame, name: str = "difference") -> str:
    """Format by how much `end` exceeds `start`, with an interval, as the end of a sentence.

    For one repeat it is a full stop alone.
    """
    if len(pairs) < 2:
        return "."
    apart = pairs.end - pairs.start
    mean, low, high = map(_signed, (apart.mean(), *mean_interval(apart)))
    return f"; {name} {mean} (95% interval {low} to {high})."


def compared_runs(
    start: pd.DataFrame,
    end: pd.DataFrame,
    what: str,
    names: tuple[str, str],
    *,
    rises: bool = True,
    verdicts: Verdicts = HOLDS,
) -> Claim | None:
    """Return the claim of `compared` on rates with 95% intervals of their own: columns value, low and high, by seed.

    Several seeds are compared by their spread, one seed of each by the two intervals.
    """
    if len(start) != 1 or len(end) != 1:
        return compared(start.value, end.value, what, names, rises=rises, verdicts=verdicts)
    (a,), (b,) = (list(rows.itertuples()) for rows in (start, end))
    if np.isnan([a.value, b.value]).any():
        return None
    own = [verdict.replace("the spread", "both 95% intervals") for verdict in verdicts]
    above, below = b.low > a.high, b.high < a.low
    said = own[1] if not above and not below else own[0] if above == rises else own[2]
    ends = [f"{row.value:.3g} (95% interval {row.low:.3g} to {row.high:.3g})" for row in (a, b)]
    return {"verdict": said, "text": f"{what} is {ends[0]} {names[0]} and {ends[1]} {names[1]} (one seed)."}


def against_predicted(rows: pd.DataFrame, what: str) -> Claim | None:
    """Count the values predicted by theory that lie in the 95% interval of what was found; None for no rows.

    Args:
        rows: has the columns found, low, high, predicted, and `name`, which says what a row is about.

    Returns:
        A claim with that number and the prediction that is farthest off.
    """
    rows = rows.dropna(subset=["found", "low", "high", "predicted"])
    if rows.empty:
        return None
    inside = rows.predicted.between(rows.low, rows.high)
    # Relative to the interval, since the values may lie decades apart.
    apart = ((rows.predicted - rows.found).abs() / (rows.high - rows.low)).fillna(0)
    worst = rows.loc[apart.idxmax()]
    text = (
        f"{what}: {inside.sum()} of {len(rows)} predicted values lie in the 95% interval of what was found. The one "
        f"farthest off for its interval is {worst['name']}: found {worst.found:.4g} ({worst.low:.4g} to "
        f"{worst.high:.4g}), predicted {worst.predicted:.4g}."
    )
    return {"verdict": f"{inside.sum()} of {len(rows)} predicted values inside", "text": text}


def _signed(value: float) -> str:
    """Format a signed number with three decimals, or with one digit if it is not 0 and would round to 0."""
    return f"{value:+.0e}" if 0 < abs(value) < 0.0005 else f"{value:+.3f}"
