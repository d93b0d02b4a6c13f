"""Our convolutional networks against published counts, torchvision's, and Keras' rules written out."""

import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import get_graph_node_names

from rehash.errors import InputError
from rehash.hash_encoders.models.architectures import ARCHITECTURES, Residual
from rehash.hash_encoders.models.costs import COSTS


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def outputs_of(network: nn.Module, kind: type, images: torch.Tensor) -> list[torch.Tensor]:
    """What all modules of a kind give out, in the order in which they run."""
    found: list[torch.Tensor] = []
    handles = [m.register_forward_hook(lambda *a: found.append(a[2])) for m in network.modules() if isinstance(m, kind)]
    with torch.no_grad():
        network.eval()(images)
    for handle in handles:
        handle.remove()
    return found


# He et al. 2016, table 6, says 0.27, 0.46 and 0.85 million, of networks whose shortcuts have no parameters; these are
# the counts of well-known implementations of them.
@pytest.mark.parametrize(("name", "published"), [("resnet20", 269_722), ("resnet32", 464_154), ("resnet56", 853_018)])
def test_resnets_have_the_published_parameters_and_those_of_two_shortcuts(name, published):
    shortcuts = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert parameters(ARCHITECTURES[name](3, 10)) == published + shortcuts


def test_resnet18_is_torchvisions_but_for_its_first_and_its_last_layer():
    with torch.device("meta"):
        theirs = torchvision.models.resnet18()
    inside = parameters(theirs) - parameters(theirs.conv1) - parameters(theirs.fc)
    assert parameters(ARCHITECTURES["resnet18"](3, 10)) == inside + 64 * 3 * 9 + 512 * 10 + 10


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_vggs_have_torchvisions_convolutions_and_dense_layers_of_512(name):
    with torch.device("meta"):
        features = getattr(torchvision.models, f"{name}_bn")().features
    dense = 2 * (512 * 512 + 512 + 2 * 512) + 512 * 10 + 10
    ours = ARCHITECTURES[name](3, 10)
    assert parameters(ours) == parameters(features) + dense
    assert len([m for m in ours.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]) == int(name[3:])


RELUS = {
    "vgg4": [(16, 32, 32), (32, 16, 16), (64,)],
    "resnet8": [(16, 32, 32)] * 3 + [(32, 16, 16)] * 2 + [(64, 8, 8)] * 2,
    "resnet18": [(64, 32, 32)] * 5 + [(128, 16, 16)] * 4 + [(256, 8, 8)] * 4 + [(512, 4, 4)] * 4,
    "resnet20": [(16, 32, 32)] * 7 + [(32, 16, 16)] * 6 + [(64, 8, 8)] * 6,
    "vgg16": [(64, 32, 32)] * 2
    + [(128, 16, 16)] * 2
    + [(256, 8, 8)] * 3
    + [(512, 4, 4)] * 3
    + [(512, 2, 2)] * 3
    + [(512,)] * 2,
}


@pytest.mark.parametrize("name", RELUS)
@pytest.mark.parametrize("side", [28, 32])
def test_each_relu_runs_once_and_has_the_shape_of_its_layer(name, side):
    network = ARCHITECTURES[name](1, 10)
    found = outputs_of(network, nn.ReLU, torch.rand(2, 1, side, side))
    assert [tuple(output.shape[1:]) for output in found] == RELUS[name]
    assert len(found) == len([module for module in network.modules() if isinstance(module, nn.ReLU)])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_relu_is_a_node_of_its_modules_name(name):
    """torchvision's tracer drops a number after an underscore, so that no name may end in one."""
    network = ARCHITECTURES[name](3, 10).eval()
    relus = [path for path, module in network.named_modules() if isinstance(module, nn.ReLU)]
    nodes = get_graph_node_names(network)[1]
    assert [node for node in nodes if "relu" in node] == relus


def test_small_images_are_those_within_zeros():
    network, images = ARCHITECTURES["resnet8"](3, 4).eval(), torch.rand(2, 3, 28, 25)
    framed = torch.zeros(2, 3, 32, 32)
    framed[:, :, 2:30, 3:28] = images
    assert torch.equal(network(images), network(framed))


