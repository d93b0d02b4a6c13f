"""Exact regions of convolutional and other networks: dense sampling, the closed form of dense layers, cases by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rehash.errors import InputError
from rehash.hash_encoders import module_regions, regions
from rehash.hash_encoders.module_regions import first_changes, module_lines, nearest_faces, two_piece_units


class Small(nn.Module):
    """A convolutional network with all that counts: BatchNorm, pooling before and after ReLUs, a sum, plain calls."""

    def __init__(self, pool: bool = True) -> None:
        super().__init__()
        self.pool = pool
        self.first, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.third = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 4, 3)
        self.act, self.leaky, self.head = nn.ReLU(inplace=True), nn.LeakyReLU(0.2), nn.Linear(16, 5)
        self.parametric = nn.PReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.first(x))
        if self.pool:
            x = F.max_pool2d(x, 3, 2, padding=1)
        x = self.act(x)
        x = F.relu(x + self.second(x))
        if self.pool:
            x = nn.MaxPool2d(2, stride=1, ceil_mode=True)(x)
        return self.parametric(self.head(self.leaky(F.adaptive_avg_pool2d(self.third(x), 2)).flatten(1)))


def small(seed: int = 0, pool: bool = True) -> nn.Module:
    torch.manual_seed(seed)
    network = Small(pool)
    for buffer, low, high in ((network.norm.running_mean, -0.5, 0.5), (network.norm.running_var, 0.1, 1)):
        buffer.uniform_(low, high)
    return network


def codes(network: nn.Module, inputs: np.ndarray, units=two_piece_units) -> np.ndarray:
    with torch.no_grad():
        found = units(network.double().eval(), torch.from_numpy(inputs))
    return torch.cat([value.flatten(1) for value in found], 1).numpy() > 0


def rays(n: int, *shape: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    starts, along = np.random.default_rng(seed).normal(size=(2, n, *shape))
    return starts, along / np.linalg.norm(along.reshape(n, -1), axis=1).reshape(n, *[1] * len(shape))


def first_by_search(network, start, along, reach: float, units=two_piece_units) -> float:
    """The first change on a fine grid up to `reach`, sharpened by bisection; inf if there is none."""

    def at(t: np.ndarray) -> np.ndarray:
        return codes(network, start + t.reshape(-1, *[1] * start.ndim) * along, units)

    grid = np.linspace(0, reach, 601)
    other = (at(grid) != at(grid[:1])).any(1)
    if not other.any():
        return np.inf
    low, high = grid[other.argmax() - 1], grid[other.argmax()]
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if (at(np.array([middle])) != at(grid[:1])).any() else (middle, high)
    return high


@pytest.mark.parametrize("pool", [False, True])
def test_first_changes_are_those_of_a_dense_search(pool):
    network, (starts, along) = small(pool=pool), rays(4, 1, 9, 9)
    found = first_changes(network, starts, along)
    expected = [first_by_search(network, *ray, reach=1.2 * t) for ray, t in zip(zip(starts, along), found)]
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-10)
    assert (first_changes(network, starts, -along) != found).all()


def test_lines_go_on_where_max_pooling_switches(monkeypatch):
    """Codes of the last layer alone, so that hundreds of switches come before the first change."""
    network, (starts, along) = small(), rays(4, 1, 9, 9)

    def last(module, inputs):
        return two_piece_units(module, inputs)[-1:]

    found = first_changes(network, starts, along, last)
    finite = np.isfinite(found)
    assert (found[finite] > 2 * first_changes(network, starts, along)[finite]).sum() >= 3
    for start, direction, t in zip(starts, along, found):
        expected = first_by_search(network, start, direction, 1.05 * t if np.isfinite(t) else 100, last)
        np.testing.assert_allclose(t, expected, rtol=1e-7)
    monkeypatch.setattr(module_regions, "MOST_SWITCHES", 3)
    with pytest.raises(InputError, match="more than 3 switches"):
        first_changes(network, starts, along, last)


def dense(seed: int = 0) -> tuple[nn.Module, list]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(7, 20), nn.ReLU(), nn.Linear(20, 15), nn.ReLU(), nn.Linear(15, 3)).double()
    layers = [(part.weight.detach().numpy(), part.bias.detach().numpy()) for part in (network[0], network[2])]
    return network, layers


def test_dense_layers_have_their_closed_form(monkeypatch):
    (network, layers), (starts, along) = dense(), rays(20, 7)
    for chunk in (2**22, 600):
        monkeypatch.setattr(module_regions, "NUMBERS", chunk)
        for directions in (along, -along):
            expected = regions.first_changes(layers, starts, directions)
            np.testing.assert_allclose(first_changes(network, starts, directions), expected, rtol=1e-9)
        nearest, exact = nearest_faces(network, starts)
        np.testing.assert_allclose(nearest, regions.nearest_faces(layers, starts), rtol=1e-9)
        assert exact.all()
    vectors = {"input": along * 3, "random": along}
    table = module_lines(network, two_piece_units, starts, vectors)
    assert (table.chord == table.forward + table.backward).all() and table.nearest_face_exact.all()
    assert (table.nearest_face <= np.minimum(table.forward, table.backward) * (1 + 1e-9)).all()
    np.testing.assert_allclose(table[table.direction == "input"].length, 3)


def test_a_start_on_a_boundary_is_in_the_region_that_the_ray_enters():
    """Without biases every boundary goes through the origin, and a ray from there changes nothing."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 9, bias=False), nn.ReLU(), nn.Linear(9, 1), nn.ReLU())
    layers = [(network[0].weight.detach().double().numpy(), np.zeros(9))]
    layers.append(tuple(part.detach().double().numpy() for part in (network[2].weight, network[2].bias)))
    _, along = rays(20, 5)
    expected = regions.first_changes(layers, np.zeros((20, 5)), along)
    assert np.isinf(expected).any() and np.isfinite(expected).any()
    np.testing.assert_allclose(first_changes(network, np.zeros((20, 5)), along), expected, rtol=1e-7)
    assert np.isinf(first_changes(network, np.ones((2, 5)), np.zeros((2, 5)))).all(), "no direction, no change"


