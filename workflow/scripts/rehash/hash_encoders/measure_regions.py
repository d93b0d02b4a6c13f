"""The job around linear regions: networks and a dataset in, a table of lines and a table of a slice out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from rehash.datasets.layout import Split, read_split
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, sample
from rehash.hash_encoders.encode import network_shape
from rehash.hash_encoders.files import read_networks, training_inputs
from rehash.hash_encoders.networks import Shape, Tensors
from rehash.hash_encoders.protocols import BatchNorm, Protocol
from rehash.hash_encoders.regions import affine_layers, code_changes, first_changes, plane, slice_regions
from rehash.seeds import stream
from rehash.store import write_csv

log = logging.getLogger("rehash")

KEYS = ["paper", "dataset", "study", "protocol", "depth", "layer_width", "snapshot", "repeat", "seed"]
LINES = [*KEYS, "points", "line", "first_change", "distance", "length", "changes"]
SLICES = [*KEYS, "item", "number", "vertex", "x", "y", "class"]
Ends = tuple[np.ndarray, np.ndarray]  # starts and stops of lines, float64 (L, I) each


def line_ends(train: np.ndarray, test: np.ndarray, lines: int, *, seed: int, dataset: str) -> dict[str, Ends]:
    """Where lines start and stop, by kind of points: inputs of `train`, of `test`, and uniform in [0, 1].

    The same for all networks of a dataset; no input is drawn twice.

    Args:
        train, test: images, uint8 (N, ...); only the chosen ones become inputs, in [0, 1].

    Raises:
        InputError: a split has less than 2 * lines inputs.
    """
    ends = {}
    for points, images in (("train", train), ("test", test)):
        if len(images) < 2 * lines:
            raise InputError(
                f"config: hash_encoders.regions.{dataset}.lines is {lines}, which takes {2 * lines} inputs; "
                f"the {points} inputs are {len(images)}"
            )
        rows = stream(seed, "hash_encoders", dataset, "regions", points).permutation(len(images))
        ends[points] = as_points(images[rows[:lines]]), as_points(images[rows[lines : 2 * lines]])
    uniform = stream(seed, "hash_encoders", dataset, "regions", "random").random((2, lines, test[0].size))
    return {**ends, "random": (uniform[0], uniform[1])}


def as_points(images: np.ndarray) -> np.ndarray:
    """uint8 images (N, ...) as flat inputs in [0, 1], float64 (N, I)."""
    return images.reshape(len(images), -1) / 255


def corner_items(labels: np.ndarray) -> np.ndarray:
    """The first item of each of the first three classes that turn up, int64 (3,).

    Raises:
        InputError: there are less than three classes.
    """
    first = np.sort(np.unique(labels, return_index=True)[1])
    if len(first) < 3:
        raise InputError(f"slice: {len(first)} classes among the test labels; expected at least 3, one for each corner")
    return first[:3]


def measure_lines(
    network: Tensors, member: int, shape: Shape, norm: BatchNorm | None, ends: dict[str, Ends]
) -> pd.DataFrame:
    """One row a line: points, line, first_change (share of the way), distance, length (L2), changes.

    Where nothing changes, first_change and distance are inf; for a network that diverged, these and changes are NaN.
    """
    *layers, _ = affine_layers(network, member, shape, norm)
    parts = []
    for points, (starts, stops) in ends.items():
        part = pd.DataFrame({"points": points, "line": np.arange(len(starts))})
        part["length"] = np.linalg.norm(stops - starts, axis=1)
        if is_finite(network, member):
            first = first_changes(layers, starts, stops)
            part["first_change"] = first
            # Identical ends: no change and no length, and their product would be no number.
            part["distance"] = np.where(np.isinf(first), np.inf, first * part.length)
            part["changes"] = [len(code_changes(layers, *line)) for line in zip(starts, stops)]
        else:
            part[["first_change", "distance", "changes"]] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def measure_slice(
    network: Tensors, member: int, shape: Shape, norm: BatchNorm | None, corners: np.ndarray, labels: np.ndarray
) -> pd.DataFrame:
    """One row a vertex of a region, in order around it, and one a corner of the slice.

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
    """Whether a network's parameters are all numbers (one that diverged has none to be used)."""
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
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """The tables of lines and of slices, without the keys of the networks, and notes.

    Slices are those of the first repeat that diverged in no snapshot; none if there is no such repeat.

    Args:
        networks: by snapshot, stacked tensors of at least `repeats` members.
    """
    ends = line_ends(train.images, test.images, lines, seed=seed, dataset=dataset)
    items = corner_items(test.labels)
    corners = as_points(test.images[items])
    line_tables, slice_tables = [], [pd.DataFrame(columns=["snapshot", "repeat", *SLICES[len(KEYS) :]])]
    drawn = [r for r in range(repeats) if all(is_finite(network, r) for network in networks.values())][:1]
    todo = [(snapshot, repeat) for snapshot in networks for repeat in range(repeats)]
    for snapshot, repeat in tqdm(todo, desc="regions", unit="network", disable=None, leave=False):
        place = {"snapshot": snapshot, "repeat": repeat}
        found = measure_lines(networks[snapshot], repeat, shape, norm, ends).assign(**place)
        line_tables.append(found)
        log.info("%s, repeat %d: %.4g code changes a line on average", snapshot, repeat, found.changes.mean())
        if repeat in drawn:
            cut = measure_slice(networks[snapshot], repeat, shape, norm, corners, test.labels[items])
            slice_tables.append(cut.assign(**place))
            log.info("%s, repeat %d: %d regions in the slice", snapshot, repeat, cut.number.max() + 1)
    diverged = sum(not is_finite(networks[snapshot], repeat) for snapshot, repeat in todo)
    slices = pd.concat(slice_tables[1:] or slice_tables, ignore_index=True)
    return pd.concat(line_tables, ignore_index=True), slices, {"corners": items.tolist(), "diverged": diverged}


