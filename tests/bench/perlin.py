"""Perlin fields of 180 x 270 pixels at two resolutions against perlin-numpy: microseconds a field, one thread."""

import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from perlin_numpy import generate_perlin_noise_2d
from threadpoolctl import threadpool_limits

from rehash.equihash.images.perlin import noise, write_perlin

SIZE, COUNT = (180, 270), 4096
LATTICES = {"coarse": (6, 9), "fine": (12, 18)}


def check_equal() -> None:
    """Stops if the two differ: perlin-numpy has no pixel centres, so its image of twice the size has ours in it."""
    for lattice in LATTICES.values():
        angles = 2 * np.pi * np.random.default_rng(0).uniform(size=[side + 1 for side in lattice])
        ours = noise(np.stack([np.cos(angles), np.sin(angles)])[None], *SIZE)[0]
        theirs = generate_perlin_noise_2d(tuple(2 * side for side in SIZE), lattice, rng=np.random.default_rng(0))
        np.testing.assert_allclose(np.sqrt(2) * ours, theirs[1::2, 1::2], atol=1e-5)


def perlin_numpy(lattice: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A field in int8; the package scales noise to [-1, 1]."""
    return np.rint(127 * generate_perlin_noise_2d(SIZE, lattice, rng=rng)).astype(np.int8)


def seconds_of_bank(folder: Path) -> float:
    """Ours: both resolutions, drawn and written."""
    start = time.perf_counter()
    write_perlin(
        folder / "ours.h5",
        height=SIZE[0],
        width=SIZE[1],
        count=COUNT,
        lattice=(6, 9),
        amplitude=127,
        seed=0,
        name="bench",
    )
    return time.perf_counter() - start


def seconds_of_loop(folder: Path) -> float:
    """The same with the package: a field after the other into the same layout."""
    rng, start = np.random.default_rng(0), time.perf_counter()
    with h5py.File(folder / "theirs.h5", "w") as file:
        for resolution, lattice in LATTICES.items():
            bank = file.create_dataset(resolution, (COUNT, *SIZE), np.int8)
            for index in range(COUNT):
                bank[index] = perlin_numpy(lattice, rng)
    return time.perf_counter() - start


def rows():
    """(stage, work, ours, peer, peer's name, unit)."""
    check_equal()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        ours, theirs = seconds_of_bank(Path(folder)), seconds_of_loop(Path(folder))
    work = f"2 x {COUNT:,} fields of {SIZE[0]} x {SIZE[1]}, drawn and written, 1 thread"
    yield "a Perlin field", work, ours / COUNT / 2 * 1e6, theirs / COUNT / 2 * 1e6, "perlin-numpy", "µs"
