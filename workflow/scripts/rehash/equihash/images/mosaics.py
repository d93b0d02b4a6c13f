"""Mosaics of images and their noisy views, made from labels when they are needed, on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from rehash.equihash.images.augment import move, relight
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.classes import Classes
from rehash.equihash.images.flow import PerlinFields, uploaded
from rehash.equihash.images.layout import image_numbers, lay_out
from rehash.equihash.images.noise import BLOCK, CHOICES, Change, Choice, Draws, Source, Warp, cut, item_draws
from rehash.equihash.images.perlin import describe_perlin
from rehash.equihash.images.task import Task
from rehash.equihash.images.views import noisy, warped_on
from rehash.errors import InputError
from rehash.store import value_digest

CPU = torch.device("cpu")
_ROOM = 2**33  # bytes of a GPU that are left for a network and its activations, but no more than half of it
# Pixels of the views made at a time: few enough for a CPU's cache to hold their floats, enough to keep a GPU busy.
_PIXELS_ON_A_CPU, _PIXELS_ON_A_GPU = 2**18, 2**23


class ImageBank(Protocol):
    """A source of images by number: uint8 (n, H, W[, 3]), an array or a tensor on the device."""

    images: np.ndarray | torch.Tensor  # all of them, perhaps memory-mapped

    def __len__(self) -> int: ...
    def take(self, indices: np.ndarray) -> np.ndarray | torch.Tensor: ...


@dataclass(frozen=True, eq=False)
class DeviceBank:
    """A bank's images, held on a device: uint8 (n, H, W[, 3])."""

    images: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> torch.Tensor:
        """Return the images at `indices`, int64 (n,); a GPU goes on computing while they are copied there."""
        places = torch.from_numpy(np.ascontiguousarray(indices))
        if self.images.device.type == "cuda":
            places = places.pin_memory()
        return self.images[places.to(self.images.device, non_blocking=True)]


