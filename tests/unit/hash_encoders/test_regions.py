"""Exact linear regions against dense sampling, a count from geometry, and cases made by hand."""

import tracemalloc
from functools import partial
from itertools import combinations, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import linprog
from scipy.spatial.distance import pdist
from scipy.stats import kstest

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.datasets.layout import Split, checksum, write_dataset
from rehash.errors import InputError
from rehash.figures.style import save_figure
from rehash.hash_encoders import measure_regions as job
from rehash.hash_encoders import plan, regions
from rehash.hash_encoders.figures.regions import plot_regions, shares_within
from rehash.hash_encoders.figures.regions_time import plot_regions_time
from rehash.hash_encoders.lines import DIRECTIONS, POINTS, draw_lines, line_table
from rehash.hash_encoders.networks import BatchNorm, Shape, forward
from rehash.hash_encoders.networks_file import write_networks
from rehash.hash_encoders.regions import NoSlice, affine_layers, code_changes, first_changes, plane, slice_regions
from rehash.hash_encoders.results import regions_claims, regions_summary, regions_time_claims, regions_time_summary
from rehash.hash_encoders.trained import Trained
from rehash.store import read_csv, write_csv

NORM = BatchNorm(0.01, 1e-3)
SMALL = Shape(9, 6, 2, 4)
SHAPES = [Shape(6, 12, 1, 3), Shape(6, 7, 2, 3), Shape(6, 5, 5, 3)]
SLOPES = [(0.01, 0.1), (0.25, -0.3), (1.5, -2.0)]  # of each hidden layer; a learned one may be anything
NETWORKS = pytest.mark.parametrize(
    "shape, norm, slopes", [*product(SHAPES, [None, NORM], [None]), *product(SHAPES[1:2], [None, NORM], SLOPES)]
)


def random_network(shape: Shape, norm: BatchNorm | None, slopes=None, members: int = 2, seed: int = 0):
    rng, tensors = np.random.default_rng(seed), {}
    for name, out, into in shape.layers():
        tensors[f"{name}.weight"] = rng.normal(size=(members, out, into)) * np.sqrt(2 / into)
        tensors[f"{name}.bias"] = rng.normal(size=(members, out)) * 0.3
        if norm and name != "head":
            for part in ("scale", "shift", "mean"):
                tensors[f"{name}.{part}"] = rng.normal(size=(members, out)) * 0.5 + (part == "scale")
            tensors[f"{name}.variance"] = rng.uniform(0.2, 2, (members, out))
        if slopes and name != "head":
            tensors[f"{name}.slope"] = slopes[int(name[-1])] * np.linspace(1, 1.1, members)[:, None]
    return {name: torch.from_numpy(array) for name, array in tensors.items()}


def run(tensors, member, shape, norm, inputs):
    """Codes (N, K) and predictions (N,) of inputs (N, I) by the network itself, in float64."""
    alone = {name: tensor[member : member + 1].double() for name, tensor in tensors.items()}
    logits, hidden = forward(alone, torch.from_numpy(inputs.T.copy())[None], shape, norm, training=False)
    return torch.cat([h[0] > 0 for h in hidden]).T.numpy(), logits[0].argmax(0).numpy()


def codes_on_line(tensors, member, shape, norm, start, stop, t):
    return run(tensors, member, shape, norm, start + t[:, None] * (stop - start))[0]


def changes_by_search(codes_at, points: int = 20_001):
    """Where the code changes, by dense sampling and bisection of what differs; and the codes on the way."""
    t = np.linspace(0, 1, points)
    codes, found = codes_at(t), []
    last = np.flatnonzero((codes[1:] != codes[:-1]).any(1))
    for k in last:
        low, high = t[k], t[k + 1]
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if (codes_at(np.array([middle]))[0] == codes[k]).all() else (low, middle)
        found.append(high)
    return np.array(found), codes[[*last, -1]]


@NETWORKS
def test_code_changes_are_those_of_a_dense_search(shape, norm, slopes):
    tensors, rng, total = random_network(shape, norm, slopes), np.random.default_rng(1), 0
    for member in range(2):
        *layers, _ = affine_layers(tensors, member, shape, norm)
        for _ in range(4):
            start, stop = rng.normal(size=(2, shape.inputs)) * 2
            codes_at = partial(codes_on_line, tensors, member, shape, norm, start, stop)
            expected, codes = changes_by_search(codes_at)
            found = code_changes(layers, start, stop)
            np.testing.assert_allclose(found, expected, atol=1e-9)
            assert (codes_at(np.convolve([0, *found, 1], [0.5, 0.5], "valid")) == codes).all()
            total += len(found)
    assert total > 20, "the case must have changes"


