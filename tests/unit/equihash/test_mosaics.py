"""Mosaics and views against slow ones, made pixel by pixel (slow_mosaics.py)."""

import colorsys
import hashlib
import tracemalloc
from dataclasses import replace
from itertools import product

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from sklearn.datasets import load_sample_images

from rehash.equihash.figures.contact_sheet import plot_contact_sheet
from rehash.equihash.images import banks, flow
from rehash.equihash.images import mosaics as mosaics_module
from rehash.equihash.images.banks import Bank, SplitImages
from rehash.equihash.images.colour import hls_to_rgb, rgb_to_hls, shift_colours
from rehash.equihash.images.contact_sheet import contact_sheet
from rehash.equihash.images.flow import Flow, PerlinFields, uploaded
from rehash.equihash.images.layout import image_numbers, lay_out
from rehash.equihash.images.mosaics import CPU, DeviceBank, Mosaics, fitting, view_digests
from rehash.equihash.images.noise import BLOCK, KINDS, DeviceSource, PositionSource, cut
from rehash.equihash.images.perlin import write_perlin
from rehash.equihash.images.task import Task
from rehash.errors import InputError
from rehash.hdf5 import created, write_attributes
from slow_mosaics import (
    NATURAL,
    NOISY,
    WARPED,
    ArrayBank,
    bank,
    mosaics,
    perlin,
    slow_colours,
    slow_flow,
    slow_mosaic,
    slow_view,
)


def source(seed: int, name: str, kind: str, items: range) -> PositionSource:
    return PositionSource.of(seed, name, kind, np.array(items), CPU)


def assert_rounded_down(found: torch.Tensor, exact_HWC: np.ndarray, tolerance: float, most_unclear: float) -> None:
    """Equal, but where the exact value is within the tolerance of a whole number: there it may be either of two."""
    found = found.numpy().transpose(1, 2, 0).astype(float)
    low, high = np.floor(exact_HWC - tolerance), np.floor(exact_HWC + tolerance)
    assert ((found == low) | (found == high)).all(), np.abs(found - exact_HWC).max()
    assert (low != high).mean() <= most_unclear


@given(st.integers(1, 100_000), st.integers(1, 4), st.data())
def test_labels_are_their_pictures_as_digits(size, cells, data):
    labels = np.array(data.draw(st.lists(st.integers(0, min(size**cells, 2**63) - 1), max_size=5)), np.int64)
    numbers = image_numbers(labels, size, cells)
    assert numbers.shape == (len(labels), cells) and ((numbers >= 0) & (numbers < size)).all()
    assert [sum(int(n) * size**c for c, n in enumerate(row)) for row in numbers] == labels.tolist()


