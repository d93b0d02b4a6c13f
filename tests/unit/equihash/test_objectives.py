"""Objectives against their formulas, pair by pair and bit by bit in plain Python."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rehash.equihash.images.noise import StreamSource
from rehash.equihash.learning import objectives
from rehash.equihash.learning.objectives import jmlh
from rehash.equihash.learning.objectives.base import sharpness
from rehash.errors import InputError
from rehash.seeds import stream

BITS = 8
CLASSES = ("csq", "dsh", "greedy_hash", "ortho_hash")  # these learn from classes


def made(name: str, **settings):
    count = 7 if name in CLASSES else 1000
    return objectives.load(name)(BITS, count, 7, **objectives.complete(name, settings))


def some_logits(pairs: int = 5, scale: float = 2.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(0, scale, (pairs, 2, BITS)))


def source() -> StreamSource:
    return StreamSource(stream(3, "a test"))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def summed_entropy(rows: list[list[float]], size: int) -> float:
    """Nats: every tuple, every outcome, every row."""
    total = 0.0
    for chosen in combinations(range(BITS), size):
        for outcome in np.ndindex(*(2,) * size):
            q = 0.0
            for row in rows:
                factors = (sigmoid(row[bit]) if one else 1 - sigmoid(row[bit]) for bit, one in zip(chosen, outcome))
                q += math.prod(factors) / len(rows)
            total -= q * math.log(q)
    return total


@pytest.mark.parametrize("size", [2, 3])
def test_shannon_hamming_is_its_formula(size):
    z = some_logits()
    terms = made("shannon_hamming", lambda_h=1.5, lambda_s=0.02, tuple_size=size, huber=0.1, huber_branch=2.0)(
        z, torch.zeros(5), 0, source()
    )
    hamming = penalty = 0.0
    for one, other in z.tolist():
        for a, b in zip(one, other):
            p, q = sigmoid(a), sigmoid(b)
            hamming += math.log(p * q + (1 - p) * (1 - q)) / 5
        for a in (*one, *other):
            # Quadratic up to 2, with slope 0.1 from there on.
            penalty += (0.1 * a * a / 4 if abs(a) <= 2 else 0.1 * (abs(a) - 1)) / 10
    rows = z.flatten(0, 1).tolist()
    assert terms["hamming"].item() == pytest.approx(-1.5 * hamming, rel=1e-12)
    assert terms["shannon"].item() == pytest.approx(-0.02 * summed_entropy(rows, size), rel=1e-12)
    assert terms["huber"].item() == pytest.approx(penalty, rel=1e-12)
    assert set(terms) == {"hamming", "shannon", "huber"}


def test_group_entropy_counts_each_tuple_once():
    z = some_logits()
    settings = {"group_lambda_s": 0.5, "group_size": 2, "group_bits": 4}
    group = made("shannon_hamming", **settings)(z, torch.zeros(5), 0, source())["group"]
    # Groups 0-3, 4-7, the even and the odd bits share no pair but (0, 2), (1, 3), (4, 6) and (5, 7).
    pairs = {pair for g in ((0, 1, 2, 3), (4, 5, 6, 7), (0, 2, 4, 6), (1, 3, 5, 7)) for pair in combinations(g, 2)}
    assert len(pairs) == 20
    total = 0.0
    for a, b in pairs:
        p = z.flatten(0, 1)[:, [a, b]].sigmoid().numpy()
        for x, y in np.ndindex(2, 2):
            q = np.mean((p[:, 0] if x else 1 - p[:, 0]) * (p[:, 1] if y else 1 - p[:, 1]))
            total -= q * math.log(q)
    assert group.item() == pytest.approx(-0.5 * total, rel=1e-12)


def test_permuting_bits_changes_no_sum_over_all_tuples_but_one_over_a_cover():
    z = some_logits()
    plain, permuted = (
        made("shannon_hamming", permuted=permuted)(z, torch.zeros(5), 0, source())["shannon"].item()
        for permuted in (False, True)
    )
    assert permuted == pytest.approx(plain, rel=1e-12)
    partial = made("shannon_hamming", tuple_size=3, covered=2, permuted=True)
    sums = [partial(z, torch.zeros(5), 0, StreamSource(stream(3, n)))["shannon"].item() for n in range(3)]
    assert len(set(sums)) == 3


def test_hash_net_is_its_formula():
    z, targets = some_logits(4, 0.5), torch.tensor([1, 0, 1, 0])
    loss = made("hash_net", alpha=0.3)(z, targets, 1399, source())["pairs"].item()
    beta = (1 + 0.0005 * 1200) ** 0.5
    total = 0.0
    for (one, other), similar in zip(z.tolist(), (1, 0, 1, 0)):
        u = 0.3 * sum(math.tanh(beta * a) * math.tanh(beta * b) for a, b in zip(one, other))
        total += math.log(1 + math.exp(u)) - similar * u
    assert loss == pytest.approx(total / 4, rel=1e-12)
    assert sharpness(199, 0.0005, 0.5, 200) == 1


def test_hash_net_shows_half_its_pairs_alike():
    batch = made("hash_net").draw(np.random.default_rng(0), 512)
    assert batch.labels.shape == (512, 2) and (batch.labels >= 0).all() and (batch.labels < 1000).all()
    assert (batch.targets == (batch.labels[:, 0] == batch.labels[:, 1])).all()
    assert 256 <= batch.targets.sum() <= 260  # of 256 pairs of random labels, one in a thousand is alike


def test_hash_net_shannon_adds_its_two_parts():
    z = some_logits(scale=0.5)
    alike = torch.ones(5, dtype=torch.int64)
    both = made("hash_net_shannon", alpha=0.2, lambda_s=0.01)(z, alike, 800, source())
    pairs = made("hash_net", alpha=0.2)(z, alike, 800, source())["pairs"]
    shannon = made("shannon_hamming", lambda_s=0.01)(z, alike, 800, source())["shannon"]
    assert both["pairs"].item() == pytest.approx(pairs.item(), rel=1e-12)
    assert both["shannon"].item() == pytest.approx(shannon.item(), rel=1e-12)


def test_hash_net_shannon_has_hubers_penalty_too():
    z = some_logits(scale=4)
    both = made("hash_net_shannon", huber=0.1, huber_branch=2.0)(z, torch.ones(5, dtype=torch.int64), 0, source())
    penalty = made("shannon_hamming", huber=0.1, huber_branch=2.0)(z, torch.zeros(5), 0, source())["huber"]
    assert both["huber"].item() == pytest.approx(penalty.item(), rel=1e-12) and penalty > 1
    assert "huber" not in made("hash_net_shannon")(z, torch.ones(5, dtype=torch.int64), 0, source())


def test_the_public_labels_of_jmlh():
    """The first mosaics of the public trainer's classes, as its own code gives them for both published banks."""
    for images, cells, first in ((50_000, 4, [34622, 24661, 8341, 8221]), (100_000, 2, [32701, 71309])):
        objective = objectives.load("jmlh")(BITS, images**cells, 7, mosaic_images=cells, classes=100, public=True)
        label = int(objective.labels[0])
        assert [label // images**cell % images for cell in range(cells)] == first
        assert len(set(objective.labels.tolist())) == 100 and objective.labels.max() < images**cells
        other = objectives.load("jmlh")(BITS, images**cells, 8, mosaic_images=cells, classes=100, public=True)
        assert (other.labels == objective.labels).all(), "the same for every seed"
        few = objectives.load("jmlh")(BITS, images**cells, 7, mosaic_images=cells, classes=10, public=True)
        assert (few.labels == objective.labels[:10]).all()
    faces = objectives.load("jmlh")(BITS, 50_000, 7, classes=10_000, public=True).labels
    assert faces.tolist() == np.random.RandomState(0xCAFE).permutation(50_000)[:10_000].tolist()
    for classes, labels, cells in ((6, 5, 1), (1000, 56**2, 2), (10_000, 500_000, 1)):
        with pytest.raises(InputError, match=f"{classes} classes of {labels} labels; .* or public: false"):
            objectives.load("jmlh")(BITS, labels, 7, mosaic_images=cells, classes=classes, public=True)


def test_objectives_whose_public_loop_runs_the_network_twice():
    """Read from the source, as planning does, it is what the class has."""
    twice = {name: objectives.runs_twice(name) for name in objectives.names()}
    assert {name for name, said in twice.items() if said} == {"hash_net_shannon", "shannon_hamming"}
    assert twice == {name: objectives.load(name).runs_twice for name in objectives.names()}
    classes = {name: objectives.needs_classes(name) for name in objectives.names()}
    assert {name for name, said in classes.items() if said} == {"csq", "dsh", "greedy_hash", "ortho_hash"}
    assert classes == {name: objectives.load(name).needs_classes for name in objectives.names()}


def test_jmlh_is_its_formula():
    z, objective = some_logits(), made("jmlh", classes=6, kl_weight=0.3)
    targets = torch.from_numpy(np.random.default_rng(2).integers(6, size=(5, 2)))
    terms = objective(z.float(), targets, 0, source())
    uniform = source().uniform(5, 2, BITS).numpy()
    weight, bias = objective.weight.detach().numpy(), objective.bias.detach().numpy()
    loss = divergence = 0.0
    for pair in range(5):
        for view in range(2):
            p = [sigmoid(v) for v in z[pair, view].tolist()]
            bits = [float(one > u) for one, u in zip(p, uniform[pair, view])]
            scores = [sum(b * w for b, w in zip(bits, row)) + c for row, c in zip(weight.tolist(), bias.tolist())]
            loss += math.log(sum(map(math.exp, scores))) - scores[targets[pair, view]]
            divergence += sum(one * math.log(2 * one) + (1 - one) * math.log(2 * (1 - one)) for one in p)
    assert terms["classification"].item() == pytest.approx(loss / 10, rel=1e-5)
    assert terms["divergence"].item() == pytest.approx(0.3 * divergence / 10, rel=1e-5)


def test_jmlh_passes_the_gradient_straight_through():
    """The gradient of the classification is that of p where the bits stand."""
    z, objective = some_logits().float().requires_grad_(), made("jmlh", classes=6)
    targets = torch.from_numpy(np.random.default_rng(2).integers(6, size=(5, 2)))
    objective(z, targets, 0, source())["classification"].backward()
    p = z.detach().sigmoid()
    bits = (p > source().uniform(*p.shape)).float().requires_grad_()
    scores = bits.flatten(0, 1) @ objective.weight.t() + objective.bias
    torch.nn.functional.cross_entropy(scores, targets.flatten()).backward()
    assert torch.allclose(z.grad, bits.grad * p * (1 - p), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 9, 10, 50])
