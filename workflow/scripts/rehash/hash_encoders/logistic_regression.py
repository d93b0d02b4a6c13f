"""One-vs-one logistic regression on codes: the pairs of classes are fitted together, so that they share each pass.

The problem is scikit-learn's (OneVsOneClassifier of LogisticRegression with C = 1): for classes i and j the sum of
log(1 + exp(-margin)) over their codes, and half the sum of squared weights; the intercept is not penalised. It is
solved by L-BFGS (Nocedal 1980), preconditioned by a bound on the Hessian: (G_i + G_j) / 4 + I, with G_c the Gram matrix
of the codes of class c (Boehning and Lindsay 1988). After some steps the quarters are replaced by the mean of p (1 - p)
over the codes of each class, which is what they bound. Equal codes of a class are one row that counts several times:
there are often few distinct codes, and float32 sums of many equal numbers err to one side.

Shape suffixes: N codes, n distinct codes of a class, W weights of a pair (one for each bit, and the intercept), P
pairs, A pairs that are not solved yet.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch

from rehash.bits import as_keys

log = logging.getLogger("rehash")
_GRADIENT = 1e-3  # norm of the gradient at which a pair is solved; weights are then at most so far from the optimum
_STEPS = 300
_MEMORY = 10  # steps that L-BFGS remembers
_REFRESH = 8  # the step after which the preconditioner is that of the curvature
_HALVINGS = 25
_BYTES = 2**29  # of the preconditioners of the pairs that are fitted together
_JITTER = 1e-6  # on the diagonal of preconditioners: the intercept has no penalty


@dataclass(frozen=True)
class OneVsOne:
    """A classifier for each pair of classes.

    Attributes:
        classes: int64 (C,), ascending. pairs: int64 (P, 2), indices of classes.
        weights: float32 (P, bits + 1), the intercept last; positive margins speak for the second class of a pair.
    """

    classes: torch.Tensor
    pairs: torch.Tensor
    weights: torch.Tensor

    def predict(self, bits: torch.Tensor) -> torch.Tensor:
        """Return the class of each code, int64 (N,), for bits 0 and 1, float32 (N, bits).

        The class with most votes wins; of several, the one with the largest sum of margins, as in scikit-learn.
        """
        margins = torch.addmm(self.weights[:, -1:], self.weights[:, :-1], bits.T).T
        votes = torch.zeros((len(bits), len(self.classes)), device=bits.device)
        sums = torch.zeros_like(votes)
        first, second = self.pairs.T
        votes.index_add_(1, second, (margins > 0).float()).index_add_(1, first, (margins <= 0).float())
        sums.index_add_(1, second, margins).index_add_(1, first, margins, alpha=-1)
        return self.classes[(votes + sums / (3 * (sums.abs() + 1))).argmax(1)]


def fit_one_vs_one(bits: torch.Tensor, labels: torch.Tensor) -> OneVsOne:
    """Fit a logistic regression for each pair of classes, to its optimum.

    Args:
        bits: 0 and 1, float32 (N, bits). labels: int64 (N,) of two or more classes, on the same device.
    """
    classes = labels.unique()
    rows = [_distinct(bits[labels == label]) for label in classes]
    pairs = torch.combinations(torch.arange(len(classes), device=bits.device))
    grams = torch.stack([(part * counts[:, None]).T @ part for part, counts in rows])
    together = max(1, _BYTES // (4 * grams[0].numel()))
    weights = [_Fit(rows, grams, part).solve() for part in pairs.split(together)]
    return OneVsOne(classes, pairs, torch.cat(weights))


def _distinct(bits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distinct codes with a column of ones, (n, W), and how often each occurs, (n,), both float32."""
    if bits.device.type == "cpu":  # where torch's own unique is slow
        keys = as_keys(np.packbits(bits.numpy().astype(bool), axis=1))
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        bits, counts = bits[torch.from_numpy(first)], torch.from_numpy(counts)
    else:
        bits, counts = bits.unique(dim=0, return_counts=True)
    return torch.cat([bits, bits.new_ones((len(bits), 1))], 1), counts.to(bits.dtype)


