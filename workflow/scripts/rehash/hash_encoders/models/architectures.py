"""Convolutional networks for images of 32 x 32 pixels, as the public scripts of He et al. 2021 build them.

VGG (Simonyan and Zisserman 2015) with BatchNorm and two dense layers of 512 units, and ResNet (He et al. 2016) with a
1 x 1 convolution in the shortcut wherever its size changes; vgg4 and resnet8 are ours, for a laptop. As in Keras, with
which the scripts build them, kernels start Glorot-uniform and biases at zero, BatchNorm has eps 1e-3 and a momentum of
0.99 (0.01 in torch's convention), and a convolution of stride 2 pads an even side at its end only, so that it looks at
pixels 1, 3, 5 ... where torch's own padding would look at 0, 2, 4 ...

Each ReLU is a module of its own. Random numbers come from torch's global generator, which the caller seeds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from rehash.errors import InputError

SIDE = 32  # pixels
_NORM = {"eps": 1e-3, "momentum": 0.01}
_DROPOUT = 0.5


@torch.fx.wrap
def framed(images_BCHW: torch.Tensor, largest: int | None) -> torch.Tensor:
    """Pad images that are smaller than 32 x 32 with zeros on all sides, the odd one below and on the right.

    Args:
        largest: the largest height and width that a network can take; None is any.

    Raises:
        InputError: these are no images, or larger ones.
    """
    if images_BCHW.ndim != 4:
        raise InputError(
            f"the network was shown inputs of shape {tuple(images_BCHW.shape[1:])}; expected images, (channels, "
            "height, width). Take a dataset of images, or a network for vectors"
        )
    height, width = images_BCHW.shape[2:]
    if largest is not None and max(height, width) > largest:
        raise InputError(
            f"the network was shown images of {height} x {width} pixels; expected {largest} x {largest} or less, since "
            f"its dense layers are made for these. Set image_size: {largest} in the network's block"
        )
    more_h, more_w = max(0, SIDE - height), max(0, SIDE - width)
    return F.pad(images_BCHW, (more_w // 2, more_w - more_w // 2, more_h // 2, more_h - more_h // 2))


class Frame(nn.Module):
    """The first layer of each network: `framed`."""

    def __init__(self, largest: int | None = None) -> None:
        super().__init__()
        self.largest = largest

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return framed(images, self.largest)


class Residual(nn.Module):
    """A block of two convolutions whose result is added to its input, or to a 1 x 1 convolution of that (stride 2).

    The kernel of the shortcut's convolution is not penalised (`unpenalised`), as in the public scripts.
    """

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=int(stride == 1), bias=False)
        self.norm1 = nn.BatchNorm2d(filters, **_NORM)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters, **_NORM)
        self.shortcut = nn.Identity()
        if stride > 1:
            # It is given every second position, and has no stride itself: the gradient of a strided 1 x 1 kernel of
            # fewer than 8 channels is written past an array's end by oneDNN 3.13 on a CPU with AVX2 and no AVX-512.
            projection = nn.Conv2d(channels, filters, 1, bias=False)
            self.shortcut = _named(conv=projection, norm=nn.BatchNorm2d(filters, **_NORM))
            self.shortcut.unpenalised = True
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x if self.stride == 1 else F.pad(x, (x.shape[3] % 2, 1, x.shape[2] % 2, 1))  # Keras' "same"
        h = self.relu1(self.norm1(self.conv1(h)))
        return self.relu2(self.shortcut(x[:, :, :: self.stride, :: self.stride]) + self.norm2(self.conv2(h)))


def vgg(channels: int, classes: int, *, blocks: Sequence[Sequence[int]], dense: Sequence[int]) -> nn.Module:
    """Build a VGG for images up to 32 x 32: blocks of convolutions, each with its pooling, then dense layers.

    It maps images, float32 (B, channels, H, W), to logits (B, classes).

    Args:
        blocks: the numbers of filters of each block's convolutions. dense: the widths of the hidden dense layers.
    """
    layers: dict[str, nn.Module] = {"frame": Frame(SIDE)}
    into, side = channels, SIDE
    for b, block in enumerate(blocks, 1):
        inside: dict[str, nn.Module] = {}
        for i, filters in enumerate(block, 1):
            inside[f"conv{i}"] = nn.Conv2d(into, filters, 3, padding=1)
            inside[f"norm{i}"] = nn.BatchNorm2d(filters, **_NORM)
            inside[f"relu{i}"] = nn.ReLU()
            into = filters
        layers[f"block{b}"], side = _named(**inside, pool=nn.MaxPool2d(2)), side // 2
    layers["flat"], into = nn.Flatten(), into * side**2
    for i, width in enumerate(dense, 1):
        norm = nn.BatchNorm1d(width, **_NORM)
        layers[f"dense{i}"] = _named(
            linear=nn.Linear(into, width), norm=norm, relu=nn.ReLU(), dropout=nn.Dropout(_DROPOUT)
        )
        into = width
    return _started(_named(**layers, head=nn.Linear(into, classes)))


def resnet(channels: int, classes: int, *, filters: Sequence[int], blocks: int) -> nn.Module:
    """Build a ResNet: a convolution, stages of residual blocks, and an average over all positions.

    It maps images, float32 (B, channels, H, W), to logits (B, classes). Images may have any size; smaller ones than
    32 x 32 are padded.

    Args:
        filters: of the convolutions of each stage; from the second on, a stage begins with a stride of 2.
        blocks: in each stage.
    """
    layers: dict[str, nn.Module] = {
        "frame": Frame(),
        "conv": nn.Conv2d(channels, filters[0], 3, padding=1, bias=False),
        "norm": nn.BatchNorm2d(filters[0], **_NORM),
        "relu": nn.ReLU(),
    }
    into = filters[0]
    for stage, width in enumerate(filters, 1):
        for block in range(1, blocks + 1):
            layers[f"block{stage}_{block}"] = Residual(into, width, 2 if stage > 1 and block == 1 else 1)
            into = width
    return _started(_named(**layers, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), head=nn.Linear(into, classes)))


def _named(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def _started(network: nn.Module) -> nn.Module:
    """Draw the kernels as Keras does, and lay them out as convolutions take a quarter less time on a CPU."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.to(memory_format=torch.channels_last)


# By name, functions (channels, classes) -> network; 6 n + 2 layers of a ResNet have n blocks in each of its stages.
ARCHITECTURES: dict[str, Callable[[int, int], nn.Module]] = {
    "vgg4": partial(vgg, blocks=[[16], [32]], dense=[64]),
    "vgg16": partial(vgg, blocks=[[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3], dense=[512, 512]),
    "vgg19": partial(vgg, blocks=[[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4], dense=[512, 512]),
    "resnet8": partial(resnet, filters=[16, 32, 64], blocks=1),
    "resnet18": partial(resnet, filters=[64, 128, 256, 512], blocks=2),
    "resnet20": partial(resnet, filters=[16, 32, 64], blocks=3),
    "resnet32": partial(resnet, filters=[16, 32, 64], blocks=5),
    "resnet56": partial(resnet, filters=[16, 32, 64], blocks=9),
}
