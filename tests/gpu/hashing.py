"""Checks of the learned equihash functions: networks, views, encoding, tuple entropies, shards; and a long training."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
import time
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from material import NETWORKS, compute, published, shown_to, task_files, train_shortly, training_of
from runner import Options, verdict

from rehash.bits import unpack
from rehash.equihash.databases.labels import Database
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics
from rehash.equihash.images.task import Task
from rehash.equihash.index.encode import Shown, encode_shard
from rehash.equihash.index.fingerprints import GROUPS, Shard
from rehash.equihash.learning.train import train_hash
from rehash.equihash.plan import task_settings
from rehash.job import Saving, discard_state
from rehash.seeds import stream
from rehash.store import read_csv, write_bytes, write_csv
from rehash.tensors import pack_tensors, read_tensors
from rehash.training import set_reproducible
from rehash.tuple_entropy.entropy import tuple_entropy
from rehash.tuple_entropy.tuples import Tuples
from small_index import draw_shards, merge

# In which this library can encode; only the first where it takes none.
PRECISIONS = ("float32", "tf32", "bfloat16")[: 3 if "precision" in signature(Shown).parameters else 1]
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
    """Compare the views that the device makes with the CPU's: noisy ones, and warped ones, whose pixels are whole."""
    found = {}
    for task, count in (("mnist", 1024), (shown_to(options, "resnet18"), 256)):
        count = 8 if options.small else count
        images, fields, about = task_files(options, task)
        bank, of = Bank.open(images, "test"), Task.of(task_settings(published(), task))
        labels = stream(0, "views").integers(of.label_count(len(bank)), size=count)
        seen = []
        for device in ("cpu", options.device):
            mosaics = Mosaics.open(of, bank, fields, torch.device(device))
            seen.append(mosaics.items(labels, 0, seed=0, name=task, kind="database").cpu().float())
        apart = (seen[0] - seen[1]).abs()
        found[of.kind] = {
            "task": task,
            "views": count,
            "share_differing": (apart > 0).double().mean().item(),
            "share_beyond_one_level": (apart > (1 if of.kind == "warped" else 1 / 255)).double().mean().item(),
            "largest_difference": apart.max().item(),
            "views_of": about,
        }
    good = found["noisy"]["largest_difference"] <= 1e-5 and found["warped"]["share_differing"] <= 0.01
    return {"status": verdict(good), "kinds": found}


def encoding(options: Options) -> dict[str, Any]:
    """Encode 20,480 views of photos at each precision, and tell the share of bits that differ from float32's."""
    views, task = 64 if options.small else 20_480, shown_to(options, "resnet18")
    weights = _start(options, "resnet18")
    found, exact = {}, None
    for precision in PRECISIONS:
        how = {} if precision == "float32" else {"precision": precision}
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
    labels = draw_shards(Database(0, "gpu", items, count), folder, shards)
    paths, seconds = [folder / f"{path.stem}.codes.h5" for path in labels], 0.0
    for drawn, path in zip(labels, paths):
        shown = Shown(settings, "test", 0, **how)
        notes = encode_shard(weights, images, fields, drawn, path, shown, compute(options), Saving())
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
