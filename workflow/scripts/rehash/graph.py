"""Functions that the rules of all wings share: paths, resources, digests, and functions of the config for Snakemake.

Paths are made here and in the wings' plans and nowhere else, so that a rule's output and another's input cannot drift
apart.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from rehash.devices import asks_for_gpu
from rehash.digest import code_digest
from rehash.errors import unknown

DATASET = "results/datasets/{dataset}.h5"
DOWNLOAD = "results/downloads/{dataset}/{file}"


def bound(config: dict, function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """Wrap `function` so that Snakemake can call it with a job's wildcards, attempt and input.

    The arguments of `function` are found by name: `config`; each wildcard; `attempt`, from 1 on; `input_mb`, megabytes;
    and those of `fixed`. A function with `**` takes all wildcards.
    """
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())

    def answer(wildcards: Any, attempt: int = 1, input: Any = None) -> Any:
        known = {"config": config, "attempt": attempt, **dict(wildcards.items()), **fixed}
        if "input_mb" in parameters:
            known["input_mb"] = input.size_mb
        open_to = known if not takes_all else {k: v for k, v in known.items() if k != "attempt" or k in parameters}
        return function(**{name: value for name, value in open_to.items() if takes_all or name in parameters})

    # Snakemake passes what the signature names, and looks at the input only if that is named.
    wanted = {"wildcards", *({"attempt"} & parameters.keys()), *({"input"} if "input_mb" in parameters else ())}
    own = inspect.signature(answer)
    answer.__signature__ = own.replace(parameters=[p for name, p in own.parameters.items() if name in wanted])
    return answer


def bound_minutes(
    config: dict, get_rule: Callable[[str], Any], function: Callable[..., int], **fixed: Any
) -> Callable[..., int]:
    """Wrap a function that returns a run time in minutes as `bound` does; the answer is at most `max_runtime`.

    Its argument `gpu`, if it has one, is whether the jobs of its rule get a GPU: by the rule, or by what a profile or
    --set-resources says in its place.

    Args:
        get_rule: Snakemake's rule of a name, with its resources.
    """
    on = {gpu: bound(config, function, **fixed, gpu=gpu) for gpu in (False, True)}
    most = config["max_runtime"]

    def answer(wildcards: Any, attempt: int, rulename: str) -> int:
        asked = {name: resource.raw for name, resource in get_rule(rulename).resources.items()}
        found = on[asks_for_gpu(asked)](wildcards, attempt=attempt)
        return found if most is None else min(found, most)

    return answer


def untracked(**values: Callable[..., Any]) -> dict[str, Callable[..., str]]:
    """Return values as resources of a rule (JSON texts), so that its jobs do not rerun when they change.

    Snakemake compares a finished job's params with the plan's, but not its resources. So values that change no result
    (the words in a file about its source, the mirrors of a download) are handed over in this way.

    Args:
        values: functions of a job's wildcards.
    """
    return {name: (lambda wildcards, value=value: json.dumps(value(wildcards))) for name, value in values.items()}


def saving(config: dict) -> dict[str, Any]:
    """Return how a long job saves its state, as resources of its rule: untracked, since this changes no result."""
    return {"on_code_change": config["on_code_change"], "save_every_s": config["save_every_seconds"]}


def log_of(rule: str, output: str) -> str:
    """Return the path of a rule's log: that of its first output, with the rule's name in place of the ending.

    >>> log_of("build_dataset", "results/datasets/{dataset}.h5")
    'results/datasets/{dataset}.build_dataset.log'
    """
    path = PurePosixPath(output)
    known = (".csv", ".h5", ".html", ".json", ".pdf", ".safetensors")
    return f"{path.with_suffix('') if path.suffix in known else output}.{rule}.log"


def benchmark_of(rule: str, output: str) -> str:
    """Return the path of a rule's benchmark file, beside its log."""
    return log_of(rule, output).removesuffix("log") + "tsv"


def dataset_config(config: dict, dataset: str) -> dict:
    """Return the config's block of a dataset.

    Raises:
        InputError: there is none; names the nearest one.
    """
    if dataset not in config["datasets"]:
        raise unknown("dataset", dataset, config["datasets"], "config: datasets")
    return config["datasets"][dataset]


