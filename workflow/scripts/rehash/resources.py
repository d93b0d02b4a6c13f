"""Files of the workflow that its scripts read: published values, captions and the report's template.

They lie beside the code, wherever that is. So rules do not declare them as inputs, whose paths Snakemake compares, but
carry the digest of their content among their params (`rehash.graph.resource_digest`).
"""

from __future__ import annotations

from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2]


def resource(name: str) -> Path:
    """Return the path of a file in the folder workflow/resources."""
    return WORKFLOW / "resources" / name


def caption(name: str) -> Path:
    """Return the path of a figure's caption, a text in reStructuredText."""
    return WORKFLOW / "report" / f"{name}.rst"


def template() -> Path:
    """Return the path of the report's template."""
    return WORKFLOW / "report" / "report.html.j2"
