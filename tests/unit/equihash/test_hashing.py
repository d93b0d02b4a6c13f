"""Blocks of views on a CPU and, but for the capture itself, as a GPU computes them."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rehash import captured
from rehash.bits import pack
from rehash.captured import Captured
from rehash.equihash.databases.labels import labels
from rehash.equihash.images.noise import BLOCK
from rehash.equihash.index import hashing
from rehash.equihash.index.hashing import Hasher, held_back, packed, sent
from rehash.equihash.learning.architectures import NETWORKS, build_network
from rehash.equihash.learning.folding import folded
from rehash.equihash.learning.precision import PRECISIONS, arithmetic

N = 1500
NAMES = {"seed": 5, "name": "d", "kind": "database"}


@pytest.fixture(scope="module")
def drawn(small) -> np.ndarray:
    return labels(small.database, np.arange(N))


@pytest.mark.parametrize("bits", [8, 64, 136])
def test_signs_are_packed_as_those_of_an_array(bits):
    """With every pattern of a byte, zeros of both signs, and what is no number."""
    logits = torch.randn(300, bits, generator=torch.Generator().manual_seed(bits))
    patterns = torch.from_numpy(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)) * 2.0 - 1
    logits[:256, -8:] = patterns * logits[:256, -8:].abs()
    special = [0.0, -0.0, torch.nan, torch.inf, -torch.inf, 1e-45, -1e-45]
    for row, value in enumerate(special):
        logits[row, row * 3 % bits] = value
    records = packed(logits)
    assert records.dtype == torch.uint8 and records.shape == (300, bits // 8 + 1)
    assert np.array_equal(records[:, :-1].numpy(), pack((logits > 0).numpy()))
    finite = np.isfinite(logits.numpy()).all(1)
    assert np.array_equal(records[:, -1].numpy(), finite) and (~finite).sum() == 3
    assert packed(logits[:0]).shape == (0, bits // 8 + 1)


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_results_are_waited_for_only_once_others_are_under_way(count):
    told = []

    def made():
        for number in range(5):
            told.append(("begun", number))
            yield number

    for number in held_back(made(), count):
        told.append(("waited", number))
    assert [number for what, number in told if what == "waited"] == list(range(5))
    for number in range(5):
        before = told[: told.index(("waited", number))]
        assert sum(what == "begun" for what, _ in before) == min(5, number + 1 + count), told


def test_results_of_a_gpu_are_copied_while_it_goes_on(monkeypatch):
    """Both copies are begun at once, and are over before anyone reads them."""
    told = []

    class There:
        is_cuda = True

        def to(self, where, non_blocking):
            told.append(f"copied to {where}{' meanwhile' if non_blocking else ''}")
            return torch.ones(2)

    class Stream:
        def record_event(self):
            told.append("marked")
            return self

        def synchronize(self):
            told.append("waited")

    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    arrived = sent(There(), There())
    assert told == ["copied to cpu meanwhile", "copied to cpu meanwhile", "marked"]
    assert [each.tolist() for each in arrived()] == [[1, 1], [1, 1]] and told[3:] == ["waited"]


class Devices(TorchDispatchMode):
    """Notes where the tensors of each operation are, and of which dtype the weights of products."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.products = set(), []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        found = operation(*arguments, **options or {})
        tensors = [each for each in tree_leaves((arguments, options, found)) if isinstance(each, torch.Tensor)]
        self.seen |= {each.device.type for each in tensors}
        if operation.name() in ("aten::convolution", "aten::addmm"):
            self.products.append(tensors[1].dtype)
        return found


def on_a_gpu(network: torch.nn.Module) -> torch.nn.Module:
    """A network whose tensors are on a GPU that is not there: they have shapes, dtypes and a device, and no content."""
    for module in network.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    there = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
                    held[name] = there if held is module._buffers else torch.nn.Parameter(there, requires_grad=False)
    return network


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("resnet34", "resnet50")])
def test_a_block_can_be_captured(monkeypatch, small, name, precision):
    """Nothing in it waits for the GPU or is copied between it and the host; and its last layer is in float32.

    On a GPU that torch imagines, so that shapes, dtypes and devices are real and contents are not.
    """
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    shape = (1, 56, 56) if name == "mosaic_cnn" else (3, 45, 68)
    network = folded(build_network(name, 64, shape, seed=0))

    def shown(views):
        with arithmetic(precision, views.device):
            return network(views.contiguous(memory_format=torch.channels_last))

    hasher = Hasher(shown, small.mosaics)
    with FakeTensorMode(), torch.no_grad():
        on_a_gpu(network)
        views = torch.empty(BLOCK, *shape, dtype=torch.uint8 if shape[0] == 3 else torch.float32, device="cuda")
        with Devices() as devices:
            records, logits = hasher._hashed(views)
        assert devices.seen == {"cuda"} and records.shape == (BLOCK, 9) and logits.dtype == torch.float32
        *body, last = devices.products
        assert last == torch.float32 and set(body) == {torch.bfloat16 if precision == "bfloat16" else torch.float32}
        hasher.network = lambda views: shown(views) * views.any().item()
        with pytest.raises(DataDependentOutputException):  # so that the test can fail
            hasher._hashed(views)
        hasher.network = lambda views: shown(views) + torch.zeros(64).to("cuda")
        with Devices() as devices:
            hasher._hashed(views)
        assert devices.seen == {"cuda", "cpu"}


