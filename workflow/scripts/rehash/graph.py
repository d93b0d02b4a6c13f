"""What the Snakefile computes: targets, job lists and resources as pure functions of the config.

Paths are made here and nowhere else, so that a rule's output and another's input cannot drift apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rehash.errors import InputError, unknown

DATASET = "results/datasets/{dataset}.h5"
DOWNLOAD = "results/downloads/{dataset}/{file}"
STUDY = "results/hash_encoders/{dataset}/{study}"
COHORT = "results/hash_encoders/{dataset}/networks/{protocol}/depth={depth}/layer_width={layer_width}/"
STUDIES = ("capacity",)


def dataset_config(config: dict, dataset: str) -> dict:
    """The block of a dataset.

    Raises:
        InputError: there is none; names the nearest.
    """
    if dataset not in config["datasets"]:
        raise unknown("dataset", dataset, config["datasets"], "config: datasets")
    return config["datasets"][dataset]


def download_files(config: dict, dataset: str) -> dict[str, str]:
    """Role (train_images ...) -> path of the raw files a dataset is built from; empty for embedded ones."""
    files = dataset_config(config, dataset)["files"]
    return {role: DOWNLOAD.format(dataset=dataset, file=file["name"]) for role, file in files.items()}


def dataset_description(config: dict, dataset: str) -> dict[str, Any]:
    """What a dataset's file says about itself, and how it is read."""
    block = dataset_config(config, dataset)
    return {key: block[key] for key in ("reader", "source", "licence", "class_names")}


def download_source(config: dict, dataset: str, file: str) -> dict[str, Any]:
    """Where one raw file comes from: mirrors in order, name there, checksum of the decompressed content."""
    block = dataset_config(config, dataset)
    by_name = {entry["name"]: entry for entry in block["files"].values()}
    if file not in by_name:
        raise unknown("file", file, by_name, f"config: datasets.{dataset}.files")
    return {"mirrors": block["mirrors"], "md5": by_name[file]["md5"]}


def protocol_config(config: dict, protocol: str) -> dict:
    """The block of a training protocol."""
    protocols = config["hash_encoders"]["protocols"]
    if protocol not in protocols:
        raise unknown("protocol", protocol, protocols, "config: hash_encoders.protocols")
    return protocols[protocol]


def study_config(config: dict, study: str, dataset: str) -> dict:
    """The block of one study on one dataset."""
    if study not in STUDIES:
        raise unknown("study", study, STUDIES, "config: hash_encoders")
    dataset_config(config, dataset)
    studies = config["hash_encoders"][study]
    if dataset not in studies:
        raise InputError(
            f"config: hash_encoders.{study}: no block for dataset '{dataset}'; add one beside "
            f"{', '.join(sorted(studies))}"
        )
    return studies[dataset]


def study_cohorts(config: dict, study: str, dataset: str) -> list[str]:
    """Folders of the cohorts that a study compares, one per protocol and configuration."""
    block = study_config(config, study, dataset)
    return [
        COHORT.format(dataset=dataset, protocol=protocol, depth=block["depth"], layer_width=width)
        for protocol in block["protocols"]
        for width in block["layer_widths"]
    ]


def study_tables(config: dict, study: str, dataset: str) -> list[str]:
    """The property tables that a study collects."""
    return [f"{cohort}properties.csv" for cohort in study_cohorts(config, study, dataset)]


def cohort_repeats(config: dict, dataset: str) -> int:
    """Networks of one configuration."""
    return study_config(config, "capacity", dataset)["repeats"]


def study_figures(config: dict) -> list[dict[str, str]]:
    """What the report shows, in order: paper, dataset, study and the paths that belong together."""
    return [
        {
            "paper": "hash_encoders",
            "dataset": dataset,
            "study": study,
            "stem": STUDY.format(dataset=dataset, study=study),
        }
        for dataset in config["hash_encoders"]["datasets"]
        for study in STUDIES
    ]


def hash_encoders_targets(config: dict) -> list[str]:
    """Every table and figure of the wing hash_encoders."""
    return [f"{entry['stem']}{end}" for entry in study_figures(config) for end in (".csv", ".pdf", ".png")]


def gpus(device: str, machine_has_gpu: bool) -> int:
    """GPUs that a GPU rule asks for: `auto` takes one where the planning machine has one."""
    return int(device == "cuda" or (device == "auto" and machine_has_gpu))


def machine_has_gpu() -> bool:
    """Whether an NVIDIA driver shows a device here (no import of torch, which would cost seconds)."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def memory_mb(input_mb: float, attempt: int, *, base: int = 1500, per_input_mb: float = 8) -> int:
    """Memory of a job whose data grows by `per_input_mb` from uint8 files to float32 arrays; more on a retry."""
    return int((base + per_input_mb * input_mb) * attempt)


def minutes(work: float, attempt: int, *, base: int = 10) -> int:
    """Run time limit of a job that takes about `work` minutes; twice as much on each retry."""
    return int((base + work) * 2 ** (attempt - 1))


def training_params(config: dict, dataset: str, protocol: str) -> dict[str, Any]:
    """What a training depends on besides its wildcards and its data."""
    return {
        "protocol": protocol_config(config, protocol),
        "train_share": config["hash_encoders"]["train_share"],
        "repeats": cohort_repeats(config, dataset),
        **{key: config[key] for key in ("seed", "device", "threads")},
    }


def training_minutes(config: dict, dataset: str, protocol: str, attempt: int) -> int:
    """A generous run time limit: 1 ms a step and network, for a data set of MNIST's size trained to the last epoch."""
    block = protocol_config(config, protocol)
    steps = 60_000 / block["batch_size"] * block["epochs"]
    return minutes(cohort_repeats(config, dataset) * steps * 0.001 / 60, attempt)


def dataset_text(config: dict, dataset: str) -> str:
    """A sentence on where a dataset comes from, for the report."""
    block = dataset_config(config, dataset)
    return f"Data: {block['source']} Licence: {block['licence']}"
