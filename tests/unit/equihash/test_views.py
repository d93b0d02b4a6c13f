"""Random numbers by position and views in one pass: the same bits compiled for a CPU, for a GPU, and in plain torch."""

import importlib
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rehash.equihash.images import noise, views, views_on_cpu
from rehash.equihash.images.flow import Flow, PerlinFields
from rehash.equihash.images.mosaics import CPU
from rehash.equihash.images.noise import PositionSource, item_draws, normals_of, words_by_torch
from rehash.equihash.images.task import Task
from rehash.philox import key_of, normals_at, quantiles, words_at
from slow_mosaics import NATURAL, NOISY, WARPED, mosaics

GPU_MODULE = "rehash.equihash.images.views_on_gpu"


def test_words_of_torch_are_those_of_numpy():
    """At a million random counters, and those at the ends of 32 and 63 bits."""
    chance = np.random.default_rng(0)
    ends = [0, 1, 2**32 - 1, 2**32, 2**63 - 1]
    for first, key in product((0, 3, 4, 1_000_001), (0, 2**64 - 1, int(chance.integers(2**63)))):
        items = np.append(chance.integers(2**63, size=30_000), ends)
        found = words_by_torch(torch.from_numpy(items), first, 9, key)
        assert found.shape == (30_005, 9) and (found.numpy() == words_at(items, first, 9, key)).all()


