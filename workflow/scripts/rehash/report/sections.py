"""A section of the report: what one figure shows and says, with its numbers and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.figures.missing import attempted, why_missing
from rehash.figures.registry import load
from rehash.headlines import Headline
from rehash.report.markup import begun, html_from_rst, html_table, picture
from rehash.store import read_csv
from rehash.verdicts import Claims

_KINDS = {".csv": "table (CSV)", ".h5": "images (HDF5)"}


def section(entry: dict[str, Any], caption: str | Path) -> dict[str, Any]:
    """Build one section from a figure's entry (`rehash.figures.registry.Wing.entries`) and its tables.

    A summary, headline or claims that cannot be made of the tables are left out; `missing` says so, and why. Paths are
    relative to the folder results. `published` is a table with the columns value and status, a row for each published
    value that stands beside one of ours.

    Raises:
        InputError: a table or the image is not readable.
    """
    tables = [read_csv(path) for path in entry["tables"] if path.endswith(".csv")]
    png = f"{entry['stem']}.png"
    drawn = {"figure": png}
    if "interactive" in entry["files"]:
        drawn["interactive page"] = entry["files"]["interactive"]
    missing = {what: why_missing(path) for what, path in drawn.items()}

    def made(key: str, what: str) -> Any:
        """Return what the function that a key of the entry names makes of the tables; None if none is, or it fails."""
        if not entry[key]:
            return None
        found, why = attempted(lambda: load(entry[key])(*tables), f"{entry['stem']}, the {what}")
        missing[what] = missing.get(what) or why
        return found

    empty = all(table.empty for table in tables)
    claims: Claims = [] if empty else [claim for claim in made("claims", "boxes") or [] if claim]
    headline = None if empty else made("headline", "headline")
    summary, published = made("summary", "table of numbers"), made("published", "count of published values")
    return {
        **entry,
        "anchor": "-".join([entry["wing"], *entry["of"].split(), entry["name"]]),
        "heading": begun(f"{entry['title']} on {entry['of']}" if entry["of"] != "all" else entry["title"]),
        "page": _beside(entry["page"]),
        "headline": headline or _from_claims(claims),
        "own_headline": bool(headline),
        "claims": claims,
        "caption": html_from_rst(Path(caption).read_text(encoding="utf-8")),
        "png": _beside(png),
        "image": picture(png),
        "table": "" if summary is None else html_table(summary),
        "published": pd.DataFrame(columns=["value", "status"]) if published is None else published,
        "files": {kind: _beside(path) for kind, path in _files(entry).items()},
        "missing": {what: why for what, why in missing.items() if why},
    }


def _from_claims(claims: Claims) -> Headline | None:
    """Return a headline of a figure that has none of its own: its first claim."""
    return {"claimed": "", "found": claims[0]["text"], "verdict": claims[0]["verdict"]} if claims else None


def _beside(path: str) -> str:
    return Path(path).relative_to("results").as_posix()


def _files(entry: dict[str, Any]) -> dict[str, str]:
    """Return the files that a reader may open, by label; tables not named like the figure have their name in it."""
    found = dict(entry["files"])
    for path in map(Path, entry["tables"]):
        own = path.stem == Path(entry["stem"]).name
        found[_KINDS[path.suffix] if own else f"{path.stem.replace('_', ' ')}, {_KINDS[path.suffix]}"] = str(path)
    return {**found, "provenance (JSON)": entry["provenance"]}
