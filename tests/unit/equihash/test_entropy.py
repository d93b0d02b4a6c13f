"""Entropies of tuples of bits against slow ones, tuple by tuple and outcome by outcome (slow_entropy.py)."""

import math
from itertools import chain, combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.overrides import TorchFunctionMode

from rehash.errors import InputError
from rehash.tuple_entropy import entropy
from rehash.tuple_entropy.entropy import tuple_entropies, tuple_entropy
from rehash.tuple_entropy.tuples import Tuples
from slow_entropy import slow_discrete, slow_entropies, slow_value_and_gradient

BITS, ROWS = 8, 24


def logits(kind: str, rows: int = ROWS, bits: int = BITS) -> torch.Tensor:
    """Float32 (rows, bits), so that both precisions start from equal numbers."""
    generator = torch.Generator().manual_seed(7)
    normal = torch.randn(rows, bits, generator=generator)
    match kind:
        case "random":
            return normal
        case "wide":
            return 6 * normal - 3
        case "saturated":
            return 50 * normal.sign()
        case "mixed":  # a third of them at 0 to 3, the others at 50 or 100
            size = torch.tensor([1, 50, 100])[torch.randint(3, normal.shape, generator=generator)]
            return torch.where(size > 1, size * normal.sign(), normal)
        case "collapsed":  # bits that are nearly constant, and saturated bits that agree or disagree in every row
            normal[:, :2] -= 40
            normal[:, 2] += 70
            normal[:, 3:6] = 50 * normal[:, 3:4].sign() * torch.tensor([1, 1, -1])
            normal[:, 6] = normal[:, 7]
            return normal


def sets(size: int) -> dict[str, Tuples]:
    members = np.random.default_rng(size).permuted([[6, 2, 7, 5], [7, 0, 1, 2], [3, 4, 5, 6], [3, 7, 2, 4]], axis=1)
    return {
        "all": Tuples.all(BITS, size),
        "cover": Tuples.cover(BITS, size, size - 1, 0, np.random.default_rng(3)),
        "listed": Tuples(BITS, size, members[:, :size].astype(np.int64)),
    }


def found(logits: torch.Tensor, tuples: Tuples, **options) -> tuple[float, torch.Tensor]:
    """Value and gradient."""
    logits = logits.clone().requires_grad_()
    value = tuple_entropy(logits, tuples, **options)
    value.backward()
    assert value.shape == () and value.dtype == logits.dtype and logits.grad.dtype == logits.dtype
    return value.item(), logits.grad


def assert_near(gradient: torch.Tensor, exact: torch.Tensor, tolerance: float) -> None:
    """As a share of the largest entry."""
    assert (gradient - exact).abs().max() <= tolerance * exact.abs().max()


# ---------------------------------------------------------------------------------------------------------------------
# The objective


@pytest.mark.parametrize("kind", ["random", "wide", "saturated", "mixed", "collapsed"])
@pytest.mark.parametrize("which", ["all", "cover", "listed"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_value_and_gradient_are_the_slow_ones(size, which, kind):
    tuples, z = sets(size)[which], logits(kind)
    exact, exact_gradient = slow_value_and_gradient(z, tuples.array())
    value, gradient = found(z.double(), tuples)
    assert math.isclose(value, exact, rel_tol=1e-12, abs_tol=1e-12)
    assert_near(gradient, exact_gradient, 1e-11)
    value, gradient = found(z, tuples)
    assert math.isclose(value, exact, rel_tol=1e-7, abs_tol=1e-12)
    assert_near(gradient, exact_gradient, 1e-7)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4), st.integers(0, 9), st.integers(1, 12), st.floats(0.1, 30), st.integers(0, 2**32 - 1))