def test_jmlh_scores_some_rows_at_a_time(rows, monkeypatch):
    """With the loss and the gradients of all at once, forward and backward, and no table of scores for all."""
    classes, largest = 70, []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, arguments=(), options=None):
            found = operation(*arguments, **options or {})
            if torch.is_tensor(found):
                largest.append(found.numel())
            return found

    targets = torch.from_numpy(np.random.default_rng(2).integers(classes, size=(5, 2)))
    ends = []
    for held in (rows, 10**6):
        monkeypatch.setattr(jmlh, "_SCORES", held * classes + classes // 2)
        z, objective = some_logits().double().requires_grad_(), made("jmlh", classes=classes).double()
        largest.clear()
        with Watched():
            loss = objective(z, targets, 0, source())["classification"]
            (loss * 3).backward()
        if rows < 10 and held == rows:
            assert max(largest) <= max(rows * classes, classes * BITS, 10 * BITS) < 10 * classes
        ends.append([loss.detach(), z.grad, objective.weight.grad, objective.bias.grad])
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-13, atol=1e-15)
    assert all(gradient.abs().max() > 0 for gradient in ends[0][1:])


def test_jmlh_shows_its_classes_only():
    objective = made("jmlh", classes=6)
    batch = objective.draw(np.random.default_rng(0), 50)
    assert set(batch.labels.ravel()) == set(objective.labels)
    assert (objective.labels[batch.targets] == batch.labels).all()
    assert (made("jmlh", classes=6).weight == objective.weight).all()


