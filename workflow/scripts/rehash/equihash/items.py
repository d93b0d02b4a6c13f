"""Any items of a database by their numbers: their labels and their views, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from rehash.equihash import plan
from rehash.equihash.databases.label_files import LabelShards
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.noise import BLOCK
from rehash.equihash.images.task import Task
from rehash.errors import InputError


@dataclass(frozen=True, eq=False)
class Items:
    """A database as a sequence of views, none of which is stored: items[i] is the same view whenever it is asked for.

    An index is the number of an item, counted from the end if it is negative; a list of numbers, in any order, with or
    without repeats; or a slice, with a step of either sign. Views are of the task's dtype, (*task.shape) for a number
    and else (n, *task.shape).

    Attributes:
        shards: the database's labels. mosaics: what its views are made of. seed: of their noise.
    """

    shards: LabelShards
    mosaics: Mosaics
    seed: int

    def __len__(self) -> int:
        return self.shards.database.n_items

    def labels(self, index: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Return the labels of several items, int64 (n,)."""
        return self.shards.take(self._numbers(index))

    def __getitem__(self, index: int | Sequence[int] | np.ndarray | slice) -> torch.Tensor:
        """Return the views of one item or of several.

        The noise of a whole block of items is drawn for one of them, so near items together cost less than apart.

        Raises:
            InputError: there is no such item.
        """
        if isinstance(index, (int, np.integer)):
            return self[[index]][0]
        numbers = self._numbers(index)
        views = torch.empty((len(numbers), *self.mosaics.task.shape), dtype=self.mosaics.task.dtype)
        order = np.argsort(numbers, kind="stable")
        labels, name = self.shards.take(numbers), self.shards.database.name
        for _, group in groupby(order, key=lambda place: numbers[place] // BLOCK):
            places = np.array(list(group))
            first, last = numbers[places[0]], numbers[places[-1]]
            shown = np.zeros(last - first + 1, np.int64)  # label 0 for those between them, which nobody sees
            shown[numbers[places] - first] = labels[places]
            made = self.mosaics.items(shown, int(first), seed=self.seed, name=name, kind="database")
            views[places] = made[numbers[places] - first]
        return views

    def _numbers(self, index: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        if isinstance(index, slice):
            return np.arange(*index.indices(len(self)))
        numbers = np.asarray(index, np.int64).reshape(-1)
        wrong = numbers[(numbers < -len(self)) | (numbers >= len(self))]
        if len(wrong):
            raise InputError(
                f"database {self.shards.database.name}: item {wrong[0]} was asked for; it has the items 0 to "
                f"{len(self) - 1}, or -{len(self)} to -1 from the end"
            )
        return np.where(numbers < 0, numbers + len(self), numbers)


def open_items(config: dict, database: str, folder: str | Path = ".") -> Items:
    """Open the items of a database of a config, whose labels and bank the workflow has made.

    Args:
        config: as `rehash.config.validated` returns it. folder: where the workflow ran.

    Raises:
        InputError: there is no such database, its labels are unknown, or a file is missing or damaged; the message
            names it.
    """
    plan.check_shown(config, database)
    found = plan.block(config, "databases", database)
    shown = plan.encoding_params(config, found["task"], plan.DEFAULT, database)
    files = {role: Path(folder, path) for role, path in plan.task_inputs(config, found["task"]).items()}
    shards = LabelShards.open([Path(folder, path) for path in plan.label_files(config, database)])
    bank = Bank.open(files["bank"], shown["split"])
    return Items(shards, Mosaics.open(Task.of(shown["task"]), bank, files.get("perlin"), CPU), shown["seed"])
