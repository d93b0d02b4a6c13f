"""The job that measures linear regions: from networks and a dataset to a table of lines and one of a slice."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rehash.datasets.layout import Dataset, Split
from rehash.errors import InputError
from rehash.hash_encoders.cells import Cell, sample
from rehash.hash_encoders.encode import network_shape
from rehash.hash_encoders.lines import MEASURED, POINTS, as_points, draw_lines, line_table
from rehash.hash_encoders.networks import Shape, Tensors
from rehash.hash_encoders.networks_file import read_networks, training_inputs
from rehash.hash_encoders.protocols import BatchNorm, Protocol
from rehash.hash_encoders.regions import (
    NoSlice,
    affine_layers,
    code_changes,
    first_changes,
    nearest_faces,
    plane,
    slice_regions,
)
from rehash.progress import progress
from rehash.store import write_csv

log = logging.getLogger("rehash")

KEYS = [
    *("paper", "dataset", "study", "networks", "protocol", "depth", "layer_width"),
    *("snapshot", "epoch", "repeat", "seed"),
]
LINES = [*KEYS, "points", *MEASURED, "no_slice"]
SLICES = [*KEYS, "item", "number", "vertex", "x", "y", "class"]


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
    network: Tensors,
    member: int,
    shape: Shape,
    norm: BatchNorm | None,
    starts: np.ndarray,
    vectors: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Measure one member's regions along lines; columns and arguments as `rehash.hash_encoders.lines.line_table`.

    What is measured is NaN for a network that diverged.
    """
    if not is_finite(network, member):
        return line_table(starts, vectors, _unknown, _unknown, lambda start, stop: np.nan)
    *layers, _ = affine_layers(network, member, shape, norm)
    of = partial(first_changes, layers), partial(nearest_faces, layers)
    return line_table(starts, vectors, *of, lambda start, stop: len(code_changes(layers, start, stop)))


