"""The parts of a study's table that are drawn and told apart from each other, so that no mean is taken over them."""

from __future__ import annotations

import pandas as pd

_NAMES = {"protocol": "protocol {}", "depth": "depth {}", "sample_size": "{:,} inputs"}


def blocks(table: pd.DataFrame, varied: str = "") -> list[tuple[str, pd.DataFrame]]:
    """Split a table into its parts of one protocol, depth and sample size, each with its name.

    A name is like "protocol scripts, depth 2"; depth and sample size are named where the table has several.

    Args:
        varied: the column that a study varies, by which no part is split.
    """
    keys = [key for key in _NAMES if key != varied and key in table]
    named = [key for key in keys if key == "protocol" or table[key].nunique() > 1]
    return [
        (", ".join(_NAMES[key].format(dict(zip(keys, values))[key]) for key in named), part)
        for values, part in table.groupby(keys, sort=True)
    ]


def of_all_inputs(table: pd.DataFrame) -> pd.Series:
    """Return which rows of a training-time study's table are of networks that are trained on all inputs: bool (rows,).

    Such a study has these for each protocol, whatever smaller samples it has besides.
    """
    return table.sample_size == table.groupby("protocol").sample_size.transform("max")