def measure_regions(
    dataset: str | Path,
    networks: str | Path,
    lines_csv: str | Path,
    slice_csv: str | Path,
    *,
    lines: int,
    seed: int,
    cell: int | str = 0,
    snapshots: Sequence[str] = ("untrained", "trained"),
    repeats: int | None = None,
) -> dict[str, Any]:
    """Write one cell's tables: a row a line (columns LINES), and a row a vertex of a slice's regions (columns SLICES).

    Args:
        lines: for each network and kind of points. repeats: only the first so many (default: all).

    Returns:
        Notes for the provenance: seed, the slice's corners (test items), networks that diverged.

    Raises:
        InputError: a snapshot is not in the file, or the dataset is too small or of another shape.
    """
    # What this job knows of the networks file.
    cells, identity = read_networks(networks)
    keys, factors = identity["keys"], Cell.of(identity["cells"][int(cell)])
    found = cells[int(cell)]
    norm = factors.protocol(Protocol(**identity["protocol"])).norm
    members = identity["repeats"] if repeats is None else min(repeats, identity["repeats"])

    missing = [snapshot for snapshot in snapshots if snapshot not in found]
    if missing:
        raise InputError(f"{networks}: has no networks '{missing[0]}'; expected one of {', '.join(found)}")
    chosen = sample(
        factors, training_inputs(dataset, identity["train_share"]), seed=identity["seed"], dataset=keys["dataset"]
    )
    test = read_split(dataset, "test")
    line_table, slice_table, notes = region_tables(
        {snapshot: found[snapshot] for snapshot in snapshots},
        network_shape(identity, test.images[0].size, networks),
        norm,
        Split(chosen.images, chosen.true_labels),
        test,
        dataset=keys["dataset"],
        lines=lines,
        seed=seed,
        repeats=members,
    )
    constant = {"paper": "hash_encoders", **keys, "study": "regions", "seed": seed}
    write_csv(line_table.assign(**constant)[LINES], lines_csv)
    write_csv(slice_table.assign(**constant)[SLICES], slice_csv)
    return {"seed": seed, **notes}
