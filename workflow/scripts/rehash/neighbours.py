"""Exact nearest neighbours in Hamming distance; of equally distant ones the smaller index comes first."""

from __future__ import annotations

import faiss
import numpy as np

from rehash.bits import Codes

NEIGHBOURS = 9  # K of the K-NN classifier, as in He et al. (2021)
_FAISS_WIDTHS = (4, 8, 16, 32, 64)  # bytes, for which faiss has fast distances; codes are padded with zeros


def nearest(queries: Codes, codes: Codes, k: int, *, threads: int = 1) -> np.ndarray:
    """Find the k nearest rows of `codes` for each query, ordered by distance, then index.

    Returns:
        Indices of rows, int64 (len(queries), k), from faiss's exact binary index.

    Raises:
        ValueError: k is larger than the number of codes.
    """
    if k > len(codes):
        raise ValueError(f"k = {k} neighbours asked of {len(codes)} codes")
    faiss.omp_set_num_threads(threads)
    queries, codes = _padded(queries), _padded(codes)
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    return index.search(queries, k)[1]


def majority(votes: np.ndarray, classes: int) -> np.ndarray:
    """Return the most frequent class in each row of `votes`, int (N, k); a tie goes to the lowest class."""
    counts = np.zeros((len(votes), classes), np.int64)
    np.add.at(counts, (np.arange(len(votes))[:, None], votes), 1)
    return counts.argmax(1)


def _padded(codes: Codes) -> Codes:
    width = next((w for w in _FAISS_WIDTHS if w >= codes.shape[1]), codes.shape[1])
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, width - codes.shape[1]))))
