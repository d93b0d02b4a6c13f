"""What the report says about a study of this wing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.hash_encoders.study import BY, capacity_claims
from rehash.report import data_uri, html_from_rst, html_table
from rehash.store import read_csv
from rehash.tables import mean_and_sd, summarise, with_state

TITLE = "Neural networks behave as hash encoders"
TEXT = (
    "A ReLU network cuts its input space into linear regions. The neural code of an input says in which region it "
    "lies: one bit for each hidden unit, on or off. He et al. (2021) find that these codes behave like a hash: "
    "few inputs share one, and inputs of one class get similar ones."
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


def summary_table(table: pd.DataFrame) -> pd.DataFrame:
    """The study's summary as text cells for people."""
    rows = summarise(with_state(table), BY, list(_SHOWN))
    shown = pd.DataFrame({"protocol": rows.protocol, "width": rows.layer_width, "networks": rows.state, "n": rows.n})
    for metric, title in _SHOWN.items():
        means, sds = rows[f"{metric}_mean"], rows[f"{metric}_sd"]
        shown[title] = list(map(mean_and_sd, means, sds))
    return shown


def section(entry: dict[str, str], caption: str | Path, dataset_text: str) -> dict[str, Any]:
    """One section of the report from a study's table and figure (paths of `entry`, see graph.study_figures)."""
    stem = entry["stem"]
    table = read_csv(f"{stem}.csv")
    return {
        **entry,
        "anchor": f"{entry['paper']}-{entry['dataset']}-{entry['study']}",
        "paper_title": TITLE,
        "paper_text": TEXT,
        "dataset_text": dataset_text,
        "claims": capacity_claims(table),
        "caption": html_from_rst(Path(caption).read_text()),
        "image": data_uri(f"{stem}.png"),
        "table": html_table(summary_table(table)),
        "files": {
            kind: str(Path(f"{stem}{ending}").relative_to("results"))
            for kind, ending in (("figure (PDF)", ".pdf"), ("table (CSV)", ".csv"), ("provenance (JSON)", ".json"))
        },
    }
