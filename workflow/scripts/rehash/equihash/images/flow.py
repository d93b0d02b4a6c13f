"""The Perlin flow: fields of Perlin noise move the pixels of a view, less towards the border or the corners."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from rehash.equihash.images.perlin import LARGEST, open_fields
from rehash.errors import InputError

_SLICE = 2**28  # bytes that are copied to a GPU at a time


def uploaded(content: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy an array (n, ...), perhaps memory-mapped, to a device, with one slice of it in the host's memory at a time.

    Returns:
        A tensor of the array's shape and type.
    """
    if torch.is_tensor(content):
        return content.to(device)
    kind = torch.from_numpy(np.empty(0, content.dtype)).dtype
    held = torch.empty(content.shape, dtype=kind, device=device)
    step = max(1, _SLICE // max(1, content[:1].nbytes))
    for start in range(0, len(content), step):
        # A copy in memory of the slice: torch warns of arrays that cannot be written to, as those of a map.
        held[start : start + step] = torch.from_numpy(np.array(content[start : start + step])).to(device)
    return held


@dataclass(frozen=True, eq=False)
class PerlinFields:
    """A Perlin bank: coarse and fine fields, int8 (count, H, W), as (memory-mapped) arrays or tensors on a device.

    Raises:
        InputError: there is no field, or the two arrays differ in shape or are not int8.
    """

    coarse: np.ndarray | torch.Tensor
    fine: np.ndarray | torch.Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(fields.shape) for fields in (self.coarse, self.fine)]
        if shapes[0] != shapes[1] or len(shapes[0]) != 3:
            raise InputError(f"Perlin bank: coarse is {shapes[0]} and fine {shapes[1]}; expected one (count, H, W)")
        if not len(self):
            raise InputError("Perlin bank: it has 0 fields; expected 1 or more")
        kinds = [str(fields.dtype).removeprefix("torch.") for fields in (self.coarse, self.fine)]
        if kinds != ["int8", "int8"]:
            raise InputError(f"Perlin bank: coarse is {kinds[0]} and fine {kinds[1]}; expected int8")

    @classmethod
    def open(cls, path: str | Path) -> PerlinFields:
        """Open the bank in a file of `rehash.equihash.images.perlin.write_perlin`, memory-mapped.

        Raises:
            InputError: the file is not a complete Perlin bank.
        """
        return cls(open_fields(path, "coarse"), open_fields(path, "fine"))

    def to(self, device: torch.device) -> PerlinFields:
        """Return the whole bank as tensors on a device, copied slice by slice."""
        return PerlinFields(*(uploaded(fields, device) for fields in (self.coarse, self.fine)))

    def __len__(self) -> int:
        return len(self.coarse)

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of all fields."""
        return self.coarse.nbytes + self.fine.nbytes

    @property
    def size(self) -> tuple[int, int]:
        """Return the height and width of the fields."""
        return tuple(self.coarse.shape[1:])

    def take(self, numbers: torch.Tensor, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the coarse and fine fields of the given numbers, int64 (N, A, 2), as two int8 (N, A, H, W)."""
        return tuple(rows_on(*each, device) for each in zip((self.coarse, self.fine), numbers.unbind(-1)))


