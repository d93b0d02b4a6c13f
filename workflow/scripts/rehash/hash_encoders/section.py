"""What the report says about a study of this wing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.hash_encoders.claims import claims
from rehash.hash_encoders.columns import FACTORS
from rehash.hash_encoders.published import tally
from rehash.report import data_uri, html_from_rst, html_table
from rehash.store import read_csv
from rehash.tables import mean_and_sd, summarise, with_state

TITLE = "Neural networks behave as hash encoders"
TEXT = (
    "A ReLU network cuts its input space into linear regions. The neural code of an input says in which region it "
    "lies: one bit for each hidden unit, on or off. He et al. (2021) find that these codes behave like a hash: "
    "few inputs share one, and inputs of one class get similar ones. In the boxes, 'beyond the spread' means that two "
    "means differ by more than their two standard deviations together."
)
_SHOWN = {
    "redundancy_train": "redundancy (train)",
    "redundancy_test": "redundancy (test)",
    "kmeans_test": "K-Means (test)",
    "kmeans_test_matched": "K-Means (test, one to one)",
    "knn": "K-NN",
    "lr": "logistic regression",
    "accuracy_test": "network (test)",
}
_KEYS = ("protocol", "layer_width", *FACTORS, "inputs", "epoch")
_TITLES = {"regions": "linear regions", "published": "published values"}
_NAMES = {"layer_width": "width", "state": "networks"}


def summary_table(table: pd.DataFrame, study: str) -> pd.DataFrame:
    """The study's summary as text cells for people; keys that are the same everywhere are left out."""
    if study == "published":
        counts = tally(table)
        return counts.assign(
            **{column: counts[column].map("{:+.3f}".format) for column in ("mean_difference", "largest_difference")}
        )
    if study == "phase_chart":
        means = {
            name: list(map(mean_and_sd, table[name], table[f"{name}_sd"])) for name in ("redundancy", "categorization")
        }
        return table[["protocol", "plane", "layer_width", "x", "n"]].assign(**means, regime=table.regime)
    if study == "regions":
        return _region_medians(table)
    shown = {"redundancy": "redundancy", "active_share": "units on"} if study == "random_inputs" else _SHOWN
    keys = [key for key in _KEYS if key in table and table[key].nunique() > 1]
    if study == "training_time" or study == "random_inputs":
        by = keys
    else:  # where networks stop at epochs of their own, what counts is whether they are trained
        by = [*(key for key in keys if key != "epoch"), *(["state"] if table.epoch.eq(0).any() else [])]
        table = with_state(table)
    rows = summarise(table, by or ["layer_width"], list(shown))
    cells = {_NAMES.get(key, key.replace("_", " ")): rows[key] for key in [*by, "n"]}
    for metric, title in shown.items():
        cells[title] = list(map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"]))
    return pd.DataFrame(cells)


def _region_medians(lines: pd.DataFrame) -> pd.DataFrame:
    """Medians over a network's lines, mean and spread over networks; inf where half of one's lines never change."""
    keys = ["protocol", "layer_width", "snapshot", "points"]
    medians = lines.groupby([*keys, "repeat"], as_index=False)[["distance", "changes"]].median()
    rows = summarise(medians, keys, ["distance", "changes"])
    return rows[[*keys, "n"]].assign(
        **{
            "median distance to the first change": list(map(mean_and_sd, rows.distance_mean, rows.distance_sd)),
            "median changes on a line": list(map(mean_and_sd, rows.changes_mean, rows.changes_sd)),
        }
    )


def section(entry: dict[str, str], caption: str | Path, dataset_text: str) -> dict[str, Any]:
    """One section of the report from a study's table and figure (paths of `entry`, see hash_encoders.plan.figures)."""
    stem, study = entry["stem"], entry["study"]
    table = read_csv(f"{stem}.csv")
    endings = {"figure (PDF)": ".pdf", "interactive": ".html", "table (CSV)": ".csv", "provenance (JSON)": ".json"}
    return {
        **entry,
        "title": _TITLES.get(study, study.replace("_", " ")),
        "anchor": f"{entry['paper']}-{entry['dataset']}-{study}",
        "paper_title": TITLE,
        "paper_text": TEXT,
        "dataset_text": dataset_text,
        "claims": claims(table, study),
        "caption": html_from_rst(Path(caption).read_text()),
        "image": data_uri(f"{stem}.png"),
        "table": html_table(summary_table(table, study)),
        "files": {
            kind: str(Path(f"{stem}{ending}").relative_to("results"))
            for kind, ending in endings.items()
            if ending != ".html" or study == "phase_chart"
        },
    }
