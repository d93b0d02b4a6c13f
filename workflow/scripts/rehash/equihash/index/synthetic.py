"""Synthetic fingerprints with known collisions, for an index of sizes that no network has encoded.

A label has a name, a number of `name_bits` bits that is a hash of the label, so that two labels share a name with
probability 2^-name_bits; its fingerprint has k bits that look random and follow from the name. A view of the label
has a logit for each bit, normal with standard deviation 1 around plus or minus m. Its sign, and thus the view's bit,
differs from the label's with probability `flips`. Normal numbers are drawn by position, each one of 65,536 quantiles
(`rehash.philox`): `flips` is rounded to a multiple of 1 / 65,536, which is then exactly the probability, and m lies
between the quantiles that do not reach beyond it and those that do.

What an index of such fingerprints finds on average can be computed (`predicted`). A query's view differs from its label
in j bits, j binomial (k, flips). Given j, a view of a label of the same name has the query's fingerprint with
probability

    a_j = flips^j (1 - flips)^(k - j).

Of the M labels that the items' labels are drawn from, K others have the query's name, K binomial (M - 1, 2^-name_bits).
Given K, an item of another label has the query's fingerprint with probability

    b_jK = K / (M - 1) a_j + (1 - K / (M - 1)) 2^-k.

If r of N items carry the query's label, its bucket thus has H relevant items, binomial (r, a_j), and I others, binomial
(N - r, b_jK), which are independent. The second term of b, fingerprints that are equal by chance, matters for small k.

A query that is an item seen again has that item among the r, whose noise is as any other's. So the item is in the
bucket with probability a_j, and alone there with probability

    a_j (1 - a_j)^(r - 1) (1 - b_jK)^(N - r):

another item of the same label, a twin, counts as an error. Labels are weighted by their items here: if each item's
label is one of L, all equally likely, then r - 1 is binomial (N - 1, 1 / L) and a query has no twin with probability
(1 - 1 / L)^(N - 1). Of 10^9 items and 65,536^2 labels, as published in 2023, these are exp(-0.233) = 0.792, which is
the most that any network can have of alone_in_bucket_rate; 21% of the queries have a twin. The mean number of items in
a bucket is r a_j + (N - r) b_jK, given j and K.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from rehash.bits import Codes, pack
from rehash.compiled import compiled, inlined
from rehash.equihash.databases.label_files import BLOCK, LabelRange, Labels
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.mixing import mix
from rehash.equihash.databases.queries import ITEMS, Queries
from rehash.equihash.index.fingerprints import Origin, write_shard
from rehash.equihash.index.query_codes import (
    QueryCodes,
    ViewList,
    config_digest,
    logits_by_list,
    query_views,
    signed_count,
)
from rehash.errors import InputError
from rehash.philox import NORMAL_BITS, block, halves, key_of, quantiles, words_at
from rehash.progress import progress
from rehash.seeds import integer
from rehash.store import value_digest, write_csv

_NEGLIGIBLE = 1e-15
_SHARP = 1e-3  # relative deviation of the number of labels with one name below which its mean is used
_NODES = 200  # of the quadrature
_DECAYED = 40.0  # e to the minus this is negligible
_WORD = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio


def name_codes(labels: np.ndarray, bits: int, name_bits: int, seed: int) -> Codes:
    """Return the fingerprints of labels, int64 (n,), without noise: uint8 (n, bits / 8).

    They are the big-endian words mix(mix(name + key) + word w), w the multiples of 2^64 over the golden ratio.
    """
    key = np.uint64(_names_key(seed))
    names = mix(labels.astype(np.uint64) + key) >> np.uint64(64 - name_bits)
    words = [mix(mix(names + key) + np.uint64(word * _WORD % 2**64)) for word in range(-(-bits // 64))]
    return np.stack(words, axis=1).astype(">u8").view(np.uint8)[:, : bits // 8]


def _names_key(seed: int) -> int:
    return integer(seed, "equihash", "synthetic names", bits=64)


def _noise_key(seed: int, views: ViewList) -> int:
    return key_of(seed, "equihash", "synthetic views", views.name, views.kind)


def flipped(flips: float) -> int:
    """Return how many of the 65,536 quantiles reach beyond the margin on either side, which gives the flips' share."""
    return round(flips * 2**NORMAL_BITS)


