"""Projections against scikit-learn, faiss, slow loops and their definitions."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch
from scipy.linalg import eigh_tridiagonal, orthogonal_procrustes
from sklearn.decomposition import PCA

from rehash.arrays import pack_arrays
from rehash.comparison import principal
from rehash.comparison.principal import Features
from rehash.comparison.projections import KINDS, fit, open_fitted, random_rotation, rotate
from rehash.comparison.spectral import choose_modes
from rehash.encoders import Wanted, encoded
from rehash.errors import InputError
from rehash.seeds import stream
from rehash.store import write_bytes

CPU, WHERE = torch.device("cpu"), "config: comparison.sources.x"


def inputs(n: int = 400, of: int = 12, seed: int = 0) -> np.ndarray:
    """Vectors, float32, far from 0, of which some numbers go together; their classes are clusters."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((4, of)) * 2
    mix = np.random.default_rng(98).standard_normal((of, of)) / 3
    return (centres[rng.integers(0, 4, n)] + rng.standard_normal((n, of)) @ mix + 5).astype(np.float32)


def asked(bits: int, repeat: int = 0, of: int = 12) -> Wanted:
    return Wanted(bits, repeat, (of,), 4, "abc", "d", 1, CPU, WHERE)


def fitted(path, kind: str, features: np.ndarray, bits, repeats=(0,), seed: int = 1) -> dict[str, str]:
    arrays, about = fit(kind, features, list(bits), list(repeats), seed, WHERE)
    write_bytes(pack_arrays(arrays, {**about, "data": "abc"}), path)
    return {"fitted": str(path)}


def logits(files, kind: str, shown: np.ndarray, bits: int, repeat: int = 0) -> np.ndarray:
    encoder = open_fitted(files, {"kind": kind, "of": None}, asked(bits, repeat, shown.shape[1]))
    return np.concatenate(list(encoded(encoder, shown, CPU)))


# ---------------------------------------------------------------------------------------------------------------------
# Principal directions


def test_directions_are_scikit_learns_in_blocks_of_any_size(monkeypatch):
    shown = inputs()
    expected = PCA(svd_solver="full").fit(shown.astype(np.float64))
    whole = Features(shown, WHERE)
    assert np.allclose(whole.mean, expected.mean_) and whole.directions.shape == (12, 12)
    signs = np.sign((whole.directions.numpy() * expected.components_).sum(1, keepdims=True))
    assert np.allclose(whole.directions, signs * expected.components_, atol=1e-9)
    largest = np.take_along_axis(whole.directions.numpy(), whole.directions.abs().argmax(1, keepdim=True).numpy(), 1)
    assert (largest > 0).all()
    along = whole.along(whole.directions[:3])
    assert np.allclose(along, signs[:3].T * expected.transform(shown.astype(np.float64))[:, :3], atol=1e-9)
    monkeypatch.setattr(principal, "_BLOCK", 12 * 37)
    monkeypatch.setattr(principal, "_COLUMNS", 5)
    assert np.allclose(Features(shown, WHERE).directions, whole.directions, atol=1e-9)


@pytest.mark.parametrize("varying", [0, 1, 5])
def test_directions_in_which_nothing_varies_are_none(varying):
    """Constant numbers, and copies of others, add none."""
    shown = np.full((300, 12), 0.7, np.float32)
    shown[:, :varying] = inputs()[:300, :varying]
    shown[:, 6 : 6 + varying] = shown[:, :varying]
    assert len(Features(shown, WHERE).directions) == varying


@pytest.mark.parametrize("kind", ["pca", "itq"])
def test_more_bits_than_directions_are_refused(kind):
    shown = inputs()
    shown[:, 3:] = 1
    with pytest.raises(
        InputError,
        match=rf"^config: comparison.sources.x: 4 bits of {kind} need .* 400 train inputs of 12 numbers have 3: expected at most 3",
    ):
        fit(kind, shown, [2, 4], [0], 1, WHERE)
    assert fit(kind, shown, [2, 3], [0], 1, WHERE)


# ---------------------------------------------------------------------------------------------------------------------
# SimHash and PCA


