"""The HTML report: one page that works without a network, grouped by paper and dataset."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from rehash.figures.missing import attempted, why_missing
from rehash.figures.registry import load
from rehash.store import read_csv, write_bytes
from rehash.verdicts import Claims

_KINDS = {".csv": "table (CSV)", ".h5": "images (HDF5)"}


def html_from_rst(text: str) -> str:
    """Convert a caption from reStructuredText to HTML.

    Raises:
        docutils.utils.SystemMessage: the caption has an error (it would otherwise be printed into the page).
    """
    settings = {"halt_level": 2, "report_level": 2, "file_insertion_enabled": False, "raw_enabled": False}
    return publish_parts(text, writer="html5", settings_overrides=settings)["body"]


def data_uri(png: str | Path) -> str:
    """Return a PNG as a data URI, so that the page needs no file beside it."""
    return "data:image/png;base64," + base64.b64encode(Path(png).read_bytes()).decode()


def html_table(table: pd.DataFrame) -> str:
    """Convert a small table of text cells to HTML."""
    return table.to_html(index=False, border=0, classes="numbers")


def section(entry: dict[str, Any], caption: str | Path) -> dict[str, Any]:
    """Build one section of the page from a figure's entry (`rehash.figures.registry.Wing.entries`) and its tables.

    A summary or claims that cannot be made of the tables are left out; `missing` says so, and why.

    Raises:
        InputError: a table or the image is not readable.
    """
    tables = [read_csv(path) for path in entry["tables"] if path.endswith(".csv")]
    results = f"rehash.{entry['wing']}.results"
    drawn = {"figure": f"{entry['stem']}.png"}
    if "interactive" in entry["files"]:
        drawn["interactive page"] = entry["files"]["interactive"]
    missing = {what: why_missing(path) for what, path in drawn.items()}
    claims, missing["boxes"] = attempted(lambda: _claims(entry, tables), f"{entry['stem']}, the boxes")
    summary, missing["table of numbers"] = attempted(
        lambda: html_table(load(entry["summary"])(*tables)), f"{entry['stem']}, the numbers"
    )
    return {
        **entry,
        "anchor": "-".join([entry["wing"], *entry["of"].split(), entry["name"]]),
        "wing_title": load(f"{results}:TITLE"),
        "wing_text": load(f"{results}:TEXT"),
        "claims": claims or [],
        "caption": html_from_rst(Path(caption).read_text(encoding="utf-8")),
        "image": data_uri(drawn["figure"]),
        "table": summary or "",
        "files": {kind: str(Path(path).relative_to("results")) for kind, path in _files(entry).items()},
        "missing": {what: why for what, why in missing.items() if why},
    }


def _claims(entry: dict[str, Any], tables: list[pd.DataFrame]) -> Claims:
    if not entry["claims"] or all(table.empty for table in tables):
        return []
    return [claim for claim in load(entry["claims"])(*tables) if claim]


def _files(entry: dict[str, Any]) -> dict[str, str]:
    """Return the files that a reader may open, by label; tables not named like the figure have their name in it."""
    found = dict(entry["files"])
    for path in map(Path, entry["tables"]):
        own = path.stem == Path(entry["stem"]).name
        found[_KINDS[path.suffix] if own else f"{path.stem.replace('_', ' ')}, {_KINDS[path.suffix]}"] = str(path)
    return {**found, "provenance (JSON)": entry["provenance"]}


def write_report(
    template: str | Path,
    output: str | Path,
    entries: list[dict[str, Any]],
    captions: list[str | Path],
    facts: dict[str, Any],
) -> None:
    """Fill the template with a section for each figure and write the page.

    Args:
        entries: the figures' entries, in order. captions: a file of reStructuredText for each.
        facts: seed, device and whatever else the foot of the page says.
    """
    sections = [section(entry, caption) for entry, caption in zip(entries, captions, strict=True)]
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(Path(template).read_text(encoding="utf-8")).render(sections=sections, facts=facts)
    write_bytes(page.encode(), output)
