"""What the report says about a figure of this wing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.report import data_uri, html_from_rst, html_table
from rehash.store import read_csv

TITLE = "Learned equihash functions"
TEXT = (
    "An equihash maps an item to a fingerprint such that noisy views of one thing get the same and views of different "
    "things do not, so that a hash table finds what was seen before (Duchesneau's thesis). Items are mosaics of a "
    "bank's pictures, made from a seed when they are needed and never stored. This is the data half: banks, Perlin "
    "noise, mosaics and labels; networks and the index are to come."
)
_TITLES = {"views": "views of a label", "perlin": "Perlin noise"}


def summary_table(table: pd.DataFrame, study: str) -> pd.DataFrame:
    """The figure's numbers as text cells."""
    if study == "views":
        return table.assign(**{column: table[column].map("{:,}".format) for column in ("pictures", "labels")})
    shown = table[table.frequency.isin([1, 2, 5, 10, 20, 50])]
    return shown.assign(**{column: shown[column].map("{:.3g}".format) for column in ("power_mean", "power_sd")})


def section(entry: dict[str, Any], caption: str | Path, text: str) -> dict[str, Any]:
    """One section of the report from a figure's table and picture (see equihash.plan.figures)."""
    stem = entry["stem"]
    endings = {"figure (PDF)": ".pdf", "table (CSV)": ".csv", "provenance (JSON)": ".json"}
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
        "table": html_table(summary_table(read_csv(f"{stem}.csv"), entry["study"])),
        "files": {kind: str(Path(f"{stem}{ending}").relative_to("results")) for kind, ending in endings.items()},
    }
