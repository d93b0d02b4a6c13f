"""What stands in the place of a figure, a table or a box of the report that could not be made, and says why.

Data that a figure cannot show cost that figure, and no other. What stops a job all the same: an InputError, which names
a file or a setting that has to be seen to, and errors of the system, of memory and of the installation.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image

from rehash.errors import InputError, unreadable

log = logging.getLogger("rehash")
MARK = "rehash not drawn"  # the name of the reason in a placeholder's metadata
_STOPS = (InputError, OSError, ImportError, MemoryError)
_LONGEST = 400  # characters of a reason
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Not drawn</title>
<meta name="{mark}" content="{why}"></head>
<body><p>{words}</p></body></html>
"""
Made = TypeVar("Made")


def attempted(make: Callable[[], Made], what: str) -> tuple[Made | None, str]:
    """Return what a function makes and no reason; or None, and in words why it could not be made, which is logged.

    Args:
        what: what is made, for the log.
    """
    try:
        return make(), ""
    except _STOPS:
        raise
    except Exception as error:
        log.exception("%s: could not be made; the rest goes on", what)
        text = " ".join(str(error).split())
        # A ValueError says what is wrong with the data; an error of another type may need its name ("KeyError: 'x'").
        said = text if text and isinstance(error, ValueError) else f"{type(error).__name__}: {text}"
        return None, said[:_LONGEST]


def words(name: str, why: str) -> str:
    """Return what a placeholder says of the figure `name`."""
    return f"{name}: this figure could not be drawn ({why}). Its tables stand beside it; its log has the whole error."


def placeholder_page(name: str, why: str) -> str:
    """Return the page (HTML) that stands in the place of an interactive figure."""
    return _PAGE.format(mark=MARK, why=html.escape(why), words=html.escape(words(name, why)))


def why_missing(path: str | Path) -> str:
    """Return why a file (.png or .html) is a placeholder; "" if it is a figure.

    Raises:
        InputError: the file is no image.
    """
    if Path(path).suffix == ".html":
        with open(path, encoding="utf-8") as file:
            found = re.search(rf'<meta name="{MARK}" content="(.*?)">', file.read(4000), re.DOTALL)
        return html.unescape(found[1]) if found else ""
    try:
        with Image.open(path) as image:
            return image.info.get(MARK, "")
    except OSError as error:  # also what Pillow raises for a file that is none
        again = f"make it again with: snakemake --cores all --force {path}"
        raise unreadable(error, path, f"not a readable image; {again}") from error
