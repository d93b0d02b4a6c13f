"""What is seen of a step beside its loss: clipped gradients, saturated logits, and what each term asks of the logits.

All of it is measured beside the training, whose bytes it does not change. The public trainers log most of these numbers
(`trainers/*.py` of Duchesneau's code); where theirs are of another kind, the docstrings say how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.equihash.learning.objectives.base import agreement

SATURATED = 9.0  # a logit beyond this has a bit whose probability is within 0.0002 of 0 or 1 (the public threshold)
QUANTILES = {"least": 0.0, "q05": 0.05, "median": 0.5, "q95": 0.95, "most": 1.0}  # the public ones
Rows = list[dict[str, Any]]


def largest(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the largest absolute value of any element of some gradients, a tensor ()."""
    return torch.stack([torch.linalg.vector_norm(gradient, math.inf).float() for gradient in gradients]).max()


def saturation(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the share of logits whose absolute value exceeds `SATURATED`, and the largest one: two tensors ()."""
    sizes = logits.detach().abs()
    return (sizes > SATURATED).float().mean(), sizes.max()


def clipped_share(gradients: Sequence[torch.Tensor], clip: float) -> float:
    """Return the share of the elements of some gradients whose absolute value exceeds `clip`."""
    beyond = torch.stack([(gradient.abs() > clip).sum() for gradient in gradients]).sum()
    return beyond.item() / sum(gradient.numel() for gradient in gradients)


class Watched:
    """Numbers of each step, of which an evaluation says the mean and the largest since the last one.

    Attributes:
        sums: by name, the sum, the largest and the number of the values; JSON-like.
    """

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = {}

    def add(self, **values: float) -> None:
        """Add the values of a step."""
        for name, value in values.items():
            total, most, count = self.sums.get(name, (0.0, -math.inf, 0))
            self.sums[name] = [total + value, max(most, value), count + 1]

    def taken(self, step: int) -> Rows:
        """Return the rows of an evaluation (see `diagnose`; `of` is all), and forget the values."""
        rows = []
        for name, (total, most, count) in self.sums.items():
            for statistic, value in (("mean", total / count), ("most", most)):
                rows.append({"step": step, "quantity": name, "of": "all", "statistic": statistic, "value": value})
        self.sums = {}
        return rows


def diagnose(
    terms: Mapping[str, torch.Tensor], logits: torch.Tensor, labels: np.ndarray, beta: float | None
) -> tuple[Rows, Rows]:
    """Measure what the terms of a loss ask of the logits of a step, before its backward pass, which it leaves alone.

    The norm of a term's gradient is that of its derivative by the logits of a view, times the number of views, so that
    it does not depend on how many there are. (The public number is the mean over pairs of the sum of absolute values,
    `pair_sum` here, whose quantiles it takes over steps and we over the views of one step.)

    Args:
        terms: of the loss, each a tensor (). logits: (n, 2, bits), of which they were computed.
        labels: (n, 2), of the two views of each pair.
        beta: the factor of the logits within tanh (`Objective.beta`).

    Returns:
        Rows of numbers: quantity (beta, gradient, pair_gradient), of (all, a term, or same and different pairs),
        statistic and value. And histograms of the agreement u = sum over bits of tanh(beta z1) tanh(beta z2), with a
        beta of 1 where there is none: quantity, pairs_of and counts, of 2 x bits ranges of -bits to bits.
    """
    count, bits = 2 * len(logits), logits.shape[2]
    alike = labels[:, 0] == labels[:, 1]
    kinds = {name: chosen for name, chosen in (("same", alike), ("different", ~alike)) if chosen.any()}
    rows: Rows = [] if beta is None else [{"quantity": "beta", "of": "all", "statistic": "value", "value": beta}]
    whole = torch.zeros_like(logits)
    for name, term in terms.items():
        gradient = _gradient(term, logits)
        whole += gradient
        rows += _norms("gradient", name, count * gradient.norm(dim=2))
        size = gradient.abs().sum((1, 2)).mean().item()
        rows.append({"quantity": "gradient", "of": name, "statistic": "pair_sum", "value": size})
    norms = count * whole.flatten(1).norm(dim=1).cpu()
    for name, chosen in kinds.items():
        rows += _norms("pair_gradient", name, norms[torch.from_numpy(chosen)])
    agreed = agreement(logits.detach(), 1.0 if beta is None else beta).cpu().numpy()
    histograms = [
        {
            "quantity": "agreement",
            "pairs_of": name,
            "counts": np.histogram(agreed[chosen], 2 * bits, (-bits, bits))[0].tolist(),
        }
        for name, chosen in kinds.items()
    ]
    return rows, histograms


def _gradient(term: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(term, logits, retain_graph=True, allow_unused=True)[0] if term.requires_grad else None
    return torch.zeros_like(logits) if found is None else found


def _norms(quantity: str, of: str, norms: torch.Tensor) -> Rows:
    values = np.quantile(norms.double().cpu().numpy(), list(QUANTILES.values())).tolist()
    return [
        {"quantity": quantity, "of": of, "statistic": statistic, "value": value}
        for statistic, value in zip(QUANTILES, values)
    ]


def distance_histograms(same: np.ndarray, different: np.ndarray, bits: int) -> Rows:
    """Count the Hamming distances, int64 (n,), of pairs of both kinds: quantity, pairs_of, and counts of 0 to bits."""
    return [
        {"quantity": "distance", "pairs_of": name, "counts": np.bincount(distances, minlength=bits + 1).tolist()}
        for name, distances in (("same", same), ("different", different))
    ]


def histogram_table(histograms: Rows) -> pd.DataFrame:
    """Return a row for each range of each histogram that holds something.

    Columns: step, split, quantity (distance, agreement), pairs_of (same, different), low and high, the range (equal for
    distances, which are whole numbers), and count.
    """
    rows = []
    for found in histograms:
        about = {key: value for key, value in found.items() if key != "counts"}
        bits, apart = len(found["counts"]) // 2, found["quantity"] == "agreement"
        for place, count in enumerate(found["counts"]):
            if count:
                low = place - bits if apart else place
                rows.append({**about, "low": low, "high": low + apart, "count": count})
    columns = ["step", "split", "quantity", "pairs_of", "low", "high", "count"]
    return pd.DataFrame(rows, columns=columns)