@pytest.mark.parametrize("side", [7, 8])
def test_a_strided_convolution_looks_where_keras_does(side):
    """TensorFlow's rule for padding "same": in all max((ceil(n / s) - 1) s + k - n, 0), the smaller half in front."""
    block, images = Residual(2, 3, stride=2), torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(0))
    out = math.ceil(side / 2)
    before = max((out - 1) * 2 + 3 - side, 0) // 2
    kernel, expected = block.conv1.weight.detach().numpy(), np.zeros((3, out, out))
    for row, column, i, j in np.ndindex(out, out, 3, 3):
        y, x = 2 * row + i - before, 2 * column + j - before
        if 0 <= y < side and 0 <= x < side:
            expected[:, row, column] += kernel[:, :, i, j] @ images[0, :, y, x].numpy()
    found = []
    block.conv1.register_forward_hook(lambda *a: found.append(a[2]))
    block.shortcut.conv.register_forward_hook(lambda *a: found.append(a[2]))
    block.eval()(images)
    projection = block.shortcut.conv.weight.detach()[:, :, 0, 0] @ images[0, :, ::2, ::2].flatten(1)
    for one, other in zip(found, (expected, projection.view(3, out, out))):
        np.testing.assert_allclose(one[0].detach().numpy(), other, atol=1e-6)


@pytest.mark.parametrize("name", ["vgg4", "resnet8"])
def test_what_a_network_says_of_an_image_depends_on_that_image_alone(name):
    network, images = ARCHITECTURES[name](3, 10), torch.rand(5, 3, 32, 32)
    network.train()
    with torch.no_grad():
        network(images)  # so that BatchNorm's statistics are not those of the start
        apart = (network(images)[:2] - network(images[:2])).abs().max()
        network.eval()
        torch.testing.assert_close(network(images)[:2], network(images[:2]), rtol=1e-4, atol=1e-5)
    assert apart > 1e-2, "in training it has to depend on the batch"


@pytest.mark.parametrize("filters", [[1, 2], [3, 5], [7, 16], [8, 16]])
def test_gradients_of_few_channels_are_those_of_double_precision(filters):
    """A strided convolution in place of the shortcut's would kill this process, on a CPU with AVX2 and no AVX-512."""
    torch.manual_seed(0)
    network = ARCHITECTURES["resnet8"](3, 4, filters=filters)
    images = torch.rand(32, 32, 32, 3).permute(0, 3, 1, 2)  # by columns, as images in colour are read
    found = []
    for dtype in (torch.float32, torch.float64):
        loss = nn.functional.cross_entropy(network.to(dtype)(images.to(dtype)), torch.arange(32) % 4)
        found.append(torch.autograd.grad(loss, [*network.parameters()]))
    for single, double in zip(*found):  # a unit that is all but off is on in one of them; of 8 seeds, up to 0.014
        assert torch.linalg.norm(single - double) < 0.05 * torch.linalg.norm(double)


def test_a_start_is_glorots_and_the_seeds():
    torch.manual_seed(3)
    network, again = ARCHITECTURES["vgg4"](3, 10), ARCHITECTURES["vgg4"](3, 10)
    torch.manual_seed(3)
    third = ARCHITECTURES["vgg4"](3, 10)
    assert torch.equal(network.dense1.linear.weight, third.dense1.linear.weight)
    assert not torch.equal(network.dense1.linear.weight, again.dense1.linear.weight)
    for layer, fans in ((network.block2.conv1, 9 * 16 + 9 * 32), (network.dense1.linear, 32 * 64 + 64)):
        weight, bound = layer.weight.detach(), math.sqrt(6 / fans)
        assert weight.abs().max() <= bound and weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        assert not layer.bias.any()
    assert {(m.eps, m.momentum) for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {(1e-3, 0.01)}


def test_inputs_that_a_network_cannot_take_are_named():
    with pytest.raises(InputError, match=r"inputs of shape \(36,\); expected images"):
        ARCHITECTURES["resnet8"](3, 10)(torch.rand(2, 36))
    with pytest.raises(InputError, match=r"images of 40 x 30 pixels; expected 32 x 32 or less.*image_size: 32"):
        ARCHITECTURES["vgg16"](3, 10)(torch.rand(2, 3, 40, 30))
    assert ARCHITECTURES["resnet8"](3, 10)(torch.rand(2, 3, 40, 35)).shape == (2, 10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_costs_are_those_of_the_network(name):
    network, found = ARCHITECTURES[name](3, 10), {"products": 0, "activations": 0, "layers": 0}

    def count(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        found["activations"] += output[0].numel()
        found["layers"] += 1
        weight = getattr(module, "weight", None)
        if weight is not None and weight.ndim > 1:  # of a convolution each position has all products of its filters
            found["products"] += weight.numel() * output[0, 0].numel()

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 32, 32))
    assert {**found, "parameters": parameters(network)} == vars(COSTS[name])
