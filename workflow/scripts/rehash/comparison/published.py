"""Comparison of published retrieval tables with ours, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.comparison.collect import read_retrieval
from rehash.store import read_csv

_PUBLISHED = [
    *("method", "dataset", "split", "queries", "train", "gallery", "bits", "metric", "value", "error"),
    *("backbone", "pretrained", "source", "place"),
]
_SIZES = ["queries", "train", "gallery"]


def compare_retrieval(
    table: str | Path, published: str | Path, *, dataset: str, methods: Mapping[str, str]
) -> pd.DataFrame:
    """Return a row for each published value of a method whose source is in our table, whatever its protocol.

    Columns: dataset, protocol, source, method, bits, metric; published, error (half a unit of its last digit) and
    published_queries, published_train, published_gallery, backbone, pretrained, reference; queries, train, gallery,
    ours (the mean over repeats), low, high (the 95% interval over queries of the first repeat), repeats, sd; difference
    (ours - published) and verdict: "inside" our interval, "above", "below"; "other protocol" where the sizes differ;
    "other backbone" where the published network had been trained on other images before. Values of bits that we have
    not are left out.

    Args:
        table: a dataset's comparison. published: the file of published values, of the dataset `dataset`.
        methods: the published method of each source.
    """
    ours, theirs = read_retrieval(table), read_csv(published, _PUBLISHED)
    theirs = theirs[theirs.dataset == dataset]
    rows = []
    for source, method in methods.items():
        for value in theirs[theirs.method == method].itertuples():
            name, _, at = value.metric.partition("@")
            of = ours[(ours.source == source) & (ours.bits == value.bits)]
            of = of[(of.metric == ("map_at" if at else "map")) & (of["at"].eq(float(at)) if at else of["at"].isna())]
            if name == "mAP" and not of.empty:
                rows.append(_row(of, value, method))
    columns = [
        *("dataset", "protocol", "source", "method", "bits", "metric", "published", "error"),
        *(f"published_{size}" for size in _SIZES),
        *("backbone", "pretrained", "reference", *_SIZES, "ours", "low", "high", "repeats", "sd"),
        *("difference", "verdict"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _row(of: pd.DataFrame, value: pd.Series, method: str) -> dict[str, object]:
    first, sizes = of.iloc[0], {"queries": int(of.n.iloc[0])} | {k: int(of[k].iloc[0]) for k in ("train", "gallery")}
    ours = of.value.mean()
    same = all(getattr(value, size) == sizes[size] for size in _SIZES)
    half = max(first.high - first.value, first.value - first.low, of.value.std() if len(of) > 1 else 0)
    difference = ours - value.value
    verdict = "inside" if abs(difference) <= half + value.error else "above" if difference > 0 else "below"
    verdict = verdict if value.pretrained == "none" else "other backbone"
    return {
        "dataset": first.dataset, "protocol": first.protocol, "source": first.source, "method": method,
        "bits": first.bits, "metric": value.metric, "published": value.value, "error": value.error,
        **{f"published_{size}": getattr(value, size) for size in _SIZES},
        "backbone": value.backbone, "pretrained": value.pretrained, "reference": value.source, **sizes, "ours": ours,
        "low": first.low, "high": first.high, "repeats": len(of), "sd": of.value.std() if len(of) > 1 else np.nan,
        "difference": difference, "verdict": verdict if same else "other protocol",
    }  # fmt: skip
