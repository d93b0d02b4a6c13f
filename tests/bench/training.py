"""A cohort against one plain torch model after another: microseconds a step and network."""

import numpy as np
import torch
import torch.nn.functional as F
from timing import seconds

from rehash.hash_encoders.cohort import CohortTraining
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol
from rehash.training import set_reproducible

STEPS = 150
PROTOCOL = Protocol("adam", 0.01, 64, 100, l2=1e-6, batch_norm={"momentum": 0.01, "eps": 1e-3})


def plain_step(width: int, images: torch.Tensor, labels: torch.Tensor):
    """A step of one plain model, written as one would: Sequential, Adam, cross-entropy and penalty."""
    model = torch.nn.Sequential(
        torch.nn.Linear(784, width),
        torch.nn.BatchNorm1d(width, 1e-3, 0.01),
        torch.nn.ReLU(),
        torch.nn.Linear(width, 10),
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-7)
    order, at = torch.randperm(len(labels)), 0

    def step() -> None:
        nonlocal at
        rows = order[at : at + 64]
        at = (at + 64) % (len(labels) - 64)
        loss = F.cross_entropy(model(images[rows]), labels[rows]) + 1e-6 * model[0].weight.square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    step.model = model
    return step


def seconds_a_step(step) -> float:
    """Once it runs warm."""
    for _ in range(10):
        step()
    return seconds(step, steps=STEPS)


def rows():
    """(stage, work, ours, peer, peer's name, unit) for each size."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (48_000, 28, 28), dtype=np.uint8), rng.integers(0, 10, 48_000)
    floats = torch.from_numpy(images).reshape(48_000, -1).float() / 255
    for threads in (1, 2):
        set_reproducible(threads)
        for width in (40, 100):
            peer = seconds_a_step(plain_step(width, floats, torch.from_numpy(labels)))
            for members in (10, 40):
                job = CohortTraining(
                    *(images, labels, Shape(784, width, 1, 10), PROTOCOL),
                    **{"repeats": members, "seed": 0, "name": ("bench",), "device": torch.device("cpu")},
                )
                ours = seconds_a_step(job.step) / members
                work = f"{members} networks, width {width}, {threads} thread{'s' * (threads > 1)}"
                yield "training, a step of one network", work, ours * 1e6, peer * 1e6, "torch.nn, one by one", "µs"
