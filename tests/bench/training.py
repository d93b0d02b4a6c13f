"""A cohort against one plain torch model after another, and against the parts that none can do without."""

from dataclasses import replace
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from timing import seconds

from rehash.hash_encoders.cohort import CohortTraining, Recipe
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


def parts(members: int, width: int, images: torch.Tensor):
    """What a step of `members` networks needs at least: the gather of its batch, its matrix products and Adam."""
    kernels = [torch.randn(members, width, 784), torch.randn(members, 10, width)]
    for kernel in kernels:
        kernel.grad = torch.randn_like(kernel)
    adam = torch.optim.Adam(kernels, fused=True)
    hidden, logits = torch.randn(members, width, 64), torch.randn(members, 10, 64)

    def step() -> None:
        order = torch.randint(len(images), (members * 64,))
        x = images.index_select(0, order).view(members, 64, 784)
        torch.bmm(kernels[0], x.transpose(1, 2)), torch.bmm(kernels[1], hidden)
        torch.bmm(logits, hidden.transpose(1, 2)), torch.bmm(kernels[1].transpose(1, 2), logits)
        torch.bmm(hidden, x)
        adam.step()

    return step


def cohort(recipes: list[Recipe], width: int, repeats: int) -> CohortTraining:
    """A cohort on one thread of the CPU."""
    more = {"repeats": repeats, "seed": 0, "name": ("bench",), "device": torch.device("cpu")}
    return CohortTraining(recipes, Shape(784, width, 1, 10), **more)


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
                ours = seconds_a_step(cohort([Recipe(images, labels, PROTOCOL)], width, members).step) / members
                work = f"{members} networks, width {width}, {threads} thread{'s' * (threads > 1)}"
                yield "training, a step of one network", work, ours * 1e6, peer * 1e6, "torch.nn, one by one", "µs"
    set_reproducible(1)
    grid = product((0, 1e-4), (PROTOCOL.batch_norm, None), (0, 0.5))
    recipes = [
        Recipe(images, labels, replace(PROTOCOL, l2=l2, batch_norm=norm, dropout=dropout)) for l2, norm, dropout in grid
    ]
    for width in (30, 100):
        ours, peer = (seconds_a_step(step) / 24 for step in (cohort(recipes, width, 3).step, parts(24, width, floats)))
        work = f"24 networks of 8 cells, width {width}, 1 thread"
        yield "training, a step of one network", work, ours * 1e6, peer * 1e6, "products, gather and Adam alone", "µs"
