"""Codes that need no network: signs of projections of inputs, or of another encoder's real numbers.

Shape suffixes: N inputs, D features, K bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from rehash.arrays import read_arrays
from rehash.comparison.pixels import pixels
from rehash.comparison.principal import Features
from rehash.comparison.spectral import fit_spectral, open_spectral
from rehash.encoders import Encoder, Wanted
from rehash.errors import InputError, unknown, unreadable
from rehash.figures.registry import load
from rehash.seeds import stream

Arrays = dict[str, np.ndarray]
Logits = Callable[[torch.Tensor], torch.Tensor]  # of inputs less their mean, (B, D), to (B, K)
ITERATIONS = 50  # of ITQ, as published


def fit_simhash(features: Features, bits: list[int], repeats: list[int], seed: int) -> Arrays:
    """Draw random hyperplanes through the mean input (Charikar 2002), whose normals are Gaussian.

    Returns:
        `planes/{repeat}`, float32 (K, D), of the most bits; fewer are the first of them.
    """
    shape = max(bits), features.numbers.shape[1]
    return {
        f"planes/{repeat}": stream(seed, "comparison", "simhash", repeat).standard_normal(shape).astype(np.float32)
        for repeat in repeats
    }


def _open_simhash(arrays: dict[str, torch.Tensor], bits: int, repeat: int) -> Logits:
    return _linear(arrays[f"planes/{repeat}"][:bits])


def fit_pca(features: Features, bits: list[int], repeats: list[int], seed: int) -> Arrays:
    """Compute the first principal directions, float32 (K, D), of the most bits; nothing in this is random.

    Raises:
        InputError: there are fewer directions than bits.
    """
    return {"directions": features.first_directions(max(bits), "pca").float().numpy()}


def _open_pca(arrays: dict[str, torch.Tensor], bits: int, repeat: int) -> Logits:
    return _linear(arrays["directions"][:bits])


def fit_itq(features: Features, bits: list[int], repeats: list[int], seed: int) -> Arrays:
    """Compute the principal directions and a rotation of them for each length and repeat (see `rotate`).

    Returns:
        directions, float32 (K, D), of the most bits; `rotation/{bits}/{repeat}`, float64 (bits, bits).

    Raises:
        InputError: there are fewer directions than bits.
    """
    directions = features.first_directions(max(bits), "itq")
    along, arrays = features.along(directions), {"directions": directions.float().numpy()}
    for length in bits:
        coordinates = along[:, :length].contiguous()
        for repeat in repeats:
            rng = stream(seed, "comparison", "itq", length, repeat)
            arrays[f"rotation/{length}/{repeat}"] = rotate(coordinates, random_rotation(rng, length)).numpy()
    return arrays


def _open_itq(arrays: dict[str, torch.Tensor], bits: int, repeat: int) -> Logits:
    rotated = arrays[f"rotation/{bits}/{repeat}"].t() @ arrays["directions"][:bits].double()
    return _linear(rotated.float())


def _linear(planes_KD: torch.Tensor) -> Logits:
    return lambda inputs: inputs @ planes_KD.t()


def random_rotation(rng: np.random.Generator, size: int) -> torch.Tensor:
    """Draw an orthogonal matrix, float64 (size, size), each as likely as another."""
    rotation, triangle = torch.linalg.qr(torch.from_numpy(rng.standard_normal((size, size))))
    return rotation * triangle.diagonal().sign()


def rotate(coordinates_NK: torch.Tensor, start_KK: torch.Tensor, iterations: int = ITERATIONS) -> torch.Tensor:
    """Turn coordinates so that their signs lie near them: iterative quantization (Gong and Lazebnik 2011).

    It finds a rotation R that makes the loss ||B - V R||^2 small, where V are the coordinates and B their signs, by
    turns: B = sign(V R); then R = U' U^T, where U S U'^T is the singular value decomposition of B^T V. No turn raises
    the loss. Once the signs stay, so does R. (faiss's ITQMatrix takes R = V' U^T with a factor's transpose left out, so
    that its loss rises at times; and its ITQTransform scales inputs to length 1, too.)

    Args:
        coordinates_NK: float64, of mean 0. start_KK: an orthogonal matrix.

    Returns:
        R, float64 (K, K); the logits are V R.
    """
    rotation, before = start_KK, None
    for _ in range(iterations):
        on = coordinates_NK @ rotation > 0
        if before is not None and torch.equal(on, before):
            break
        signs = on.double().mul_(2).sub_(1)
        left, _, right = torch.linalg.svd(signs.t() @ coordinates_NK)
        rotation, before = right.t() @ left.t(), on
    return rotation


@dataclass(frozen=True)
class Kind:
    """A kind of projection.

    Attributes:
        fit: from features, all lengths of codes, the numbers of all repeats and the root seed to arrays.
        open: from these arrays, on a device, a length and a repeat to logits.
        repeats: whether its repeats differ.
    """

    fit: Callable[[Features, list[int], list[int], int], Arrays]
    open: Callable[[dict[str, torch.Tensor], int, int], Logits]
    repeats: bool


KINDS = {
    "simhash": Kind(fit_simhash, _open_simhash, repeats=True),
    "pca": Kind(fit_pca, _open_pca, repeats=False),
    "itq": Kind(fit_itq, _open_itq, repeats=True),
    "spectral": Kind(fit_spectral, open_spectral, repeats=False),
}


def fit(
    kind: str, features: np.ndarray, bits: list[int], repeats: list[int], seed: int, where: str
) -> tuple[Arrays, dict[str, Any]]:
    """Fit one kind of projection to features, for codes of some lengths.

    Args:
        features: float32 (N, D), of the train split. repeats: their numbers. where: for messages.

    Returns:
        Arrays, with the mean of features, float32 (D,), and what they are.

    Raises:
        InputError: there is no such kind, or codes are longer than the features allow.
    """
    if kind not in KINDS:
        raise unknown("kind", kind, KINDS, where)
    held = Features(features, where)
    arrays = {"mean": held.mean.float().numpy(), **KINDS[kind].fit(held, bits, repeats, seed)}
    return arrays, {"kind": kind, "bits": bits, "repeats": repeats}


def open_features(of: Mapping[str, Any] | None, files: Mapping[str, str], wanted: Wanted) -> Encoder:
    """Open what a projection is fitted on: the flattened inputs, or the real numbers of another source.

    Args:
        of: open ("module:function"), settings and repeat of the other source; None is the inputs themselves.
        files: those of the other source, by role.
    """
    of = of or {"open": "", "settings": {}, "repeat": 0}
    opener = load(of["open"]) if of["open"] else pixels
    return opener(files, of["settings"], replace(wanted, bits=0, repeat=of["repeat"]))


def open_fitted(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open a projection that `rehash.comparison.fit.fit_source` fitted.

    Args:
        files: fitted; and those of the source that it was fitted on, by their roles.
        settings: kind (one of KINDS); of, as of `open_features`.

    Raises:
        InputError: the file is damaged, of another kind or other data, or has no such bits or repeat; or real numbers
            are wanted, or the other source gives other numbers than it was fitted on.
    """
    path, where = files["fitted"], wanted.where
    again = f"make it again with: snakemake --cores all --force {path}"
    try:
        arrays, about = read_arrays(path)
        kind, lengths, repeats, data = (about[key] for key in ("kind", "bits", "repeats", "data"))
    except (OSError, LookupError, ValueError) as error:
        raise unreadable(error, path, f"not a fitted projection of rehash, or damaged ({error}); {again}") from error
    wanted.check_data(data, path)
    if kind != settings["kind"]:
        raise InputError(f"{where}: {path} was fitted as {kind}; expected {settings['kind']}: {again}")
    if wanted.bits not in lengths or (KINDS[kind].repeats and wanted.repeat not in repeats):
        raise InputError(
            f"{where}: {wanted.bits} bits of repeat {wanted.repeat}; {path} was fitted for {lengths} bits and the "
            f"repeats {repeats}: {again}"
        )
    inner = open_features(settings["of"], {role: file for role, file in files.items() if role != "fitted"}, wanted)
    held = {name: torch.from_numpy(array).to(wanted.device) for name, array in arrays.items()}
    mean, project = held["mean"], KINDS[kind].open(held, wanted.bits, wanted.repeat)

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        features = inner(inputs)
        if features.shape[1:] != mean.shape:
            raise InputError(
                f"{where}: {path} was fitted on {len(mean)} numbers an input; its source gives {features.shape[1]}: "
                f"{again}"
            )
        return project(features - mean)

    return logits
