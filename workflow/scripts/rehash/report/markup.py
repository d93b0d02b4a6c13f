"""Pieces of the report's pages: captions, pictures and tables as HTML, and the templates that they are filled into."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from docutils.core import publish_parts
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from rehash.headlines import TONES

_THUMBNAIL = 1100  # pixels across: twice what a picture of the first screen has on a screen


def html_from_rst(text: str) -> str:
    """Convert a caption from reStructuredText to HTML.

    Raises:
        docutils.utils.SystemMessage: the caption has an error (it would otherwise be printed into the page).
    """
    settings = {"halt_level": 2, "report_level": 2, "file_insertion_enabled": False, "raw_enabled": False}
    return publish_parts(text, writer="html5", settings_overrides=settings)["body"]


@cache
def picture(png: str | Path) -> str:
    """Return a PNG as a data URI (lossless WebP, half as many bytes), so that a page needs no file beside it."""
    return _data_uri(Image.open(png), lossless=True, quality=30, method=1)


@cache
def thumbnail(png: str | Path) -> str:
    """Return a smaller copy of a PNG as a data URI."""
    image = Image.open(png).convert("RGB")
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return _data_uri(image, quality=85, method=2)


def _data_uri(image: Image.Image, **how: object) -> str:
    content = io.BytesIO()
    image.convert("RGB").save(content, "WEBP", **how)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


def html_table(table: pd.DataFrame) -> str:
    """Convert a small table of text cells to HTML; the page's script makes its columns sortable."""
    return table.to_html(index=False, border=0, classes="numbers").replace("<th>", '<th scope="col">')


def begun(text: str) -> str:
    """Return a text whose first letter is a capital; the others stay as they are."""
    return text[:1].upper() + text[1:]


def rendered(template: str | Path, **words: object) -> bytes:
    """Fill a template, which may use others of its folder; whatever is not marked as safe is escaped.

    Raises:
        jinja2.UndefinedError: the template uses a name that is not given.
    """
    place = Path(template)
    environment = Environment(
        loader=FileSystemLoader(place.parent), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"begun": begun, "href": quote, "tone": lambda verdict: TONES.get(verdict, "open")}
    return environment.get_template(place.name).render(**words).encode()
