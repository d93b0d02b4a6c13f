"""What the report says of the wing's figures: tables of numbers for readers, and claims."""

from __future__ import annotations

import pandas as pd

from rehash.tables import mean_and_sd
from rehash.verdicts import CHANGES, DEFINITION, HOLDS, Claim, Claims, Verdicts, compared_runs

TITLE = "The three works on one scale"
SHORT = "One scale"  # in lists of the works
CITED = ""
TEXT = (
    "Codes of any origin, measured alike: neural codes of networks that were never told to hash, modulated responses "
    "of a frozen network, fingerprints that were trained to agree, and the field's baselines at equal bits. Queries "
    "search a gallery by Hamming distance, and whatever is of their class is relevant. Equally distant samples are in "
    f"random order: values are expectations over that order, in closed form. {DEFINITION}"
)
UNTRAINED = "_untrained"  # the end of the name of a source that is another one before training
# Columns of the table of numbers: name, metric, what it is taken at.
_SHOWN = (
    ("mAP", "map", None),
    ("mAP@1000", "map_at", 1000),
    ("precision@10", "precision_at", 10),
    ("recall within 2", "recall_within", 2),
    ("precision within 2", "precision_within", 2),
    ("redundancy", "redundancy", None),
    ("purity of buckets", "bucket_purity", None),
)
_RANKED = ("map", "map_at", "map_at_of_all", "precision_at", "recall_at", "ndcg_at")
_LEAST_SOURCES = 4  # for a correlation over sources


def of_metric(table: pd.DataFrame, metric: str, at: float | None = None) -> pd.DataFrame:
    """Return the rows of one metric, taken at a radius or rank where it has one."""
    return table[(table.metric == metric) & (table["at"].isna() if at is None else table["at"].eq(at))]


def trade_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise redundancy, mAP and recall within radius 2 of each source and length as text cells."""
    shown = {"redundancy": "redundancy", "map": "mAP", "recall_within_2": "recall within 2"}
    return _cells(table, {title: table[column] for column, title in shown.items()})


def retrieval_summary(table: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Summarise what matters most of each source and length as text cells, with the time to encode a sample."""
    keys = ["title", "bits", "repeat"]
    rows = table[keys].drop_duplicates(ignore_index=True)
    found = {}
    for name, metric, at in _SHOWN:
        part = of_metric(table, metric, at)
        if len(part):
            found[name] = rows.merge(part[[*keys, "value"]], on=keys, how="left").value
    found["µs a sample"] = rows.merge(times[[*keys, "microseconds_an_input"]], on=keys, how="left").iloc[:, -1]
    return _cells(rows, found)


