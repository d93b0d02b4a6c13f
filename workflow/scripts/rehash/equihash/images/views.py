"""Views in exact arithmetic: each operation and its order, so that every device gives every view the same bits.

All values are IEEE float32. Each +, -, x, / and floor is rounded once, to nearest; none is fused with another, replaced
by an approximation or put in another order. c is the float32 nearest to 1/255, and a byte stands for 0 to 255.

**A noisy view** is a mosaic whose bytes u became u x c, plus z x gaussian, z being its standard normal numbers.

**Where neighbours overlap**, the blend of one and the other is (other - one) x w + one: along the width, then along the
height (`layout.lay_out`).

**A warped or natural view** is computed pixel by pixel in five steps:

1. The blend of the images' bytes, rounded down to a whole number, gives red, green and blue: each x c.
2. They become hue, lightness and saturation, are shifted and come back (`colour.shift_colours`). With the largest M
   and the smallest m of them, total = M + m, chroma = M - m, and tiny the least normal number:
   lightness = total x 0.5; saturation = min(chroma / max(min(total, 2 - total), tiny), 1);
   turn = green - blue where red = M, else (blue - red) + chroma x 2 where green = M, else (red - green) + chroma x 4;
   hue = turn / max(chroma x 6, tiny), minus its floor.
   The noise: hue + h; lightness x (1 - |a|) + max(a, 0); saturation x (1 - |b|) + max(b, 0).
   Back: chroma = (min(lightness, 1 - lightness) x 2) x saturation; low = lightness - chroma x 0.5; high = low + chroma;
   turn = (hue - floor(hue)) x 6; d(k) = min(max(|turn - k| - 1, 0), 1) x chroma;
   red = d(3) + low; green = high - d(2); blue = high - d(4).
3. The place where a pixel is read, along either axis, for fields n1 and n2 and tables p, f1 and f2 of the axis
   (`flow.axis_tables`): (((n1 x f1 + n2 x f2) x g + p) + 1) x (size x 0.5) - 0.5, but at least 0 and at most size - 1.
   g is strength x fade, each of which is 1 for a task without it.
4. The value there, with the place's distances w and n from the pixels left of it and above it, e = 1 - w and s = 1 - n:
   ((upper left x (s x e) + upper right x (s x w)) + lower left x (n x e)) + lower right x (n x w).
5. That x 255, rounded towards zero.

Numbers below the least normal one vanish in a later sum, so that it does not matter whether a device keeps them.

`warped` is this in plain torch operations. For CPUs and GPUs it is compiled (`views_on_cpu`, `views_on_gpu`), with the
same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from rehash.equihash.images import views_on_cpu
from rehash.equihash.images.colour import shift_colours
from rehash.equihash.images.flow import PerlinFields, rows_on
from rehash.equihash.images.layout import lay_out, truncated
from rehash.equihash.images.noise import StreamSource, Warp, proven
from rehash.equihash.images.task import Task
from rehash.seeds import stream

Images = np.ndarray | torch.Tensor


def noisy(mosaics: torch.Tensor, normal: torch.Tensor, gaussian: float) -> torch.Tensor:
    """Add noise of a standard deviation to mosaics, float32, in place, and return them; see the module."""
    return mosaics.add_(normal * gaussian)


def warped(task: Task, images: Images, numbers: np.ndarray, fields: PerlinFields, draws: Warp) -> torch.Tensor:
    """Return views of a warped or natural task, in plain torch operations (see the module).

    Args:
        images: of the bank, uint8 (N, H, W, 3). numbers: those of each view's images, int64 (n, rows, columns).
        draws: of n views; they are on the device that computes.

    Returns:
        uint8 (n, *task.shape).
    """
    device = draws.hue.device
    pictures = rows_on(images, torch.from_numpy(numbers), device).permute(0, 1, 2, 5, 3, 4)
    saturation = draws.saturation if task.saturation else None
    coloured = shift_colours(lay_out(pictures, task.overlap), draws.hue, draws.lightness, saturation)
    strength = None if task.flow.strength is None else draws.strength
    moved = task.flow.displace(coloured, *fields.take(draws.fields, device), strength)
    return truncated(moved.mul_(255))


def warped_on(task: Task, device: torch.device) -> Callable[..., torch.Tensor]:
    """Return the fastest function that does for a task on a device what `warped` does."""
    if device.type == "cpu":
        return views_on_cpu.warped
    return _on_a_gpu(task, device) if device.type == "cuda" else warped


@cache
def _on_a_gpu(task: Task, device: torch.device) -> Callable[..., torch.Tensor]:
    """Return the views compiled for a GPU, once a few of a task's were equal to those of `warped`; else the latter."""

    def compiled() -> Callable[..., torch.Tensor]:
        from rehash.equihash.images import views_on_gpu

        return views_on_gpu.warped

    return proven(compiled, warped, _few(task, device), "views")


def _few(task: Task, device: torch.device) -> tuple[Task, torch.Tensor, np.ndarray, PerlinFields, Warp]:
    """Return what four views of a task are made of, at random: the arguments of `warped`."""
    chance, cells = stream(0, "equihash", "a few views"), task.images
    images = torch.from_numpy(chance.integers(0, 256, (5, *task.picture_shape), np.uint8)).to(device)
    fields = (torch.from_numpy(chance.integers(-127, 128, (3, *task.shape[1:]), np.int8)) for _ in range(2))
    draws = task.draw(StreamSource(chance), 4, 3)
    numbers = chance.integers(5, size=(4, cells)).reshape(4, *task.grid)
    return task, images, numbers, PerlinFields(*fields).to(device), Warp(*(drawn.to(device) for drawn in draws))
