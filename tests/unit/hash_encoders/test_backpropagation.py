"""The written-out gradients of a training step against torch's autograd through `forward` and `losses`."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F

from rehash.hash_encoders.networks import Shape, backpropagate, forward, is_trained, losses
from rehash.hash_encoders.protocols import BatchNorm

MEMBERS, BATCH = 4, 13


def drawn(shape: Shape, normed: int, slope: float | None = None) -> dict[str, torch.Tensor]:
    """Tensors of four networks, the first so many with BatchNorm, float64; with a slope, of units with slopes near it."""
    generator = torch.Generator().manual_seed(normed)
    tensors = {}
    for name, out, into in shape.layers():
        tensors[f"{name}.weight"] = torch.randn(MEMBERS, out, into, generator=generator, dtype=torch.float64)
        tensors[f"{name}.bias"] = torch.randn(MEMBERS, out, generator=generator, dtype=torch.float64)
        if normed and name != "head":
            for part in ("scale", "shift", "mean", "variance"):
                tensors[f"{name}.{part}"] = torch.rand(normed, out, generator=generator, dtype=torch.float64) + 0.5
        if slope is not None and name != "head":
            tensors[f"{name}.slope"] = slope + torch.rand(MEMBERS, 1, generator=generator, dtype=torch.float64)
    return tensors


@pytest.mark.parametrize(
    ("depth", "normed", "clip", "dropout", "slope"),
    [*product((1, 3), (0, 2, 4), (0.0, 0.05), (False, True), (None, 0.1, -0.5))],
)
def test_gradients_are_autograds(depth, normed, clip, dropout, slope):
    shape, norm = Shape(7, 6, depth, 3), BatchNorm(0.3, 1e-3) if normed else None
    generator = torch.Generator().manual_seed(1)
    x_MBI = torch.randn(MEMBERS, BATCH, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (MEMBERS, BATCH), generator=generator)
    gates = None
    if dropout:
        open_ = torch.rand(depth, MEMBERS, 6, BATCH, generator=generator, dtype=torch.float64) > 0.3
        gates = open_ / 0.7
    ours, theirs = drawn(shape, normed, slope), drawn(shape, normed, slope)
    with torch.no_grad():
        found, right, gradients = backpropagate(ours, x_MBI, labels, shape, norm, clip, gates)
    trained = {name: tensor.requires_grad_() for name, tensor in theirs.items() if is_trained(name)}
    logits, _ = forward(theirs, x_MBI.transpose(1, 2), shape, norm, training=True, gates=gates)
    expected = losses(logits, labels, clip)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-12)
    assert right.tolist() == (logits.argmax(1) == labels).sum(1).tolist()
    assert gradients.keys() == trained.keys()
    for name, gradient in zip(trained, torch.autograd.grad(expected.sum(), list(trained.values()))):
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-10, atol=1e-11)
        assert not clip or gradient.abs().max() > 0, "the case must leave something to compare"
    for name in ours.keys() - trained.keys():  # running statistics
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("slope", [0.25, -1.5])
def test_a_unit_at_zero_has_torchs_gradient(slope):
    """A black image and biases of zero leave every unit at 0, where a two-piece-linear function has two gradients."""
    plain = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.PReLU(init=slope), torch.nn.Linear(4, 2)).double()
    torch.nn.init.zeros_(plain[0].bias)
    x, labels = torch.tensor([[0.0, 0, 0], [1, -2, 0.5]], dtype=torch.float64), torch.tensor([1, 0])
    names = ("hidden.0.weight", "hidden.0.bias", "hidden.0.slope", "head.weight", "head.bias")
    tensors = {name: tensor.detach()[None].clone() for name, tensor in zip(names, plain.parameters())}
    found, _, gradients = backpropagate(tensors, x[None], labels[None], Shape(3, 4, 1, 2), None)
    loss = F.cross_entropy(plain(x), labels)
    loss.backward()
    assert found.item() == pytest.approx(loss.item(), rel=1e-12)
    for name, parameter in zip(names, plain.parameters(), strict=True):
        torch.testing.assert_close(gradients[name][0], parameter.grad, rtol=1e-10, atol=1e-12)
    _, before = forward(tensors, x.T[None], Shape(3, 4, 1, 2), None, training=False)
    assert not before[0][0, :, 0].any() and torch.equal(before[0][0].T > 0, plain[0](x) > 0)