def test_any_code_and_any_tuples(size, more, rows, width, seed):
    rng = np.random.default_rng(seed)
    everything = np.array(list(combinations(range(size + more), size)))
    tuples = Tuples(size + more, size, everything[rng.permutation(len(everything))[: rng.integers(1, 12)]])
    z = torch.from_numpy(rng.normal(size=(rows, size + more)) * width)
    exact, exact_gradient = slow_value_and_gradient(z, tuples.array())
    value, gradient = found(z, tuples)
    assert math.isclose(value, exact, rel_tol=1e-11, abs_tol=1e-12)
    assert (gradient - exact_gradient).abs().max() <= 1e-10 * exact_gradient.abs().max() + 1e-15


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_chunks_change_nothing(size, discrete):
    for z in (logits("random").double(), logits("collapsed").double()):
        whole, gradient = found(z, Tuples.all(BITS, size), discrete=discrete, chunk_bytes=2**40)
        for chunk_bytes in (1, 5_000, 40_000):
            value, other = found(z, Tuples.all(BITS, size), discrete=discrete, chunk_bytes=chunk_bytes)
            assert math.isclose(value, whole, rel_tol=1e-14)
            assert_near(other, gradient, 1e-13)


class Largest(TorchFunctionMode):
    """The bytes of the largest tensor that is made meanwhile."""

    bytes = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.bytes = max(self.bytes, made.numel() * made.element_size())
        return made


@pytest.mark.parametrize("kind", ["random", "collapsed"])
@pytest.mark.parametrize("size", [3, 4])
def test_memory_keeps_to_its_chunks(size, kind):
    z, tuples = logits(kind, 1500, 16), Tuples.all(16, size)
    found(z, tuples)  # what is kept is made
    with Largest() as whole:
        found(z, tuples)
    with Largest() as chunked:
        found(z, tuples, chunk_bytes=2**17)
    assert whole.bytes >= 8 * 1500 * 120  # pairs
    assert chunked.bytes <= 8 * 1500 * 16 * 2  # both outcomes of all bits


@pytest.mark.parametrize("size", [2, 3, 4])
def test_bits_that_hardly_vary_need_no_second_count(size, monkeypatch):
    """It takes long, and there may be many of them."""
    monkeypatch.setattr(entropy.outcomes, "count_outcomes", None)
    z, tuples = logits("random").double(), Tuples.all(BITS, size)
    z[:, :2] -= 40
    z[:, 2:5] += 70
    value, gradient = found(z, tuples)
    exact, exact_gradient = slow_value_and_gradient(z, tuples.array())
    assert math.isclose(value, exact, rel_tol=1e-12)
    assert_near(gradient, exact_gradient, 1e-11)
    assert_near(gradient[:, :2], exact_gradient[:, :2], 1e-11)
    assert_near(gradient[:, 2:5], exact_gradient[:, 2:5], 1e-11)


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_equal_logits_give_equal_bytes(size, device):
    z, tuples = logits("wide", 600, 20), Tuples.all(20, size)
    for discrete in (False, True):
        value, gradient = found(z.to(device), tuples, discrete=discrete)
        for _ in range(3):
            again, same = found(z.to(device), tuples, discrete=discrete)
            assert again == value and torch.equal(same, gradient)
        value_there, gradient_there = found(z, tuples, discrete=discrete)
        assert math.isclose(value, value_there, rel_tol=1e-6)
        assert_near(gradient.cpu(), gradient_there, 1e-6)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_gradient_is_that_of_the_value(size):
    z = logits("random", 6, 7).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: 3 * tuple_entropy(z, Tuples.all(7, size)), z, atol=1e-7)


