"""Perlin noise in int8, at two resolutions: the displacements that distort a view of a mosaic.

The bank is an HDF5 file with `coarse` and `fine`, int8 (count, height, width), the second with twice the lattice
frequency. Its attributes are name, height, width, and what the fields follow from: seed, lattice (rows and columns of
the coarse one) and amplitude; or, of fields that were copied from a file of others, their checksum.
Each array is contiguous in the file, so a field is one read, and a process can map them instead of loading gigabytes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from rehash.errors import InputError, unknown
from rehash.hdf5 import created, opened, read_attributes, write_attributes
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import value_digest, write_csv

RESOLUTIONS = {"coarse": 1, "fine": 2}  # and their frequency, as a multiple of the declared lattice's
BLOCK = 512  # fields that share a random stream
BOUND = math.sqrt(1 / 2)  # of the absolute value of noise from unit gradients: see `noise`
LARGEST = 127  # the largest amplitude that int8 holds on both sides of 0
SAMPLE = 64  # fields of each resolution that are measured and drawn
_TOGETHER = 32  # fields computed at a time: their floats stay in the cache
_ATTRIBUTES, _RULE = ("name", "height", "width"), ("seed", "lattice", "amplitude")


def _axis(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight of each lattice line in each pixel, and that weight times the signed distance in cells.

    Both are float32 (pixels, cells + 1). The weight is the quintic fade of 1 - distance (Perlin 2002).
    """
    centres = (2 * np.arange(pixels) + 1) * cells / (2 * pixels)  # one rounding: exact where it is a whole number
    distance = centres[:, None] - np.arange(cells + 1)
    t = np.clip(1 - np.abs(distance), 0, 1)
    weight = t**3 * (t * (6 * t - 15) + 10)
    return weight.astype(np.float32), (weight * distance).astype(np.float32)


def noise(gradients: np.ndarray, height: int, width: int) -> np.ndarray:
    """Compute the Perlin noise of given gradients, which it is linear in.

    Source: Perlin 2002, "Improving noise", doi:10.1145/566654.566636.

    Pixel (i, j) lies at ((i + 1/2) / height * rows, (j + 1/2) / width * columns) of a lattice of rows x columns cells,
    which need not divide the image. A weight is the product of one per axis, so a field is two small matrix products.

    With unit gradients no value exceeds BOUND: a corner at distance d gives at most d, and by Jensen's inequality
    sum w d <= sqrt(sum w d^2) = sqrt(A(u) + A(v)), where A(u) = (1 - s(u)) u^2 + s(u) (1 - u)^2 with the fade s. Its
    symmetry and s(u) <= u up to 1/2 give A(u) <= u (1 - u) <= 1/4. Gradients towards a cell's centre reach it there.

    Args:
        gradients: (N, 2, rows + 1, columns + 1), down and to the right, for each lattice point.

    Returns:
        float32 (N, height, width), in the gradients' unit.
    """
    down, right = gradients[:, 0].astype(np.float32), gradients[:, 1].astype(np.float32)
    (weight_y, ramp_y), (weight_x, ramp_x) = (
        _axis(pixels, points - 1) for pixels, points in zip((height, width), gradients.shape[2:])
    )
    along_x = np.concatenate([down @ weight_x.T, right @ ramp_x.T], axis=1)
    return np.concatenate([ramp_y, weight_y], axis=1) @ along_x


def unit_gradients(block: int, lattice: tuple[int, int], *, seed: int, name: str) -> np.ndarray:
    """Draw a block's gradients, float64 (BLOCK, 2, rows + 1, columns + 1): unit vectors of uniform angle."""
    rows, columns = lattice
    angles = stream(seed, "equihash", "perlin", name, block).uniform(0, 2 * np.pi, (BLOCK, rows + 1, columns + 1))
    return np.stack([np.sin(angles), np.cos(angles)], axis=1)


def fields(
    start: int, stop: int, *, height: int, width: int, lattice: tuple[int, int], amplitude: float, seed: int, name: str
) -> np.ndarray:
    """Compute fields start to stop (exclusive) of an endless sequence: round(amplitude * noise / BOUND).

    Field i has the same bytes whatever the slice: gradients are drawn in whole blocks of the global index, and each
    field is a matrix product of its own.

    Args:
        lattice: rows and columns of cells. amplitude: the largest possible value, up to 127.

    Returns:
        int8 (stop - start, height, width).

    Raises:
        InputError: amplitude, lattice or size is out of range.
    """
    if not 0 < amplitude <= LARGEST:
        raise InputError(f"Perlin noise {name}: amplitude {amplitude}; expected more than 0, at most {LARGEST} (int8)")
    if min(height, width, *lattice) < 1:
        raise InputError(
            f"Perlin noise {name}: {height} x {width} pixels, lattice {lattice}; expected 1 or more of each"
        )
    drawn = np.empty((stop - start, height, width), np.int8)
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        gradients = amplitude / BOUND * unit_gradients(block, lattice, seed=seed, name=name)
        origin = block * BLOCK
        end = min(stop, origin + BLOCK)
        for first in range(max(start, origin), end, _TOGETHER):
            last = min(first + _TOGETHER, end)
            values = noise(gradients[first - origin : last - origin], height, width)
            drawn[first - start : last - start] = np.rint(values, out=values)
    return drawn


