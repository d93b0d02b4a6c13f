"""The wing's figures, from the files they are drawn from."""

from __future__ import annotations

from pathlib import Path

import h5py
from matplotlib.figure import Figure

from rehash.figures.mosaics import plot_contact_sheet
from rehash.figures.perlin import plot_perlin
from rehash.store import read_csv

_SAMPLE = 64


def draw_perlin(bank: str | Path, table: str | Path) -> Figure:
    """A Perlin bank and its spectra."""
    with h5py.File(bank) as file:
        samples = {resolution: file[resolution][:_SAMPLE] for resolution in ("coarse", "fine")}
        lattice = tuple(int(side) for side in file.attrs["lattice"])
    return plot_perlin(samples, read_csv(table), lattice)


def draw_views(pictures: str | Path) -> Figure:
    """A task's contact sheet."""
    with h5py.File(pictures) as file:
        title = f"task {file.attrs['task']}, {file.attrs['split']} split: a label a row, its views in columns"
        return plot_contact_sheet(file["views"][:], title, file["labels"][:].tolist())