@NETWORKS
def test_first_change_is_the_first_of_all(shape, norm, slopes):
    *layers, _ = affine_layers(random_network(shape, norm, slopes), 1, shape, norm)
    starts, along = np.random.default_rng(2).normal(size=(2, 50, shape.inputs))
    along[:10] *= 0.01  # short lines, most of which change nothing before their end
    expected = [min(code_changes(layers, start, start + way), default=np.inf) for start, way in zip(starts, along)]
    found = first_changes(layers, starts, along, chunk=7)
    assert (found > 1).any() and (found < 1).any()
    np.testing.assert_allclose(np.where(found < 1, found, np.inf), expected, rtol=1e-9)
    far = np.isfinite(found)
    longer = [code_changes(layers, *line)[0] for line in zip(starts[far], (starts + 2 * found[:, None] * along)[far])]
    np.testing.assert_allclose(longer, 0.5, rtol=1e-9)  # however far it is
    assert all(
        len(code_changes(layers, start, start + 1e6 * way)) == 0 for start, way in zip(starts[~far], along[~far])
    )


@NETWORKS
def test_the_nearest_face_is_the_least_of_a_slow_search(shape, norm, slopes):
    """By autograd, unit by unit; the normal of that unit leads there, and no other direction to a nearer one."""
    tensors, rng = random_network(shape, norm, slopes, seed=8), np.random.default_rng(9)
    *layers, _ = affine_layers(tensors, 0, shape, norm)
    inputs = rng.normal(size=(20, shape.inputs))
    found = regions.nearest_faces(layers, inputs, numbers=100)
    for row, distance in zip(inputs, found):
        point = torch.from_numpy(row).requires_grad_()
        hidden, values = point, []
        for weight, bias, slope in layers:
            values += list(torch.from_numpy(weight) @ hidden + torch.from_numpy(bias))
            hidden = torch.nn.functional.leaky_relu(torch.stack(values[-len(bias) :]), slope)
        normals = [torch.autograd.grad(value, point, retain_graph=True)[0] for value in values]
        offsets = [abs(value.item()) / normal.norm().item() for value, normal in zip(values, normals) if normal.any()]
        assert distance == pytest.approx(min(offsets), rel=1e-9)
        all_offsets = [abs(v.item()) / n.norm().item() if n.any() else np.inf for v, n in zip(values, normals)]
        best = int(np.argmin(all_offsets))
        towards = (-np.sign(values[best].item()) * normals[best] / normals[best].norm()).numpy()
        others = rng.normal(size=(100, shape.inputs))
        ways = np.vstack([towards, others / np.linalg.norm(others, axis=1, keepdims=True)])
        first = first_changes(layers, np.tile(row, (101, 1)), ways)
        assert first[0] == pytest.approx(distance, rel=1e-9) and (first[1:] >= distance).all()


def test_a_kernel_of_many_inputs_gives_the_distances_of_its_rotation():
    """More inputs than units, less, and a unit that is never on; a region without faces."""
    rng = np.random.default_rng(3)
    weight, bias, inputs = rng.normal(size=(4, 30)), rng.normal(size=4), rng.normal(size=(6, 30))
    distances = np.abs(inputs @ weight.T + bias) / np.linalg.norm(weight, axis=1)
    np.testing.assert_allclose(regions.nearest_faces([(weight, bias)], inputs), distances.min(1), rtol=1e-12)
    ahead = [(weight, np.full(4, -1e3)), (rng.normal(size=(3, 4)), np.ones(3))]  # no unit of the first layer is on
    least = (np.abs(inputs @ weight.T - 1e3) / np.linalg.norm(weight, axis=1)).min(1)
    np.testing.assert_allclose(regions.nearest_faces(ahead, inputs), least, rtol=1e-12)
    assert np.isinf(regions.nearest_faces([(np.zeros((3, 30)), np.ones(3))], inputs)).all()
    assert (regions.nearest_faces([(weight, -weight @ inputs[0])], inputs[:1]) < 1e-14).all()


RAMPS = (np.array([[1.0], [-1.0]]), np.array([-0.25, 0.75]))  # units (x - 1/4)+ and (3/4 - x)+


