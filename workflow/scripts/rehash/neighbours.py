"""Nearest neighbours in Hamming distance, with every tie decided: the smaller distance, then the smaller index."""

from __future__ import annotations

import numpy as np

from rehash.bits import Codes, unpack

_FAISS_WIDTHS = (4, 8, 16, 32, 64)  # bytes for which faiss has a specialised distance; the rest is padded with zeros


def nearest(queries: Codes, codes: Codes, k: int, *, n_bits: int, device: str = "cpu", threads: int = 1) -> np.ndarray:
    """Indices, int64 (len(queries), k), of the k nearest rows of `codes`, ordered by distance, then index.

    By faiss's exact binary index on the CPU, by matrix products on a GPU.

    Raises:
        ValueError: k is larger than the number of codes.
    """
    if k > len(codes):
        raise ValueError(f"k = {k} neighbours asked of {len(codes)} codes")
    if str(device).startswith("cuda"):
        return nearest_by_products(queries, codes, k, n_bits=n_bits, device=device)
    import faiss

    faiss.omp_set_num_threads(threads)
    queries, codes = _padded(queries), _padded(codes)
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    return index.search(queries, k)[1]


def nearest_by_products(
    queries: Codes, codes: Codes, k: int, *, n_bits: int, device: str, chunk_pairs: int = 1 << 27
) -> np.ndarray:
    """As `nearest`, by products of +-1 vectors (distance = (K - a'b) / 2, exact in float32).

    At most `chunk_pairs` distances are held at once.
    """
    import torch

    def signs(packed: Codes) -> torch.Tensor:
        bits = torch.from_numpy(unpack(packed, n_bits)).to(device)
        return bits.float().mul_(2).sub_(1)

    codes_NK = signs(codes)
    index = torch.arange(len(codes), device=device)
    rows = max(1, chunk_pairs // len(codes))
    found = []
    for start in range(0, len(queries), rows):
        product = signs(queries[start : start + rows]) @ codes_NK.T
        distance = ((n_bits - product) / 2).round().long()
        rank = distance * len(codes) + index  # unique, so that topk has no ties to break
        found.append((rank.topk(k, largest=False, sorted=True).values % len(codes)).cpu().numpy())
    return np.concatenate(found) if found else np.empty((0, k), np.int64)


def _padded(codes: Codes) -> Codes:
    width = next((w for w in _FAISS_WIDTHS if w >= codes.shape[1]), codes.shape[1])
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, width - codes.shape[1]))))
