"""Warped and natural views compiled for a CPU: the operations that `rehash.equihash.images.views` lists, in one pass.

A view's coloured mosaic stays in the second cache, three planes of float32; its rows are made a few at a time, so that
they stay in the first. The inner loops run over flat arrays, of which a compiler makes vector instructions.
"""

from __future__ import annotations

import numpy as np
import torch

from rehash.compiled import compiled, inlined
from rehash.equihash.images.flow import PerlinFields, axis_tables, fade_table
from rehash.equihash.images.layout import blend_weights
from rehash.equihash.images.noise import Warp
from rehash.equihash.images.task import Task

_F = np.float32
_ZERO, _HALF, _ONE, _TWO, _THREE, _FOUR, _SIX, _WHITE = map(_F, (0, 0.5, 1, 2, 3, 4, 6, 255))
_UNIT, _TINY = _F(1 / 255), np.finfo(np.float32).tiny
# Loops count in numbers without a sign: places that might be negative would be checked, which keeps numba from making
# vector instructions.
_1, _2, _3 = map(np.uint64, (1, 2, 3))
_TOGETHER = 2048  # pixels whose colours are shifted at a time


@inlined
def _least(a, b):
    return a if a < b else b


@inlined
def _most(a, b):
    return a if a > b else b


@inlined
def _far(turn, centre, chroma):
    return _least(_most(abs(turn - centre) - _ONE, _ZERO), _ONE) * chroma


@inlined
def _shifted(red, green, blue, hue_shift, light_kept, light_added, sat_kept, sat_added):
    most, least = _most(_most(red, green), blue), _least(_least(red, green), blue)
    total, chroma = most + least, most - least
    lightness = total * _HALF
    saturation = _least(chroma / _most(_least(total, _TWO - total), _TINY), _ONE)
    turn = (blue - red) + chroma * _TWO if green == most else (red - green) + chroma * _FOUR
    turn = green - blue if red == most else turn
    hue = turn / _most(chroma * _SIX, _TINY)
    hue = hue - np.floor(hue) + hue_shift
    lightness = lightness * light_kept + light_added
    saturation = saturation * sat_kept + sat_added
    chroma = _least(lightness, _ONE - lightness) * _TWO * saturation
    low = lightness - chroma * _HALF
    high = low + chroma
    turn = (hue - np.floor(hue)) * _SIX
    return _far(turn, _THREE, chroma) + low, high - _far(turn, _TWO, chroma), high - _far(turn, _FOUR, chroma)


@compiled
def _join(images, numbers, row, weights, line):
    """Blend a row of neighbours along the width, into a row of interleaved colours."""
    size, shared = images.shape[2], len(weights)
    for cell in range(len(numbers)):
        picture, start = images[numbers[cell], row], cell * (size - shared)
        part, first = line[start : start + size], np.uint64(0)
        if cell:
            first = np.uint64(shared)
            for k in range(first):
                part[k] = (_F(picture[k]) - part[k]) * weights[k] + part[k]
        for k in range(first, np.uint64(size)):
            part[k] = _F(picture[k])


@compiled
def _blend(line, other, weight):
    for k in range(np.uint64(len(line))):
        line[k] = (other[k] - line[k]) * weight + line[k]


@compiled
def _colour(line, red, green, blue, hue, light_kept, light_added, sat_kept, sat_added):
    for x in range(np.uint64(len(red))):
        red[x], green[x], blue[x] = _shifted(
            np.floor(line[_3 * x]) * _UNIT,
            np.floor(line[_3 * x + _1]) * _UNIT,
            np.floor(line[_3 * x + _2]) * _UNIT,
            hue,
            light_kept,
            light_added,
            sat_kept,
            sat_added,
        )


@compiled
def _across(coarse, fine, tables, factor, x):
    size = len(x)
    half, last = _F(size) * _HALF, _F(size - 1)
    for k in range(np.uint64(size)):
        moved = (_F(coarse[k]) * tables[1, k] + _F(fine[k]) * tables[2, k]) * factor[k]
        x[k] = _least(_most((moved + tables[0, k] + _ONE) * half - _HALF, _ZERO), last)


@compiled
def _down(coarse, fine, place, by_coarse, by_fine, factor, height, y):
    half, last = _F(height) * _HALF, _F(height - 1)
    for k in range(np.uint64(len(y))):
        moved = (_F(coarse[k]) * by_coarse + _F(fine[k]) * by_fine) * factor[k]
        y[k] = _least(_most((moved + place + _ONE) * half - _HALF, _ZERO), last)


@compiled
def _corners(x, y, corner, weights):
    """Turn places into numbers of the pixels up and to the left of them, and weights of these and their neighbours."""
    width = np.int32(len(x))
    for k in range(np.uint64(len(x))):
        corner[k] = np.uint32(np.int32(y[k]) * width + np.int32(x[k]))
    for k in range(np.uint64(len(x))):
        west, north = x[k] - np.floor(x[k]), y[k] - np.floor(y[k])
        east, south = _ONE - west, _ONE - north
        weights[0, k], weights[1, k] = south * east, south * west
        weights[2, k], weights[3, k] = north * east, north * west