def line(start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([start]), np.array([stop])


def test_a_case_by_hand():
    layers = [RAMPS, (np.array([[1.0, 1.0]]), np.array([-0.625]))]  # their sum is above 5/8 outside [1/8, 7/8]
    assert code_changes(layers, *line(0, 1)).tolist() == [0.125, 0.25, 0.75, 0.875]
    assert code_changes(layers, *line(1, 0)).tolist() == [0.125, 0.25, 0.75, 0.875]
    assert code_changes(layers, *line(0, 2)).tolist() == [0.0625, 0.125, 0.375, 0.4375]
    starts, along = np.array([[0, 1, 0.5, 0.3, 0.9], [1, -1, 0, 0.5, 2]])[..., None]
    assert first_changes(layers, starts, along).tolist() == [0.125, 0.125, np.inf, 0.9, np.inf]
    inputs = np.array([[0.0], [0.5], [0.7], [-3.0]])
    assert regions.nearest_faces(layers, inputs).tolist() == pytest.approx([0.125, 0.25, 0.05, 3.125])
    assert len(code_changes(layers, *line(0.5, 0.5))) == len(code_changes(layers, *line(0.3, 0.7))) == 0


def test_touching_without_crossing_is_no_change():
    # The sum of the ramps falls to 1/2 at 1/4, stays there, and rises from 3/4 on: changes at knots that are there already.
    assert code_changes([RAMPS, (np.array([[1.0, 1.0]]), np.array([-0.5]))], *line(0, 1)).tolist() == [0.25, 0.75]
    # |x - c| touches 0 where the units below it swap, and so does its negative: one change, whatever is rounded.
    for c in np.random.default_rng(0).uniform(size=200):
        valley = [(np.array([[1.0], [-1.0]]), np.array([-c, c])), (np.array([[1.0, 1.0], [-1.0, -1.0]]), np.zeros(2))]
        assert len(code_changes(valley, *line(-0.1, 1.3))) == 1
    above = [(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-0.5, 0.5]))]
    assert len(code_changes(above, np.array([0.5, 0.0]), np.array([0.5, 1.0]))) == 0  # along a boundary
    # Two units with one hyperplane, and a third that an ulp sets apart: one change.
    same = [(np.array([[1.0], [3.0], [-1.0]]), np.array([-0.1, -0.3, 0.1 + 2e-17]))]
    assert len(code_changes(same, *line(0, 1))) == 1


def test_a_start_on_a_boundary_is_in_the_region_that_the_line_enters():
    layers = [(np.array([[1.0], [1.0], [1.0]]), np.array([-0.5, -0.75, -0.3]))]
    third = 0.1 + 0.2  # on the boundary but for rounding
    cases = [(0.5, 1, [0.5]), (0.5, 0.4, []), (0.4, 0.5, []), (1, 0.5, [0.5]), (third, 0, []), (third, 0.4, [])]
    for start, stop, expected in [*cases, (0.4, third, []), (0, third, [])]:
        assert code_changes(layers, *line(start, stop)).tolist() == expected
        found = first_changes(layers, np.array([[start]]), np.array([[stop - start]])).tolist()
        assert found == pytest.approx(expected) if expected else found[0] > 1 - 1e-9
    # All boundaries of a first layer without biases go through the origin; those of the second do not.
    shape, stops = SHAPES[1], np.random.default_rng(0).normal(size=(20, 6)) * 3
    tensors = random_network(shape, None)
    tensors["hidden.0.bias"].zero_()
    *layers, _ = affine_layers(tensors, 0, shape, None)
    expected = [min(code_changes(layers, np.zeros(6), stop), default=np.inf) for stop in stops]
    found = first_changes(layers, np.zeros((20, 6)), stops)
    np.testing.assert_allclose(np.where(found < 1, found, np.inf), expected, rtol=1e-9)


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (N, 2) lie in a convex counter-clockwise polygon."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    to = points[:, None] - polygon
    return (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] > 0).all(1)


@NETWORKS
def test_slices_against_dense_sampling(shape, norm, slopes):
    tensors, rng = random_network(shape, norm, slopes, seed=3), np.random.default_rng(4)
    corners = rng.normal(size=(3, shape.inputs)) * 2
    *layers, head = affine_layers(tensors, 0, shape, norm)
    regions, frame = slice_regions(layers, corners, head), plane(corners)
    points = rng.uniform(frame.square[0], frame.square[2], (3000, 2))
    codes, _ = run(tensors, 0, shape, norm, frame.inputs(points))
    hits = np.array([inside(region.vertices, points) for region in regions])
    assert (hits.sum(0) == 1).all()
    assert all((codes[hit] == region.code).all() for region, hit in zip(regions, hits))
    assert len(regions) > 12 and len({region.code.tobytes() for region in regions}) == len(regions)
    assert sum(region.area for region in regions) == pytest.approx(np.ptp(frame.square[:, 0]) ** 2, rel=1e-12)
    middles = frame.inputs(np.array([region.vertices.mean(0) for region in regions]))
    codes, predictions = run(tensors, 0, shape, norm, middles)
    assert (codes == [region.code for region in regions]).all()
    assert (predictions == [region.prediction for region in regions]).all()


def regions_by_enumeration(layers, frame, smallest: float) -> set[bytes]:
    """The codes that a point of the square has: of all sign vectors, layer after layer, those that linear programs allow.

    A code counts if a disc of a radius above `smallest` has it.
    """
    corner, side = frame.square[0], np.ptp(frame.square[:, 0])
    found = [(np.empty((0, 3)), frame.axes.T, frame.origin, b"")]  # half-planes, the hidden units as a p + b, the code
    for weight, bias, *_ in layers:
        grown = []
        for half_planes, a, b, code in found:
            a, b = weight @ a, weight @ b + bias
            for signs in product((False, True), repeat=len(b)):
                way = np.where(signs, 1.0, -1.0)
                rows = np.vstack([half_planes, np.column_stack([way[:, None] * a, way * b])])
                lengths = np.linalg.norm(rows[:, :2], axis=1)
                # The largest disc (p, r) with a p + b >= r |a| on the right side of all units.
                limits = [*((low, low + side) for low in corner), (None, side)]
                cuts = np.column_stack([-rows[:, :2], lengths])
                disc = linprog([0, 0, -1], A_ub=cuts, b_ub=rows[:, 2], bounds=limits)
                if disc.status == 0 and disc.x[2] > smallest:
                    on = np.array(signs)
                    grown.append((rows, a * on[:, None], b * on, code + on.tobytes()))
        found = grown
    return {code for *_, code in found}


