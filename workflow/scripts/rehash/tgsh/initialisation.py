"""Random initialisation of FlyNet: the frozen network, and the modulations before training."""

from __future__ import annotations

import numpy as np

from rehash.seeds import stream
from rehash.tgsh.tasks import PIXELS

INPUTS_A_UNIT = 7
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels, as published; used for every dataset


def draw_flynet(units: int, classes: int, *, seed: int, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a frozen network: encoder, int16 (U, 7), and decoder, float32 (K, U).

    A unit's 7 pixels are drawn without replacement. The decoder is torch's default for a Conv2d (Kaiming, a = sqrt 5):
    uniform in +-1 / sqrt(U).
    """
    pixels = stream(seed, "tgsh", "flynet", units, repeat, "encoder")
    encoder = np.stack([pixels.choice(PIXELS, INPUTS_A_UNIT, replace=False) for _ in range(units)])
    bound = units**-0.5
    decoder = stream(seed, "tgsh", "flynet", units, repeat, "decoder").uniform(-bound, bound, (classes, units))
    return encoder.astype(np.int16), decoder.astype(np.float32)


def draw_modulations(units: int, tasks: int, *, seed: int, names: tuple[object, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Draw the modulations before training: context, float32 (T, U), and strength, float32 (T,).

    Both are Xavier-normal, for the shapes (1, U) and (1, 1).
    """
    context, strength = np.empty((tasks, units), np.float32), np.empty(tasks, np.float32)
    for task in range(tasks):
        rng = stream(seed, "tgsh", *names, task, "modulation")
        context[task] = rng.standard_normal(units) * (2 / (1 + units)) ** 0.5
        strength[task] = rng.standard_normal()
    return context, strength