@pytest.mark.parametrize("name", objectives.names())
def test_saturated_logits_have_finite_gradients(name):
    z = (torch.from_numpy(np.random.default_rng(0).choice([-50.0, 50.0, 0.1], (16, 2, BITS)))).float().requires_grad_()
    objective = made(name)
    batch = objective.draw(np.random.default_rng(0), 16)
    terms = objective(z, torch.from_numpy(batch.targets), 10_000, source())
    torch.stack(list(terms.values())).sum().backward()
    assert torch.isfinite(z.grad).all() and all(torch.isfinite(term) for term in terms.values())


def test_settings_are_read_and_checked():
    unsupervised, supervised = ["hash_net", "hash_net_shannon", "jmlh", "shannon_hamming"], CLASSES
    assert objectives.names() == sorted([*unsupervised, *supervised])
    defaults = {"alpha": 0.15, "gamma": 0.0005, "power": 0.5, "beta_every": 200, "beta_first": 1.0, "similar": 0.5}
    assert objectives.defaults("hash_net") == defaults
    full = objectives.complete("shannon_hamming", {"lambda_s": 1})
    assert full["lambda_s"] == 1.0 and isinstance(full["lambda_s"], float) and full["lambda_h"] == 1.0
    for settings, words in (
        ({"alhpa": 1.0}, "unknown setting of hash_net 'alhpa'; did you mean 'alpha'"),
        ({"alpha": "1"}, "alpha of hash_net is '1'; expected a number"),
        ({"beta_every": 1.5}, "beta_every of hash_net is 1.5; expected a whole number"),
        ({"beta_every": True}, "expected a whole number"),
    ):
        with pytest.raises(InputError, match=words.replace("(", r"\(")):
            objectives.complete("hash_net", settings, "config: here")
    with pytest.raises(InputError, match="config: here: unknown binarization 'sgn'; did you mean 'sign'"):
        objectives.complete("jmlh", {"binarization": "sgn"}, "config: here")
    with pytest.raises(InputError, match="unknown objective 'hashnet'; did you mean 'hash_net'"):
        objectives.defaults("hashnet")
    with pytest.raises(InputError, match=r"alpha is -1\.0; expected 0 or more"):
        made("hash_net", alpha=-1.0)
    with pytest.raises(InputError, match="classes is 1; expected 2 or more"):
        made("jmlh", classes=1)


