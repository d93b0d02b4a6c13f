"""Folded networks: the same functions with fewer layers, opened wherever a trained network encodes."""

import copy

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from rehash.equihash.images.task import Task
from rehash.equihash.learning import models
from rehash.equihash.learning.architectures import NETWORKS, build_network
from rehash.equihash.learning.folding import folded
from rehash.equihash.learning.models import open_model
from rehash.equihash.learning.weights import open_network, write_network
from rehash.store import file_digest

CPU = torch.device("cpu")
SHAPES = {"mosaic_cnn": (1, 20, 20), "small_photo_cnn": (3, 45, 68), "dsh_cnn": (3, 32, 32)}
KEPT = {"mosaic_cnn": 2}  # BatchNorms that follow a ReLU
CASES = [(name, True) for name in NETWORKS] + [("mosaic_cnn", False), ("resnet18", False)]


def trained(name: str, batch_norm: bool = True, shape=None) -> torch.nn.Module:
    """A network in evaluation mode, with running statistics of random images; scales of either sign, and shifts."""
    network = build_network(name, 16, shape or SHAPES.get(name, (3, 24, 30)), seed=1, batch_norm=batch_norm)
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for _ in range(4):
            network(shown(shape or SHAPES.get(name, (3, 24, 30)), 16, chance))
        for norm in norms(network):
            norm.weight.copy_(torch.rand(norm.weight.shape, generator=chance) * 2 - 0.5)
            norm.bias.copy_(torch.randn(norm.bias.shape, generator=chance))
    return network.eval()


def shown(shape, n: int, chance: torch.Generator) -> torch.Tensor:
    """Floats on [-1, 1], as a network scales bytes to."""
    return torch.rand(n, *shape, generator=chance) * 2 - 1


def norms(network: torch.nn.Module) -> list[torch.nn.Module]:
    return [module for module in network.modules() if isinstance(module, _BatchNorm)]


@pytest.mark.parametrize(("name", "batch_norm"), CASES)
def test_a_folded_network_is_the_same_function(name, batch_norm):
    """To 10 digits in float64, where it rounds; in float32, it is as near to that as the network itself.

    There the largest error of a logit was measured as 1.4e-7 to 6.3e-7 of the largest logit, folded and not.
    """
    network = trained(name, batch_norm)
    views = shown(SHAPES.get(name, (3, 24, 30)), 8, torch.Generator().manual_seed(3))
    before = copy.deepcopy(network.state_dict())
    with torch.inference_mode():
        exact = copy.deepcopy(network).double()(views.double())
        torch.testing.assert_close(folded(network, torch.float64)(views.double()), exact, rtol=1e-10, atol=1e-12)
        small, plain, most = folded(network), network(views).double(), 2e-6 * exact.abs().max()
        found = small(views)
    assert found.dtype == torch.float32 and (found - exact).abs().max() < most > (plain - exact).abs().max()
    apart = (found > 0) != (exact > 0)
    assert (exact[apart].abs() < most).all()
    assert len(norms(small)) == KEPT.get(name, 0) and not any(module.training for module in small.modules())
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items()), "it stays as it was"


@pytest.mark.parametrize("name", ["mosaic_cnn", "resnet50"])
def test_only_what_follows_a_convolution_or_a_dense_layer_is_folded(name):
    """Seen in a pass through the network, not in its definition."""
    network, made, seen = trained(name), {}, []
    with torch.inference_mode():
        for layer in network.modules():
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
                layer.register_forward_hook(lambda layer, _, output: made.update({id(output): output}))
        for norm in norms(network):
            norm.register_forward_hook(lambda norm, inputs, _: seen.append(id(inputs[0]) in made))
        network(shown(SHAPES.get(name, (3, 24, 30)), 2, torch.Generator().manual_seed(3)))
    assert seen.count(False) == len(norms(folded(network))) == KEPT.get(name, 0) and len(seen) == len(norms(network))


def test_one_channel_by_hand():
    """Every number is a sum of few powers of two, so that nothing is rounded but 1 / sqrt(var + eps)."""
    layer, norm = torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1, eps=0.0)
    for tensor, value in ((layer.weight, 3.0), (norm.weight, -0.5), (norm.bias, 0.25)):
        torch.nn.init.constant_(tensor, value)
    norm.running_mean.fill_(2.0), norm.running_var.fill_(4.0)
    found = folded(torch.nn.Sequential(layer, norm))
    assert found[0].weight.item() == 3 * -0.25 and found[0].bias.item() == -2 * -0.25 + 0.25
    assert isinstance(found[1], torch.nn.Identity)


TASK = {"kind": "noisy", "grid": [1, 2], "picture": [20, 10], "gaussian": 0.1}


def written(path, **more) -> torch.nn.Module:
    network = trained("mosaic_cnn", shape=(1, 20, 20))
    keys = {"task": "t", "model": "m", "variant": "default"}
    about = {"keys": keys, "network": "mosaic_cnn", "bits": 16, "shape": [1, 20, 20], "seed": 1}
    write_network(path, network, {**about, **more})
    return network


@pytest.mark.parametrize(("last", "imported"), [(True, False), (False, False), (False, True)])
def test_a_network_is_opened_folded_in_the_layout_it_was_trained_in(tmp_path, monkeypatch, last, imported):
    trained_by = {"schedule": {"channels_last": last}}
    network = written(tmp_path / "w", **({"trained": trained_by} if imported else trained_by))
    views, seen = torch.rand(8, 1, 20, 20), []
    monkeypatch.setattr(
        torch.nn.Conv2d, "forward", lambda layer, x: (seen.append((layer, x)), torch.nn.functional.conv2d(
            x, layer.weight, layer.bias, padding=layer.padding))[1]
    )  # fmt: skip
    logits, _ = open_network(tmp_path / "w", Task.of(TASK), CPU)
    with torch.inference_mode():
        torch.testing.assert_close(logits(views), network(views), rtol=1e-5, atol=1e-5)
    layer, given = seen[1]  # the second convolution: of one channel both layouts are the same
    assert all(t.is_contiguous(memory_format=torch.channels_last) == last for t in (layer.weight, given))


def test_fingerprints_know_by_which_arithmetic_they_were_made(tmp_path, monkeypatch):
    """Origins, and saved states, of two versions differ; the provenance has the file's own digest."""
    written(tmp_path / "w")
    path, found = str(tmp_path / "w"), []
    for version in (models.ARITHMETIC, 1):
        monkeypatch.setattr(models, "ARITHMETIC", version)
        _, _, digest, files = open_model(path, Task.of(TASK), CPU)
        assert files == {path: file_digest(path)} and digest not in files.values()
        found.append(digest)
    assert found[0] != found[1]
