"""What tasks do to images, against torchvision, PIL and formulas on paper; and how a config declares them."""

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import kstest
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as theirs

from graphs import ROOT
from rehash.datasets.build import build_dataset
from rehash.errors import InputError
from rehash.tgsh.modulations import read_digits
from rehash.tgsh.streams import transformations
from rehash.tgsh.tasks import PIXELS, SIDE, Transformation, distances, sampling, transformed

IMAGES = np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE), dtype=np.uint8)
BENCHMARKS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["tgsh"]["benchmarks"]
PLAIN = Transformation()
# A task of each kind, and mixed ones; no pixel of theirs falls just between two others, where rounding decides.
TASKS = [
    Transformation(),
    Transformation(angle=10),
    Transformation(angle=-30),
    Transformation(angle=90),
    Transformation(angle=180),
    Transformation(angle=270),
    Transformation(angle=123.4),
    Transformation(dx=3, dy=-5),
    Transformation(dx=-1.3, dy=0.4),
    Transformation(scale=1.25),
    Transformation(shear=20),
    Transformation(shear=-12.5),
    Transformation(angle=35.5, dx=3, dy=-2, scale=0.8, shear=15),
    Transformation(angle=-20, dx=1.3, dy=2.6, scale=1.2, shear=-10),
]


def torchvisions(task: Transformation, interpolation: str, fill: float) -> np.ndarray:
    """The same by torchvision, whose angle counts clockwise, in float64."""
    # Its own fill is taken out: with bilinear it weighs a border pixel by its covered share twice.
    pixels = torch.from_numpy(IMAGES).double()[:, None] / 255 - fill
    shown = theirs.affine(
        pixels,
        angle=-task.angle,
        translate=[task.dx, task.dy],
        scale=task.scale,
        shear=[task.shear, 0.0],
        interpolation=InterpolationMode(interpolation),
        fill=None,
    )
    return shown[:, 0].numpy() + fill


