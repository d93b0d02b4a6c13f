"""The tables of docs/equihash.md, from the kept results (docs/scale.py)."""

from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"
_METRICS = ("true_positive_rate", "false_positive_rate", "recall", "jaccard", "perfect_retrieval_rate")


def scale() -> pd.DataFrame:
    """What each rule took, by database: a job's time, its memory, and what it had asked for."""
    table = pd.read_csv(RESULTS / "equihash_scale.csv")
    shown = pd.DataFrame({"database": table.database, "items": table["items"].map("{:,}".format), "rule": table.rule})
    shown["jobs"] = [f"{row.jobs} of {row.items_a_job:,} items" for row in table.itertuples()]
    shown["a job (s, mean and longest)"] = [
        f"{row.seconds_mean:.1f}, {row.seconds_most:.1f}" for row in table.itertuples()
    ]
    shown["peak memory (MB)"] = table.peak_mb.map("{:,.0f}".format)
    shown["asked for (MB)"] = table.asked_mb.map("{:,}".format)
    return shown


def known() -> pd.DataFrame:
    """What known fingerprints had to come to, and what an index found, with its 95% interval."""
    table = pd.read_csv(RESULTS / "equihash_known.csv")
    shown = pd.DataFrame({"database": table.database, "first items": table.database_size.map("{:,}".format)})
    shown["metric"], shown["predicted"] = table.metric, table.expected.map("{:.5g}".format)
    shown["found"] = [f"{row.value:.5g} ({row.low:.5g} to {row.high:.5g})" for row in table.itertuples()]
    return shown[table.database == "known_100m"]


def inside() -> str:
    """Of how many metrics the interval holds the prediction."""
    table = pd.read_csv(RESULTS / "equihash_known.csv")
    table = table[table.metric.isin(_METRICS)]
    return f"{int(table.expected.between(table.low, table.high).sum())} of {len(table)}"
