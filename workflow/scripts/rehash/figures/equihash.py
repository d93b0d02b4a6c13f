"""The wing's figures, from the files they are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from rehash.figures.equihash_distances import plot_distances
from rehash.figures.equihash_index import plot_bucket_sizes, plot_probes
from rehash.figures.equihash_retrieval import plot_retrieval
from rehash.figures.mosaics import plot_contact_sheet
from rehash.figures.perlin import plot_perlin
from rehash.hdf5 import opened, read_attributes, unsealed
from rehash.store import read_csv

_SAMPLE = 64
_COMPARISONS = {"retrieval": plot_retrieval, "bucket_sizes": plot_bucket_sizes, "probes": plot_probes}


def draw_perlin(bank: str | Path, table: str | Path) -> Figure:
    """A Perlin bank and its spectra."""
    with opened(bank, "a Perlin bank of rehash") as file:
        samples = {resolution: file[resolution][:_SAMPLE] for resolution in ("coarse", "fine")}
        lattice = tuple(int(side) for side in file.attrs["lattice"])
    return plot_perlin(samples, read_csv(table), lattice)


def draw_views(pictures: str | Path) -> Figure:
    """A task's contact sheet."""
    with unsealed(pictures, "a file of views of rehash") as file:
        about = read_attributes(file)
        title = f"task {about['task']}, {about['split']} split: a label a row, its views in columns"
        return plot_contact_sheet(file["views"][:], title, file["labels"][:].tolist())


def draw_comparison(comparison: str, tables: Sequence[str | Path]) -> Figure:
    """Networks on a database: retrieval, bucket_sizes, probes, or distances (and their rates, from retrieval)."""
    table = read_csv(tables[0])
    if comparison == "distances":
        rates = read_csv(tables[1])
        return plot_distances(table, rates[rates.metric.str.contains("_at_")])
    return _COMPARISONS[comparison](table)
