"""The definition's measures, against loops over every pair and triple in float64, and cosines of rounded responses."""

import numpy as np
import pytest
import torch

from rehash.tgsh import cosines
from rehash.tgsh.cosines import WIDE, Directions, products
from rehash.tgsh.manifolds import BITS, Manifolds, rho

TASKS, DIGITS = 3, 3
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shown() -> tuple[np.ndarray, np.ndarray, list[slice]]:
    """Responses (T, N, U) of which one is zero and one is the same in two tasks, their digits, and their blocks."""
    rng = np.random.default_rng(0)
    digits = rng.integers(0, DIGITS, 14)
    found = rng.normal(size=(TASKS, 14, 20)) + 0.8 * rng.normal(size=(TASKS, 1, 20)) + np.eye(DIGITS, 20)[digits]
    found[1, 3], found[2, 5] = 0, found[0, 5]
    return found, digits, [slice(0, 8), slice(8, 14)]


def added(shown) -> Manifolds:
    responses, digits, blocks = shown
    found = Manifolds(TASKS, 20, CPU)
    for part in blocks:
        rows = torch.from_numpy(responses[:, part].reshape(-1, 20))
        sizes = rows.norm(dim=1)
        cosines = rows / sizes.clamp_min(1e-300)[:, None]
        found.add(cosines @ cosines.t(), sizes, torch.from_numpy(digits[part]))
        found.add_signs((rows > 0).to(torch.int8), cosines @ cosines.t())
    return found


@pytest.mark.parametrize(("place", "unit"), [(0, True), (1, False)])
def test_second_clause_holds_as_often_as_in_a_loop_over_all_triples(shown, place, unit):
    responses, digits, blocks = shown
    if unit:
        responses = responses / np.linalg.norm(responses, axis=2, keepdims=True).clip(1e-300)
    holds = {True: [], False: []}
    by_pair = {(a, b): [] for a in range(TASKS) for b in range(TASKS) if a != b}
    for part in blocks:
        images = range(part.start, part.stop)
        for a, b in by_pair:
            for x in images:
                for y in (y for y in images if digits[y] == digits[x]):
                    for z in (z for z in images if digits[z] != digits[x]):
                        across = ((responses[a, x] - responses[b, y]) ** 2).sum()
                        within = ((responses[a, x] - responses[a, z]) ** 2).sum()
                        tie = abs(across - within) < 1e-12
                        holds[x == y].append(0.5 if tie else float(across > within))
                        by_pair[a, b].append(holds[x == y][-1])
    found = added(shown)
    row = found.rows()[place]
    assert row["triples"] == len(holds[True]) + len(holds[False])
    assert row["clause_two"] == pytest.approx(np.mean(holds[True] + holds[False]))
    assert row["clause_two_one_image"] == pytest.approx(np.mean(holds[True]))
    pairs = [row for row in found.pair_rows(np.zeros((TASKS, TASKS))) if row["length"] == found.rows()[place]["length"]]
    assert {(row["task_a"], row["task_b"]): row["clause_two"] for row in pairs} == pytest.approx(
        {pair: np.mean(values) for pair, values in by_pair.items()}
    )


def test_variance_and_distance_are_unbiased():
    """Over many draws they are those of the distributions: task means 3 apart, digits 4, a variance of 2 a digit."""
    rng = np.random.default_rng(1)
    means = np.array([[[0, 0], [4, 0]], [[0, 3], [4, 3]]], float)  # task, digit
    found = Manifolds(2, 1, CPU)
    for _ in range(3000):
        digits = np.arange(6) % 2
        rows = torch.from_numpy((means[:, digits] + rng.normal(size=(2, 6, 2))).reshape(-1, 2))
        sizes = rows.norm(dim=1)
        found.add((rows / sizes[:, None]) @ (rows / sizes[:, None]).t(), sizes, torch.from_numpy(digits))
    row = found.rows()[1]
    assert row["digit_variance"] == pytest.approx(2, abs=0.06) and row["distance"] == pytest.approx(9, abs=0.25)
    # Two of the five other images have the same digit, so that a pair of different images has another more often.
    assert row["digit_distance"] == pytest.approx(16, abs=0.4)
    assert row["ratio"] == row["distance"] / row["variance"]


