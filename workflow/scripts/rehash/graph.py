"""What the Snakefile computes: targets, job lists and resources as pure functions of the config.

Paths are made here and nowhere else, so that a rule's output and another's input cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from rehash.digest import code_digest
from rehash.errors import unknown

REPORT = Path(__file__).resolve().parents[2] / "report"
DATASET = "results/datasets/{dataset}.h5"
DOWNLOAD = "results/downloads/{dataset}/{file}"


def dataset_config(config: dict, dataset: str) -> dict:
    """The block of a dataset.

    Raises:
        InputError: there is none; names the nearest.
    """
    if dataset not in config["datasets"]:
        raise unknown("dataset", dataset, config["datasets"], "config: datasets")
    return config["datasets"][dataset]


def raw_files(config: dict, dataset: str) -> dict[str, str]:
    """Role (path, train_images ...) -> path of the raw files a dataset is built from; empty for embedded ones."""
    block = dataset_config(config, dataset)
    if block["path"]:
        return {"path": block["path"]}
    return {role: DOWNLOAD.format(dataset=dataset, file=file["name"]) for role, file in block["files"].items()}


def dataset_description(config: dict, dataset: str) -> dict[str, Any]:
    """How a dataset is read: what its content depends on besides its raw files."""
    block = dataset_config(config, dataset)
    return {key: block[key] for key in ("reader", "class_names", "image_size", "checksum")}


def dataset_words(config: dict, dataset: str) -> dict[str, str]:
    """What a dataset's file says about itself; changed words change no result."""
    block = dataset_config(config, dataset)
    return {key: block[key] for key in ("source", "licence")}


def reader_digest(config: dict, dataset: str) -> str:
    """Digest of the code that builds a dataset: readers of other formats do not count."""
    reader = dataset_config(config, dataset)["reader"]
    return code_digest("build_dataset", also=((f"rehash.datasets.readers.{reader}", "read"),))


def digest_of(script: str) -> Callable[[Any], str]:
    """The digest of a script's code as a function of a job's wildcards, found when the first job needs it.

    Every job's own process reads all the rules again, and would pay for the digests of all.
    """
    digest = cache(lambda: code_digest(script))
    return lambda wildcards: digest()


def caption(study: str) -> str:
    """The text below a figure, reStructuredText."""
    return (REPORT / f"{study}.rst").read_text()


def download_source(config: dict, dataset: str, file: str) -> dict[str, Any]:
    """Where one raw file comes from: mirrors in order, name there, checksum of the decompressed content."""
    block = dataset_config(config, dataset)
    by_name = {entry["name"]: entry for entry in block["files"].values()}
    if file not in by_name:
        raise unknown("file", file, by_name, f"config: datasets.{dataset}.files")
    return {"mirrors": block["mirrors"], "md5": by_name[file]["md5"]}


def gpus(device: str, machine_has_gpu: bool) -> int:
    """GPUs that a GPU rule asks for: `auto` takes one where the planning machine has one."""
    return int(device == "cuda" or (device == "auto" and machine_has_gpu))


def machine_has_gpu() -> bool:
    """Whether an NVIDIA driver shows a device here (no import of torch, which would cost seconds)."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def memory_mb(input_mb: float, attempt: int, *, base: float = 1500, per_input_mb: float = 8) -> int:
    """Memory of a job whose data grows by `per_input_mb` from uint8 files to float32 arrays; more on a retry."""
    return int((base + per_input_mb * input_mb) * attempt)


def measuring_mb(bits: int, attempt: int, *, inputs: int = 60_000) -> int:
    """Memory to measure codes of so many bits: some copies of the bits as float32, for inputs of MNIST's number."""
    return int((1500 + 6 * inputs * bits * 4 / 1e6) * attempt)


def minutes(work: float, attempt: int, *, base: int = 10) -> int:
    """Run time limit of a job that takes about `work` minutes; twice as much on each retry."""
    return int((base + work) * 2 ** (attempt - 1))


def dataset_text(config: dict, dataset: str) -> str:
    """Where a dataset comes from, for the report."""
    block = dataset_config(config, dataset)
    source = block["source"] or f"{block['path'] or 'files'} (read as {block['reader']})."
    return f"Data: {source} Licence: {block['licence'] or 'not stated.'}"
