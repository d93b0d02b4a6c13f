"""Poolings with gradients in one order against torch's own."""

import pytest
import torch
from torch import nn

from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.pooling import AveragePool, LargestOfWindows, MaxPool, means_of_windows

SIZES = [(7, 9), (8, 8), (12, 13), (45, 68), (3, 4)]
WINDOWS = [(3, 2, 1), (2, 2, 0), (3, 1, 1), (5, 2, 2), (3, 2, 0)]


def images(size, layout, *, ties: bool = False) -> torch.Tensor:
    """With `ties`, several places of a window often have its largest value."""
    drawn = torch.randn(4, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    made = drawn.relu().mul(2).round() if ties else drawn
    return made.contiguous(memory_format=layout).requires_grad_()


def gradients(pool, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The pooled images, and the gradient that comes back for random ones."""
    pooled = pool(x)
    back = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(2), dtype=pooled.dtype)
    return pooled.detach(), torch.autograd.grad(pooled, x, back)[0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("size", SIZES)
def test_max_pooling_is_torchs(size, window, ties, layout):
    if min(size) < window[0] - 2 * window[2]:
        pytest.skip("no window fits")
    x = images(size, layout, ties=ties)
    (expected, back), (found, ours) = (
        gradients(nn.MaxPool2d(*window), x),
        gradients(lambda x: LargestOfWindows.apply(x, *window), x),
    )
    assert torch.equal(found, expected)
    torch.testing.assert_close(ours, back, rtol=1e-14, atol=1e-14)


def test_max_pooling_sums_bfloat16_in_float32():
    x = images((12, 13), torch.contiguous_format).detach().bfloat16()
    back = torch.randn(4, 3, 6, 7, generator=torch.Generator().manual_seed(2)).bfloat16()
    ours, exact = x.clone().requires_grad_(), x.double().requires_grad_()
    LargestOfWindows.apply(ours, 3, 2, 1).backward(back)
    nn.functional.max_pool2d(exact, 3, 2, 1).backward(back.double())
    assert torch.equal(ours.grad, exact.grad.float().bfloat16()), "rounded once"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("cells", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_average_pooling_is_torchs(size, cells, layout):
    x = images(size, layout)
    (expected, back), (found, ours) = (
        gradients(nn.AdaptiveAvgPool2d(cells), x),
        gradients(lambda x: means_of_windows(x, cells), x),
    )
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(ours, back, rtol=1e-13, atol=1e-13)


def test_networks_have_them_where_torchs_are_not_reproducible():
    """Wherever a pooling's windows can overlap; on a CPU they are torch's own to the bit."""
    found = {}
    for name, shape in (("resnet18", (3, 40, 50)), ("small_photo_cnn", (3, 40, 50)), ("mosaic_cnn", (1, 20, 20))):
        modules = list(build_network(name, 8, shape, seed=1).modules())
        found[name] = {type(m) for m in modules if isinstance(m, (nn.MaxPool2d, nn.AdaptiveAvgPool2d))}
        for module in modules:
            if isinstance(module, nn.MaxPool2d) and not isinstance(module, MaxPool):
                assert module.kernel_size == module.stride, "windows that do not overlap"
            if isinstance(module, nn.AdaptiveAvgPool2d) and not isinstance(module, AveragePool):
                assert module.output_size == (1, 1), "one window"
    assert MaxPool in found["resnet18"] and AveragePool in found["small_photo_cnn"]
    x = images((12, 13), torch.channels_last)
    for ours, theirs in ((MaxPool(3, 2, 1), nn.MaxPool2d(3, 2, 1)), (AveragePool(3), nn.AdaptiveAvgPool2d(3))):
        for one, other in zip(gradients(ours, x), gradients(theirs, x), strict=True):
            assert torch.equal(one, other)
        assert not ours.state_dict()


@pytest.mark.parametrize("pool", [MaxPool(3, 2, 1), AveragePool(3)], ids=["max", "average"])
def test_a_gpu_gets_the_reproducible_gradient(pool, monkeypatch):
    """As far as it can be seen without one: an image that says it lies on a GPU goes the other way."""
    taken = []
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda tensor: True))
    name = f"rehash.equihash.learning.pooling.{'means_of_windows' if isinstance(pool, AveragePool) else 'LargestOfWindows.apply'}"
    monkeypatch.setattr(name, lambda *arguments: taken.append(len(arguments)))
    x = images((12, 13), torch.contiguous_format)
    pool(x)
    with torch.no_grad():
        pool(x)
    assert len(taken) == 1, "and only where a gradient is asked for"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("pool", [MaxPool(3, 2, 1), AveragePool(3)], ids=["max", "average"])
def test_gradients_on_a_gpu_repeat_to_the_bit(pool):
    x = torch.randn(64, 64, 90, 135, device="cuda").contiguous(memory_format=torch.channels_last).requires_grad_()
    back = torch.randn_like(pool(x.detach()))
    found = [torch.autograd.grad(pool(x), x, back)[0] for _ in range(5)]
    assert all(torch.equal(found[0], other) for other in found[1:])
