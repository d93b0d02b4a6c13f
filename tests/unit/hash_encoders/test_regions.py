"""Exact linear regions against dense sampling, a count from geometry, and cases made by hand."""

import tracemalloc
from functools import partial
from itertools import combinations, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import pdist

from rehash.datasets.layout import Split, checksum, write_dataset
from rehash.errors import InputError
from rehash.figures.style import save_figure
from rehash.hash_encoders import measure_regions as job
from rehash.hash_encoders import regions
from rehash.hash_encoders.figures.regions import plot_regions, shares_within
from rehash.hash_encoders.networks import BatchNorm, Shape, forward
from rehash.hash_encoders.networks_file import write_networks
from rehash.hash_encoders.regions import NoSlice, affine_layers, code_changes, first_changes, plane, slice_regions
from rehash.hash_encoders.results import regions_claims, regions_summary
from rehash.hash_encoders.trained import Trained
from rehash.store import read_csv, write_csv

NORM = BatchNorm(0.01, 1e-3)
SMALL = Shape(9, 6, 2, 4)
SHAPES = [Shape(6, 12, 1, 3), Shape(6, 7, 2, 3), Shape(6, 5, 5, 3)]
NETWORKS = pytest.mark.parametrize("shape, norm", list(product(SHAPES, [None, NORM])))


def random_network(shape: Shape, norm: BatchNorm | None, members: int = 2, seed: int = 0):
    rng, tensors = np.random.default_rng(seed), {}
    for name, out, into in shape.layers():
        tensors[f"{name}.weight"] = rng.normal(size=(members, out, into)) * np.sqrt(2 / into)
        tensors[f"{name}.bias"] = rng.normal(size=(members, out)) * 0.3
        if norm and name != "head":
            for part in ("scale", "shift", "mean"):
                tensors[f"{name}.{part}"] = rng.normal(size=(members, out)) * 0.5 + (part == "scale")
            tensors[f"{name}.variance"] = rng.uniform(0.2, 2, (members, out))
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
def test_code_changes_are_those_of_a_dense_search(shape, norm):
    tensors, rng, total = random_network(shape, norm), np.random.default_rng(1), 0
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
def test_first_change_is_the_first_of_all(shape, norm):
    *layers, _ = affine_layers(random_network(shape, norm), 1, shape, norm)
    starts, stops = np.random.default_rng(2).normal(size=(2, 50, shape.inputs))
    stops[:10] = starts[:10] + 0.01 * stops[:10]  # short lines, most of which change nothing
    expected = [min(code_changes(layers, *line), default=np.inf) for line in zip(starts, stops)]
    found = first_changes(layers, starts, stops, chunk=7)
    assert np.isinf(found).any() and np.isfinite(found).any()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


RAMPS = (np.array([[1.0], [-1.0]]), np.array([-0.25, 0.75]))  # units (x - 1/4)+ and (3/4 - x)+


