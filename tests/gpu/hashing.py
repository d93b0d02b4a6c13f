"""Checks of the learned equihash functions: networks, views, encoding, tuple entropies, shards; and a long training."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from material import NETWORKS, compute, published, shown_to, task_files, train_shortly, training_of
from runner import Options, verdict

from rehash.bits import pack, unpack
from rehash.captured import Captured
from rehash.equihash.databases.labels import Database
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.layout import image_numbers
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.noise import BLOCK, item_draws, words_by_torch, words_on
from rehash.equihash.images.task import FLOWS, Task
from rehash.equihash.images.views import warped, warped_on
from rehash.equihash.index.encode import Encoder, Shown, encode_shard
from rehash.equihash.index.fingerprints import GROUPS, Shard
from rehash.equihash.index.hashing import Hasher
from rehash.equihash.learning.precision import PRECISIONS
from rehash.equihash.learning.train import train_hash
from rehash.equihash.plan import task_settings
from rehash.job import Saving, discard_state
from rehash.philox import words_at
from rehash.seeds import stream
from rehash.store import read_csv, write_bytes, write_csv
from rehash.tensors import pack_tensors, read_tensors
from rehash.training import set_reproducible
from rehash.tuple_entropy.entropy import tuple_entropy
from rehash.tuple_entropy.tuples import Tuples
from small_index import describe, merge

_LAST_WORDS = 20.0  # seconds that a training has to save its state and to write its curves


def networks(options: Options) -> dict[str, Any]:
    """Train each network for 20 steps, twice; its weights have to be equal byte by byte."""
    schedule = {"steps": 20, "micro_batches": 4, "pairs": 32, "evaluate_every": 20, "evaluation_pairs": 64}
    if options.small:
        schedule |= {"steps": 2, "micro_batches": 1, "pairs": 8, "evaluation_pairs": 8}
    found = {}
    for network in NETWORKS:
        weights, seconds = [], []
        for turn in (1, 2):
            path, begun = options.scratch / f"{network} {turn}.safetensors", time.monotonic()
            train_shortly(options, network, path, **schedule)
            seconds.append(round(time.monotonic() - begun, 2))
            weights.append(torch.cat([tensor.double().flatten() for tensor in read_tensors(path)[0].values()]))
        apart = (weights[0] - weights[1]).abs()
        found[network] = {
            "equal": not apart.any().item(),
            "share_differing": (apart > 0).double().mean().item(),
            "largest_difference": apart.max().item(),
            "seconds": seconds,
            "views_of": task_files(options, shown_to(options, network))[2],
        }
    return {"status": verdict(all(numbers["equal"] for numbers in found.values())), "networks": found}


def views(options: Options) -> dict[str, Any]:
    """Compare random words and views that the device makes with the CPU's; all have to be equal to the bit.

    On a GPU, those that Triton compiled, which have to be in use, and those of plain torch operations.
    """
    device, key = torch.device(options.device), 2**63 + 9
    items = stream(0, "views", "words").integers(2**63, size=2000 if options.small else 1_000_000)
    numbers, words = torch.from_numpy(items).to(device), torch.from_numpy(words_at(items, 4, 4, key).astype(np.int64))
    makers = {
        "words_differing": words_on,
        "words_of_torch_differing": lambda *given: words_by_torch(numbers, *given[1:4]),
    }
    found: dict[str, Any] = {name: _differing(make(items, 4, 4, key, device), words) for name, make in makers.items()}
    equal, kinds, photos = not any(found.values()), {}, shown_to(options, "resnet18")
    for kind, task, count in (("noisy", "mnist", 1024), ("warped", photos, 256), ("natural", photos, 256)):
        images, fields, about = task_files(options, task)
        bank, of = Bank.open(images, "test"), Task.of(task_settings(published(), task))
        if kind == "natural":
            of = replace(of, kind=kind, flow=FLOWS[kind], saturation=0.3)
        labels = stream(0, "views").integers(of.label_count(len(bank)), size=8 if options.small else count)
        there, here = (Mosaics.open(of, bank, fields, on) for on in (device, torch.device("cpu")))
        names = {"seed": 0, "name": task, "kind": "database"}
        expected = here.items(labels, 0, **names)
        numbers = {"share_differing": _differing(there.items(labels, 0, **names), expected)}
        if kind != "noisy":
            draws = item_draws(partial(there.draw, n=len(labels)), **names, items=np.arange(len(labels)), device=device)
            shown = image_numbers(labels, len(bank), of.images).reshape(-1, *of.grid)
            given = of, there.bank.images, shown, there.perlin, draws
            numbers["of_torch_share_differing"] = _differing(warped(*given), expected)
        equal &= not any(numbers.values())
        if kind != "noisy":
            make = warped_on(of, device)
            equal &= make is not warped
            numbers["microseconds_a_view"] = round(1e6 * _seconds(make, given, device) / len(labels), 2)
        kinds[kind] = {"task": task, "views": len(labels), **numbers, "views_of": about}
    return {"status": verdict(equal), **found, "kinds": kinds}


def _seconds(make: Callable[..., Any], given: tuple[Any, ...], device: torch.device) -> float:
    """Return how long a device takes for a call, the mean of some calls after a first one."""
    times, begun = 10, 0.0
    for turn in range(times + 1):
        if turn == 1:
            if device.type == "cuda":
                torch.cuda.synchronize()
            begun = time.perf_counter()
        make(*given)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begun) / times


def _differing(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the share of values of two tensors that differ."""
    return (one.cpu() != other.cpu()).double().mean().item()


