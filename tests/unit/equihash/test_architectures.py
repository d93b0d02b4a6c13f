"""Networks against torch's functions (the published ones in test_weights.py), and where initial weights come from."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from rehash.equihash.learning.architectures import build_network
from rehash.errors import InputError

SHAPES = {
    "mosaic_cnn": (1, 56, 56),
    "resnet18": (3, 40, 50),
    "small_photo_cnn": (3, 45, 68),
    "dsh_cnn": (3, 32, 32),
}
WITH_NORMS = [name for name in SHAPES if name != "dsh_cnn"]


def views(shape, n: int = 6, seed: int = 0) -> torch.Tensor:
    """Photos in uint8, digits in float32."""
    chance = torch.Generator().manual_seed(seed)
    if shape[0] == 3:
        return torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=chance)
    return torch.rand(n, *shape, generator=chance)


def some_network(name, bits=16, shape=None, seed=3, names=()):
    return build_network(name, bits, shape or SHAPES[name], seed=seed, names=names)


def disturbed(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network in evaluation mode whose BatchNorms all do something."""
    chance = torch.Generator().manual_seed(1)
    for module in network.eval().modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=chance) + 0.5)
    return network.state_dict()


def norm(x, state, layer):
    return F.batch_norm(x, *(state[f"{layer}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))


@pytest.mark.parametrize("shape", [(3, 45, 68), (3, 180, 270), (1, 9, 7)])
def test_small_photo_cnn_layer_by_layer(shape):
    network = some_network("small_photo_cnn", 24, shape)
    t, x = disturbed(network), views(shape)
    y = (x.float() - 127.5) / 127.5 if shape[0] == 3 else x
    for n, padding in ((1, 2), (2, 1), (3, 1)):
        y = F.relu(norm(F.conv2d(y, t[f"conv{n}.weight"], stride=2, padding=padding), t, f"norm{n}"))
    y = norm(F.linear(F.adaptive_avg_pool2d(y, 3).flatten(1), t["dense.weight"]), t, "norm")
    logits = network(x)
    assert logits.shape == (6, 24) and logits.dtype == torch.float32
    torch.testing.assert_close(logits, y)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (1, 17, 9)])
def test_dsh_cnn_layer_by_layer(shape):
    """Windows at the end reach beyond the image, as in Caffe, and their means are of the pixels within."""
    network = some_network("dsh_cnn", 12, shape).eval()
    t, x = network.state_dict(), views(shape)
    y = (x.float() - 127.5) / 127.5 if shape[0] == 3 else x

    def windows(image, of):
        rows, columns = (range(0, side - 1, 2) for side in image.shape[2:])
        return torch.stack(
            [torch.stack([of(image[:, :, r : r + 3, c : c + 3]) for c in columns], -1) for r in rows], -2
        )

    def convolved(image, n):
        return F.conv2d(image, t[f"conv{n}.weight"], t[f"conv{n}.bias"], padding=2)

    y = F.relu(windows(convolved(y, 1), lambda each: each.amax((2, 3))))
    for n in (2, 3):
        y = windows(F.relu(convolved(y, n)), lambda each: each.mean((2, 3)))
    y = F.linear(F.relu(F.linear(y.flatten(1), t["dense1.weight"], t["dense1.bias"])), t["dense.weight"])
    torch.testing.assert_close(network(x), y + t["dense.bias"])
    assert all((t[name] == 0).all() for name in t if name.endswith("bias"))
    if shape == (3, 32, 32):
        conv = 75 * 32 + 32 + 32 * 25 * 32 + 32 + 32 * 25 * 64 + 64
        assert sum(each.numel() for each in t.values()) == conv + (1024 * 500 + 500) + (500 * 12 + 12)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_resnet18_takes_small_images(shape):
    network = some_network("resnet18", 12, shape).eval()
    assert network(views(shape)).shape == (6, 12)


def test_published_sizes():
    def parameters(name, shape):
        return sum(parameter.numel() for parameter in some_network(name, 64, shape).parameters())

    conv = (25 * 24 + 24) + (24 * 9 * 32 + 32) + (32 * 9 * 48 + 48)
    dense = (1728 * 512 + 512) + (512 * 64 + 64)
    assert parameters("mosaic_cnn", (1, 56, 56)) == conv + dense + 2 * (24 + 32 + 64)
    body = 11_689_512 - 513_000  # torchvision's count, less its last layer
    assert parameters("resnet18", (3, 180, 270)) == body + 512 * 64 + 2 * 64
    assert parameters("resnet18", (1, 56, 56)) == body - 2 * 49 * 64 + 512 * 64 + 2 * 64


@pytest.mark.parametrize("name", SHAPES)
def test_networks_scale_uint8_and_leave_floats_and_their_input_alone(name):
    network = some_network(name, shape=(3, 40, 50)).eval()
    x = views((3, 40, 50))
    x[0, 0, 0, :3] = torch.tensor([0, 127, 255])
    scaled = (x.double() / 255 * 2 - 1).float()
    assert scaled.min() == -1 and scaled.max() == 1
    before = x.clone(), scaled.clone()
    torch.testing.assert_close(network(x), network(scaled))
    assert torch.equal(x, before[0]) and torch.equal(scaled, before[1])


@pytest.mark.parametrize("name", SHAPES)
def test_initial_weights_come_from_seed_and_names_alone(name, monkeypatch):
    def touched(*_):
        raise AssertionError("a GPU's generator was seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched)
    torch.default_generator.manual_seed(11)
    before = torch.get_rng_state()
    one = some_network(name, names=("a", 1)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    equal = some_network(name, names=("a", 1)).state_dict()
    assert all(torch.equal(one[key], equal[key]) for key in one)
    drawn = {key for key, tensor in one.items() if tensor.is_floating_point() and len(tensor.unique()) > 1}
    constant = {key for key in one if name == "dsh_cnn" and key.endswith("bias")}
    assert {key for key in one if "conv" in key or "dense" in key} - constant == {
        key for key in drawn if "conv" in key or "dense" in key
    }
    for seed, names in ((3, ("a", 2)), (3, ("a",)), (4, ("a", 1))):
        other = some_network(name, seed=seed, names=names).state_dict()
        assert not any(torch.equal(one[key], other[key]) for key in drawn)


def test_initial_weights_have_the_public_distributions():
    def uniform(weights, fan_in):
        return stats.kstest(weights.detach().flatten(), stats.uniform(-(fan_in**-0.5), 2 * fan_in**-0.5).cdf).pvalue

    cnn, grey = some_network("mosaic_cnn", 64), some_network("resnet18", 64, (1, 28, 28))
    colour = some_network("resnet18", 64)
    assert uniform(cnn.conv3.weight, 32 * 9) > 0.01 and uniform(cnn.dense.weight, 512) > 0.01
    assert uniform(grey.body.conv1.weight, 49) > 0.01 and uniform(grey.dense.weight, 512) > 0.01
    for weights, fan_out in ((colour.body.conv1.weight, 64 * 49), (grey.body.layer1[0].conv1.weight, 64 * 9)):
        assert stats.kstest(weights.detach().flatten(), stats.norm(0, (2 / fan_out) ** 0.5).cdf).pvalue > 0.01


@pytest.mark.parametrize("name", SHAPES)
def test_everything_learns_and_the_layout_of_memory_changes_nothing(name):
    network, x = some_network(name).double(), views(SHAPES[name], 8).double() / 255
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=layout).zero_grad()
        logits = network(x.contiguous(memory_format=layout))
        logits.square()[:, :5].sum().backward()
        found.append((logits.detach(), [parameter.grad for parameter in network.parameters()]))
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found[0][1])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("name", WITH_NORMS)
def test_running_statistics_move_once_a_pass(name):
    network = some_network(name).double().train()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    seen = {module: [] for module in norms}
    for module in norms:
        module.register_forward_hook(lambda module, inputs, _output: seen[module].append(inputs[0]))
    micro_batches = [views(SHAPES[name], 5, seed).double() for seed in range(3)]
    with torch.no_grad():  # as the public loop's first pass
        logits = [network(x) for x in micro_batches]
    torch.testing.assert_close(logits[2].mean(0), torch.zeros(16).double())
    for module, batches in seen.items():
        mean, variance = torch.zeros_like(module.running_mean), torch.ones_like(module.running_var)
        for batch in batches:
            values = batch.movedim(1, -1).flatten(0, -2)
            mean, variance = 0.9 * mean + 0.1 * values.mean(0), 0.9 * variance + 0.1 * values.var(0)
        assert module.num_batches_tracked == len(batches) == 3
        torch.testing.assert_close(module.running_mean, mean)
        torch.testing.assert_close(module.running_var, variance)
    network.eval()(micro_batches[0])
    assert {module.num_batches_tracked.item() for module in norms} == {3}


@pytest.mark.parametrize(
    ("name", "bits", "shape", "message"),
    [
        ("mosaik_cnn", 64, (1, 56, 56), "network: unknown network 'mosaik_cnn'; did you mean 'mosaic_cnn'"),
        ("mosaic_cnn", 0, (1, 56, 56), "bits is 0; expected"),
        ("mosaic_cnn", -8, (1, 56, 56), "bits is -8; expected"),
        ("mosaic_cnn", 64.0, (1, 56, 56), r"bits is 64\.0; expected"),
        ("mosaic_cnn", 64, (56, 56), r"shape is \[56, 56\]; expected channels, height and width"),
        ("small_photo_cnn", 64, (3, 0, 56), r"shape is \[3, 0, 56\]; expected channels"),
        ("small_photo_cnn", 64, (3, 4.5, 56), r"shape is \[3, 4\.5, 56\]; expected channels"),
        ("mosaic_cnn", 64, (1, 15, 56), r"shape is \[1, 15, 56\]; mosaic_cnn needs at least 16 x 16"),
        ("mosaic_cnn", 64, (1, 56, 15), r"shape is \[1, 56, 15\]; mosaic_cnn needs at least 16 x 16"),
        ("resnet18", 64, (2, 56, 56), r"shape is \[2, 56, 56\]; resnet18 needs 1 channel or 3"),
    ],
)
def test_networks_that_cannot_be(name, bits, shape, message):
    with pytest.raises(InputError, match=message):
        build_network(name, bits, shape, seed=0)


def test_torchvision_is_left_alone_until_it_is_needed():
    code = (
        "import sys; from rehash.equihash.learning.architectures import build_network; "
        "build_network('mosaic_cnn', 8, (1, 16, 16), seed=0); print('torchvision' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True)
    assert found.stdout.decode().strip() == "False", found.stderr.decode()


def test_deeper_resnets_and_last_layers_without_batch_norm():
    """By torchvision's numbers of parameters without their last layer; a lone dense layer has a bias."""
    for name, body, features in (("resnet34", 21_284_672, 512), ("resnet50", 23_508_032, 2048)):
        network = build_network(name, 16, (3, 40, 50), seed=1).eval()
        assert sum(p.numel() for p in network.parameters()) == body + features * 16 + 2 * 16
        assert network(views((3, 40, 50), 2)).shape == (2, 16)
    for name, shape in SHAPES.items():
        network = build_network(name, 16, shape, seed=1, batch_norm=False)
        *_, last = network.children()
        assert isinstance(last, torch.nn.Linear) and last.bias is not None
        assert network.eval()(views(shape, 2)).shape == (2, 16)
