"""Exact linear regions of networks of two-piece-linear units: along lines, around inputs and in planes of inputs.

Inside a linear region the code is constant and every pre-activation is affine in the input, so boundaries are roots of
affine functions, found in closed form and layer after layer; there is no grid. Shape suffixes: N lines, I inputs, W
layer width, P pieces of a line, V vertices, K code bits. All in float64. Networks that are not stacks of dense layers
are the subject of `rehash.hash_encoders.module_regions`.

The points on boundaries (a pre-activation of exactly 0, whose bit is 0) have measure zero. A line is therefore
described by the codes of its open pieces: a line that touches a boundary without crossing it does not change its code,
and a line that starts on a boundary starts in the region that it enters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rehash.errors import InputError

if TYPE_CHECKING:
    from rehash.hash_encoders.networks import Shape, Tensors
    from rehash.hash_encoders.protocols import BatchNorm


class NoSlice(InputError):
    """There is no slice to show, for a reason in the data or the network; says which."""


class Layer(NamedTuple):
    """A dense layer as an affine map, and its units: `slope` is what one that is off multiplies its input by."""

    weight: np.ndarray  # (out, in)
    bias: np.ndarray  # (out,)
    slope: float = 0.0


SAME_POINT = 1e-12  # in lengths of a line: boundaries closer than this count as one, as rounding cannot separate them
SMALLEST_AREA = 1e-12  # as a share of a slice: a cut that leaves less than this on one side is not made
MARGIN = 0.15  # around a slice's corners, as a share of their extent


def affine_layers(network: Tensors, member: int, shape: Shape, norm: BatchNorm | None) -> list[Layer]:
    """Return one member's layers as affine maps in evaluation mode, float64: the hidden layers, then the head.

    A hidden layer with BatchNorm is affine: scale * (W x + b - mean) / sqrt(variance + eps) + shift.
    """
    layers = []
    for name, _, _ in shape.layers():
        slope = float(network[f"{name}.slope"][member, 0]) if f"{name}.slope" in network else 0.0
        weight, bias = (np.asarray(network[f"{name}.{part}"][member], np.float64) for part in ("weight", "bias"))
        if norm and name != "head":
            scale, shift, mean, variance = (
                np.asarray(network[f"{name}.{part}"][member], np.float64)
                for part in ("scale", "shift", "mean", "variance")
            )
            gain = scale / np.sqrt(variance + norm.eps)
            weight, bias = gain[:, None] * weight, gain * (bias - mean) + shift
        layers.append(Layer(weight, bias, slope))
    return layers


def gates(on: np.ndarray, slope: float) -> np.ndarray:
    """Return what each unit multiplies its pre-activation by, 1 where it is on and the slope where it is off.

    Takes bool (..., W), returns float64 of the same shape.
    """
    return np.where(on, 1.0, slope)


# Lines


def code_changes(layers: list[Layer], start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Find every point of a line at which the code changes.

    Activations are linear between knots, the boundaries found so far, so their values at the knots determine them. The
    roots of a layer's pre-activations become knots of the next layer. Changes within SAME_POINT count as one.

    Args:
        layers: the hidden layers. start, stop: (I,).

    Returns:
        Ascending t in (0, 1); the code changes at start + t * (stop - start).
    """
    knots = np.array([0.0, 1.0])
    hidden = np.stack([start, stop]).astype(np.float64)  # (P + 1, W), values at the knots
    changes = [np.empty(0)]
    for weight, bias, slope in starmap(Layer, layers):
        knots, values = _with_roots(knots, hidden @ weight.T + bias)
        on = np.maximum(values[:-1], values[1:]) > 0  # on the open piece, which has no root inside
        changes.append(knots[1:-1][(on[1:] != on[:-1]).any(1)])
        hidden = values * gates(values > 0, slope)
    return np.unique(np.concatenate(changes))