@pytest.mark.parametrize(("grid", "overlap"), [((1, 2), (0, 3)), ((3, 1), (4, 0)), ((2, 3), (3, 2)), ((2, 2), (0, 0))])
def test_mosaics_are_the_slow_ones(grid, overlap):
    task = Task("warped", grid, (8, 6), overlap)
    made = mosaics(task)
    assert made.label_count == task.label_count(7) == 7 ** (grid[0] * grid[1])
    labels = [0, 1, 5, made.label_count - 1, made.label_count // 3]
    for found, label in zip(made.plain(labels), labels):
        exact = slow_mosaic(task, made.bank.images, label)
        assert (found.numpy().transpose(1, 2, 0) == np.floor(exact + 1e-6)).all()


def test_noisy_mosaics_are_digits_side_by_side():
    made = mosaics(NOISY)
    a, b, c, d = made.bank.images[[3, 1, 6, 2]]
    found = made.plain([3 + 7 * 1 + 49 * 6 + 343 * 2])
    torch.testing.assert_close(found, torch.from_numpy(np.block([[a, b], [c, d]]) / 255).float()[None, None])
    assert found.min() >= 0 and found.max() <= 1
    overlapping = Task("noisy", (2, 2), (4, 5), (2, 2))
    exact = slow_mosaic(overlapping, made.bank.images, 100) / 255
    torch.testing.assert_close(
        mosaics(overlapping).plain([100])[0, 0].double(), torch.from_numpy(exact), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("level", [0, 1, 77, 254, 255])
def test_blends_of_one_colour_are_that_colour(level):
    """The published way, a sum of two products, makes 254 of some of white's 255."""
    same = torch.full((1, 3, 2, 3, 9, 8), level, dtype=torch.uint8)
    assert (lay_out(same, (4, 3)) == level).all()


def test_noisy_views_add_the_drawn_noise():
    made = mosaics(NOISY)
    labels = np.arange(20) * 31
    drawn = made.draw(source(1, "d", "database", range(5, 25)), 20)
    views = made.items(labels, 5, seed=1, name="d", kind="database")
    assert torch.equal(views, made.plain(labels) + drawn.normal * 0.2)
    assert views.min() < 0 and views.max() > 1  # not clipped
    assert kstest(drawn.normal.ravel(), "norm").pvalue > 0.01


@pytest.mark.parametrize(
    "task", [WARPED, Task("warped", (2, 2), (9, 8), (2, 4)), NATURAL], ids=["1x2", "2x2", "natural"]
)
def test_warped_views_are_the_slow_ones(task):
    made = mosaics(task)
    labels, count = np.array([3, 30, 41, 16, 0, 48]), 6
    drawn = made.draw(source(9, "d", "positive", range(2 * BLOCK + 7, 2 * BLOCK + 7 + count)), count)
    views = made.items(labels, 2 * BLOCK + 7, seed=9, name="d", kind="positive")
    for view, label, hue, a, numbers, strength, _ in zip(views, labels, *drawn):
        factor = float(strength) if task == NATURAL else None
        exact = slow_view(task, made.bank.images, made.perlin, label, float(hue), float(a), numbers.numpy(), factor)
        assert_rounded_down(view, exact, 2e-3, 0.02)


def test_a_photograph_is_the_slow_one():
    """At the published size."""
    task = Task("warped", (1, 2), (180, 180), (0, 90))
    photos = np.stack([image[100:280, 200:380] for image in load_sample_images().images])
    made = Mosaics(task, ArrayBank(photos), perlin(180, 270, 3))
    drawn = made.draw(source(0, "d", "database", range(1)), 1)
    view = made.items([2], 0, seed=0, name="d", kind="database")[0]
    exact = slow_view(task, photos, made.perlin, 2, float(drawn.hue), float(drawn.lightness), drawn.fields[0].numpy())
    assert_rounded_down(view, exact, 0.01, 0.03)


def test_warps_are_drawn_as_declared():
    made = mosaics(WARPED)
    count = 4096
    hue, lightness, numbers, none, unchanged = made.draw(source(2, "d", "database", range(count)), count)
    natural = mosaics(NATURAL).draw(source(2, "d", "database", range(count)), count)
    assert all(torch.equal(*both) for both in zip(natural, (hue, lightness, numbers))), (
        "a strength comes after all that warped views draw"
    )
    assert none.shape == unchanged.shape == (count, 0)
    strength, numbers = natural.strength.numpy(), numbers.numpy()
    assert kstest(strength**0.5, "uniform", (0, 2**0.5)).pvalue > 0.01
    assert kstest(hue, "uniform", (-1 / 16, 1 / 8)).pvalue > 0.01
    assert kstest(lightness, "uniform", (-0.2, 0.4)).pvalue > 0.01
    assert numbers.shape == (count, 2, 2)
    for axis, resolution in product(range(2), repeat=2):
        assert chisquare(np.bincount(numbers[:, axis, resolution], minlength=5)).pvalue > 0.01
    together = np.ravel_multi_index(numbers.reshape(-1, 4).T, (5, 5, 5, 5))
    assert len(set(together)) > 620  # of 625: the four are drawn apart


def test_colours_are_colorsys_ones():
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 18)] * 3), -1).reshape(-1, 3)
    rgb = np.concatenate([grid, np.random.default_rng(0).random((5000, 3))]).astype(np.float32)
    planes = torch.from_numpy(rgb.T[None, :, :, None].copy())
    hls = rgb_to_hls(planes)[0, :, :, 0].numpy().T
    exact = np.array([colorsys.rgb_to_hls(*map(float, pixel)) for pixel in rgb])
    apart = np.abs(hls - exact)
    apart[:, 0] = np.minimum(apart[:, 0], 1 - apart[:, 0])  # hue 0 is hue 1
    assert (apart[:, 1:] < 2e-6).all() and (apart[:, 0] * (rgb.max(1) - rgb.min(1)) < 1e-6).all()
    assert hls.min() >= 0 and hls.max() <= 1
    for turns in (0, 0.37, -2.8):
        turned = hls_to_rgb(torch.from_numpy((exact + np.array([turns, 0, 0])).T[None, :, :, None]).float())
        back = [colorsys.hls_to_rgb(hue + turns, *rest) for hue, *rest in exact]
        np.testing.assert_allclose(turned[0, :, :, 0].T, back, atol=3e-6)


