"""Checks of the hash encoders: captured CUDA graphs, and the published studies on MNIST."""

from __future__ import annotations

import fcntl
import time
import traceback
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import pandas as pd
import torch
from material import compute, digits, published
from runner import Options, Task, run, verdict

from rehash.config import ROOT
from rehash.datasets.layout import Dataset
from rehash.hash_encoders import plan
from rehash.hash_encoders.cells import BATCH_NORM
from rehash.hash_encoders.cohort import CohortTraining
from rehash.hash_encoders.measure import measure_properties
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.studies import STUDIES
from rehash.hash_encoders.study import collect_study
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.store import read_csv, write_csv
from rehash.training import set_reproducible
from toys import SHAPE, cohort, effective
from toys import mixed as mixed_recipes

_LAST_WORDS = 10.0  # seconds that a study has to stop its processes and to tell what it found


def graphs(options: Options) -> dict[str, Any]:
    """Compare trainings whose steps are captured CUDA graphs with eager ones on the same device, and on the CPU.

    In float64, where rounding cannot grow to anything, they have to agree; in float32 the difference is told.
    """
    set_reproducible(options.threads)
    protocols = published()["hash_encoders"]["protocols"]
    cases = {  # rates change within 25 epochs; patience stops members at different epochs
        **{name: (replace(Protocol(**values), epochs=25), {}) for name, values in protocols.items()},
        "sgd": (Protocol("sgd", 0.05, 16, 4), {}),
        "stopping": (Protocol("adam", 0.05, 16, 60, patience=3, batch_norm=BATCH_NORM), {"ruined": 1}),
        "small sample": (Protocol("adam", 0.01, 16, 4, l2=1e-3), {"n": 10, "passes": 20}),
        "dropout": (Protocol("sgd", 0.05, 16, 4, dropout=0.3), {}),
        "several cells": (Protocol("adam", 0.01, 16, 12, patience=3, batch_norm=BATCH_NORM), {"mixed": True}),
    }
    found, good = {}, True
    for name, (protocol, how) in cases.items():
        run_case = partial(_trained, protocol, **how)
        double = run_case(options.device, torch.float64)
        eager, cpu = run_case(options.device, torch.float64, eager=True), run_case("cpu", torch.float64)
        single = [run_case(options.device, torch.float32, eager=eager) for eager in (False, True)]
        agree = all(_close(double[0], other[0]) and double[1] == other[1] for other in (eager, cpu))
        found[name] = {
            "agree": agree,
            "replays": double[2],
            "to_eager": _largest(double[0], eager[0]),
            "to_cpu": _largest(double[0], cpu[0]),
            "to_eager_float32": _largest(single[0][0], single[1][0]),
            "epochs": double[1],
        }
        good &= agree and eager[2] == 0 and (double[2] > 0) == (options.device == "cuda")
    return {"status": verdict(good), "cases": found}


def _trained(
    protocol: Protocol,
    device: str,
    dtype: torch.dtype,
    *,
    eager: bool = False,
    ruined: int | None = None,
    mixed: bool = False,
    **how: Any,
) -> tuple[dict[str, torch.Tensor], list[int], int]:
    """Train small networks; return them, the epochs at which they ended, and how often a graph was replayed.

    ruined: a member that diverges in its second epoch. mixed: whether the networks are of several cells of a study.
    """
    graph_of, replays = torch.cuda.CUDAGraph, []  # replays are counted, so that no graph is compared with none

    class Counted(graph_of):
        def replay(self) -> None:
            replays.append(1)
            super().replay()

    torch.cuda.CUDAGraph = Counted
    try:
        if mixed:
            more = {"repeats": 2, "seed": 5, "name": ("t",), "device": torch.device(device), "dtype": dtype}
            job = CohortTraining(mixed_recipes(protocol), SHAPE, **more)
        else:
            job = cohort(protocol, 5, dtype, device=torch.device(device), **how)
        if eager:
            job._replay = job._update
        while not job.done:
            if ruined is not None and job.epoch == 1 and job.batch == 2:
                with torch.no_grad():
                    job.tensors["head.weight"][ruined] = torch.nan
            job.step()
    finally:
        torch.cuda.CUDAGraph = graph_of
    networks = {
        f"{i}.{name}": tensor
        for i, trained in enumerate(job.trained)
        for name, tensor in effective(trained.networks["trained"]).items()
    }
    return networks, [epoch for trained in job.trained for epoch in trained.epochs["trained"]], len(replays)


def _close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(found[k], v, rtol=1e-5, atol=1e-6, equal_nan=True) for k, v in expected.items())


