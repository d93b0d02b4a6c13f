"""What the Snakefile computes for this wing: paths, tasks, job lists and targets as pure functions of the config."""

from __future__ import annotations

from typing import Any

from rehash.errors import InputError, unknown
from rehash.graph import dataset_config, dataset_text, minutes
from rehash.tgsh.streams import transformations
from rehash.tgsh.tasks import Transformation

DATASET_FOLDER = "results/tgsh/{dataset}/"
FOLDER = DATASET_FOLDER + "{benchmark}/"
# What each figure is drawn from, in the report's order.
TABLES = {
    "tasks": ("tasks.h5", "tasks.csv"),
    "accuracy": ("accuracy.csv",),
    "published": ("published.csv", "published_similarity.csv"),
    "task_similarity": ("task_similarity.csv", "task_correlation.csv"),
    "hash_property": ("recovery.csv", "pair_similarity.csv", "roc.csv"),
    "codes": ("codes.csv",),
    "generated": ("generated.h5", "generated.csv"),
    "baselines": ("baselines.csv",),
}
PUBLISHED_ANGLES = (0, 10, 20, 30, 40)  # of the notebook's five tasks


def flynet_config(config: dict, dataset: str) -> dict:
    """How large FlyNet is on a dataset, and how it is trained.

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
    """The block of a benchmark."""
    benchmarks = config["tgsh"]["benchmarks"]
    if benchmark not in benchmarks:
        raise unknown("benchmark", benchmark, benchmarks, "config: tgsh.benchmarks")
    return benchmarks[benchmark]


def tasks(config: dict, dataset: str, benchmark: str) -> list[dict[str, float]]:
    """The tasks of a benchmark that a dataset's FlyNet learns, as the fields of `Transformation`."""
    declared = transformations(benchmark_config(config, benchmark), f"config: tgsh.benchmarks.{benchmark}")
    return declared[:: flynet_config(config, dataset)["task_step"]]


def baseline_tasks(config: dict, dataset: str, benchmark: str) -> list[int]:
    """The numbers of the tasks that the baselines of a dataset learn.

    Raises:
        InputError: the dataset has no baselines.
    """
    blocks = config["tgsh"]["baselines"]
    if dataset not in blocks:
        raise InputError(f"config: tgsh.baselines: no block for dataset '{dataset}'")
    return list(range(0, len(tasks(config, dataset, benchmark)), blocks[dataset]["task_step"]))


def has_notebook_tasks(config: dict, dataset: str, benchmark: str) -> bool:
    """Whether one of the tasks is among those that the published notebook trains, and more than the plain pictures."""
    wanted = [vars(Transformation(angle=angle)) for angle in PUBLISHED_ANGLES if angle]
    return any(task in wanted for task in tasks(config, dataset, benchmark))


def drawing(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """What pictures under every task depend on."""
    block = benchmark_config(config, benchmark)
    return {
        "tasks": tasks(config, dataset, benchmark),
        **{key: block[key] for key in ("interpolation", "fill")},
    }


def training_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """What FlyNet's training depends on besides its wildcards and its data."""
    block = flynet_config(config, dataset)
    return {
        **drawing(config, dataset, benchmark),
        **{key: block[key] for key in ("units", "repeats")},
        "schedule": {key: block[key] for key in ("epochs", "batch_size", "learning_rate")},
        **{key: config[key] for key in ("seed", "device", "threads")},
    }


def baseline_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """What the baselines' training depends on besides its wildcards and its data."""
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
    """What the frozen networks of a dataset depend on."""
    block = flynet_config(config, dataset)
    return {"units": block["units"], "repeats": block["repeats"], "seed": config["seed"]}


def benchmarks_of(config: dict, dataset: str) -> list[str]:
    """The benchmarks that are built for a dataset: those it lists, or all."""
    return flynet_config(config, dataset)["benchmarks"] or list(config["tgsh"]["benchmarks"])


def figures_of(config: dict, dataset: str, benchmark: str) -> list[str]:
    """The figures of a benchmark, in the report's order."""
    baselines = config["tgsh"]["baselines"].get(dataset, {"benchmarks": []})["benchmarks"]
    left_out = set() if has_notebook_tasks(config, dataset, benchmark) else {"published"}
    left_out |= set() if benchmark in baselines else {"baselines"}
    return [figure for figure in TABLES if figure not in left_out]


def figures(config: dict) -> list[dict[str, Any]]:
    """What the report shows, in order: paper, dataset, benchmark, study (the figure), stem, tables, caption, text."""
    return [
        {
            "paper": "tgsh",
            "dataset": dataset,
            "benchmark": benchmark,
            "study": figure,
            "stem": f"{FOLDER}{figure}".format(dataset=dataset, benchmark=benchmark),
            "tables": figure_tables(dataset, benchmark, figure),
            "caption": f"tgsh_{figure}",
            "text": dataset_text(config, dataset),
        }
        for dataset in config["tgsh"]["datasets"]
        for benchmark in benchmarks_of(config, dataset)
        for figure in figures_of(config, dataset, benchmark)
    ]


def figure_tables(dataset: str, benchmark: str, figure: str) -> list[str]:
    """The files that a figure is drawn from."""
    return [f"{FOLDER}{name}".format(dataset=dataset, benchmark=benchmark) for name in TABLES[figure]]


def targets(config: dict) -> list[str]:
    """Every table and figure of the wing."""
    return [
        path for entry in figures(config) for path in (*entry["tables"], f"{entry['stem']}.pdf", f"{entry['stem']}.png")
    ]


def training_minutes(config: dict, dataset: str, benchmark: str, attempt: int) -> int:
    """A generous run time limit: 20 ms a step at the published width, for MNIST's size."""
    block = flynet_config(config, dataset)
    steps = len(tasks(config, dataset, benchmark)) * block["epochs"] * 60_000 / block["batch_size"]
    return minutes(block["repeats"] * steps * block["units"] / 7840 * 0.02 / 60, attempt)


def baseline_minutes(config: dict, dataset: str, benchmark: str, attempt: int) -> int:
    """A generous run time limit: both ways, 300 ms a step at the published width, for MNIST's size."""
    params = baseline_params(config, dataset, benchmark)
    steps = 2 * len(params["tasks"]) * params["schedule"]["epochs"] * 60_000 / params["schedule"]["batch_size"]
    return minutes(params["repeats"] * steps * params["units"] / 7840 * 0.3 / 60, attempt)


def measuring_minutes(config: dict, dataset: str, benchmark: str, attempt: int) -> int:
    """A generous run time limit: half a minute a network and task at the published width, for MNIST's size."""
    block = flynet_config(config, dataset)
    work = block["repeats"] * len(tasks(config, dataset, benchmark)) * block["units"] / 7840
    return minutes(0.5 * work, attempt)


def measuring_mb(config: dict, dataset: str, benchmark: str, attempt: int) -> int:
    """Memory to hold the codes of all tasks' test pictures, and the responses of a block and of the gallery."""
    units, count = flynet_config(config, dataset)["units"], len(tasks(config, dataset, benchmark))
    gallery = config["tgsh"]["measurements"]["gallery"]
    codes, responses = count * 12_000 * units / 8, count * (16 + 10 * gallery) * units * 4
    return int((2000 + 4 * (codes + responses) / 1e6) * attempt)