def test_saturation_is_changed_after_all_other_draws():
    """As lightness is, pixel by pixel; nothing else of a view changes."""
    task = replace(NATURAL, saturation=0.7)
    made = mosaics(task)
    drawn, before = (of.draw(source(9, "d", "database", range(2000)), 2000) for of in (made, mosaics(NATURAL)))
    assert all(torch.equal(*both) for both in zip(drawn[:4], before[:4]))
    assert kstest(drawn.saturation, "uniform", (-0.7, 1.4)).pvalue > 0.01
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4), np.uint8))
    pictures[0] = 77  # a grey
    hue, a, b = (values[:6] for values in (drawn.hue, drawn.lightness, drawn.saturation))
    for found, picture, *noise in zip(shift_colours(pictures, hue, a, b), pictures, hue, a, b):
        exact = slow_colours(picture.permute(1, 2, 0).numpy(), *map(float, noise))
        np.testing.assert_allclose(found.permute(1, 2, 0), exact, atol=1e-5)
    labels, few = np.array([3, 30, 41]), cut(drawn, slice(0, 3))
    views, plain = made.views(labels, few), mosaics(NATURAL).views(labels, few)
    assert torch.equal(made.views(labels, few._replace(saturation=torch.zeros(3))), plain)
    assert not torch.equal(views, plain)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([NOISY, WARPED]), st.integers(0, 1300), st.integers(0, 1300))
def test_an_item_is_the_same_in_any_slice(task, one, other):
    made, labels = mosaics(task), np.arange(1300) * 13 % 49
    whole = made.items(labels, 100, seed=4, name="d", kind="database").numpy()
    first, last = sorted((one, other))
    parts = list(made.batches(labels[first:last], 100 + first, seed=4, name="d", kind="database"))
    assert [start for start, _ in parts[1:]] == [i for i in range(101 + first, 100 + last) if i % BLOCK == 0]
    found = b"".join(part.numpy().tobytes() for _, part in parts)
    assert found == whole[first:last].tobytes()
    few = np.array([other, one, one])[: 3 if 1300 not in (one, other) else 0]
    views = made.views_of(labels[few], 100 + few, seed=4, name="d", kind="database")
    assert views.shape == (len(few), *task.shape) and (views.numpy() == whole[few]).all(), "in any order, or none"


def test_an_item_is_the_same_on_any_number_of_threads():
    made = mosaics(Task("warped", (1, 2), (180, 180), (0, 90)))
    before, views = torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        views.append(made.items([3, 40], 0, seed=0, name="d", kind="database"))
    torch.set_num_threads(before)
    assert torch.equal(*views)


@pytest.mark.parametrize("task", [NOISY, WARPED, Task("noisy", (1, 1), (4, 5)), Task("augmented", (1, 1), (4, 5))])
def test_views_lie_in_memory_row_by_row(task):
    """With strides of their own for a channel that is alone, too, by which torch chooses how a network is computed."""
    made = mosaics(task)
    for views in (
        made.items([1, 2], 0, seed=0, name="d", kind="database"),
        made.views([1, 2, 0], made.draw(DeviceSource.of(0, device=CPU), 3)),
    ):
        assert views.stride() == torch.empty(views.shape).stride()


def test_streams_never_meet():
    """Query i has not the noise of item i, as it had in the published code; nor has another database, seed or item."""
    made = mosaics(NOISY)
    sources = [(seed, name, kind) for seed in (0, 1) for name in ("d", "e", "database") for kind in KINDS]
    drawn = [made.draw(source(*of, range(500)), 500).normal for of in sources]
    assert len({row.numpy().tobytes() for noise in drawn for row in noise}) == len(sources) * 500
    labels = [5] * 10
    views = {kind: made.items(labels, 3, seed=0, name="d", kind=kind) for kind in KINDS}
    noise = torch.stack([(view - made.plain(labels)).flatten() for view in views.values()])
    assert noise.corrcoef().fill_diagonal_(0).abs().max() < 0.2


