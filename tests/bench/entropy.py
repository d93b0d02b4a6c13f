"""The entropy of tuples of bits and its gradient against the published way: seconds a batch of logits of 64 bits."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from rehash.training import set_reproducible
from rehash.tuple_entropy.entropy import tuple_entropy
from rehash.tuple_entropy.tuples import Tuples

BITS, BATCH, ROUNDS = 64, 512, 5


def published_way(members: np.ndarray) -> Callable[[torch.Tensor], torch.Tensor]:
    """Gradients by logits, bit by bit, from log probabilities of what is left of its tuples.

    As in Duchesneau's equihash. Rows come in batches of 512, twice: to add up the distributions, and to weigh the log
    ratios.
    """
    rests, of_bit = {}, [[] for _ in range(BITS)]
    for row in members.tolist():
        for i in row:
            of_bit[i].append(rests.setdefault(tuple(j for j in row if j != i), len(rests)))
    rests, of_bit = torch.tensor(list(rests)), [torch.tensor(numbers) for numbers in of_bit]

    def joint(batch: torch.Tensor) -> torch.Tensor:
        """Log probabilities (rows, rests, outcomes)."""
        found = batch[:, rests[:, 0]]
        for j in range(1, rests.shape[1]):
            found = (found[..., None] + batch[:, rests[:, j], None]).flatten(2)
        return found

    def gradient(logits: torch.Tensor) -> torch.Tensor:
        log_p = torch.stack([logsigmoid(-logits), logsigmoid(logits)], -1)
        sums, parts = [None] * BITS, []
        for batch in log_p.split(BATCH):
            rest = joint(batch)
            for i, numbers in enumerate(of_bit):
                both = torch.stack([(batch[:, i, v, None, None] + rest[:, numbers]).logsumexp(0) for v in (0, 1)])
                sums[i] = both if sums[i] is None else torch.logaddexp(sums[i], both)
        for batch in log_p.split(BATCH):
            rest = joint(batch).exp()
            ratios = [(rest[:, numbers] * (sums[i][1] - sums[i][0])).sum((1, 2)) for i, numbers in enumerate(of_bit)]
            parts.append(-torch.stack(ratios, 1) * batch.sum(-1).exp())
        return torch.cat(parts) / len(logits)

    return gradient


def timed(work) -> tuple[torch.Tensor, float]:
    """What it gives, and the seconds that it takes."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def gradient(logits: torch.Tensor, tuples: Tuples) -> torch.Tensor:
    """Ours, with the value."""
    return torch.autograd.grad(tuple_entropy(logits, tuples), logits)[0]


def rows():
    """(stage, work, ours, peer, peer's name, unit) for tuples, batches and threads; stops if the gradients differ.

    Of the larger batches the published way gets 512 rows, and its time is scaled: it is linear in the rows.
    """
    cover = Tuples.cover(BITS, 4, 3, 41_664, np.random.default_rng(0))
    sets = {"all 41,664 triples": (Tuples.all(BITS, 3), (256, 4096)), "41,664 4-tuples": (cover, (4096,))}
    for name, (tuples, batches) in sets.items():
        theirs = published_way(tuples.array())
        for size in batches:
            for threads in (1, 2):
                set_reproducible(threads)
                logits = torch.randn(size, BITS, generator=torch.Generator().manual_seed(0)).requires_grad_()
                some = logits[:BATCH].detach().requires_grad_()
                exact, peer = timed(lambda: theirs(some.detach()))  # noqa: B023
                assert (gradient(some, tuples) - exact).abs().max() < 1e-5 * exact.abs().max()
                ours = min(timed(lambda: gradient(logits, tuples))[1] for _ in range(ROUNDS))  # noqa: B023
                peer *= size / len(some)
                work = f"{name} of 64 bits, {size:,} rows, {threads} thread{'s' * (threads > 1)}"
                yield "entropy of tuples and its gradient", work, ours, peer, "the published way, bit by bit", "s"
