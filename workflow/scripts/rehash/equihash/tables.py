"""Tables as figures and summaries read them: rows grouped by model, settings in words, the reference separate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from rehash.series import with_series

UNTRAINED, CODES = "untrained", "codes"  # names of variants
LABELS = "labels"  # the name that stands for a model in the reference rows of bucket sizes
LEAST_BUCKETS = 0.5  # the reference ends where fewer buckets are expected
SIZE = ["database_size", "database"]
SETTING = [*SIZE, "model", "place", "setting"]  # the keys of a family's settings
# Metrics whose values can lie decades apart or be 0: their means are geometric, and a 0 is shown as an upper limit.
COUNTED = ("false_positive_rate", "irrelevant_collision_rate", "internal_collisions", "fallout_at_")


class Curve(NamedTuple):
    """A number that training is watched by; it is shown as a share of `most`, its largest possible value."""

    metric: str
    title: str
    label: str
    most: int = 1


WATCHED = (
    Curve("recall_at_0", "recall, equal codes", "share of same-label pairs"),
    Curve("precision_at_0", "precision, equal codes", "share of pairs found"),
    Curve("entropy_worst_1", "worst bit", "entropy (share of 1 bit)", 1),
    Curve("distinct_codes", "distinct codes, different labels", "share of views"),
    Curve("recall_at_2", "recall within distance 2", "share of same-label pairs"),
    Curve("precision_at_2", "precision within distance 2", "share of pairs found"),
    Curve("entropy_worst_3", "worst triple of bits", "entropy (share of 3 bits)", 3),
)
TERM_GRADIENTS = "gradient"  # the quantity of diagnostics that has a row for each term of a loss
PAIR_KINDS = {"same": "pairs of one label", "different": "pairs of two labels"}
MEDIANS = {"same_distance_median": ("same label", "-"), "different_distance_median": ("different labels", "-.")}


# Numbers of items that a query retrieves, as the published figure groups them: the least of each group.
RETRIEVED = (0, 1, 2, 10, 100, 1000, 10_000)


def query_shares(run: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of a run's positive queries by how many items they retrieve, a row a group of `RETRIEVED`.

    Columns: queries, how many of all are in the group; share, of all; found, the share of all that is in the group and
    retrieved a relevant item. Without positive queries shares are NaN.

    Args:
        run: of one run and database size; asked (found, missed or negative), retrieved, queries.
    """
    positive = run[run.asked != "negative"]
    groups = np.searchsorted(RETRIEVED, positive.retrieved, "right") - 1
    queries, found = (
        np.bincount(groups, counts, minlength=len(RETRIEVED))
        for counts in (positive.queries, positive.queries.where(positive.asked == "found", 0))
    )
    total = queries.sum() or np.nan
    columns = {"queries": queries.astype(np.int64), "share": queries / total, "found": found / total}
    return pd.DataFrame(columns, index=retrieved_words())


def retrieved_words() -> list[str]:
    """Return the names of the groups of `RETRIEVED`."""
    ends = [following - 1 for following in RETRIEVED[1:]]
    words = [f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in zip(RETRIEVED, ends)]
    return [*words, f"{RETRIEVED[-1]:,} or more"]


def by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return, by name of a trained model, its rows and those of its untrained network, with a column `untrained`."""
    table = table.assign(untrained=table.variant == UNTRAINED)
    trained = with_series(table[~table.untrained])
    first = trained.drop_duplicates("series")
    return {
        name: pd.concat([trained[trained.series == name], table[table.untrained & (table.model == model)]])
        for name, model in zip(first.series, first.model)
    }


def parameter_words(table: pd.DataFrame) -> str:
    """Return the names of the parameters that a family varies, in words."""
    return ", ".join(table.parameter.unique()).replace("_", " ")


def with_settings(table: pd.DataFrame) -> pd.DataFrame:
    """Add columns to a family's table: `setting` in words, `place` on the parameter's axis, and `named`.

    `named` says that the settings are names, whose places are numbered in order of appearance.
    """
    several = table.parameter.str.contains(",").any()
    numbers = pd.to_numeric(table.parameter_value, errors="coerce").astype(float)
    if not several and numbers.notna().all():
        return table.assign(setting=numbers.map("{:,g}".format), place=numbers, named=False)
    words = (table.variant if several else table.parameter_value).astype(str)
    return table.assign(setting=words, place=pd.factorize(words)[0].astype(float), named=True)


def split_reference(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the reference rows of a table of bucket sizes, and the models' rows with their series."""
    labels = table.model == LABELS
    return table[labels], with_series(table[~labels])
