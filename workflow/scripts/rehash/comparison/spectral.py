"""Spectral hashing (Weiss, Torralba and Fergus 2008, Spectral Hashing, NIPS 21).

Inputs are taken to be uniform in a box along their principal directions. The eigenfunctions of the Laplacian on an
interval of length w are then phi_k(x) = sin(pi / 2 + k pi x / w), where x is the distance from the interval's lower
end, and their eigenvalues rise with k / w. The bits of a code are the signs of the eigenfunctions with the smallest
eigenvalues over all directions, the constant one (k = 0) left out; a long side of the box has several.

(faiss's IndexIVFSpectralHash is another method: it cuts each direction into periods of one given length.)
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
import torch

from rehash.comparison.principal import Features
from rehash.errors import InputError


def choose_modes(widths: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose the eigenfunctions of the smallest eigenvalues in a box whose sides have these widths, float64 (K,).

    Returns:
        For each bit its direction, and its frequency k, from 1 on: int64 (bits,) each. Of equal eigenvalues the first
        direction comes first.
    """
    directions, frequencies = (index.ravel() for index in np.indices((len(widths), bits)))
    frequencies = frequencies + 1
    first = np.lexsort((directions, frequencies / widths[directions]))[:bits]
    return directions[first], frequencies[first]


def fit_spectral(features: Features, bits: list[int], repeats: list[int], seed: int) -> dict[str, np.ndarray]:
    """Fit the box, and choose the eigenfunctions of codes of each length; nothing in this is random.

    As published, codes of K bits use the first K principal directions, or all if there are fewer.

    Returns:
        directions, float32 (K, D); low and widths, float32 (K,), of the box; for each length `{bits}/directions` and
        `{bits}/frequencies`, see `choose_modes`.

    Raises:
        InputError: all inputs are equal.
    """
    if not len(features.directions):
        raise InputError(f"{features.where}: all {len(features.numbers)} train inputs are equal; expected some to vary")
    directions = features.directions[: max(bits)]
    along = features.along(directions)
    low, high = along.amin(0), along.amax(0)
    found = {"directions": directions, "low": low, "widths": high - low}
    arrays = {name: tensor.float().numpy() for name, tensor in found.items()}
    for length in bits:
        chosen, frequencies = choose_modes((high - low)[:length].numpy(), length)
        arrays |= {f"{length}/directions": chosen, f"{length}/frequencies": frequencies}
    return arrays


def open_spectral(arrays: dict[str, torch.Tensor], bits: int, repeat: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the function from inputs less their mean, (B, D), to the values of the eigenfunctions, (B, bits)."""
    chosen = arrays[f"{bits}/directions"]
    planes_DK, low, widths = arrays["directions"][chosen].t(), arrays["low"][chosen], arrays["widths"][chosen]
    slopes = arrays[f"{bits}/frequencies"] * (pi / widths)

    return lambda inputs: torch.sin(pi / 2 + (inputs @ planes_DK - low) * slopes)