def line(start: float, stop: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([start]), np.array([stop])


def test_a_case_by_hand():
    layers = [RAMPS, (np.array([[1.0, 1.0]]), np.array([-0.625]))]  # their sum is above 5/8 outside [1/8, 7/8]
    assert code_changes(layers, *line(0, 1)).tolist() == [0.125, 0.25, 0.75, 0.875]
    assert code_changes(layers, *line(1, 0)).tolist() == [0.125, 0.25, 0.75, 0.875]
    assert code_changes(layers, *line(0, 2)).tolist() == [0.0625, 0.125, 0.375, 0.4375]
    starts, stops = np.array([[0, 1, 0.5, 0.3], [1, 0, 0.5, 0.7]])[..., None]
    assert first_changes(layers, starts, stops).tolist() == [0.125, 0.125, np.inf, np.inf]
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
        assert first_changes(layers, np.array([[start]]), np.array([[stop]])).tolist() == (expected or [np.inf])
    # All boundaries of a first layer without biases go through the origin; those of the second do not.
    shape, stops = SHAPES[1], np.random.default_rng(0).normal(size=(20, 6)) * 3
    tensors = random_network(shape, None)
    tensors["hidden.0.bias"].zero_()
    *layers, _ = affine_layers(tensors, 0, shape, None)
    expected = [min(code_changes(layers, np.zeros(6), stop), default=np.inf) for stop in stops]
    np.testing.assert_allclose(first_changes(layers, np.zeros((20, 6)), stops), expected, rtol=1e-9)


def inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (N, 2) lie in a convex counter-clockwise polygon."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    to = points[:, None] - polygon
    return (edges[:, 0] * to[..., 1] - edges[:, 1] * to[..., 0] > 0).all(1)


@NETWORKS
def test_slices_against_dense_sampling(shape, norm):
    tensors, rng = random_network(shape, norm, seed=3), np.random.default_rng(4)
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


def tables(networks: dict):
    data = split(40), split(30, seed=1)
    return job.region_tables(networks, SMALL, NORM, *data, dataset="made", lines=10, seed=3, repeats=2)


def made_networks() -> dict:
    return {name: random_network(SMALL, NORM, seed=i) for i, name in enumerate(("untrained", "trained"))}


def with_keys(table: pd.DataFrame, **changes) -> pd.DataFrame:
    return table.assign(**{"dataset": "made", "protocol": "scripts", "depth": 2, "layer_width": 6, **changes})


def test_tables_of_lines_and_slices():
    (lines, slices, notes), inputs = tables(made_networks()), split(30, seed=1).inputs[:3].reshape(3, 9) / 255
    assert len(lines) == 2 * 2 * 3 * 10 and notes == {"corners": [0, 1, 2], "diverged": 0}
    reached = lines[np.isfinite(lines.distance)]
    np.testing.assert_allclose(reached.distance, reached.first_change * reached.length)
    assert ((lines.changes > 0) == np.isfinite(lines.first_change)).all() and (lines.changes > 0).any()
    assert (lines.groupby(["points", "line"]).length.nunique() == 1).all(), "all networks have the same lines"
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
    lost = lines.distance.isna()
    assert lost.sum() == 30 and lines[lost].changes.isna().all() and set(lines[lost].repeat) == {0}
    for network in networks.values():
        network["head.bias"][:] = torch.nan
    lines, slices, _ = tables(networks)
    figure = plot_regions(with_keys(lines), with_keys(slices))
    assert slices.empty and "4 networks that diverged" in figure.get_suptitle()
    plt.close(figure)


def test_ends_of_lines():
    train, test = (np.arange(n, dtype=np.uint8)[:, None] for n in (60, 50))
    ends = job.line_ends(train, test, 25, seed=1, dataset="made")
    assert sorted(np.concatenate(ends["test"])[:, 0]) == [value / 255 for value in range(50)]
    assert len({*np.concatenate(ends["train"])[:, 0]}) == 50 and ends["random"][1].shape == (25, 1)
    assert job.corner_items(np.array([4, 4, 1, 4, 0, 1, 2])).tolist() == [0, 2, 4]
    with pytest.raises(NoSlice, match="three classes; the test inputs are of 2 classes"):
        job.corner_items(np.array([1, 0, 1]))
    with pytest.raises(NoSlice, match="of one class"):
        job.corner_items(np.array([1, 1]))


@pytest.mark.parametrize("n", [50, 7, 1])
def test_fewer_inputs_than_lines_ask_for_give_fewer_lines(caplog, n):
    """Each line takes two inputs, and none is drawn twice; the other kinds have all of their lines."""
    train, test = (np.arange(count, dtype=np.uint8)[:, None] for count in (60, n))
    ends = job.line_ends(train, test, 26, seed=1, dataset="made")
    assert [len(ends[points][0]) for points in ("train", "test", "random")] == [26, n // 2, 26]
    assert len({*np.concatenate(ends["test"])[:, 0]}) == n // 2 * 2
    assert (
        f"made: {n} test inputs are the ends of {n // 2} lines; config: hash_encoders.regions.made.lines" in caplog.text
    )
    enough = job.line_ends(train, test, n // 2, seed=1, dataset="made")
    assert all((a == b).all() for a, b in zip(ends["test"], enough["test"])), "the lines that there are stay the same"


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
    data = split(40, 2), split(test_inputs, 2, seed=1)
    return job.region_tables(made_networks(), SMALL, NORM, *data, dataset="made", lines=10, seed=3, repeats=2)


def test_two_classes_have_lines_and_the_figure_says_why_no_slice(tmp_path, caplog):
    (lines, slices, notes), (whole, whole_slices, _) = two_classes(), tables(made_networks())
    why = "a slice needs a corner in each of three classes; the test inputs are of 2 classes"
    assert slices.empty and notes["corners"] == [] and no_slice(lines) == {why}
    measured = ["snapshot", "repeat", "points", "line", "distance", "length", "changes"]
    pd.testing.assert_frame_equal(lines[measured], whole[measured])  # lines do not depend on classes
    assert f"made, trained: no slice, and only lines: {why}" in caplog.text
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
    assert "lines a network: 10 (training inputs), 3 (test inputs), 10 (uniform in [0, 1])" in title
    _, claims = reported(*two_classes(test_inputs=1)[:2], tmp_path)
    assert any("0 between test inputs" in claim for claim in claims)


def test_corners_without_a_plane_leave_the_lines(tmp_path):
    """Images that are all one and the same: no plane, and no line between two of them changes a code."""
    same = Split(np.full((30, 3, 3), 9, np.uint8), np.arange(30) % 4)
    found = job.region_tables(made_networks(), SMALL, NORM, split(40), same, dataset="d", lines=9, seed=3, repeats=2)
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
    lines = pd.DataFrame({"snapshot": "trained", "points": "test", "repeat": 0, "distance": [1.0, 2, 2, np.inf]})
    shares = shares_within(pd.concat([lines, lines.assign(repeat=1, distance=np.nan)]), np.array([0.5, 1, 3]))
    assert shares.share.tolist() == [0, 0.25, 0.75]
    both = [pd.concat([with_keys(t), with_keys(t, protocol="figures")]) for t in tables(made_networks())[:2]]
    figure = plot_regions(*both)
    assert len(figure.axes) == 6 and figure.axes[2].get_title().endswith(" regions")
    save_figure(figure, tmp_path / "regions.png")


def test_the_job(tmp_path):
    """Files in and tables out, the same bytes each time."""
    splits = {"train": split(50), "test": split(30, seed=1)}
    write_dataset(tmp_path / "made.h5", splits, name="made", source="", licence="", class_names=list("0123"))
    keys = {"dataset": "made", "study": "capacity", "protocol": "scripts", "depth": 2, "layer_width": 6}
    settings = {"optimiser": "adam", "learning_rate": 0.1, "batch_size": 8, "epochs": 2, "batch_norm": vars(NORM)}
    identity = {"keys": keys, "protocol": settings, "cells": [{"untrained": True}], "train_share": 0.8, "repeats": 2}
    identity |= {"seed": 3, "inputs": 9, "classes": 4, "train_items": 40}
    files, found = (tmp_path / "made.h5", tmp_path / "networks.safetensors"), []
    write_networks(files[1], [Trained(made_networks(), {"untrained": [0, 0], "trained": [2, 2]})], identity)
    for turn in range(2):
        outputs = tmp_path / f"lines{turn}.csv", tmp_path / f"slices{turn}.csv"
        notes = job.measure_regions(*files, *outputs, lines=10, seed=3)
        found.append([path.read_bytes() for path in outputs])
    digests = {str(files[0]): checksum(files[0])}
    assert found[0] == found[1] and notes == {"seed": 3, "corners": [0, 1, 2], "diverged": 0, "digests": digests}
    lines, slices = read_csv(outputs[0], job.LINES), read_csv(outputs[1], job.SLICES)
    assert list(lines) == job.LINES and list(slices) == job.SLICES and set(lines.study) == {"regions"}
    pd.testing.assert_frame_equal(lines[lines.columns[9:]], tables(made_networks())[0][lines.columns[9:]])
    plt.close(plot_regions(lines, slices))
    # Networks of a study that keeps other moments of its training.
    along = {"epoch=7": made_networks()["untrained"], "trained": made_networks()["trained"]}
    write_networks(files[1], [Trained(along, {"epoch=7": [7, 7], "trained": [9, 9]})], identity)
    with pytest.raises(InputError, match=r"networks\.safetensors: has no networks 'untrained' but epoch=7, trained;"):
        job.measure_regions(*files, *outputs, lines=10, seed=3)


def test_a_slice_holds_the_values_of_few_regions_at_a_time():
    """Regions of 80 units, 7 MB of values at their vertices; 1,000 units took 9 GB."""
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(80, 6)), rng.normal(size=80))]
    tracemalloc.start()
    regions = slice_regions(layers, rng.normal(size=(3, 6)) * 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(regions) > 1500 and peak < 3e6
