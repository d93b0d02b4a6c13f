"""What the report says of the wing's main figures: what came out of the comparison of all sources of codes."""

from __future__ import annotations

import pandas as pd

from rehash.headlines import MEASURED, Headline, listed, networks, percent
from rehash.tables import mean_and_sd

_SHOWN, _RADIUS = 3, 2
_NOT_JUDGED = {
    "above": "outside",
    "below": "outside",
    "other protocol": "measured by another retrieval protocol",
    "other backbone": "the published network had been trained on other images before",
}


def trade_headline(table: pd.DataFrame) -> Headline | None:
    """State, at the length that most sources have, which codes group best and which are the most unique."""
    rows = table[table.bits > 0].dropna(subset=["map", "redundancy"])
    if rows.empty:
        return None
    sources = rows.groupby("bits").source.nunique()
    bits = sources[sources == sources.max()].index.max()
    rows = rows[rows.bits == bits]
    order = rows.groupby("title")["map"].mean().sort_values(ascending=False, kind="stable").index
    of = {title: rows[rows.title == title] for title in order}
    shown = [*order[:_SHOWN], *([order[-1]] if len(order) > _SHOWN else [])]
    told = [f"{title} ({mean_and_sd(of[title]['map'].mean(), of[title]['map'].std())})" for title in shown]
    last = f", and {told.pop()} the worst" if len(order) > _SHOWN else ""
    unique = min(order, key=lambda title: of[title].redundancy.mean())
    text = (
        f"Of {len(order)} sources of codes on {table.dataset.iloc[0]}, each of {bits} bits, a search by Hamming "
        f"distance puts a query's own class first best with codes of {listed(told)}{last} (mean average precision; 1 "
        f"is perfect). The most unique are those of {unique}: {percent(of[unique].redundancy)} of samples have a code "
        f"that another has; of {order[0]} it is {percent(of[order[0]].redundancy)}."
    )
    return {"claimed": "", "found": text, "verdict": MEASURED}


def retrieval_headline(table: pd.DataFrame, times: pd.DataFrame) -> Headline | None:
    """State how much longer codes help each source."""
    rows = table[(table.metric == "map") & (table.bits > 0)]
    texts = []
    for title, part in rows.groupby("title", sort=False):
        ends = part.bits.min(), part.bits.max()
        if ends[0] < ends[1]:
            low, high = (part[part.bits == bits].value for bits in ends)
            told = " to ".join(mean_and_sd(values.mean(), values.std()) for values in (low, high))
            texts.append(f"{title} from {told} ({ends[0]} to {ends[1]} bits, {networks(len(high))})")
    if not texts:
        return None
    more = f" {len(texts) - 4} more are in the table of numbers." if len(texts) > 4 else ""
    on = f"On {table.dataset.iloc[0]}, mean average precision goes with the length of codes"
    text = f"{on}, of {'; of '.join(texts[:4])}.{more}"
    return {"claimed": "", "found": text, "verdict": MEASURED}


def curves_headline(table: pd.DataFrame) -> Headline | None:
    """State what a search within a small radius finds, at the longest codes that most sources have."""
    rows = table[table.curve.eq("precision_recall_by_radius") & table.x.eq(_RADIUS)].dropna(subset="recall")
    if rows.empty:
        return None
    sources = rows.groupby("bits").title.nunique()
    bits = sources[sources == sources.max()].index.max()
    means = rows[rows.bits == bits].groupby("title")[["recall", "precision"]].mean()
    best = means.sort_values("recall", ascending=False, kind="stable").head(_SHOWN)
    told = [f"{100 * row.recall:.2g}% of them with codes of {title}" for title, row in best.iterrows()]
    text = (
        f"On {table.dataset.iloc[0]}, samples whose code of {bits} bits differs from the query's in at most {_RADIUS} "
        f"are, of all samples of its class, {listed(told)}, the best of {len(means)} sources."
    )
    return {"claimed": "", "found": text, "verdict": MEASURED}


def published_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return which published values stand beside ours, and how: columns value and status, a row for each comparison."""
    value = list(zip(table.method, table.bits, table.metric, table.published_gallery, table.published))
    return pd.DataFrame({"value": value, "status": table.verdict.replace(_NOT_JUDGED)})
