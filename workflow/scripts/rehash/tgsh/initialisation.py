"""Random initialisation of FlyNet: the frozen network, and the modulations before training."""

from __future__ import annotations

import numpy as np

from rehash.seeds import stream
from rehash.tgsh.kinds import FLY, Settings, draw_encoder
from rehash.tgsh.tasks import GREY, Shape

MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels, as published; used for every dataset of its size
# The kinds whose encoder is FlyNet's own, so that they differ in their response alone.
_STREAMS = {"fly": "flynet", "fly_wta": "flynet"}


def draw_flynet(
    units: int, classes: int, *, seed: int, repeat: int, encoder: Settings = FLY, shape: Shape = GREY
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a frozen network: its encoder, as its kind has it (`rehash.tgsh.kinds`), and decoder, float32 (K, U).

    FlyNet's encoder is int16 (U, 7): a unit's pixels are drawn without replacement. The decoder is torch's default for
    a Conv2d (Kaiming, a = sqrt 5): uniform in +-1 / sqrt(U). Encoders of one width share their decoders.
    """
    kind = encoder["kind"]
    rng = stream(seed, "tgsh", _STREAMS.get(kind, kind), units, repeat, "encoder")
    drawn = draw_encoder(encoder, units, shape, rng, f"config: tgsh: an encoder of the kind {kind}")
    bound = units**-0.5
    decoder = stream(seed, "tgsh", "flynet", units, repeat, "decoder").uniform(-bound, bound, (classes, units))
    return drawn, decoder.astype(np.float32)


def draw_modulations(
    units: int, tasks: int, *, seed: int, names: tuple[object, ...], modulation: str = "both"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the modulations before training: context, float32 (T, U), and strength, float32 (T,).

    Both are Xavier-normal, for the shapes (1, U) and (1, 1). With a `modulation` of strength or context alone, the
    other part is 1 everywhere, and stays so.
    """
    context, strength = np.ones((tasks, units), np.float32), np.ones(tasks, np.float32)
    for task in range(tasks):
        rng = stream(seed, "tgsh", *names, task, "modulation")
        drawn = rng.standard_normal(units) * (2 / (1 + units)) ** 0.5, rng.standard_normal()
        if modulation != "strength":
            context[task] = drawn[0]
        if modulation != "context":
            strength[task] = drawn[1]
    return context, strength
