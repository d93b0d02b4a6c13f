"""The job that measures retrieval by the codes of one source, and the checks of what it is given."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rehash.bits import unpack
from rehash.code_files import SIDES, Coded, Side, read_coded, read_sides
from rehash.comparison.code_statistics import as_codes, as_table, redundancies, statistics_of_codes
from rehash.comparison.measures import Asked, measure
from rehash.comparison.rankings import Cosine, Hamming
from rehash.errors import InputError, unknown
from rehash.seeds import stream
from rehash.store import write_csv

log = logging.getLogger("rehash")

IN_GALLERY = ("refuse", "leave_out", "keep")  # what to do with queries that are in the gallery, too
USUAL = {"at": [1000, 5000], "cutoffs": [1, 10, 100, 1000]}  # ranks at which the field measures
_SHOWN = 5  # rows or labels that a message names


def measure_retrieval(
    codes: str | Path,
    table: str | Path,
    curves: str | Path,
    *,
    keys: dict[str, Any],
    measured: dict[str, Any],
    threads: int = 1,
) -> dict[str, Any]:
    """Measure how well a search by the codes of one source finds a query's class again, and write two tables (CSV).

    Both have the keys, bits, repeat, train and gallery (numbers of samples); then the table has metric, at, value, low,
    high, n, stable, and the curves are as in `rehash.comparison.measures.measure`. The statistics of codes
    (`code_statistics`) have no interval and no n.
    Redundancy is there for real numbers, too (bits 0), which have no radii, buckets or bits.

    Args:
        codes: see `rehash.code_files`.
        keys: dataset, protocol, source; sources of one dataset share the bootstrap's samples.
        measured: at (the R of mAP@R) and cutoffs (the k of precision@k, recall@k, NDCG@k), None for those of `USUAL`
            that the gallery has; radii (bits), queries_in_gallery (refuse; leave_out, of the queries; or keep),
            resamples, seed; and stable, true by default: whether to look at a stable sort, too, without which codes
            take half the time.
        threads: how many compute; they change no number.

    Raises:
        InputError: the file is damaged, or its codes cannot be measured as asked; says why, and a way out.
    """
    sides, about = read_sides(codes)
    _check_lengths(codes, sides)
    where, items = f"config: comparison.retrieval.{keys['dataset']}", len(sides["gallery"].labels)
    kept = _kept_queries(codes, sides, measured["queries_in_gallery"], where)
    labels = {"queries": sides["queries"].labels[kept], "gallery": sides["gallery"].labels}
    check_labels(codes, labels["queries"], labels["gallery"])
    measured = measured | {name: usual(measured[name], items, name) for name in USUAL}
    check_asked(codes, items, measured, where)
    sizes = {"train": about.get("train"), "gallery": items}
    tables, lines = [], []
    for coded in read_coded(codes):
        _check_codes(codes, coded, {name: len(side.labels) for name, side in sides.items()})
        coded = replace(coded, queries=coded.queries[kept])
        found, drawn = measured_codes(coded, labels, measured, keys["dataset"], threads)
        for each, parts in ((found, tables), (drawn, lines)):
            named = {**keys, "bits": coded.bits, "repeat": coded.repeat, **sizes}
            parts.append(each.assign(**named)[[*named, *each]])
        log.info("%d bits, repeat %d: mAP %.4f", coded.bits, coded.repeat, found.value[found.metric == "map"].iloc[0])
    write_csv(pd.concat(tables, ignore_index=True), table)
    write_csv(pd.concat(lines, ignore_index=True), curves)
    return {"seed": measured["seed"], "queries": len(kept), "left_out": len(sides["queries"].ids) - len(kept)}


def measured_codes(
    coded: Coded, labels: dict[str, np.ndarray], measured: dict[str, Any], dataset: str, threads: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of one encoder in both tables, without keys.

    Args:
        coded: its queries are those that are asked. labels: int64, of queries and gallery.
        measured: at, cutoffs, radii, resamples, seed, and perhaps stable, as in `measure_retrieval`.
        dataset: names the bootstrap's samples.
    """
    queries, gallery, own = coded.queries, coded.gallery, (labels["queries"], labels["gallery"])
    radii = measured["radii"] if coded.bits else ()
    asked = Asked(len(gallery), *(tuple(sorted(set(each))) for each in (measured["at"], measured["cutoffs"], radii)))
    if coded.bits:
        searched = Hamming(queries, gallery, coded.bits, *own, stable=measured.get("stable", True))
    else:
        searched = Cosine(queries, gallery, *own)
    chance = stream(measured["seed"], "comparison", "bootstrap", dataset)
    with threadpool_limits(threads):
        table, curves = measure(searched, own[0], asked, chance, resamples=measured["resamples"], threads=threads)
        if coded.bits:
            statistics = statistics_of_codes(gallery, queries, own[1], coded.bits, measured["seed"], threads)
        else:
            statistics = as_table(redundancies(as_codes(gallery), as_codes(queries)))
    return pd.concat([table, statistics], ignore_index=True).astype({"n": "Int64"}), curves


# ---------------------------------------------------------------------------------------------------------------------
# Checks


def _named(values: Sequence[Any]) -> str:
    """Name the first of several rows or labels."""
    return ", ".join(map(str, values[:_SHOWN])) + (", ..." if len(values) > _SHOWN else "")


