"""Functions that the rules of all wings share: paths, resources, digests, and functions of the config for Snakemake.

Paths are made here and in the wings' plans and nowhere else, so that a rule's output and another's input cannot drift
apart.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from rehash.devices import asks_for_gpu
from rehash.digest import code_digest
from rehash.errors import InputError, unknown
from rehash.outside import content_digest, located
from rehash.resources import REPORT, caption, resource, template
from rehash.store import file_digest, value_digest

DATASET = "results/datasets/{dataset}.h5"
# Keys of a dataset's block that do not say how its files are read: where they are, and words about them.
_ELSEWHERE = ("path", "mirrors", "files", "source", "licence")
DOWNLOAD = "results/downloads/{dataset}/{file}"


@dataclass(frozen=True)
class Size:
    """How large a dataset is; the defaults are the largest numbers of MNIST and CIFAR-10.

    Attributes:
        train, test, gallery: samples of a split; most datasets have no gallery. inputs: numbers of a sample, such as
            its pixels. number_bytes: of such a number in the dataset's file, 1 of an image and 4 of a vector. classes:
            of the labels.
    """

    train: int = 60_000
    test: int = 10_000
    inputs: int = 3072
    number_bytes: int = 1
    classes: int = 10
    gallery: int = 0

    @property
    def mb(self) -> float:
        """Return the size of all samples in their file, in MB."""
        return (self.train + self.test + self.gallery) * self.inputs * self.number_bytes / 1e6


def dataset_size(path: str) -> Size:
    """Return how large the dataset in a file is, as its provenance says, which lies beside it.

    Raises:
        FileNotFoundError: there is no dataset yet; Snakemake then leaves open what follows from its size, and asks
            again before it starts the job.
    """
    os.stat(path)
    facts = Path(path).with_suffix(".json")
    return _size(facts, facts.stat().st_mtime_ns) if facts.exists() else Size()


@cache
def _size(facts: Path, _changed: int) -> Size:
    found = json.loads(facts.read_text(encoding="utf-8"))
    if "samples" not in found:  # written by an earlier version
        return Size()
    shape = found["input_shape"]
    number_bytes = 4 if len(shape) == 1 else 1
    return Size(**found["samples"], inputs=prod(shape), number_bytes=number_bytes, classes=found["classes"])


def bound(config: dict, function: Callable[..., Any], **fixed: Any) -> Callable[..., Any]:
    """Wrap `function` so that Snakemake can call it with a job's wildcards, attempt and input.

    The arguments of `function` are found by name: `config`; each wildcard; `attempt`, from 1 on; `input_mb`, megabytes;
    `size`, of the input that is named `dataset`; and those of `fixed`. A function with `**` takes all wildcards.
    """
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())

    def answer(wildcards: Any, attempt: int = 1, input: Any = None) -> Any:
        known = {"config": config, "attempt": attempt, **dict(wildcards.items()), **fixed}
        if "input_mb" in parameters:
            known["input_mb"] = input.size_mb
        if "size" in parameters:
            known["size"] = dataset_size(input.dataset)
        open_to = known if not takes_all else {k: v for k, v in known.items() if k != "attempt" or k in parameters}
        return function(**{name: value for name, value in open_to.items() if takes_all or name in parameters})

    looks = parameters.keys() & {"input_mb", "size"}
    return _asking(answer, {"wildcards", *({"attempt"} & parameters.keys()), *({"input"} if looks else ())})


def _asking(function: Callable[..., Any], wanted: set[str]) -> Callable[..., Any]:
    """Let a function's signature have the wanted arguments alone: Snakemake passes these, and looks at no other."""
    own = inspect.signature(function)
    function.__signature__ = own.replace(parameters=[p for name, p in own.parameters.items() if name in wanted])
    return function


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

    def answer(wildcards: Any, attempt: int, rulename: str, input: Any = None) -> int:
        asked = {name: resource.raw for name, resource in get_rule(rulename).resources.items()}
        found = on[asks_for_gpu(asked)](wildcards, attempt=attempt, input=input)
        return found if most is None else min(found, most)

    looks = inspect.signature(on[False]).parameters.keys() & {"input"}
    return _asking(answer, {"wildcards", "attempt", "rulename", *looks})


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


def dataset_inputs(config: dict, dataset: str) -> dict[str, str]:
    """Return the paths, by role, of the files of the workflow that a dataset is built from; none if it is local.

    They are what is downloaded (train_images ...) or, of a division, the whole dataset (dataset).
    """
    block = dataset_config(config, dataset)
    if block["dataset"]:
        return {"dataset": DATASET.format(dataset=block["dataset"])}
    return {role: DOWNLOAD.format(dataset=dataset, file=file["name"]) for role, file in block["files"].items()}


