"""What the report says about a figure of this wing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.figures import (
    equihash_distances,
    equihash_family,
    equihash_index,
    equihash_retrieval,
    equihash_training,
)
from rehash.report import data_uri, html_from_rst, html_table
from rehash.store import read_csv

TITLE = "Learned equihash functions"
TEXT = (
    "An equihash maps an item to a fingerprint such that noisy views of one thing get the same and views of different "
    "things do not, so that a hash table finds what was seen before (Duchesneau's thesis). Items are mosaics of a "
    "bank's pictures, made from a seed when they are needed and never stored. The published photo models took one to "
    "two weeks of a GPU each; their perfect-retrieval rates (31.5% on 10^9 items for ShannonHamming on triples) are of "
    "another task and another meaning of perfect than ours, and not comparable. No model of that task was trained here."
)
_TITLES = {
    "views": "views of a label",
    "perlin": "Perlin noise",
    "training": "what training teaches",
    "distances": "distances, trained and untrained",
    "family": "a family of ablations",
    "retrieval": "what an index answers",
    "bucket_sizes": "items a bucket",
    "probes": "multi-probing",
    "perfect_retrieval": "perfect retrieval, published and ours",
}
_TOGETHER = ("bucket_sizes", "probes")  # tables that are made with another, whose provenance is theirs


def summary_table(stem: str, study: str) -> pd.DataFrame:
    """The figure's numbers as text cells."""
    table = read_csv(f"{stem}.csv")
    if study == "training":
        return equihash_training.summary_table(table)
    if study == "distances":
        return equihash_distances.summary_table(read_csv(f"{stem}_histogram.csv"), table)
    tables = {
        "family": equihash_family.summary_table,
        "retrieval": equihash_retrieval.summary_table,
        "bucket_sizes": equihash_index.bucket_table,
        "probes": equihash_index.probe_table,
        "perfect_retrieval": equihash_retrieval.published_table,
    }
    if study in tables:
        return tables[study](table)
    if study == "views":
        return table.assign(**{column: table[column].map("{:,}".format) for column in ("pictures", "labels")})
    shown = table[table.frequency.isin([1, 2, 5, 10, 20, 50])]
    return shown.assign(**{column: shown[column].map("{:.3g}".format) for column in ("power_mean", "power_sd")})


def section(entry: dict[str, Any], caption: str | Path, text: str) -> dict[str, Any]:
    """One section of the report from a figure's table and picture (see equihash.plan.figures)."""
    stem = entry["stem"]
    ends = {"figure (PDF)": f"{stem}.pdf", "table (CSV)": f"{stem}.csv", "provenance (JSON)": f"{stem}.json"}
    if entry["study"] in _TOGETHER:
        ends["provenance (JSON)"] = str(Path(stem).with_name("retrieval.json"))
    return {
        **entry,
        "title": _TITLES[entry["study"]],
        "anchor": f"equihash-{entry['study']}-{entry['dataset']}",
        "paper_title": TITLE,
        "paper_text": TEXT,
        "dataset_text": text,
        "claims": [],
        "caption": html_from_rst(Path(caption).read_text()),
        "image": data_uri(f"{stem}.png"),
        "table": html_table(summary_table(stem, entry["study"])),
        "files": {kind: str(Path(path).relative_to("results")) for kind, path in ends.items()},
    }
