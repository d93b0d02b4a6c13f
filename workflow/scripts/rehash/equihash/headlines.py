"""What the report says of the wing's main figures: the thesis's claim, what came out, and whether it holds."""

from __future__ import annotations

import pandas as pd

from rehash.equihash.tables import by_model
from rehash.headlines import FAILS, HOLDS, UNSHOWN, Headline, listed, rate, together
from rehash.series import range_words, seed_words, with_series

_MOST = 4  # networks that a headline names; the table of numbers has all
_NOT_JUDGED = {"not comparable": "our database of that task is another one than the published"}


def distances_headline(histogram: pd.DataFrame, rates: pd.DataFrame, statistics: pd.DataFrame) -> Headline | None:
    """State how often two views of one thing, and of two things, get one fingerprint, after and before training."""
    texts, outcomes = [], []
    for name, rows in by_model(rates).items():
        shares = {
            (metric, untrained): rows[(rows.metric == metric) & (rows.untrained == untrained)]
            for metric in ("recall_at_0", "fallout_at_0")
            for untrained in (False, True)
        }
        same, before = shares["recall_at_0", False], shares["recall_at_0", True]
        other = shares["fallout_at_0", False]
        if same.value.dropna().empty:
            continue
        own = [_above(other, same), *([_above(before, same)] if len(before) else [])]
        earlier = f", before training {_share(before)}" if len(before) else ""
        within = "" if together(own) == HOLDS else ", a difference within the intervals"
        texts.append(
            f"{name} {_share(same)} for views of one thing{earlier}, and {_share(other)} for views of two{within}"
        )
        outcomes += own
    if not texts:
        return None
    return {
        "claimed": "A network can learn an equihash: noisy views of one thing get the same fingerprint, and views of "
        "different things do not.",
        "found": f"On the task {rates.task.iloc[0]}, pairs of views that get the same fingerprint (95% intervals in "
        f"brackets): {_first(texts)}.",
        "verdict": together(outcomes),
    }


def probes_headline(table: pd.DataFrame) -> Headline | None:
    """State what share of the relevant items one look-up finds, and what share many find."""
    table = with_series(table.dropna(subset="value"))
    table = table[table.database_size == table.database_size.max()]
    texts, outcomes = [], []
    for name, rows in table[table.metric == "recall"].groupby("series", sort=False):
        first, last = rows.probes.min(), rows.probes.max()
        ends = [rows[rows.probes == count] for count in (first, last)]
        one, many = map(_share, ends)
        outcomes += [_above(*ends)] if last > first else []
        right = table[(table.series == name) & (table.metric == "precision") & (table.probes == last)]
        precise = f", and {_share(right)} of what these retrieve is right" if right.value.notna().any() else ""
        more = f" and {many} by the {last:,} likeliest fingerprints{precise}" if last > first else ""
        texts.append(f"{name} finds {one} of the relevant items by the query's own fingerprint{more}")
    if not texts:
        return None
    of = f"{table.database.iloc[0]}, {table.database_size.iloc[0]:,} items"
    return {
        "claimed": "Looking up a query's next likely fingerprints, too, finds more of what was seen before.",
        "found": f"In the database {of}, {_first(texts)} (95% intervals in brackets).",
        "verdict": together(outcomes),
    }


def retrieval_headline(table: pd.DataFrame, predicted: pd.DataFrame) -> Headline | None:
    """State which queries are right at the largest size of a database, of what was seen before and of what was not."""
    table = with_series(table.dropna(subset="value"))
    table = table[table.database_size == table.database_size.max()]
    texts, outcomes = [], []
    for name, rows in table.groupby("series", sort=False):
        right, wrong = (rows[rows.metric == f"{kind}_positive_rate"] for kind in ("true", "false"))
        words = [f"of queries for a thing that is there {_share(right)} find it"] if len(right) else []
        words += [f"of queries for a thing that is not there {_share(wrong)} retrieve something"] if len(wrong) else []
        texts += [f"{name}: {'; '.join(words)}"] if words else []
        outcomes += [_above(wrong, right)] if len(words) == 2 else []
    if not texts:
        return None
    of = f"{table.database.iloc[0]}, {table.database_size.iloc[0]:,} items"
    return {
        "claimed": "An index of fingerprints tells things that were seen before from those that were not.",
        "found": f"Database {of} (95% intervals in brackets). {_first(texts)}.",
        "verdict": together(outcomes),
    }


def perfect_retrieval_headline(table: pd.DataFrame) -> Headline | None:
    """Count the published perfect-retrieval rates that agree with ours, and those that were not run."""
    theirs, ours = table.dropna(subset="published"), table.dropna(subset="value")
    if theirs.empty:
        return None
    best = theirs.loc[theirs.groupby("database_size").published.idxmax()]
    ends = [best.loc[rows.idxmin() if first else rows.idxmax()] for first, rows in
            ((True, best.database_size), (False, best.database_size))]  # fmt: skip
    told = listed([f"{100 * end.published:.1f}% on {end.database_size:,} items" for end in ends])
    status = published_values(table).status
    counts = ", ".join(f"{count} {words}" for words, count in status.value_counts().items())
    mine = ours[ours.database_size == ours.database_size.max()]
    measured = (
        f" Ours, of the task {mine.task.iloc[0]} on {mine.database_size.iloc[0]:,} items: {_share(mine)}."
        if mine.model.nunique() == 1
        else ""
    )
    judged = status[status.isin(["inside", "outside"])]
    verdict = "None of the published rates can be judged here"
    if len(judged):
        verdict = HOLDS if judged.eq("inside").all() else FAILS if judged.eq("outside").all() else UNSHOWN
        if judged.nunique() > 1:
            verdict = f"{judged.eq('inside').sum()} of {len(judged)} published rates lie inside ours"
    return {
        "claimed": f"Asked an item again, the best published networks retrieve it and nothing else in {told}.",
        "found": f"Of {len(status)} published rates: {counts}.{measured}",
        "verdict": verdict,
    }


def published_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return which published rates stand beside ours, and how: columns value and status, a row for each comparison."""
    theirs = table.dropna(subset="published")
    value = list(zip(theirs.task, theirs.model, theirs.database_size))
    return pd.DataFrame({"value": value, "status": theirs.status.replace(_NOT_JUDGED)})


def _first(texts: list[str]) -> str:
    """Join what is said of the first networks, and say how many there are besides."""
    more = len(texts) - _MOST
    return "; ".join([*texts[:_MOST], *([f"{more} more are in the table of numbers"] if more > 0 else [])])


def _share(rows: pd.DataFrame) -> str:
    """Format a rate: one run's with its own interval, several as `rehash.series.seed_words` does."""
    rows = rows.dropna(subset="value")
    if rows.empty:
        return "none"
    if len(rows) == 1:
        return rate(rows.iloc[0])
    return f"{seed_words(100 * rows.value, '{:.3g}')}% ({range_words(pd.Series([len(rows)]))} seeds)"


def _above(low: pd.DataFrame, high: pd.DataFrame) -> str:
    """Return in words whether all rates of `high` lie above all of `low`, intervals included."""
    if high.low.min() > low.high.max():
        return HOLDS
    return FAILS if high.high.max() < low.low.min() else UNSHOWN
