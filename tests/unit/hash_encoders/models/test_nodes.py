"""The nodes of networks, against torchvision's feature extraction, plain hooks and exact small cases."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from rehash.errors import InputError
from rehash.hash_encoders.models.nodes import Watched


def watched(network: nn.Module, example: torch.Tensor, *, traced: bool | None = None) -> Watched:
    found = Watched(network.eval(), example, "the network")
    if traced is not None:
        assert found.traced == traced
    return found


def values(found: Watched, inputs: torch.Tensor, nodes: str | list[str] = "relu") -> dict[str, tuple]:
    kept: dict[str, tuple] = {}
    chosen = [node.name for node in found.choose(nodes, "config: nodes")]
    found.run(inputs, chosen, lambda name, on, value: kept.__setitem__(name, (on.clone(), value.clone())))
    return kept


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def resnet() -> nn.Module:
    torch.manual_seed(0)
    return models.resnet18(num_classes=10).eval()


def test_nodes_and_their_values_are_those_of_torchvision(resnet, inputs):
    found = watched(resnet, inputs, traced=True)
    names = get_graph_node_names(resnet)[1]
    assert list(found.nodes) == [name for name in names if name in found.nodes]
    assert set(names) - set(found.nodes) == {"x"}  # the input
    wanted = ["layer1.0.relu", "layer3.1.bn2", "layer4.1.relu_1", "fc"]
    with torch.no_grad():
        # A clone, since its graph adds to the second one's value in place.
        expected = create_feature_extractor(resnet, ["layer1.0.relu", "layer4.1.relu_1", "fc"])(inputs.clone())
    kept = values(found, inputs, wanted)
    for name, value in expected.items():
        assert torch.equal(kept[name][1].reshape(value.shape), value)
        assert torch.equal(kept[name][0].reshape(value.shape), value > 0)


def test_a_network_without_a_trace_has_the_same_units(resnet, inputs):
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = resnet

        def forward(self, x):
            return self.inner(x) if x.sum() < 1e9 else x

    one = values(watched(resnet, inputs, traced=True), inputs)
    other = values(watched(Deciding(), inputs, traced=False), inputs)
    assert [f"inner.{name}" for name in one] == list(other) and len(one) == 17
    for a, b in zip(one.values(), other.values()):
        assert all(map(torch.equal, a, b))


class Functions(nn.Module):
    """Units of every kind, as functions, methods and modules, some in place; `decides` cannot be traced."""

    def __init__(self, decides: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.decides, self.dense, self.slope = decides, nn.Linear(6, 6), nn.PReLU(6)
        self.leaky, self.six = nn.LeakyReLU(0.2, inplace=True), nn.ReLU6()
        with torch.no_grad():
            self.slope.weight.copy_(torch.tensor([-2.0, -1.0, 0.0, 0.25, 1.0, 2.0]))

    def forward(self, x):
        if self.decides and x.sum() > 1e9:
            return x
        x = F.relu(self.dense(x), inplace=True)
        x = torch.relu(self.dense(x))
        x = self.dense(x).relu_()
        x = self.dense(x).clamp(min=0)
        x = torch.clamp_min(self.dense(x), 0)
        x = self.leaky(self.dense(x))
        x = self.six(9 * self.dense(x))
        x = self.slope(self.dense(x) - 0.1)
        return F.gelu(self.dense(x)).clamp(-1, 1)


@pytest.mark.parametrize("decides", [False, True])
def test_units_are_found_however_they_are_written(decides):
    network, inputs = Functions(decides), torch.randn(50, 6)
    found = watched(network, inputs, traced=not decides)
    kept = values(found, inputs)
    assert len(kept) == 8 and next(iter(kept)) == "relu" and list(kept)[-1] == "slope"
    # Step by step: whether each is on follows from what goes in, of a negative slope, too.
    hidden, before = inputs, []
    with torch.no_grad():
        for _ in range(5):
            before.append(network.dense(hidden))
            hidden = before[-1].clamp(min=0)
        before.append(network.dense(hidden))
        hidden = F.leaky_relu(before[-1], 0.2)
        before.append(9 * network.dense(hidden))
        before.append(network.dense(before[-1].clamp(0, 6)) - 0.1)
    for (on, _), value in zip(kept.values(), before):
        assert torch.equal(on[..., 0], value > 0)
    slope, value = kept["slope"]
    assert bool(((value > 0) & ~slope).any())  # on its off side a negative slope gives positive values


def test_channels_are_the_second_axis_and_positions_the_rest():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 7, 5), nn.ReLU())
    found = watched(network, torch.randn(2, 1, 8, 9))
    sizes = {name: (node.channels, node.positions) for name, node in found.nodes.items()}
    assert sizes["1"] == (4, 42) and sizes["4"] == (5, 1)
    assert {name for name, node in found.nodes.items() if node.unit} == {"1", "4"}


def test_names_are_chosen_by_patterns_and_in_order(resnet, inputs):
    found = watched(resnet, inputs)
    assert [n.name for n in found.choose(["layer4.1.relu*", "relu"], "nodes")] == [
        *("relu", "layer4.1.relu", "layer4.1.relu_1")
    ]
    with pytest.raises(InputError, match=r"nodes: unknown node 'layer1.0.rely'; did you mean 'layer1.0.relu'\? Valid"):
        found.choose(["layer1.0.rely"], "nodes")
    with pytest.raises(InputError, match=r"layer1.0.relu is chosen twice, by 'layer1\*' and by '\*.relu'"):
        found.choose(["layer1*", "*.relu"], "nodes")


def test_a_network_without_units_says_which_nodes_it_has():
    found = watched(nn.Sequential(nn.Linear(3, 3), nn.GELU(), nn.MaxPool1d(2)), torch.randn(2, 3))
    with pytest.raises(InputError, match=r"no two-piece-linear unit .* of 0, 1"):
        found.choose("relu", "nodes")


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += len(x)
        return F.relu(x)


WRONG = {
    "dropout": (lambda: nn.Sequential(_Function(lambda x: F.dropout(x))), "two runs on the same inputs"),
    "noise": (lambda: _Function(lambda x: x + torch.randn_like(x)), "two runs on the same inputs"),
    "batch": (lambda: nn.BatchNorm1d(3, track_running_stats=False), "changes with the others of its batch"),
    "mean": (lambda: _Function(lambda x: x - x.mean(0)), "changes with the others of its batch"),
    "counter": (Counting, "changes seen while it runs"),
    "size": (lambda: nn.Linear(4, 3), r"cannot take the dataset's inputs of 3 numbers \(RuntimeError: "),
}


class _Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_function_of_each_input_is_refused(what):
    make, message = WRONG[what]
    with pytest.raises(InputError, match=message):
        watched(make(), torch.randn(5, 3))


def test_images_that_do_not_fit_are_described():
    with pytest.raises(
        InputError, match=r"of 1 channel and 28 x 28 pixels \(RuntimeError: .*; image_size and channels"
    ):
        watched(models.resnet18(), torch.randn(2, 1, 28, 28))


def test_a_value_that_tracing_would_freeze_is_watched_instead():
    class Frozen(nn.Module):
        calls = 0

        def forward(self, x):  # a trace would hold the sum of the stand-in's shape as it was
            return F.relu(x) * (1 if type(x) is torch.Tensor else 2)

    assert not watched(Frozen(), torch.randn(3, 4)).traced


@pytest.mark.parametrize(("name", "units"), [("mobilenet_v2", 35), ("regnet_y_400mf", 65), ("squeezenet1_1", 26)])
def test_every_unit_is_seen_inside_of_torchvisions_blocks(name, units):
    """One for each module that is a ReLU of some kind; these networks use each once."""
    network = models.get_model(name, weights=None).eval()
    assert sum(isinstance(part, (nn.ReLU, nn.ReLU6)) for part in network.modules()) == units
    found = watched(network, torch.randn(3, 3, 64, 64))
    assert len(found.choose("relu", "nodes")) == units


def test_units_that_a_trace_does_not_see_are_watched():
    class Block(nn.Module):
        def forward(self, x):
            return F.relu(x)

    Block.__module__ = "torch.nn.modules.block"  # whose modules torch.fx does not look into
    found = watched(nn.Sequential(nn.Linear(3, 3), Block(), nn.ReLU()), torch.randn(3, 3), traced=False)
    assert [node.name for node in found.choose("relu", "nodes")] == ["1.relu", "2"]


def test_units_inside_of_torchs_own_kernels_are_seen_or_refused():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

        def forward(self, x):
            return self.encoder(x.unflatten(1, (4, 8))).mean(1)

    inputs = torch.randn(4, 32)
    found = watched(Attending(), inputs)
    ((name, (on, value)),) = values(found, inputs).items()
    assert name == "encoder.relu" and on.shape == (4, 4, 16) and torch.equal(on, value > 0)

    class Recurrent(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.inner = nn.RNN(8, 5, nonlinearity=kind, batch_first=True)

        def forward(self, x):
            return torch.relu(self.inner(x.unflatten(1, (4, 8)))[0][:, -1])

    assert len(watched(Recurrent("tanh"), inputs).choose("relu", "nodes")) == 1
    with pytest.raises(InputError, match="the units inside of inner cannot be seen; name nodes instead"):
        watched(Recurrent("relu"), inputs).choose("relu", "nodes")
