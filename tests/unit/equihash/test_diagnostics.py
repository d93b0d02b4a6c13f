"""What is seen within a training: against autograd and counts pair by pair; and that looking changes nothing."""

import math

import numpy as np
import pytest
import torch

from rehash.equihash.images.noise import StreamSource
from rehash.equihash.learning import objectives, train
from rehash.equihash.learning.diagnostics import (
    Watched,
    clipped_share,
    diagnose,
    distance_histograms,
    histogram_table,
    largest,
    saturation,
)
from rehash.seeds import stream
from small_training import bytes_of, job, small_bank

BITS = 8


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return small_bank(tmp_path_factory.mktemp("bank"))


@pytest.fixture(autouse=True)
def few_batches(monkeypatch):
    monkeypatch.setattr(train, "UNTRAINED_BATCHES", 3)


def value(rows, quantity, of, statistic):
    (found,) = (
        row["value"] for row in rows if (row["quantity"], row["of"], row["statistic"]) == (quantity, of, statistic)
    )
    return found


def test_gradients_of_terms_and_kinds_of_pairs():
    """Norms view by view of each term's own gradient, from a graph of its own."""
    objective = objectives.load("hash_net_shannon")(
        BITS, 1000, 7, **objectives.complete("hash_net_shannon", {"huber": 0.1})
    )
    numbers = torch.from_numpy(np.random.default_rng(1).normal(0, 3, (6, 2, BITS))).float()
    labels = np.array([[1, 1], [2, 3], [4, 4], [5, 6], [7, 7], [8, 8]])

    def terms(logits):
        return objective(logits, torch.zeros(6), 400, StreamSource(stream(3, "a test")))

    shown = numbers.clone().requires_grad_()
    found = terms(shown)
    rows, histograms = diagnose(found, shown, labels, objective.beta(400))
    assert shown.grad is None
    torch.stack(list(found.values())).sum().backward()
    whole = torch.zeros_like(numbers)
    for name in ("pairs", "shannon", "huber"):
        again = numbers.clone().requires_grad_()
        terms(again)[name].backward()
        whole += again.grad
        norms = sorted(12 * math.sqrt(sum(x * x for x in view)) for pair in again.grad.tolist() for view in pair)
        assert value(rows, "gradient", name, "least") == pytest.approx(norms[0], rel=1e-5)
        assert value(rows, "gradient", name, "median") == pytest.approx((norms[5] + norms[6]) / 2, rel=1e-5)
        assert value(rows, "gradient", name, "most") == pytest.approx(norms[-1], rel=1e-5)
        sums = [sum(abs(x) for view in pair for x in view) for pair in again.grad.tolist()]
        assert value(rows, "gradient", name, "pair_sum") == pytest.approx(sum(sums) / 6, rel=1e-5)
    torch.testing.assert_close(shown.grad, whole)
    for kind, chosen in (("same", [0, 2, 4, 5]), ("different", [1, 3])):
        norms = [12 * whole[pair].norm().item() for pair in chosen]
        assert value(rows, "pair_gradient", kind, "most") == pytest.approx(max(norms), rel=1e-5)
        assert value(rows, "pair_gradient", kind, "median") == pytest.approx(np.median(norms), rel=1e-5)
    beta = (1 + 0.0005 * 400) ** 0.5
    assert value(rows, "beta", "all", "value") == pytest.approx(beta)
    agreed = [sum(math.tanh(beta * a) * math.tanh(beta * b) for a, b in zip(*pair)) for pair in numbers.tolist()]
    for found in histograms:
        chosen = [0, 2, 4, 5] if found["pairs_of"] == "same" else [1, 3]
        counts = [sum(low <= agreed[pair] < low + 1 for pair in chosen) for low in range(-BITS, BITS)]
        assert found["counts"] == counts and sum(counts) == len(chosen)
    table = histogram_table([{"step": 5, "split": "train", **found} for found in histograms])
    assert table["count"].sum() == 6 and (table.high - table.low == 1).all()
    assert sorted(table.low[table.pairs_of == "different"]) == sorted({math.floor(agreed[1]), math.floor(agreed[3])})


def test_a_term_without_a_gradient_asks_for_nothing():
    """Of the logits, or of anything."""
    logits, other = torch.ones(2, 2, BITS, requires_grad=True), torch.ones((), requires_grad=True)
    rows, histograms = diagnose({"fixed": torch.ones(()), "other": 2 * other}, logits, np.array([[1, 1], [2, 2]]), None)
    assert {row["value"] for row in rows} == {0.0} and {row["quantity"] for row in rows} == {
        "gradient",
        "pair_gradient",
    }
    assert [found["pairs_of"] for found in histograms] == ["same"]
    assert histograms[0]["counts"][BITS + math.floor(BITS * math.tanh(1) ** 2)] == 2


def test_shares_and_largest_values_are_counted():
    gradients = [torch.tensor([[0.5, -3.0]]), torch.tensor([2.0])]
    assert largest(gradients) == 3 and clipped_share(gradients, 1.0) == pytest.approx(2 / 3)
    share, most = saturation(torch.tensor([[[9.0, -9.1], [0.0, 10.0]]]))
    assert share == 0.5 and most == 10
    watched = Watched()
    for number in (1.0, 4.0, 1.0):
        watched.add(clipped=number)
    rows = watched.taken(7)
    assert value(rows, "clipped", "all", "mean") == 2 and value(rows, "clipped", "all", "most") == 4
    assert {row["step"] for row in rows} == {7} and watched.taken(8) == []
    same, different = distance_histograms(np.array([0, 2, 2]), np.array([3]), 3)
    assert same["counts"] == [1, 0, 2, 0] and different == {
        "quantity": "distance",
        "pairs_of": "different",
        "counts": [0, 0, 0, 1],
    }


@pytest.mark.parametrize("name", [*objectives.names(), "jmlh, public"])
def test_what_is_seen_changes_no_weight(bank, monkeypatch, name):
    """Every objective's weights, moments and losses are the same to the byte where nothing is looked at."""
    settings = {"jmlh": {"classes": 40}, "jmlh, public": {"classes": 40, "public": True}}.get(name, {})
    seen = job(bank, name.split(",")[0], settings, clip=0.01, evaluate_every=1, steps=3)
    blind = job(bank, name.split(",")[0], settings, clip=0.01, evaluate_every=3, steps=3)
    while not seen.done:
        seen.step()
    monkeypatch.setattr(train, "diagnose", lambda *_: ([], []))
    blind._see_untrained = lambda: None
    while not blind.done:
        blind.step()
    assert bytes_of(seen.state()[0]) == bytes_of(blind.state()[0])
    quantities = {row["quantity"] for row in seen.diagnostics}
    assert quantities - {"beta"} == {
        *("clipped", "largest_gradient", "saturated", "largest_logit", "gradient", "pair_gradient")
    }
    assert ("beta" in quantities) == name.startswith("hash_net")
    terms = {row["term"] for row in seen.losses} - {"loss"}
    assert {row["of"] for row in seen.diagnostics if row["quantity"] == "gradient"} == terms
    assert value([row for row in seen.diagnostics if row["step"] == 1], "clipped", "all", "most") > 0
    kinds = {found["quantity"] for found in seen.histograms if found["step"] == 1}
    assert kinds == {"agreement", "distance"}