def test_sign_bits_agree_as_in_a_loop_over_all_pairs(shown):
    responses, _, blocks = shown
    agreement = {True: [], False: []}
    angles = {True: [], False: []}
    for part in blocks:
        items = [(t, i) for t in range(TASKS) for i in range(part.start, part.stop)]
        for a in items:
            for b in items:
                if a != b:
                    agreement[a[0] == b[0]].append(((responses[a] > 0) == (responses[b] > 0)).mean())
                    sizes = np.linalg.norm(responses[a]) * np.linalg.norm(responses[b])
                    angles[a[0] == b[0]].append(responses[a] @ responses[b] / max(sizes, 1e-300))
    rows = added(shown).sign_rows()
    assert [row["bits"] for row in rows] == list(BITS)
    for row in rows:
        for own, name in ((True, "within"), (False, "across")):
            assert row[name] == pytest.approx(np.mean(np.array(agreement[own]) ** row["bits"]))
            closed = 1 - np.arccos(np.clip(angles[own], -1, 1)) / np.pi
            assert row[f"{name}_hyperplanes"] == pytest.approx(np.mean(closed ** row["bits"]), rel=1e-5)
        assert row["rho"] == pytest.approx(np.log(row["within"]) / np.log(row["across"]))


def test_signs_of_random_projections_agree_as_the_closed_form_says():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 30))
    signs = rng.normal(size=(40_000, 30)) @ np.stack([a, b]).T > 0
    theta = np.arccos(a @ b / np.sqrt((a @ a) * (b @ b)))
    assert (signs[:, 0] == signs[:, 1]).mean() == pytest.approx(1 - theta / np.pi, abs=0.01)
    assert np.isnan(rho(0.9, 1.0)) and rho(0.5, 0.25) == pytest.approx(0.5)


def test_one_task_has_no_pair_of_manifolds():
    found = Manifolds(1, 1, CPU)
    rows = torch.eye(4).double()
    found.add(rows, torch.ones(4).double(), torch.tensor([0, 0, 1, 1]))
    row = found.rows()[0]
    assert row["variance"] == 1 and row["triples"] == 0 and np.isnan([row["distance"], row["clause_two"]]).all()
    assert found.pair_rows(np.zeros((1, 1))) == []


@pytest.mark.parametrize("units", [40, WIDE])
def test_cosines_are_those_of_float64(units):
    """Of wide ones on a CPU they are of responses that are rounded to a 127th of their largest entry."""
    torch.manual_seed(0)
    rows = torch.randn(3, 20, units).relu() * torch.randn(3, 1, units)
    rows[1, 4] = 0
    rows[2, 7] = 3 * rows[0, 7]
    wide = torch.nn.functional.normalize(rows.flatten(0, 1).double(), dim=1)
    found = Directions.of(rows.flatten(0, 1).clone())
    torch.testing.assert_close(found.own_cosines(), found.cosines(found), rtol=0, atol=1e-6)
    off = (found.cosines(found) - wide @ wide.t()).abs()
    rounded = units >= WIDE
    assert (found.numbers.dtype == torch.int8) == rounded
    assert off.max() < (0.004 if rounded else 1e-6) and off.std() < (0.0005 if rounded else 1e-6)
    assert off[7, 47] < 1e-6, "parallel responses are rounded to the same numbers"
    torch.testing.assert_close(found.sizes, rows.flatten(0, 1).norm(dim=1), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("fast", [True, False])
def test_products_of_bytes_are_exact(monkeypatch, fast):
    """Also sums beyond what float32 holds, and where there are no fast products of bytes."""
    if not fast:
        monkeypatch.setattr(cosines, "multiplies_bytes", lambda device: False)
    rng = np.random.default_rng(3)
    a, b = (rng.integers(100, 128, (n, 7841)).astype(np.int8) for n in (5, 7))
    b[1::2] *= -1
    found = products(torch.from_numpy(a), torch.from_numpy(b))
    assert found.dtype == torch.int32 and np.abs(found.numpy()).max() > 2**25
    assert (found.numpy() == a.astype(int) @ b.T.astype(int)).all()
