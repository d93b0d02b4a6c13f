"""One-vs-one and one-vs-rest logistic regression against scikit-learn, problem by problem and as classifiers."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

from rehash.hash_encoders import logistic_regression as module
from rehash.hash_encoders.logistic_regression import OneVsOne, OneVsRest, fit_one_vs_one, fit_one_vs_rest
from toys import codes_with_classes


def fitted(bits: np.ndarray, labels: np.ndarray) -> OneVsOne:
    return fit_one_vs_one(torch.from_numpy(bits).float(), torch.from_numpy(labels))


def optimum(bits: np.ndarray, labels: np.ndarray, scheme: type = OneVsOneClassifier):
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return scheme(model).fit(bits.astype(np.float64), labels)


def weights_of(reference: OneVsOneClassifier | OneVsRestClassifier) -> np.ndarray:
    return np.stack([np.r_[model.coef_[0], model.intercept_] for model in reference.estimators_])


@pytest.mark.parametrize(("n", "k", "flip"), [(1500, 12, 0.3), (1500, 40, 0.3), (1500, 320, 0.45), (4000, 30, 0.02)])
def test_the_optimum_is_reached(n, k, flip):
    bits, labels = codes_with_classes(n, k, 5, flip=flip)
    ours, reference = fitted(bits, labels), optimum(bits, labels)
    expected = weights_of(reference)
    assert np.abs(ours.weights.numpy() - expected)[:, :-1].max() < 1e-3
    assert np.abs(ours.weights.numpy() - expected)[:, -1].max() < 2e-3
    test, test_labels = codes_with_classes(2000, k, 5, seed=1, flip=flip)
    right = np.mean(ours.predict(torch.from_numpy(test).float()).numpy() == test_labels)
    assert abs(right - reference.score(test.astype(float), test_labels)) <= 0.001


def test_many_equal_codes_reach_the_optimum_without_a_warning(caplog):
    """Summed one by one in float32 their gradient errs to one side, and never gets small."""
    bits, labels = codes_with_classes(60_000, 8, 4, flip=0.35)
    ours, expected = fitted(bits, labels), weights_of(optimum(bits, labels))
    assert np.abs(ours.weights.numpy() - expected).max() < 1e-3 and not caplog.records


def test_votes_and_their_ties_are_scikit_learns():
    """Three classes in a circle, each of which loses to the next: the margins decide, as they do there."""
    bits, labels = codes_with_classes(400, 6, 4, flip=0.45)
    ours, reference = fitted(bits, labels), optimum(bits, labels)
    ours = OneVsOne(ours.classes, ours.pairs, torch.from_numpy(weights_of(reference)).float())
    every = (np.arange(64)[:, None] >> np.arange(6)) % 2
    assert np.array_equal(ours.predict(torch.from_numpy(every).float()).numpy(), reference.predict(every.astype(float)))


def test_labels_need_not_be_numbered_from_zero_nor_be_balanced():
    bits, labels = codes_with_classes(300, 10, 3, flip=0.2)
    labels = np.array([7, 2, 40])[labels]
    keep = (labels != 40) | (np.cumsum(labels == 40) <= 2)
    ours = fitted(bits[keep], labels[keep])
    assert ours.classes.tolist() == [2, 7, 40] and ours.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    expected = optimum(bits[keep], labels[keep]).predict(bits.astype(float))
    assert np.mean(ours.predict(torch.from_numpy(bits).float()).numpy() == expected) > 0.99


@pytest.mark.parametrize("kept", [1, 2**13])
def test_pairs_fitted_in_groups_are_fitted_as_together(monkeypatch, kept):
    bits, labels = codes_with_classes(500, 15, 5, flip=0.35)
    together = fitted(bits, labels).weights
    monkeypatch.setattr(module, "_BYTES", kept)
    assert np.allclose(fitted(bits, labels).weights, together, atol=1e-3)


def test_one_code_a_class():
    """By hand: two codes that differ in one bit; by symmetry b = -w / 2, and w = s(w / 2) with s(x) = 1 / (1 + e^x)."""
    weight, intercept = fitted(np.array([[False], [True]]), np.array([0, 1])).weights[0].tolist()
    assert weight == pytest.approx(1 / (1 + np.exp(weight / 2)), abs=1e-3)
    assert intercept == pytest.approx(-weight / 2, abs=1e-3)


def test_a_pair_that_is_not_solved_is_told(monkeypatch, caplog):
    bits, labels = codes_with_classes(300, 20, 3, flip=0.3)
    fitted(bits, labels)
    assert not caplog.records
    monkeypatch.setattr(module, "_STEPS", 2)
    fitted(bits, labels)
    assert "3 of 3 classifiers are not at their optimum after 2 steps" in caplog.text


def test_a_pair_that_stands_still_ends(monkeypatch):
    """No gradient of float32 is as small as this; what cannot be lowered any more is the optimum."""
    monkeypatch.setattr(module, "_GRADIENT", 0.0)
    bits, labels = codes_with_classes(300, 8, 3, flip=0.3)
    assert np.abs(fitted(bits, labels).weights.numpy() - weights_of(optimum(bits, labels))).max() < 1e-3


def fitted_to_rest(bits: np.ndarray, labels: np.ndarray) -> OneVsRest:
    return fit_one_vs_rest(torch.from_numpy(bits).float(), torch.from_numpy(labels))


def trained_codes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Codes of 30 hidden units of a small network of scikit-learn's 1,797 digits, before training, by a half of them."""
    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(1)
    bits = (images - images.mean(0)) @ rng.normal(size=(64, 30)) > 0
    return bits[:1200], labels[:1200], bits[1200:], labels[1200:]


