"""The job that draws a registered figure from its tables and writes all its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rehash.figures.missing import MARK, attempted, placeholder_page, words
from rehash.figures.registry import load
from rehash.figures.style import save_figure, text_figure
from rehash.store import read_csv, write_bytes


def draw_figure(
    tables: Sequence[str | Path], outputs: Mapping[str, str | Path], *, draw: str, page: str, settings: dict[str, Any]
) -> None:
    """Draw a figure (see `rehash.figures.registry.Figure`) from its tables and write its files.

    Where its function cannot show what the tables have, placeholders are written that say why (see
    `rehash.figures.missing`).

    Args:
        outputs: paths named pdf and png, and html if the figure has a page.

    Raises:
        InputError: a table is not readable, or not what a figure's table can be.
    """
    read = [read_csv(path) if Path(path).suffix == ".csv" else path for path in tables]
    name, paths = str(Path(outputs["png"]).with_suffix("")), (outputs["pdf"], outputs["png"])
    plot = load(draw)
    _, why = attempted(lambda: save_figure(plot(*read, **settings), *paths), name)
    if why:
        save_figure(text_figure(words(name, why)), *paths, about={MARK: why})
    if page:
        interactive = load(page)
        content, why = attempted(lambda: interactive(*read, **settings), f"{name}, as a page")
        write_bytes((content or placeholder_page(name, why)).encode(), outputs["html"])