@pytest.mark.parametrize("shape", [Shape(6, 5, 1, 3), Shape(6, 4, 2, 3), Shape(6, 3, 3, 3)])
def test_slices_have_the_codes_of_a_slow_enumeration(shape):
    corners = np.random.default_rng(1).normal(size=(3, shape.inputs)) * 2
    *layers, _ = affine_layers(random_network(shape, NORM, seed=1), 0, shape, NORM)
    found = slice_regions(layers, corners)
    assert {region.code.tobytes() for region in found} == regions_by_enumeration(layers, plane(corners), 1e-7)
    assert len(found) > 8


# Of networks (seed, widths) the number of regions that regioncam 0.5.2 counts, a program that shares nothing with ours.
COUNTED = [(0, [30], 334), (1, [12, 12], 117), (2, [10, 10, 10], 148), (3, [8, 8, 8, 8, 8], 153)]


@pytest.mark.parametrize("seed, widths, count", COUNTED)
def test_slices_have_as_many_regions_as_another_program_counts(seed, widths, count):
    rng = np.random.default_rng([seed, *widths])
    layers = [
        (rng.normal(size=(out, into)) * np.sqrt(2 / into), rng.normal(size=out) * 0.3)
        for into, out in zip([10, *widths], widths)
    ]
    assert len(slice_regions(layers, rng.normal(size=(3, 10)) * 2)) == count


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"layer_widths": [31]}, "config: hash_encoders.regions.mnist5k.layer_widths: unknown layer width of capacity '31'"),
        ({"epochs": [0, 2]}, "config: hash_encoders.regions.mnist5k.epochs: unknown epoch of training_time '2'"),
    ],
)  # fmt: skip
def test_regions_are_of_networks_that_the_studies_train(changes, message):
    config = validated(merged(DEFAULT))
    config["hash_encoders"]["regions"]["mnist5k"] |= changes
    with pytest.raises(InputError) as error:
        plan.region_tables(config, "mnist5k", "lines")
    assert str(error.value).startswith(message)


def test_the_plan_of_regions():
    config = validated(merged(DEFAULT))
    tables = plan.region_tables(config, "mnist5k", "slices")
    assert [path.split("/networks/")[1].split("/")[0] for path in tables] == ["capacity", "training_time"]
    named = [name for name, where in plan.asked(config) if where["dataset"] == "mnist5k"]
    assert {"regions", "regions_time"} <= set(named)
    assert plan.regions_settings(config, "capacity", "mnist5k")["epochs"] is None
    block = config["hash_encoders"]["regions"]["mnist5k"]
    assert plan.regions_settings(config, "training_time", "mnist5k")["epochs"] == [0, 1, 3, 10, 30]
    block |= {"epochs": [30, 0], "studies": ["training_time"]}
    assert plan.regions_settings(config, "training_time", "mnist5k")["epochs"] == [0, 30]
    assert "regions" not in [name for name, where in plan.asked(config) if where["dataset"] == "mnist5k"]
    with pytest.raises(InputError, match="unknown study 'capacity'"):
        plan.regions_settings(config, "capacity", "mnist5k")


def test_lines_cut_the_plane_into_as_many_parts_as_they_must():
    """1 + lines + intersections (Zaslavsky), counting those in the open square."""
    rng = np.random.default_rng(5)
    corners, weight = rng.normal(size=(3, 8)), rng.normal(size=(40, 8))
    frame = plane(corners)
    bias = -weight @ frame.inputs(frame.square.mean(0)) + 0.7 * rng.normal(size=40)
    normals, offsets = weight @ frame.axes.T, weight @ frame.origin + bias
    crossing = [len({*np.sign(frame.square @ n + o)}) == 2 for n, o in zip(normals, offsets)]
    meeting = 0
    for i, j in combinations(range(40), 2):
        point = np.linalg.solve(normals[[i, j]], -offsets[[i, j]])
        meeting += bool((point > frame.square[0]).all() and (point < frame.square[2]).all())
    assert 20 < sum(crossing) < 40 and meeting > 50
    assert len(slice_regions([(weight, bias)], corners)) == 1 + sum(crossing) + meeting


def test_the_frame_keeps_distances():
    corners = np.random.default_rng(6).normal(size=(3, 20))
    frame = plane(corners)
    np.testing.assert_allclose(frame.inputs(frame.corners), corners, atol=1e-12)
    np.testing.assert_allclose(pdist(frame.corners), pdist(corners))
    assert (frame.corners > frame.square[0]).all() and (frame.corners < frame.square[2]).all()


