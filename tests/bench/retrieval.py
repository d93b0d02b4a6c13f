"""Mean average precision of a search by codes against the public hashing toolboxes' NumPy loop, at the field's sizes.

And all metrics at once with their intervals. The peer's loop is shown some queries, and its time is scaled to all.
"""

from functools import partial

import numpy as np
from timing import seconds

from rehash.bits import pack
from rehash.comparison.measures import Asked, measure, measured_blocks
from rehash.comparison.rankings import Hamming

QUERIES, ITEMS, CLASSES, R = 10_000, 54_000, 10, 5000
SHOWN = 200  # queries that the peer is shown


def codes(bits: int):
    """Noisy copies of a code a class, bool (., bits), and labels, of queries and of items."""
    rng = np.random.default_rng(0)
    centres = rng.random((CLASSES, bits)) < 0.5
    labels = [rng.integers(CLASSES, size=n) for n in (QUERIES, ITEMS)]
    return [centres[of] ^ (rng.random((len(of), bits)) < 0.3) for of in labels], labels


def toolbox(queries: np.ndarray, items: np.ndarray, query_labels: np.ndarray, labels: np.ndarray, topk: int) -> float:
    """mAP@topk, one query after the other: distances by products of signs, an argsort, the mean of precisions.

    Codes are float32, labels one-hot int64, as the toolboxes have them. The argsort is not stable, so that ties come as
    it happens.
    """
    found = []
    for query, label in zip(queries, query_labels):
        relevant = (label @ labels.T > 0).astype(np.float32)
        distances = 0.5 * (items.shape[1] - query @ items.T)
        first = relevant[np.argsort(distances)][:topk]
        hits = int(first.sum())
        places = np.flatnonzero(first) + 1.0
        found.append(np.mean(np.linspace(1, hits, hits) / places) if hits else 0.0)
    return float(np.mean(found))


def map_alone(searched: Hamming, query_labels: np.ndarray, topk: int, threads: int) -> np.ndarray:
    """Ours of each query, (Q,): the expectation over ties."""
    found, asked = np.empty(len(query_labels)), Asked(ITEMS, (topk,), ())
    for part, block in measured_blocks(searched, query_labels, asked, threads):
        found[part] = block.metrics["map_at", topk]
    return found


def all_metrics(given: tuple, query_labels: np.ndarray, threads: int) -> None:
    """Ours with intervals, and beside them the values of a stable sort."""
    asked = Asked(ITEMS, (1000, R), (1, 10, 100, 1000), (0, 1, 2))
    measure(Hamming(*given), query_labels, asked, np.random.default_rng(0), resamples=1000, threads=threads)


def rows():
    """(stage, work, ours, peer, peer's name, unit); stops if the values differ by more than ties can."""
    stage, name = "retrieval by codes", f"the toolboxes' loop, {SHOWN} queries scaled to all"
    for bits in (16, 64):
        (queries, items), (query_labels, labels) = codes(bits)
        given = pack(queries), pack(items), bits, query_labels, labels
        counted, size = Hamming(*given, stable=False), f"{QUERIES:,} x {ITEMS:,} x {bits} bits"
        signs = [2 * each.astype(np.float32) - 1 for each in (queries[:SHOWN], items)]
        one_hot = [np.eye(CLASSES, dtype=np.int64)[of] for of in (query_labels[:SHOWN], labels)]
        for topk in (R, ITEMS):
            value, found = toolbox(*signs, *one_hot, topk), map_alone(counted, query_labels, topk, 1)
            assert abs(found[:SHOWN].mean() - value) < 0.01, "the same quantity, but for ties"
            peer = seconds(partial(toolbox, *signs, *one_hot, topk)) * QUERIES / SHOWN
            what = "mAP" if topk == ITEMS else f"mAP@{topk:,}"
            for threads, many in ((1, "1 thread"), (2, "2 threads")):
                ours = seconds(partial(map_alone, counted, query_labels, topk, threads))
                yield stage, f"{what}, {size}, {many}", ours, peer, name, "s"
        for threads, many in ((1, "1 thread"), (2, "2 threads")):
            ours = seconds(partial(all_metrics, given, query_labels, threads), 1)
            yield stage, f"all metrics with intervals, {size}, {many}", ours, peer, f"mAP alone by {name}", "s"