class Replays:
    """Stands for a CUDA graph: what it captures reads and writes the same memory each time."""

    def __init__(self, monkeypatch) -> None:
        self.captures, self.replays = 0, 0
        monkeypatch.setattr(captured, "capture", self.capture)
        # As on a GPU, where whole blocks are computed, and one is under way before the last one's results are read.
        monkeypatch.setattr(hashing, "_ROWS_ON_A_CPU", BLOCK)

    def capture(self, work, given):
        self.captures += 1
        held = [torch.full_like(each, 77) for each in work(given)]

        def replay():
            self.replays += 1
            for memory, result in zip(held, work(given)):
                memory.copy_(result)

        return replay, tuple(held)

    def on(self, hasher: Hasher) -> Hasher:
        hasher._hash, hasher._in_flight = Captured(hasher._hashed), 1
        return hasher


def all_of(hasher: Hasher, shown: np.ndarray, start: int, **how):
    found = list(hasher.blocks(shown, start, **NAMES, **how))
    return [np.concatenate([getattr(each, of) for each in found]) for of in ("codes", "numbers")], found


@pytest.mark.parametrize(("start", "stop"), [(0, N), (100, 300), (700, 1400)])
def test_a_replayed_graph_gives_the_same_fingerprints(small, drawn, monkeypatch, start, stop):
    """Though its memory is overwritten while earlier results are under way; and one capture serves all lists."""
    replays = Replays(monkeypatch)
    eager, graph = Hasher(small.network, small.mosaics), replays.on(Hasher(small.network, small.mosaics))
    for shown in (drawn[start:stop], drawn[start:stop][::-1].copy()):
        (codes, numbers), found = all_of(eager, shown, start, kept=N)
        (codes_again, numbers_again), again = all_of(graph, shown, start, kept=N)
        assert np.array_equal(codes, codes_again) and numbers.all() and numbers_again.all()
        assert len(codes) == stop - start and len(np.unique(codes)) > 10
        for one, other in zip(found, again, strict=True):
            assert np.array_equal(one.logits, other.logits) and np.array_equal(pack(one.logits > 0), one.codes)
    assert replays.captures == 1 and replays.replays == 2 * len(found)


def test_logits_come_back_only_where_they_are_asked_for(small, drawn, monkeypatch):
    taken = []
    monkeypatch.setattr(
        hashing, "sent", lambda *tensors: (taken.append([t.shape[1] for t in tensors]), sent(*tensors))[1]
    )
    for kept, expected in ((0, []), (1, [0]), (262, [0]), (263, [0, 1])):
        (_, found) = all_of(Hasher(small.network, small.mosaics), drawn[250:], 250, kept=kept)
        assert [n for n, each in enumerate(found) if each.logits is not None] == expected
    assert taken[:3] == [[2], [2], [2]] and taken[-3:] == [[2, 8], [2, 8], [2]]


def test_a_cut_block_is_rounded_as_a_whole_one(small, drawn):
    """With a network whose rows depend on how many there are, as a product's may."""
    seen = []

    def network(views):
        seen.append(len(views))
        at = torch.arange(len(views))[:, None] + len(views) * 1000.0
        return views.flatten(1)[:, :8].double() + at

    hasher = Hasher(network, small.mosaics)
    whole = np.concatenate([each.logits for each in hasher.blocks(drawn, 0, kept=N, **NAMES)])
    for start, stop in ((0, 512), (3, 4), (100, 300), (130, 1400), (511, 513), (7, 7)):
        part = [each.logits for each in hasher.blocks(drawn[start:stop], start, kept=N, **NAMES)]
        assert (np.concatenate([whole[:0], *part]) == whole[start:stop]).all()
    assert set(seen) == {128} and BLOCK % 128 == 0
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad, "inference mode is off again"


def test_which_views_have_logits_that_are_no_numbers(small, drawn):
    """Rows that are not asked for do not count, whatever a network makes of zeros."""

    def network(views):
        logits = views.flatten(1)[:, :8] + 1
        logits[views.flatten(1).abs().sum(1) == 0] = torch.nan
        logits[5, 3] = torch.inf
        return logits

    found = list(Hasher(network, small.mosaics).blocks(drawn[130:600], 130, **NAMES))
    wrong = np.flatnonzero(~np.concatenate([each.numbers for each in found])) + 130
    assert wrong.tolist() == [133, 261, 389, 517]
