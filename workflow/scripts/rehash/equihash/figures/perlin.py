"""The figure of a Perlin bank: fields of both resolutions, their values, and their spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from rehash.equihash.images.perlin import RESOLUTIONS, SAMPLE, describe_perlin, open_fields
from rehash.figures.style import COLOURS, DASHES, draw_spread, panels, set_scale

_SHOWN = 2  # number of fields of each resolution
_BIN = 5  # int8 steps in a bin; 51 bins cover -127 to 127


def draw_perlin(bank: str | Path, table: pd.DataFrame) -> Figure:
    """Draw `plot_perlin` of the first fields in a bank's file."""
    fields = {resolution: open_fields(bank, resolution)[:SAMPLE] for resolution in RESOLUTIONS}
    return plot_perlin(fields, table, describe_perlin(bank).get("lattice"))


def plot_perlin(samples: Mapping[str, np.ndarray], table: pd.DataFrame, lattice: Sequence[int] | None) -> Figure:
    """Draw the first fields of each resolution, the distribution of all fields' values, and their power spectra.

    Lines are means over fields, bands one standard deviation. Lines in a field show its lattice; vertical lines in the
    spectra are the lattices' frequencies, one cycle a cell, along both axes of the image; the dotted line is the
    power of rounding to whole steps, 1/12 spread over all frequencies.

    Args:
        samples: for `coarse` and `fine`, int8 (N, height, width).
        table: as rehash.equihash.images.perlin.spectrum makes it of these resolutions.
        lattice: rows and columns of the coarse resolution; each later resolution has twice as many. None if it is not
            known, as of fields from a file; no lattice is drawn then.
    """
    figure, axes = panels(_SHOWN + 1, len(samples), width=3.6, height=2.9)
    figure.suptitle(_title(samples), fontsize=9)
    values, spectra = axes[_SHOWN :: _SHOWN + 1]
    pictures = [panel for panel in axes if panel not in (values, spectra)]
    for series, (resolution, drawn) in enumerate(samples.items()):
        cells = tuple(side * 2**series for side in lattice) if lattice else None
        for field, panel in enumerate(pictures[_SHOWN * series : _SHOWN * (series + 1)]):
            if field >= len(drawn):
                panel.set_axis_off()
                continue
            image = _draw_field(panel, drawn[field], cells)
            panel.set_title(f"{resolution}, lattice {cells[0]} x {cells[1]}" if cells else resolution)
        _draw_values(values, drawn, series=series, label=resolution)
        _draw_spectrum(spectra, table[table.resolution == resolution], drawn.shape[1:], cells, series=series)
    figure.colorbar(image, ax=pictures, label="value (int8 steps)", fraction=0.03, pad=0.01)
    values.set(title="values", xlabel="value (int8 steps)", ylabel="share of pixels, per step", xlim=(-127.5, 127.5))
    values.set_ylim(bottom=0)
    values.legend(fontsize=7, loc="lower center")
    spectra.axhline(1 / 12 / drawn.shape[1] ** 2, color="0.4", linestyle=":", label="rounding")
    set_scale(spectra, "log")
    title = "spectra and lattice frequencies" if lattice else "spectra"
    spectra.set(title=title, xlabel="frequency (cycles per image height)", yscale="log")
    spectra.set_ylabel("power density (steps² per\nsquared cycle per height)")
    spectra.legend(fontsize=7, loc="upper right")
    return figure


def _title(samples: Mapping[str, np.ndarray]) -> str:
    (height, width), counts = next(iter(samples.values())).shape[1:], {len(drawn) for drawn in samples.values()}
    n = " and ".join(f"{count:,}" for count in sorted(counts))
    spread = f"mean of {n} fields, band of one standard deviation" if counts != {1} else "one field"
    return f"Perlin noise of {height} x {width} pixels, each resolution: {spread}"


def _draw_field(panel: Axes, field: np.ndarray, cells: tuple[int, int] | None) -> AxesImage:
    image = panel.imshow(field, cmap="cividis", vmin=-127, vmax=127)
    for axis, pixels, count in zip((panel.yaxis, panel.xaxis), field.shape, cells or (1, 1)):
        lines = np.arange(count + 1) * pixels / count
        axis.set_ticks(lines - 0.5, ["0", *[""] * (count - 1), str(pixels)])
    panel.set(xlabel="column (pixels)", ylabel="row (pixels)")
    panel.grid(color="0.7", linewidth=0.3)
    return image


def _draw_values(panel: Axes, drawn: np.ndarray, *, series: int, label: str) -> None:
    edges = np.arange(-127.5, 128, _BIN)
    shares = pd.DataFrame([np.histogram(field, edges)[0] / field.size / _BIN for field in drawn])
    colour, dashes, mean, sd = COLOURS[series], DASHES[series], shares.mean(), shares.std().fillna(0)
    panel.plot(
        edges[:-1] + _BIN / 2, mean, color=colour, linestyle=dashes, label=f"{label}, deviation {drawn.std():.1f}"
    )
    panel.fill_between(edges[:-1] + _BIN / 2, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)


def _draw_spectrum(
    panel: Axes, rows: pd.DataFrame, size: tuple[int, int], cells: tuple[int, int] | None, *, series: int
) -> None:
    sd = rows.power_sd.fillna(0)
    draw_spread(panel, rows.frequency, rows.power_mean, sd, series=series, label=rows.resolution.iloc[0])
    for frequency in {float(cells[0]), cells[1] * size[0] / size[1]} if cells else ():
        panel.axvline(frequency, color=COLOURS[series], linestyle=DASHES[series], linewidth=0.8)
