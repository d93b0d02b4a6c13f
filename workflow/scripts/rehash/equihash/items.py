"""Any items of a database by their numbers: their labels and their views, made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rehash.equihash import plan
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.task import Task
from rehash.errors import InputError


@dataclass(frozen=True, eq=False)
class Items:
    """A database as a sequence of views, none of which is stored: items[i] is the same view whenever it is asked for.

    An index is the number of an item, counted from the end if it is negative; a list of numbers, in any order, with or
    without repeats; or a slice, with a step of either sign. Views are of the task's dtype, (*task.shape) for a number
    and else (n, *task.shape).

    Attributes:
        known: the database's labels. mosaics: what its views are made of. seed: of their noise.
    """

    known: Labels
    mosaics: Mosaics
    seed: int

    def __len__(self) -> int:
        return self.known.database.n_items

    def labels(self, index: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Return the labels of several items, int64 (n,)."""
        return self.known.take(self._numbers(index))

    def __getitem__(self, index: int | Sequence[int] | np.ndarray | slice) -> torch.Tensor:
        """Return the views of one item or of several.

        Raises:
            InputError: there is no such item.
        """
        if isinstance(index, (int, np.integer)):
            return self[[index]][0]
        numbers = self._numbers(index)
        of = {"seed": self.seed, "name": self.known.database.name, "kind": "database"}
        return self.mosaics.views_of(self.known.take(numbers), numbers, **of)

    def _numbers(self, index: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        if isinstance(index, slice):
            return np.arange(*index.indices(len(self)))
        numbers = np.asarray(index, np.int64).reshape(-1)
        wrong = numbers[(numbers < -len(self)) | (numbers >= len(self))]
        if len(wrong):
            raise InputError(
                f"database {self.known.database.name}: item {wrong[0]} was asked for; it has the items 0 to "
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
    known = Labels.open(Path(folder, plan.labels_file(database)))
    bank = Bank.open(files["bank"], shown["split"])
    return Items(known, Mosaics.open(Task.of(shown["task"]), bank, files.get("perlin"), CPU), shown["seed"])
