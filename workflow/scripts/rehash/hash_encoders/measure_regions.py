"""The job that measures linear regions: from networks and a dataset to a table of lines and one of a slice."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.layout import Dataset, Split
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, sample
from rehash.hash_encoders.encode import network_shape
from rehash.hash_encoders.networks import Shape, Tensors
from rehash.hash_encoders.networks_file import read_networks, training_inputs
from rehash.hash_encoders.protocols import BatchNorm, Protocol
from rehash.hash_encoders.regions import NoSlice, affine_layers, code_changes, first_changes, plane, slice_regions
from rehash.progress import progress
from rehash.seeds import stream
from rehash.store import write_csv

log = logging.getLogger("rehash")

KEYS = ["paper", "dataset", "study", "protocol", "depth", "layer_width", "snapshot", "repeat", "seed"]
LINES = [*KEYS, "points", "line", "first_change", "distance", "length", "changes", "no_slice"]
SLICES = [*KEYS, "item", "number", "vertex", "x", "y", "class"]
_SNAPSHOTS = ("untrained", "trained")
Ends = tuple[np.ndarray, np.ndarray]  # starts and stops of lines, float64 (L, I) each


def line_ends(
    train: np.ndarray, test: np.ndarray, lines: int, *, seed: int, dataset: str, offset: float = 0.0
) -> dict[str, Ends]:
    """Draw the ends of lines for each kind of points: inputs of `train`, inputs of `test`, uniform in [0, 1].

    The lines are the same for all networks of a dataset; no input is drawn twice. A split with fewer than 2 * lines
    inputs has as many lines as there are inputs for, and the log says so.

    Args:
        train, test: images or vectors; only the drawn images are converted to inputs in [0, 1].
        offset: what the protocol subtracts from inputs.
    """
    ends = {}
    for points, images in (("train", train), ("test", test)):
        n = min(lines, len(images) // 2)
        if n < lines:
            log.warning(
                "%s: %d %s inputs are the ends of %d lines; config: hash_encoders.regions.%s.lines asks for %d",
                *(dataset, len(images), points, n, dataset, lines),
            )
        rows = stream(seed, "hash_encoders", dataset, "regions", points).permutation(len(images))
        parts = images[rows[:n]], images[rows[n : 2 * n]]
        ends[points] = as_points(parts[0], offset), as_points(parts[1], offset)
    uniform = stream(seed, "hash_encoders", dataset, "regions", "random").random((2, lines, test[0].size)) - offset
    return {**ends, "random": (uniform[0], uniform[1])}


def as_points(inputs: np.ndarray, offset: float = 0.0) -> np.ndarray:
    """Convert inputs as `rehash.hash_encoders.networks.as_inputs` does, to float64 (N, I)."""
    flat = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    return flat / (255.0 if inputs.dtype == np.uint8 else 1.0) - offset


def corner_items(labels: np.ndarray) -> np.ndarray:
    """Return the index of the first item of each of the first three classes to occur in `labels`, int64 (3,).

    Raises:
        NoSlice: there are less than three classes.
    """
    first = np.sort(np.unique(labels, return_index=True)[1])
    if len(first) < 3:
        count = "one class" if len(first) == 1 else f"{len(first)} classes"
        raise NoSlice(f"a slice needs a corner in each of three classes; the test inputs are of {count}")
    return first[:3]


def measure_lines(
    network: Tensors, member: int, shape: Shape, norm: BatchNorm | None, ends: dict[str, Ends]
) -> pd.DataFrame:
    """Measure where and how often the code changes on each line; return a table with one row per line.

    Columns: points, line, first_change (share of the line's length), distance (L2, of the first change), length (L2),
    changes. If the code does not change, first_change and distance are inf; for a network that diverged, first_change,
    distance and changes are NaN.
    """
    *layers, _ = affine_layers(network, member, shape, norm)
    parts = []
    for points, (starts, stops) in ends.items():
        part = pd.DataFrame({"points": points, "line": np.arange(len(starts))})
        part["length"] = np.linalg.norm(stops - starts, axis=1)
        if is_finite(network, member):
            first = first_changes(layers, starts, stops)
            part["first_change"] = first
            # Identical ends give no change and length 0, and inf * 0 would be NaN.
            part["distance"] = np.where(np.isinf(first), np.inf, first * part.length)
            part["changes"] = [len(code_changes(layers, *line)) for line in zip(starts, stops)]
        else:
            part[["first_change", "distance", "changes"]] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def measure_slice(
    network: Tensors, member: int, shape: Shape, norm: BatchNorm | None, corners: np.ndarray, labels: np.ndarray
) -> pd.DataFrame:
    """Return a table of a slice: one row per vertex of a region, in order around it, and one per corner of the slice.

    Columns: item ("region" or "corner"), number (of the region or corner), vertex, x, y (L2 distance of inputs), class
    (a region's prediction at the mean of its vertices, a corner's label). `corners` are inputs (3, I).
    """
    *layers, head = affine_layers(network, member, shape, norm)
    rows = [
        ("region", number, vertex, x, y, region.prediction)
        for number, region in enumerate(slice_regions(layers, corners, head))
        for vertex, (x, y) in enumerate(region.vertices)
    ]
    places = plane(corners).corners
    rows += [("corner", number, 0, x, y, int(labels[number])) for number, (x, y) in enumerate(places)]
    return pd.DataFrame(rows, columns=["item", "number", "vertex", "x", "y", "class"])


def is_finite(network: Tensors, member: int) -> bool:
    """Return whether all parameters of one member are finite, which they are not once it has diverged."""
    return all(bool(np.isfinite(np.asarray(tensor[member])).all()) for tensor in network.values())


def region_tables(
    networks: dict[str, Tensors],
    shape: Shape,
    norm: BatchNorm | None,
    train: Split,
    test: Split,
    *,
    dataset: str,
    lines: int,
    seed: int,
    repeats: int,
    offset: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Compute the tables of lines and of slices, without the constant keys of the networks, and notes.

    Slices are of the first repeat that diverged in no snapshot. Their table is empty if there is no such repeat, or if
    the data or the networks give no slice; the column `no_slice` of the lines then says why, in words.

    Args:
        networks: for each snapshot, stacked tensors of at least `repeats` members.
        lines: the number of lines for each kind of points.
        offset: what the protocol subtracts from inputs.
    """
    ends = line_ends(train.inputs, test.inputs, lines, seed=seed, dataset=dataset, offset=offset)
    drawn = next((r for r in range(repeats) if all(is_finite(network, r) for network in networks.values())), None)
    items, why = np.empty(0, np.int64), "" if drawn is not None else "no network to show: all diverged"
    try:
        items = corner_items(test.labels)
        corners = as_points(test.inputs[items], offset)
        plane(corners)
    except NoSlice as error:
        items, why = np.empty(0, np.int64), why or str(error)
    line_tables, slice_tables = [], [pd.DataFrame(columns=["snapshot", "repeat", *SLICES[len(KEYS) :]])]
    todo = [(snapshot, repeat) for snapshot in networks for repeat in range(repeats)]
    for snapshot, repeat in progress(todo, "regions", "network"):
        place, network = {"snapshot": snapshot, "repeat": repeat}, networks[snapshot]
        found = measure_lines(network, repeat, shape, norm, ends)
        log.info("%s, repeat %d: %.4g code changes a line on average", snapshot, repeat, found.changes.mean())
        missing = why
        if repeat == drawn and not why:
            try:
                cut = measure_slice(network, repeat, shape, norm, corners, test.labels[items])
                slice_tables.append(cut.assign(**place))
                log.info("%s, repeat %d: %d regions in the slice", snapshot, repeat, cut.number.max() + 1)
            except NoSlice as error:
                missing = str(error)
        if missing and repeat == (drawn or 0):
            log.warning("%s, %s: no slice, and only lines: %s", dataset, snapshot, missing)
        line_tables.append(found.assign(**place, no_slice=missing or np.nan))
    diverged = sum(not is_finite(networks[snapshot], repeat) for snapshot, repeat in todo)
    slices = pd.concat(slice_tables[1:] or slice_tables, ignore_index=True)
    return pd.concat(line_tables, ignore_index=True), slices, {"corners": items.tolist(), "diverged": diverged}


def measure_regions(
    dataset: str | Path, networks: str | Path, lines_csv: str | Path, slice_csv: str | Path, *, lines: int, seed: int
) -> dict[str, Any]:
    """Write the tables of lines and of slices for the networks of the file's first cell, before and after training.

    The first has one row per line (columns LINES), the second one per vertex of a region and one per corner of a slice
    (columns SLICES).

    Args:
        lines: the number of lines for each network and kind of points.

    Returns:
        Notes for the provenance: seed, the slice's corners (test items; none without a slice), networks that diverged.

    Raises:
        InputError: a snapshot is not in the file, or the dataset has images of another size.
    """
    cells, identity = read_networks(networks)
    keys, factors, found = identity["keys"], Cell.of(identity["cells"][0]), cells[0]
    missing = [snapshot for snapshot in _SNAPSHOTS if snapshot not in found]
    if missing:
        raise InputError(
            f"{networks}: has no networks '{missing[0]}' but {', '.join(found)}; expected {' and '.join(_SNAPSHOTS)}"
        )
    protocol = factors.protocol(Protocol(**identity["protocol"]))
    images = Dataset.read(dataset)
    train = training_inputs(images.train, identity["train_share"])
    chosen = sample(factors, train, seed=identity["seed"], dataset=keys["dataset"])
    line_table, slice_table, notes = region_tables(
        {snapshot: found[snapshot] for snapshot in _SNAPSHOTS},
        network_shape(identity, images.test.inputs[0].size, networks),
        protocol.norm,
        Split(chosen.inputs, chosen.true_labels),
        images.test,
        dataset=keys["dataset"],
        lines=lines,
        seed=seed,
        repeats=identity["repeats"],
        offset=protocol.offset,
    )
    constant = {"paper": "hash_encoders", **keys, "study": "regions", "seed": seed}
    write_csv(line_table.assign(**constant)[LINES], lines_csv)
    write_csv(slice_table.assign(**constant)[SLICES], slice_csv)
    return {"seed": seed, **notes, "digests": images.digests}
