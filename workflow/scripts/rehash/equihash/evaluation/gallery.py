"""A gallery of queries: what each query shows, what multi-probing retrieves for it, and how often queries fare so.

A retrieval is *complete* if every relevant item is retrieved, and *sound* if no other item is (as in the public code's
QueryResults: a query that retrieves nothing is sound). It is perfect if it is both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rehash.bits import pack, unpack
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.counts import check_counts
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import CPU, Mosaics, view_digests
from rehash.equihash.images.task import Task
from rehash.equihash.index.encode import Shown
from rehash.equihash.index.lookup import Index
from rehash.equihash.index.probing import probe_masks
from rehash.equihash.index.query_codes import QueryCodes, ViewList, item_view, query_views
from rehash.errors import InputError
from rehash.hdf5 import created, seal, write_attributes
from rehash.intervals import clopper_pearson
from rehash.seeds import stream
from rehash.store import write_csv

OUTCOMES = ("perfect", "unsound", "incomplete", "incomplete and unsound")
DRAWN = "drawn at random"


class Found(NamedTuple):
    """What a query's probes find.

    Attributes:
        relevant: all relevant items. ranks: int64, the number of the probe that finds each, from 0; -1 for none.
        wrong: the first items that are retrieved and not relevant, by probe, with their `wrong_ranks`.
    """

    relevant: np.ndarray
    ranks: np.ndarray
    wrong: np.ndarray
    wrong_ranks: np.ndarray


def outcome(retrieved: np.ndarray, relevant: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Return which of `OUTCOMES` each retrieval is, given numbers of items that broadcast: int64, its place there."""
    return (hits < retrieved) * 1 + (hits < relevant) * 2


def retrievals(found: pd.DataFrame, relevant: np.ndarray, probes: Sequence[int]) -> pd.DataFrame:
    """Return what queries retrieve with some numbers of probes: query, probes, retrieved, relevant, hits, outcome.

    Args:
        found: rows of `rehash.equihash.evaluation.probing.probe_hits`, of all partitions.
        relevant: int (q,), how many relevant items each query has.
    """
    tables = []
    for count in probes:
        part = found[found["rank"] < count]
        retrieved, hits = (
            np.bincount(part["query"], part[what], minlength=len(relevant)).astype(np.int64)
            for what in ("retrieved", "hits")
        )
        numbers = {"retrieved": retrieved, "relevant": relevant, "hits": hits}
        told = np.array(OUTCOMES)[outcome(**numbers)]
        tables.append(pd.DataFrame({"query": np.arange(len(relevant)), "probes": count, **numbers, "outcome": told}))
    return pd.concat(tables, ignore_index=True)


