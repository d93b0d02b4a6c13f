"""The HTML report: one page that works with no network, grouped by paper and dataset."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pandas as pd
from docutils.core import publish_parts
from jinja2 import Environment, StrictUndefined

from rehash.store import write_bytes


def html_from_rst(text: str) -> str:
    """A caption in reStructuredText as HTML.

    Raises:
        docutils.utils.SystemMessage: the caption has an error (it would otherwise be printed into the page).
    """
    settings = {"halt_level": 2, "report_level": 2, "file_insertion_enabled": False, "raw_enabled": False}
    return publish_parts(text, writer="html5", settings_overrides=settings)["body"]


def data_uri(png: str | Path) -> str:
    """A PNG as an address that needs no file beside the page."""
    return "data:image/png;base64," + base64.b64encode(Path(png).read_bytes()).decode()


def html_table(table: pd.DataFrame) -> str:
    """A small table of text cells as HTML."""
    return table.to_html(index=False, border=0, classes="numbers")


def write_report(
    template: str | Path, output: str | Path, sections: list[dict[str, Any]], facts: dict[str, Any]
) -> None:
    """Fill the template.

    Args:
        sections: in order; each has paper, dataset, study, caption (HTML), image (address), table (HTML), claims and
            files (name -> path relative to the page).
        facts: seed, device and whatever else the foot of the page says.
    """
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(Path(template).read_text()).render(sections=sections, facts=facts)
    write_bytes(page.encode(), output)