@pytest.mark.parametrize("places", [(0, 1, 2), (0, 1, 1), (0, 1, 0), (0, 0, 1)])
def test_corners_on_one_line(places):
    corners = 0.1 + np.outer(places, np.arange(5.0))
    with pytest.raises(InputError, match="lie on one line"):
        slice_regions([], corners)


def test_dead_units_cut_nothing():
    corners = np.random.default_rng(7).normal(size=(3, 4))
    for bias, on in ((0, False), (-1, False), (1, True)):
        dead = [(np.zeros((3, 4)), np.full(3, bias)), (np.ones((2, 3)), np.zeros(2))]
        (region,) = slice_regions(dead, corners, (np.zeros((4, 2)), np.array([0.0, 0, 1, 0])))
        assert (region.code == on).all() and region.prediction == 2
        assert len(code_changes(dead, corners[0], corners[1])) == 0


def split(n: int, classes: int = 4, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    return Split(rng.integers(0, 256, (n, 3, 3)).astype(np.uint8), np.arange(n) % classes)


SETTINGS = {"lines": 10, "directions": list(DIRECTIONS), "slices": True}
ASKED = {"dataset": "made", "seed": 3, "repeats": 2, **SETTINGS}


def tables(networks: dict, **asked):
    return job.region_tables(networks, SMALL, NORM, split(40), split(30, seed=1), **{**ASKED, **asked})


def made_networks() -> dict:
    return {name: random_network(SMALL, NORM, seed=i) for i, name in enumerate(("untrained", "trained"))}


def with_keys(table: pd.DataFrame, **changes) -> pd.DataFrame:
    keys = {"dataset": "made", "protocol": "scripts", "depth": 2, "layer_width": 6, "networks": "capacity"}
    return table.assign(**{**keys, "epoch": table.snapshot.map({"untrained": 0, "trained": 9}), **changes})


def test_tables_of_lines_and_slices():
    (lines, slices, notes), inputs = tables(made_networks()), split(30, seed=1).inputs[:3].reshape(3, 9) / 255
    assert len(lines) == 2 * 2 * (3 + 3 + 2) * 10 and notes == {"corners": [0, 1, 2], "diverged": 0}
    assert set(zip(lines.points, lines.direction)) == {*product(POINTS, DIRECTIONS)} - {("random", "class_mean")}
    assert (lines.chord == lines.forward + lines.backward).all()
    assert (lines.nearest_face <= np.minimum(lines.forward, lines.backward) * (1 + 1e-9)).all()
    ends, anywhere = lines[lines.direction == "input"], lines[lines.direction == "random"]
    assert ((ends.changes > 0) == (ends.forward < ends.length)).all() and (ends.changes > 0).any()
    assert anywhere.length.isna().all() and lines[lines.direction != "input"].changes.isna().all()
    by = lines[lines.direction != "random"].groupby(["points", "direction", "line"])
    assert (by.length.nunique() == 1).all(), "all networks have the same lines"
    one = lines.groupby(["snapshot", "repeat", "points", "line"]).nearest_face.nunique()
    assert (one == 1).all(), "a start has one nearest face, whatever the direction"
    assert set(slices.repeat) == {0}
    corners = slices[slices["item"] == "corner"]
    assert corners["class"].tolist() == [0, 1, 2] * 2 and corners.number.tolist() == [0, 1, 2] * 2
    *layers, head = affine_layers(made_networks()["trained"], 0, SMALL, NORM)
    drawn = slices[(slices["item"] == "region") & (slices.snapshot == "trained")]
    for region, (_, rows) in zip(slice_regions(layers, inputs, head), drawn.groupby("number"), strict=True):
        assert (rows[["x", "y"]].to_numpy(float) == region.vertices).all()
        assert rows.vertex.tolist() == list(range(len(rows))) and set(rows["class"]) == {region.prediction}


def test_diverged_networks_are_not_measured():
    networks = made_networks()
    networks["trained"]["head.bias"][0] = torch.nan
    lines, slices, notes = tables(networks)
    assert notes["diverged"] == 1 and set(slices.repeat) == {1}
    lost = lines.chord.isna()
    assert lost.sum() == 80 and set(lines[lost].repeat) == {0} and set(lines[lost].snapshot) == {"trained"}
    assert lines.loc[lost, ["forward", "backward", "nearest_face", "changes"]].isna().all(axis=None)
    for network in networks.values():
        network["head.bias"][:] = torch.nan
    lines, slices, _ = tables(networks)
    figure = plot_regions(with_keys(lines), with_keys(slices))
    assert slices.empty and "4 networks that diverged" in figure.get_suptitle()
    plt.close(figure)


def ends_of(points, train, test, lines, dataset="made"):
    starts, vectors = draw_lines(points, train, test, lines, seed=1, dataset=dataset)
    return starts, {direction: starts + vector for direction, vector in vectors.items()}


def counted(n: int) -> Split:
    return Split(np.arange(n, dtype=np.uint8)[:, None], np.arange(n) % 3)


def test_ends_of_lines():
    train, test = counted(60), counted(50)
    starts, stops = ends_of("test", train, test, 25)
    assert sorted(np.round(np.concatenate([starts, stops["input"]])[:, 0] * 255)) == list(range(50))
    starts, stops = ends_of("train", train, test, 25)
    assert len({*np.round(np.concatenate([starts, stops["input"]])[:, 0] * 255)}) == 50
    labels = np.round(starts[:, 0] * 255) % 3
    means = np.array([np.arange(label, 60, 3).mean() for label in labels]) / 255
    np.testing.assert_allclose(stops["class_mean"][:, 0], means)
    starts, stops = ends_of("random", train, test, 25)
    assert stops["input"].shape == (25, 1) and "class_mean" not in stops
    assert job.corner_items(np.array([4, 4, 1, 4, 0, 1, 2])).tolist() == [0, 2, 4]
    with pytest.raises(NoSlice, match="three classes; the test inputs are of 2 classes"):
        job.corner_items(np.array([1, 0, 1]))
    with pytest.raises(NoSlice, match="of one class"):
        job.corner_items(np.array([1, 1]))


def test_random_directions_are_uniform_on_the_sphere():
    many = Split(np.zeros((8000, 3), np.float32), np.zeros(8000, int))
    _, vectors = draw_lines("train", many, many, 4000, seed=1, dataset="d")
    np.testing.assert_allclose(np.linalg.norm(vectors["random"], axis=1), 1)
    # Archimedes: each coordinate of a point on a sphere is uniform in [-1, 1].
    assert all(kstest(axis, "uniform", args=(-1, 2)).pvalue > 0.01 for axis in vectors["random"].T)
    assert (vectors["input"] == 0).all(), "equal inputs"
    ray = [(np.eye(3), np.full(3, -0.5))]
    table = line_table(np.zeros((2, 3)), {"input": np.zeros((2, 3))}, partial(first_changes, ray), lambda x: np.ones(2))
    assert np.isinf(table.chord).all() and (table.length == 0).all(), "no direction, no change"


def test_a_class_without_training_inputs_has_no_mean():
    train, test = counted(60), counted(50)
    strange = Split(test.inputs, np.where(test.labels == 2, 7, test.labels))
    _, vectors = draw_lines("test", train, strange, 25, seed=1, dataset="d")
    without = np.isnan(vectors["class_mean"]).all(1)
    assert 0 < without.sum() < 25
    table = line_table(np.zeros((25, 1)), vectors, lambda x, way: np.ones(len(x)), lambda x: np.ones(len(x)))
    assert table.groupby("direction").size().to_dict() == {"input": 25, "random": 25, "class_mean": 25 - without.sum()}
    assert table[table.direction == "class_mean"].line.tolist() == np.flatnonzero(~without).tolist()


@pytest.mark.parametrize("n", [50, 7, 1])
def test_fewer_inputs_than_lines_ask_for_give_fewer_lines(caplog, n):
    """Each line takes two inputs, and none is drawn twice; the other kinds have all of their lines."""
    train, test = counted(60), counted(n)
    found = {points: ends_of(points, train, test, 26) for points in POINTS}
    assert [len(found[points][0]) for points in POINTS] == [26, n // 2, 26]
    starts, stops = found["test"]
    assert len({*np.concatenate([starts, stops["input"]])[:, 0]}) == n // 2 * 2
    assert (
        f"made: {n} test inputs are the ends of {n // 2} lines; config: hash_encoders.regions.made.lines" in caplog.text
    )
    enough = ends_of("test", train, test, n // 2)
    assert (starts == enough[0]).all() and all((stops[way] == enough[1][way]).all() for way in DIRECTIONS)


def no_slice(lines: pd.DataFrame) -> set:
    return set(lines.no_slice.dropna())


def reported(lines: pd.DataFrame, slices: pd.DataFrame, folder) -> tuple[list[str], list[str]]:
    """What the panels of the figure say, and the claims, of tables as they are read from files."""
    read = []
    for name, table in (("lines", lines), ("slices", slices)):
        write_csv(with_keys(table), folder / f"{name}.csv")
        read.append(read_csv(folder / f"{name}.csv"))
    figure = plot_regions(*read)
    save_figure(figure, folder / "f.png")
    said = [" ".join(text.get_text().split()) for panel in figure.axes for text in panel.texts]
    claims = [f"{claim['verdict']}: {claim['text']}" for claim in regions_claims(*read)]
    assert len(regions_summary(*read))
    return said, claims


def two_classes(test_inputs: int = 30):
    return job.region_tables(made_networks(), SMALL, NORM, split(40, 2), split(test_inputs, 2, seed=1), **ASKED)


def test_two_classes_have_lines_and_the_figure_says_why_no_slice(tmp_path, caplog):
    (lines, slices, notes), (whole, whole_slices, _) = two_classes(), tables(made_networks())
    why = "a slice needs a corner in each of three classes; the test inputs are of 2 classes"
    assert slices.empty and notes["corners"] == [] and no_slice(lines) == {why}
    measured = ["snapshot", "repeat", "points", "direction", "line", "chord", "nearest_face", "length", "changes"]
    free = lines.direction != "class_mean"
    pd.testing.assert_frame_equal(lines.loc[free, measured], whole.loc[free, measured])  # they depend on no classes
    assert f"made: no slice, and only lines: {why}" in caplog.text
    said, claims = reported(lines, slices, tmp_path)
    assert said == [why, why]
    _, others = reported(whole, whole_slices, tmp_path)
    assert claims == [*others, f"No slice: A{why[1:]} (protocol scripts, width 6)."], "those of the lines stand"


def test_fewer_lines_are_said_in_figure_and_report(tmp_path):
    lines, slices, _ = two_classes(test_inputs=7)
    assert lines.groupby("points").line.nunique().to_dict() == {"train": 10, "test": 3, "random": 10}
    _, claims = reported(lines, slices, tmp_path)
    assert "Fewer lines than asked for: 10 were asked for; there are inputs for 3 between test inputs." in claims
    title = plot_regions(with_keys(lines), with_keys(slices)).get_suptitle()
    assert "lines a network and direction: 10 (training inputs), 3 (test inputs), 10 (uniform in [0, 1])" in title
    _, claims = reported(*two_classes(test_inputs=1)[:2], tmp_path)
    assert any("0 between test inputs" in claim for claim in claims)


def test_corners_without_a_plane_leave_the_lines(tmp_path):
    """Images that are all one and the same: no plane, and no line between two of them changes a code."""
    same = Split(np.full((30, 3, 3), 9, np.uint8), np.arange(30) % 4)
    found = job.region_tables(made_networks(), SMALL, NORM, split(40), same, **ASKED)
    said, claims = reported(*found[:2], tmp_path)
    assert len(said) == 2 and "lie on one line" in said[0] and any(claim.startswith("No slice") for claim in claims)


def test_too_many_regions_cost_one_network_its_slice(tmp_path, monkeypatch):
    counts = [len(part.number.unique()) for _, part in tables(made_networks())[1].groupby("snapshot", sort=False)]
    assert counts[0] != counts[1]
    monkeypatch.setattr(regions, "MOST_REGIONS", min(counts))
    lines, slices, _ = tables(made_networks())
    lost = "untrained" if counts[0] > counts[1] else "trained"
    assert set(slices.snapshot) == {"untrained", "trained"} - {lost}
    assert set(lines[lines.no_slice.notna()].snapshot) == {lost}
    said, claims = reported(lines, slices, tmp_path)
    assert sum("linear regions" in text for text in said) == 1 == sum(claim.startswith("No slice") for claim in claims)


def test_shares_and_figure(tmp_path):
    lines = pd.DataFrame({"snapshot": "trained", "points": "test", "repeat": 0, "forward": [1.0, 2, 2, np.inf]})
    both = pd.concat([lines, lines.assign(repeat=1, forward=np.nan)])
    shares = shares_within(both, "forward", np.array([0.5, 1, 3]), ["snapshot", "points"])
    assert shares.share.tolist() == [0, 0.25, 0.75]
    both = [pd.concat([with_keys(t), with_keys(t, protocol="figures")]) for t in tables(made_networks())[:2]]
    figure = plot_regions(*both)
    assert len(figure.axes) == 8 and figure.axes[3].get_title().endswith(" regions")
    save_figure(figure, tmp_path / "regions.png")


def cohort_file(path, study: str, trained: Trained, **cell) -> None:
    keys = {"dataset": "made", "study": study, "protocol": "scripts", "depth": 2, "layer_width": 6}
    settings = {"optimiser": "adam", "learning_rate": 0.1, "batch_size": 8, "epochs": 2, "batch_norm": vars(NORM)}
    identity = {"keys": keys, "protocol": settings, "cells": [cell], "train_share": 0.8, "repeats": 2}
    identity |= {"seed": 3, "inputs": 9, "classes": 4, "train_items": 40}
    write_networks(path, [trained], identity)


def test_the_job(tmp_path):
    """Files in and tables out, the same bytes each time."""
    splits = {"train": split(50), "test": split(30, seed=1)}
    write_dataset(tmp_path / "made.h5", splits, name="made", source="", licence="", class_names=list("0123"))
    files, found = (tmp_path / "made.h5", tmp_path / "networks.safetensors"), []
    asked = {**SETTINGS, "seed": 3, "epochs": None}
    cohort_file(
        files[1], "capacity", Trained(made_networks(), {"untrained": [0, 0], "trained": [2, 1]}), untrained=True
    )
    for turn in range(2):
        outputs = tmp_path / f"lines{turn}.csv", tmp_path / f"slices{turn}.csv"
        notes = job.measure_regions(*files, *outputs, **asked)
        found.append([path.read_bytes() for path in outputs])
    digests = {str(files[0]): checksum(files[0])}
    assert found[0] == found[1] and notes == {"seed": 3, "corners": [0, 1, 2], "diverged": 0, "digests": digests}
    lines, slices = read_csv(outputs[0], job.LINES), read_csv(outputs[1], job.SLICES)
    assert list(lines) == job.LINES and list(slices) == job.SLICES
    assert set(lines.study) == {"regions"} and set(lines.networks) == {"capacity"}
    assert lines.groupby(["snapshot", "repeat"]).epoch.unique().map(list).tolist() == [[2], [1], [0], [0]]
    measured = lines.columns[11:]
    pd.testing.assert_frame_equal(lines[measured], tables(made_networks())[0][measured])
    plt.close(plot_regions(lines, slices))
    # Snapshots of one training, of which some are asked for.
    along = {
        name: made_networks()[at] for name, at in zip(("untrained", "epoch=1", "trained"), 2 * ["untrained", "trained"])
    }
    along = Trained(along, {"untrained": [0, 0], "epoch=1": [1, 1], "trained": [2, 2]})
    cohort_file(files[1], "training_time", along, epochs=[0, 1, 2])
    for epochs, there in ((None, {0, 1, 2}), ([0, 2], {0, 2})):
        job.measure_regions(*files, *outputs, **{**asked, "epochs": epochs})
        lines, slices = (read_csv(path) for path in outputs)
        assert set(lines.epoch) == there == set(slices.epoch) and set(lines.networks) == {"training_time"}
    with pytest.raises(InputError, match=r"networks\.safetensors: has no networks of epoch 7 but of 0, 1, 2;"):
        job.measure_regions(*files, *outputs, **{**asked, "epochs": [0, 7]})


def test_regions_stand_beside_redundancy_over_training(tmp_path):
    """The figure, its claims and summary: rows of the training_time study only; medians that are infinite leave a gap."""
    lines, slices, _ = tables(made_networks())
    time = [with_keys(table, networks="training_time") for table in (lines, slices)]
    both = [pd.concat([with_keys(table), other]) for table, other in zip((lines, slices), time)]
    study = pd.DataFrame({"epoch": [0, 0, 9, 9], "repeat": [0, 1] * 2, "redundancy_train": [0.1, 0.2, 0.5, 0.6]})
    study = study.assign(protocol="scripts", depth=2, layer_width=6, sample_size=60, redundancy_test=0.3)
    study = pd.concat([study, study.assign(sample_size=20, redundancy_train=1.0)])  # of a smaller sample, which is not
    figure = plot_regions_time(*both, study)
    assert len(figure.axes) == 6 and {tuple(axis.get_xscale() for axis in figure.axes[:3])} == {("symlog",) * 3}
    chords = figure.axes[0].lines[1]
    of = time[0][(time[0].points == "train") & (time[0].direction == "input")]
    expected = of.groupby(["epoch", "repeat"]).chord.median().groupby("epoch").mean()
    np.testing.assert_allclose(chords.get_ydata(), expected)
    assert chords.get_xdata().tolist() == [0, 9]
    assert figure.axes[2].lines[0].get_ydata().tolist() == pytest.approx([0.15, 0.55])
    save_figure(figure, tmp_path / "f.png")
    claims = [claim["text"] for claim in regions_time_claims(*both, study)]
    assert len(claims) == 3 and "redundancy ratio on the training inputs is 0.150" in claims[2]
    assert all("at epoch 0" in text and "at epoch 9" in text for text in claims)
    summary = regions_time_summary(*both, study)
    assert len(summary) == 2 * 3 and set(summary["redundancy ratio (training inputs)"]) == {
        "0.150 ± 0.071",
        "0.550 ± 0.071",
    }
    far = both[0].assign(chord=both[0].chord.where(both[0].epoch == 0, np.inf))
    figure = plot_regions_time(far, both[1].iloc[:0], study)
    assert len(figure.axes) == 3 and np.isnan(figure.axes[0].lines[1].get_ydata()).tolist() == [False, True]
    save_figure(figure, tmp_path / "f.png")
    assert len(regions_time_claims(far, both[1], study)) == 2, "nothing is claimed of infinite medians"


def test_what_is_not_asked_for_is_not_measured(tmp_path):
    lines, slices, notes = tables(made_networks(), directions=["random"], slices=False)
    assert set(lines.direction) == {"random"} and slices.empty and notes["corners"] == []
    assert lines.changes.isna().all() and no_slice(lines) == {
        "not asked for (config: hash_encoders.regions.made.slice)"
    }
    said, claims = reported(lines, slices, tmp_path)
    assert said == ["not asked for (config: hash_encoders.regions.made.slice)"] * 2 and len(claims) > 1
    means = tables(made_networks(), directions=["class_mean"])[0]
    assert set(means.points) == {"train", "test"}, "uniform points have no class"


def test_a_slice_holds_the_values_of_few_regions_at_a_time():
    """Regions of 80 units, 7 MB of values at their vertices; 1,000 units took 9 GB."""
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(80, 6)), rng.normal(size=80))]
    tracemalloc.start()
    regions = slice_regions(layers, rng.normal(size=(3, 6)) * 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(regions) > 1500 and peak < 3e6
