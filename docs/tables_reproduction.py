"""Every published value beside ours: one line each, from the published values and the kept results."""

from functools import cache
from pathlib import Path

import pandas as pd
import tables_tgsh as tgsh

from rehash.hash_encoders.published import compare

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PUBLISHED = ROOT / "docs" / "results", ROOT / "workflow" / "resources"
STUDIES = ("capacity", "sample_size", "training_time")
COLUMNS = [
    *("work", "panel", "value_of", "protocol", "published", "error"),
    *("ours", "sd", "n", "difference", "verdict"),
]
NOT_RUN = "not run"


@cache
def against_published(dataset: str) -> pd.DataFrame:
    """The kept studies of a dataset (mnist, cifar10) beside the published values, point by point."""
    kept = [pd.read_csv(path) for study in STUDIES if (path := RESULTS / f"{dataset}_{study}.csv").exists()]
    return compare(kept, pd.read_csv(PUBLISHED / "published_hash_encoders.csv"), dataset=dataset, role="comparison")


def main_protocol(dataset: str) -> pd.DataFrame:
    """`against_published` under the protocol with which most values can be judged."""
    table = against_published(dataset)
    judged = table[table.verdict.isin(["inside", "outside"])]
    return table[table.protocol == judged.groupby("protocol").size().idxmax()]


def comparisons() -> pd.DataFrame:
    """A line for each published value, and for each protocol of ours beside it; verdict NOT_RUN where there is none.

    Columns: COLUMNS. panel: the figure or table that the value is of. value_of: what it is of. error: with which the
    value was read off. ours, sd, n: the mean, standard deviation and number of networks of ours.
    """
    found = pd.concat([_he_et_al(), _hong_and_pavlic(), _duchesneau(), _retrieval()], ignore_index=True)
    return found.assign(verdict=found.verdict.fillna(NOT_RUN))[COLUMNS]


def by_panel(table: pd.DataFrame) -> pd.DataFrame:
    """Count the verdicts of `comparisons` by work, panel and protocol."""
    order = ["inside", "outside", *sorted({*table.verdict} - {"inside", "outside", NOT_RUN}), NOT_RUN]
    keys = ["work", "panel", "protocol"]
    counts = table.fillna({"protocol": ""}).groupby([*keys, "verdict"], sort=False).size().unstack(fill_value=0)
    return counts.reindex(columns=order, fill_value=0).reset_index().rename_axis(columns=None)


def _he_et_al() -> pd.DataFrame:
    values = pd.read_csv(PUBLISHED / "published_hash_encoders.csv")
    keys = ["dataset", "study", "layer_width", "x", "theirs"]
    ours = pd.concat(map(against_published, sorted(values.dataset.unique())))
    # K-Means was published without a word on which split it is of; ours has both.
    ours["dataset"], ours["theirs"] = (
        ours.published_dataset,
        ours.metric.where(~ours.metric.str.startswith("kmeans"), "kmeans"),
    )
    table = values.rename(columns={"metric": "theirs", "value": "published"}).merge(
        ours.drop(columns="published"), on=keys, how="left"
    )
    table["metric"] = table.metric.fillna(table.theirs)
    place = table.x.where(table.study != "capacity").map(lambda x: "" if pd.isna(x) else f", {x:g}")
    words = [
        f"{row.metric}, width {row.layer_width}{f' at {x[2:]}' if x else ''}"
        for row, x in zip(table.itertuples(), place)
    ]
    panel = table.dataset + ", " + table.study.str.replace("_", " ")
    return table.assign(work="He et al. 2021", panel=panel, value_of=words)


def _hong_and_pavlic() -> pd.DataFrame:
    parts = []
    for benchmark in ("notebook", "rotation"):
        for name, panel in (("published", "accuracy after one epoch"), ("published_similarity", "similarity of tasks")):
            rows = tgsh.kept(benchmark, name)
            if rows is None:
                continue
            rows = rows[rows.verdict != "context"]  # of other trainings than the published one
            if name == "published":
                words = [f"task of {row.angle:g} degrees" for row in rows.itertuples()]
            else:
                words = [
                    f"{tgsh.STATES[row.state]}, tasks of {row.angle_a:g} and {row.angle_b:g} degrees"
                    for row in rows.itertuples()
                ]
            parts.append(rows.assign(panel=panel, value_of=words, protocol=benchmark, error=rows.get("reading_error")))
    return pd.concat(parts).assign(work="Hong & Pavlic 2023")


def _duchesneau() -> pd.DataFrame:
    rates = pd.read_csv(PUBLISHED / "published_equihash.csv")
    words = [f"{row.model}, {row.database_size:,} items" for row in rates.itertuples()]
    return rates.assign(work="Duchesneau", panel="perfect retrieval", value_of=words)


def _retrieval() -> pd.DataFrame:
    values = pd.read_csv(PUBLISHED / "published_retrieval.csv").rename(columns={"value": "published"})
    kept = pd.concat([pd.read_csv(path) for path in sorted(RESULTS.glob("*_published_retrieval.csv"))])
    kept = kept.rename(columns={"repeats": "n"})[["method", "bits", "metric", "protocol", "ours", "sd", "n", "verdict"]]
    table = values.merge(kept, on=["method", "bits", "metric"], how="left")
    words = [f"{row.method}, {row.bits} bits, {row.metric}" for row in table.itertuples()]
    return table.assign(
        work="supervised hashing", panel="CIFAR-10", value_of=words, difference=table.ours - table.published
    )
