"""Networks that map views of mosaics to logits, one for each bit of the fingerprint."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import nn

from rehash.equihash.learning.pooling import AveragePool, MaxPool
from rehash.equihash.learning.precision import HashNetwork
from rehash.errors import InputError, unknown
from rehash.seeds import integer

Shape = tuple[int, int, int]  # of a view: channels, height, width


def build_network(
    name: str, bits: int, shape: Shape, *, seed: int, names: tuple = (), batch_norm: bool = True
) -> nn.Module:
    """Build a network whose initial weights depend on `seed` and `names` only; float32, on the CPU.

    It maps views (B, C, H, W), float32 in about [0, 1] or uint8 (which it scales to [-1, 1]), to logits, float32
    (B, bits); bit = logit > 0.

    The last layer is a BatchNorm, unless `batch_norm` is False: then it is a dense layer with a bias, as in the public
    code. dsh_cnn never has one. While a network is in training mode, each pass through it (with or
    without gradients) normalises with the statistics of that batch alone and moves every BatchNorm's running statistics
    a tenth of the way to them. So a step of M micro-batches moves them M times, and the public loop, which passes
    twice, 2 M times.

    Args:
        name: one of NETWORKS.
        bits: k.

    Raises:
        InputError: an unknown network, no bits, or views that the network cannot take.
    """
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS, "network")
    if not isinstance(bits, int) or bits < 1:
        raise InputError(f"bits is {bits}; expected a whole number from 1")
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise InputError(f"shape is {list(shape)}; expected channels, height and width")
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the generators of all GPUs too, for good.
        torch.default_generator.manual_seed(integer(seed, "equihash", "initial weights", *names))
        return NETWORKS[name](bits, shape, batch_norm)


class Scale(nn.Module):
    """A layer that scales uint8 views to float32 in [-1, 1] and leaves float views as they are."""

    def forward(self, views: torch.Tensor) -> torch.Tensor:
        return views.float().sub_(127.5).div_(127.5) if views.dtype == torch.uint8 else views


def mosaic_cnn(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build the published network for mosaics of digits (56 x 56 pixels give 1728 inputs of the first dense layer)."""
    channels, *size = shape
    height, width = (((side - 4) // 2 - 2) // 2 // 2 for side in size)
    if min(height, width) < 1:
        raise InputError(f"shape is {list(shape)}; mosaic_cnn needs at least 16 x 16 pixels")
    return _named(
        scale=Scale(),
        conv1=nn.Conv2d(channels, 24, 5),
        pool1=nn.MaxPool2d(2),
        relu1=nn.ReLU(),
        norm1=nn.BatchNorm2d(24),
        conv2=nn.Conv2d(24, 32, 3),
        pool2=nn.MaxPool2d(2),
        relu2=nn.ReLU(),
        norm2=nn.BatchNorm2d(32),
        conv3=nn.Conv2d(32, 48, 3, padding=1),
        pool3=nn.MaxPool2d(2),
        relu3=nn.ReLU(),
        flat=nn.Flatten(),
        dense1=nn.Linear(48 * height * width, 512),
        relu4=nn.ReLU(),
        **_last(512, bits, batch_norm, bias=True),
    )


def resnet18(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build the published network for mosaics of photos; with one channel, the public variant for mosaics of digits."""
    return _resnet("resnet18", 512, bits, shape, batch_norm)


def resnet34(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build the public code's deeper network, for views as those of `resnet18`; no published config has it."""
    return _resnet("resnet34", 512, bits, shape, batch_norm)


def resnet50(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build the public code's deepest network, for views as those of `resnet18`; no published config has it.

    Its last dense layer has 2048 inputs. With BatchNorm the public one has 512, and cannot run.
    """
    return _resnet("resnet50", 2048, bits, shape, batch_norm)


def _resnet(name: str, features: int, bits: int, shape: Shape, batch_norm: bool) -> nn.Module:
    from torchvision import models  # imported here, since it takes seconds

    if shape[0] not in (1, 3):
        raise InputError(f"shape is {list(shape)}; {name} needs 1 channel or 3")
    body = getattr(models, name)(weights=None)
    if shape[0] == 1:
        body.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=1, padding=3, bias=False)
    body.maxpool = MaxPool(3, stride=2, padding=1)
    body.fc = nn.Identity()
    return _named(scale=Scale(), body=body, **_last(features, bits, batch_norm))


def small_photo_cnn(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build our small network, for photos at a quarter of their size on a CPU."""
    return _named(
        scale=Scale(),
        conv1=nn.Conv2d(shape[0], 16, 5, stride=2, padding=2, bias=False),
        norm1=nn.BatchNorm2d(16),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        norm2=nn.BatchNorm2d(32),
        relu2=nn.ReLU(),
        conv3=nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
        norm3=nn.BatchNorm2d(64),
        relu3=nn.ReLU(),
        pool=AveragePool(3),
        flat=nn.Flatten(),
        **_last(64 * 3 * 3, bits, batch_norm),
    )


def dsh_cnn(bits: int, shape: Shape, batch_norm: bool = True) -> nn.Module:
    """Build the network of Liu et al. 2016 (Deep Supervised Hashing), which has no BatchNorm, whatever is asked.

    Three 5 x 5 convolutions of 32, 32 and 64 filters, each with a pooling of 3 x 3 at a stride of 2 (the largest, then
    means), dense 500 and dense k; 32 x 32 pixels give 1024 inputs of the first dense layer. Weights start as Glorot's,
    biases at 0. The public code, whose pixels are 0 to 255, also normalises responses within channels; on pixels of 0
    to 1 that would change nothing to four digits, and is left out.
    """
    channels, *size = shape
    if min(size) < 8:
        raise InputError(f"shape is {list(shape)}; dsh_cnn needs at least 8 x 8 pixels")
    height, width = (_halved(_halved(_halved(side))) for side in size)
    network = _named(
        scale=Scale(),
        conv1=nn.Conv2d(channels, 32, 5, padding=2),
        pool1=MaxPool(3, stride=2, ceil_mode=True),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(32, 32, 5, padding=2),
        relu2=nn.ReLU(),
        pool2=nn.AvgPool2d(3, stride=2, ceil_mode=True),
        conv3=nn.Conv2d(32, 64, 5, padding=2),
        relu3=nn.ReLU(),
        pool3=nn.AvgPool2d(3, stride=2, ceil_mode=True),
        flat=nn.Flatten(),
        dense1=nn.Linear(64 * height * width, 500),
        relu4=nn.ReLU(),
        dense=nn.Linear(500, bits),
    )
    for name, parameter in network.named_parameters():
        nn.init.xavier_uniform_(parameter) if name.endswith("weight") else nn.init.zeros_(parameter)
    return network


def _halved(side: int) -> int:
    """Return how many windows of 3 at a stride of 2 cover `side` pixels."""
    return (side - 2) // 2 + 1


def _last(features: int, bits: int, batch_norm: bool, bias: bool = False) -> dict[str, nn.Module]:
    """Return the last layers: dense, with a bias where that is asked or nothing follows, and BatchNorm."""
    dense = nn.Linear(features, bits, bias=bias or not batch_norm)
    return {"dense": dense, "norm": nn.BatchNorm1d(bits)} if batch_norm else {"dense": dense}


def _named(**layers: nn.Module) -> HashNetwork:
    return HashNetwork(OrderedDict(layers))


NETWORKS: dict[str, Callable[[int, Shape, bool], nn.Module]] = {
    "mosaic_cnn": mosaic_cnn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "small_photo_cnn": small_photo_cnn,
    "dsh_cnn": dsh_cnn,
}
