"""The job that draws a registered figure from its tables and writes all its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehash.figures.registry import load
from rehash.figures.style import save_figure
from rehash.store import read_csv, write_bytes


def draw_figure(
    tables: Sequence[str | Path], outputs: Mapping[str, str | Path], *, draw: str, page: str, settings: dict[str, Any]
) -> None:
    """Draw a figure (see `rehash.figures.registry.Figure`) from its tables and write its files.

    Args:
        outputs: paths named pdf and png, and html if the figure has a page.

    Raises:
        InputError: a table is not readable.
    """
    read = [read_csv(path) if Path(path).suffix == ".csv" else path for path in tables]
    save_figure(load(draw)(*read, **settings), outputs["pdf"], outputs["png"])
    if page:
        write_bytes(load(page)(*read, **settings).encode(), outputs["html"])
