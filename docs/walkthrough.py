"""python docs/walkthrough.py RESULTS: docs/walkthrough_code.png, a test digit, its code, and the digits nearest to it.

RESULTS has datasets/mnist5k.h5 and the codes of comparison/mnist5k, as `make demo` leaves them.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure

NEAREST, BITS = 8, 16
STATES = {"neural_untrained": "before training", "neural": "after training"}

if __name__ == "__main__":
    results = Path(sys.argv[1])
    with h5py.File(results / "datasets" / "mnist5k.h5") as file:
        digit, gallery = file["test/images"][0], file["train/images"][:]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    rows = figure.subfigures(2, 1)
    for row, (source, title) in zip(rows, STATES.items()):
        with h5py.File(results / "comparison" / "mnist5k" / source / "codes.h5") as file:
            codes, code = file[f"{BITS}/0/gallery"][:], file[f"{BITS}/0/queries"][0]
        distances = np.bitwise_count(codes ^ code).sum(axis=1)
        row.suptitle(f"{title}: {np.sum(distances == 0)} of {len(codes):,} digits share its code", fontsize=10)
        axes = row.subplots(1, NEAREST + 2, width_ratios=[1, 3, *[1] * NEAREST])
        axes[0].imshow(digit, cmap="gray")
        axes[0].set_title("the digit", fontsize=8)
        axes[1].imshow(np.unpackbits(code)[None], cmap="gray_r", vmin=0, vmax=1, extent=(0, BITS, 0, 1))
        axes[1].vlines(range(1, BITS), 0, 1, color="0.5", lw=0.5)
        axes[1].set_title(f"its {BITS} hidden units (black: on)", fontsize=8)
        for ax, place in zip(axes[2:], np.argsort(distances, kind="stable")):
            ax.imshow(gallery[place], cmap="gray")
            ax.set_title(f"{distances[place]} bit{'' if distances[place] == 1 else 's'} away", fontsize=8)
        for ax in axes:
            ax.set(xticks=[], yticks=[])
    figure.savefig(Path(__file__).with_name("walkthrough_code.png"), dpi=110)