@dataclass(frozen=True, eq=False)
class Mosaics:
    """The mosaics of a task, made of the images of a bank.

    perlin: the fields of a task's flow. classes: which images show a class or an identity, if the task's labels are
        made of these.

    Raises:
        InputError: the task has a flow and its Perlin fields are missing or of another size than the mosaics; the bank
            has fewer images or identities than the task's bank_size; or classes are its labels, or its views are
            instances, and the bank has none.
    """

    task: Task
    bank: ImageBank
    perlin: PerlinFields | None = None
    device: torch.device = CPU
    classes: Classes | None = None

    def __post_init__(self) -> None:
        if self.device.type == "cpu":
            _keep_memory()
        if self.task.flows:
            size = "x".join(map(str, self.task.shape[1:]))
            if self.perlin is None:
                raise InputError(f"task: {self.task.kind} views need a Perlin bank of {size} fields; there is none")
            if self.perlin.size != self.task.shape[1:]:
                found = "x".join(map(str, self.perlin.size))
                raise InputError(f"Perlin bank: its fields are {found}; expected {size}, the size of the mosaics")
        if self.task.labels == "classes" and self.classes is None:
            raise InputError(
                "task: labels are classes, but the bank's images have none; take a bank of a dataset (reader digits), "
                "or set labels: images"
            )
        if self.task.kind == "instances":
            self._check_identities()
        _ = self._shown  # refuses a bank_size beyond the bank

    def _check_identities(self) -> None:
        if self.classes is None:
            raise InputError(
                "task: views are instances, but the bank has no identities; take a bank with the reader identities "
                "(a folder of your own), digiface or stereo"
            )
        most = int(self.classes.counts.max())
        if self.task.differ == "any_cell" and most**self.task.images > CHOICES:
            raise InputError(
                f"task: differ is any_cell, and {self.task.images} cells with up to {most} images each have too many "
                "combinations to number; set differ: every_cell"
            )

    @classmethod
    def open(cls, task: Task, bank: Bank, perlin: str | Path | None, device: torch.device) -> Mosaics:
        """Open the mosaics of a task from its files (see `open_all`)."""
        return cls.open_all(task, {bank.split: bank}, perlin, device)[bank.split]

    @classmethod
    def open_all(
        cls, task: Task, banks: Mapping[str, Bank], perlin: str | Path | None, device: torch.device
    ) -> dict[str, Mosaics]:
        """Open the mosaics of a task for several splits of its bank, which share one copy of the Perlin fields.

        On a CPU, images and fields are mapped. A GPU holds the fields, which every split needs, then the images of one
        split after the other, each as a whole if it fits.

        Args:
            banks: by split.

        Returns:
            The mosaics by split.

        Raises:
            InputError: task, bank and Perlin bank do not fit together.
        """
        fields, images = PerlinFields.open(perlin) if perlin else None, dict(banks)
        if device.type == "cuda":
            sizes = [bank.images.nbytes for bank in banks.values()]
            on_it = fitting(torch.cuda.mem_get_info(device)[0], [fields.nbytes if fields else 0, *sizes])
            if fields and on_it[0]:
                fields = fields.to(device)
            held = [split for split, fits in zip(banks, on_it[1:]) if fits]
            images |= {split: DeviceBank(uploaded(banks[split].images, device)) for split in held}
        classes = {split: _classes(task, bank) for split, bank in banks.items()}
        return {split: cls(task, each, fields, device, classes[split]) for split, each in images.items()}

    @property
    def label_count(self) -> int:
        """Return how many labels there are; they run from 0 to this number, exclusive."""
        return self.task.label_count(self._shown)

    @property
    def _shown(self) -> int:
        """Return how many images, classes or identities a place in a mosaic can show."""
        return self.task.bank_images(len(self.bank) if self.classes is None else len(self.classes))

    def plain(self, labels: np.ndarray) -> torch.Tensor:
        """Return the mosaics of labels, without noise; classes and identities show their first image.

        Args:
            labels: int64 (n,), in [0, label_count).

        Returns:
            (n, *task.shape) of task.dtype: float32 in [0, 1], or uint8.

        Raises:
            InputError: a label is out of range, or the bank's images do not fit the task.
        """
        return self._mosaics(labels, self._first(labels))

    def _first(self, labels: np.ndarray) -> np.ndarray:
        """Return what chooses the first image of each class and identity."""
        return np.zeros((len(labels), self.task.images), np.int64)

    def _mosaics(self, labels: np.ndarray, chosen: np.ndarray, step: np.ndarray | None = None) -> torch.Tensor:
        """Return the mosaics of labels; of classes and identities, `chosen` and `step` choose the images.

        Args:
            chosen, step: int64 (n, images), see `Classes.choose`.
        """
        numbers = self._numbers(labels, chosen, step)
        images = torch.as_tensor(self.bank.take(numbers.ravel()), device=self.device)
        shape = (len(labels), *self.task.grid, *self.task.picture, self.task.shape[0])
        placed = images.reshape(shape).permute(0, 1, 2, 5, 3, 4)
        if self.task.dtype == torch.float32:
            placed = placed.float().mul_(1 / 255)
        return lay_out(placed, self.task.overlap)

    def _numbers(self, labels: np.ndarray, chosen: np.ndarray, step: np.ndarray | None = None) -> np.ndarray:
        """Return the numbers of the images of labels' mosaics, int64 (n, images); see `_mosaics`."""
        labels, count = np.asarray(labels), self.label_count
        if len(wrong := labels[(labels < 0) | (labels >= count)]):
            raise InputError(
                f"label {wrong[0]}: {self._shown} {self.task.of_what} in a grid of {self.task.grid[0]} x "
                f"{self.task.grid[1]} make the labels 0 to {count - 1}"
            )
        images = self.bank.images
        kind = str(images.dtype).removeprefix("torch.")
        if tuple(images.shape[1:]) != self.task.picture_shape or kind != "uint8":
            found, expected = ("x".join(map(str, shape)) for shape in (images.shape[1:], self.task.picture_shape))
            has_colour = self.task.kind in ("augmented", "instances")
            way_out = "; set its picture, and colour for images in colour" if has_colour else ""
            raise InputError(
                f"bank: its images are {kind} {found}; {self.task.kind} mosaics need uint8 {expected}{way_out}"
            )
        numbers = image_numbers(labels, self._shown, self.task.images)
        return numbers if self.classes is None else self.classes.choose(numbers, chosen, step, self.task.differ)

    def draw(self, source: Source, n: int) -> Draws:
        """Draw the random numbers of n views."""
        return self.task.draw(source, n, len(self.perlin) if self.perlin else 0)

    def draw_pairs(self, source: Source, labels: np.ndarray) -> Draws:
        """Draw the random numbers of pairs of views, one pair after the other; labels: int64 (n, 2)."""
        draws = self.draw(source, labels.size)
        return draws.of_pairs(labels) if isinstance(draws, Choice) else draws

    def views(self, labels: np.ndarray, draws: Draws) -> torch.Tensor:
        """Return views of labels, with the noise that their draws give.

        Args:
            labels: int64 (n,). draws: the random numbers of the n views.

        Returns:
            (n, *task.shape) of task.dtype; noisy and augmented views go beyond [0, 1].

        Raises:
            InputError: see `plain`.
        """
        return self._in_parts(np.asarray(labels), lambda part: cut(draws, part))

    def _in_parts(self, labels: np.ndarray, draws_of: Callable[[slice], Draws]) -> torch.Tensor:
        """Make views a few at a time, so that their random numbers and all else on the way stay small."""
        step, count = self._together, len(labels)
        if self.task.flows and 0 < count <= step:
            return self._made(labels, draws_of(slice(0, count)))
        # In this order in memory, whatever that of the parts is: a network rounds otherwise in another.
        views = torch.empty((count, *self.task.shape), dtype=self.task.dtype, device=self.device)
        for first in range(0, count, step):
            part = slice(first, min(first + step, count))
            views[part] = self._made(labels[part], draws_of(part))
        return views

    @property
    def _together(self) -> int:
        """Return how many views are made at a time."""
        on_a_cpu = self.device.type == "cpu"
        if on_a_cpu and self.task.flows:
            return BLOCK  # one after the other, with nothing on the way but a few numbers each
        return max(1, (_PIXELS_ON_A_CPU if on_a_cpu else _PIXELS_ON_A_GPU) // prod(self.task.shape[1:]))

    def _made(self, labels: np.ndarray, draws: Draws) -> torch.Tensor:
        if isinstance(draws, Change):
            return self._augmented(self._mosaics(labels, draws.chosen.cpu().numpy()), draws)
        if isinstance(draws, Choice):
            return self._mosaics(labels, *(drawn.cpu().numpy() for drawn in draws))
        here = type(draws)(*(drawn.to(self.device, non_blocking=True) for drawn in draws))
        if isinstance(draws, Warp):
            numbers = self._numbers(labels, self._first(labels)).reshape(-1, *self.task.grid)
            return warped_on(self.task, self.device)(self.task, self.bank.images, numbers, self.perlin, here)
        return noisy(self.plain(labels), here.normal, self.task.gaussian)

    def _augmented(self, mosaics: torch.Tensor, draws: Change) -> torch.Tensor:
        task = self.task
        if task.shift or task.rotation or task.scale or task.flip:
            moved = (draws.shift, draws.angle, draws.factor, draws.mirrored)
            mosaics = move(mosaics, *(drawn.to(self.device) for drawn in moved))
        if task.brightness or task.contrast:
            mosaics = relight(mosaics, draws.brightness.to(self.device), draws.contrast.to(self.device))
        return noisy(mosaics, draws.normal.to(self.device), task.gaussian) if task.gaussian else mosaics

    def batches(
        self, labels: Any, start: int, *, seed: int, name: str, kind: str
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield the views of items start, start + 1, ..., block by block, with the number of each block's first item.

        An item's view does not depend on where a range begins or ends. Memory holds one block.

        Args:
            labels: the labels of the n items: an array, or anything whose slices are arrays.
            name, kind: of the random numbers, see `rehash.equihash.images.noise.PositionSource.of`.

        Raises:
            InputError: see `plain`; or there is no such kind.
        """
        at, stop = start, start + len(labels)
        while at < stop:
            end = min(stop, (at // BLOCK + 1) * BLOCK)
            shown = np.asarray(labels[at - start : end - start])
            yield at, self.views_of(shown, np.arange(at, end), seed=seed, name=name, kind=kind)
            at = end

    def views_of(self, labels: np.ndarray, items: np.ndarray, *, seed: int, name: str, kind: str) -> torch.Tensor:
        """Return the views of items with these labels and numbers, both int64 (n,), as `batches` yields them."""

        def drawn(part: slice) -> Draws:
            numbers = items[part]
            make = partial(self.draw, n=len(numbers))
            return item_draws(make, seed, name, kind, numbers, self.device)

        return self._in_parts(np.asarray(labels), drawn)

    def items(self, labels: Any, start: int, *, seed: int, name: str, kind: str) -> torch.Tensor:
        """Return all of `batches` in one tensor, (n, *task.shape) of task.dtype."""
        numbers = np.arange(start, start + len(labels))
        return self.views_of(np.asarray(labels), numbers, seed=seed, name=name, kind=kind)


def _classes(task: Task, bank: Bank) -> Classes | None:
    """Return the classes or identities of a bank's images, if the task's labels are made of them and it has some."""
    if bank.identities is not None and task.kind != "instances":
        raise InputError(
            f"{bank.path}: a bank of identities, for tasks of the kind instances; this one is {task.kind}. To take "
            "each image for itself, read the folder with the reader image_folder"
        )
    of = {"classes": bank.labels, "identities": bank.identities}.get(task.of_what)
    return None if of is None else Classes.of(of)


def _keep_memory() -> None:
    """Make the C library keep freed memory; otherwise page faults take a fifth of the time that a view takes.

    glibc returns free memory to the system once it exceeds twice the largest mapped block that was ever freed; blocks
    of up to 32 MB count. The block allocated and freed here is never written to.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def fitting(free: int, sizes: Sequence[int]) -> list[bool]:
    """Decide which of some arrays a GPU can hold, the first ones first, with room left for a network's activations.

    Args:
        free: bytes that are free. sizes: bytes of each array.
    """
    left, found = free - min(free // 2, _ROOM), []
    for size in sizes:
        found.append(size <= left)
        left -= size if found[-1] else 0
    return found


def view_digests(bank: Bank, perlin: str | Path | None) -> dict[str, str]:
    """Return digests of the files of images and of fields by path, for the provenance: from their own attributes.

    The files hold gigabytes, which each job would have to read. A bank of images carries its checksum; fields follow
    from what `describe_perlin` returns.
    """
    fields = {str(perlin): value_digest(describe_perlin(perlin))} if perlin else {}
    return {str(bank.path): bank.checksum, **fields}


def view_dependencies(task: dict[str, Any], bank: Bank, perlin: str | Path | None) -> dict[str, Any]:
    """Return what views depend on besides labels and random streams, for saved states and for files of weights."""
    return {"task": task, "bank": bank.checksum, "perlin": describe_perlin(perlin) if perlin else None}
