"""How nearly orthogonal random modulations are, from narrow networks to wide ones, beside what theory predicts.

The cosine of two vectors of U independent normal numbers has the mean 0 and the deviation 1 / sqrt(U). Modulated by
two such vectors, the responses z to one image have a cosine of about the deviation sqrt(sum z^4) / sum z^2, the 1 /
sqrt of the number of units that the response is as good as spread over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.progress import progress
from rehash.store import write_csv
from rehash.tgsh.flynet import FlyNet, respond, views
from rehash.tgsh.images import Images
from rehash.tgsh.initialisation import draw_flynet, draw_modulations
from rehash.tgsh.relations import cosines
from rehash.tgsh.tasks import as_rows
from rehash.training import Compute

TASKS, IMAGES = 36, 16
OF = ("task vectors", "responses to one image")


def measure_orthogonality(
    dataset: str | Path, output: str | Path, compute: Compute, *, widths: list[int], repeats: int, seed: int
) -> dict[str, Any]:
    """Write a table of how far cosines of untrained modulations are from 0: one row per repeat, width and `of`.

    Of `TASKS` untrained task vectors, or of FlyNet's responses to the first `IMAGES` test images as they are, each
    modulated by all of them. deviation is the root of the mean squared cosine over pairs of two tasks; predicted is the
    formula of this module.
    """
    target = compute.start()
    images = Images.read(dataset, [{}])
    view = views([{}], "nearest", 0.0, target, **_normalised(images))[0]
    shown = view.inputs(torch.from_numpy(as_rows(images.home.test.images[:IMAGES])).to(target))
    pairs = np.triu_indices(TASKS, 1)
    rows = []
    for units in progress(widths, "orthogonality", "width"):
        for repeat in range(repeats):
            drawn = draw_flynet(units, len(images.class_names), seed=seed, repeat=repeat, shape=images.shape)
            responses = respond(shown, FlyNet.of(*drawn, target, shape=images.shape)).t().double().cpu().numpy()
            names = (Path(dataset).stem, "orthogonality", repeat)
            context, strength = draw_modulations(units, TASKS, seed=seed, names=names)
            vectors = context.astype(float) * strength[:, None]
            modulated = np.stack([cosines(vectors * response)[pairs] for response in responses])
            spread = (responses**4).sum(1) / (responses**2).sum(1) ** 2
            found = {OF[0]: (cosines(vectors)[pairs], 1 / units), OF[1]: (modulated, spread)}
            rows += [
                {
                    "dataset": Path(dataset).stem, "repeat": repeat, "units": units, "of": of,
                    "deviation": float(np.sqrt(np.mean(values**2))), "predicted": float(np.sqrt(np.mean(squares))),
                }
                for of, (values, squares) in found.items()
            ]  # fmt: skip
    write_csv(pd.DataFrame(rows), output)
    return {"device": str(target), "seed": seed, "digests": images.digests}


def _normalised(images: Images) -> dict[str, Any]:
    return {"shape": images.shape, "normalisation": images.identity.get("normalisation")}