TOY = '''
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from rehash.equihash.learning.objectives.base import Objective

class Toy(Objective):
    """Pulls logits to plus and minus target."""
    target: float = 1.0

    def forward(self, logits, targets, step, source):
        return {"toy": ((logits.abs() - self.target) ** 2).mean()}
'''


def test_a_new_objective_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(objectives, "__path__", [*objectives.__path__, str(tmp_path)])
    assert "toy" in objectives.names() and objectives.defaults("toy") == {"target": 1.0}
    toy = objectives.load("toy")(BITS, 1000, 7, target=3.0)
    assert toy(torch.full((2, 2, BITS), -3.0), None, 0, source())["toy"] == 0
    batch = toy.draw(np.random.default_rng(0), 9)
    assert (batch.labels[:, 0] == batch.labels[:, 1]).all() and batch.labels.shape == (9, 2)
    (tmp_path / "two.py").write_text(TOY + TOY.replace("Toy", "Other"))
    with pytest.raises(InputError, match=r"two\.py has 2 subclasses of Objective; expected one"):
        objectives.defaults("two")


def test_options_that_no_published_config_uses():
    """HashNet's first beta, alpha left out and share of similar pairs; groups of neighbours alone; JMLH's three."""
    z, targets = some_logits(4, 0.5), torch.tensor([1, 0, 1, 0])
    found = made("hash_net", alpha=0.0, beta_first=3.0)(z, targets, 1399, source())["pairs"].item()
    total = 0.0
    for (one, other), similar in zip(z.tolist(), (1, 0, 1, 0)):
        beta = 3 * (1 + 0.0005 * 1200) ** 0.5
        u = 10 / BITS * sum(math.tanh(beta * a) * math.tanh(beta * b) for a, b in zip(one, other))
        total += math.log(1 + math.exp(u)) - similar * u
    assert found == pytest.approx(total / 4, rel=1e-12)
    for share, expected in ((0.3, 300), (1.0, 1000), (0.0, 0), (0.125, 125)):
        targets = made("hash_net", similar=share).draw(np.random.default_rng(0), 1000).targets
        assert expected <= targets.sum() <= expected + 5
        apart = [part.sum() for part in np.split(targets, 8)]
        assert max(apart) - min(apart) <= 1 + 3, "each micro-batch has its share, and a pair may be alike by chance"
    with pytest.raises(InputError, match=r"hash_net: similar is 1.5; expected a share"):
        made("hash_net", similar=1.5)

    z = some_logits()
    settings = {"group_lambda_s": 0.5, "group_size": 2, "group_bits": 4, "group_strided": False}
    neighbours = made("shannon_hamming", **settings)(z, torch.zeros(5), 0, source())["group"].item()
    parts = [z.flatten(0, 1)[:, place : place + 4] for place in (0, 4)]
    total = 0.0
    for part in parts:
        p = part.sigmoid().numpy()
        for a, b in combinations(range(4), 2):
            for x, y in np.ndindex(2, 2):
                q = np.mean((p[:, a] if x else 1 - p[:, a]) * (p[:, b] if y else 1 - p[:, b]))
                total -= q * math.log(q)
    assert neighbours == pytest.approx(-0.5 * total, rel=1e-12)

    classes, z = torch.arange(10).reshape(5, 2) % 6, some_logits().float().requires_grad_()
    signs = made("jmlh", classes=6, binarization="sign", deterministic=True, classifier_bias=False)
    assert [name for name, _ in signs.named_parameters()] == ["weight"]
    found = signs(z, classes, 0, source())["classification"]
    total = 0.0
    for view, own in zip(z.detach().flatten(0, 1).tolist(), classes.flatten().tolist()):
        bits = [1 if logit > 0 else -1 for logit in view]
        scores = [sum(w * b for w, b in zip(row, bits)) for row in signs.weight.tolist()]
        total += math.log(sum(map(math.exp, scores))) - scores[own]
    assert found.item() == pytest.approx(total / 10, rel=1e-5)
    (gradient,) = torch.autograd.grad(found, z)
    hard = torch.where(z > 0, 1.0, -1.0).detach().requires_grad_()
    signs._classification(hard.flatten(0, 1), classes.flatten()).backward()
    p = z.detach().sigmoid()
    torch.testing.assert_close(gradient, hard.grad * p * (1 - p))  # straight through, and then by the sigmoid
    with pytest.raises(InputError, match="unknown binarization 'signs'; did you mean 'sign'"):
        objectives.load("jmlh")(BITS, 10, 7, binarization="signs")
