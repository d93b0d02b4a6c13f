"""What a search asks for: image files of a user's, or views of a database that are seen again.

It is the config's `query`, which is meant for the command line and reaches no other result.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rehash.datasets.folders import SIGNATURE_BYTES, folder_contents, image_format
from rehash.equihash.plan import (
    GIVEN,
    QUERIES,
    SYNTHETIC,
    block,
    check_shown,
    encoding_inputs,
    labels_file,
    of_task,
)
from rehash.errors import InputError
from rehash.outside import content_digest, located

KINDS = ("item", "positive", "negative")  # of views of a database, which a number chooses
MOST = 50  # queries of one page
_WHERE = "config: query"
_NUMBERED = re.compile(rf"({'|'.join(KINDS)}):(.*)", re.DOTALL)
_HOW = (
    "say what to search for: --config query=photo.jpg, query=folder, query='[a.png, b.png]', or a view of the database "
    "seen again: query=item:123, query=positive:7"
)


def queries(config: dict, database: str, stands: str) -> list[dict[str, Any]]:
    """Return the queries of a search, in order: kind (image, item, positive, negative), and name and path, or number.

    Args:
        stands: the folder that the user stands in. A path is looked for there, and then in the working folder.

    Raises:
        InputError: there is no query or there are too many, a path does not exist or is no image, or a number is beyond
            what the database has.
    """
    found = config["query"]
    texts = [found] if isinstance(found, str) else found or []
    every = (query for text in texts for query in _queries(text, config, database, stands))
    asked = [*islice(every, MOST + 1)]
    if not asked:
        raise InputError(f"{_WHERE}: there is none; {_HOW}")
    if len(asked) > MOST:
        raise InputError(f"{_WHERE}: a page shows at most {MOST} queries, and these are more: ask for fewer at a time")
    return asked


def _queries(text: str, config: dict, database: str, stands: str) -> Iterator[dict[str, Any]]:
    if numbered := _NUMBERED.fullmatch(text):
        yield {
            "kind": numbered[1],
            "number": _number(*numbered.groups(), block(config, "databases", database), database),
        }
        return
    path = Path(_located(text, stands))
    names = folder_contents(path).images if path.is_dir() else [""]
    if not names:
        raise InputError(f"{_WHERE}: {text}: a folder without images; expected files that are images, at any depth")
    for name in names:
        file = path / name if name else path
        _check_image(file, f"{_WHERE}: {text}{f'/{name}' if name else ''}")
        yield {"kind": "image", "name": name or path.name, "path": str(file)}


def _number(kind: str, text: str, found: dict, database: str) -> int:
    most = found[{"item": "items", "positive": "positives", "negative": "negatives"}[kind]]
    if not text.isdecimal():
        raise InputError(f"{_WHERE}: {kind}:{text}: expected a whole number from 0, as in {kind}:7")
    if int(text) >= most:
        what = "items" if kind == "item" else f"{kind} queries"
        raise InputError(f"{_WHERE}: {kind}:{text}: the database {database} has the {what} 0 to {most - 1:,}")
    return int(text)


def _located(text: str, stands: str) -> str:
    for path in (os.path.join(stands, os.path.expanduser(text)), text):
        with contextlib.suppress(InputError):
            return os.path.realpath(located(path, _WHERE))
    places = dict.fromkeys(map(os.path.realpath, (stands, os.getcwd())))
    raise InputError(f"{_WHERE}: {text} does not exist, seen from {' or '.join(places)}; {_HOW}")


def _check_image(path: Path, where: str) -> None:
    """Raise an InputError if a file's beginning is not that of an image; what else may be wrong, its reader says."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(SIGNATURE_BYTES)
    except OSError as error:
        raise InputError(f"{where} cannot be opened: {error.strerror}") from error
    if image_format(beginning, path.name) is None:
        heic = " (HEIC, the format of newer phones: convert it to JPEG)" if beginning[4:8] == b"ftyp" else ""
        kind = "is empty" if not beginning else f"is not an image that can be read here{heic}"
        raise InputError(f"{where} {kind}; expected a PNG, JPEG, GIF, WebP, TIFF, BMP or the like")


def search_inputs(
    config: dict, *, task: str, model: str, variant: str, seed: str, database: str, stands: str, **_: str
) -> dict[str, Any]:
    """Return the paths of what a search needs besides an index: a network and its images, labels, queries if asked.

    Raises:
        InputError: the model has no network that an image could be shown to.
    """
    of_task(config, task, database)
    check_shown(config, database)
    if variant in (SYNTHETIC, GIVEN):
        raise InputError(
            f"config: equihash.models.{task}.{model}: is {variant}, so it has no network that could be shown an image; "
            "search with a trained, an imported or an untrained model"
        )
    run = {"task": task, "model": model, "variant": variant, "seed": seed, "database": database}
    seen_again = any(query["kind"] in ("positive", "negative") for query in queries(config, database, stands))
    more = {"queries": QUERIES.format(database=database)} if seen_again else {}
    return {**encoding_inputs(config, **run), "labels": labels_file(database), **more}


def search_place(config: dict, database: str, stands: str) -> list[str]:
    """Return the paths of a search's images, in their order."""
    return [query["path"] for query in queries(config, database, stands) if query["kind"] == "image"]


def search_params(config: dict, database: str, stands: str, look: bool = True) -> dict[str, Any]:
    """Return what a search depends on besides its input files: its queries, images by their content, and settings.

    Args:
        look: see `rehash.outside.content_digest`.
    """
    asked = []
    for query in queries(config, database, stands):
        path = query.pop("path", None)
        asked.append({**query, "content": content_digest(path, look=look)} if path else query)
    return {"asked": asked, **config["equihash"]["search"]}
