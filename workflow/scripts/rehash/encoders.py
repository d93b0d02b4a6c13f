"""What every encoder of images has in common, whatever wing it comes from: images go in, logits come out.

An *encoder* is a function from a batch of inputs on a device, images float32 (B, C, H, W) on [0, 1] or vectors float32
(B, D), to logits, float32 (B, K). A bit of the code is 1 where its logit is above 0; of an encoder of real numbers the
logits are themselves what is compared, by their cosine.

Each wing opens its own encoders by functions of one signature, `open(files, settings, wanted) -> Encoder`, which
`rehash.comparison.kinds` lists by name: `files` has the paths of what was trained or fitted, by role, `settings` the
source's block of the config.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rehash.datasets.layout import Dataset
from rehash.errors import InputError
from rehash.seeds import stream

Encoder = Callable[[torch.Tensor], torch.Tensor]
BATCH = 500  # inputs that an encoder is shown at a time; how sums are rounded can depend on it


@dataclass(frozen=True)
class Wanted:
    """What is asked of an encoder.

    Attributes:
        bits: K, the length of a code; 0 asks for as many real numbers as the encoder has.
        repeat: which of several encoders that differ in their random numbers only, from 0.
        shape: of an input: (C, H, W) of an image, (D,) of a vector. classes: of the dataset's labels.
        data: the dataset's checksum, which what was trained on it must have been trained on.
        dataset: its name. seed: the root seed.
        device: where the encoder computes. where: the key of the config that asks, for messages.
    """

    bits: int
    repeat: int
    shape: tuple[int, ...]
    classes: int
    data: str
    dataset: str
    seed: int
    device: torch.device
    where: str

    @classmethod
    def of(cls, images: Dataset, bits: int, repeat: int, device: torch.device, **about: Any) -> Wanted:
        """Make what is asked of an encoder of a dataset's inputs.

        Args:
            about: dataset, seed and where.
        """
        one = as_batch(images.train.inputs[:1], torch.device("cpu"))
        return cls(bits, repeat, tuple(one.shape[1:]), len(images.class_names), images.checksum, device=device, **about)

    @property
    def real(self) -> bool:
        """Return whether real numbers are asked for and not bits."""
        return self.bits == 0

    def check_data(self, data: str, path: str) -> None:
        """Raise an InputError if the file at `path` was made of other data, of this checksum, than the dataset."""
        if data != self.data:
            raise InputError(
                f"{self.where}: {path} was trained on other data than {self.dataset} has now; make it again with: "
                f"snakemake --cores all --force {path}"
            )

    def draw_bits(self, among: np.ndarray, what: str, *names: object) -> np.ndarray:
        """Draw which of N numbers become the bits of a code, int64 (bits,); fewer bits are the first of more.

        Args:
            among: bool (N,), which numbers may be drawn. what: what has them, for the message.
            names: of the random order, which is one for the numbers whatever is asked of them, and for each repeat.

        Raises:
            InputError: there are not so many.
        """
        order = stream(self.seed, "comparison", "bits", *names, self.repeat).permutation(len(among))
        found = order[among[order]]
        if len(found) < self.bits:
            raise InputError(
                f"{self.where}: {self.bits} bits of {what}, which has {len(found)}; expected at most so many: say "
                "`bits` for this source alone"
            )
        return found[: self.bits]


def as_batch(inputs: np.ndarray, device: torch.device) -> torch.Tensor:
    """Convert inputs of a dataset to what an encoder is shown.

    Args:
        inputs: as in `rehash.datasets.layout.Split`: images, uint8 (B, H, W) or (B, H, W, C), or vectors, float32
            (B, D).

    Returns:
        Images float32 (B, C, H, W) on [0, 1], or the vectors.
    """
    found = torch.from_numpy(np.ascontiguousarray(inputs)).to(device)
    if found.ndim == 2:
        return found
    return (found[:, None] if found.ndim == 3 else found.permute(0, 3, 1, 2)).contiguous().float().div_(255)


@torch.inference_mode()
def encoded(encoder: Encoder, inputs: np.ndarray, device: torch.device, batch: int = BATCH) -> Iterator[np.ndarray]:
    """Yield the logits of all inputs, batch by batch: float32 (B, K) on the CPU."""
    for start in range(0, len(inputs), batch):
        yield encoder(as_batch(inputs[start : start + batch], device)).cpu().numpy()