def curves_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise precision and recall within small radii, of each source and length, as text cells."""
    rows = table[table.curve.eq("precision_recall_by_radius") & table.x.le(4)]
    keys = ["title", "bits", "x"]
    means = rows.groupby(keys, sort=False)[["precision", "recall"]].mean().reset_index()
    shown = means.rename(columns={"title": "source", "x": "radius"})
    cells = {name: shown[name].map("{:.3f}".format).replace("nan", "") for name in ("precision", "recall")}
    return shown.assign(**cells)


def published_summary(table: pd.DataFrame) -> pd.DataFrame:
    """List each published value beside ours as text cells."""
    ours = [f"{row.ours:.3f} ({row.low:.3f} to {row.high:.3f})" for row in table.itertuples()]
    keys = ["method", "bits", "metric", "published", "backbone", "protocol", "verdict"]
    return table[keys].assign(ours=ours, difference=table.difference.map("{:+.3f}".format))


def _cells(rows: pd.DataFrame, columns: dict[str, pd.Series]) -> pd.DataFrame:
    """Return means and deviations over repeats, by source and length, as text cells."""
    values = pd.DataFrame({"source": rows.title, "bits": rows.bits, **columns})
    groups = values.groupby(["source", "bits"], sort=False)
    means, deviations, counts = groups.mean(), groups.std(), groups.size()
    cells = {name: list(map(mean_and_sd, means[name], deviations[name])) for name in columns}
    cells = {name: ["" if text == "nan" else text for text in texts] for name, texts in cells.items()}
    keys = means.index.to_frame(index=False)
    bits = keys.bits.map(lambda bits: bits or "cosine")
    return pd.DataFrame({"source": keys.source, "bits": bits, "n": counts.to_numpy(), **cells})


def trade_claims(table: pd.DataFrame) -> Claims:
    """Claim that training makes codes group better, source by source, and say how uniqueness and grouping go along."""
    return [
        *(_twin_claim(table, source, "map", "mAP") for source in _twins(table)),
        *(_twin_claim(table, source, "redundancy", "redundancy", CHANGES) for source in _twins(table)),
        *(_correlation(rows, int(bits)) for bits, rows in table[table.bits > 0].groupby("bits")),
    ]


def _twins(table: pd.DataFrame) -> list[str]:
    names = table.source.drop_duplicates()
    return [name for name in names if f"{name}{UNTRAINED}" in set(names)]


def _twin_claim(table: pd.DataFrame, source: str, column: str, what: str, verdicts: Verdicts = HOLDS) -> Claim | None:
    ours, theirs = table[table.source == source], table[table.source == f"{source}{UNTRAINED}"]
    both = sorted(set(ours.bits) & set(theirs.bits))
    if not both:
        return None
    bits = both[-1]

    def runs(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows[rows.bits == bits].set_index("repeat")
        ends = {end: rows.get(f"{column}_{end}", float("nan")) for end in ("low", "high")}
        return pd.DataFrame({"value": rows[column], **ends})

    title = ours.title.iloc[0]
    name = f"{title}, {bits} bits: {what}"
    return compared_runs(runs(theirs), runs(ours), name, ("before training", "after training"), verdicts=verdicts)


def _correlation(rows: pd.DataFrame, bits: int) -> Claim | None:
    means = rows.groupby("source")[["redundancy", "map"]].mean().dropna()
    if len(means) < _LEAST_SOURCES:
        return None
    ranks = means.rank()
    if (ranks.nunique() < 2).any():
        return None
    rho = ranks.redundancy.corr(ranks["map"])
    text = (
        f"Over the {len(means)} sources at {bits} bits, redundancy and mAP have the rank correlation {rho:+.2f} "
        "(Spearman): +1 would be that the more codes are shared the better they group. Sources were chosen by us, so "
        "this describes them and no others."
    )
    return {"verdict": f"Rank correlation {rho:+.2f} at {bits} bits", "text": text}


def retrieval_claims(table: pd.DataFrame, times: pd.DataFrame) -> Claims:
    """Claim how far ITQ is above random hyperplanes, and how far the accident of a stable sort would be off."""
    return [_over_hyperplanes(table), _stable_claim(table)]


def _over_hyperplanes(table: pd.DataFrame) -> Claim | None:
    rows = of_metric(table, "map")
    itq, simhash = (rows[rows.source == name] for name in ("itq", "simhash"))
    both = sorted(set(itq.bits) & set(simhash.bits))
    if not both:
        return None
    start, end = (part[part.bits == both[0]].set_index("repeat") for part in (simhash, itq))
    return compared_runs(start, end, f"mAP at {both[0]} bits", ("of random hyperplanes", "of ITQ"))


def _stable_claim(table: pd.DataFrame) -> Claim | None:
    rows = table[table.metric.isin(_RANKED) & table.stable.notna() & table.bits.gt(0)]
    if rows.empty:
        return None
    apart = (rows.stable - rows.value).abs()
    worst = rows.loc[apart.idxmax()]
    at = "" if pd.isna(worst["at"]) else f" {worst['at']:g}"
    text = (
        f"A stable sort breaks ties by the gallery's order. Over all sources, lengths and ranked metrics it is off the "
        f"expectation by {apart.median():.1e} in the median and by at most {apart.max():.1e} ({worst.title}, "
        f"{worst.bits} bits, {worst.metric}{at}: {worst.stable:.4f} in place of {worst.value:.4f}). How "
        "far depends on the order in which the gallery happens to be."
    )
    return {"verdict": f"Ties: a stable sort is off by up to {apart.max():.1e}", "text": text}


def published_claims(table: pd.DataFrame) -> Claims:
    """Count the published values that ours agree with, where protocol and backbone are the same."""
    alike = table[table.verdict.isin(["inside", "above", "below"])]
    if alike.empty:
        return []
    inside = alike.verdict.eq("inside").sum()
    worst = alike.loc[alike.difference.abs().idxmax()]
    text = (
        f"Of {len(alike)} published values of the same protocol, {inside} lie within ours. The one farthest off is "
        f"{worst.method} at {worst.bits} bits: published {worst.published:.4f}, ours {worst.ours:.4f} "
        f"({worst.low:.4f} to {worst.high:.4f})."
    )
    return [{"verdict": f"{inside} of {len(alike)} published values inside", "text": text}]
