"""Which images of a bank show a class, for tasks whose labels are classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Classes:
    """The images of each class that has some; classes without an image are left out, the others keep their order.

    Attributes:
        order: int64 (N,), the numbers of all images, class by class and ascending within one.
        starts: int64 (C,), where in `order` a class begins.
        counts: int64 (C,), how many images it has.
    """

    order: np.ndarray
    starts: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray) -> Classes:
        """Return the classes of a split's images from the class of each, int64 (N,)."""
        _, counts = np.unique(labels, return_counts=True)
        return cls(np.argsort(labels, kind="stable"), np.cumsum(counts) - counts, counts)

    def __len__(self) -> int:
        """Return the number of classes that have images."""
        return len(self.counts)

    def choose(self, classes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return an image of each class: the one whose place among the class's images is the remainder of `chosen`.

        Args:
            classes: int64, of any shape, in [0, len(self)). chosen: int64 of that shape, from 0.

        Returns:
            Numbers of images, int64 of that shape.
        """
        return self.order[self.starts[classes] + chosen % self.counts[classes]]
