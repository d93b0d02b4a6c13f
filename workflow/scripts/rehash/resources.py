"""Files of the workflow that its scripts read: published values, networks, captions and the report's template.

They lie beside the code, wherever that is. So rules do not declare them as inputs, whose paths Snakemake compares, but
carry the digest of their content among their params (`rehash.graph.resource_digest`).
"""

from __future__ import annotations

from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2]
# The report's templates: of the first page, of the others, and what both are made of.
REPORT = ("report.html.j2", "page.html.j2", "layout.html.j2", "parts.html.j2")


def resource(name: str) -> Path:
    """Return the path of a file in the folder workflow/resources."""
    return WORKFLOW / "resources" / name


def shipped_networks() -> dict[str, Path]:
    """Return the paths of the trained hash networks that come with rehash, by name."""
    return {path.stem: path for path in sorted(resource("networks").glob("*.safetensors"))}


def caption(name: str) -> Path:
    """Return the path of a figure's caption, a text in reStructuredText."""
    return WORKFLOW / "report" / f"{name}.rst"


def template(name: str = REPORT[0]) -> Path:
    """Return the path of a page's template, by default the report's first."""
    return WORKFLOW / "report" / name
