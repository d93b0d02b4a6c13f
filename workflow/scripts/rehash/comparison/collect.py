"""Collection of the tables of single sources into those of the whole comparison."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from rehash.errors import InputError, unreadable
from rehash.store import read_csv, write_csv
from rehash.tables import concatenated

KEYS = ["dataset", "protocol", "source", "title", "bits", "repeat"]
COLUMNS = [*KEYS, "train", "gallery", "metric", "at", "value", "low", "high", "n", "stable"]
# What the figure of the trade shows: a column's name, the metric and what it is taken at.
_TRADE = {
    "redundancy": ("redundancy", None),
    "map": ("map", None),
    "recall_within_2": ("recall_within", 2),
    "bucket_purity": ("bucket_purity", None),
}
_MEASURED = ("inputs", "seconds", "device", "microseconds_an_input")
_WITH_INTERVAL = ("map", "recall_within_2")


def collect_retrieval(
    tables: Iterable[str | Path],
    curves: Iterable[str | Path],
    encoded: Iterable[str | Path],
    outputs: Mapping[str, str | Path],
    titles: Mapping[str, str],
) -> None:
    """Write the tables of a dataset's comparison: all metrics, the trade, the curves, and the times to encode.

    Times differ from run to run, so they stand in a table of their own.

    Args:
        tables, curves: what `rehash.comparison.retrieve.measure_retrieval` wrote of each source. encoded: the
            provenance of each source's codes (JSON), which has the times. titles: of the sources, in their order.
        outputs: paths named table, trade, curves and times.

    Raises:
        InputError: a file is not readable, or not what such a job writes.
    """
    measured, drawn = (_in_order(concatenated(paths), titles) for paths in (tables, curves))
    missing = [name for name in COLUMNS if name not in measured]
    if missing:
        raise InputError(f"tables of retrieval: lack {', '.join(missing)}; make them again")
    write_csv(measured[COLUMNS], outputs["table"])
    write_csv(trade(measured), outputs["trade"])
    write_csv(drawn, outputs["curves"])
    write_csv(_in_order(pd.concat(map(_times, encoded), ignore_index=True), titles), outputs["times"])


def trade(measured: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each encoder: how unique its codes are beside how well they group.

    Columns: KEYS, then redundancy (of the gallery), map, recall_within_2 (both with _low and _high) and bucket_purity;
    of real numbers (bits 0) the last two are empty.
    """
    found, rows = measured, measured[KEYS].drop_duplicates(ignore_index=True)
    for name, (metric, at) in _TRADE.items():
        part = found[(found.metric == metric) & (found["at"].isna() if at is None else found["at"].eq(at))]
        renamed = {"value": name} | ({"low": f"{name}_low", "high": f"{name}_high"} if name in _WITH_INTERVAL else {})
        rows = rows.merge(part[[*KEYS, *renamed]].rename(columns=renamed), on=KEYS, how="left")
    return rows


def _in_order(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows in the order of their sources, with the sources' titles behind their names."""
    order = {name: place for place, name in enumerate(titles)}
    table = table.sort_values("source", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    table.insert(list(table).index("source") + 1, "title", table.source.map(titles))
    return table


def _times(path: str | Path) -> pd.DataFrame:
    try:
        facts = json.loads(Path(path).read_text(encoding="utf-8"))
        # Codes of a user's own were encoded elsewhere.
        source, device = facts["params"]["source"], facts.get("device")
        rows = [
            {
                "dataset": source["dataset"], "source": source["name"],
                **dict(zip(("bits", "repeat"), map(int, encoder.split("/")))),
                "inputs": one["inputs"], "seconds": one["seconds"], "device": device,
                "microseconds_an_input": 1e6 * one["seconds"] / one["inputs"],
            }
            for encoder, one in facts.get("encoding", {}).items()
        ]  # fmt: skip
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise unreadable(error, path, f"not the provenance of codes ({error}); make it again with its codes") from error
    return pd.DataFrame(rows, columns=["dataset", "source", "bits", "repeat", *_MEASURED])


def read_retrieval(path: str | Path) -> pd.DataFrame:
    """Read a table of a dataset's comparison.

    Raises:
        InputError: it lacks a column.
    """
    return read_csv(path, COLUMNS)
