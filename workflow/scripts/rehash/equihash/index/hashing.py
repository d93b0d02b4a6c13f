"""Views in, fingerprints out: in whole blocks of items, which a GPU computes as one CUDA graph each.

A network sees the same rows of a block together, however the items are cut into shards. Signs are packed where the
logits are, and a view's fingerprint comes back as bits / 8 + 1 bytes. A GPU is given the next block before the results
of the last one are waited for, so that it never waits for the host; a CPU does one block after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from rehash.bits import Codes
from rehash.captured import Captured
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.noise import BLOCK
from rehash.equihash.learning.weights import Network

_ROWS_ON_A_CPU = 128  # few enough for their activations to stay in its caches: half the time of a whole block
_IN_FLIGHT = 1  # blocks that a GPU is given before the results of those before them are waited for

A = TypeVar("A")


class Hashed(NamedTuple):
    """What n consecutive views are hashed to.

    Attributes:
        codes: uint8 (n, bits / 8).
        numbers: whether all logits of a view are numbers, and finite: bool (n,).
        logits: float32 (n, bits), or None if they were not asked for.
    """

    codes: Codes
    numbers: np.ndarray
    logits: np.ndarray | None


def packed(logits: torch.Tensor) -> torch.Tensor:
    """Pack logits, floats (n, bits), to records on their device, uint8 (n, bits / 8 + 1).

    The first bytes of a record are the signs, as `rehash.bits.pack` packs `logits > 0`. The last one is 1 if all logits
    of the row are finite numbers, and else 0.

    Args:
        logits: a multiple of 8 bits.
    """
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=logits.device)
    signs = (logits > 0).byte().unflatten(1, (-1, 8))
    codes = (signs << places).sum(2, dtype=torch.uint8)
    return torch.cat([codes, logits.isfinite().all(1, keepdim=True).byte()], dim=1)


def sent(*tensors: torch.Tensor) -> Callable[[], list[np.ndarray]]:
    """Send tensors to the host, and return a function that waits until they are there and returns them as arrays.

    From a GPU they are copied into pinned memory while it and the host go on; torch uses that memory again only once
    the copy is over and the arrays are gone. What is on a CPU is there already, and is not copied.
    """
    held = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
    copied = torch.cuda.current_stream().record_event() if tensors[0].is_cuda else None

    def arrived() -> list[np.ndarray]:
        if copied is not None:
            copied.synchronize()
        return [tensor.numpy() for tensor in held]

    return arrived


def held_back(items: Iterable[A], count: int) -> Iterator[A]:
    """Yield items in their order, each only once `count` more have been made, or all."""
    waiting: deque[A] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft()
    yield from waiting


class Hasher:
    """A network that hashes the views of mosaics, block by block.

    Args:
        network: a function from views to logits, float32 (n, bits), with a multiple of 8 bits.
        mosaics: what it is shown, on their device.
        graph: whether a GPU computes a block as one CUDA graph. For that the network must not wait for the GPU, as
            those of this wing never do.
    """

    def __init__(self, network: Network, mosaics: Mosaics, graph: bool = True) -> None:
        self.network, self.mosaics = network, mosaics
        on_a_gpu = mosaics.device.type == "cuda"
        self._rows, self._in_flight = (BLOCK, _IN_FLIGHT) if on_a_gpu else (_ROWS_ON_A_CPU, 0)
        self._hash = Captured(self._hashed) if graph and on_a_gpu else self._hashed

    def blocks(self, labels: Any, start: int, *, kept: int = 0, seed: int, name: str, kind: str) -> Iterator[Hashed]:
        """Hash the views of items start, start + 1, ..., block by block.

        The network always sees the same rows of a block together, each item in its own row and zeros for items that are
        not asked for: the number of rows of a product, and an item's row, can change how it is rounded.

        Args:
            labels, start, seed, name, kind: see `Mosaics.batches`.
            kept: the number of first items whose logits are asked for; their blocks have those of all views.
        """
        batches = self.mosaics.batches(labels, start, seed=seed, name=name, kind=kind)
        begun = (self._begun(views, first, first - start < kept) for first, views in batches)
        for results in held_back(begun, self._in_flight):
            yield results()

    def _begun(self, views: torch.Tensor, first: int, with_logits: bool) -> Callable[[], Hashed]:
        """Begin to hash the views of items of one block, from `first` on; return what waits for the results."""
        before = first % self._rows
        shown = before + len(views)
        total = -(-shown // self._rows) * self._rows
        if total > len(views):
            whole = torch.zeros((total, *views.shape[1:]), dtype=views.dtype, device=views.device)
            whole[before:shown] = views
        else:
            whole = views
        with torch.inference_mode():  # not around a yield, which would leave it on for others
            found = zip(*(self._hash(rows) for rows in whole.split(self._rows)))
            parts = [torch.cat(each)[before:shown] for each in (found if with_logits else [next(found)])]
            arrived = sent(*parts)
        return partial(_unpacked, arrived)

    def _hashed(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return records and logits of rows (see `packed`)."""
        logits = self.network(rows)
        return packed(logits), logits


def _unpacked(arrived: Callable[[], list[np.ndarray]]) -> Hashed:
    records, *logits = arrived()
    return Hashed(records[:, :-1], records[:, -1].astype(bool), *(logits or [None]))
