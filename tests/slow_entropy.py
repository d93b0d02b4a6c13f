"""Entropies of tuples of bits and their gradients in float64, tuple by tuple and outcome by outcome, as defined."""

import math
from itertools import product

import torch
from torch.nn.functional import logsigmoid


def slow_share(ones: torch.Tensor, zeros: torch.Tensor, members, outcome) -> torch.Tensor:
    """Of one outcome of one tuple in the batch, from the probabilities (N, K) that bits are 1 and that they are 0."""
    return math.prod((ones if bit else zeros)[:, i] for i, bit in zip(members, outcome)).mean()


def slow_entropies(ones: torch.Tensor, tuples) -> torch.Tensor:
    """(M,), from probabilities or hard bits (N, K)."""
    ones = ones.double()
    found = []
    for members in tuples:
        shares = [slow_share(ones, 1 - ones, members, v).item() for v in product((0, 1), repeat=len(members))]
        found.append(-sum(share * math.log(share) for share in shares if share))
    return torch.tensor(found, dtype=torch.float64)


def slow_value_and_gradient(logits: torch.Tensor, tuples) -> tuple[float, torch.Tensor]:
    """Sum over tuples and its gradient (N, K), by autograd.

    Probabilities are exponentials: the derivative of a sigmoid is y (1 - y) to autograd, which is 0 for a logit of 50.
    """
    logits = logits.detach().double().requires_grad_()
    ones, zeros = logsigmoid(logits).exp(), logsigmoid(-logits).exp()
    value = 0
    for members in tuples:
        for outcome in product((0, 1), repeat=len(members)):
            share = slow_share(ones, zeros, members, outcome)
            value = value - share * share.log()
    value.backward()
    return value.item(), logits.grad


def slow_discrete(logits: torch.Tensor, tuples, prior: float) -> tuple[float, torch.Tensor]:
    """Sum over tuples of the hard bits' entropy, and the gradient with log ratios of counts (N, K)."""
    logits = logits.double()
    hard, ones, zeros = logits > 0, logits.sigmoid(), (-logits).sigmoid()
    gradient = torch.zeros_like(logits)
    for members in tuples:
        for i in members:
            rest = [j for j in members if j != i]
            for outcome in product((0, 1), repeat=len(rest)):
                rows = hard[(hard[:, rest] == torch.tensor(outcome)).all(1), i]
                ratio = math.log((rows.sum().item() + prior) / ((~rows).sum().item() + prior))
                soft = math.prod((ones if bit else zeros)[:, j] for j, bit in zip(rest, outcome))
                gradient[:, i] -= soft * ratio
    return slow_entropies(hard, tuples).sum().item(), gradient * ones * zeros / len(logits)