def test_simhash_is_the_side_of_gaussian_hyperplanes_through_the_mean(tmp_path):
    shown, most = inputs(3000), 400
    files = fitted(tmp_path / "f", "simhash", shown, [16, most], [0, 1])
    found = logits(files, "simhash", shown[:40], most, 1)
    planes = stream(1, "comparison", "simhash", 1).standard_normal((most, 12))
    mean = shown.astype(np.float64).mean(0)
    assert np.allclose(found, (shown[:40] - mean) @ planes.T, rtol=1e-4, atol=1e-4)
    assert np.array_equal(logits(files, "simhash", shown[:40], 16, 1) > 0, found[:, :16] > 0)
    assert (logits(files, "simhash", shown[:40], most, 0) > 0).mean() != (found > 0).mean()
    # Charikar: two inputs at an angle t differ in each bit with probability t / pi.
    centred = shown[:40] - mean
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    angles = np.arccos(np.clip(unit @ unit.T, -1, 1)) / np.pi
    differ = ((found[:, None] > 0) != (found[None] > 0)).mean(2)
    assert np.abs(differ - angles).max() < 5 * np.sqrt(0.25 / most)


def test_the_first_hyperplanes_do_not_depend_on_how_many_there_are(tmp_path):
    shown = inputs()
    few = logits(fitted(tmp_path / "a", "simhash", shown, [5]), "simhash", shown, 5)
    more = logits(fitted(tmp_path / "b", "simhash", shown, [5, 77]), "simhash", shown, 5)
    assert np.array_equal(few, more)