def test_a_device_draws_for_itself():
    made = mosaics(WARPED)
    first, second = (DeviceSource.of(3, "training", device=CPU) for _ in range(2))
    one, same = made.draw(first, 4000), made.draw(second, 4000)
    assert all(torch.equal(a, b) for a, b in zip(one, same))
    assert kstest(one.hue, "uniform", (-1 / 16, 1 / 8)).pvalue > 0.01
    assert chisquare(np.bincount(one.fields.ravel(), minlength=5)).pvalue > 0.01
    state = first.generator.get_state()
    after = made.draw(first, 3)
    second.generator.set_state(state)
    views = made.views([1, 2, 3], made.draw(second, 3))
    assert torch.equal(views, made.views([1, 2, 3], after)) and not torch.equal(after.hue, one.hue[:3])
    assert kstest(mosaics(NOISY).draw(first, 100).normal.ravel(), "norm").pvalue > 0.01


def test_without_noise_a_view_is_the_mosaic_drawn_out():
    """The published sampling grid reaches from border to border, but is read half a pixel further out."""
    still = Task("noisy", (2, 2), (4, 5), gaussian=0)
    made = mosaics(still)
    assert torch.equal(made.items([9, 10], 0, seed=0, name="d", kind="database"), made.plain([9, 10]))
    still = Task("warped", (1, 2), (8, 6), (0, 3), hue=0, lightness=0)
    none = np.zeros((1, *still.shape[1:]), np.int8)
    made = mosaics(still, perlin=PerlinFields(none, none))
    view, plain = made.items([9], 0, seed=0, name="d", kind="database")[0], made.plain([9])[0]
    assert not torch.equal(view, plain)
    flow = slow_flow(plain.numpy().transpose(1, 2, 0), np.zeros((2, 8, 9)), np.zeros((2, 8, 9)))
    assert_rounded_down(view, flow, 1e-3, 0.15)


def test_rounding_down_costs_at_most_a_level():
    """A float32 just below a whole number becomes the one below: no grey, but a third of other colours' values."""
    still = Task("warped", (1, 1), (2, 2), hue=0, lightness=0)
    greys = np.repeat(np.arange(256, dtype=np.uint8), 12).reshape(-1, 2, 2, 3)
    colours = np.repeat(np.random.default_rng(0).integers(0, 256, (5000, 1, 3), np.uint8), 4, 1).reshape(-1, 2, 2, 3)
    none = np.zeros((1, 2, 2), np.int8)
    for images, most in ((greys, 0.0), (colours, 0.35)):
        made = Mosaics(still, ArrayBank(images), PerlinFields(none, none))
        labels = np.arange(len(images))
        lost = made.plain(labels).int() - made.items(labels, 0, seed=0, name="d", kind="database").int()
        assert lost.min() >= 0 and lost.max() <= 1 and (lost > 0).float().mean() <= most


def test_the_flow_fades_only_if_it_should():
    strong = torch.full((1, 2, 8, 9), 127, dtype=torch.int8)
    picture = torch.arange(72.0).reshape(1, 1, 8, 9)
    tapered, free = (Flow(taper=taper).displace(picture, strong, strong) for taper in (True, False))
    assert tapered[0, 0, 0, 0] == 0 and tapered[0, 0, -1, -1] == 71
    assert free[0, 0, 0, 0] > 18  # 0.6 of half the width and height
    assert Flow(160, 320).weights(9)[1] < Flow().weights(9)[1]
    assert (
        Flow().displace(picture, strong, strong, torch.zeros(1)) == Flow().displace(picture, 0 * strong, strong * 0)
    ).all()


def test_a_bank_may_be_on_a_device():
    arrays = mosaics(WARPED)
    device = arrays.perlin.to(CPU)
    moved = mosaics(WARPED, bank=DeviceBank(uploaded(arrays.bank.images, CPU)), perlin=device)
    one, same = (made.items([1, 8], 0, seed=0, name="d", kind="negative") for made in (arrays, moved))
    assert isinstance(device.coarse, torch.Tensor) and torch.equal(one, same) and moved.label_count == 49


@pytest.fixture
def files(tmp_path):
    """A bank of 7 images a split, and a Perlin bank that fits mosaics of two of them."""
    settings = {"height": 8, "width": 9, "count": 4, "lattice": (2, 2), "amplitude": 127, "seed": 0, "name": "p"}
    write_perlin(tmp_path / "p.h5", **settings)
    rows = np.random.default_rng(0).integers(0, 256, (3, 7, 8, 6, 3), dtype=np.uint8)
    splits = {split: SplitImages(7, [part]) for split, part in zip(("train", "valid", "test"), rows)}
    with created(tmp_path / "b.h5") as file:
        checksum = banks._write_splits(file, splits, "bank b")
        write_attributes(file, {"name": "b", "source": "", "licence": "", "checksum": checksum})
    return tmp_path / "b.h5", tmp_path / "p.h5"