def dataset_place(config: dict, dataset: str) -> dict[str, str]:
    """Return the path of a dataset's local file or folder, {"path": path}; empty if it has none."""
    path = dataset_config(config, dataset)["path"]
    return {"path": located(path, f"config: datasets.{dataset}.path")} if path else {}


def dataset_content(config: dict, dataset: str, look: bool = True) -> Any:
    """Return what tells whether a dataset's raw files have changed: the checksum of its path, or of each download.

    If the path is gone and the dataset was built, the content is the one that it was built from.

    Args:
        look: see `rehash.outside.content_digest`.
    """
    block = dataset_config(config, dataset)
    if not block["path"]:
        return {role: file["md5"] for role, file in block["files"].items()}
    built = DATASET.format(dataset=dataset)
    where, images = f"config: datasets.{dataset}.path", block["reader"] == "image_folder"
    return outside_content(block["path"], where, built, ("content",), images=images, look=look)


def outside_content(
    path: str, where: str, built: str, keys: tuple[str, ...], *, images: bool = False, look: bool = True
) -> str:
    """Return the checksum of a file or folder from outside, or that which `built` was built from if it is gone.

    Args:
        where: the key of the config that has the path. built: a file that is built from it, with a provenance beside
            it, whose params have the checksum under `keys`. images, look: see `rehash.outside.content_digest`.

    Raises:
        InputError: it does not exist, and nothing was built from it.
    """
    try:
        place = located(path, where)
    except InputError:
        record = Path(built).with_suffix(".json")
        if not (Path(built).is_file() and record.is_file()):
            raise
        found = json.loads(record.read_text(encoding="utf-8"))["params"]
        for key in keys:
            found = found.get(key, {})
        return found or ""
    return content_digest(place, images=images, look=look)


def dataset_description(config: dict, dataset: str) -> dict[str, Any]:
    """Return the settings that a dataset's content depends on besides its raw files: how it is read."""
    block = dataset_config(config, dataset)
    # A setting that is left out is null, so that a new one changes nothing; a null shuffle is a setting.
    left_out = {key for key, value in block.items() if value is None and key != "shuffle"}
    found = {key: value for key, value in block.items() if key not in left_out.union(_ELSEWHERE)}
    if block["protocol"]:
        settings = config["retrieval_protocols"][block["protocol"]]
        found["protocol"] = {"name": block["protocol"], **{k: v for k, v in settings.items() if v is not None}}
    return found


def dataset_words(config: dict, dataset: str) -> dict[str, str]:
    """Return what a dataset's file says about its source and licence; changed words change no result.

    A division that says nothing of its own says what the whole dataset says.
    """
    block = dataset_config(config, dataset)
    found = {key: block[key] for key in ("source", "licence")}
    if not block["dataset"]:
        return found
    whole = dataset_config(config, block["dataset"])
    divided = f"{whole['source'] or block['dataset']} Divided by the retrieval protocol {block['protocol']}.".strip()
    return {"source": found["source"] or divided, "licence": found["licence"] or whole["licence"]}


def reader_digest(config: dict, dataset: str) -> str:
    """Compute the digest of the code that builds a dataset; readers of other formats do not count."""
    reader = dataset_config(config, dataset)["reader"]
    return code_digest("build_dataset", also=((f"rehash.datasets.readers.{reader}", "read"),))


def resource_digest(name: str) -> str:
    """Compute the digest of a file in the folder workflow/resources."""
    return file_digest(resource(name))[:16]


def template_digest(name: str) -> str:
    """Compute the digest of a page's template."""
    return file_digest(template(name))[:16]


def words_digest(captions: list[str]) -> str:
    """Compute the digest of the report's templates and of captions."""
    return value_digest([file_digest(path) for path in (*map(template, REPORT), *map(caption, captions))])


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


def minutes(work: float, attempt: int, *, base: int = 10) -> int:
    """Return the run time limit in minutes of a job that takes about `work` minutes; it doubles on each retry."""
    return int((base + work) * 2 ** (attempt - 1))


def growing(amount: int, attempt: int) -> int:
    """Return an amount of memory or time multiplied by the attempt, so that a retry gets more."""
    return amount * attempt


def dataset_text(config: dict, dataset: str) -> str:
    """Describe where a dataset comes from, and its licence, for the report."""
    words, reader = dataset_words(config, dataset), dataset_config(config, dataset)["reader"]
    source = words["source"] or f"local files, read as {reader}."
    return f"Data: {source} Licence: {words['licence'] or 'not stated.'}"