@pytest.mark.parametrize(
    ("n", "k", "classes", "flip"), [(1500, 12, 5, 0.3), (600, 40, 25, 0.05), (800, 120, 8, 0.45), (6000, 8, 20, 0.3)]
)
def test_the_optimum_of_one_vs_rest_is_reached(n, k, classes, flip, caplog):
    bits, labels = codes_with_classes(n, k, classes, flip=flip)
    ours, reference = fitted_to_rest(bits, labels), optimum(bits, labels, OneVsRestClassifier)
    difference = np.abs(ours.weights.numpy() - weights_of(reference))
    assert difference[:, :-1].max() < 1e-3 and difference[:, -1].max() < 2e-3 and not caplog.records
    test, test_labels = codes_with_classes(2000, k, classes, seed=1, flip=flip)
    right = np.mean(ours.predict(torch.from_numpy(test).float()).numpy() == test_labels)
    assert abs(right - reference.score(test.astype(float), test_labels)) <= 0.001


def test_one_vs_rest_on_codes_of_digits():
    bits, labels, test, test_labels = trained_codes()
    ours, reference = fitted_to_rest(bits, labels), optimum(bits, labels, OneVsRestClassifier)
    assert np.abs(ours.weights.numpy() - weights_of(reference)).max() < 1e-3
    right = np.mean(ours.predict(torch.from_numpy(test).float()).numpy() == test_labels)
    assert abs(right - reference.score(test.astype(float), test_labels)) <= 0.001
    assert right > 0.8


@pytest.mark.parametrize("names", ["_CELLS", "_BYTES"])
def test_one_vs_rest_in_parts_is_as_at_once(monkeypatch, names):
    """Codes in blocks of a few rows, and each class fitted by itself."""
    bits, labels = codes_with_classes(500, 15, 5, flip=0.35)
    together = fitted_to_rest(bits, labels)
    monkeypatch.setattr(module, names, 40)
    parts = fitted_to_rest(bits, labels)
    assert np.allclose(parts.weights, together.weights, atol=1e-3)
    queries = torch.from_numpy(bits).float()
    assert torch.equal(together.predict(queries), OneVsRest(together.classes, together.weights).predict(queries))


def test_one_vs_rest_of_two_classes_is_the_same_classifier_twice():
    bits, labels = codes_with_classes(300, 10, 2, flip=0.3)
    ours = fitted_to_rest(bits, np.array([4, 9])[labels])
    assert ours.classes.tolist() == [4, 9] and torch.allclose(ours.weights[0], -ours.weights[1], atol=1e-4)
    assert np.abs(ours.weights[1].numpy() - weights_of(optimum(bits, labels))[0]).max() < 1e-3