def _unknown(starts: np.ndarray, directions: np.ndarray | None = None) -> np.ndarray:
    return np.full(len(starts), np.nan)


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
    directions: tuple[str, ...] | list[str],
    slices: bool,
    seed: int,
    repeats: int,
    offset: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Compute the tables of lines and of slices, without the constant keys of the networks, and notes.

    Slices are of the first repeat that diverged in no snapshot. Their table is empty if there is no such repeat, if
    they are not asked for, or if the data or the networks give no slice; the column `no_slice` of the lines then says
    why, in words.

    Args:
        networks: for each snapshot, stacked tensors of at least `repeats` members.
        lines: the number of lines for each kind of points and direction. directions: some of
            `rehash.hash_encoders.lines.DIRECTIONS`. slices: whether they are asked for.
        offset: what the protocol subtracts from inputs.
    """
    todo = [(snapshot, repeat) for snapshot in networks for repeat in range(repeats)]
    slice_table, missing, corners = _slices(
        networks, shape, norm, test, todo, dataset=dataset, offset=offset, asked=slices
    )
    tables = []
    for points in POINTS:
        # One kind of points after another, since the lines of all would be a large part of the memory.
        starts, vectors = draw_lines(points, train, test, lines, seed=seed, dataset=dataset, offset=offset)
        vectors = {direction: vectors[direction] for direction in directions if direction in vectors}
        for snapshot, repeat in progress(todo, f"lines from {points} points", "network") if vectors else []:
            found = measure_lines(networks[snapshot], repeat, shape, norm, starts, vectors)
            log.info("%s, repeat %d: the median chord is %.4g", snapshot, repeat, found.chord.median())
            why = missing.get((snapshot, repeat), np.nan)
            tables.append(found.assign(snapshot=snapshot, repeat=repeat, points=points, no_slice=why))
    diverged = sum(not is_finite(networks[snapshot], repeat) for snapshot, repeat in todo)
    return pd.concat(tables, ignore_index=True), slice_table, {"corners": corners, "diverged": diverged}


def _slices(
    networks: dict[str, Tensors],
    shape: Shape,
    norm: BatchNorm | None,
    test: Split,
    todo: list[tuple[str, int]],
    *,
    dataset: str,
    offset: float,
    asked: bool,
) -> tuple[pd.DataFrame, dict[tuple[str, int], str], list[int]]:
    """Compute the table of slices, why networks have none by snapshot and repeat, and the test items at the corners."""
    tables = [pd.DataFrame(columns=["snapshot", "repeat", *SLICES[len(KEYS) :]])]
    if not asked:
        return tables[0], dict.fromkeys(todo, f"not asked for (config: hash_encoders.regions.{dataset}.slice)"), []
    finite = [repeat for _, repeat in todo if all(is_finite(network, repeat) for network in networks.values())]
    missing, items = {}, np.empty(0, np.int64)
    try:
        if not finite:
            raise NoSlice("no network to show: all diverged")
        drawn = finite[0]
        items = corner_items(test.labels)
        corners = as_points(test.inputs[items], offset)
        plane(corners)
    except NoSlice as error:
        log.warning("%s: no slice, and only lines: %s", dataset, error)
        return tables[0], dict.fromkeys(todo, str(error)), []
    for snapshot, network in networks.items():
        try:
            cut = measure_slice(network, drawn, shape, norm, corners, test.labels[items])
            tables.append(cut.assign(snapshot=snapshot, repeat=drawn))
            log.info("%s, repeat %d: %d regions in the slice", snapshot, drawn, cut.number.max() + 1)
        except NoSlice as error:
            missing[snapshot, drawn] = str(error)
            log.warning("%s, %s: no slice, and only lines: %s", dataset, snapshot, error)
    return pd.concat(tables[1:] or tables, ignore_index=True), missing, items.tolist()


def measure_regions(
    dataset: str | Path,
    networks: str | Path,
    lines_csv: str | Path,
    slice_csv: str | Path,
    *,
    lines: int,
    directions: list[str],
    slices: bool,
    epochs: list[int] | None,
    seed: int,
) -> dict[str, Any]:
    """Write the tables of lines and of slices for the networks of the file's first cell.

    The first has one row per line (columns LINES), the second one per vertex of a region and one per corner of a slice
    (columns SLICES). Their column `networks` names the study that the networks are of.

    Args:
        lines, directions, slices: see `region_tables`.
        epochs: which of the training_time study's epochs; None for all moments in the file, as of the capacity study,
            which has networks before and after training.

    Returns:
        Notes for the provenance: seed, the slice's corners (test items; none without a slice), networks that diverged.

    Raises:
        InputError: an epoch is not in the file, or the dataset has images of another size.
    """
    cells, identity = read_networks(networks)
    keys, factors, moments = identity["keys"], Cell.of(identity["cells"][0]), identity["epochs"][0]
    there = [repeats[0] for repeats in moments.values()]
    missing = sorted(set(epochs or ()) - set(there))
    if missing:
        raise InputError(
            f"{networks}: has no networks of epoch {missing[0]} but of {', '.join(map(str, there))}; expected all of "
            f"the epochs {', '.join(map(str, epochs))} of config: hash_encoders.regions.{keys['dataset']}.epochs"
        )
    chosen = {name: cells[0][name] for name, at in moments.items() if epochs is None or at[0] in epochs}
    protocol = factors.protocol(Protocol(**identity["protocol"]))
    images = Dataset.read(dataset)
    train = training_inputs(images.train, identity["train_share"])
    shown = sample(factors, train, seed=identity["seed"], dataset=keys["dataset"])
    line_table, slice_table, notes = region_tables(
        chosen,
        network_shape(identity, images.test.inputs[0].size, networks),
        protocol.norm,
        Split(shown.inputs, shown.true_labels),
        images.test,
        dataset=keys["dataset"],
        lines=lines,
        directions=directions,
        slices=slices,
        seed=seed,
        repeats=identity["repeats"],
        offset=protocol.offset,
    )
    constant = {"paper": "hash_encoders", **keys, "study": "regions", "networks": keys["study"], "seed": seed}
    for table, columns, path in ((line_table, LINES, lines_csv), (slice_table, SLICES, slice_csv)):
        epoch = [moments[snapshot][repeat] for snapshot, repeat in zip(table.snapshot, table.repeat)]
        write_csv(table.assign(**constant, epoch=epoch)[columns], path)
    return {"seed": seed, **notes, "digests": images.digests}