def test_pca_signs_are_those_of_the_first_coordinates(tmp_path):
    shown, others = inputs(), inputs(50, seed=1)
    files = fitted(tmp_path / "f", "pca", shown, [3, 8])
    whole = Features(shown, WHERE)
    expected = (others - whole.mean.numpy()) @ whole.directions.numpy().T
    for bits in (3, 8):
        assert np.allclose(logits(files, "pca", others, bits), expected[:, :bits], atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# ITQ


def losses(coordinates: torch.Tensor, start: torch.Tensor, turns: int) -> tuple[torch.Tensor, list[float]]:
    """The rotation after some turns, one turn at a time, and the loss before each and at the end."""
    found, rotation = [], start
    for turn in range(turns + 1):
        turned = coordinates @ rotation
        found.append(float((torch.where(turned > 0, 1.0, -1.0) - turned).square().sum()))
        if turn < turns:
            rotation = rotate(coordinates, rotation, 1)
    return rotation, found


@pytest.mark.parametrize("size", [1, 2, 9])
def test_itq_by_its_definition(size):
    """Rotations all the way, a loss that never rises, and at the end one that no other rotation makes smaller."""
    whole = Features(inputs(), WHERE)
    coordinates = whole.along(whole.directions[:size])
    start = random_rotation(np.random.default_rng(0), size)
    assert np.allclose(start @ start.t(), np.eye(size), atol=1e-12)
    rotation, seen = losses(coordinates, start, 50)
    assert np.allclose(rotation @ rotation.t(), np.eye(size), atol=1e-12)
    assert all(after <= before + 1e-9 for before, after in pairwise(seen)) and (size == 1 or seen[-1] < seen[0])
    assert torch.equal(rotate(coordinates, start), rotation), "stopping where the signs stay changes nothing"
    fixed = rotate(coordinates, rotation, 500)
    again = rotate(coordinates, fixed, 1)
    assert np.allclose(fixed, again, atol=1e-9)
    # The best rotation to these signs (orthogonal Procrustes): small turns of it, and others, fit them worse.
    signs = torch.where(coordinates @ fixed > 0, 1.0, -1.0)
    least = float((signs - coordinates @ fixed).square().sum())
    for seed in range(20):
        skew = torch.from_numpy(np.random.default_rng(seed).standard_normal((size, size))) * 10.0 ** -(seed % 4)
        other = fixed @ torch.linalg.matrix_exp(skew - skew.t())
        assert float((signs - coordinates @ other).square().sum()) >= least - 1e-9


def test_itq_turn_by_turn_against_scipys_procrustes():
    whole = Features(inputs(2000), WHERE)
    coordinates = whole.along(whole.directions[:8])
    rotation = start = random_rotation(np.random.default_rng(3), 8)
    for _ in range(50):
        signs = np.where(coordinates @ rotation > 0, 1.0, -1.0)
        rotation = torch.from_numpy(orthogonal_procrustes(coordinates.numpy(), signs)[0])
    assert np.allclose(rotate(coordinates, start), rotation, atol=1e-9)


def test_itq_ends_nearer_to_its_signs_than_faiss_from_the_same_start():
    """faiss's ITQMatrix agrees before its first turn, and no further.

    It multiplies the factors U and V of a singular value decomposition, not U and the transpose of V, so that its loss
    may rise, and depends on the signs of singular vectors, which are arbitrary (version 1.15).
    """
    whole = Features(inputs(2000), WHERE)
    coordinates = whole.along(whole.directions[:8])
    start = random_rotation(np.random.default_rng(3), 8)
    for turns in (0, 50):
        theirs = faiss.ITQMatrix(8)
        theirs.max_iter = turns
        faiss.copy_array_to_vector(start.numpy().reshape(-1), theirs.init_rotation)
        theirs.train(coordinates.numpy().astype(np.float32))
        found, own = (
            theirs.apply(coordinates.numpy().astype(np.float32)),
            coordinates @ rotate(coordinates, start, turns),
        )
        if turns == 0:
            assert np.allclose(found, own, atol=1e-4)
        loss, own_loss = (float(((np.where(of > 0, 1, -1) - of) ** 2).sum()) for of in (found, own.numpy()))
    assert own_loss < loss, "after 50 turns"


def test_random_rotations_have_no_preferred_direction():
    drawn = np.stack([random_rotation(np.random.default_rng(seed), 3).numpy() for seed in range(3000)])
    assert np.abs(drawn.mean(0)).max() < 5 / np.sqrt(3 * 3000)
    assert np.allclose((drawn**2).mean(0), 1 / 3, atol=0.03)
    assert abs((np.linalg.det(drawn) > 0).mean() - 0.5) < 0.05


def test_itq_logits_are_rotated_coordinates(tmp_path):
    shown, others = inputs(), inputs(50, seed=1)
    files = fitted(tmp_path / "f", "itq", shown, [4, 8], [0, 3])
    whole = Features(shown, WHERE)
    for bits in (4, 8):
        coordinates = (others - whole.mean.numpy()) @ whole.directions[:bits].numpy().T
        for repeat in (0, 3):
            start = random_rotation(stream(1, "comparison", "itq", bits, repeat), bits)
            rotation = rotate(whole.along(whole.directions[:bits]), start).numpy()
            assert np.allclose(logits(files, "itq", others, bits, repeat), coordinates @ rotation, atol=1e-4)


# ---------------------------------------------------------------------------------------------------------------------
# Spectral hashing


def slow_modes(widths, bits: int) -> list[tuple[int, int]]:
    """The directions and frequencies of the smallest eigenvalues (k pi / w)^2, k > 0, as the authors' code finds them."""
    widths = np.asarray(widths, float)
    most = np.ceil((bits + 1) * widths / widths.max()).astype(int)
    every = [((np.pi * k / widths[d]) ** 2, d, k) for d in range(len(widths)) for k in range(1, most[d])]
    return [(d, k) for _, d, k in sorted(every)[:bits]]


@pytest.mark.parametrize("widths", [[1], [5, 1], [3.1, 2.9, 1.2, 0.4], [1, 1, 1], [2, 1, 4, 3, 2.5]])
@pytest.mark.parametrize("bits", [1, 3, 16])
def test_spectral_bits_are_those_of_the_smallest_eigenvalues(widths, bits):
    found = list(zip(*(part.tolist() for part in choose_modes(np.array(widths, float), bits))))
    expected = slow_modes(widths, bits)
    assert len(found) == bits and [k / widths[d] for d, k in found] == [k / widths[d] for d, k in expected]
    assert found == expected


def test_spectral_logits_are_eigenfunctions_of_the_laplacian_on_an_interval(tmp_path):
    """Solved numerically: the path graph's Laplacian, with no flow through the ends, of points along one direction."""
    points = np.zeros((400, 3), np.float32)
    points[:, 1] = np.linspace(-2, 5, 400)
    points[:, 2] = 0.9  # of which nothing varies
    files = fitted(tmp_path / "f", "spectral", points, [6])
    found = logits(files, "spectral", points, 6)
    _, vectors = eigh_tridiagonal(np.r_[1, np.full(398, 2), 1], np.full(399, -1), select="i", select_range=(0, 6))
    for k in range(1, 7):
        vector = vectors[:, k] / np.abs(vectors[:, k]).max()
        assert np.allclose(found[:, k - 1], vector * np.sign(vector[0] * found[0, k - 1]), atol=0.02)
        changes = np.flatnonzero(np.diff(found[:, k - 1] > 0))
        assert len(changes) == k, "a sine of k half-waves"


def test_spectral_hashing_as_its_authors_compute_it(tmp_path):
    shown, others = inputs(), inputs(60, seed=1)
    files = fitted(tmp_path / "f", "spectral", shown, [4, 20])
    whole = Features(shown, WHERE)
    for bits in (4, 20):
        directions = whole.directions[: min(bits, 12)].numpy()
        own = (shown - whole.mean.numpy()) @ directions.T
        low, high = own.min(0), own.max(0)
        coordinates = (others - whole.mean.numpy()) @ directions.T - low
        expected = np.stack(
            [
                np.sin(np.pi / 2 + k * np.pi / (high - low)[d] * coordinates[:, d])
                for d, k in slow_modes(high - low, bits)
            ],
            1,
        )
        assert np.allclose(logits(files, "spectral", others, bits), expected, atol=1e-4)


def test_equal_inputs_have_no_spectral_bits():
    with pytest.raises(InputError, match="x: all 50 train inputs are equal; expected some to vary"):
        fit("spectral", np.ones((50, 4), np.float32), [3], [0], 1, WHERE)


# ---------------------------------------------------------------------------------------------------------------------
# All kinds


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_and_other_seeds(tmp_path, kind):
    shown = inputs()
    first, again, other = (
        fitted(tmp_path / name, kind, shown, [3, 6], [0, 1], seed)["fitted"]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    content = [Path(path).read_bytes() for path in (first, again, other)]
    assert content[0] == content[1] and (content[0] == content[2]) is not KINDS[kind].repeats
    repeats = [logits({"fitted": first}, kind, shown, 6, repeat) for repeat in (0, 1)]
    assert np.array_equal(*repeats) is not KINDS[kind].repeats


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_not_fitted_is_refused(tmp_path, kind):
    shown, how = inputs(), {"kind": kind, "of": None}
    files = fitted(tmp_path / "f", kind, shown, [3, 6], [0, 1])
    with pytest.raises(InputError, match=r"x: 4 bits of repeat 0; .*f was fitted for \[3, 6\] bits and the repeats"):
        open_fitted(files, how, asked(4))
    with pytest.raises(InputError, match="0 bits of repeat 0"):
        open_fitted(files, how, asked(0))
    if KINDS[kind].repeats:
        with pytest.raises(InputError, match=r"3 bits of repeat 2; .* the repeats \[0, 1\]"):
            open_fitted(files, how, asked(3, 2))
    with pytest.raises(InputError, match=rf"was fitted as {kind}; expected other"):
        open_fitted(files, {**how, "kind": "other"}, asked(3))
    with pytest.raises(InputError, match="f was trained on other data than d has now"):
        open_fitted(files, how, replace(asked(3), data="0"))
    with pytest.raises(InputError, match="f was fitted on 12 numbers an input; its source gives 5"):
        open_fitted(files, how, asked(3))(torch.zeros(2, 5))
    content = bytearray((tmp_path / "f").read_bytes())
    content[-9] ^= 1
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError, match=r"f: not a fitted projection of rehash, or damaged \(its content has"):
        open_fitted(files, how, asked(3))
    with pytest.raises(InputError, match="unknown kind 'itk'; did you mean 'itq'"):
        fit("itk", shown, [3], [0], 1, WHERE)
