"""Exact linear regions of any network that is piecewise linear in evaluation mode, along lines and around inputs.

`rehash.hash_encoders.regions` has closed forms for stacks of dense layers; here torch's forward-mode derivatives give
each unit's value and slope along a direction, with all gates held. Where values are affine, their roots are the places
at which the code may change first. A max pooling that switches to another of its inputs bends what follows without a
change of the code: lines are followed over such switches, and on. Nothing is sampled; all is in float64.

Shape suffixes: N lines or inputs, B of them at a time, K units, S switches. Images keep their shape, so (N, ...) may be
(N, C, H, W).
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import jvp
from torch.overrides import TorchFunctionMode

from rehash.errors import InputError
from rehash.hash_encoders.lines import line_table
from rehash.hash_encoders.regions import SAME_POINT

Units = Callable[[torch.nn.Module, Tensor], list[Tensor]]  # the pre-activations (B, ...) that a batch of inputs gets

NUMBERS = 2**21  # of units, switches and inputs that are in memory at a time, each some times over
STEP = 1e-9  # in lengths of a direction: how far behind a start or a switch values and slopes are taken
SAME_SLOPE = 1e-6  # of the largest: slopes that differ by more are those of another affine function
MOST_SWITCHES = 10_000  # on the way to a change of the code
_UNITS = ("relu", "leaky_relu", "prelu", "rrelu", "hardtanh", "relu6")
_POOLS = {"max_pool1d": 1, "max_pool2d": 2, "max_pool3d": 3}


class _Calls(TorchFunctionMode):
    """Within its context, note what the functions of a network are given, whether modules or plain calls make them."""

    def __init__(self, note: Callable[[str, Any, tuple, dict], None]) -> None:
        super().__init__()
        self.note = note

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.note(getattr(function, "__name__", "").removesuffix("_"), function, args, kwargs or {})
        return function(*args, **(kwargs or {}))


def two_piece_units(module: torch.nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return what goes into each two-piece-linear activation function of a network, in the order of the calls.

    These are ReLU, ReLU6, leaky, randomised and parametric ReLU, as modules or functions. A unit is on above 0.
    """
    found = []

    def note(name: str, function: Any, args: tuple, kwargs: dict) -> None:
        if name in _UNITS and (name != "hardtanh" or _bounds(*args, **kwargs)[0] == 0):
            found.append(_first(args, kwargs).clone())  # since it may be overwritten in place

    with _Calls(note):
        module(inputs)
    return found


def _first(args: tuple, kwargs: dict) -> Tensor:
    return args[0] if args else kwargs["input"]


