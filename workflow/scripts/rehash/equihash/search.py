"""A search that a person can use: an image in, the items with the nearest fingerprints out, on one offline page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jinja2 import Environment, StrictUndefined
from PIL import Image
from scipy.special import bdtr

from rehash.bits import Codes, pack
from rehash.datasets.image_files import MAX_PIXELS, Decoded, ImageFiles, decoded
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.gallery import picture
from rehash.equihash.images.task import Task
from rehash.equihash.index.encode import Encoder, Shown
from rehash.equihash.index.fingerprints import Origin
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.nearest import Nearest, nearest
from rehash.equihash.index.probing import probe_masks
from rehash.equihash.index.query_codes import item_view, query_views
from rehash.equihash.learning.models import Model
from rehash.errors import InputError
from rehash.store import write_bytes, write_csv
from rehash.training import Compute

_PAPER = (255, 255, 255)  # what transparent images are laid over, as banks do by default
_RADII = range(4)  # bits
_PROBES = (1, 10, 100, 1000)  # numbers of look-ups that the page tells of, up to the one that it makes


@dataclass(frozen=True, eq=False)
class Query:
    """One query of a search.

    Attributes:
        title: what it is called on the page.
        notes: what was done to it, a sentence each.
        view: what the network is shown, as a picture: uint8 or floats on [0, 1], (H, W) or (H, W, 3).
        logits: float32 (bits,).
        label: its label, if it is a view of the database. item: its number, if it is an item.
    """

    title: str
    notes: list[str]
    view: np.ndarray
    logits: np.ndarray
    label: int | None = None
    item: int | None = None


def as_view(path: str | Path, task: Task) -> tuple[np.ndarray, list[str]]:
    """Read an image file as a view of a task: uint8 (H, W) or (H, W, 3), and what was done to it, a sentence each.

    As in a bank of images: upright by its orientation tag, transparent parts over white, more than 8 bits scaled from
    the image's smallest to its largest value, grey or RGB as the task is; cropped at the centre to the shape of a view,
    and scaled to it bilinearly.

    Raises:
        InputError: it cannot be read; names the file.
    """
    path, (channels, height, width) = Path(path), task.shape
    try:
        found = decoded(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    span = None
    if found.is_deep:
        span = (float(found.pixels.min()), float(found.pixels.max()))
        if span[0] == span[1]:
            raise InputError(f"{path}: every pixel is {span[0]:g}; expected an image with something to see")
    shape = (height, width) if channels == 1 else (height, width, 3)
    files = ImageFiles(path.parent, [path.name], [], [], shape, _PAPER, span, False, MAX_PIXELS)
    return files.read(path.name), _notes(found, channels, (width, height), span)


def _notes(found: Decoded, channels: int, size: tuple[int, int], span: tuple[float, float] | None) -> list[str]:
    height, width = found.pixels.shape[:2]
    coloured, notes = found.pixels.ndim == 3, [f"{width:,} x {height:,} pixels"]
    if found.turned:
        notes.append("turned upright, as its orientation tag says")
    if found.several:
        notes.append("animated, or with several pages: the first is taken")
    if span:
        notes.append(f"more than 8 bits a value: scaled from {span[0]:g} ... {span[1]:g} to 0 ... 255")
    if found.alpha is not None:
        notes.append("transparent in part: laid over white")
    if coloured and channels == 1:
        notes.append("in colour: converted to grey, which is all that this network was shown")
    if not coloured and channels == 3:
        notes.append("grey: shown in colour, with three equal channels")
    if (width, height) != size:
        crop = "" if width * size[1] == height * size[0] else "cropped at the centre and "
        notes.append(f"{crop}scaled to {size[0]} x {size[1]}, the size of a view")
    return notes


def search_index(
    model: Model,
    bank: str | Path,
    perlin: str | Path | None,
    partitions: Sequence[str | Path],
    labels: str | Path,
    queries: str | Path | None,
    images: Sequence[str],
    template: str | Path,
    outputs: Mapping[str, str | Path],
    *,
    asked: Sequence[dict[str, Any]],
    shown: Shown,
    compute: Compute,
    keys: dict[str, Any],
    nearest_items: int,
    probes: int,
) -> dict[str, Any]:
    """Search an index for images or views of its database, and write a page (HTML) and a table (CSV) of what is found.

    The page needs no network: pictures are within it. The table has the keys, then query (its number on the page),
    name, place (from 1), item, distance (bits), cost (`Nearest`), probe (the number of the look-up that finds it, from
    1; empty if none of them does), label, and same_label (empty where the query's label is not known).

    Args:
        model: as `rehash.equihash.index.encode.encode_shard` takes it, and with it the index was made.
        partitions: of the index. labels: of the database. queries: the file of its queries, if any is asked.
        images: paths of the queries that are images, in order.
        asked: the queries (`rehash.equihash.asked.queries`).
        shown: what the network was shown. keys: task, model, variant, seed, database.
        nearest_items: items to show of each query. probes: look-ups of each.

    Memory: a network on a block of views, some tens of MB to search, and the page.

    Raises:
        InputError: the files do not fit together, or an image cannot be read.
    """
    encoder, index, labelled = (
        Encoder.open(model, bank, perlin, shown, compute),
        Index.open(partitions),
        Labels.open(labels),
    )
    expected = Origin(labelled.database.n_items, encoder.bits, **encoder.about(labelled.database))
    elsewhere = _made_elsewhere(index, expected, partitions[0])
    wanted = Queries.read(queries) if queries else None
    paths = iter(images)
    found = [
        _of_image(encoder, next(paths), query)
        if query["kind"] == "image"
        else _seen_again(encoder, query, labelled, wanted)
        for query in asked
    ]
    logits = np.stack([query.logits for query in found])
    answers, sections, tables = nearest(index, logits, nearest_items), [], []
    for number, (query, answer) in enumerate(zip(found, answers), start=1):
        codes, look_ups = _probed(index, query.logits, probes)
        rows = _rows(query, answer, codes, labelled.take(answer.ids))
        tables.append(rows.assign(query=number, name=query.title))
        pictures = [
            png_uri(picture(encoder.mosaics, item_view(labelled.database, row.item, row.label), shown.seed))
            for row in rows.itertuples()
        ]
        sections.append(_section(query, answer, look_ups, rows, pictures))
    table = pd.concat(tables, ignore_index=True)
    columns = ["query", "name", *(name for name in table if name not in ("query", "name"))]
    write_csv(table[columns].assign(**keys)[[*keys, *columns]], outputs["table"])
    facts = {**keys, "items": index.origin.n_items, "bits": index.origin.bits, "elsewhere": elsewhere}
    facts |= {"expected": _nearest_by_chance(index.origin.n_items, index.origin.bits), "probes": probes}
    environment = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(Path(template).read_text(encoding="utf-8")).render(sections=sections, **facts)
    write_bytes(page.encode(), outputs["page"])
    digests = {labelled.path: labelled.checksum} | dict.fromkeys(map(str, partitions), index.digest)
    return {"queries": len(found), "digests": {**encoder.digests, **digests}}


def _made_elsewhere(index: Index, expected: Origin, path: str | Path) -> str:
    """Say that an index was made on another kind of device than this search, or in another precision; "" if not.

    Raises:
        InputError: it was made of another database, or with another network or other views.
    """
    made_on = {key: getattr(index.origin, key) for key in ("device", "precision")}
    replace(expected, **made_on).check(index.origin, path, "the network and the labels are")
    here = {key: getattr(expected, key) for key in made_on}
    if made_on == here:
        return ""
    made, asked = (" ".join(each.values()) for each in (made_on, here))
    return f"The index was made on {made}, and this search on {asked}: bits whose logit is near 0 may differ."


def _of_image(encoder: Encoder, path: str, asked: Mapping[str, Any]) -> Query:
    task = encoder.mosaics.task
    pixels, notes = as_view(path, task)
    view = torch.from_numpy(np.array(pixels, copy=True).reshape(1, *pixels.shape[:2], -1)).permute(0, 3, 1, 2)
    view = view.to(encoder.mosaics.device).contiguous()
    with torch.inference_mode():
        logits = encoder.network(view if task.dtype == torch.uint8 else view.float().div(255))[0].cpu().numpy()
    return Query(asked["name"], notes, pixels, logits)


def _seen_again(encoder: Encoder, asked: Mapping[str, Any], labelled: Labels, wanted: Queries | None) -> Query:
    kind, number = asked["kind"], asked["number"]
    if kind == "item":
        view = item_view(labelled.database, number, int(labelled.take(np.array([number]))[0]))
        title, notes = f"item {number:,}", ["an item of the database, as it was fingerprinted: it should find itself"]
    else:
        name = "negative" if kind == "negative" else f"positive/{max(wanted.positive)}"
        views = query_views(wanted)[name]
        if number >= len(views.labels):
            raise InputError(f"query {kind}:{number}: there are {len(views.labels)} {kind} queries, from 0 on")
        view = views.one(number)
        title, notes = f"{kind} query {number:,}", ["a query of the database: a new view of its label"]
        notes += ["no item has its label"] if kind == "negative" else [_relevant(wanted, number)]
    (found,) = encoder.hashed(view, 0, kept=1)
    shown = picture(encoder.mosaics, view, encoder.seed)
    return Query(title, notes, shown, found.logits[0], int(view.labels[0]), number if kind == "item" else None)


def _relevant(wanted: Queries, number: int) -> str:
    count = wanted.positive[max(wanted.positive)][1].counts[number]
    return f"{count:,} {'item has' if count == 1 else 'items have'} its label"


def _probed(index: Index, logits: np.ndarray, probes: int) -> tuple[Codes, list[tuple[int, int]]]:
    """Return the fingerprints that are looked up, in their order, and how many items some numbers of look-ups find."""
    flips, _ = probe_masks(np.abs(logits[None]), probes)
    codes = pack(logits > 0) ^ flips[0]
    found = np.cumsum(index.count(codes))
    numbers = sorted({*(count for count in _PROBES if count < len(codes)), len(codes)})
    return codes, [(count, int(found[count - 1])) for count in numbers]


def _rows(query: Query, answer: Nearest, codes: Codes, labels: np.ndarray) -> pd.DataFrame:
    ranks = {code.tobytes(): rank for rank, code in enumerate(codes, start=1)}
    probes = pd.array([ranks.get(code.tobytes()) for code in answer.codes], dtype="Int64")
    same = pd.array([None] * len(labels) if query.label is None else labels == query.label, dtype="boolean")
    return pd.DataFrame(
        {
            "place": np.arange(1, len(labels) + 1),
            "item": answer.ids,
            "distance": answer.distances,
            "cost": answer.costs,
            "probe": probes,
            "label": labels,
            "same_label": same,
        }
    )


def _section(
    query: Query, answer: Nearest, look_ups: list[tuple[int, int]], rows: pd.DataFrame, pictures: list[str]
) -> dict[str, Any]:
    within = np.cumsum(answer.counts)
    return {
        "title": query.title,
        "notes": query.notes,
        "picture": png_uri(query.view),
        "label": query.label,
        "code": pack(query.logits > 0).tobytes().hex(" ", 2),
        "look_ups": look_ups,
        "within": [(radius, int(within[radius])) for radius in _RADII if radius < len(within)],
        "found": [
            {
                "picture": uri,
                "item": row.item,
                "itself": row.item == query.item,
                "distance": row.distance,
                "cost": row.cost,
                "probe": None if pd.isna(row.probe) else row.probe,
                "label": row.label,
                "same": None if query.label is None else bool(row.label == query.label),
            }
            for uri, row in zip(pictures, rows.itertuples())
        ],
    }


def _nearest_by_chance(items: int, bits: int) -> int:
    """Return the distance within which one of so many codes of fair bits is expected to lie from a query, or more."""
    return int(np.argmax(items * bdtr(np.arange(bits + 1), bits, 0.5) >= 1))


def png_uri(image: np.ndarray) -> str:
    """Return a picture, uint8 or floats on [0, 1], as a data URI (PNG), so that a page needs no file beside it."""
    pixels = image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
