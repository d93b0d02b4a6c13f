"""Objectives that learn from classes, against their formulas, view by view and bit by bit, and their hash centres."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import hadamard as of_scipy
from scipy.stats import chisquare

from graphs import ROOT
from rehash.equihash.images.noise import StreamSource
from rehash.equihash.learning import objectives
from rehash.equihash.learning.centres import hadamard, hash_centres
from rehash.errors import InputError
from rehash.seeds import stream

BITS, COUNT = 8, 5
SUPERVISED = [name for name in objectives.names() if objectives.needs_classes(name)]


def made(name: str, bits: int = BITS, **settings):
    return objectives.load(name)(bits, COUNT, 7, **objectives.complete(name, settings))


def some_logits(pairs: int = 6, scale: float = 1.5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(0, scale, (pairs, 2, BITS)))


def some_classes(pairs: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).integers(COUNT, size=(pairs, 2)))


def terms_of(objective, z: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    found = objective(z, targets, 0, StreamSource(stream(3, "a test")))
    return {name: term.item() for name, term in found.items()}


@pytest.mark.parametrize("name", SUPERVISED)
def test_each_view_has_a_class_of_its_own(name):
    batch = made(name).draw(np.random.default_rng(0), 5000)
    assert batch.labels.shape == (5000, 2) and (batch.targets == batch.labels).all()
    assert chisquare(np.bincount(batch.labels.ravel(), minlength=COUNT)).pvalue > 0.01
    assert abs((batch.labels[:, 0] == batch.labels[:, 1]).mean() - 1 / COUNT) < 0.03


def test_dsh_is_its_formula():
    z, classes = some_logits(), some_classes()
    rows, of, m = z.flatten(0, 1).tolist(), classes.flatten().tolist(), 1.5 * BITS
    pairs = sign = 0.0
    for i, j in combinations(range(12), 2):
        d = sum((a - b) ** 2 for a, b in zip(rows[i], rows[j]))
        pairs += d / 2 if of[i] == of[j] else max(m - d, 0) / 2
        sign += 0.3 * sum(abs(abs(a) - 1) + abs(abs(b) - 1) for a, b in zip(rows[i], rows[j]))
    found = terms_of(made("dsh", margin=1.5, alpha=0.3), z, classes)
    assert found == {"pairs": pytest.approx(pairs / 66, rel=1e-12), "sign": pytest.approx(sign / 66, rel=1e-12)}
    assert made("dsh").margin * 12 == 24 and made("dsh").alpha == 0.01, "as in the public solver for 12 bits"


def test_dsh_is_least_for_codes_of_classes_a_margin_apart():
    codes = torch.from_numpy(hadamard(8)[:COUNT]).double()
    classes = some_classes()
    assert terms_of(made("dsh"), codes[classes], classes) == {"pairs": 0, "sign": 0}


def test_greedy_hash_is_its_formula():
    z, classes, objective = some_logits(), some_classes(), made("greedy_hash", alpha=0.2)
    weight = objective.weight.detach().double()
    objective.weight.data = weight
    lost = penalty = 0.0
    for row, of in zip(z.flatten(0, 1).tolist(), classes.flatten().tolist()):
        scores = [sum(w * (1 if a > 0 else -1) for w, a in zip(each, row)) for each in weight.tolist()]
        lost += math.log(sum(map(math.exp, scores))) - scores[of]
        penalty += sum(abs(abs(a) - 1) ** 3 for a in row)
    assert terms_of(objective, z, classes) == {
        "classification": pytest.approx(lost / 12, rel=1e-12),
        "penalty": pytest.approx(0.2 * penalty / 12 / BITS, rel=1e-12),
    }


def test_greedy_hash_passes_the_gradient_straight_through():
    """The gradient of the classification is that of the signs, whatever the logits."""
    z, classes, objective = some_logits().float().requires_grad_(), some_classes(), made("greedy_hash")
    objective(z, classes, 0, None)["classification"].backward()
    signs = torch.where(z.detach() > 0, 1.0, -1.0).requires_grad_()
    scores = signs.flatten(0, 1) @ objective.weight.detach().t()
    torch.nn.functional.cross_entropy(scores, classes.flatten()).backward()
    assert torch.allclose(z.grad, signs.grad, rtol=1e-5, atol=1e-8) and z.grad.abs().max() > 0


def test_csq_is_its_formula():
    z, classes, objective = some_logits(), some_classes(), made("csq", lambda_q=0.1)
    centre = quantization = 0.0
    for row, of in zip(z.flatten(0, 1).tolist(), classes.flatten().tolist()):
        for a, sign in zip(row, hadamard(8)[of].tolist()):
            h = (1 + math.tanh(a)) / 2
            centre -= math.log(h if sign > 0 else 1 - h)
            quantization += math.log(math.cosh(abs(2 * h - 1) - 1))
    assert terms_of(objective, z, classes) == {
        "centre": pytest.approx(centre / 12 / BITS, rel=1e-12),
        "quantization": pytest.approx(0.1 * quantization / 12 / BITS, rel=1e-12),
    }


def test_ortho_hash_is_its_formula():
    z, classes, objective = some_logits(), some_classes(), made("ortho_hash", scale=5.0, margin=0.3)
    lost = 0.0
    for row, of in zip(z.flatten(0, 1).tolist(), classes.flatten().tolist()):
        length = math.sqrt(sum(a * a for a in row)) * math.sqrt(BITS)
        cosines = [sum(a * b for a, b in zip(row, centre)) / length for centre in hadamard(8)[:COUNT].tolist()]
        scores = [5 * (c - (0.3 if k == of else 0)) for k, c in enumerate(cosines)]
        lost += math.log(sum(map(math.exp, scores))) - scores[of]
    # Directions are float32, as the library's.
    assert terms_of(objective, z, classes) == {"cosine": pytest.approx(lost / 12, rel=1e-6)}


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_gradients_are_those_of_differences(name):
    z, classes, objective = some_logits(3), some_classes(3), made(name).double()
    if name == "greedy_hash":  # its signs have no gradient of their own

        def loss(logits):
            return objective(logits, classes, 0, None)["penalty"]

    else:

        def loss(logits):
            return sum(objective(logits, classes, 0, None).values())

    assert torch.autograd.gradcheck(loss, z.requires_grad_())


# ---------------------------------------------------------------------------------------------------------------------
# Hash centres


@pytest.mark.parametrize("size", [1, 2, 4, 16, 64])
def test_hadamard_is_scipys_and_orthogonal(size):
    found = hadamard(size)
    assert found.dtype == np.float32 and (found == of_scipy(size)).all()
    assert (found @ found.T == size * np.eye(size)).all()


def test_centres_are_as_far_apart_as_they_can_be():
    chance = np.random.default_rng(0)
    few = hash_centres(10, 16, chance)
    assert few.shape == (10, 16) and {(16 - a @ b) / 2 for a, b in combinations(few, 2)} == {8}
    many = hash_centres(32, 16, chance)
    assert {(16 - a @ b) / 2 for a, b in combinations(many, 2)} == {8, 16} and set(many.ravel()) == {-1, 1}
    for classes, bits in ((10, 12), (10, 36), (33, 16), (100, 48)):
        drawn = hash_centres(classes, bits, np.random.default_rng(1))
        assert drawn.shape == (classes, bits) and set(drawn.ravel()) == {-1, 1}
        assert len({bytes(row) for row in drawn}) == classes, "no two are one"
        assert (drawn == hash_centres(classes, bits, np.random.default_rng(1))).all()
    # Fair coins have a distance of 18 of 36 on average, and of 10 pairs of 45 some are near; the best of 20 is far.
    near = [min((36 - a @ b) / 2 for a, b in combinations(hash_centres(10, 36, np.random.default_rng(s)), 2))
            for s in range(5)]  # fmt: skip
    assert min(near) >= 11
    with pytest.raises(InputError, match="9 classes, but codes of 3 bits are 8; expected more bits"):
        hash_centres(9, 3, chance)


@pytest.mark.parametrize("name", ["csq", "ortho_hash"])
def test_centres_follow_from_the_seed_and_are_not_saved(name):
    one, other = (objectives.load(name)(12, COUNT, seed, **objectives.complete(name, {})) for seed in (7, 8))
    again = made(name, bits=12)
    (a,), (b,), (c,) = (list(each.buffers()) for each in (one, other, again))
    assert torch.equal(a, c) and not torch.equal(a, b) and not again.state_dict()


# ---------------------------------------------------------------------------------------------------------------------
# JMLH where there are few labels


def test_jmlh_classifies_each_label_once_where_there_are_few():
    for count in (10, 6):
        few = objectives.load("jmlh")(BITS, count, 7, **objectives.complete("jmlh", {"classes": 10}))
        assert few.labels.tolist() == list(range(count)) and few.weight.shape == (count, BITS)
        batch = few.draw(np.random.default_rng(0), 300)
        assert (batch.labels == batch.targets).all() and set(batch.labels.ravel()) == set(range(count))
    more = objectives.load("jmlh")(BITS, 11, 7, **objectives.complete("jmlh", {"classes": 10}))
    assert more.weight.shape == (10, BITS) and len(more.labels) == 10


def test_published_values_say_what_they_are_of():
    """Each has its split, backbone and source, an error of half its last digit, and a method that is here."""
    rows = pd.read_csv(ROOT / "workflow" / "resources" / "published_retrieval.csv", dtype=str, keep_default_na=False)
    assert not (rows == "").any().any() and set(rows.method) <= set(SUPERVISED)
    assert not rows.duplicated(["method", "dataset", "queries", "gallery", "bits", "backbone"]).any()
    for row in rows.itertuples():
        digits = len(row.value.partition(".")[2])
        assert 0 < float(row.value) < 1 and float(row.error) == pytest.approx(0.5 * 10**-digits)
        assert min(map(int, (row.queries, row.train, row.gallery, row.bits))) > 0
    ours = rows[(rows.method == "dsh") & (rows.backbone == "dsh_cnn")]
    assert ours.bits.tolist() == ["12", "48"] and set(ours.pretrained) == {"none"}


@pytest.mark.parametrize("name", SUPERVISED)
def test_supervised_settings_are_checked(name):
    setting = {"dsh": "margin", "greedy_hash": "alpha", "csq": "lambda_q", "ortho_hash": "scale"}[name]
    with pytest.raises(InputError, match=rf"objective {name}: {setting} is -1\.0; expected 0 or more"):
        made(name, **{setting: -1.0})