def test_splits_share_one_copy_of_the_fields(files, monkeypatch):
    """On a GPU, for which the CPU stands in here: the fields go there once, and first."""
    sent = []

    def sent_to(content, device):
        sent.append((content.shape, device.type))
        return uploaded(content, CPU)

    monkeypatch.setattr(flow, "uploaded", sent_to)
    monkeypatch.setattr(mosaics_module, "uploaded", sent_to)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    opened, gpu = {split: Bank.open(files[0], split) for split in ("train", "valid")}, torch.device("cuda")
    fields, images = ((4, 8, 9), "cuda"), ((7, 8, 6, 3), "cuda")
    one, all_fields = 7 * 8 * 6 * 3, 2 * 4 * 8 * 9
    for free, expected in (
        (10**9, [fields, fields, images, images]),
        (2 * (all_fields + one), [fields, fields, images]),
        (2 * all_fields, [fields, fields]),
        (2 * all_fields - 2, []),
        (2 * one - 2, [fields, fields]),
        (0, []),
    ):
        sent.clear()
        made = Mosaics.open_all(WARPED, opened, files[1], gpu)
        assert sent == expected and made["train"].perlin is made["valid"].perlin, free
        held = [isinstance(each.bank, DeviceBank) for each in made.values()]
        assert held == [expected.count(images) > n for n in range(2)]
        for split, each in made.items():
            images_of = each.bank.images.numpy() if isinstance(each.bank, DeviceBank) else each.bank.images
            assert (images_of == opened[split].images).all()
    monkeypatch.undo()
    on_a_cpu = Mosaics.open_all(WARPED, opened, files[1], CPU)
    assert on_a_cpu["train"].perlin is on_a_cpu["valid"].perlin and on_a_cpu["train"].bank is opened["train"]
    assert not torch.is_tensor(on_a_cpu["train"].perlin.coarse), "mapped"


def test_large_files_are_known_by_their_own_attributes(files, tmp_path):
    """So that no job reads gigabytes for its provenance; another content has another digest."""
    bank, fields = files
    with h5py.File(bank) as file:
        images = b"".join(file[f"{split}/images"][()].tobytes() for split in ("train", "valid", "test"))
    found = view_digests(Bank.open(bank, "valid"), fields)
    assert list(found) == [str(bank), str(fields)] and found[str(bank)] == hashlib.sha256(images).hexdigest()
    assert list(view_digests(Bank.open(bank, "test"), None)) == [str(bank)]
    settings = {"height": 8, "width": 9, "count": 4, "lattice": (2, 2), "amplitude": 127, "seed": 0, "name": "p"}
    digests = [found[str(fields)]]
    for changed in (
        {},
        *({name: 3} for name in ("height", "width", "count", "amplitude", "seed")),
        {"lattice": (1, 2)},
    ):
        write_perlin(tmp_path / "other.h5", **settings | changed)
        digests.append(view_digests(Bank.open(bank, "test"), tmp_path / "other.h5")[str(tmp_path / "other.h5")])
    assert digests[0] == digests[1] and len(set(digests)) == 7


def test_a_gpu_keeps_room_for_activations():
    gb = 2**30
    assert fitting(48 * gb, [6 * gb, 10 * gb, 10 * gb]) == [True] * 3, "8 GB are left"
    assert fitting(24 * gb, [6 * gb, 10 * gb, 10 * gb]) == [True, True, False]
    assert fitting(12 * gb, [6 * gb, 10 * gb, 1]) == [True, False, False], "half of a small one is left"
    assert fitting(12 * gb, [7 * gb, 5 * gb]) == [False, True] and fitting(0, [1, 0]) == [False, True]


def test_a_file_goes_to_a_device_without_a_copy_of_the_whole_in_memory(tmp_path, monkeypatch, recwarn):
    whole = np.random.default_rng(0).integers(-128, 128, (400, 100, 100), dtype=np.int8)
    whole.tofile(tmp_path / "fields")
    mapped = np.memmap(tmp_path / "fields", np.int8, "r", shape=whole.shape)
    monkeypatch.setattr(flow, "_SLICE", 2**17)
    tracemalloc.start()
    held = PerlinFields(mapped, mapped).to(CPU)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held.coarse.dtype == torch.int8 and (held.fine.numpy() == whole).all() and held.nbytes == 8_000_000
    assert peak < 3 * 2**17 and not recwarn.list, "torch warns of arrays that cannot be written to"


