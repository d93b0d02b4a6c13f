"""Perlin noise against the textbook, one pixel at a time; its spectrum against theory."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.signal import convolve2d
from scipy.stats import kstest
from threadpoolctl import threadpool_limits

from rehash.equihash.figures.perlin import draw_perlin
from rehash.equihash.images.perlin import (
    BLOCK,
    BOUND,
    fields,
    noise,
    open_fields,
    spectrum,
    unit_gradients,
    write_perlin,
)
from rehash.errors import InputError
from rehash.figures.style import save_figure

SHAPES = pytest.mark.parametrize(
    ("size", "lattice"), [((7, 10), (3, 4)), ((12, 9), (2, 5)), ((9, 6), (6, 4)), ((5, 4), (1, 9))]
)
SETTINGS = {"height": 12, "width": 18, "lattice": (2, 3), "amplitude": 127, "seed": 5, "name": "flow"}


def fade(t: float) -> float:
    return 6 * t**5 - 15 * t**4 + 10 * t**3


def lerp(t: float, a: float, b: float) -> float:
    return a + t * (b - a)


def textbook(gradients, height: int, width: int) -> np.ndarray:
    """Perlin 2002: of four corners, the products of gradient and distance, blended along x, then along y."""
    _, rows, columns = (side - 1 for side in gradients.shape)
    field = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) / height * rows, (j + 0.5) / width * columns
            top, left = math.floor(y), math.floor(x)
            v, u = y - top, x - left

            def corner(down, right, top=top, left=left, v=v, u=u):
                gy, gx = gradients[:, top + down, left + right]
                return gy * (v - down) + gx * (u - right)

            upper = lerp(fade(u), corner(0, 0), corner(0, 1))
            lower = lerp(fade(u), corner(1, 0), corner(1, 1))
            field[i, j] = lerp(fade(v), upper, lower)
    return field


@SHAPES
def test_noise_is_the_textbooks(size, lattice):
    gradients = np.random.default_rng(0).normal(size=(3, 2, lattice[0] + 1, lattice[1] + 1))
    found, expected = noise(gradients, *size), [textbook(g, *size) for g in gradients]
    assert found.dtype == np.float32 and np.std(expected) > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-6)


@SHAPES
def test_fields_are_the_textbooks_in_steps(size, lattice):
    drawn = fields(0, 3, height=size[0], width=size[1], lattice=lattice, amplitude=100, seed=1, name="n")
    gradients = unit_gradients(0, lattice, seed=1, name="n")
    steps = 100 * math.sqrt(2) * np.stack([textbook(g, *size) for g in gradients[:3]])
    assert drawn.dtype == np.int8 and np.abs(drawn).max() > 30
    assert np.abs(drawn - steps).max() <= 0.5 + 1e-4


def test_zero_where_a_pixel_is_on_a_lattice_point():
    gradients = np.random.default_rng(0).normal(size=(4, 2, 7, 5))
    found = noise(gradients, 9, 6)  # centres lie at 1/3, 1, 5/3, ... on both axes
    assert (found[:, 1::3, 1::3] == 0).all() and (np.delete(found[:, 0], [1, 4], axis=1) != 0).all()


def test_the_bound_is_reached_and_never_passed():
    inwards = np.array([[[1, 1], [-1, -1]], [[1, -1], [1, -1]]]) / math.sqrt(2)
    assert noise(inwards[None], 1, 1).item() == pytest.approx(BOUND) and pytest.approx(0.5**0.5) == BOUND
    # Steepest ascent of every pixel of a cell: each gradient towards the pixel.
    side = 41
    centres = (np.arange(side) + 0.5) / side
    for i in range(side):
        for j in range(side):
            away = np.array(
                [[[centres[i] - r for c in (0, 1)] for r in (0, 1)], [[centres[j] - c for c in (0, 1)] for r in (0, 1)]]
            )
            largest = noise((away / np.hypot(*away))[None], side, side)[0, i, j]
            assert largest <= BOUND * (1 + 1e-6)
    drawn = fields(0, 400, height=9, width=9, lattice=(3, 3), amplitude=127, seed=0, name="n")
    assert 110 < drawn.max() <= 127 and -127 <= drawn.min() < -110, "centres of cells come near it"


def test_a_field_is_the_same_bytes_in_every_slice():
    whole = fields(0, 2 * BLOCK + 30, **SETTINGS)
    ends = (0, 1), (1, 2), (33, 34), (500, 530), (BLOCK - 1, BLOCK + 1), (BLOCK, 2 * BLOCK), (1000, 1054), (7, 7)
    for start, stop in ends:
        found = fields(start, stop, **SETTINGS)
        assert found.shape == (stop - start, 12, 18) and found.tobytes() == whole[start:stop].tobytes()
    assert len(np.unique(whole.reshape(len(whole), -1), axis=0)) == len(whole)


def test_threads_change_no_byte():
    large = SETTINGS | {"height": 180, "width": 270, "lattice": (12, 18)}
    with threadpool_limits(1):
        one = fields(0, 70, **large)
    with threadpool_limits(2):
        assert fields(0, 70, **large).tobytes() == one.tobytes()


@pytest.mark.parametrize("other", [{"seed": 6}, {"name": "flow2"}])
def test_other_seed_or_name_other_fields(other):
    found, usual = fields(0, 200, **SETTINGS | other), fields(0, 200, **SETTINGS)
    assert abs(np.corrcoef(found.ravel(), usual.ravel())[0, 1]) < 0.05


def test_gradients_are_unit_vectors_of_uniform_angle():
    gradients = np.concatenate([unit_gradients(block, (4, 6), seed=3, name="n") for block in range(3)])
    assert gradients.shape == (3 * BLOCK, 2, 5, 7)
    np.testing.assert_allclose(np.hypot(gradients[:, 0], gradients[:, 1]), 1)
    angles = np.arctan2(gradients[:, 0], gradients[:, 1])
    assert kstest(angles.ravel() / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    n = angles.size
    for axis in range(3):
        here, next_ = np.delete(angles, 0, axis), np.delete(angles, -1, axis)
        assert abs(np.mean(np.cos(here - next_))) < 4 / math.sqrt(n), "neighbours are independent"


def test_mean_and_variance_of_every_pixel():
    n, (height, width), lattice = 4 * BLOCK, (10, 14), (2, 4)
    drawn = fields(0, n, height=height, width=width, lattice=lattice, amplitude=127, seed=2, name="n").astype(float)
    # Independent gradients of variance 1/2 an axis: the variance is half the sum of squares of weight times distance.
    responses = []
    for point in np.ndindex(2, lattice[0] + 1, lattice[1] + 1):
        gradients = np.zeros((2, lattice[0] + 1, lattice[1] + 1))
        gradients[point] = 1
        responses.append(textbook(gradients, height, width))
    variance = (127 * math.sqrt(2)) ** 2 * np.square(responses).sum(0) / 2 + 1 / 12
    assert np.abs(drawn.mean(0) / np.sqrt(variance / n)).max() < 4.5
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.15)
    assert drawn.var(0).mean() == pytest.approx(variance.mean(), rel=0.02)


@pytest.mark.parametrize(("setting", "words"), [
    ({"amplitude": 128}, "amplitude 128; expected more than 0, at most 127"),
    ({"amplitude": 0}, "amplitude 0; expected"),
    ({"lattice": (0, 3)}, r"lattice \(0, 3\); expected 1 or more"),
    ({"width": 0}, "12 x 0 pixels"),
])  # fmt: skip
def test_settings_that_cannot_be(setting, words):
    with pytest.raises(InputError, match=words):
        fields(0, 1, **SETTINGS | setting)


def test_spectrum_of_a_sine():
    side, cycles, amplitude = 64, 10, 20.0
    wave = amplitude * np.sin(2 * np.pi * cycles * (np.arange(side) / side)[:, None] + 0.3) * np.ones(side)
    # A squared Hann window leaves 2/3 of a line's power in its mode and 1/6 in each neighbour's, on both axes.
    share, power, modes = {-1: 1 / 6, 0: 2 / 3, 1: 1 / 6}, np.zeros(side), np.zeros(side)
    for y in range(-side // 2, side // 2):
        for x in range(-side // 2, side // 2):
            ring = round(math.hypot(y, x))
            modes[ring] += 1
            for sign in (-1, 1):
                power[ring] += amplitude**2 / 4 * share.get(y - sign * cycles, 0) * share.get(x, 0)
    found = spectrum({"coarse": wave[None], "fine": np.stack([wave, -wave])})
    assert list(found) == ["resolution", "frequency", "power_mean", "power_sd", "n"]
    for resolution, n in (("coarse", 1), ("fine", 2)):
        table = found[found.resolution == resolution]
        assert table.frequency.tolist() == list(range(1, 32)) and (table.n == n).all()
        np.testing.assert_allclose(table.power_mean, power[1:32] / modes[1:32], atol=1e-12)
    assert found[found.n == 1].power_sd.isna().all() and (found[found.n == 2].power_sd < 1e-9).all()


def test_spectrum_is_a_density_whatever_the_pictures_width():
    rng, sd = np.random.default_rng(0), 7.0
    for height, width in [(40, 40), (40, 100), (40, 33)]:
        table = spectrum({"coarse": sd * rng.normal(size=(60, height, width))})
        # White noise: the variance, spread over frequencies of -H/2 to H/2 cycles on both axes.
        np.testing.assert_allclose(table.power_mean[5:], sd**2 / height**2, rtol=0.1)
        assert (table.power_sd[5:] > 0).all()


def test_spectrum_of_perlin_noise_is_that_of_its_kernel():
    """A lattice of independent gradients is white noise through a kernel, weight times distance: its transform."""
    height, rows = 120, 12
    drawn = fields(0, 300, height=height, width=height, lattice=(rows, rows), amplitude=127, seed=0, name="n")
    found = spectrum({"coarse": drawn})
    assert found.power_mean.idxmax() + 1 == pytest.approx(0.55 * rows, abs=1.5)

    def transforms(f):
        weight = quad(lambda t: fade(1 - t) * math.cos(2 * math.pi * f * t), 0, 1)[0]
        ramp = quad(lambda t: t * fade(1 - t) * math.sin(2 * math.pi * f * t), 0, 1)[0]
        return (2 * weight) ** 2, (2 * ramp) ** 2

    weight, ramp = np.array([transforms(abs(k) / rows) for k in range(-30, 31)]).T
    density = 127**2 * 2 / 2 * (np.outer(weight, ramp) + np.outer(ramp, weight)) / rows**2
    seen = convolve2d(density, np.outer([1, 4, 1], [1, 4, 1]) / 36, "same")  # through the window
    rings = np.rint(np.hypot(*np.mgrid[-30:31, -30:31]))
    for ring in range(2, 25):
        expected = seen[rings == ring].mean()
        assert found.power_mean[ring - 1] == pytest.approx(expected, rel=0.05, abs=2 / 12 / height**2), ring


@pytest.mark.parametrize("count", [1, 5])
def test_the_figure_shows_both_resolutions(tmp_path, count):
    write_perlin(tmp_path / "bank.h5", count=count, **SETTINGS)
    samples = {resolution: open_fields(tmp_path / "bank.h5", resolution) for resolution in ("coarse", "fine")}
    table = spectrum(samples)
    figure = draw_perlin(tmp_path / "bank.h5", table)
    (spectra,) = (axes for axes in figure.axes if axes.get_xscale() == "log")
    for line, (_, rows) in zip(spectra.lines[::2], table.groupby("resolution")):
        np.testing.assert_allclose(line.get_ydata(), rows.power_mean)
    assert [line.get_xdata()[0] for line in spectra.lines[1:4:2]] == [2, 4], "cells are square: one frequency each"
    pictures = [axes for axes in figure.axes if axes.get_xlabel() == "column (pixels)" and axes.images]
    shown = [axes.images[0].get_array() for axes in pictures]
    expected = [field for resolution in ("coarse", "fine") for field in samples[resolution][:2]]
    assert len(shown) == 2 * min(count, 2) and all((a == b).all() for a, b in zip(shown, expected))
    save_figure(figure, tmp_path / "perlin.png")
    assert (tmp_path / "perlin.png").stat().st_size > 20_000