@pytest.mark.parametrize("fill", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_pictures_are_torchvisions(task, interpolation, fill):
    ours = transformed(IMAGES, sampling(task, interpolation), fill)
    np.testing.assert_allclose(ours, torchvisions(task, interpolation, fill), atol=3e-7)


@pytest.mark.parametrize("angle", [0.5, 17, 90, 200])
def test_rotations_are_torchvisions_rotate(angle):
    ours = transformed(IMAGES, sampling(Transformation(angle=angle)), 0.0)
    pixels = torch.from_numpy(IMAGES)[:, None]
    assert (np.rint(ours * 255) == theirs.rotate(pixels, angle)[:, 0].numpy()).all()


@pytest.mark.parametrize("angle", range(0, 360, 10))
def test_the_published_rotations_are_pils_pixel_for_pixel(angle):
    """The notebook turns PIL images, with torchvision's default, which is nearest."""
    ours = transformed(IMAGES, sampling(Transformation(angle=angle)), 0.0)
    turned = np.stack([np.asarray(Image.fromarray(image).rotate(angle)) for image in IMAGES])
    assert (np.rint(ours * 255) == turned).all()


def test_directions():
    """Counter-clockwise, right, down, larger; a shear leans what is above the centre to the right."""
    dot = np.zeros((1, SIDE, SIDE), np.uint8)
    dot[0, 4, 13] = 255  # above the centre

    def place(**task: float) -> tuple[float, float]:
        shown = transformed(dot, sampling(Transformation(**task), "bilinear"), 0.0)[0]
        y, x = np.indices(shown.shape)
        return float((shown * x).sum() / shown.sum()), float((shown * y).sum() / shown.sum())

    assert place() == (13, 4)
    assert place(angle=90) == pytest.approx((4, 14))  # to the left of the centre
    assert place(dx=2, dy=3) == (15, 7)
    assert place(scale=1.4)[1] < 1
    assert place(shear=20)[0] == pytest.approx(13 + np.tan(np.radians(20)) * 9.5, abs=0.1)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("contrast", [0.25, 0.5, 1.5, 4])
def test_contrast_is_about_mid_grey_and_cut_off(contrast, interpolation):
    turn = Transformation(angle=20, contrast=contrast)
    plain = transformed(IMAGES, sampling(Transformation(angle=20), interpolation), 0.2)
    ours = transformed(IMAGES, sampling(turn, interpolation), 0.2)
    np.testing.assert_allclose(ours, np.clip(0.5 + (plain - 0.5) * contrast, 0, 1), atol=1e-6)


@given(st.tuples(*[st.floats(-200, 200)] * 3, st.floats(0.2, 3), st.floats(-60, 60)))
def test_samplings_are_weighted_means_of_pixels(values):
    task = Transformation(*values)
    for interpolation in ("nearest", "bilinear"):
        how = sampling(task, interpolation)
        assert how.source.min() >= 0 and how.source.max() <= PIXELS
        assert (how.weight >= 0).all() and np.allclose(how.weight.sum(1), 1)


def test_right_angles_leave_a_pixel_whole():
    """Samplings of 90 degrees are permutations under both interpolations."""
    for angle in (0, 90, 180, 270):
        nearest, bilinear = (sampling(Transformation(angle=angle), name) for name in ("nearest", "bilinear"))
        assert sorted(nearest.source[:, 0]) == list(range(PIXELS))
        assert (bilinear.source[np.arange(PIXELS), bilinear.weight.argmax(1)] == nearest.source[:, 0]).all()
        assert (bilinear.weight.max(1) == 1).all()


def test_distance_of_rotations_is_the_chord():
    angles = np.arange(0, 360, 10)
    found = distances([Transformation(angle=angle) for angle in angles])
    apart = np.abs(angles[:, None] - angles)
    apart = np.minimum(apart, 360 - apart)
    radius = np.sqrt(2 * np.mean((np.arange(SIDE) - (SIDE - 1) / 2) ** 2))
    np.testing.assert_allclose(found, 2 * radius * np.sin(np.radians(apart / 2)), atol=1e-9)
    order = np.argsort(apart[0], kind="stable")
    assert (np.diff(found[0][order]) >= -1e-9).all()


def test_distance_of_shifts_is_euclids():
    tasks = [Transformation(**task) for task in transformations(BENCHMARKS["shift"], "shift")]
    places = np.array([(task.dx, task.dy) for task in tasks])
    np.testing.assert_allclose(distances(tasks), np.linalg.norm(places[:, None] - places, axis=2), atol=1e-9)


def test_distance_of_any_tasks():
    """A metric over what happens to points: symmetric, zero with itself, and contrast does not count."""
    found = distances([*TASKS, Transformation(contrast=0.5)])
    assert (found == found.T).all() and (found.diagonal() == 0).all()
    np.testing.assert_array_equal(found[-1], found[0])
    assert (found[:, None] <= found[:, :, None] + found[None] + 1e-9).all()
    double = distances([PLAIN, Transformation(scale=2)])[0, 1]
    radius = np.sqrt(2 * np.mean((np.arange(SIDE) - (SIDE - 1) / 2) ** 2))
    assert double == pytest.approx(radius)


def test_a_list_and_formulas_declare_the_same():
    formulas = {"tasks": 3, "angle": "10 * t", "dx": "t ** 2 - tasks", "scale": 0.5, "interpolation": "nearest"}
    listed = {"tasks": [{"angle": 10 * t, "dx": t**2 - 3, "scale": 0.5} for t in range(3)]}
    expected = [vars(Transformation(angle=10.0 * t, dx=t**2 - 3.0, scale=0.5)) for t in range(3)]
    assert transformations(formulas, "b") == transformations(listed, "b") == expected
    assert all(type(value) is float for task in expected for value in task.values())


def test_formulas_do_not_show_their_rounding():
    assert [task["angle"] for task in transformations({"tasks": 4, "angle": "0.1 * t"}, "b")] == [0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"tasks": [{"angle": 1}, {}]}, "b: task 1: an empty transformation; {angle: 0} leaves images as they are"),
        (
            {"tasks": 3},
            "b: 3 tasks, but no transformation; expected a formula for angle, dx, dy, scale, shear, contrast",
        ),
        ({"tasks": 3, "angle": "10 * i"}, "b.angle: '10 * i' has no value for task t = 0 ('i' is not defined"),
        (
            {"tasks": 3, "angle": "10 / (t - 1)"},
            "b.angle: '10 / (t - 1)' has no value for task t = 1 (division by zero)",
        ),
        ({"tasks": 3, "angle": "10 *"}, "b.angle: '10 *' has no value for task t = 0"),
        ({"tasks": 3, "angle": "'ten'"}, "b.angle: ''ten'' has no value for task t = 0"),
        ({"tasks": 3, "angle": "__import__('os')"}, "b.angle: '__import__('os')' has no value for task t = 0"),
        ({"tasks": 3, "angle": "9e999"}, "b: task 0: angle is inf; expected a finite number"),
        ({"tasks": [{"dx": float("nan")}]}, "b: task 0: dx is nan; expected a finite number"),
        ({"tasks": 3, "scale": "t"}, "b: task 0: scale is 0.0; expected a factor above 0"),
        ({"tasks": 3, "contrast": "1 - t"}, "b: task 1: contrast is 0.0; expected a factor above 0"),
        ({"tasks": 3, "shear": "45 * t"}, "b: task 2: shear is 90.0; expected less than 90 degrees"),
        ({"tasks": [{"angle": 1}], "dx": "t"}, "b: has a list of tasks, and the formula dx, too; keep one"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40],
)
def test_a_wrong_declaration_is_named(block, message):
    with pytest.raises(InputError) as error:
        transformations(block, "b")
    assert message in str(error.value)