def write_perlin(
    output: str | Path,
    *,
    height: int,
    width: int,
    count: int,
    lattice: tuple[int, int],
    amplitude: float,
    seed: int,
    name: str,
) -> dict[str, Any]:
    """Write a bank of `count` fields per resolution (see the module), block by block.

    The other arguments are those of `fields`.

    Raises:
        InputError: amplitude, lattice, size or count is out of range.
        OSError: the file could not be written.
    """
    if count < 1:
        raise InputError(f"Perlin noise {name}: a bank of {count} fields; expected 1 or more")
    shared = {"name": name, "seed": seed, "amplitude": amplitude, "height": height, "width": width}
    work = [(resolution, start) for resolution in RESOLUTIONS for start in range(0, count, BLOCK)]
    # A field's products are too small to share: beside other processes, more threads are ten times slower.
    with threadpool_limits(1), created(output) as file:
        write_attributes(file, shared | {"lattice": lattice})
        banks = {
            resolution: file.create_dataset(resolution, (count, height, width), "i1") for resolution in RESOLUTIONS
        }
        for resolution, start in progress(work, "Perlin noise", "block"):
            stop = min(start + BLOCK, count)
            cells = tuple(RESOLUTIONS[resolution] * side for side in lattice)
            drawn = fields(start, stop, lattice=cells, **shared | {"name": f"{name}/{resolution}"})
            banks[resolution][start:stop] = drawn
    return {"seed": seed, "lattice": list(lattice), "amplitude": amplitude}


def describe_perlin(path: str | Path) -> dict[str, Any]:
    """Return what determines a bank's fields: its attributes (see the module) and count.

    Raises:
        InputError: the file is not a complete Perlin bank.
    """
    with _opened(path) as file:
        return {**read_attributes(file), "count": len(file["coarse"])}


def open_fields(path: str | Path, resolution: str) -> np.ndarray:
    """Open all fields of a resolution, int8 (count, height, width), memory-mapped.

    Raises:
        InputError: there is no such resolution, or the file is not a complete Perlin bank.
    """
    if resolution not in RESOLUTIONS:
        raise unknown("resolution", resolution, RESOLUTIONS, str(path))
    with _opened(path) as file:
        bank = file[resolution]
        return np.memmap(path, np.int8, "r", offset=bank.id.get_offset(), shape=bank.shape)


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[h5py.File]:
    """Open a bank's file and check that it is complete."""
    with opened(path, "a Perlin bank of rehash") as file:
        _check_whole(file)
        yield file


def _check_whole(file: h5py.File) -> None:
    wanted = _ATTRIBUTES if "checksum" in file.attrs else (*_ATTRIBUTES, *_RULE)
    missing = [name for name in wanted if name not in file.attrs]
    if missing:
        raise InputError(f"it lacks the attributes {', '.join(missing)}")
    size = (int(file.attrs["height"]), int(file.attrs["width"]))
    count = file["coarse"].shape[:1]
    for resolution in RESOLUTIONS:
        bank = file[resolution]
        if bank.dtype != np.int8 or bank.shape != (*count, *size) or bank.id.get_offset() is None:
            layout = "chunks" if bank.chunks else "one piece"
            raise InputError(
                f"{resolution} is {bank.dtype} {bank.shape} in {layout}; expected int8 {(*count, *size)} in one piece"
            )


def spectrum(samples: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Compute the radially averaged power spectra of fields (N, height, width), for each resolution.

    A spectrum is the field's periodogram under a Hann window of unit mean square, averaged over rings one cycle wide;
    its integral over all frequencies of both signs is the mean square. The last ring is the last below the Nyquist
    frequency.

    Returns:
        Columns resolution; frequency (cycles per image height); power_mean and power_sd over fields (squared steps
        per squared cycle per image height; power_sd of one field is NaN); n, the number of fields.
    """
    tables = [_spectrum(drawn).assign(resolution=resolution) for resolution, drawn in samples.items()]
    return pd.concat(tables, ignore_index=True)[["resolution", "frequency", "power_mean", "power_sd", "n"]]


def _spectrum(drawn: np.ndarray) -> pd.DataFrame:
    n, height, width = drawn.shape
    window = np.outer(*(np.sin(np.pi * (np.arange(pixels) + 0.5) / pixels) ** 2 for pixels in (height, width)))
    window /= np.sqrt((window**2).mean())
    ring = np.rint(height * np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))).astype(int).ravel()
    frequency = np.arange(1, (height - 1) // 2 + 1)
    cells_of_frequency = height / width * np.bincount(ring)[frequency]
    sums = [
        np.bincount(ring, (np.abs(np.fft.fft2(window * field)) ** 2).ravel())[frequency] / field.size**2
        for field in drawn
    ]
    power = pd.DataFrame(sums / cells_of_frequency)
    return pd.DataFrame({"frequency": frequency, "power_mean": power.mean(), "power_sd": power.std(), "n": n})


def measure_spectrum(path: str | Path, output: str | Path) -> dict[str, Any]:
    """Write the `spectrum` of the first `SAMPLE` fields of each resolution of a bank (CSV)."""
    with _opened(path) as file:
        found = {resolution: file[resolution][:SAMPLE] for resolution in RESOLUTIONS}
    about = describe_perlin(path)
    write_csv(spectrum(found), output)
    notes = {name: about[name] for name in ("seed", "lattice") if name in about}
    return {**notes, "digests": {str(path): value_digest(about)}}
