"""What the Snakefile computes for this wing: paths, tasks, job lists and targets as pure functions of the config."""

from __future__ import annotations

from typing import Any

from rehash.errors import InputError, unknown
from rehash.graph import Size, dataset_config, dataset_text, minutes
from rehash.tgsh.streams import transformations
from rehash.tgsh.tasks import Transformation

DATASET_FOLDER = "results/tgsh/{dataset}/"
FOLDER = DATASET_FOLDER + "{benchmark}/"
MODULATIONS = f"{FOLDER}modulations.safetensors"
INVERSE = f"{DATASET_FOLDER}pseudo_inverse.h5"
PUBLISHED_ANGLES = (0, 10, 20, 30, 40)  # degrees, of the notebook's five tasks


def flynet_config(config: dict, dataset: str) -> dict:
    """Return the config's block of FlyNet on a dataset: its size, and how it is trained.

    Raises:
        InputError: there is no such dataset, or it has no block.
    """
    dataset_config(config, dataset)
    blocks = config["tgsh"]["flynet"]
    if dataset not in blocks:
        beside = f"; add one beside {', '.join(sorted(blocks))}" if blocks else ""
        raise InputError(f"config: tgsh.flynet: no block for dataset '{dataset}'{beside}")
    return blocks[dataset]


def benchmark_config(config: dict, benchmark: str) -> dict:
    """Return the config's block of a benchmark."""
    benchmarks = config["tgsh"]["benchmarks"]
    if benchmark not in benchmarks:
        raise unknown("benchmark", benchmark, benchmarks, "config: tgsh.benchmarks")
    return benchmarks[benchmark]


def tasks(config: dict, dataset: str, benchmark: str) -> list[dict[str, float]]:
    """Return the tasks of a benchmark that a dataset's FlyNet learns, as the fields of `Transformation`."""
    declared = transformations(benchmark_config(config, benchmark), f"config: tgsh.benchmarks.{benchmark}")
    return declared[:: flynet_config(config, dataset)["task_step"]]


def baseline_tasks(config: dict, dataset: str, benchmark: str) -> list[int]:
    """Return the numbers of the tasks that the baselines of a dataset learn.

    Raises:
        InputError: the dataset has no baselines.
    """
    blocks = config["tgsh"]["baselines"]
    if dataset not in blocks:
        raise InputError(f"config: tgsh.baselines: no block for dataset '{dataset}'")
    return list(range(0, len(tasks(config, dataset, benchmark)), blocks[dataset]["task_step"]))


def has_notebook_tasks(config: dict, dataset: str, benchmark: str) -> bool:
    """Return whether a task is one of the published notebook's, not counting the one that leaves images unchanged."""
    wanted = [vars(Transformation(angle=angle)) for angle in PUBLISHED_ANGLES if angle]
    return any(task in wanted for task in tasks(config, dataset, benchmark))