@compiled
def _read(coloured, plane, corner, weights, found):
    """Read between the pixels. The pixel after a row's last one, whose weight is 0, is the next row's first."""
    width = np.uint64(len(corner))
    for k in range(width):
        a = np.uint64(corner[k])
        b, c = a + _1, a + width
        d = c + _1
        p, q, r, s = weights[0, k], weights[1, k], weights[2, k], weights[3, k]
        found[0, k] = coloured[a] * p + coloured[b] * q + coloured[c] * r + coloured[d] * s
        a, b, c, d = a + plane, b + plane, c + plane, d + plane
        found[1, k] = coloured[a] * p + coloured[b] * q + coloured[c] * r + coloured[d] * s
        a, b, c, d = a + plane, b + plane, c + plane, d + plane
        found[2, k] = coloured[a] * p + coloured[b] * q + coloured[c] * r + coloured[d] * s


@compiled
def _truncate(row, view):
    for k in range(np.uint64(len(row))):
        view[k] = np.uint8(np.int32(row[k] * _WHITE))


@compiled
def _views(images, numbers, weights_x, weights_y, coarse, fine, fields, tables_x, tables_y, fade, noise, views):
    n, _, height, width = views.shape
    shared, rows = len(weights_y), max(1, _TOGETHER // width)
    stride, plane = images.shape[1] - shared, (height + 1) * width + 1
    lines, other = np.empty(rows * width * 3, np.float32), np.empty(width * 3, np.float32)
    coloured = np.zeros(3 * plane, np.float32)
    factor, x, y = np.empty(width, np.float32), np.empty(width, np.float32), np.empty(width, np.float32)
    corner, weights = np.empty(width, np.uint32), np.empty((4, width), np.float32)
    found = np.empty((3, width), np.float32)
    for i in range(n):
        hue, a, b, strength = noise[i]
        for top in range(0, height, rows):
            stop = min(top + rows, height)
            for row in range(top, stop):
                line = lines[(row - top) * width * 3 : (row - top + 1) * width * 3]
                cell = min(row // stride, numbers.shape[1] - 1)
                place = row - cell * stride
                if cell and place < shared:
                    _join(images, numbers[i, cell - 1], place + stride, weights_x, line)
                    _join(images, numbers[i, cell], place, weights_x, other)
                    _blend(line, other, weights_y[place])
                else:
                    _join(images, numbers[i, cell], place, weights_x, line)
            low, high = top * width, stop * width
            red, green, blue = coloured[low:high], coloured[plane + low : plane + high], coloured[2 * plane + low :]
            kept = _ONE - abs(a), _ONE - abs(b)
            _colour(lines, red, green, blue, hue, kept[0], _most(a, _ZERO), kept[1], _most(b, _ZERO))
        factor[:] = strength
        for row in range(height):
            if len(fade):
                factor[:] = strength * fade[row]
            _across(coarse[fields[i, 0, 0], row], fine[fields[i, 0, 1], row], tables_x, factor, x)
            others = coarse[fields[i, 1, 0], row], fine[fields[i, 1, 1], row]
            _down(others[0], others[1], tables_y[0, row], tables_y[1, row], tables_y[2, row], factor, height, y)
            _corners(x, y, corner, weights)
            _read(coloured, np.uint64(plane), corner, weights, found)
            for channel in range(3):
                _truncate(found[channel], views[i, channel, row])


def warped(
    task: Task, images: np.ndarray | torch.Tensor, numbers: np.ndarray, fields: PerlinFields, draws: Warp
) -> torch.Tensor:
    """Return what `rehash.equihash.images.views.warped` returns."""
    _, height, width = task.shape
    chosen, none = draws.fields.numpy(), torch.zeros_like(draws.hue)
    for asked, held in ((numbers, images), (chosen, fields)):
        if asked.size and not 0 <= asked.min() <= asked.max() < len(held):
            raise IndexError(f"{asked.min()} to {asked.max()} were asked for; expected 0 to {len(held) - 1}")
    noise = [draws.hue, draws.lightness, draws.saturation if task.saturation else none]
    noise.append(none + 1 if task.flow.strength is None else draws.strength)
    weights_y, weights_x = (blend_weights(shared).astype(np.float32) for shared in task.overlap)
    views = np.empty((len(numbers), *task.shape), np.uint8)
    _views(
        _fixed(images).reshape(len(images), task.picture[0], -1),
        _fixed(numbers),
        weights_x.repeat(3),
        weights_y,
        _fixed(fields.coarse),
        _fixed(fields.fine),
        _fixed(chosen),
        axis_tables(task.flow, width),
        axis_tables(task.flow, height),
        fade_table(task.flow, (height, width)),
        torch.stack(noise, 1).numpy(),
        views,
    )
    return torch.from_numpy(views)


def _fixed(array: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return an array as one that cannot be written to, for which a function is compiled once."""
    array = np.ascontiguousarray(array).view()
    array.flags.writeable = False
    return array
