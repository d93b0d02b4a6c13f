"""What the report says of datasets: the table of classes, what was read, left out or changed, and what is odd."""

from __future__ import annotations

import pandas as pd

from rehash.verdicts import Claims

TITLE = "The data"
SHORT = "Data"  # in lists of the works
CITED = ""
TEXT = (
    "What each dataset holds, before anything is trained on it: look here first. What is odd about the data is said in "
    "a box of its own."
)


def summary(classes: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """List the classes with their numbers of samples, and the total, as text cells."""
    numbers = classes.drop(columns=["class", "name"]).sum()
    total = pd.DataFrame([{"class": "all", "name": "", **numbers}])
    return pd.concat([classes.astype(str), total.astype(str)], ignore_index=True)


def claims(classes: pd.DataFrame, findings: pd.DataFrame) -> Claims:
    """Return a box with what was read, left out or changed, and one for each oddity."""
    read = findings.text[findings.kind != "warning"]
    odd = findings.text[findings.kind == "warning"]
    return [
        {"verdict": "What was read", "text": f"{'; '.join(read)}."},
        *({"verdict": "Look at this", "text": f"{text[0].upper()}{text[1:]}."} for text in odd),
    ]