def test_there_is_no_second_derivative():
    z = logits("random").requires_grad_()
    (gradient,) = torch.autograd.grad(tuple_entropy(z, Tuples.all(BITS, 2)) ** 2, z, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_bits_are_all_alike(size, discrete):
    """Permuted columns: permuted gradients, for all tuples; and for some, if their members are permuted too."""
    z, order = logits("wide").double(), torch.from_numpy(np.random.default_rng(1).permutation(BITS))
    for which, tuples in sets(size).items():
        value, gradient = found(z, tuples, discrete=discrete)
        moved = tuples if which == "all" else Tuples(BITS, size, np.argsort(order.numpy())[tuples.array()])
        other, other_gradient = found(z[:, order], moved, discrete=discrete)
        assert math.isclose(value, other, rel_tol=1e-13)
        assert_near(other_gradient, gradient[:, order], 1e-12)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_fair_bits_have_the_largest_entropy(size):
    codes = torch.tensor(list(product((0.0, 1.0), repeat=6)))
    tuples, most = Tuples.all(6, size), size * math.log(2)
    assert tuple_entropy(torch.zeros(5, 6), tuples).item() == pytest.approx(most * len(tuples), rel=1e-6)
    for z in (1000 * (codes - 0.5), 2 * (codes - 0.5)):
        value, gradient = found(z.double(), tuples)
        assert value == pytest.approx(most * len(tuples), rel=1e-12) and gradient.abs().max() < 1e-14
    torch.testing.assert_close(
        tuple_entropies(codes, tuples), torch.full((len(tuples),), most).double(), rtol=1e-7, atol=0
    )
    assert (tuple_entropies(logits("random").sigmoid(), Tuples.all(BITS, size)) < most).all()
    same = codes[9:10].repeat(30, 1)
    assert (tuple_entropies(same, tuples) == 0).all() and tuple_entropy(1e4 * (same - 0.5), tuples) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_no_logit_is_too_large(size, discrete, dtype):
    signs = logits("random").sign()
    random, step = logits("random"), torch.arange(ROWS)[:, None] % 2
    for z in (50, -50, 100, 30_000, torch.inf):
        for batch in (z * signs, z * torch.ones_like(signs), torch.where(step > 0, z * signs, random)):
            batch = batch.to(dtype).requires_grad_()
            value = tuple_entropy(batch, Tuples.all(BITS, size), discrete=discrete)
            value.backward()
            assert 0 <= value <= math.comb(BITS, size) * size * math.log(2) * (1 + 1e-6)
            assert batch.grad.isfinite().all() and batch.grad.dtype == dtype


def test_narrow_logits_are_cast_to_float32():
    z = logits("wide").bfloat16().requires_grad_()
    value = tuple_entropy(z, Tuples.all(BITS, 3))
    value.backward()
    wide, gradient = found(z.detach().float(), Tuples.all(BITS, 3))
    assert value.dtype == torch.float32 and value.item() == wide
    assert torch.equal(z.grad, gradient.bfloat16())


def test_value_without_a_gradient():
    z = logits("wide")
    assert tuple_entropy(z, Tuples.all(BITS, 3)).item() == found(z, Tuples.all(BITS, 3))[0]
    assert not tuple_entropy(z, Tuples.all(BITS, 3)).requires_grad


def test_a_nan_stays_one():
    z = logits("random").index_put((torch.tensor(3), torch.tensor(2)), torch.tensor(math.nan))
    assert tuple_entropy(z, Tuples.all(BITS, 3)).isnan()


# ---------------------------------------------------------------------------------------------------------------------
# The discrete gradient


@pytest.mark.parametrize(("which", "prior"), [("all", 1.0), ("cover", 0.25), ("listed", 30.0)])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_discrete_gradients_are_the_slow_ones(size, which, prior):
    tuples = sets(size)[which]
    for z in (logits("random"), logits("collapsed")):
        z[:6, 1::2] = 0  # which is bit 0
        exact, exact_gradient = slow_discrete(z, tuples.array(), prior)
        value, gradient = found(z.double(), tuples, discrete=True, prior=prior)
        assert math.isclose(value, exact, rel_tol=1e-12)
        assert_near(gradient, exact_gradient, 1e-12)
        value, gradient = found(z, tuples, discrete=True, prior=prior)
        assert math.isclose(value, exact, rel_tol=1e-7)
        assert_near(gradient, exact_gradient, 1e-7)


def test_the_prior_is_one_row_and_counts_in_discrete_gradients_only():
    z, tuples = logits("random"), Tuples.all(BITS, 3)
    assert torch.equal(found(z, tuples, discrete=True)[1], found(z, tuples, discrete=True, prior=1)[1])
    assert torch.equal(found(z, tuples)[1], found(z, tuples, prior=5)[1])


# ---------------------------------------------------------------------------------------------------------------------
# Entropies for evaluation


@pytest.mark.parametrize("which", ["all", "cover", "listed"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_entropies_are_the_slow_ones_in_their_order(size, which):
    tuples, p = sets(size)[which], logits("wide").double().sigmoid()
    exact = slow_entropies(p, tuples.array())
    for chunk_bytes in (1, 2**40):
        entropies = tuple_entropies(p, tuples, chunk_bytes=chunk_bytes)
        assert entropies.dtype == torch.float64 and not entropies.requires_grad
        torch.testing.assert_close(entropies, exact, rtol=0, atol=1e-13)
    assert len(exact.unique()) == len(tuples)  # or their order would not show


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bool, torch.uint8])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_entropies_of_hard_bits_are_those_of_counts(size, dtype):
    bits = logits("collapsed") > 0.3
    found = tuple_entropies(bits.to(dtype), Tuples.all(BITS, size))
    for one, members in zip(found, combinations(range(BITS), size), strict=True):
        _, counts = np.unique(bits[:, members].numpy(), axis=0, return_counts=True)
        assert one == pytest.approx(stats.entropy(counts), abs=1e-15, rel=1e-14)


# ---------------------------------------------------------------------------------------------------------------------
# Tuples


def subsets(tuples: Tuples, size: int) -> set[tuple[int, ...]]:
    return set(chain.from_iterable(combinations(row, size) for row in tuples.array().tolist()))


def test_all_tuples_are_combinations():
    for bits, size in ((5, 1), (5, 2), (7, 3), (9, 4), (4, 4)):
        tuples = Tuples.all(bits, size)
        assert tuples.members is None and tuples.array().dtype == np.int64
        assert list(map(tuple, tuples.array().tolist())) == list(combinations(range(bits), size))
        assert len(tuples) == math.comb(bits, size)


@pytest.mark.parametrize(("size", "covered"), [(2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (4, 3)])
@pytest.mark.parametrize("bits", [4, 5, 6, 13])
def test_covers_cover(bits, size, covered):
    """With few bits, where there are fewer tuples than subsets to cover, too."""
    most, least = math.comb(bits, size), math.comb(bits, covered)
    for count in (0, most // 2, most):
        tuples = Tuples.cover(bits, size, covered, count, np.random.default_rng(count))
        rows = list(map(tuple, tuples.array().tolist()))
        assert rows == sorted(set(rows)) and all(list(row) == sorted(set(row)) for row in rows)
        assert subsets(tuples, covered) == set(combinations(range(bits), covered))
        assert len(tuples) == len(rows) >= count
        if bits == 13:
            assert len(tuples) == max(count, least)


def test_published_covers():
    one, same, other = (Tuples.cover(64, 4, 3, 41_664, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert len(one) == 41_664 == len(subsets(one, 3)) == len(subsets(one, 4))
    assert one.array().tobytes() == same.array().tobytes() != other.array().tobytes()
    more = Tuples.cover(64, 4, 3, 166_656, np.random.default_rng(5))
    assert len(more) == 166_656 == len(subsets(more, 4)) and subsets(more, 4) > subsets(one, 4)


def test_a_cover_is_drawn_evenly():
    """What extends a bit to a pair, and what fills up a cover."""
    pairs = np.zeros((2, 6, 6), int)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        for kind, count in enumerate((0, 9)):
            tuples = Tuples.cover(6, 2, 1, count, rng).array()
            pairs[kind][tuple(tuples.T)] += 1
    for counts in pairs:
        assert stats.chisquare(counts[np.triu_indices(6, 1)]).pvalue > 1e-3


@pytest.mark.parametrize(("bits", "size", "group"), [(16, 4, 8), (12, 3, 4), (12, 2, 12), (12, 3, 3)])
def test_groups_by_brute_force(bits, size, group):
    step = bits // group
    inside = {
        row
        for row in combinations(range(bits), size)
        if len({i // group for i in row}) == 1 or len({i % step for i in row}) == 1
    }
    tuples = Tuples.grouped(bits, size, group)
    assert list(map(tuple, tuples.array().tolist())) == sorted(inside)


def test_published_groups():
    """Halves of 64 bits, aligned and strided, less the tuples that two of them share."""
    assert len(Tuples.grouped(64, 4, 32)) == 4 * math.comb(32, 4) - 4 * math.comb(16, 4)


def test_numbers_that_fill_no_64_bits_find_repeated_tuples():
    """Of 300 bits, 8-tuples have more numbers than an int64."""
    drawn = np.sort(np.random.default_rng(1).permuted(np.tile(np.arange(300), (6, 1)), axis=1)[:, :8], 1)
    assert len(Tuples(300, 8, drawn)) == 6
    with pytest.raises(InputError, match="is there twice"):
        Tuples(300, 8, drawn[[0, 1, 2, 1]])


# ---------------------------------------------------------------------------------------------------------------------
# Tuples of 5 and more bits


@pytest.mark.parametrize("kind", ["random", "mixed", "collapsed"])
@pytest.mark.parametrize(("size", "which"), [(5, "all"), (6, "cover"), (7, "grouped"), (8, "all")])
def test_wide_tuples_are_the_slow_ones(size, which, kind):
    tuples = {
        "all": lambda: Tuples.all(BITS, size),
        "cover": lambda: Tuples.cover(BITS, size, 3, 0, np.random.default_rng(3)),
        "grouped": lambda: Tuples.grouped(BITS, size, BITS),
    }[which]()
    z = logits(kind)
    exact, exact_gradient = slow_value_and_gradient(z, tuples.array())
    for precision, near in ((z.double(), 1e-11), (z, 1e-5)):
        value, gradient = found(precision, tuples)
        assert math.isclose(value, exact, rel_tol=near, abs_tol=near)
        assert_near(gradient, exact_gradient, near)
    of_tuples = tuple_entropies(z.double().sigmoid(), tuples)
    assert torch.allclose(of_tuples, slow_entropies(z.double().sigmoid(), tuples.array()), rtol=1e-12, atol=1e-12)
    hard, hard_gradient = slow_discrete(z, tuples.array(), 0.5)
    value, gradient = found(z.double(), tuples, discrete=True, prior=0.5)
    assert math.isclose(value, hard, rel_tol=1e-12, abs_tol=1e-12)
    assert_near(gradient, hard_gradient, 1e-11)


@pytest.mark.parametrize("discrete", [False, True])
def test_wide_tuples_in_chunks_and_without_a_gradient(discrete):
    tuples, z = Tuples.all(BITS, 5), logits("random").double()
    value, gradient = found(z, tuples, discrete=discrete)
    for chunk_bytes in (1, 2**17):
        with Largest() as made:
            again, again_gradient = found(z, tuples, discrete=discrete, chunk_bytes=chunk_bytes)
        assert chunk_bytes == 1 or made.bytes <= chunk_bytes
        assert math.isclose(again, value, rel_tol=1e-13)
        assert_near(again_gradient, gradient, 1e-13)
    assert math.isclose(tuple_entropy(z, tuples, discrete=discrete).item(), value, rel_tol=1e-13)


# ---------------------------------------------------------------------------------------------------------------------
# Errors

RNG = np.random.default_rng(0)
PAIRS = Tuples.all(BITS, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tuples.all(64, 9), "tuples: of 9 bits each; expected 1 to 8"),
        (lambda: Tuples.all(64, 0), "tuples: of 0 bits each; expected 1 to 8"),
        (lambda: Tuples.all(64, 5), r"7,624,512 tuples of 5 bits; .* at most 1,048,576 .* covered: 4 .* 635,376"),
        (lambda: Tuples.cover(64, 8, 5, 0, RNG), r"7,624,512 tuples of 8 bits; .* covered: 4 and tuples: 0"),
        (lambda: Tuples.all(2, 3), "tuples: of 3 bits each; a code of 2 has fewer"),
        (lambda: Tuples(8, 2, np.array([[0, 1]], np.int32)), r"members are int32 \(1, 2\); expected int64 \(M, 2\)"),
        (lambda: Tuples(8, 2, [[0, 1]]), r"members are list \(1, 2\); expected int64"),
        (lambda: Tuples(8, 2, np.array([0, 1])), r"members are int64 \(2,\); expected"),
        (lambda: Tuples(8, 3, np.array([[0, 1]])), r"members are int64 \(1, 2\); expected int64 \(M, 3\)"),
        (lambda: Tuples(8, 2, np.empty((0, 2), np.int64)), r"members are int64 \(0, 2\); .* M at least 1"),
        (lambda: Tuples(8, 2, np.array([[0, 8]])), "bits 0 to 8; a code of 8 has 0 to 7"),
        (lambda: Tuples(8, 2, np.array([[-1, 3]])), "bits -1 to 3; a code of 8 has 0 to 7"),
        (lambda: Tuples(8, 3, np.array([[0, 1, 2], [5, 3, 5]])), r"\[5, 3, 5\] has a bit twice; expected 3 different"),
        (
            lambda: Tuples(8, 2, np.array([[4, 2], [0, 1], [2, 4]])),
            r"\[2, 4\] is there twice; expected each tuple once",
        ),
        (lambda: Tuples.cover(64, 9, 3, 1, RNG), "cover: of 9 bits each; expected 2 to 8"),
        (lambda: Tuples.cover(64, 1, 1, 1, RNG), "cover: of 1 bits each; expected 2 to 8"),
        (lambda: Tuples.cover(3, 4, 3, 1, RNG), "cover: of 4 bits each; a code of 3 has fewer"),
        (lambda: Tuples.cover(64, 4, 4, 1, RNG), "cover: of 4 bits each, by tuples of 4; expected 1 to 3"),
        (lambda: Tuples.cover(64, 4, 0, 1, RNG), "cover: of 0 bits each, by tuples of 4; expected 1 to 3"),
        (lambda: Tuples.cover(8, 4, 3, 71, RNG), "cover: 71 tuples of 4 bits; a code of 8 has 70"),
        (lambda: Tuples.grouped(64, 9, 32), "groups: of 9 bits each; expected 2 to 8"),
        (lambda: Tuples.grouped(64, 8, 32), "groups: 42,073,200 tuples of 8 of 32 bits; .* smaller groups"),
        (lambda: Tuples.grouped(64, 4, 24), "groups: of 24 bits; expected a divisor of 64, and at least 4"),
        (lambda: Tuples.grouped(64, 4, 2), "groups: of 2 bits; expected a divisor of 64, and at least 4"),
        (lambda: Tuples.grouped(64, 4, 128), "groups: of 128 bits; expected a divisor of 64"),
        (lambda: Tuples.grouped(3, 4, 3), "groups: of 4 bits each; a code of 3 has fewer"),
        (lambda: tuple_entropy(torch.zeros(3, BITS), Tuples.all(BITS, 1)), "entropy: tuples of 1 bit; expected 2 to 8"),
        (lambda: tuple_entropy(torch.zeros(3, 12), PAIRS), r"entropy: codes are \(3, 12\); expected \(N, 8\)"),
        (lambda: tuple_entropy(torch.zeros(BITS), PAIRS), r"entropy: codes are \(8,\); expected \(N, 8\)"),
        (lambda: tuple_entropy(torch.zeros(0, BITS), PAIRS), r"codes are \(0, 8\); .* N at least 1"),
        (lambda: tuple_entropy(torch.zeros(3, BITS), PAIRS, prior=0), "a prior of 0 rows; expected more than 0"),
        (lambda: tuple_entropies(torch.zeros(3, 12), PAIRS), r"entropy: codes are \(3, 12\); expected \(N, 8\)"),
        (
            lambda: tuple_entropies(torch.full((3, BITS), 1.5), PAIRS),
            r"values from 1.5 to 1.5; expected .* in \[0, 1\]",
        ),
        (lambda: tuple_entropies(-torch.eye(BITS), PAIRS), "values from -1.0 to -0.0; expected"),
        (lambda: tuple_entropies(torch.full((3, BITS), torch.nan), PAIRS), "values from nan to nan; expected"),
    ],
)
def test_errors_name_the_trouble(make, message):
    with pytest.raises(InputError, match=message):
        make()
