"""The titles of the studies' figures."""

from __future__ import annotations

import pandas as pd

ALL_DIVERGED = "all networks diverged"


def study_title(table: pd.DataFrame) -> str:
    """Return a title: dataset, study, protocols, meaning of lines and bands, and what is left out as diverged."""
    n = sorted(table.groupby("protocol").repeat.nunique().unique())
    networks = f"{n[0]} to {n[-1]}" if len(n) > 1 else n[0]
    spread = f"mean of {networks} networks, band of one standard deviation" if n[-1] > 1 else "one network"
    lost = int(table[table.epoch > 0].isna().any(axis=1).sum())
    words = "network that diverged is" if lost == 1 else "measurements of networks that diverged are"
    left_out = f"; {lost} {words} left out" if lost else ""
    protocols = ", ".join(sorted(table.protocol.unique()))
    study = table.study.iloc[0].replace("_", " ")
    return f"{table.dataset.iloc[0]}, {study}, protocol {protocols}: {spread}{left_out}"
