"""Several seeds of a hash network in one job against one after the other: milliseconds a step and network.

Several in one: their convolutions as groups of one, their dense layers as a batched product, which is how many small
networks share a GPU. The outputs are those of the networks alone.
"""

import torch
from timing import seconds
from torch.nn.functional import batch_norm, conv2d, max_pool2d

from rehash.equihash.learning.architectures import build_network
from rehash.training import set_reproducible

SEEDS, VIEWS, ROUNDS = 4, 128, 6


def together(networks: list[torch.nn.Module], views: torch.Tensor) -> torch.Tensor:
    """Logits (S, B, k) of S mosaic_cnn, each on its own views, (S, B, 1, 56, 56)."""
    layers = [[m for m in net.modules() if not list(m.children())] for net in networks]
    x = views.transpose(0, 1).flatten(1, 2)
    for same in zip(*layers):
        kind = type(same[0]).__name__
        if kind == "Conv2d":
            weight, bias = torch.cat([m.weight for m in same]), torch.cat([m.bias for m in same])
            x = conv2d(x, weight, bias, padding=same[0].padding, groups=len(same))
        elif kind == "Scale":
            continue
        elif kind == "MaxPool2d":
            x = max_pool2d(x, 2)
        elif kind == "ReLU":
            x = x.relu()
        elif kind == "BatchNorm2d":
            weight, bias = torch.cat([m.weight for m in same]), torch.cat([m.bias for m in same])
            x = batch_norm(x, None, None, weight, bias, training=True)
        elif kind == "Flatten":
            x = x.unflatten(1, (len(same), -1)).flatten(2).transpose(0, 1)
        elif kind == "Linear":
            weight, bias = torch.stack([m.weight for m in same]), torch.stack([m.bias for m in same])
            x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
        elif kind == "BatchNorm1d":
            weight, bias = torch.stack([m.weight for m in same]), torch.stack([m.bias for m in same])
            centred = x - x.mean(1, keepdim=True)
            x = (
                centred / (centred.square().mean(1, keepdim=True) + same[0].eps).sqrt() * weight[:, None]
                + bias[:, None]
            )
        else:
            raise NotImplementedError(kind)
    return x


def milliseconds(step) -> float:
    """A network, once it runs warm."""
    step()
    return seconds(step, ROUNDS) * 1e3 / SEEDS


def rows() -> list[tuple]:
    """(stage, work, ours, peer, peer's name, unit), forward and backward; stops if the logits differ."""
    set_reproducible(1)
    networks = [build_network("mosaic_cnn", 64, (1, 56, 56), seed=seed).train() for seed in range(SEEDS)]
    views = torch.randn(SEEDS, VIEWS, 1, 56, 56, generator=torch.Generator().manual_seed(0))
    alone = torch.stack([net(shown) for net, shown in zip(networks, views)])
    assert torch.allclose(together(networks, views), alone, atol=1e-4)

    laid_out = views.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (SEEDS, VIEWS))

    def one_by_one() -> None:
        for net, shown in zip(networks, laid_out):
            net.to(memory_format=torch.channels_last)(shown).square().sum().backward()

    ours = milliseconds(one_by_one)
    for net in networks:
        net.to(memory_format=torch.contiguous_format)
    peer = milliseconds(lambda: together(networks, views).square().sum().backward())
    work = f"{SEEDS} seeds of mosaic_cnn, {VIEWS} views each, 1 thread"
    return [("a step of a hash network", work, ours, peer, "the seeds in one job, grouped convolutions", "ms")]