def _check_lengths(path: str | Path, sides: dict[str, Side]) -> None:
    for name, side in sides.items():
        if not len(side.labels):
            raise InputError(f"{path}: no {name}; expected one at least. Choose a protocol that has some")
        if side.labels.shape != side.ids.shape or side.labels.ndim != 1:
            raise InputError(
                f"{path}: labels {side.labels.shape} and ids {side.ids.shape} of the {name}; expected one of each an "
                "input. Write the file anew"
            )


def _kept_queries(path: str | Path, sides: dict[str, Side], in_gallery: str, where: str) -> np.ndarray:
    """Return the numbers of the queries that are asked, int64."""
    if in_gallery not in IN_GALLERY:
        raise unknown("choice", in_gallery, IN_GALLERY, f"{where}.queries_in_gallery")
    queries = sides["queries"].ids
    twice = np.isin(queries, sides["gallery"].ids)
    if not twice.any() or in_gallery == "keep":
        return np.arange(len(queries))
    rows = np.flatnonzero(twice)
    found = f"{len(rows):,} of {len(queries):,} queries are in the gallery, too"
    if in_gallery == "refuse":
        raise InputError(
            f"{path}: {found}: rows {_named(rows)}. They would find themselves; {where}.queries_in_gallery: "
            "leave_out leaves these queries out, keep keeps them"
        )
    if twice.all():
        raise InputError(
            f"{path}: no queries: {found}, and {where}.queries_in_gallery: leave_out leaves them out. Choose keep, "
            "or a protocol whose queries are not in its gallery"
        )
    log.info("%s, and left out: rows %s", found, _named(rows))
    return np.flatnonzero(~twice)


def check_labels(path: str | Path, queries: np.ndarray, gallery: np.ndarray) -> None:
    """Raise an InputError that names `path`, unless the gallery has an item of each of the queries' labels."""
    alone = np.setdiff1d(queries, gallery)
    if len(alone):
        asked = np.isin(queries, alone).sum()
        raise InputError(
            f"{path}: the gallery has no item of {len(alone)} of the queries' labels: {_named(alone)} ({asked:,} "
            "queries). Nothing could be found for these; leave them out, or choose a protocol whose gallery has items "
            "of all labels that are asked for"
        )


def usual(asked: list[int] | None, items: int, name: str) -> list[int]:
    """Return the ranks that are asked for, or the usual ones that a gallery of so many items has."""
    return [rank for rank in USUAL[name] if rank <= items] if asked is None else asked


def check_asked(path: str | Path, items: int, measured: dict[str, Any], where: str) -> None:
    """Raise an InputError unless radii, ranks and resamples fit a gallery of so many items.

    path: what has the gallery. where: what the numbers are settings of; both are for messages.
    """
    if measured["resamples"] < 1:
        raise InputError(f"{where}.resamples: {measured['resamples']}; expected 1 or more, and 1000 for good intervals")
    if wrong := [radius for radius in measured["radii"] if radius < 0]:
        raise InputError(f"{where}.radii: {_named(wrong)}; expected numbers of bits, 0 or more")
    for name in ("at", "cutoffs"):
        wrong = [value for value in measured[name] if not 1 <= value <= items]
        if wrong:
            raise InputError(
                f"{where}.{name}: {_named(wrong)}, and the gallery of {path} has {items:,} items; choose from 1 to "
                f"{items}, or a larger gallery (another protocol)"
            )


def _check_codes(path: str | Path, coded: Coded, expected: dict[str, int]) -> None:
    """Raise an InputError if the codes of an encoder are not what `rehash.code_files` says."""
    where = f"{path}: the codes of {coded.bits} bits, repeat {coded.repeat}"
    again = "Write the file anew, with both sides encoded by the same encoder"
    codes = {name: getattr(coded, name) for name in SIDES}
    for name, found in codes.items():
        if found.ndim != 2 or len(found) != expected[name]:
            raise InputError(f"{where}: {name} {found.shape}; expected {expected[name]:,} rows, one a label. {again}")
    widths = {name: found.shape[1] for name, found in codes.items()}
    kinds = {name: found.dtype for name, found in codes.items()}
    dtype, width = (np.uint8, -(-coded.bits // 8)) if coded.bits else (np.float32, widths["queries"])
    unit = "bytes" if coded.bits else "numbers"
    if not width or set(widths.values()) != {width} or set(kinds.values()) != {np.dtype(dtype)}:
        each = " and ".join(f"{kinds[name]}, {widths[name]} {unit} a row of the {name}" for name in SIDES)
        raise InputError(
            f"{where}: {each}; expected {np.dtype(dtype)}, {width or 'one or more'} {unit} on both sides. {again}"
        )
    for name, found in codes.items():
        if coded.bits:
            spare = unpack(found[:, -1:], 8)[:, (coded.bits - 1) % 8 + 1 :].any(axis=1)
            if spare.any():
                rows = np.flatnonzero(spare)
                raise InputError(
                    f"{where}: {name}: spare bits that are not zero in {len(rows):,} rows: {_named(rows)}. Expected "
                    "zeros behind the last bit (rehash.bits.pack); write the file anew"
                )
        elif not (finite := np.isfinite(found).all(axis=1)).all():
            rows = np.flatnonzero(~finite)
            raise InputError(
                f"{where}: {name}: values that are not finite in {len(rows):,} rows: {_named(rows)}. Expected finite "
                "numbers; see whether the encoder's training has diverged"
            )