def test_the_configured_benchmarks():
    assert list(BENCHMARKS) == ["rotation", "shift", "augment"]
    declared = {name: transformations(block, name) for name, block in BENCHMARKS.items()}
    for tasks in declared.values():
        assert len(tasks) == 36 == len({tuple(task.values()) for task in tasks})
    assert [task["angle"] for task in declared["rotation"]] == [10.0 * t for t in range(36)]
    assert declared["rotation"][0] == declared["augment"][0] == vars(PLAIN)
    assert {(task["dx"], task["dy"]) for task in declared["shift"]} == {
        (dx, dy) for dx in range(-5, 6, 2) for dy in range(-5, 6, 2)
    }
    ranges = {"angle": (-45, 45), "dx": (-4, 4), "dy": (-4, 4), "scale": (0.75, 1.25), "shear": (-20, 20)}
    for name, (low, high) in {**ranges, "contrast": (0.5, 1.5)}.items():
        values = np.array([task[name] for task in declared["augment"]])
        assert low <= values.min() and values.max() < high
        assert kstest((values - low) / (high - low), "uniform").statistic < 0.1, name  # random ones: 0.14 on average


def test_shifts_keep_digits_nearly_whole(tmp_path):
    """Of what is bright, 98% is still there over all tasks, and 93% in the corners of the grid."""
    build_dataset(tmp_path / "d.h5", {}, name="mnist5k", reader="mnist5k")
    images = read_digits(tmp_path / "d.h5").test.images
    kept = []
    for task in transformations(BENCHMARKS["shift"], "shift"):
        shown = transformed(images, sampling(Transformation(**task)), 0.0)
        kept.append(shown.sum(dtype=float) / (images.sum() / 255))
    assert np.mean(kept) > 0.98 and min(kept) > 0.93
    assert kept.index(min(kept)) in (0, 5, 30, 35)