def drawing(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that images under every task depend on: tasks, interpolation and fill."""
    block = benchmark_config(config, benchmark)
    return {
        "tasks": tasks(config, dataset, benchmark),
        **{key: block[key] for key in ("interpolation", "fill")},
    }


def training_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that FlyNet's training depends on besides its wildcards and its data."""
    block = flynet_config(config, dataset)
    return {
        **drawing(config, dataset, benchmark),
        **{key: block[key] for key in ("units", "repeats")},
        "schedule": {key: block[key] for key in ("epochs", "batch_size", "learning_rate")},
        "seed": config["seed"],
    }


def baseline_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that the baselines' training depends on besides its wildcards and its data."""
    numbers = baseline_tasks(config, dataset, benchmark)
    block = config["tgsh"]["baselines"][dataset]
    params = training_params(config, dataset, benchmark)
    return {
        **params,
        "tasks": [params["tasks"][number] for number in numbers],
        "task_numbers": numbers,
        "schedule": {key: block[key] for key in ("epochs", "batch_size", "learning_rate")},
    }


def network_params(config: dict, dataset: str) -> dict[str, int]:
    """Return the settings that the frozen networks of a dataset depend on."""
    block = flynet_config(config, dataset)
    return {"units": block["units"], "repeats": block["repeats"], "seed": config["seed"]}


def benchmarks_of(config: dict, dataset: str) -> list[str]:
    """Return the benchmarks that are built for a dataset: those that its block lists, or all."""
    return flynet_config(config, dataset)["benchmarks"] or list(config["tgsh"]["benchmarks"])


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """List the figures that the config asks for, in the report's order, each with its wildcards."""
    found = []
    for dataset in config["tgsh"]["datasets"]:
        for benchmark in benchmarks_of(config, dataset):
            names = ["tasks", "accuracy"]
            names += ["notebook"] if has_notebook_tasks(config, dataset, benchmark) else []
            names += ["task_similarity", "hash_property", "codes", "generated"]
            if benchmark in config["tgsh"]["baselines"].get(dataset, {"benchmarks": []})["benchmarks"]:
                names.append("baselines")
            found += [(name, {"dataset": dataset, "benchmark": benchmark}) for name in names]
    return found


def data_text(config: dict, name: str, dataset: str, benchmark: str) -> str:
    """Say where the data of a figure come from, for the report."""
    return dataset_text(config, dataset)


def notebook_params(config: dict, dataset: str) -> dict[str, int]:
    """Return the settings that decide whether our networks are comparable to the published notebook's."""
    block = flynet_config(config, dataset)
    return {"units": block["units"], "epochs": block["epochs"]}


def training_mb(size: Size, attempt: int) -> int:
    """Return the memory of a training: images as bytes and, of all test images, as float32."""
    return int((2500 + 10 * size.mb) * attempt)


def training_minutes(config: dict, dataset: str, benchmark: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit: 20 ms a step at the published width, on a GPU, for all tasks, a fifth."""
    block = flynet_config(config, dataset)
    steps = len(tasks(config, dataset, benchmark)) * block["epochs"] * size.train / block["batch_size"]
    seconds = 0.004 if gpu else 0.02
    return minutes(block["repeats"] * steps * block["units"] / 7840 * seconds / 60, attempt)


def baseline_minutes(config: dict, dataset: str, benchmark: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit of both baselines: 300 ms a step at the published width, on a GPU a tenth."""
    params = baseline_params(config, dataset, benchmark)
    steps = 2 * len(params["tasks"]) * params["schedule"]["epochs"] * size.train / params["schedule"]["batch_size"]
    seconds = 0.03 if gpu else 0.3
    return minutes(params["repeats"] * steps * params["units"] / 7840 * seconds / 60, attempt)


def measuring_minutes(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit: half a minute a network, task and 10,000 test images at the published width."""
    block = flynet_config(config, dataset)
    work = block["repeats"] * len(tasks(config, dataset, benchmark)) * block["units"] / 7840
    return minutes(0.5 * work * size.test / 10_000, attempt)


def measuring_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory for the codes of all tasks' images, and the responses to a block and the gallery."""
    units, count = flynet_config(config, dataset)["units"], len(tasks(config, dataset, benchmark))
    measured = config["tgsh"]["measurements"]
    codes = count * (size.test + measured["references"]) * units / 8
    responses = count * (16 + size.classes * measured["gallery"]) * units * 4
    return int((2000 + 10 * size.mb + 4 * (codes + responses) / 1e6) * attempt)


def generation_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory to generate images: the pseudo-inverse of an encoder, and each task's test images."""
    units, count = flynet_config(config, dataset)["units"], len(tasks(config, dataset, benchmark))
    generated = 2 * count * size.classes * units * 8
    return int((1500 + 10 * size.mb + (3 * 784 * units * 8 + generated) / 1e6) * attempt)


def inverse_mb(config: dict, dataset: str, attempt: int) -> int:
    """Return the memory to invert an encoder: some copies of it in float64."""
    return int((1500 + 8 * 784 * flynet_config(config, dataset)["units"] * 8 / 1e6) * attempt)


def inverse_minutes(config: dict, dataset: str, attempt: int) -> int:
    """Return a generous run time limit to invert encoders: two minutes each at the published width."""
    block = flynet_config(config, dataset)
    return minutes(2 * block["repeats"] * block["units"] / 7840, attempt)