def test_black_images_start_on_boundaries_and_ties():
    """Without biases a black patch is on the boundary of its units, and max pooling has no greatest input there."""
    torch.manual_seed(2)
    parts = (
        nn.Conv2d(1, 4, 3, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 2),
        nn.MaxPool2d(2, 1),
        nn.ReLU(),
    )
    network, (starts, along) = nn.Sequential(*parts), rays(10, 1, 8, 8)
    starts[:, :, :, :6] = 0
    assert (nearest_faces(network, starts)[0] == 0).all()
    found, shift = first_changes(network, starts, along), 1e-7
    assert (found > 1e-6).all() and np.isfinite(found).all()
    expected = [
        first_by_search(network, start + shift * way, way, 1.1 * t) for start, way, t in zip(starts, along, found)
    ]
    np.testing.assert_allclose(found, np.array(expected) + shift, rtol=1e-7)


def test_a_change_nearer_than_a_step_is_not_lost():
    network = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU())
    network[0].weight.data[:] = 1
    starts = np.array([[-3e-10], [-0.25], [0.25]])
    np.testing.assert_allclose(first_changes(network, starts, np.ones((3, 1))), [3e-10, 0.25, np.inf], rtol=1e-6)


@pytest.mark.parametrize("pool", [False, True])
def test_no_direction_leads_to_a_nearer_face(pool):
    """Up to the distance all directions keep the code; where it is exact, the normal of a face leads there."""
    network = small(pool=pool)
    starts, _ = rays(2, 1, 9, 9)
    nearest, exact = nearest_faces(network, starts)
    assert (nearest > 0).all() and exact.any() and (exact.all() or pool)
    for start, distance, whole in zip(starts, nearest, exact):
        _, along = rays(50, 1, 9, 9, seed=2)
        inside = start + 0.999 * distance * along
        assert (codes(network, inside) == codes(network, start[None])).all()
        # Independent of forward-mode derivatives: the gradients of autograd, unit by unit.
        point = torch.from_numpy(start[None]).requires_grad_()
        values = torch.cat([value.flatten() for value in two_piece_units(network.double().eval(), point)])
        normals = [torch.autograd.grad(value, point, retain_graph=True)[0].numpy() for value in values]
        lengths = np.array([np.linalg.norm(normal) for normal in normals])
        distances = np.abs(values.detach().numpy()) / lengths
        best = np.nanargmin(distances)
        if whole:
            np.testing.assert_allclose(distance, distances[best], rtol=1e-9)
            towards = -np.sign(values[best].item()) * normals[best] / lengths[best]
            np.testing.assert_allclose(first_changes(network, start[None], towards), distance, rtol=1e-7)
        else:
            assert distance <= distances[best]


def test_any_way_to_find_units_will_do():
    """Hooks on modules see the derivatives, too; the upper bend of ReLU6 and what bounds both sides are no units."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU6(), nn.Linear(8, 6), nn.Hardtanh(), nn.Linear(6, 5), nn.ReLU())
    network[0].weight.data *= 20

    def hooked(module, inputs):
        found, handles = [], []
        for part in (module[1], module[5]):
            handles.append(part.register_forward_pre_hook(lambda part, args: found.append(args[0].clone())))
        module(inputs)
        for handle in handles:
            handle.remove()
        return found

    starts, along = rays(20, 4)
    found = first_changes(network, starts, along, hooked)
    assert (found == first_changes(network, starts, along)).all()
    expected = [first_by_search(network, *ray, reach=1.1 * min(t, 100)) for ray, t in zip(zip(starts, along), found)]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize("settings", [
    {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": 2, "ceil_mode": True},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, {"kernel_size": 2, "stride": 3, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (2, 1)},
])  # fmt: skip
def test_the_leads_of_max_pooling_are_over_the_inputs_of_its_windows(settings):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    pooled, leads = F.max_pool2d(x, **settings), module_regions._leads(2, x, **settings)
    assert leads.shape[:-1] == pooled.shape and (leads.amin(-1) == 0).all()
    weakest = -F.max_pool2d(-x, **settings)  # padding counts for neither
    lead = torch.where(leads.isfinite(), leads, 0).amax(-1)
    torch.testing.assert_close(lead, pooled - weakest)
    one = module_regions._leads(1, x[0], kernel_size=2)
    torch.testing.assert_close(one.amax(-1), F.max_pool1d(x[0], 2) + F.max_pool1d(-x[0], 2))


class Bent(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(F.gelu(x @ torch.ones(3, 3, dtype=x.dtype).tril()) - 0.4)


def test_what_is_not_piecewise_linear_is_refused():
    starts, along = rays(5, 3)
    with pytest.raises(InputError, match="not affine where none of its activation functions"):
        first_changes(Bent(), starts, along)
    with pytest.raises(InputError, match="no two-piece-linear unit"):
        first_changes(nn.Linear(3, 3), starts, along)
    with pytest.raises(InputError, match="no two-piece-linear unit"):
        nearest_faces(nn.Linear(3, 3), starts)
    broken = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    broken[0].bias.data[1] = torch.nan
    assert np.isnan(first_changes(broken, starts, along)).all() and np.isnan(nearest_faces(broken, starts)[0]).all()
    broken[0].bias.data[1] = 0
    assert broken[0].weight.dtype == torch.float32 and broken.training, "the caller's network is left as it was"
