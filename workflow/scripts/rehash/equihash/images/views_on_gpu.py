"""Words of random numbers and views compiled for a GPU by Triton, with the same bits as everywhere.

A lane computes a pixel of a view: it reads four pixels of the mosaic, each of which it blends and colours on the way,
by the operations that `rehash.equihash.images.views` lists. Triton is told to fuse none of them.
"""

from __future__ import annotations

import numpy as np
import torch
import triton
import triton.language as tl
from triton.language.random import philox_impl

from rehash.equihash.images.flow import PerlinFields, fade_on, rows_on, tables_on
from rehash.equihash.images.layout import weights_on
from rehash.equihash.images.noise import Warp
from rehash.equihash.images.task import Task

_LANES = 256
_UNIT = tl.constexpr(1 / 255)
_TINY = tl.constexpr(2.0**-126)


@triton.jit
def _words(items, found, total, first, blocks, key_low, key_high, LANES: tl.constexpr):
    lane = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    inside = lane < total
    item = tl.load(items + lane // blocks, mask=inside, other=0)
    number = (lane % blocks + first).to(tl.uint32)
    low, high = tl.full((LANES,), key_low, tl.int64).to(tl.uint32), tl.full((LANES,), key_high, tl.int64).to(tl.uint32)
    a, b, c, d = philox_impl(item.to(tl.uint32), (item >> 32).to(tl.uint32), number, number ^ number, low, high)
    at = found + lane * 4
    tl.store(at, a.to(tl.int64), mask=inside)
    tl.store(at + 1, b.to(tl.int64), mask=inside)
    tl.store(at + 2, c.to(tl.int64), mask=inside)
    tl.store(at + 3, d.to(tl.int64), mask=inside)


def words(items: torch.Tensor, first: int, count: int, key: int) -> torch.Tensor:
    """Compute the words that `rehash.equihash.images.noise.words_by_torch` computes."""
    begin, end = first // 4, -(-(first + count) // 4)
    total = len(items) * (end - begin)
    found = torch.empty((len(items), 4 * (end - begin)), dtype=torch.int64, device=items.device)
    if total:
        with torch.cuda.device_of(items):
            grid = (triton.cdiv(total, _LANES),)
            _words[grid](items, found, total, begin, end - begin, key & 0xFFFFFFFF, key >> 32, _LANES)
    return found[:, first % 4 :][:, :count]


@triton.jit
def _blend(one, other, weight):
    return (other - one) * weight + one


@triton.jit
def _joined(images, chosen, row, x, inside, columns, height, width, weights, SHARED: tl.constexpr):
    """Return the colours, 0 to 255, at column x of a row of neighbours, of whose images it is this row."""
    stride = width - SHARED
    cell = tl.minimum(x // stride, columns - 1)
    place = x - cell * stride
    at = images + ((tl.load(chosen + cell, mask=inside, other=0) * height + row) * width + place) * 3
    red = tl.load(at, mask=inside, other=0).to(tl.float32)
    green = tl.load(at + 1, mask=inside, other=0).to(tl.float32)
    blue = tl.load(at + 2, mask=inside, other=0).to(tl.float32)
    if SHARED > 0:
        both = inside & (cell > 0) & (place < SHARED)
        at = images + ((tl.load(chosen + cell - 1, mask=both, other=0) * height + row) * width + place + stride) * 3
        weight = tl.load(weights + place, mask=both, other=0)
        red = tl.where(both, _blend(tl.load(at, mask=both, other=0).to(tl.float32), red, weight), red)
        green = tl.where(both, _blend(tl.load(at + 1, mask=both, other=0).to(tl.float32), green, weight), green)
        blue = tl.where(both, _blend(tl.load(at + 2, mask=both, other=0).to(tl.float32), blue, weight), blue)
    return red, green, blue


@triton.jit
def _far(turn, centre, chroma):
    return tl.minimum(tl.maximum(tl.abs(turn - centre) - 1, 0), 1) * chroma


@triton.jit
def _shifted(red, green, blue, hue_shift, a, b):
    most = tl.maximum(tl.maximum(red, green), blue)
    least = tl.minimum(tl.minimum(red, green), blue)
    total, chroma = most + least, most - least
    lightness = total * 0.5
    saturation = tl.minimum(tl.div_rn(chroma, tl.maximum(tl.minimum(total, 2 - total), _TINY)), 1)
    turn = tl.where(green == most, (blue - red) + chroma * 2, (red - green) + chroma * 4)
    turn = tl.where(red == most, green - blue, turn)
    hue = tl.div_rn(turn, tl.maximum(chroma * 6, _TINY))
    hue = hue - tl.floor(hue) + hue_shift
    lightness = lightness * (1 - tl.abs(a)) + tl.maximum(a, 0)
    saturation = saturation * (1 - tl.abs(b)) + tl.maximum(b, 0)
    chroma = tl.minimum(lightness, 1 - lightness) * 2 * saturation
    low = lightness - chroma * 0.5
    high = low + chroma
    turn = (hue - tl.floor(hue)) * 6
    return _far(turn, 3, chroma) + low, high - _far(turn, 2, chroma), high - _far(turn, 4, chroma)


@triton.jit
def _coloured(
    images, numbers, x, y, inside, rows, columns, height, width, weights_x, weights_y, hue, a, b,
    SHARED_X: tl.constexpr, SHARED_Y: tl.constexpr,
):  # fmt: skip
    """Return red, green and blue of the coloured mosaic at a pixel."""
    stride = height - SHARED_Y
    cell = tl.minimum(y // stride, rows - 1)
    place = y - cell * stride
    chosen = numbers + cell * columns
    red, green, blue = _joined(images, chosen, place, x, inside, columns, height, width, weights_x, SHARED_X)
    if SHARED_Y > 0:
        both = inside & (cell > 0) & (place < SHARED_Y)
        weight = tl.load(weights_y + place, mask=both, other=0)
        chosen, place = chosen - columns, place + stride
        one = _joined(images, chosen, place, x, both, columns, height, width, weights_x, SHARED_X)
        red = tl.where(both, _blend(one[0], red, weight), red)
        green = tl.where(both, _blend(one[1], green, weight), green)
        blue = tl.where(both, _blend(one[2], blue, weight), blue)
    red, green, blue = tl.floor(red) * _UNIT, tl.floor(green) * _UNIT, tl.floor(blue) * _UNIT
    return _shifted(red, green, blue, hue, a, b)


@triton.jit
def _place(coarse, fine, tables, at, size, factor, inside):
    """Return where along an axis a pixel is read, from the fields' values there."""
    place = tl.load(tables + at, mask=inside, other=0)
    by_coarse = tl.load(tables + size + at, mask=inside, other=0)
    by_fine = tl.load(tables + 2 * size + at, mask=inside, other=0)
    moved = (coarse.to(tl.float32) * by_coarse + fine.to(tl.float32) * by_fine) * factor
    return tl.minimum(tl.maximum((moved + place + 1) * (size * 0.5) - 0.5, 0), size * 1.0 - 1)


@triton.jit
def _views(
    images, numbers, weights_x, weights_y, coarse, in_coarse, fine, in_fine, tables_x, tables_y, fade, noise, views,
    rows, columns, height, width, tall, wide,
    SHARED_X: tl.constexpr, SHARED_Y: tl.constexpr, FADES: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    plane = tall * wide
    blocks = tl.cdiv(plane, LANES)
    view = (tl.program_id(0) // blocks).to(tl.int64)
    pixel = tl.program_id(0) % blocks * LANES + tl.arange(0, LANES)
    inside = pixel < plane
    y = pixel // wide
    x = pixel - y * wide
    hue, a = tl.load(noise + view * 4), tl.load(noise + view * 4 + 1)
    b, factor = tl.load(noise + view * 4 + 2), tl.load(noise + view * 4 + 3)
    if FADES:
        factor = factor * tl.load(fade + pixel, mask=inside, other=0)
    field = tl.load(in_coarse + view * 2) * plane, tl.load(in_fine + view * 2) * plane
    n1 = tl.load(coarse + field[0] + pixel, mask=inside, other=0)
    n2 = tl.load(fine + field[1] + pixel, mask=inside, other=0)
    across = _place(n1, n2, tables_x, x, wide, factor, inside)
    field = tl.load(in_coarse + view * 2 + 1) * plane, tl.load(in_fine + view * 2 + 1) * plane
    n1 = tl.load(coarse + field[0] + pixel, mask=inside, other=0)
    n2 = tl.load(fine + field[1] + pixel, mask=inside, other=0)
    down = _place(n1, n2, tables_y, y, tall, factor, inside)
    left, top = tl.floor(across), tl.floor(down)
    west, north = across - left, down - top
    east, south = 1 - west, 1 - north
    x, y = left.to(tl.int32), top.to(tl.int32)
    right, below = tl.minimum(x + 1, wide - 1), tl.minimum(y + 1, tall - 1)
    chosen = numbers + view * rows * columns
    one = _coloured(
        images, chosen, x, y, inside, rows, columns, height, width, weights_x, weights_y, hue, a, b, SHARED_X, SHARED_Y
    )
    two = _coloured(
        images, chosen, right, y, inside, rows, columns, height, width, weights_x, weights_y, hue, a, b,
        SHARED_X, SHARED_Y,
    )  # fmt: skip
    three = _coloured(
        images, chosen, x, below, inside, rows, columns, height, width, weights_x, weights_y, hue, a, b,
        SHARED_X, SHARED_Y,
    )  # fmt: skip
    four = _coloured(
        images, chosen, right, below, inside, rows, columns, height, width, weights_x, weights_y, hue, a, b,
        SHARED_X, SHARED_Y,
    )  # fmt: skip
    for channel in tl.static_range(3):
        value = one[channel] * (south * east) + two[channel] * (south * west)
        value = value + three[channel] * (north * east) + four[channel] * (north * west)
        at = views + (view * 3 + channel) * plane + pixel
        tl.store(at, (value * 255).to(tl.int32).to(tl.uint8), mask=inside)


def warped(
    task: Task, images: np.ndarray | torch.Tensor, numbers: np.ndarray, fields: PerlinFields, draws: Warp
) -> torch.Tensor:
    """Return what `rehash.equihash.images.views.warped` returns."""
    device, (_, tall, wide) = draws.hue.device, task.shape
    images, numbers = _near(images, torch.from_numpy(numbers), device)
    coarse, in_coarse = _near(fields.coarse, draws.fields[..., 0], device)
    fine, in_fine = _near(fields.fine, draws.fields[..., 1], device)
    none = torch.zeros_like(draws.hue)
    noise = [draws.hue, draws.lightness, draws.saturation if task.saturation else none]
    noise = torch.stack([*noise, none + 1 if task.flow.strength is None else draws.strength], 1)
    views = torch.empty((len(numbers), *task.shape), dtype=torch.uint8, device=device)
    weights_y, weights_x = (weights_on(device, shared) for shared in task.overlap)
    tables = (tables_on(task.flow, wide, device), tables_on(task.flow, tall, device))
    fade = fade_on(task.flow, (tall, wide), device)
    with torch.cuda.device_of(views):
        _views[(len(numbers) * triton.cdiv(tall * wide, _LANES),)](
            *(images, numbers, weights_x, weights_y, coarse, in_coarse, fine, in_fine, *tables, fade, noise, views),
            *(*task.grid, *task.picture, tall, wide),
            SHARED_X=task.overlap[1],
            SHARED_Y=task.overlap[0],
            FADES=task.flow.fade is not None,
            LANES=_LANES,
            enable_fp_fusion=False,
        )
    return views


def _near(
    array: np.ndarray | torch.Tensor, numbers: torch.Tensor, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows of an array on a device, and the places of the asked ones: the array itself where it is there."""
    if isinstance(array, torch.Tensor) and array.device == device:
        return array.contiguous(), numbers.to(device).contiguous()
    places = torch.arange(numbers.numel(), device=device).reshape(numbers.shape)
    return rows_on(array, numbers.flatten(), device), places
