"""Mosaics and their noisy views, made from labels in whole blocks, on any device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from rehash.equihash.colour import shift_colours
from rehash.equihash.draws import BLOCK, Draws, Source, block_source, cut
from rehash.equihash.flow import PerlinFields
from rehash.equihash.layout import lay_out, picture_numbers, truncated
from rehash.equihash.task import Task
from rehash.errors import InputError

CPU = torch.device("cpu")
# Pixels of the views made at a time: so few that their floats stay in a CPU's cache, so many that they keep a GPU busy.
_PIXELS_ON_A_CPU, _PIXELS_ON_A_GPU = 2**18, 2**23

A, B = TypeVar("A"), TypeVar("B")


class PictureBank(Protocol):
    """Pictures by number: uint8 (n, H, W[, 3]), an array or a tensor on the device."""

    def __len__(self) -> int: ...
    def take(self, indices: np.ndarray) -> np.ndarray | torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class Mosaics:
    """The mosaics of a task, made of the first `bank_size` pictures of a bank (of all, if it is None).

    perlin: the fields of a warped task's flow.

    Raises:
        InputError: the bank is too small, or the Perlin fields are missing or of another size than the mosaics.
    """

    task: Task
    bank: PictureBank
    perlin: PerlinFields | None = None
    device: torch.device = CPU
    bank_size: int | None = None

    def __post_init__(self) -> None:
        if self.device.type == "cpu":
            _keep_memory()
        if not 1 <= self.pictures <= len(self.bank):
            raise InputError(f"bank: it has {len(self.bank)} pictures; mosaics of {self.pictures} were asked for")
        if self.task.kind == "warped":
            size = "x".join(map(str, self.task.shape[1:]))
            if self.perlin is None:
                raise InputError(f"task: warped views need a Perlin bank of {size} fields; there is none")
            if self.perlin.size != self.task.shape[1:]:
                found = "x".join(map(str, self.perlin.size))
                raise InputError(f"Perlin bank: its fields are {found}; expected {size}, the size of the mosaics")

    @property
    def pictures(self) -> int:
        """Pictures that may appear."""
        return len(self.bank) if self.bank_size is None else self.bank_size

    def plain(self, labels: np.ndarray) -> torch.Tensor:
        """Mosaics without noise.

        Args:
            labels: int64 (n,), in [0, task.label_count(pictures)).

        Returns:
            (n, *task.shape) of task.dtype: float32 in [0, 1], or uint8.

        Raises:
            InputError: a label is out of range, or the bank's pictures do not fit the task.
        """
        labels, count = np.asarray(labels), self.task.label_count(self.pictures)
        if len(wrong := labels[(labels < 0) | (labels >= count)]):
            raise InputError(
                f"label {wrong[0]}: {self.pictures} pictures in a grid of {self.task.grid[0]} x {self.task.grid[1]} "
                f"make the labels 0 to {count - 1}"
            )
        numbers = picture_numbers(labels, self.pictures, self.task.cells)
        pictures = torch.as_tensor(self.bank.take(numbers.ravel()), device=self.device)
        if pictures.shape[1:] != self.task.picture_shape or pictures.dtype != torch.uint8:
            found, expected = ("x".join(map(str, shape)) for shape in (pictures.shape[1:], self.task.picture_shape))
            kind = str(pictures.dtype).removeprefix("torch.")
            raise InputError(f"bank: its pictures are {kind} {found}; {self.task.kind} mosaics need uint8 {expected}")
        shape = (len(labels), *self.task.grid, *self.task.picture, self.task.shape[0])
        cells = pictures.reshape(shape).permute(0, 1, 2, 5, 3, 4)
        if self.task.dtype == torch.float32:
            cells = cells.float().mul_(1 / 255)
        return lay_out(cells, self.task.overlap)

    def draw(self, source: Source, n: int) -> Draws:
        """What chance decides about n views."""
        return self.task.draw(source, n, len(self.perlin) if self.perlin else 0)

    def views(self, labels: np.ndarray, draws: Draws) -> torch.Tensor:
        """Views of labels, as their draws say.

        Args:
            labels: int64 (n,). draws: of n views.

        Returns:
            (n, *task.shape) of task.dtype; noisy views go beyond [0, 1].

        Raises:
            InputError: see `plain`.
        """
        views = torch.empty((len(labels), *self.task.shape), dtype=self.task.dtype, device=self.device)
        pixels = _PIXELS_ON_A_CPU if self.device.type == "cpu" else _PIXELS_ON_A_GPU
        step = max(1, pixels // (self.task.shape[1] * self.task.shape[2]))
        for first in range(0, len(labels), step):
            part = slice(first, first + step)
            views[part] = self._noised(self.plain(labels[part]), cut(draws, part))
        return views

    def _noised(self, mosaics: torch.Tensor, draws: Draws) -> torch.Tensor:
        if self.task.kind == "noisy":
            return mosaics.add_(draws.normal.to(self.device) * self.task.gaussian)
        coloured = shift_colours(mosaics, draws.hue.to(self.device), draws.lightness.to(self.device))
        moved = self.task.flow.displace(coloured, *self.perlin.take(draws.fields, self.device))
        return truncated(moved.clamp_(0, 1).mul_(255))

    def batches(
        self, labels: Any, start: int, *, seed: int, name: str, kind: str, ahead: int = 0
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Views of items start, start + 1, ..., block by block, with the index of each block's first.

        An item's view does not depend on where a range begins or ends. Memory holds one block, and the draws of those
        ahead.

        Args:
            labels: the items' labels, n of them: an array, or whatever gives one where it is sliced.
            name, kind: of the stream, see `rehash.equihash.draws.block_source`.
            ahead: how many threads draw for the blocks to come, meanwhile; 0 for none. For spare cores, beside a GPU:
                where torch's threads fill the machine they would only be in each other's way.

        Raises:
            InputError: see `plain`; or there is no such kind.
        """
        stop = start + len(labels)
        blocks = range(start // BLOCK, -(-stop // BLOCK)) if len(labels) else ()

        def drawn(block: int) -> tuple[int, Draws]:
            return block, self.draw(block_source(seed, name, kind, block), BLOCK)

        for block, draws in _made_ahead(drawn, blocks, ahead):
            first, last = max(start, block * BLOCK), min(stop, (block + 1) * BLOCK)
            part = slice(first - block * BLOCK, last - block * BLOCK)
            yield first, self.views(np.asarray(labels[first - start : last - start]), cut(draws, part))

    def items(self, labels: Any, start: int, *, seed: int, name: str, kind: str) -> torch.Tensor:
        """All of `batches` in one tensor, (n, *task.shape) of task.dtype."""
        views = torch.empty((len(labels), *self.task.shape), dtype=self.task.dtype, device=self.device)
        for first, batch in self.batches(labels, start, seed=seed, name=name, kind=kind):
            views[first - start :][: len(batch)] = batch
        return views


def _keep_memory() -> None:
    """Let the C library keep what is freed, or each view's floats cost a fifth of its time in page faults.

    glibc returns memory to the system once twice the largest mapped block that was ever freed lies idle, and blocks
    count up to 32 MB. This one is never touched.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _made_ahead(make: Callable[[A], B], inputs: Iterable[A], threads: int) -> Iterator[B]:
    """`map`, with as many results made ahead of time as there are threads."""
    if not threads:
        yield from map(make, inputs)
        return
    inputs = iter(inputs)
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(make, one) for one in islice(inputs, threads))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(make, one) for one in islice(inputs, 1))
            yield result


def contact_sheet(mosaics: Mosaics, labels: np.ndarray, views: int, *, seed: int) -> np.ndarray:
    """Labels in rows; in columns the mosaic without noise, and then some of its views.

    Args:
        labels: int64 (n,).

    Returns:
        (n, 1 + views, H, W) in grey or (n, 1 + views, H, W, 3) in colour, float32 or uint8 as the task has it.

    Raises:
        InputError: see `Mosaics.plain`.
    """
    plain = mosaics.plain(labels)[:, None]
    noisy = mosaics.items(np.repeat(labels, views), 0, seed=seed, name="contact sheet", kind="database")
    sheet = torch.cat([plain, noisy.unflatten(0, (len(labels), views))], 1).cpu().numpy()
    return np.moveaxis(sheet, 2, -1) if sheet.shape[2] > 1 else sheet[:, :, 0]
