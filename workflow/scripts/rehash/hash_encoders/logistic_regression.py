"""Logistic regression on codes, one-vs-one or one-vs-rest: the problems are fitted together and share each pass.

The problems are scikit-learn's (OneVsOneClassifier or OneVsRestClassifier of LogisticRegression with C = 1): the sum of
log(1 + exp(-margin)) over the codes of a negative and a positive side, two classes, or all others and a class; and half
the sum of squared weights; the intercept is not penalised. They are solved by L-BFGS (Nocedal 1980), preconditioned by
a bound on the Hessian: (G_n + G_p) / 4 + I, with the Gram matrices of the codes of the two sides (Boehning and Lindsay
1988). After some steps the quarters are replaced by the mean of p (1 - p) over the codes of each side, which is what
they bound. Equal codes of a class are one row that counts several times: there are often few distinct codes, and
float32 sums of many equal numbers err to one side.

One-vs-one has a problem for each pair of classes, so that its time grows with the square of their number; one-vs-rest
has one for each class.

Shape suffixes: N codes, C classes, n distinct codes of a block, W weights of a problem (one for each bit, and the
intercept), P problems, A problems that are not solved yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from rehash.bits import as_keys

log = logging.getLogger("rehash")
_GRADIENT = 1e-3  # norm of the gradient at which a problem is solved; weights are at most so far from the optimum
_STEPS = 300
_MEMORY = 10  # steps that L-BFGS remembers
_REFRESH = 8  # the step after which the preconditioner is that of the curvature
_HALVINGS = 25
_BYTES = 2**29  # of the preconditioners of the problems that are fitted together
_CELLS = 2**22  # of the margins of one-vs-rest that are held at a time
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


@dataclass(frozen=True)
class OneVsRest:
    """A classifier for each class against all others.

    Attributes:
        classes: int64 (C,), ascending.
        weights: float32 (C, bits + 1), the intercept last; positive margins speak for the class.
    """

    classes: torch.Tensor
    weights: torch.Tensor

    def predict(self, bits: torch.Tensor) -> torch.Tensor:
        """Return the class of each code, int64 (N,), the one with the largest margin; for bits as `OneVsOne` has them.

        Scikit-learn compares probabilities, which say the same.
        """
        parts = bits.split(max(1, _CELLS // len(self.classes)))
        found = [torch.addmm(self.weights[:, -1:], self.weights[:, :-1], part.T).argmax(0) for part in parts]
        return self.classes[torch.cat(found)]


@dataclass(frozen=True)
class _Block:
    """Distinct codes that a pass takes together.

    Attributes:
        rows: the codes with a column of ones, float32 (n, W). counts: how often each occurs, float32 (n,).
        classes: the indices of their classes, int64 (n,), or (1,) if all are of one class.
    """

    rows: torch.Tensor
    counts: torch.Tensor
    classes: torch.Tensor

    @property
    def gram(self) -> torch.Tensor:
        return (self.rows * self.counts[:, None]).T @ self.rows


def fit_one_vs_one(bits: torch.Tensor, labels: torch.Tensor) -> OneVsOne:
    """Fit a logistic regression for each pair of classes, to its optimum.

    Args:
        bits: 0 and 1, float32 (N, bits). labels: int64 (N,) of two or more classes, on the same device.
    """
    classes, blocks = _by_class(bits, labels)
    pairs = torch.combinations(torch.arange(len(classes), device=bits.device))
    grams = torch.stack([block.gram for block in blocks])
    signs = torch.zeros((len(pairs), len(classes)), device=bits.device)
    signs.scatter_(1, pairs, torch.tensor([-1.0, 1.0], device=bits.device).expand(len(pairs), 2))
    sides = pairs.tolist()
    return OneVsOne(classes, pairs, _weights(blocks, signs, lambda problem: [grams[side] for side in sides[problem]]))


def fit_one_vs_rest(bits: torch.Tensor, labels: torch.Tensor) -> OneVsRest:
    """Fit a logistic regression for each class against all others, to its optimum; arguments as `fit_one_vs_one`."""
    classes, blocks = _by_class(bits, labels)
    whole = sum(block.gram for block in blocks)
    signs = 2 * torch.eye(len(classes), device=bits.device) - 1
    rows, counts = (torch.cat([getattr(block, name) for block in blocks]) for name in ("rows", "counts"))
    of = torch.cat([block.classes.expand(len(block.rows)) for block in blocks])
    size = max(1, _CELLS // len(classes))
    mixed = [_Block(*part) for part in zip(rows.split(size), counts.split(size), of.split(size))]

    def sides(problem: int) -> tuple[torch.Tensor, torch.Tensor]:
        own = blocks[problem].gram
        return whole - own, own

    return OneVsRest(classes, _weights(mixed, signs, sides))


def _by_class(bits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, list[_Block]]:
    """Return the classes of labels, int64 (C,), ascending, and for each a block of its distinct codes."""
    classes = labels.unique()
    numbers = torch.arange(len(classes), device=bits.device)
    return classes, [_Block(*_distinct(bits[labels == label]), number[None]) for label, number in zip(classes, numbers)]


def _distinct(bits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distinct codes with a column of ones, (n, W), and how often each occurs, (n,), both float32."""
    if bits.device.type == "cpu":  # where torch's own unique is slow
        keys = as_keys(np.packbits(bits.numpy().astype(bool), axis=1))
        _, first, counts = np.unique(keys, return_index=True, return_counts=True)
        bits, counts = bits[torch.from_numpy(first)], torch.from_numpy(counts)
    else:
        bits, counts = bits.unique(dim=0, return_counts=True)
    return torch.cat([bits, bits.new_ones((len(bits), 1))], 1), counts.to(bits.dtype)


