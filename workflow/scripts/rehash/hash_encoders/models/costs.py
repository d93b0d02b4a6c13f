"""What our architectures cost, for a plan, which does not import torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a network costs, with colour images of 32 x 32 pixels and ten classes.

    Attributes:
        parameters: their number.
        products: of a weight and an activation, for one image in one direction.
        activations: numbers that all its layers give out for one image.
        layers: modules that compute something.
    """

    parameters: int
    products: int
    activations: int
    layers: int


# By name; a test counts them in the networks. Other numbers of channels and classes change little.
COSTS = {
    "vgg4": Cost(137_098, 1_753_728, 85_258, 15),
    "vgg16": Cost(15_255_626, 313_725_952, 868_362, 55),
    "vgg19": Cost(20_567_882, 398_660_608, 948_234, 64),
    "resnet8": Cost(78_042, 12_501_632, 265_354, 30),
    "resnet18": Cost(11_173_962, 555_422_720, 1_978_378, 66),
    "resnet20": Cost(272_474, 40_813_184, 666_762, 72),
    "resnet32": Cost(466_906, 69_124_736, 1_068_170, 114),
    "resnet56": Cost(855_770, 125_747_840, 1_870_986, 198),
}
# Of a network that a plan does not know, someone's own or torchvision's: the parameters of a ResNet-50, and a few more
# products than ResNet-18 has here, which are more than most networks have on as many pixels. For a larger one,
# --set-resources train_model:mem_mb=... train_model:runtime=... says more.
UNKNOWN = Cost(25_600_000, 600_000_000, 1_000_000, 180)
