"""The pages of the report: the first one, on all works, and one for each thing that figures are about."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from rehash.figures.registry import TEXTS, load
from rehash.report.markup import begun, rendered, thumbnail
from rehash.report.sections import section
from rehash.resources import resource
from rehash.store import write_bytes

Section = dict[str, Any]
MAIN = 3  # figures of a work on the first page
# Bytes of pictures within a page, so that no file is larger than 5 MB; those beyond it are linked.
_MOST = 4_200_000
_JUDGED = ("inside", "outside")
_NOT_RUN = "not run"


def write_report(
    templates: dict[str, str | Path],
    output: str | Path,
    entries: list[dict[str, Any]],
    captions: list[str | Path],
    *,
    wings: dict[str, list[str]],
    absent: list[str],
    facts: dict[str, Any],
) -> None:
    """Write the first page and, beside it, the pages that the entries name.

    Args:
        templates: of the first page (report) and of the others (page). output: the first page.
        entries: the figures' entries, in order. captions: a file of reStructuredText for each.
        wings: the wings that the config asks for, each with its files of published values (in workflow/resources).
        absent: the wings that it does not ask for.
        facts: seed, device and whatever else the foot of the pages says.
    """
    sections = [section(entry, caption) for entry, caption in zip(entries, captions, strict=True)]
    works = [work(name, [one for one in sections if one["wing"] == name], files) for name, files in wings.items()]
    subjects = _grouped(sections, "page")
    main = {one["anchor"] for of in works for one in of["main"]}
    shared = {"facts": facts, "subjects": {page: _named(found) for page, found in subjects.items()}}
    for page, found in subjects.items():
        words = {"root": "../", "page": page, "subject": _named(found), "main": main, "wings": _by_wing(found, works)}
        networks = dict.fromkeys(name for one in found for name in one["networks"])
        _fitted(found)
        content = rendered(templates["page"], **shared, **words, networks=list(networks))
        write_bytes(content, Path(output).parent / page)
    _fitted([one for of in works for one in of["main"]])
    for one in filter(None, (of["first"] for of in works)):
        one["thumbnail"] = thumbnail(f"results/{one['png']}")
    content = rendered(
        templates["report"], **shared, root="", works=works, inside=inside(sections), main=main,
        absent=[load(f"rehash.{name}.results:TITLE") for name in absent],
        lost=[one for one in sections if one["missing"]], figures=len(sections),
    )  # fmt: skip
    write_bytes(content, output)


def work(name: str, sections: list[Section], published: list[str]) -> dict[str, Any]:
    """Return what the first page says of a wing: its texts, main figures, all others by page, and published values."""
    texts = {key.lower(): load(f"rehash.{name}.results:{key}") for key in TEXTS}
    ranked = sorted((one for one in sections if one["rank"] is not None), key=lambda one: one["rank"])
    main = list({one["rank"]: one for one in reversed(ranked)}.values())[::-1][:MAIN]
    for one in main:
        one["also"] = [other for other in sections if other["name"] == one["name"] and other is not one]
    return {
        "name": name,
        **texts,
        "main": main,
        "first": next((one for one in main if one["headline"]), None),
        "pages": _grouped(sections, "page"),
        "count": len(sections),
        "published": published_values(sections, published),
    }


def published_values(sections: list[Section], files: list[str]) -> dict[str, Any] | None:
    """Count the values that a work has published, and how those stand that are set beside ours; None if it has none.

    A published value may be compared more than once, as by two protocols of ours. Keys: known (published values),
    beside (those set beside ours), not_run (all others), compared, inside, outside (comparisons), why (the comparisons
    that are not judged, by reason), places (the sections that compare).
    """
    if not files:
        return None
    known = sum(len(pd.read_csv(resource(name))) for name in files)
    places = [one for one in sections if len(one["published"])]
    tables = [one["published"] for one in places] or [pd.DataFrame(columns=["value", "status"])]
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[rows.status != _NOT_RUN]
    counts = Counter(rows.status)
    beside = rows.value.nunique()
    return {
        "known": known,
        "beside": beside,
        "not_run": known - beside,
        "compared": len(rows),
        **{state: counts[state] for state in _JUDGED},
        "why": {status: count for status, count in counts.items() if status not in _JUDGED},
        "places": [one for one in places if one["published"].status.ne(_NOT_RUN).any()],
    }


def inside(sections: list[Section]) -> dict[str, list[dict[str, str]]]:
    """List what the report has pages on, and the networks that figures show, by kind, each with its name and link."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for one in sections:
        if one["kind"]:
            names = found.setdefault(f"{begun(one['kind'])}s", {})
            names[one["page"]] = {"name": one["subject"], "link": one["page"], "of": ""}
    for one in sections:
        for name in one["networks"]:
            of = {"name": name, "link": f"{one['page']}#{one['anchor']}", "of": _words(one)}
            found.setdefault("Networks", {}).setdefault(f"{name} {one['page']}", of)
    return {kind: list(names.values()) for kind, names in found.items()}


def _grouped(sections: list[Section], key: str) -> dict[str, list[Section]]:
    found: dict[str, list[Section]] = {}
    for one in sections:
        found.setdefault(one[key], []).append(one)
    return found


def _by_wing(sections: list[Section], works: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the wings of a page's sections, each with its sections."""
    return [
        {**of, "sections": found} for of in works if (found := [one for one in sections if one["wing"] == of["name"]])
    ]


def _words(one: Section) -> str:
    """Return what a section's page is about, in words; "" if that is its wing as a whole."""
    return f"{one['kind']} {one['subject']}".strip()


def _named(sections: list[Section]) -> str:
    """Return the name of a page: what it is about, or its wing's title."""
    return begun(_words(sections[0])) or load(f"rehash.{sections[0]['wing']}.results:TITLE")


def _fitted(sections: list[Section]) -> None:
    """Say of each picture of a page whether it stands within the page (`embedded`) or beside it."""
    size = 0
    for one in sections:
        size += len(one["image"])
        one["embedded"] = size <= _MOST