def _with_roots(knots: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Insert every root as a knot, with a value of exactly 0 there.

    Takes and returns knots (P + 1,) and values (P + 1, W), which are linear between knots; P grows by the new roots.
    """
    signs = np.sign(values)
    piece, unit = np.nonzero(signs[:-1] * signs[1:] < 0)
    before, after = values[piece, unit], values[piece + 1, unit]
    share = before / (before - after)
    times = knots[piece] + share * (knots[piece + 1] - knots[piece])
    nearest = piece + (share > 0.5)
    old = np.abs(times - knots[nearest]) <= SAME_POINT
    values[nearest[old], unit[old]] = 0
    order = np.flatnonzero(~old)[np.argsort(times[~old], kind="stable")]
    piece, unit, times = piece[order], unit[order], times[order]
    new = np.diff(times, prepend=-np.inf) > SAME_POINT
    times, piece, row = times[new], piece[new], np.cumsum(new) - 1
    share = (times - knots[piece]) / (knots[piece + 1] - knots[piece])
    rows = values[piece] + share[:, None] * (values[piece + 1] - values[piece])
    rows[row, unit] = 0
    return np.insert(knots, piece + 1, times), np.insert(values, piece + 1, rows, axis=0)


def first_changes(layers: list[Layer], starts: np.ndarray, directions: np.ndarray, chunk: int = 4096) -> np.ndarray:
    """Find how far it is to the first change of the code along each ray, float64 (N,), in lengths of its direction.

    Up to that point all pre-activations are affine with the start's gates, so the first change is the least of their
    roots. This is exact at any depth, since a unit's inputs keep their gates until a root of an earlier layer. A ray
    has no end: inf says that the code never changes, as along a direction of length 0.

    Args:
        layers: the hidden layers. starts, directions: (N, I). chunk: lines at a time.
    """
    first = np.full(len(starts), np.inf)
    for begin in range(0, len(starts), chunk):
        rays = slice(begin, begin + chunk)
        value, change = starts[rays].astype(np.float64), directions[rays].astype(np.float64)
        for weight, bias, slope in starmap(Layer, layers):
            value, change = value @ weight.T + bias, change @ weight.T
            value[np.abs(value) <= SAME_POINT * np.abs(change)] = 0
            first[rays] = np.minimum(first[rays], _ratios(-value, change, np.sign(value) * np.sign(change) < 0).min(1))
            open_ = gates((value > 0) | ((value == 0) & (change > 0)), slope)
            value, change = value * open_, change * open_
    return first


def _ratios(numbers: np.ndarray, divisors: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Divide where a mask says so; elsewhere, and where a quotient is too large for a number, it is inf."""
    with np.errstate(over="ignore"):
        return np.divide(numbers, divisors, out=np.full(numbers.shape, np.inf), where=where)


# Faces


def nearest_faces(layers: list[Layer], inputs: np.ndarray, numbers: int = 2**23) -> np.ndarray:
    """Find the L2 distance from each input to the nearest face of its region in any direction, float64 (N,).

    A region is a convex polytope: each unit's zero plane bounds it, with the gates of all units before it held. So the
    nearest face is the least of |value| / |gradient| over the units, exactly. inf if there is none.

    Args:
        layers: the hidden layers. inputs: (N, I). numbers: of the units' gradients that are in memory at a time.
    """
    weight = layers[0][0]
    # A rotation of the input space keeps lengths, so a triangular factor stands for a kernel of many inputs.
    kernel = np.linalg.qr(weight.T, mode="r").T if weight.shape[0] < weight.shape[1] else weight
    chunk = max(1, numbers // (max(len(layer[1]) for layer in layers) * kernel.shape[1]))
    nearest = np.full(len(inputs), np.inf)
    for begin in range(0, len(inputs), chunk):
        rows = slice(begin, begin + chunk)
        hidden, gradient = inputs[rows].astype(np.float64), kernel[None]  # (N, W, I), at first one for all inputs
        for place, (weight, bias, slope) in enumerate(starmap(Layer, layers)):
            value = hidden @ weight.T + bias
            gradient = weight @ gradient if place else gradient
            length = np.broadcast_to(np.linalg.norm(gradient, axis=2), value.shape)
            nearest[rows] = np.minimum(nearest[rows], _ratios(np.abs(value), length, length > 0).min(1))
            if place < len(layers) - 1:
                open_ = gates(value > 0, slope)
                hidden, gradient = value * open_, gradient * open_[:, :, None]
    return nearest


# Slices


@dataclass(frozen=True)
class Plane:
    """A plane through three inputs, in an orthonormal frame: distances in the plane are L2 distances of inputs.

    Attributes:
        origin: (I,), the first corner. axes: (2, I), orthonormal. corners: (3, 2). square: (4, 2), the vertices of a
            square around the corners with a margin, counter-clockwise.
    """

    origin: np.ndarray
    axes: np.ndarray
    corners: np.ndarray
    square: np.ndarray

    def inputs(self, points: np.ndarray) -> np.ndarray:
        """Return points of the plane (N, 2) as inputs (N, I)."""
        return self.origin + points @ self.axes


@dataclass(frozen=True)
class Region:
    """The part of a linear region that lies in a slice.

    Attributes:
        vertices: (V, 2), a convex polygon, counter-clockwise. code: bool (K,). area: in squared L2 distance.
        prediction: the class predicted at the mean of the vertices, None without a head; other points may differ.
    """

    vertices: np.ndarray
    code: np.ndarray
    area: float
    prediction: int | None


def plane(corners: np.ndarray) -> Plane:
    """Return the plane through three inputs, (3, I).

    Raises:
        NoSlice: the inputs lie on one line.
    """
    origin, second, third = np.asarray(corners, np.float64)
    across, up = second - origin, third - origin
    width = np.linalg.norm(across)
    first = across / (width or 1)
    rest = up - (up @ first) * first
    height = np.linalg.norm(rest)
    if not (width > 0 and height > 1e-9 * np.linalg.norm(up)):
        raise NoSlice("a slice needs three inputs that span a plane; the first of three classes lie on one line")
    axes = np.stack([first, rest / height])
    points = (corners - origin) @ axes.T
    low, high = points.min(0), points.max(0)
    half = (0.5 + MARGIN) * (high - low).max()
    square = (low + high) / 2 + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return Plane(origin, axes, points, square)


MOST_REGIONS = 200_000  # more could not be seen in a figure, and the table would be huge


def slice_regions(layers: list[Layer], corners: np.ndarray, head: Layer | None = None) -> list[Region]:
    """Compute the exact linear regions of a network in the square of `plane(corners)`; no two share a code.

    Every polygon is cut by each unit's zero line, layer after layer. The regions fill the square; parts smaller than
    SMALLEST_AREA of the square stay with a neighbour. A polygon is followed through all layers before its neighbours
    are, so that the units' values at the vertices are in memory for a few of them only.

    Args:
        layers: the hidden layers. corners: (3, I). head: for predictions.

    Raises:
        NoSlice: the corners lie on one line, or there are more than MOST_REGIONS regions.
    """
    frame = plane(corners)
    smallest = SMALLEST_AREA * _area(frame.square)
    regions = []
    for vertices, hidden, code in _parts(layers, frame.square, frame.inputs(frame.square), np.zeros(0, bool), smallest):
        regions.append(Region(vertices, code, _area(vertices), _prediction(hidden.mean(0), head)))
        if len(regions) > MOST_REGIONS:
            raise NoSlice(
                f"the slice has more than {MOST_REGIONS:,} linear regions; narrower networks in the config's "
                "hash_encoders.regions have less"
            )
    return regions


def _parts(
    layers: list[Layer], vertices: np.ndarray, hidden: np.ndarray, code: np.ndarray, smallest: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield the parts of a polygon in which the code of all layers is one: vertices (V, 2), values there, the code."""
    if not layers:
        yield vertices, hidden, code
        return
    weight, bias, slope = Layer(*layers[0])
    for rows in _cut(np.hstack([vertices, hidden @ weight.T + bias]), smallest):
        on = rows[:, 2:].mean(0) > 0
        # Copies, since a view would keep the values of all units alive.
        hidden = rows[:, 2:] * gates(on, slope)
        yield from _parts(layers[1:], rows[:, :2].copy(), hidden, np.concatenate([code, on]), smallest)


def _prediction(hidden: np.ndarray, head: Layer | None) -> int | None:
    return int(np.argmax(head[0] @ hidden + head[1])) if head else None


def _area(polygon: np.ndarray) -> float:
    """Compute the area of a counter-clockwise polygon (V, 2), relative to its first vertex to limit cancellation."""
    x, y = (polygon - polygon[0]).T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def _cut(rows: np.ndarray, smallest: float) -> Iterator[np.ndarray]:
    """Cut a convex polygon by the zero lines of all units; rows (V, 2 + W) are vertices and the units' values there."""
    todo = [(rows, 0)]
    while todo:
        rows, tried = todo.pop()
        values = rows[:, 2:]
        crossing = np.flatnonzero((values.min(0) < 0) & (values.max(0) > 0))
        for unit in crossing[crossing >= tried]:
            halves = _split(rows, 2 + unit)
            if min(_area(half[:, :2]) for half in halves) >= smallest:
                todo += [(half, unit + 1) for half in halves]
                break
        else:
            yield rows


def _split(rows: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a convex polygon along a column's zero line; both parts contain the new vertices."""
    following = np.roll(rows, -1, axis=0)
    here, there = rows[:, column], following[:, column]
    edge = np.flatnonzero(np.sign(here) * np.sign(there) < 0)
    a, b = here[edge, None], there[edge, None]
    # The new value is exactly 0 in the column, and equal from either end of an edge, so that neighbours share vertices.
    new = (a * following[edge] - b * rows[edge]) / (a - b)
    rows = np.insert(rows, edge + 1, new, axis=0)
    return rows[rows[:, column] >= 0], rows[rows[:, column] <= 0]