def _largest(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    return max((found[name] - tensor).abs().nan_to_num().max().item() for name, tensor in expected.items())


def capacity(options: Options) -> dict[str, Any]:
    """Run the published capacity study; all its widths have to be there in the end."""
    status, numbers = _run_studies(options, "capacity", ["capacity"])
    if status == "passed" and numbers["left_out"]:
        status = "timeout"
    return {"status": status, **numbers, **_beside_kept(options)}


def studies(options: Options) -> dict[str, Any]:
    """Run what is left of the published studies, as far as time allows."""
    status, numbers = _run_studies(options, "studies", [*STUDIES])
    return {"status": status, **numbers}


def _run_studies(options: Options, check: str, names: list[str]) -> tuple[str, dict[str, Any]]:
    """Train and measure the networks of studies, dealt out to processes by their widths; return status and numbers."""
    begun, planned, before = time.monotonic(), [], {line.get("part") for line in options.told()}
    for study in names:
        block = _config(options, study)["hash_encoders"][study]["mnist"]
        for width in sorted(block["layer_widths"], reverse=True):  # wide networks need the fewest epochs
            planned += [{"study": study, "protocol": protocol, "width": width} for protocol in block["protocols"]]
    planned = [of for of in planned if _part(of) not in before]
    data = digits(options)[1]  # made here, so that no two processes make it
    tasks = []
    if options.small:
        some_widths(options, check, planned)
    else:
        for job in range(options.jobs):
            arguments = {"check": check, "todo": planned[job :: options.jobs]}
            tasks.append(Task(check, "mlps:some_widths", options.seconds, f"process {job}", arguments))
        run(tasks, options, options.seconds - _LAST_WORDS, jobs=options.jobs)
    told = {line["part"]: line for line in options.told(check)}  # this check itself is not told yet
    widths = [told[part] for part in map(_part, planned) if part in told]
    good = all(line["status"] == "passed" for line in widths)
    crashed = any(told[task.part]["status"] == "error" for task in tasks)
    return verdict(good and not crashed), {
        "data": data,
        "jobs": options.jobs,
        "networks": sum(line.get("networks", 0) for line in widths),
        "study_seconds": round(time.monotonic() - begun, 1),
        "left_out": [part for part in map(_part, planned) if part not in told],
    }


def _part(of: dict[str, Any]) -> str:
    return f"{of['study']}, {of['protocol']}, width {of['width']}"


def some_widths(options: Options, check: str, todo: list[dict[str, Any]]) -> dict[str, Any]:
    """Train and measure the networks of studies at some widths, one after another; tell and keep each at once."""
    for of in todo:
        begun = time.monotonic()
        try:
            numbers = _one_width(options, **of)
        except Exception:
            numbers = {"status": "error", "error": traceback.format_exc()[-2000:]}
        with open(
            options.scratch / "tables.lock", "w", encoding="utf-8"
        ) as lock:  # so that no process writes a table without another's
            fcntl.flock(lock, fcntl.LOCK_EX)
            if tables := sorted(options.scratch.glob(f"studies/{of['study']}/*/*/properties.csv")):
                write_csv(collect_study(tables, of["study"]), options.out / f"{of['study']}.csv")
        status = numbers.pop("status")
        options.tell(Task(check, "", 0, _part(of)), status, time.monotonic() - begun, **numbers)
    return {"status": verdict(True)}


def _config(options: Options, study: str) -> dict[str, Any]:
    """Return the published config with a block of the study for MNIST, where need be that of the quick config.

    Regularisation and noise have no block for MNIST; the settings of the quick one hold, under the published protocol.
    """
    config = published()
    wing, blocks = config["hash_encoders"], config["hash_encoders"][study]
    block = blocks.get("mnist") or {**blocks["mnist5k"], "protocols": ["figures"], "train_share": 1}
    protocols = wing["protocols"]
    if options.small:
        least = {"sample_sizes": [10, 300], "epochs": [0, 1, 3], "layer_widths": [10], "repeats": 2}
        block = {key: least.get(key, value) for key, value in block.items()}
        protocols = {name: {**values, "epochs": 3} for name, values in protocols.items()}
    return config | {"hash_encoders": wing | {"protocols": protocols, study: blocks | {"mnist": block}}}


def _one_width(options: Options, study: str, protocol: str, width: int) -> dict[str, Any]:
    """Train and measure all networks of a study at one width."""
    config, (dataset, data) = _config(options, study), digits(options)
    block = config["hash_encoders"][study]["mnist"]
    settings = plan.training_params(config, study, "mnist", protocol, str(block["repeats"]))
    inputs = round(len(Dataset.read(dataset).train.labels) * settings["train_share"])
    settings["cells"] = [cell for cell in settings["cells"] if cell.get("sample_size", 0) <= inputs]
    (depth,) = plan.depths(block)
    keys = {"dataset": data, "study": study, "protocol": protocol, "depth": depth, "layer_width": width}
    folder = options.scratch / "studies" / study / protocol / str(width)
    networks, training = folder / "networks.safetensors", Training(keys=keys, **settings)
    begun = time.monotonic()
    notes = train_mlps(dataset, networks, folder / "training.csv", training, compute(options), Saving())
    trained = time.monotonic()
    pairs = {"one_vs_one_classes": config["hash_encoders"]["one_vs_one_classes"]}
    measure_properties(dataset, networks, folder / "properties.csv", compute(options), **pairs)
    epochs = [*chain.from_iterable(notes["epochs"])]
    table = read_csv(folder / "properties.csv")
    numbers = {
        "status": verdict(bool(table.accuracy_test[table.epoch > 0].notna().any())),
        "networks": len(epochs),
        "epochs_longest": max(epochs),
        "training_seconds": round(trained - begun, 2),
        "measuring_seconds": round(time.monotonic() - trained, 2),
        "measured": len(table),
        "diverged": notes["diverged"],
    }
    if len(settings["cells"]) == 1:
        steps = max(epochs) * Protocol(**settings["protocol"]).batches(inputs)
        numbers["microseconds_a_step"] = round(1e6 * (trained - begun) / steps, 1)
    return numbers


def _beside_kept(options: Options) -> dict[str, Any]:
    """Return how far means over networks are from those of the kept table, which a CPU has made, at its widths."""
    paths = (ROOT / "docs" / "results" / "mnist_capacity.csv", options.out / "capacity.csv")
    if options.small or not options.mnist or not all(path.exists() for path in paths):
        return {}
    tables = [pd.read_csv(path) for path in paths]
    columns = ["redundancy_train", "redundancy_test", "knn", "lr", "accuracy_test"]
    kept, found = (
        table[(table.protocol == "figures") & (table.epoch > 0)].groupby("layer_width")[columns].mean()
        for table in tables
    )
    apart = (found - kept).abs().dropna()
    return {"widths_beside_kept": len(apart), "largest_difference_to_kept": apart.max().round(4).to_dict()}