Sides = Callable[[int], tuple[torch.Tensor, torch.Tensor]]


def _weights(blocks: list[_Block], signs: torch.Tensor, sides: Sides) -> torch.Tensor:
    """Solve all problems, as many together as memory allows; return the weights, (P, W). Arguments as `_Fit`."""
    together = max(1, _BYTES // (4 * blocks[0].rows.shape[1] ** 2))
    found = [
        _Fit(blocks, part, lambda problem, start=start: sides(start + problem)).solve()
        for start, part in zip(range(0, len(signs), together), signs.split(together))
    ]
    return torch.cat(found)


class _Fit:
    """The fit of some problems.

    Args:
        blocks: all codes.
        signs: float32 (P, C), the side of each class in each problem: -1, 1, or 0 if it has no part.
        sides: a function of a problem's number that returns the Gram matrices of its two sides, (W, W) each.
    """

    def __init__(self, blocks: list[_Block], signs: torch.Tensor, sides: Sides) -> None:
        self.blocks, self.signs, self.sides = blocks, signs, sides
        self.penalty_W = blocks[0].rows.new_ones(blocks[0].rows.shape[1])
        self.penalty_W[-1] = 0

    def solve(self) -> torch.Tensor:
        """Return the weights at the optimum, (P, W); log a warning if some are not there after the last step."""
        solved_PW = self.penalty_W.new_zeros((len(self.signs), len(self.penalty_W)))
        open_A = torch.arange(len(self.signs), device=solved_PW.device)
        factors = self._factors(solved_PW.new_full((len(self.signs), 2), 0.25), open_A)
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
            # A problem whose loss float32 cannot lower any more stands still, and is solved, too.
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
            "logistic regression: %d of %d classifiers are not at their optimum after %d steps; the norm of the "
            "gradient is up to %.2g, expected %.2g",
            *(len(open_A), len(self.signs), _STEPS, gradients_AW.norm(dim=1).max(), _GRADIENT),
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

    def _margins(
        self, weights_AW: torch.Tensor, open_A: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, _Block, torch.Tensor]]:
        """Yield, for each block: the problems that have part of it, its rows' signs there, the block and their margins.

        Signs are (., n), or (., 1) if they are the same for all rows; margins (., n).
        """
        for block in self.blocks:
            signs = self.signs[open_A][:, block.classes]
            places = signs.any(1).nonzero()[:, 0]
            if len(places):
                signs = signs[places]
                yield places, signs, block, (weights_AW[places] @ block.rows.T).mul_(signs)

    def _evaluate(self, weights_AW: torch.Tensor, open_A: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the losses, float64 (A,), and their gradients (A, W)."""
        gradients_AW = weights_AW * self.penalty_W
        losses_A = (weights_AW.double() * gradients_AW).sum(1) / 2
        for places, signs, block, margins in self._margins(weights_AW, open_A):
            losses_A[places] += torch.nn.functional.softplus(-margins).mul_(block.counts).sum(1, dtype=torch.float64)
            gradients_AW[places] -= torch.sigmoid(-margins).mul_(signs).mul_(block.counts) @ block.rows
        return losses_A, gradients_AW

    def _curvature(self, weights_AW: torch.Tensor, open_A: torch.Tensor) -> torch.Tensor:
        """Compute the mean of p (1 - p) over the codes of the two sides of each problem, (A, 2)."""
        sums, totals = weights_AW.new_zeros((2, len(open_A), 2))
        for places, signs, block, margins in self._margins(weights_AW, open_A):
            shares = torch.sigmoid(margins)
            for side, sign in enumerate((-1, 1)):
                of_side = (signs == sign).to(shares.dtype).expand_as(shares)
                sums[places, side] += (shares * (1 - shares) * of_side) @ block.counts
                totals[places, side] += of_side @ block.counts
        return sums / totals

    def _factors(self, scales_A2: torch.Tensor, open_A: torch.Tensor) -> torch.Tensor:
        """Compute the Cholesky factors of the preconditioners, (A, W, W), one problem after another."""
        width = len(self.penalty_W)
        factors = self.penalty_W.new_empty((len(open_A), width, width))
        for place, (problem, scales) in enumerate(zip(open_A.tolist(), scales_A2.double())):
            negative, positive = self.sides(problem)
            matrix = scales[0] * negative + scales[1] * positive
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