def raw_files(config: dict, dataset: str) -> dict[str, str]:
    """Return the paths of a dataset's raw files by role (path, train_images ...); empty if it is embedded."""
    block = dataset_config(config, dataset)
    if block["path"]:
        return {"path": block["path"]}
    return {role: DOWNLOAD.format(dataset=dataset, file=file["name"]) for role, file in block["files"].items()}


def dataset_description(config: dict, dataset: str) -> dict[str, Any]:
    """Return the settings that a dataset's content depends on besides its raw files: how it is read."""
    block = dataset_config(config, dataset)
    return {key: block[key] for key in ("reader", "class_names", "image_size", "checksum")}


def dataset_words(config: dict, dataset: str) -> dict[str, str]:
    """Return what a dataset's file says about its source and licence; changed words change no result."""
    block = dataset_config(config, dataset)
    return {key: block[key] for key in ("source", "licence")}


def reader_digest(config: dict, dataset: str) -> str:
    """Compute the digest of the code that builds a dataset; readers of other formats do not count."""
    reader = dataset_config(config, dataset)["reader"]
    return code_digest("build_dataset", also=((f"rehash.datasets.readers.{reader}", "read"),))


def digest_of(script: str, *also: str) -> Callable[[Any], str]:
    """Return a function of a job's wildcards that computes the digest of a script's code when first called.

    Every job's own process reads all the rules again, and would otherwise compute the digests of all scripts.

    Args:
        also: functions that the script finds while it runs, "module:function" each.
    """
    digest = cache(lambda: code_digest(script, also=tuple(tuple(name.split(":")) for name in also)))
    return lambda wildcards: digest()


def mirrors(config: dict, dataset: str, file: str) -> list[str]:
    """Return the mirrors of a raw file of a dataset, in the order in which they are tried."""
    return dataset_config(config, dataset)["mirrors"]


def download_md5(config: dict, dataset: str, file: str) -> str:
    """Return the MD5 checksum that is expected of a raw file (see `rehash.datasets.fetch.fetch_file`).

    Raises:
        InputError: the dataset has no such file; names the nearest one.
    """
    by_name = {entry["name"]: entry for entry in dataset_config(config, dataset)["files"].values()}
    if file not in by_name:
        raise unknown("file", file, by_name, f"config: datasets.{dataset}.files")
    return by_name[file]["md5"]


def gpus(device: str, machine_has_gpu: bool) -> int:
    """Return the number of GPUs that a GPU rule asks for: `auto` asks for one if the planning machine has one."""
    return int(device == "cuda" or (device == "auto" and machine_has_gpu))


def machine_has_gpu() -> bool:
    """Return whether an NVIDIA driver shows a device here; torch is not imported, which would cost seconds."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def memory_mb(input_mb: float, attempt: int, *, base: float = 1500, per_input_mb: float = 8) -> int:
    """Estimate a job's memory in MB: `base`, and `per_input_mb` for each MB of its input; more on a retry.

    Data grow by this factor from uint8 files to float32 arrays.
    """
    return int((base + per_input_mb * input_mb) * attempt)


def measuring_mb(bits: int, attempt: int, *, inputs: int = 60_000) -> int:
    """Estimate the memory in MB that it takes to measure codes of so many bits: some copies of them as float32.

    Args:
        inputs: how many inputs have codes; by default as many as MNIST has for training.
    """
    return int((1500 + 6 * inputs * bits * 4 / 1e6) * attempt)


def minutes(work: float, attempt: int, *, base: int = 10) -> int:
    """Return the run time limit in minutes of a job that takes about `work` minutes; it doubles on each retry."""
    return int((base + work) * 2 ** (attempt - 1))


def growing(amount: int, attempt: int) -> int:
    """Return an amount of memory or time multiplied by the attempt, so that a retry gets more."""
    return amount * attempt


def dataset_text(config: dict, dataset: str) -> str:
    """Describe where a dataset comes from, and its licence, for the report."""
    block = dataset_config(config, dataset)
    source = block["source"] or f"{block['path'] or 'files'} (read as {block['reader']})."
    return f"Data: {source} Licence: {block['licence'] or 'not stated.'}"