def test_tables_of_an_axis_are_made_once(monkeypatch):
    """And serve in inference mode and outside it, whichever comes first."""
    seen = []
    monkeypatch.setattr(Flow, "weights", lambda self, size: seen.append(size) or np.ones(size))
    strength = Flow(311, 622)
    picture, field = torch.rand(1, 1, 5, 6), torch.zeros(1, 2, 5, 6, dtype=torch.int8)
    with torch.inference_mode():
        first = strength.displace(picture, field, field)
    for _ in range(3):
        assert torch.equal(strength.displace(picture, field, field), first)
    assert sorted(seen) == [5, 5, 6, 6]
    assert strength.displace(picture.requires_grad_(), field, field).requires_grad


def test_fields_are_read_from_a_file(tmp_path):
    write_perlin(tmp_path / "p.h5", height=8, width=9, count=4, lattice=(2, 2), amplitude=127, seed=0, name="p")
    opened = PerlinFields.open(tmp_path / "p.h5")
    assert opened.size == (8, 9) and len(opened) == 4
    assert (opened.to(CPU).to(CPU).fine.numpy() == opened.fine).all()
    assert mosaics(WARPED, perlin=opened).items([1], 0, seed=0, name="d", kind="pair_a1").shape == (1, 3, 8, 9)


def test_contact_sheet_starts_with_the_mosaic():
    made = mosaics(WARPED)
    sheet = contact_sheet(made, [4, 9], 3, seed=0)
    assert sheet.shape == (2, 4, 8, 9, 3) and sheet.dtype == np.uint8
    assert (sheet[:, 0].transpose(0, 3, 1, 2) == made.plain([4, 9]).numpy()).all()
    assert len({view.tobytes() for row in sheet for view in row}) == 8
    assert contact_sheet(mosaics(NOISY), [4], 2, seed=0).shape == (1, 3, 8, 10)
    shown = plot_contact_sheet(sheet, "title", ["4", "9"]).axes[0].images[0].get_array()
    assert (
        shown.shape == (17, 39, 3) and (shown[8] == 1).all()
    )  # a white line between rows of 8 pixels, as between columns
    assert (shown[9:, 30:] == sheet[1, 3] / np.float32(255)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mosaics(NOISY).plain([7**4]), "label 2401: 7 images in a grid of 2 x 2 make the labels 0 to 2400"),
        (lambda: mosaics(NOISY).plain([0, -1]), "label -1: 7 images"),
        (
            lambda: mosaics(NOISY, bank=bank(WARPED)).plain([0]),
            "bank: its images are uint8 8x6x3; noisy mosaics need uint8 4x5",
        ),
        (
            lambda: mosaics(WARPED, bank=bank(Task("noisy", (1, 2), (8, 6)))).plain([0]),
            "8x6; warped mosaics need uint8 8x6x3",
        ),
        (lambda: mosaics(WARPED, perlin=None), "warped views need a Perlin bank of 8x9 fields"),
        (lambda: mosaics(WARPED, perlin=perlin(9, 8)), "Perlin bank: its fields are 9x8; expected 8x9"),
        (lambda: PerlinFields(np.zeros((0, 8, 9), np.int8), np.zeros((0, 8, 9), np.int8)), "it has 0 fields"),
        (lambda: PerlinFields(np.zeros((1, 8, 9), np.int8), np.zeros((2, 8, 9), np.int8)), "expected one"),
        (lambda: PerlinFields(np.zeros((1, 8, 9)), np.zeros((1, 8, 9), np.int8)), "coarse is float64 and fine int8"),
        (
            lambda: mosaics(NOISY).items([1], 0, seed=0, name="d", kind="positives"),
            "d: unknown kind of view 'positives'; did you mean 'positive'",
        ),
        (
            lambda: plot_contact_sheet(np.zeros((2, 3, 8, 9, 4)), "t"),
            r"views \(2, 3, 8, 9, 4\); expected \(labels, views, H, W\)",
        ),
        (lambda: plot_contact_sheet(np.zeros((2, 3, 8, 9)), "t", ["1"]), "2 rows with 1 labels"),
        (lambda: NOISY.label_count(70_000), "70000\\^4 labels do not fit 64 bits"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