def synthetic_logits(
    views: ViewList, *, bits: int, flips: float, name_bits: int, seed: int, noise_seed: int | None = None
) -> Iterator[np.ndarray]:
    """Draw the logits of views, block by block: float32 (n, bits).

    Args:
        noise_seed: seed of the views' noise; by default that of the labels' names.
    """
    key, normal = _noise_key(seed if noise_seed is None else noise_seed, views), quantiles()
    beyond = 2**NORMAL_BITS - flipped(flips)
    margin = (normal[beyond - 1] + normal[beyond]) / np.float32(2)
    for low in progress(range(0, len(views.labels), BLOCK), f"{views.name}, {views.kind}", "block"):
        labels = np.asarray(views.labels[low : low + BLOCK])
        items = np.arange(views.start + low, views.start + low + len(labels))
        words = words_at(items, 0, bits // 2, key)
        noise = normal[np.stack([words & np.uint32(2**16 - 1), words >> np.uint32(16)], axis=-1)].reshape(-1, bits)
        signs = np.unpackbits(name_codes(labels, bits, name_bits, seed), axis=1).view(bool)
        yield np.where(signs, margin, -margin) + noise


def synthetic_codes(
    labels: LabelRange, *, bits: int, flips: float, name_bits: int, seed: int, noise_seed: int | None = None
) -> Codes:
    """Compute the fingerprints of consecutive items, uint8 (n, bits / 8), as `synthetic_logits` has their signs."""
    database, found = labels.labels.database, np.empty((len(labels), bits // 8), np.uint8)
    views = ViewList(labels, labels.start, database.name, "database")
    key, name_key = _noise_key(seed if noise_seed is None else noise_seed, views), np.uint64(_names_key(seed))
    for low in progress(range(0, len(labels), BLOCK), f"{database.name}, database", "block"):
        part = np.asarray(labels[low : low + BLOCK])
        rows = found[low : low + BLOCK]
        first = np.uint64(labels.start + low)
        _codes(part, first, *halves(key), name_key, np.uint64(64 - name_bits), flipped(flips), rows)
    return found


@inlined
def _mixed(number):
    """Return `mixing.mix` of a number, uint64."""
    number = (number ^ number >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ number >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return number ^ number >> np.uint64(31)


@compiled
def _codes(labels, first, key_low, key_high, name_key, name_shift, flips, found):
    """Fill in fingerprints; block b of an item's random numbers has the eight numbers of its byte b."""
    top = np.uint64(2**16 - flips)
    bottom, low_half = np.uint64(flips), np.uint64(2**16 - 1)
    for row in range(len(labels)):
        item = first + np.uint64(row)
        low, high = item & np.uint64(2**32 - 1), item >> np.uint64(32)
        base = _mixed((_mixed(np.uint64(labels[row]) + name_key) >> name_shift) + name_key)
        for byte in range(found.shape[1]):
            word = _mixed(base + np.uint64(byte // 8) * np.uint64(_WORD))
            code = (word >> np.uint64(56 - 8 * (byte % 8))) & np.uint64(255)
            a, b, c, d = block(low, high, np.uint64(byte), key_low, key_high)
            below, above = np.uint64(0), np.uint64(0)  # bits whose noise is far below, and far above
            for lane in (a, b, c, d):
                for number in (lane & low_half, lane >> np.uint64(16)):
                    below = below << np.uint64(1) | np.uint64(number < bottom)
                    above = above << np.uint64(1) | np.uint64(number >= top)
            found[row, byte] = code ^ (below & code | above & ~code)


def generate_fingerprints(
    labels: str | Path, output: str | Path, *, shard: int = 0, shards: int = 1, **settings: Any
) -> dict[str, Any]:
    """Write the fingerprints of one of a database's shards (`rehash.equihash.index.fingerprints.write_shard`).

    Args:
        labels: of the database (`rehash.equihash.databases.label_files.Labels`).
        settings: bits, a multiple of 8; flips, above 0 and below 1/2; name_bits, 1 to 64; seed; perhaps noise_seed.

    Raises:
        InputError: the file is not one of labels, or a setting is out of range.
    """
    about, known = _about(settings), Labels.open(labels)
    database = known.database
    part = known.shard(shard, shards)
    codes = synthetic_codes(part, **settings)
    digests = {**about, "config": config_digest(database, settings["seed"], {})}
    write_shard(output, codes, start=part.start, n_items=database.n_items, **digests)
    return {"items": len(codes), "digests": {known.path: known.checksum}}


def generate_query_codes(
    queries: str | Path, output: str | Path, expected: str | Path, *, probed: int, signed: bool = False, **settings: Any
) -> dict[str, Any]:
    """Write the fingerprints of a database's queries (`QueryCodes`) and its expected metrics (`predicted`, CSV).

    Args:
        probed: the number of positives of the largest size whose |logits| are kept.
        signed: whether the logits of all positive and negative queries are written, too.
        settings: see `generate_fingerprints`.
    """
    about, asked = _about(settings), Queries.read(queries)
    codes, kept = [np.empty((0, settings["bits"] // 8), np.uint8)], [np.empty((0, settings["bits"]), np.float32)]
    positives = len(asked.positive[max(asked.positive)][0])
    wanted = min(probed, positives)
    by_list, signs = query_views(asked), [np.empty((0, settings["bits"]), np.float32)]
    left = signed_count(by_list) if signed else 0
    for views in by_list.values():
        for logits in synthetic_logits(views, **settings):
            codes.append(pack(logits > 0))
            signs.append(logits[:left].astype(np.float32))
            left -= len(signs[-1])
            kept.append(np.abs(logits[:wanted]))
            wanted -= len(kept[-1])
    digests = {**about, "config": config_digest(asked.database, settings["seed"], {})}
    whose = Origin(asked.database.n_items, settings["bits"], **digests)
    write_csv(predicted(asked, **{name: settings[name] for name in ("bits", "flips", "name_bits")}), expected)
    found = QueryCodes.cut(np.concatenate(codes), np.concatenate(kept), asked, queries, whose)
    found.write(output, logits_by_list(np.concatenate(signs), by_list) if signed else None)
    return {"items": sum(map(len, codes))}


def _about(settings: dict[str, Any]) -> dict[str, str]:
    for name, low, high in (("flips", 0, 0.5), ("name_bits", 0, 65)):
        if not low < settings[name] < high:
            raise InputError(
                f"synthetic fingerprints: {name} is {settings[name]}; expected it between {low} and {high}"
            )
    if not 0 < flipped(settings["flips"]) < 2 ** (NORMAL_BITS - 1):
        raise InputError(
            f"synthetic fingerprints: flips is {settings['flips']}; it is rounded to a multiple of 1 / 65,536; "
            "expected one or more of these, and fewer than half of all"
        )
    return {"model": value_digest(settings)}


def predicted(queries: Queries, *, bits: int, flips: float, name_bits: int) -> pd.DataFrame:
    """Compute the expected metrics of `rehash.equihash.evaluation.retrieval`, over names, items and noise.

    The numbers of relevant items are those of the queries.

    Returns:
        Columns database_size, metric and expected, for each size of the queries.
    """
    flips = flipped(flips) / 2**NORMAL_BITS
    j = np.arange(bits + 1)
    weight = binom.pmf(j, bits, flips)
    j, weight = j[weight > _NEGLIGIBLE], weight[weight > _NEGLIGIBLE]
    mine = flips**j * (1 - flips) ** (bits - j)
    shares, chance = _same_names(queries.database, name_bits)
    other = shares * mine[:, None] + (1 - shares) * 2.0**-bits  # (j, K)
    weights = weight[:, None] * chance
    rows = []
    for size, (_, relevant) in queries.positive.items():
        counts = np.bincount(relevant.counts[relevant.counts > 0])
        sums: dict[str, float] = {}
        for r in np.flatnonzero(counts):
            none, a = (1 - other) ** (size - r), mine[:, None]
            means = {
                "true_positive_rate": 1 - (1 - a) ** r * none,
                "perfect_retrieval_rate": a**r * none,
                "complete_retrieval_rate": a**r,
                "sound_retrieval_rate": none,
                "items_retrieved": r * a + (size - r) * other,
                "jaccard": r * a * _mean_inverse(r, size - r, other),
            }
            if queries.asked == ITEMS:
                means["alone_in_bucket_rate"] = a * (1 - a) ** (r - 1) * none
            for metric, mean in means.items():
                sums[metric] = sums.get(metric, 0.0) + counts[r] * (weights * mean).sum()
        found = {metric: total / counts.sum() for metric, total in sums.items()}
        if found:
            found["recall"] = weight @ mine
            if queries.asked == ITEMS:
                found["own_item_rate"] = found["recall"]
        if len(queries.negative):
            found["false_positive_rate"] = (weights * (1 - (1 - other) ** size)).sum()
        found["irrelevant_collision_rate"] = (weights * other).sum()
        rows += [{"database_size": size, "metric": metric, "expected": value} for metric, value in found.items()]
    return pd.DataFrame(rows)


def _same_names(database: Database, name_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the possible shares of other labels that have a label's name, and their probabilities."""
    others = (database.pool_size or database.label_count) - 1
    mean, deviation = others * 2.0**-name_bits, (others * 2.0**-name_bits) ** 0.5
    if others == 0 or deviation < _SHARP * mean:
        return np.array([2.0**-name_bits]), np.ones(1)
    low, high = (binom(others, 2.0**-name_bits).isf(p) for p in (1 - _NEGLIGIBLE, _NEGLIGIBLE))
    same = np.arange(max(low, 0), high + 1)
    return same / others, binom.pmf(same, others, 2.0**-name_bits)


def _mean_inverse(r: int, n: int, p: np.ndarray) -> np.ndarray:
    """Compute the mean of 1 / (r + I), I binomial (n, p), float64 of p's shape.

    It is the integral of t^(r - 1) (1 - p + p t)^n from 0 to 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    span = np.minimum(1, _DECAYED / np.maximum(n * p[..., None], _DECAYED))  # negligible below 1 - span
    t = 1 - span * (1 - nodes) / 2
    return (t ** (r - 1) * weights * span / 2 * np.exp(n * np.log1p(p[..., None] * (t - 1)))).sum(-1)
