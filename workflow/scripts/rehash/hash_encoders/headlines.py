"""What the report says of the wing's main figures: the paper's claim, what came out, and whether it holds."""

from __future__ import annotations

import pandas as pd

from rehash.hash_encoders.blocks import blocks
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.phase_chart import CRITICAL, NEITHER, SUFFICIENT, UNDER
from rehash.hash_encoders.studies import STUDIES
from rehash.headlines import (
    HOLDS,
    PART,
    UNKNOWN,
    UNSHOWN,
    Headline,
    changed,
    judged,
    listed,
    percent,
    points,
    together,
)

_VOTE = "a vote of the nearest codes"
_NOT_JUDGED = {
    "context": "ours are of other data or of another depth than the published ones",
    "no spread": "one network has no spread to judge by",
    "split unknown": "the published panel does not say which codes were clustered",
    "diverged": "every network of ours diverged",
}


def capacity_headline(table: pd.DataFrame) -> Headline | None:
    """State the paper's first claim: codes of wide layers are unique, and those of trained ones group by class."""
    found = _first(table, "layer_width")
    if found is None:
        return None
    where, part = found
    trained, untrained = part[part.epoch > 0], part[part.epoch == 0]
    there = trained.dropna(subset=METRICS).layer_width
    narrow, wide = there.min(), there.max()
    shared = [_of(trained[trained.layer_width == width], "redundancy_train") for width in (narrow, wide)]
    named = [_of(rows[rows.layer_width == wide], "knn") for rows in (untrained, trained)]
    widths = {narrow: shared[0], wide: shared[1]}
    at = [f"{percent(values)} in a layer of {width}" for width, values in widths.items()]
    text = (
        f"On {where}, training inputs that share their code with another are {listed(at)} units"
        f"{points(*shared) if narrow < wide else ''}. From the codes of {wide} units alone, {_vote(named)}."
    )
    outcomes = [judged(*shared, rises=False)] if narrow < wide else []
    return {
        "claimed": "Which hidden units of a ReLU network are on is a hash code of its input: in a wide layer hardly "
        "two inputs share one, and after training inputs of one class have similar ones.",
        "found": text,
        "verdict": together([*outcomes, judged(*named)]),
    }


def study_headline(table: pd.DataFrame) -> Headline | None:
    """State what a study's column changes, from its lowest to its highest value at the largest width."""
    study = STUDIES[table.study.iloc[0]]
    found = _first(table, study.column)
    if found is None:
        return None
    where, part = found
    part = part.dropna(subset=METRICS)
    line = part[part.layer_width == part.layer_width.max()]
    low, high = line[study.column].min(), line[study.column].max()
    if low == high:
        return None
    word = study.word or study.column.replace("_", " ")
    ends = [line[line[study.column] == value] for value in (low, high)]
    named, shared = ([_of(rows, metric) for rows in ends] for metric in ("knn", "redundancy_train"))
    text = (
        f"On {where}, {line.layer_width.iloc[0]} hidden units, from {word} {low:,g} to {high:,g}: {_VOTE} names the "
        f"class of {percent(named[0])} and {percent(named[1])} of the test inputs{points(*named)}; "
        f"{percent(shared[0])} and {percent(shared[1])} of the training inputs share their code{points(*shared)}."
    )
    return {
        "claimed": "Besides width, the number of training samples and the training time shape the codes the most.",
        "found": text,
        "verdict": changed(*named),
    }


def phase_chart_headline(table: pd.DataFrame) -> Headline | None:
    """State which regimes the chart has, and how many of its points are beyond doubt."""
    if table.empty:
        return None
    counts, decided = (rows.regime.value_counts() for rows in (table, table[table.decided]))
    theirs = (UNDER, CRITICAL, SUFFICIENT)
    told = listed([f"{counts.get(regime, 0)} {regime}" for regime in theirs])
    text = f"On {table.dataset.iloc[0]}, of {len(table)} measured points {told}; {decided.sum()} are beyond doubt."
    if other := counts.get(NEITHER, 0):
        text += f" The other {other} have unique codes that do not group, which is none of the three regimes."
    shown = [regime in decided for regime in theirs]
    outcome = HOLDS if all(shown) and NEITHER not in decided else PART if any(shown) else UNSHOWN
    return {
        "claimed": "Width, number of samples and training time span a map of three regimes: inputs share codes "
        "(under-expressive), codes are unique and group by class (sufficiently-expressive), and what lies between.",
        "found": text,
        "verdict": UNKNOWN if table.n.lt(2).all() else outcome,
    }


def layers_headline(table: pd.DataFrame) -> Headline | None:
    """State for each model how unique the codes of its last layer are and how well they group, beside no training."""
    first = table[["pool", "share", "classes"]].iloc[0]
    chosen = table[(table[["pool", "share", "classes"]] == first).all(axis=1) & table.place.gt(0)]
    texts, outcomes = [], []
    for model, part in chosen.groupby("model", sort=False):
        last = part[part.place == part.place.max()]
        states = {state: last[last.state == state] for state in ("untrained", "trained")}
        if states["trained"].empty:
            continue
        named = [_of(rows, "knn") for rows in states.values()]
        shared = _of(states["trained"], "redundancy_train")
        texts.append(f"{model}: {_vote(named)}; {percent(shared)} of the training inputs share their code")
        outcomes += [judged(*named)] if len(named[0]) else []
    if not texts:
        return None
    return {
        "claimed": "The layers of deep networks of many kinds are such codes, too.",
        "found": f"On {table.dataset.iloc[0]}, from the codes of the last layer alone. {'; '.join(texts)}.",
        "verdict": together(outcomes),
    }


def published_values(table: pd.DataFrame) -> pd.DataFrame:
    """Return which published values stand beside ours, and how: columns value and status, a row for each comparison."""
    # Where the published panel does not say whose codes were clustered, both of ours stand beside one value.
    metric = table.metric.str.replace(r"^kmeans_(train|test)$", "kmeans", regex=True)
    value = list(zip(table.published_dataset, table.study, metric, table.layer_width, table.x))
    return pd.DataFrame({"value": value, "status": table.verdict.replace(_NOT_JUDGED)})


def _first(table: pd.DataFrame, varied: str) -> tuple[str, pd.DataFrame] | None:
    """Return the first part of a study (`blocks`) in which a trained network was measured, and what it is of."""
    parts = [(name, part) for name, part in blocks(table, varied) if _measured(part)]
    if not parts:
        return None
    (name, part), *others = parts
    first = f", the first of {len(parts)} settings" if others else ""
    return f"{table.dataset.iloc[0]} ({name}{first})", part


def _measured(part: pd.DataFrame) -> bool:
    return not part[part.epoch > 0].dropna(subset=METRICS).empty


def _of(rows: pd.DataFrame, metric: str) -> pd.Series:
    return rows.set_index("repeat")[metric].dropna()


def _vote(named: list[pd.Series]) -> str:
    """Say how many test inputs' classes K-NN on codes names, before and after training."""
    before = f", and of {percent(named[0])} before training{points(*named)}" if len(named[0]) else ""
    return f"{_VOTE} names the class of {percent(named[1])} of the test inputs{before}"