def test_normals_of_torch_are_those_of_numpy():
    items = np.arange(5, 50)
    for first, count in ((0, 80), (4, 1), (8, 83)):
        found = normals_of(words_by_torch(torch.from_numpy(items), first, -(-count // 2), 7), count)
        assert found.dtype == torch.float32 and (found.numpy() == normals_at(items, first, count, 7)).all()


def test_numbers_are_those_of_their_words():
    """In the exact arithmetic of Python's whole numbers; each call goes on where the last one ended."""
    items, key = np.array([3, 2**40, 0]), key_of(5, "equihash", "views", "d", "pair_b2")
    drawn = PositionSource.of(5, "d", "pair_b2", items, CPU)
    belows = (1, 5, 2**16, 2**16 + 1, 2**33 + 7, noise.CHOICES)
    found = [drawn.uniform(3), *(drawn.integers(below, 3, 2) for below in belows), drawn.normal(3, 1, 3, 3)]
    found += [drawn.normal(3, 2), drawn.uniform(3)]
    assert [each.dtype for each in found[:2]] == [torch.float32, torch.int64]
    for row, words in enumerate(words_at(items, 0, 40, key).tolist()):
        assert found[0][row].item() == (words[0] >> 8) / 2**24
        at = 1
        for below, integers in zip(belows, found[1:]):
            for number in integers[row].tolist():
                used = 1 if below <= 2**16 else 2
                fraction = int("".join(f"{word:032b}" for word in words[at : at + used]), 2)
                assert number == fraction * below >> 32 * used
                at += used
        halves = [half for word in words for half in (word & 0xFFFF, word >> 16)]
        assert at == 19 and (found[7][row].ravel().numpy() == quantiles()[halves[40:49]]).all()
        assert (found[8][row].numpy() == quantiles()[halves[56:58]]).all()
        assert found[9][row].item() == (words[29] >> 8) / 2**24


def test_any_items_are_drawn_alone():
    for task in (NOISY, WARPED, replace(NATURAL, saturation=0.3), Task("augmented", (1, 1), (5, 7))):
        made = mosaics(task)
        items = np.array([700, 2, 2**35])
        parts = (items, *np.split(items, 3))
        of = [item_draws(partial(made.draw, n=len(part)), 1, "d", "negative", part, CPU) for part in parts]
        for together, *alone in zip(*of):
            assert torch.equal(together, torch.cat(alone))


def some_task(chance: np.random.Generator) -> Task:
    grid, picture = chance.integers(1, 4, 2).tolist(), chance.integers(1, 13, 2).tolist()
    flow = Flow(
        *chance.uniform(30, 700, 2).tolist(),
        taper=bool(chance.integers(2)),
        strength=[None, 0.0, 2.0][chance.integers(3)],
        fade=[None, (6, 8), (0, 70)][chance.integers(3)],
    )
    changes = {"hue": [0, 1 / 16, 3.7], "lightness": [0, 0.2, 1], "saturation": [0, 0.3, 1]}
    changes = {name: values[chance.integers(3)] for name, values in changes.items()}
    overlap = [int(chance.integers(size // 2 + 1)) for size in picture]
    kind = ("warped", "natural")[chance.integers(2)]
    return Task(kind, tuple(grid), tuple(picture), tuple(overlap), flow=flow, **changes)


def some_images(chance: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """At random, black, white, greys, pure colours, and one colour each."""
    anything, pure = chance.integers(0, 256, (3, *shape), np.uint8), 255 * chance.integers(0, 2, (3, *shape))
    plain = [np.full(shape, level) for level in (0, 255, 77)]
    greys = anything[:, :, :, :1].repeat(3, -1)
    colours = np.broadcast_to(chance.integers(0, 256, (3, 1, 1, 3)), (3, *shape))
    return np.concatenate([anything, pure, plain, greys, colours]).astype(np.uint8)


def ingredients(task: Task, count: int, chance: np.random.Generator) -> tuple:
    images = some_images(chance, task.picture_shape)
    numbers = chance.integers(len(images), size=(count, *task.grid))
    numbers[: len(images)] = np.arange(len(images))[:count, None, None]
    fields = PerlinFields(*chance.integers(-128, 128, (2, 4, *task.shape[1:]), np.int8))
    draws = task.draw(PositionSource.of(int(chance.integers(99)), "v", "database", np.arange(count), CPU), count, 4)
    return task, images, numbers, fields, draws


def test_views_of_a_cpu_are_those_of_plain_torch():
    """Bit for bit: 10,240 of 64 tasks, and some at the published sizes."""
    chance = np.random.default_rng(0)
    photos = Task("warped", (1, 2), (180, 180), (0, 90))
    tasks = [(some_task(chance), 160) for _ in range(64)] + [(photos, 6), (replace(photos, grid=(2, 1)), 2)]
    for task, count in [*tasks, (replace(NATURAL, picture=(180, 180), overlap=(0, 90)), 4)]:
        given = ingredients(task, count, chance)
        found, expected = views_on_cpu.warped(*given), views.warped(*given)
        assert found.dtype == torch.uint8 and torch.equal(found, expected), (task, (found != expected).sum())


def test_images_and_fields_that_are_not_there_are_not_read():
    task, images, numbers, fields, draws = ingredients(WARPED, 5, np.random.default_rng(1))
    for wrong in (-1, len(images)):
        with pytest.raises(IndexError, match=f"were asked for; expected 0 to {len(images) - 1}"):
            views_on_cpu.warped(task, images, np.full_like(numbers, wrong), fields, draws)
    with pytest.raises(IndexError, match="expected 0 to 3"):
        views_on_cpu.warped(task, images, numbers, fields, draws._replace(fields=draws.fields + 4))


TRITON = """
import torch
from dataclasses import replace
from rehash.equihash.images import views, views_on_gpu
from rehash.equihash.images.flow import Flow
from rehash.equihash.images.noise import words_by_torch
from rehash.equihash.images.task import Task
from slow_mosaics import NATURAL, WARPED

torch.set_num_threads(1)
items = torch.arange(2**32 - 300, 2**32 + 300)
for first, count, key in ((0, 8, 2**64 - 1), (3, 9, 5), (5, 1, 2**40), (4, 0, 1)):
    assert torch.equal(views_on_gpu.words(items, first, count, key), words_by_torch(items, first, count, key))
flow = Flow(100, 300, taper=False, fade=(6, 8))
for task in (
    WARPED,
    replace(NATURAL, saturation=0.7),
    Task("warped", (2, 2), (9, 8), (2, 4), flow=flow),
    Task("warped", (3, 1), (7, 30), (3, 0)),
    Task("warped", (1, 1), (1, 1)),
):
    given = views._few(task, torch.device("cpu"))
    assert torch.equal(views_on_gpu.warped(*given), views.warped(*given)), task
    host = (given[1].numpy(), given[2], *given[3:])  # as images that do not fit a GPU
    assert torch.equal(views_on_gpu.warped(given[0], *host), views.warped(*given)), task
print("equal")
"""


def test_views_of_a_gpu_are_those_of_plain_torch():
    """As far as Triton's interpreter, which needs no GPU, tells; on a GPU: tests/gpu."""
    pytest.importorskip("triton")
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    found = subprocess.run([sys.executable, "-c", TRITON], env=environment, capture_output=True, text=True)
    assert found.stdout == "equal\n", found.stderr


@pytest.mark.long
@pytest.mark.parametrize("capability", [75, 80, 90])
def test_a_gpus_views_have_no_fused_operations(capability):
    """Nor an approximate division, in the machine code's text, whatever a view has of overlaps and fades."""
    triton, gpu = pytest.importorskip("triton"), importlib.import_module(GPU_MODULE)
    source, target = importlib.import_module("triton.compiler"), importlib.import_module("triton.backends.compiler")
    kinds = {"images": "*u8", "coarse": "*i8", "fine": "*i8", "views": "*u8"}
    kinds |= dict.fromkeys(("numbers", "in_coarse", "in_fine"), "*i64")
    kinds |= dict.fromkeys(("weights_x", "weights_y", "tables_x", "tables_y", "fade", "noise"), "*fp32")
    kinds |= dict.fromkeys(("rows", "columns", "height", "width", "tall", "wide"), "i32")
    for shared, fades in (((90, 0), False), ((3, 4), True)):
        fixed = {"SHARED_X": shared[0], "SHARED_Y": shared[1], "FADES": fades, "LANES": 256}
        signature = {name: kinds.get(name, "constexpr") for name in gpu._views.arg_names}
        made = triton.compile(
            source.ASTSource(gpu._views, signature, fixed),
            target=target.GPUTarget("cuda", capability, 32),
            options={"enable_fp_fusion": False},
        )
        text = made.asm["ptx"]
        assert "fma." not in text and "div.full" not in text and "div.approx" not in text
        assert text.count("div.rn.f32") == 16 and not re.search(r"(mul|add|sub)\.f32", text), "two a tap and pixel"


def test_what_a_gpu_cannot_compile_is_made_by_torch(monkeypatch, caplog):
    """And what it computes otherwise, which is found out before it is used; the log says why."""
    caplog.set_level(logging.WARNING)
    makers = (
        ("warped", views._on_a_gpu.__wrapped__, (WARPED, CPU), views.warped),
        ("words", noise._compiled_words.__wrapped__, (CPU,), words_by_torch),
    )

    def fails(*given):
        raise RuntimeError("no compiler")

    def found(module: object, choose, given: tuple) -> object:
        caplog.clear()
        package = sys.modules[GPU_MODULE.rpartition(".")[0]]
        monkeypatch.setitem(sys.modules, GPU_MODULE, module)
        monkeypatch.setattr(package, "views_on_gpu", module, raising=False)
        if module is None:
            monkeypatch.delattr(package, "views_on_gpu")
        return choose(*given)

    for name, choose, given, plain in makers:
        for module, why in (
            (None, "ModuleNotFoundError"),
            (SimpleNamespace(**{name: fails}), "RuntimeError: no compiler"),
            (SimpleNamespace(**{name: lambda *given, plain=plain: plain(*given) ^ 1}), "were not those of torch"),
        ):
            assert found(module, choose, given) is plain and why in caplog.text
        same = SimpleNamespace(**{name: lambda *given, plain=plain: plain(*given)})
        assert found(same, choose, given) is getattr(same, name) and not caplog.text
