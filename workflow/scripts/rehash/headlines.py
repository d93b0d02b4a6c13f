"""Headlines: what the report says beside a main figure, in words that need no caption.

A headline is a dictionary with `claimed` (what the work claims; "" where it claims nothing), `found` (what came out,
with numbers and intervals) and `verdict`, one of the sentences below. Differences are judged by the one rule of
`rehash.verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from rehash.intervals import mean_interval
from rehash.verdicts import SINGLE, paired, verdict

Headline = dict[str, str]

HOLDS = "It holds here"
PART = "It holds here in part"
UNSHOWN = "It does not show here, the difference is within the spread"
FAILS = "It does not hold here, it is the other way round"
UNKNOWN = "It cannot be told here, one network has no spread to judge by"
MEASURED = "A measurement of ours, beyond what the works claim"

TONES = {HOLDS: "good", PART: "part", FAILS: "bad"}  # how the report colours a verdict; others have no colour


def judged(start: pd.Series, end: pd.Series, *, rises: bool = True) -> str:
    """Return in words whether `end` is above `start` (below it if not `rises`), both by repeat."""
    found = verdict(paired(start, end), (HOLDS, UNSHOWN, FAILS), rises)
    return UNKNOWN if found == SINGLE else found


def changed(start: pd.Series, end: pd.Series) -> str:
    """Return in words whether `end` differs from `start`, in whatever direction."""
    found = judged(start, end)
    return HOLDS if found == FAILS else found


def together(outcomes: Iterable[str]) -> str:
    """Return the verdict on a claim of several parts from those on its parts.

    >>> together([HOLDS, FAILS]) == PART, together([UNSHOWN, UNKNOWN]) == UNSHOWN, together([]) == MEASURED
    (True, True, True)
    """
    found = set(outcomes)
    if len(found) == 1:
        return found.pop()
    if HOLDS in found or PART in found:
        return PART
    return next((one for one in (FAILS, UNSHOWN, UNKNOWN) if one in found), MEASURED)


def percent(values: pd.Series) -> str:
    """Format the mean of shares as a percentage, with the standard deviation if there are several.

    >>> percent(pd.Series([0.25, 0.25])), percent(pd.Series([0.0004]))
    ('25.0 ± 0.0%', '0.04%')
    """
    mean, sd = 100 * values.mean(), 100 * values.std()
    digits = 1 if mean == 0 or mean >= 0.1 else 1 - math.floor(math.log10(mean)) - 1
    return f"{mean:.{digits}f}%" if math.isnan(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}%"


def rate(row: pd.Series) -> str:
    """Format a rate with its own 95% interval, columns value, low and high, as percentages.

    >>> rate(pd.Series({"value": 0.033, "low": 0.0228, "high": 0.046}))
    '3.3% (2.3 to 4.6)'
    >>> rate(pd.Series({"value": 0, "low": 0, "high": 0.003}))
    '0% (at most 0.3)'
    """
    shares = [100 * row[name] for name in ("value", "low", "high")]
    value, low, high = (f"{share:.{2 if share < 10 else 3}g}" for share in shares)
    return f"{value}% (at most {high})" if row["value"] == 0 else f"{value}% ({low} to {high})"


def points(start: pd.Series, end: pd.Series) -> str:
    """Format by how many percentage points `end` exceeds `start`, with the 95% interval and the number of networks.

    >>> points(pd.Series([0.1, 0.2]), pd.Series([0.2, 0.3]))
    ' (difference +10.0 points, 95% interval +10.0 to +10.0, 2 networks)'
    """
    pairs = paired(start, end)
    if len(pairs) < 2:
        return f" ({networks(len(pairs))})" if len(pairs) else ""
    apart = 100 * (pairs.end - pairs.start)
    low, high = mean_interval(apart)
    of = networks(len(pairs))
    return f" (difference {apart.mean():+.1f} points, 95% interval {low:+.1f} to {high:+.1f}, {of})"


def networks(n: int) -> str:
    """Return a number of networks in words: `one network`, `3 networks`."""
    return "one network" if n == 1 else f"{n:,} networks"


def listed(parts: list[str]) -> str:
    """Join parts of a sentence by commas and `and`.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
