"""Which images of a bank show a class or an identity, for tasks whose labels are these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# How far two views of a label show different images of its identities: in every cell of the mosaic, or in any.
DIFFER = ("every_cell", "any_cell")


@dataclass(frozen=True, eq=False)
class Classes:
    """The images of each class that has some; classes without an image are left out, the others keep their order.

    An identity is a class whose images show one thing; a bank of identities has several images of each.

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
        """Return the classes, or the identities, of a split's images from that of each, int64 (N,)."""
        _, counts = np.unique(labels, return_counts=True)
        return cls(np.argsort(labels, kind="stable"), np.cumsum(counts) - counts, counts)

    def __len__(self) -> int:
        """Return the number of classes that have images."""
        return len(self.counts)

    def choose(
        self, classes: np.ndarray, chosen: np.ndarray, step: np.ndarray | None = None, differ: str = "every_cell"
    ) -> np.ndarray:
        """Return an image of each class: the one whose place among the class's images is the remainder of `chosen`.

        Args:
            classes: of the mosaics' cells, int64 (n, images), in [0, len(self)). chosen: int64 of that shape, from 0.
            step: int64 of that shape; where it is not 0, another image is shown in place of the chosen one: see
                `others`, which takes `differ`, too. None is 0.

        Returns:
            Numbers of images, int64 of that shape.
        """
        counts = self.counts[classes]
        places = chosen % counts
        if step is not None:
            places = others(places, counts, step, differ)
        return self.order[self.starts[classes] + places]


def others(places: np.ndarray, counts: np.ndarray, step: np.ndarray, differ: str) -> np.ndarray:
    """Return other places among the images of mosaics' cells, each of the others alike if `step` is drawn uniformly.

    `every_cell` takes another image in every cell. `any_cell` numbers the combinations of a mosaic's images and takes
    another one, so that at least one cell differs; the public code draws pairs so (`unique_randint_mosaic`).

    Args:
        places, counts: int64 (n, images); places are in [0, counts), and counts are 2 or more where anything is moved.
        step: int64 (n, images); where it is 0, nothing is moved. `any_cell` reads the first cell's alone.
        differ: one of DIFFER.

    Returns:
        int64 (n, images), in [0, counts).
    """
    if differ == "every_cell":
        return (places + _further(step, counts)) % counts
    combinations = np.cumprod(counts, axis=1)
    weights, total = combinations // counts, combinations[:, -1:]
    combination = (places * weights).sum(axis=1, keepdims=True) + _further(step[:, :1], total)
    return combination % total // weights % counts


def _further(step: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how far another place is ahead: 1 to counts - 1, or 0 where the step is 0."""
    return np.where(step > 0, 1 + step % np.maximum(counts - 1, 1), 0)