def encoding(options: Options) -> dict[str, Any]:
    """Encode 20,480 views of photos at each precision, and tell the share of bits that differ from float32's."""
    views, task = 64 if options.small else 20_480, shown_to(options, "resnet18")
    weights = _start(options, "resnet18")
    found, exact = {}, None
    for precision in PRECISIONS:
        how = {"precision": precision}
        # The first views take longer, since libraries are loaded and kernels are chosen.
        _encode(options, task, weights, f"warm {precision}", views // 16, **how)
        if options.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        (shard,), seconds = _encode(options, task, weights, precision, views, **how)
        bits = _bits(shard)
        exact = bits if exact is None else exact
        found[precision] = {
            "microseconds_a_view": round(1e6 * seconds / views, 2),
            "share_of_bits_unlike_float32": float((bits != exact).mean()),
        }
        if options.device == "cuda":
            found[precision]["peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return {
        "status": verdict(True),
        "views": views,
        "views_of": task_files(options, task)[2],
        "shape": list(Task.of(task_settings(published(), task)).shape),
        "precisions": found,
    }


def blocks(options: Options) -> dict[str, Any]:
    """Hash blocks of photos in captured graphs and eagerly, at each precision, and tell how long a view takes.

    Codes and logits have to be equal to the bit, also in blocks that are cut, and codes have to be the signs of the
    logits as a CPU packs them. The time is that of whole blocks once the first is done: views are made, the network is
    run, and codes come back. `of_it_the_network` is the replay of the graph alone, `eagerly` the same without one.
    """
    network = "small_photo_cnn" if options.small else "resnet18"
    task, weights = shown_to(options, network), _start(options, network)
    images, fields, about = task_files(options, task)
    settings, whole = task_settings(published(), task), 2 if options.small else 40
    found, good = {}, True
    for precision in PRECISIONS:
        shown = Shown(settings, "test", 0, precision)
        encoder = Encoder.open(weights, images, fields, shown, compute(options))
        mosaics = encoder.mosaics
        labels = stream(0, "blocks").integers(mosaics.label_count, size=whole * BLOCK)
        names = {"seed": 0, "name": "gpu", "kind": "database"}
        graph, eager = (Hasher(encoder.network, mosaics, graph=graph) for graph in (True, False))
        equal = True
        for start, stop in ((100, BLOCK + 300), (0, 2 * BLOCK)):  # of two blocks each
            one, other = ([*each.blocks(labels[start:stop], start, kept=stop, **names)] for each in (graph, eager))
            for a, b in zip(one, other, strict=True):
                equal &= np.array_equal(a.logits, b.logits) and np.array_equal(a.codes, b.codes)
                equal &= np.array_equal(a.codes, pack(a.logits > 0)) and bool(a.numbers.all())
        on_a_gpu = options.device == "cuda"
        captured = isinstance(graph._hash, Captured)
        good &= equal and captured == on_a_gpu
        found[precision] = {"equal": equal, "captured": captured, "microseconds_a_view": {}}
        told = found[precision]["microseconds_a_view"]
        told["all"] = _microseconds(graph, labels, names)
        views = next(mosaics.batches(labels[:BLOCK], 0, **names))[1]
        for name, hasher in (("of_it_the_network", graph), ("eagerly", eager)):
            told[name] = _microseconds_of_the_network(hasher, views, 1 if options.small else 20)
        found[precision] |= {"views_a_second": round(1e6 / told["all"]), "hours_for_1e9": round(told["all"] / 3.6, 1)}
    shape = list(Task.of(settings).shape)
    return {"status": verdict(good), "views_of": about, "shape": shape, "precisions": found}


def _microseconds(hasher: Hasher, labels: np.ndarray, names: dict[str, Any]) -> float:
    """Return the time that a view takes in whole blocks, from the results of the first one to those of the last."""
    results = hasher.blocks(labels, 0, **names)
    next(results)
    begun = time.monotonic()
    count = sum(len(each.codes) for each in results)
    return round(1e6 * (time.monotonic() - begun) / count, 2)


def _microseconds_of_the_network(hasher: Hasher, views: torch.Tensor, turns: int) -> float:
    """Return the time that a view of a whole block takes from the views on."""
    with torch.inference_mode():
        for turn in range(turns + 1):
            if turn == 1:
                _wait(views)
                begun = time.monotonic()
            for rows in views.split(hasher._rows):
                hasher._hash(rows)
        _wait(views)
    return round(1e6 * (time.monotonic() - begun) / (turns * len(views)), 2)


def _wait(tensor: torch.Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize()


def shards(options: Options) -> dict[str, Any]:
    """Encode a database in 1, 2 and 3 shards; the merged fingerprints have to be equal byte by byte."""
    found = {}
    for network, items in (("mosaic_cnn", 20_000), ("resnet18", 3000))[: 1 if options.small else 2]:
        items = 200 if options.small else items
        weights, task, merged = _start(options, network), shown_to(options, network), []
        for count in (1, 2, 3):
            paths, _ = _encode(options, task, weights, f"{network} in {count}", items, count)
            folder = paths[0].parent
            merged.append(merge(folder, paths, 1)[0].read_bytes())
        found[network] = {"items": items, "equal": merged[0] == merged[1] == merged[2]}
    return {"status": verdict(all(numbers["equal"] for numbers in found.values())), "networks": found}


def _start(options: Options, network: str) -> Path:
    """Return the weights of a network before training, whose BatchNorm has seen some views."""
    weights = options.scratch / f"{network} untrained.safetensors"
    if not weights.exists():
        schedule = {"steps": 3, "micro_batches": 8, "pairs": 32, "evaluate_every": 3, "evaluation_pairs": 64}
        if options.small:
            schedule |= {"steps": 2, "micro_batches": 2, "pairs": 8, "evaluation_pairs": 8}
        train_shortly(options, network, weights, variant="untrained", **schedule)
    return weights


def _encode(
    options: Options, task: str, weights: Path, name: str, items: int, shards: int = 1, **how: Any
) -> tuple[list[Path], float]:
    """Encode a database of random labels; return its shards and the seconds that the views took."""
    images, fields, _ = task_files(options, task)
    settings, folder = task_settings(published(), task), options.scratch / f"{task} {weights.stem} {name}"
    folder.mkdir()
    count = Task.of(settings).label_count(len(Bank.open(images, "test")))
    labels = describe(Database(0, "gpu", items, count), folder)
    paths, seconds = [folder / f"{shard}.codes.h5" for shard in range(shards)], 0.0
    for shard, path in enumerate(paths):
        shown, part = Shown(settings, "test", 0, **how), {"shard": shard, "shards": shards}
        notes = encode_shard(weights, images, fields, labels, path, shown, compute(options), Saving(), **part)
        seconds += notes["training_seconds"]
        discard_state(path)
    return paths, seconds


def _bits(path: Path) -> np.ndarray:
    """Return the fingerprints of a shard in the order of its items, bool (n, bits)."""
    shard = Shard.open(path)
    count, origin = shard.stop - shard.start, shard.origin
    codes, ids = np.empty((count, origin.width), np.uint8), np.empty(count, origin.id_dtype)
    shard.read(range(GROUPS), codes, ids)
    return unpack(codes[np.argsort(ids)], origin.bits)


def entropies(options: Options) -> dict[str, Any]:
    """Compute the entropies of all pairs, triples and 4-tuples of 64 bits over 4,096 rows, with their gradient.

    Equal logits have to give equal bytes, and the CPU has to agree.
    """
    set_reproducible(options.threads)
    rows, bits = (64, 16) if options.small else (4096, 64)
    logits = torch.from_numpy(stream(0, "entropies").normal(0, 3, (rows, bits)).astype(np.float32))
    found, good = {}, True
    for size, name in ((2, "pairs"), (3, "triples"), (4, "4-tuples")):
        tuples = Tuples.all(bits, size)
        seconds, value, gradient, equal = _twice(logits.to(options.device), tuples)
        cpu_seconds, value_there, gradient_there, _ = _twice(logits, tuples)
        apart = (gradient - gradient_there).abs().max() / gradient_there.abs().max()
        good &= equal and math.isclose(value, value_there, rel_tol=1e-6) and apart.item() <= 1e-6
        found[name] = {
            "tuples": len(tuples),
            "milliseconds": round(1e3 * seconds, 2),
            "milliseconds_of_the_cpu": round(1e3 * cpu_seconds, 2),
            "equal_bytes": equal,
            "value_to_cpu": abs(value / value_there - 1),
            "gradient_to_cpu": apart.item(),
        }
    return {"status": verdict(good), "rows": rows, "sizes": found}


def _twice(logits: torch.Tensor, tuples: Tuples) -> tuple[float, float, torch.Tensor, bool]:
    """Return the seconds of a second time, value and gradient of the entropies' sum, and whether both times agree."""
    values, gradients = [], []
    for _ in range(2):
        logits = logits.detach().clone().requires_grad_()
        if logits.is_cuda:
            torch.cuda.synchronize()
        begun = time.perf_counter()
        value = tuple_entropy(logits, tuples)
        value.backward()
        values.append(value.item())
        gradients.append(logits.grad.cpu())  # both wait for the device
        seconds = time.perf_counter() - begun
    return seconds, values[0], gradients[0], values[0] == values[1] and torch.equal(*gradients)


def train(options: Options, model: str) -> dict[str, Any]:
    """Train a model of the published scale on mosaics of digits until the time is over, from a saved state if any."""
    weights = options.out / f"{model}.safetensors"
    small = {"micro_batches": 1, "pairs": 8, "evaluate_every": 40, "evaluation_pairs": 20} if options.small else {}
    training = training_of("mnist", model, "mnist", **small)
    images, _, about = task_files(options, "mnist")
    curves = {kind: options.scratch / f"{model}.{kind}.csv" for kind in ("training", "losses")}
    # The library saves the state on this signal; before and after its loop the signal ends this process as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    enough = max(options.seconds - _LAST_WORDS, 0.6 * options.seconds)
    alarm = threading.Timer(enough, os.kill, (os.getpid(), signal.SIGTERM))
    alarm.daemon = True
    alarm.start()
    with contextlib.suppress(SystemExit):
        train_hash(images, None, weights, *curves.values(), training, compute(options), Saving())
    alarm.cancel()
    states = options.out.glob(f".{weights.name}.*.state")
    tensors, header = read_tensors(max(states, key=lambda path: path.stat().st_mtime))  # others are of other devices
    values = header["values"]
    finished = values["finished_steps"] == training.schedule["steps"]
    if finished:
        discard_state(weights)
    else:
        kept = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        identity = {**vars(training), "shape": list(Task.of(training.task).shape), "steps": values["finished_steps"]}
        write_bytes(pack_tensors(kept, identity), weights)
    for kind, rows in (("training", values["history"]), ("losses", values["losses"])):
        _keep_curves(options.out / f"{kind}.csv", pd.DataFrame(rows).assign(**training.keys, seed=training.seed), model)
    last = next((row for row in values["history"][::-1] if row["split"] == "valid"), {})
    measured = ("recall_at_0", "precision_at_0", "entropy_worst_3")
    return {
        "status": verdict(True),
        "finished": finished,
        "steps": values["finished_steps"],
        "training_seconds": round(header["seconds"], 1),
        "views_of": about,
        **{name: round(last[name], 4) for name in measured if np.isfinite(last.get(name, np.nan))},
    }


def _keep_curves(path: Path, rows: pd.DataFrame, model: str) -> None:
    """Put the rows of a model in place of those that a table had of it."""
    if path.exists():
        others = read_csv(path)
        rows = pd.concat([others[others.model != model], rows], ignore_index=True)
    write_csv(rows, path)