def _bounds(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> tuple[float, float]:
    return min_val, max_val


def _note_switches(found: list[Tensor], name: str, function: Any, args: tuple, kwargs: dict) -> None:
    """Note the values whose signs change where an affine piece ends, whether or not a unit changes its sign there.

    They are what goes into an activation function, above each of its bends, and the lead of the greatest input of a max
    pooling over each input in its window.
    """
    if name in _UNITS:
        bends = {"relu6": (0, 6), "hardtanh": _bounds(*args, **kwargs) if name == "hardtanh" else ()}.get(name, (0,))
        found.extend(_first(args, kwargs) - bend for bend in bends)
    elif name in _POOLS:
        found.append(_leads(_POOLS[name], *args, **kwargs))


def _leads(
    axes: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Return by how much a max pooling's output is above each input of its window, (..., window); inf for padding."""

    def each(value: Any) -> list[int]:
        values = [value] * axes if isinstance(value, int) else list(value)
        return values * axes if len(values) == 1 else values

    sizes = each(kernel_size)
    steps = each(stride) if stride not in (None, [], ()) else sizes
    windows, first = input, input.dim() - axes
    for axis, (size, step, pad, gap) in enumerate(zip(sizes, steps, each(padding), each(dilation)), start=first):
        span, length = (size - 1) * gap + 1, input.shape[axis]
        count = (math.ceil if ceil_mode else math.floor)((length + 2 * pad - span) / step) + 1
        # A window must start within the input or the padding on its left.
        count -= ceil_mode and (count - 1) * step >= length + pad
        right = max(0, (count - 1) * step + span - length - pad)
        before = [0, 0] * (windows.dim() - 1 - axis)
        windows = F.pad(windows, [*before, pad, right], value=-math.inf)
        windows = windows.unfold(axis, span, step).narrow(axis, 0, count)[..., ::gap]
    windows = windows.flatten(-axes)
    # The winner is one of the window, so its lead over itself is 0 wherever it goes.
    return windows.amax(-1, keepdim=True) - windows


def _exact(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a network in float64 and evaluation mode, whose parameters need no gradients."""
    return copy.deepcopy(module).double().eval().requires_grad_(False)


def _faces(module: torch.nn.Module, units: Units, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of all units (B, K) and of all switches (B, S) at points (B, ...).

    Raises:
        InputError: the network has no units.
    """
    leads: list[Tensor] = []
    with _Calls(partial(_note_switches, leads)):
        values = units(module, points)
    if not values:
        raise InputError(
            "the network has no two-piece-linear unit; expected at least one ReLU, ReLU6, leaky or parametric ReLU, "
            "whose sign is a bit of the code"
        )
    flat = [[value.reshape(len(points), -1) for value in each] for each in (values, leads)]
    return torch.cat(flat[0], 1), torch.cat(flat[1], 1) if leads else points.new_empty(len(points), 0)


def _affine(faces: Callable, points: Tensor, directions: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return (units, switches) at points, and their slopes along directions with all gates held."""
    with warnings.catch_warnings():
        # torch loads what its forward-mode derivatives need by a function that it calls deprecated.
        warnings.filterwarnings("ignore", "`torch.jit.script`", FutureWarning)
        return jvp(faces, (points,), (directions,))


def _chunks(faces: Callable, inputs: np.ndarray) -> Iterator[slice]:
    """Yield slices of inputs (N, ...), as many at a time as memory has room for the values of all units of."""
    if not len(inputs):
        return
    one = torch.from_numpy(inputs[:1].astype(np.float64))
    chunk = max(1, NUMBERS // (one.numel() + sum(values.numel() for values in faces(one))))
    yield from (slice(begin, begin + chunk) for begin in range(0, len(inputs), chunk))


@torch.no_grad()
def first_changes(
    module: torch.nn.Module, starts: np.ndarray, directions: np.ndarray, units: Units = two_piece_units
) -> np.ndarray:
    """Find how far it is to the first change of the code along each ray, float64 (N,), in lengths of its direction.

    inf says that the code never changes, NaN that a value on the way is not finite. A start on a boundary is in the
    region that the ray enters, as in `rehash.hash_encoders.regions`.

    The code may be of some units only, such as those of one layer: bends of others are switches, too.

    Args:
        module: a network; a copy of it runs in evaluation mode. starts, directions: (N, ...), as it takes inputs.
        units: which pre-activations make the code.

    Raises:
        InputError: there are no units, or values are not affine between units and max poolings, for example since
            there is an activation function that is not piecewise linear.
    """
    faces = partial(_faces, _exact(module), units)
    found = np.full(len(starts), np.inf)
    for rows in _chunks(faces, starts):
        rays = (torch.from_numpy(np.asarray(part[rows], np.float64)) for part in (starts, directions))
        found[rows] = _first_of(faces, *rays).numpy()
    return found


def _first_of(faces: Callable, starts: Tensor, directions: Tensor) -> Tensor:
    """Find the first changes (B,) on some rays: from switch to switch of a max pooling, each in closed form."""
    found = torch.full((len(starts),), math.inf, dtype=torch.float64)
    left = torch.arange(len(starts))  # the rays that are still followed, and for each of them:
    at = torch.zeros(len(starts), dtype=torch.float64)  # where its affine piece begins,
    code = None  # and the code of its start
    for _ in range(MOST_SWITCHES):
        start, along = starts[left], directions[left]
        here = at + STEP
        (units, leads), (slopes, turns) = _affine(faces, _on(start, along, here), along)
        now = units > 0
        code = now if code is None else code
        # Roots on what is left of the ray; and those already passed, between the beginning and `here`, if a code
        # changed there. A root at the very beginning of the ray is where it starts, on a boundary.
        times = here[:, None] + _roots(units, slopes)
        passed = here[:, None] - units / slopes
        behind = (passed > at[:, None] + SAME_POINT) & (passed <= here[:, None]) & (at == 0)[:, None]
        first = torch.minimum(times, torch.where(behind, passed, math.inf)).amin(1)
        changed = now != code
        first = torch.where(changed.any(1), at, first)
        turn = here + _roots(leads, turns).amin(1) if leads.shape[1] else torch.full_like(here, math.inf)
        lost = ~(units.isfinite().all(1) & slopes.isfinite().all(1))
        first = torch.where(lost, math.nan, first)
        done = lost | changed.any(1) | (first <= turn)
        # What is followed is affine up to its end, or something else than units and max poolings bends it.
        end = torch.minimum(first, turn)
        check = ~lost & ~changed.any(1)
        if check.any():
            _check_affine(faces, *(part[check] for part in (start, along, here, end, units, slopes)))
        found[left[done]] = first[done]
        left, at, code = left[~done], turn[~done], code[~done]
        if not len(left):
            return found
    raise InputError(f"a line has more than {MOST_SWITCHES:,} switches of max pooling before its code changes")


def _on(starts: Tensor, directions: Tensor, times: Tensor) -> Tensor:
    """Return the points of rays (B, ...) at times (B,)."""
    return starts + times.reshape(-1, *[1] * (starts.dim() - 1)) * directions


def _roots(values: Tensor, slopes: Tensor) -> Tensor:
    """Return how far it is to the root of each affine function, inf where none lies ahead."""
    ahead = (values.sign() * slopes.sign() < 0) & values.isfinite()
    return torch.where(ahead, -values / slopes, math.inf)


def _check_affine(
    faces: Callable, starts: Tensor, directions: Tensor, here: Tensor, end: Tensor, units: Tensor, slopes: Tensor
) -> None:
    """Raise an InputError if values or slopes shortly before a piece's end are not what they are at its beginning."""
    far = here + 0.999 * torch.where(end.isfinite(), end - here, 1.0).clamp(min=0)
    (values, _), (turned, _) = _affine(faces, _on(starts, directions, far), directions)
    expected = units + (far - here)[:, None] * slopes
    scale = torch.maximum(values.abs().amax(1), units.abs().amax(1))
    wrong = (values - expected).abs().amax(1) > SAME_SLOPE * scale
    wrong |= (turned - slopes).abs().amax(1) > SAME_SLOPE * slopes.abs().amax(1)
    if wrong.any():
        raise InputError(
            "the network is not affine where none of its activation functions and max poolings bends it; expected "
            "ReLU, ReLU6, leaky or parametric ReLU, max pooling with windows of one size, and what is linear in "
            "evaluation mode (convolution, BatchNorm, mean pooling, sums), and not, for example, GELU or softmax"
        )


@torch.no_grad()
def nearest_faces(
    module: torch.nn.Module, inputs: np.ndarray, units: Units = two_piece_units
) -> tuple[np.ndarray, np.ndarray]:
    """Find the L2 distance from each input to the nearest face of its region in any direction, float64 (N,).

    With all gates held, and each max pooling at its greatest input, that is the least of |value| / |gradient| over the
    units. It is exact if no max pooling switches within that distance. Else the distance to the nearest switch is
    given, up to which the code is one in all directions: a lower bound.

    The gradient of all units is computed at once, number after number of the input, by forward-mode derivatives: inputs
    have fewer numbers than networks have units.

    Args:
        module: a network; a copy of it runs in evaluation mode. inputs: (N, ...), as it takes them.
        units: which pre-activations make the code.

    Returns:
        The distances, inf where there is no face and NaN where a value is not finite; and whether they are exact,
        bool (N,).

    Raises:
        InputError: there are no units.
    """
    faces = partial(_faces, _exact(module), units)
    nearest, exact = np.full(len(inputs), np.inf), np.ones(len(inputs), bool)
    size = math.prod(inputs.shape[1:])
    for row, each in enumerate(inputs):
        point = torch.from_numpy(np.asarray(each, np.float64))[None]
        values = faces(point)
        squares = [torch.zeros_like(value[0]) for value in values]
        for numbers in _chunks(faces, np.broadcast_to(each, (size, *each.shape))):
            places = torch.arange(size)[numbers]
            axes = F.one_hot(places, size).double().reshape(-1, *each.shape)
            _, slopes = _affine(faces, point.repeat(len(axes), *[1] * each.ndim), axes)
            for total, slope in zip(squares, slopes):
                total += slope.square().sum(0)
        unit, switch = (_least(value[0].abs(), square.sqrt()) for value, square in zip(values, squares))
        nearest[row], exact[row] = min(unit, switch), unit <= switch
        if not all(bool(value.isfinite().all()) for value in (values[0], squares[0])):
            nearest[row] = np.nan
    return nearest, exact


def _least(distances: Tensor, lengths: Tensor) -> float:
    """Return the least quotient with a divisor above 0; inf without one."""
    quotients = torch.where(lengths > 0, distances / lengths, math.inf)
    return float(quotients.min()) if quotients.numel() else math.inf


def module_lines(
    module: torch.nn.Module, units: Units, starts: np.ndarray, vectors: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Measure a network's regions along lines; columns and arguments as `rehash.hash_encoders.lines.line_table`.

    `changes` is not counted. There is one more column: nearest_face_exact, whether no max pooling switches within that
    distance (see `nearest_faces`).

    Raises:
        InputError: see `first_changes`.
    """
    nearest, exact = nearest_faces(module, starts, units)
    table = line_table(
        starts, vectors, lambda start, along: first_changes(module, start, along, units), lambda inputs: nearest
    )
    return table.assign(nearest_face_exact=exact[table.line])
