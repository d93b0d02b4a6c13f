"""Exact nearest neighbours in Hamming distance; of equally distant ones the smaller index comes first."""

from __future__ import annotations

import faiss
import numpy as np
import torch

from rehash.bits import Codes, unpack

NEIGHBOURS = 9  # K of the K-NN classifier, as in He et al. (2021)
_CELLS = 2**26  # of a matrix of distances that is held at a time
_FAISS_WIDTHS = (4, 8, 16, 32, 64)  # bytes, for which faiss has fast distances; codes are padded with zeros


def nearest(
    queries: Codes, codes: Codes, k: int, *, n_bits: int | None = None, device: torch.device | None = None
) -> np.ndarray:
    """Find the k nearest rows of `codes` for each query, ordered by distance, then index.

    On a CPU this is faiss's exact binary index, with as many threads as torch has; on a GPU, products of matrices.

    Args:
        n_bits: of a code; all bits of the rows by default.

    Returns:
        Indices of rows, int64 (len(queries), k).

    Raises:
        ValueError: k is larger than the number of codes.
    """
    if k > len(codes):
        raise ValueError(f"k = {k} neighbours asked of {len(codes)} codes")
    if device is not None and device.type != "cpu":
        n_bits = codes.shape[1] * 8 if n_bits is None else n_bits
        bits = (torch.from_numpy(unpack(rows, n_bits)).to(device).float() for rows in (queries, codes))
        return nearest_by_products(*bits, k).cpu().numpy()
    faiss.omp_set_num_threads(torch.get_num_threads())
    queries, codes = _padded(queries), _padded(codes)
    index = faiss.IndexBinaryFlat(codes.shape[1] * 8)
    index.add(codes)
    return index.search(queries, k)[1]


def nearest_by_products(queries: torch.Tensor, codes: torch.Tensor, k: int) -> torch.Tensor:
    """Find the k nearest rows of bits for each query as `nearest` does, by products of matrices, int64 (., k).

    Args:
        queries, codes: bits as 0 and 1, float32 (., bits), on one device.

    The distance of two codes is the number of ones of both less twice the product, exact in float32 below 2^24.
    """
    found = []
    numbers, ones = torch.arange(len(codes), device=codes.device), codes.sum(1)
    for part in queries.split(max(1, _CELLS // len(codes))):
        distances = torch.addmm(ones[None], part, codes.T, alpha=-2) + part.sum(1, keepdim=True)
        # Distance and index as one number: the smaller index wins a tie.
        keys = distances.long() * len(codes) + numbers
        found.append(keys.topk(k, largest=False, sorted=True).values % len(codes))
    return torch.cat(found)


def majority(votes: np.ndarray) -> np.ndarray:
    """Return the most frequent class in each row of `votes`, int (N, k); a tie goes to the lowest class."""
    counts = (votes[:, :, None] == votes[:, None, :]).sum(2)
    return np.where(counts == counts.max(1, keepdims=True), votes, np.iinfo(votes.dtype).max).min(1)


def _padded(codes: Codes) -> Codes:
    width = next((w for w in _FAISS_WIDTHS if w >= codes.shape[1]), codes.shape[1])
    return np.ascontiguousarray(np.pad(codes, ((0, 0), (0, width - codes.shape[1]))))
