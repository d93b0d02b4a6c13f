"""Draw what task-specific geometric sensitive hashing means, on data: python docs/geometry.py MODULATIONS DATASET

Draws docs/tgsh_geometry.png: responses of the first network to test images of three digits, each shown in three tasks,
as unit vectors on their two first principal components: of the frozen network alone, and modulated before and after
training. MODULATIONS has at least `TASKS` tasks of DATASET.
"""

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from rehash.figures.style import COLOURS, MARKERS, panels, save_figure  # noqa: E402
from rehash.tgsh.figures.labels import STATES  # noqa: E402
from rehash.tgsh.flynet import DeviceSplit  # noqa: E402
from rehash.tgsh.model import MEASURED, Model  # noqa: E402
from rehash.tgsh.modulations import read_digits  # noqa: E402
from rehash.training import set_reproducible  # noqa: E402

TASKS, DIGITS, IMAGES = (0, 2, 4), (1, 3, 7), 60


def main(modulations: str, dataset: str) -> None:
    set_reproducible(1)
    model = Model.read(modulations, torch.device("cpu"))
    test = DeviceSplit(read_digits(dataset).test, model.device)
    chosen = torch.cat([(test.labels == digit).nonzero()[:IMAGES, 0] for digit in DIGITS])
    responses_TBU = model.responses(0, test.images[chosen])[list(TASKS)]
    figure, axes = panels(len(MEASURED), width=3.4, height=3.4)
    for panel, state in zip(axes, MEASURED):
        vectors_TU = model.vectors(state, 0)[list(TASKS)]
        rows = torch.nn.functional.normalize((vectors_TU[:, None] * responses_TBU).flatten(0, 1), dim=1)
        centred = rows - rows.mean(0)
        _, sizes, axes_UV = torch.linalg.svd(centred, full_matrices=False)
        places = (centred @ axes_UV[:2].t()).view(len(TASKS), len(DIGITS), IMAGES, 2)
        share = float(sizes[:2].square().sum() / sizes.square().sum())
        for colour, of_task, task in zip(COLOURS, places, TASKS):
            for marker, points, digit in zip(MARKERS, of_task, DIGITS):
                words = f"{model.identity['tasks'][task].get('angle', 0):g}°, a {digit}"
                panel.plot(*points.t(), marker, color=colour, markersize=3, alpha=0.6, linestyle="none", label=words)
        panel.set(title=STATES[state], xlabel=f"component 1 (both: {share:.0%} of variance)", ylabel="component 2")
    axes[-1].legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5))
    save_figure(figure, ROOT / "docs" / "tgsh_geometry.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
