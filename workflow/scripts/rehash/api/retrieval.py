"""How well a search by codes finds what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rehash.api.arrays import labelled, numbered, packed, same_length
from rehash.code_files import Coded
from rehash.comparison.retrieve import check_asked, check_labels, measured_codes, usual
from rehash.errors import InputError, unknown


class Retrieval(NamedTuple):
    """How well a search by codes finds the query's class again.

    Attributes:
        metrics: a row for each metric: metric, at (rank, radius or size of a tuple; NA if there is none), value, low
            and high (95% bootstrap interval over queries; NaN of the statistics of codes), n (queries), stable (the
            value if ties come in the gallery's order). What each is: `rehash.comparison.measures` and
            `rehash.comparison.code_statistics`.
        curves: precision and recall by Hamming radius and by rank, with intervals.
    """

    metrics: pd.DataFrame
    curves: pd.DataFrame

    def value(self, metric: str, at: int | None = None) -> float:
        """Return the value of a metric, at a rank, a radius or a size of tuples where it has one.

        Raises:
            InputError: it was not measured; names what was.
        """
        rows = self.metrics[self.metrics.metric == metric]
        found = rows[rows["at"].isna() if at is None else rows["at"].eq(at).fillna(False)]
        if not len(rows):
            raise unknown("metric", metric, self.metrics.metric.unique(), "retrieval")
        if not len(found):
            had = ", ".join(str(each) for each in rows["at"].dropna()) or "no number"
            raise InputError(f"retrieval: {metric} at {at}; expected one of {had}")
        return float(found.value.iloc[0])


def retrieval(
    queries: Any,
    query_labels: Any,
    gallery: Any,
    gallery_labels: Any,
    *,
    bits: int | None = None,
    at: Sequence[int] | None = None,
    cutoffs: Sequence[int] | None = None,
    radii: Sequence[int] = (0, 1, 2),
    resamples: int = 1000,
    seed: int = 0,
    threads: int = 1,
) -> Retrieval:
    """Measure how well a search by codes finds items of the query's class: mAP and the field's other metrics.

    Items come by Hamming distance, or of real numbers by cosine. Tied items come in any order, and all metrics are
    expectations over these orders.

    >>> import numpy as np, rehash
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(200) % 4
    >>> bits = (rng.random((4, 32)) < 0.5)[labels] ^ (rng.random((200, 32)) < 0.2)  # a fifth of the bits is wrong
    >>> found = rehash.retrieval(bits[:40], labels[:40], bits[40:], labels[40:], resamples=200)
    >>> round(found.value("map"), 3), found.value("precision_at", 10) > found.value("precision_at", 100)
    (0.839, True)
    >>> found.metrics.metric[0], int(found.metrics.n[0])
    ('map', 40)

    Args:
        queries, gallery: codes of one encoder: bits, bool (N, K), or packed, uint8 (N, ceil(bits / 8)); or real
            numbers, floats (N, D), which are compared by their cosine.
        query_labels, gallery_labels: (N,), whole numbers or texts; an item is relevant to a query of its label. A query
            that is in the gallery, too, finds itself first: leave it out there.
        bits: K of packed codes.
        at: the R of mAP@R; of 1000 and 5000 those that the gallery has by default. cutoffs: the k of precision@k,
            recall@k and NDCG@k; of 1, 10, 100 and 1000. radii: in bits.
        resamples: bootstrap samples of the queries. seed: of these; encoders that are measured with one seed and the
            same queries get the same samples.
        threads: how many compute; they change no number.

    Raises:
        InputError: codes or labels are not of these shapes and types; a query's label is not in the gallery; or a rank
            is beyond it.

    Memory: the codes, and about 0.2 GB a thread.
    """
    sides = {"queries": queries, "gallery": gallery}
    real = {name: np.asarray(given).dtype.kind == "f" for name, given in sides.items()}
    if real["queries"] != real["gallery"]:
        raise InputError("retrieval: bits on one side and real numbers on the other; expected one kind")
    if real["queries"]:
        length, codes = 0, {name: _numbers(given, name) for name, given in sides.items()}
        same_length([each.shape[1] for each in codes.values()], list(codes))
    else:
        both = {name: packed(given, bits, name) for name, given in sides.items()}
        length = same_length([each for _, each in both.values()], list(both))
        codes = {name: each for name, (each, _) in both.items()}
    labels = {
        "queries": labelled(query_labels, len(codes["queries"]), "query_labels"),
        "gallery": labelled(gallery_labels, len(codes["gallery"]), "gallery_labels"),
    }
    check_labels("retrieval", labels["queries"], labels["gallery"])
    items = len(codes["gallery"])
    measured = {
        "at": usual(at, items, "at"),
        "cutoffs": usual(cutoffs, items, "cutoffs"),
        "radii": list(radii),
        "resamples": resamples,
        "seed": seed,
    }
    check_asked("the arrays", items, measured, "retrieval")
    (of_queries, of_gallery), _ = numbered(*labels.values())
    coded = Coded(length, 0, codes["queries"], codes["gallery"])
    return Retrieval(*measured_codes(coded, {"queries": of_queries, "gallery": of_gallery}, measured, "", threads))


def _numbers(values: Any, what: str) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 2 or not len(found) or not found.shape[1] or not np.isfinite(found).all():
        raise InputError(f"{what}: {found.dtype} {found.shape}; expected finite numbers, (N, D), N and D at least 1")
    return found.astype(np.float32)