class _Fit:
    """The fit of some pairs of classes.

    Args:
        rows: of each class, its distinct codes with a column of ones, (n, W), and their counts, (n,).
        grams: (C, W, W). pairs: int64 (P, 2).
    """

    def __init__(self, rows: list[tuple[torch.Tensor, torch.Tensor]], grams: torch.Tensor, pairs: torch.Tensor) -> None:
        self.rows, self.grams, self.pairs = rows, grams, pairs
        self.penalty_W = grams.new_ones(grams.shape[1])
        self.penalty_W[-1] = 0

    def solve(self) -> torch.Tensor:
        """Return the weights at the optimum, (P, W); log a warning if some are not there after the last step."""
        solved_PW = self.grams.new_zeros((len(self.pairs), len(self.penalty_W)))
        open_A = torch.arange(len(self.pairs), device=solved_PW.device)
        factors = self._factors(solved_PW.new_full((len(self.pairs), 2), 0.25), open_A)
        weights_AW = solved_PW.clone()
        losses_A, gradients_AW = self._evaluate(weights_AW, open_A)
        history: list[tuple[torch.Tensor, ...]] = []
        for step in range(_STEPS):
            if step == _REFRESH:
                factors, history = self._factors(self._curvature(weights_AW, open_A), open_A), []
            moved_AW, losses_A, moved_gradients = self._step(
                weights_AW, losses_A, gradients_AW, open_A, _direction(gradients_AW, factors, history)
            )
            steps, changes = moved_AW - weights_AW, moved_gradients - gradients_AW
            products = (steps * changes).sum(1)
            inverses = torch.where(products > 0, 1 / products, 0.0)
            history = [*history[1 - _MEMORY :], (steps, changes, inverses)]
            weights_AW, gradients_AW = moved_AW, moved_gradients
            # A pair whose loss float32 cannot lower any more stands still, and is solved, too.
            left = (gradients_AW.norm(dim=1) > _GRADIENT) & (steps != 0).any(1)
            if not left.all():
                solved_PW[open_A[~left]] = weights_AW[~left]
                open_A, weights_AW, losses_A, gradients_AW, factors = (
                    values[left] for values in (open_A, weights_AW, losses_A, gradients_AW, factors)
                )
                history = [tuple(values[left] for values in entry) for entry in history]
            if not len(open_A):
                return solved_PW
        log.warning(
            "logistic regression: %d of %d pairs of classes are not at their optimum after %d steps; the norm of the "
            "gradient is up to %.2g, expected %.2g",
            *(len(open_A), len(self.pairs), _STEPS, gradients_AW.norm(dim=1).max(), _GRADIENT),
        )
        solved_PW[open_A] = weights_AW
        return solved_PW

    def _step(
        self,
        weights_AW: torch.Tensor,
        losses_A: torch.Tensor,
        gradients_AW: torch.Tensor,
        open_A: torch.Tensor,
        directions_AW: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Go along the directions, each as far as lowers its loss enough (Armijo's rule, halving from 1)."""
        slopes_A = (gradients_AW * directions_AW).sum(1).double()
        moved_AW = weights_AW + directions_AW
        losses, gradients = self._evaluate(moved_AW, open_A)
        length = 1.0
        for _ in range(_HALVINGS):
            # What float32 rounds of a loss must not count as a rise.
            high = (losses > losses_A + 1e-4 * length * slopes_A + 1e-7 * losses_A.abs()).nonzero()[:, 0]
            if not len(high):
                return moved_AW, losses, gradients
            length /= 2
            moved_AW[high] = weights_AW[high] + length * directions_AW[high]
            losses[high], gradients[high] = self._evaluate(moved_AW[high], open_A[high])
        moved_AW[high], losses[high], gradients[high] = weights_AW[high], losses_A[high], gradients_AW[high]
        return moved_AW, losses, gradients

    def _margins(self, weights_AW: torch.Tensor, open_A: torch.Tensor):
        """Yield, for each class: the pairs that have it, its place in each and sign there, its codes, their counts, and
        their margins (., n).
        """
        for number, (rows_nW, counts_n) in enumerate(self.rows):
            places, second = (self.pairs[open_A] == number).nonzero().T
            if len(places):
                signs = (2 * second - 1).to(rows_nW.dtype)[:, None]
                yield places, second, signs, rows_nW, counts_n, (weights_AW[places] @ rows_nW.T).mul_(signs)

    def _evaluate(self, weights_AW: torch.Tensor, open_A: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the losses, float64 (A,), and their gradients (A, W)."""
        gradients_AW = weights_AW * self.penalty_W
        losses_A = (weights_AW.double() * gradients_AW).sum(1) / 2
        for places, _, signs, rows_nW, counts_n, margins in self._margins(weights_AW, open_A):
            losses_A[places] += torch.nn.functional.softplus(-margins).mul_(counts_n).sum(1, dtype=torch.float64)
            gradients_AW[places] -= torch.sigmoid(-margins).mul_(signs).mul_(counts_n) @ rows_nW
        return losses_A, gradients_AW

    def _curvature(self, weights_AW: torch.Tensor, open_A: torch.Tensor) -> torch.Tensor:
        """Compute the mean of p (1 - p) over the codes of both classes of each pair, (A, 2)."""
        means = weights_AW.new_zeros((len(open_A), 2))
        for places, second, _, _, counts_n, margins in self._margins(weights_AW, open_A):
            shares = torch.sigmoid(margins)
            means[places, second] = (shares * (1 - shares)) @ counts_n / counts_n.sum()
        return means

    def _factors(self, scales_A2: torch.Tensor, open_A: torch.Tensor) -> torch.Tensor:
        """Compute the Cholesky factors of the preconditioners, (A, W, W); in float64, one pair after another."""
        factors = self.grams.new_empty((len(open_A), *self.grams.shape[1:]))
        for place, (pair, scales) in enumerate(zip(self.pairs[open_A].tolist(), scales_A2.double())):
            matrix = scales[0] * self.grams[pair[0]] + scales[1] * self.grams[pair[1]]
            matrix.diagonal().add_(self.penalty_W + _JITTER)
            factors[place] = torch.linalg.cholesky(matrix)
        return factors


def _direction(
    gradients_AW: torch.Tensor, factors: torch.Tensor, history: list[tuple[torch.Tensor, ...]]
) -> torch.Tensor:
    """Compute L-BFGS's directions, (A, W), by its two loops over the remembered steps."""
    left_AW, parts = gradients_AW.clone(), []
    for steps, changes, inverses in reversed(history):
        parts.append(inverses * (steps * left_AW).sum(1))
        left_AW -= parts[-1][:, None] * changes
    found_AW = torch.cholesky_solve(left_AW[:, :, None], factors)[:, :, 0]
    for (steps, changes, inverses), part in zip(history, reversed(parts)):
        found_AW += (part - inverses * (changes * found_AW).sum(1))[:, None] * steps
    return -found_AW
