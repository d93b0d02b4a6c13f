"""Arithmetic of networks: what is asked for within, float32 in the last layers, float32 outside."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rehash.equihash.learning.architectures import NETWORKS, build_network
from rehash.equihash.learning.precision import (
    PRECISIONS,
    DenseWithoutTf32,
    HashNetwork,
    arithmetic,
    gradient_arithmetic,
)
from rehash.errors import InputError

CPU = torch.device("cpu")
SHAPES = {"mosaic_cnn": (1, 24, 24), "resnet18": (3, 24, 24), "small_photo_cnn": (3, 24, 24), "dsh_cnn": (3, 32, 32)}
MATMUL, CUDNN = torch.backends.cuda.matmul, torch.backends.cudnn
SHALLOW = [name for name in NETWORKS if name not in ("resnet34", "resnet50")]  # these are as resnet18, and slow


@pytest.fixture(autouse=True)
def tf32_is_off():
    """As in a job, and with one thread."""
    torch.set_num_threads(1)
    MATMUL.allow_tf32 = CUDNN.allow_tf32 = False
    yield
    assert not MATMUL.allow_tf32 and not CUDNN.allow_tf32, "it is off again, whatever happened"


def flags() -> tuple[bool, bool, bool]:
    return MATMUL.allow_tf32, CUDNN.allow_tf32, torch.is_autocast_enabled("cpu")


def test_a_precision_is_on_within_and_off_outside():
    found = {}
    for precision in PRECISIONS:
        with arithmetic(precision, CPU):
            found[precision] = flags()
        with gradient_arithmetic(precision):
            found[precision] += flags()
    off, on = (False,) * 3, (True, True, False)
    assert found == {"float32": off * 2, "tf32": on * 2, "bfloat16": (False, False, True, *off)}
    with pytest.raises(InputError, match="broken"), arithmetic("tf32", CPU):
        raise InputError("broken")


@pytest.mark.parametrize("name", SHALLOW)
@pytest.mark.parametrize("training", [True, False])
def test_only_the_last_layers_of_a_network_stay_float32(name, training):
    """In bfloat16: the body's features are rounded to 8 bits, and what comes after them is not."""
    network = build_network(name, 16, SHAPES[name], seed=1).train(training)
    views = torch.rand(8, *SHAPES[name], generator=torch.Generator().manual_seed(1))
    seen = {}
    for layer in ("dense", "norm") if hasattr(network, "norm") else ("dense",):
        network.get_submodule(layer).register_forward_hook(
            lambda module, inputs, output, layer=layer: seen.update({layer: (inputs[0], output)})
        )
    with arithmetic("bfloat16", CPU):
        logits = network(views)
    features, dense = seen["dense"]
    before, after = seen.get("norm", seen["dense"])
    assert {t.dtype for t in (features, dense, before, after, logits)} == {torch.float32}
    assert torch.equal(features, features.bfloat16().float()), "the body computed in bfloat16"
    assert not torch.equal(dense, dense.bfloat16().float()) and not torch.equal(after, after.bfloat16().float())
    torch.testing.assert_close(dense, nn.functional.linear(features, network.dense.weight, network.dense.bias))
    exact = build_network(name, 16, SHAPES[name], seed=1).train(training)(views)
    assert 1e-5 < (logits - exact).abs().max() < 0.3
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in network.parameters())


@pytest.mark.parametrize("name", SHALLOW)
def test_in_float32_a_network_is_its_layers_one_after_the_other(name):
    """To the bit, as before there was a choice; and so is tf32 on a CPU."""
    views = torch.rand(8, *SHAPES[name], generator=torch.Generator().manual_seed(1))
    found = []
    for precision in ("plain", "float32", "tf32"):
        network = build_network(name, 16, SHAPES[name], seed=1)
        if precision == "plain":
            assert isinstance(network, HashNetwork)
            logits = nn.Sequential.forward(network, views)
            logits.square().sum().backward()
        else:
            with arithmetic(precision, CPU):
                logits = network(views)
            with gradient_arithmetic(precision):
                logits.square().sum().backward()
        found.append([logits.detach(), *(p.grad for p in network.parameters())])
    for other in found[1:]:
        assert all(torch.equal(one, two) for one, two in zip(found[0], other, strict=True))


@pytest.mark.parametrize("bias", [True, False])
def test_the_dense_layer_without_tf32_is_torchs(bias):
    """Its products see TF32 switched off, forward and backward, though it is on around them."""
    layer, seen = nn.Linear(7, 5, bias=bias).double(), []
    x = torch.randn(6, 7, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda *a: DenseWithoutTf32.apply(*a), (x, layer.weight, layer.bias))
    found = []
    for dense in (layer, lambda x: DenseWithoutTf32.apply(x, layer.weight, layer.bias)):
        output = dense(x)
        found.append([output, *torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])])
    torch.testing.assert_close(found[0], found[1])

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, arguments=(), options=None):
            if "mm" in operation.name():
                seen.append(flags()[:2])
            return operation(*arguments, **options or {})

    with arithmetic("tf32", CPU), Watched():
        DenseWithoutTf32.apply(x, layer.weight, layer.bias).sum().backward()
        assert flags()[:2] == (True, True)
    assert seen == [(False, False)] * 3, "forward, and two products backward"