def outcome_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often each of `OUTCOMES` occurs with each number of probes, from `retrievals` of all queries.

    Columns: probes, outcome, value (a share of the queries), low, high (Clopper and Pearson's 95% interval), n.
    """
    rows = []
    for probes, found in table.groupby("probes"):
        for name in OUTCOMES:
            count, n = int((found.outcome == name).sum()), len(found)
            low, high = clopper_pearson(count, n)
            rows.append({"probes": probes, "outcome": name, "value": count / n, "low": low, "high": high, "n": n})
    return pd.DataFrame(rows)


def chosen(table: pd.DataFrame, count: int, random: np.random.Generator) -> dict[int, str]:
    """Choose up to `count` queries to show, from `retrievals` of all: their numbers, each with why it was chosen.

    All queries are put into a random order. The first half of what is shown are the first of this order, whatever they
    retrieve. Then comes, for each of `OUTCOMES` that no query so far has with any number of probes, the first
    query that has it. The rest are again the first of the order.
    """
    told = table.pivot(index="query", columns="probes", values="outcome")
    order = random.permutation(len(told))
    shown = dict.fromkeys(order[: -(-count // 2)].tolist(), DRAWN)
    for name in OUTCOMES:
        has_it = (told == name).to_numpy()[order]
        if len(shown) < count and has_it.any() and name not in told.loc[list(shown)].to_numpy():
            first = int(has_it.any(axis=1).argmax())
            probes = told.columns[has_it[first].argmax()]
            shown[int(order[first])] = f"the first that is {name} ({probes:,} {'probe' if probes == 1 else 'probes'})"
    for query in order.tolist():
        if len(shown) < count:
            shown.setdefault(query, DRAWN)
    return shown


def probed_items(index: Index, logits: np.ndarray, probes: int, relevant: np.ndarray, most: int) -> Found:
    """Return which probes of one query find its relevant items, and the first `most` other items that they find.

    Buckets are looked into and not read, so that one of any size costs no memory.

    Args:
        logits: float (bits,). relevant: int64, ascending.
    """
    flips, _ = probe_masks(np.abs(logits[None]), probes)
    buckets = dict(index.buckets(pack(logits > 0) ^ flips[0]))
    ranks, wrong, by = np.full(len(relevant), -1), [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rank, ids in sorted(buckets.items()):
        ends = [np.searchsorted(ids, relevant.astype(ids.dtype), side) for side in ("left", "right")]
        ranks[ends[0] < ends[1]] = rank
        others = np.setdiff1d(ids[: most + len(relevant)].astype(np.int64), relevant)[:most]
        wrong.append(others)
        by.append(np.full(len(others), rank))
    return Found(relevant, ranks, np.concatenate(wrong)[:most], np.concatenate(by)[:most])


def picked(found: Found, most: int) -> np.ndarray:
    """Return the items to show of a query: columns item, rank (-1 if no probe finds it) and relevant, int64 (m, 3).

    Relevant items come first, those that are found earlier before others and those that are missed last; then wrong
    ones. At least a third of the places are for wrong items, as far as there are any.
    """
    wrong = min(len(found.wrong), max(most - len(found.relevant), most // 3))
    order = np.argsort(np.where(found.ranks < 0, np.iinfo(np.int64).max, found.ranks), kind="stable")[: most - wrong]
    right = np.stack([found.relevant[order], found.ranks[order], np.ones(len(order), np.int64)], axis=1)
    others = np.stack([found.wrong[:wrong], found.wrong_ranks[:wrong], np.zeros(wrong, np.int64)], axis=1)
    return np.concatenate([right, others])


def picture(mosaics: Mosaics, view: ViewList, seed: int) -> np.ndarray:
    """Return one view as a picture: uint8 or float32 on [0, 1], (H, W) or (H, W, 3)."""
    shown = mosaics.items(view.labels, view.start, seed=seed, name=view.name, kind=view.kind)[0].cpu().numpy()
    shown = shown if shown.dtype == np.uint8 else shown.clip(0, 1)
    return np.moveaxis(shown, 0, -1) if len(shown) > 1 else shown[0]


def show_retrieval(
    partitions: Sequence[str | Path],
    counts: Sequence[str | Path],
    codes: str | Path,
    queries: str | Path,
    labels: str | Path,
    bank: str | Path,
    perlin: str | Path | None,
    outputs: Mapping[str, str | Path],
    *,
    shown: Shown,
    keys: dict[str, Any],
    probes: Sequence[int],
    rows: int,
    items: int,
    seed: int,
) -> dict[str, Any]:
    """Write a gallery of a network's queries on a database: pictures (HDF5), results (CSV) and rates (CSV).

    Queries are those that are multi-probed; their results and rates follow from the counts of the partitions. `table`
    has the keys, then query (its number), label, chosen (why it is shown: `chosen`) and `retrievals`. `rates` has the
    keys and `outcome_rates` of all queries. `pictures` has `queries`, the views of the queries, and `items`, the views
    of what they retrieve or miss, (n, H, W) or (n, H, W, 3), and for each item `row` (of the query, from 0), `item`,
    `rank` and `relevant` (see `picked`), int64.

    Args:
        partitions: of the index. counts: of all partitions. codes: of the queries. labels: of the database.
        bank, perlin: of the task.
        outputs: pictures, table and rates.
        shown: what the network was shown. keys: task, model, variant, seed, database.
        probes: numbers of probes, of which those above what the counts have are left out.
        rows: queries to show. items: items to show of each.
        seed: of the choice.

    Raises:
        InputError: the files do not fit together, or no query was probed.
    """
    index, parts, asked, wanted = (
        Index.open(partitions),
        check_counts(counts),
        QueryCodes.read(codes),
        Queries.read(queries),
    )
    index.origin.check(asked.origin, codes, f"{partitions[0]} is")
    index.origin.check(parts[0].origin, counts[0], f"{partitions[0]} is")
    asked.check(queries, codes)
    labelled, size, count = Labels.open(labels), max(wanted.positive), len(asked.abs_logits)
    wanted.check(labelled.database, queries)
    if not count:
        raise InputError(f"{codes}: no query was multi-probed; set equihash.databases.<name>.probed to 1 or more")
    asked_labels, relevant = wanted.positive[size]
    found = pd.concat([part.tables["probes"] for part in parts], ignore_index=True)
    table = retrievals(found, relevant.counts[:count], probes)
    choice = chosen(table, rows, stream(seed, "equihash", "gallery", keys["database"]))
    task, images = Task.of(shown.task), Bank.open(bank, shown.split)
    mosaics, views = Mosaics.open(task, images, perlin, CPU), query_views(wanted)[f"positive/{size}"]
    signs = unpack(asked.positive[size][:count], index.origin.bits)
    logits = np.where(signs, asked.abs_logits, -asked.abs_logits)
    seen, pictured, facts = [], [], []
    for row, query in enumerate(choice):
        seen.append(picture(mosaics, views.one(query), shown.seed))
        _, own = relevant.of(query, query + 1)
        picks = picked(probed_items(index, logits[query], max(probes), own, items), items)
        for item, label in zip(picks[:, 0], labelled.take(picks[:, 0])):
            pictured.append(picture(mosaics, item_view(labelled.database, int(item), int(label)), shown.seed))
        facts += [(row, *pick) for pick in picks.tolist()]
    with created(outputs["pictures"]) as file:
        file["queries"], file["items"] = np.array(seen), np.array(pictured)
        for name, column in zip(("row", "item", "rank", "relevant"), np.array(facts, np.int64).reshape(-1, 4).T):
            file[name] = column
        write_attributes(file, {**{key: str(value) for key, value in keys.items()}, "queries_probed": count})
        seal(file)
    rates, table = outcome_rates(table), table[table["query"].isin(list(choice))]
    order = {query: place for place, query in enumerate(choice)}
    table = table.sort_values("query", key=lambda query: query.map(order), kind="stable")
    table.insert(1, "label", asked_labels[table["query"]])
    table.insert(2, "chosen", table["query"].map(choice))
    for name, written in (("table", table), ("rates", rates)):
        write_csv(written.assign(**keys)[[*keys, *written]], outputs[name])
    digests = {labelled.path: labelled.checksum} | dict.fromkeys(map(str, partitions), index.digest)
    return {"queries": list(choice), "digests": {**digests, **view_digests(images, perlin)}}