def rows_on(array: np.ndarray | torch.Tensor, numbers: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the rows of an array, perhaps memory-mapped, at `numbers`, int64 of any shape, on a device."""
    if isinstance(array, torch.Tensor):
        return array[numbers.to(array.device, non_blocking=True)].to(device)
    return torch.from_numpy(array[numbers.cpu().numpy()]).to(device)


@dataclass(frozen=True)
class Flow:
    """The strength of a flow: fields n1 and n2 move a pixel by n1 / coarse + n2 / fine half widths and half heights.

    n1 is the coarse field, n2 the fine one.

    taper: whether a displacement fades towards the two borders of its own axis, so that int8 fields cannot reach
    beyond them: by clip((1 - |x|) / (127 / coarse + 127 / fine), 0, 1) at x in [-1, 1].
    strength: the largest factor of a view's displacements, which is drawn for each view as the square of a number that
    is uniform from 0 to sqrt(strength); None draws none, and all views have the factor 1.
    fade: a and b, if a displacement fades with the distance r = sqrt(x^2 + y^2) from the centre: by sigmoid(a - b r).
    """

    coarse: float = 320
    fine: float = 640
    taper: bool = True
    strength: float | None = None
    fade: tuple[float, float] | None = None

    def weights(self, size: int) -> np.ndarray:
        """Return the factor of the displacements along an axis of `size` pixels, float64 (size,)."""
        reach = LARGEST / self.coarse + LARGEST / self.fine
        return np.clip((1 - np.abs(np.linspace(-1, 1, size))) / reach, 0, 1) if self.taper else np.ones(size)

    def radial(self, height: int, width: int) -> np.ndarray:
        """Return the factor by which displacements fade with the distance from the centre, float64 (height, width)."""
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
        start, slope = self.fade
        return 1 / (1 + np.exp(slope * np.sqrt(x**2 + y**2) - start))

    def displace(
        self, pictures: torch.Tensor, coarse: torch.Tensor, fine: torch.Tensor, strength: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return images whose pixel at (x, y) is read at (x, y) + displacement (bilinear; the border's colour outside).

        Pixels stand at linspace(-1, 1) inclusive and are read as grid_sample does with align_corners=False, as
        published. So even without a displacement the outermost pixels are read half a pixel outside their centres.
        Operations and their order: `rehash.equihash.images.views`.

        Args:
            pictures: float32 (N, C, H, W). coarse, fine: int8 (N, 2, H, W), displacements along x, then along y.
            strength: the factor of each view, float32 (N,); by default all are 1.

        Returns:
            float32 (N, C, H, W).
        """
        factor = None if strength is None else strength[:, None, None]
        if self.fade:
            fade = fade_on(self, tuple(coarse.shape[2:]), pictures.device)
            factor = fade if factor is None else factor * fade
        places = []
        for axis, shape in ((0, (1, -1)), (1, (-1, 1))):
            size = coarse.shape[3 - axis]
            place, by_coarse, by_fine = (table.reshape(shape) for table in tables_on(self, size, pictures.device))
            moved = (coarse[:, axis] * by_coarse).add_(fine[:, axis] * by_fine)
            if factor is not None:
                moved.mul_(factor)
            places.append(moved.add_(place).add_(1).mul_(size / 2).sub_(0.5).clamp_(0, size - 1))
        return read_between(pictures, *places)


def read_between(pictures: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Read images between their pixels, bilinearly.

    Args:
        pictures: float32 (N, C, H, W). x, y: where each pixel of the result is read, float32 (N, H', W'), pixels from
            the centre of the first one, in [0, W - 1] and [0, H - 1].

    Returns:
        float32 (N, C, H', W').
    """
    height, width = pictures.shape[2:]
    left, top = x.floor(), y.floor()
    west, north = x - left, y - top  # how far it is from the pixel to the left, and from the one above
    east, south = 1 - west, 1 - north
    corners = ((0, 0, south * east), (0, 1, south * west), (1, 0, north * east), (1, 1, north * west))
    found = None
    for down, right, weight in corners:
        # Beyond the last pixel, where the weight is 0, the last one is read.
        row, column = (top.long() + down).clamp_(max=height - 1), (left.long() + right).clamp_(max=width - 1)
        at = (row * width + column).flatten(1)[:, None].expand(-1, pictures.shape[1], -1)
        part = pictures.flatten(2).gather(2, at).unflatten(2, x.shape[1:]) * weight[:, None]
        found = part if found is None else found + part
    return found


@cache
def axis_tables(flow: Flow, size: int) -> np.ndarray:
    """Return the places of an axis' pixels and the factors of a coarse and a fine displacement, float32 (3, size)."""
    factors = (flow.weights(size) / divisor for divisor in (flow.coarse, flow.fine))
    return np.stack([np.linspace(-1, 1, size), *factors]).astype(np.float32)


@cache
def fade_table(flow: Flow, size: tuple[int, int]) -> np.ndarray:
    """Return `Flow.radial`, float32 (H, W), or (0, 0) for a flow that does not fade."""
    return flow.radial(*size).astype(np.float32) if flow.fade else np.empty((0, 0), np.float32)


@cache
def tables_on(flow: Flow, size: int, device: torch.device) -> torch.Tensor:
    """Return `axis_tables`, kept on a device, to which they would otherwise be copied for each few views."""
    with torch.inference_mode(False):  # for all who come later, too
        return torch.from_numpy(axis_tables(flow, size)).to(device)


@cache
def fade_on(flow: Flow, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return `fade_table`, kept on a device."""
    with torch.inference_mode(False):
        return torch.from_numpy(fade_table(flow, size)).to(device)
