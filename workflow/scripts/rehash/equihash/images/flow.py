"""The Perlin flow: fields of Perlin noise move the pixels of a view, less towards the border or the corners."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import grid_sample

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
        pairs = zip((self.coarse, self.fine), numbers.unbind(-1))
        return tuple(_rows(fields, chosen).to(device) for fields, chosen in pairs)


def _rows(fields: np.ndarray | torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    if isinstance(fields, torch.Tensor):
        return fields[numbers.to(fields.device, non_blocking=True)]
    return torch.from_numpy(fields[numbers.cpu().numpy()])


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

        Pixels stand at linspace(-1, 1) inclusive and are read with grid_sample's align_corners=False, as published. So
        even without a displacement the outermost pixels are read half a pixel outside their centres.

        Args:
            pictures: float32 (N, C, H, W). coarse, fine: int8 (N, 2, H, W), displacements along x, then along y.
            strength: the factor of each view, float32 (N,); by default all are 1.

        Returns:
            float32 (N, C, H, W).
        """
        grid = torch.empty(coarse.shape, device=pictures.device)
        factor = None if strength is None else strength[:, None, None]
        if self.fade:
            fade = _fade_table(self, tuple(coarse.shape[2:]), pictures.device)
            factor = fade if factor is None else factor * fade
        for axis, shape in ((0, (1, -1)), (1, (-1, 1))):
            tables = _axis_tables(self, coarse.shape[3 - axis], pictures.device)
            places, by_coarse, by_fine = (table.reshape(shape) for table in tables)
            moved = coarse[:, axis].float().mul_(by_coarse).add_(fine[:, axis].float().mul_(by_fine))
            if factor is not None:
                moved.mul_(factor)
            torch.add(moved, places, out=grid[:, axis])
        # The grid is a view of two planes, x and y: the kernel reads them faster than interleaved pairs.
        return grid_sample(pictures, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)


@cache
def _axis_tables(flow: Flow, size: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Return the places of an axis' pixels and the factors of both displacements, float32 (size,), kept on the device.

    They would otherwise be copied to a GPU for each few views.
    """
    values = (np.linspace(-1, 1, size), *(flow.weights(size) / divisor for divisor in (flow.coarse, flow.fine)))
    with torch.inference_mode(False):  # for all who come later, too
        return tuple(torch.from_numpy(each.astype(np.float32)).to(device) for each in values)


@cache
def _fade_table(flow: Flow, size: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return `Flow.radial`, float32 (H, W), kept on the device."""
    with torch.inference_mode(False):
        return torch.from_numpy(flow.radial(*size).astype(np.float32)).to(device)
