"""The kinds of sources of codes: from a block of the config to the files, the settings and the opener of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehash.equihash import plan as equihash
from rehash.errors import InputError, unknown
from rehash.graph import dataset_config
from rehash.hash_encoders import plan as encoders
from rehash.tgsh import plan as tgsh

FITTED = "results/comparison/{dataset}/{source}/fitted.safetensors"
Block = dict[str, Any]


def no_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    """Return the files of an encoder that needs none."""
    return {}


def once(config: dict, dataset: str, block: Block) -> int:
    """Return the number of encoders of a source that has no random numbers: one."""
    return 1


@dataclass(frozen=True)
class Kind:
    """A kind of sources.

    Attributes:
        open: the function "module:function" that opens an encoder (see `rehash.encoders`).
        takes: the keys of a source's block that mean something to it.
        files: function of the config, a dataset, the block, bits (0 for real numbers) and a repeat that returns the
            files that the graph makes for an encoder, by role.
        repeats: function of the config, a dataset and the block that returns how many encoders there are at each
            number of bits.
        settings: the keys among `takes` that the opener is given.
        more: function of the config, a dataset and the block that returns further settings for the opener.
        fit: the name under which `rehash.comparison.projections` fits it on the train split; "" if it is not fitted.
        real: whether its codes are always real numbers.
    """

    open: str
    takes: tuple[str, ...]
    files: Callable[[dict, str, Block, int, int], dict[str, str]] = no_files
    repeats: Callable[[dict, str, Block], int] = once
    settings: tuple[str, ...] = ()
    more: Callable[[dict, str, Block], dict[str, Any]] = lambda config, dataset, block: {}
    fit: str = ""
    real: bool = False


def _cohort_keys(config: dict, dataset: str, block: Block) -> dict[str, Any]:
    study = block["study"] or "capacity"
    there = encoders.study_config(config, study, dataset)
    protocol, depth = block["protocol"] or there["protocols"][0], block["depth"] or encoders.depths(there)[0]
    return {"study": study, "dataset": dataset, "protocol": protocol, "depth": depth}


def _cohort_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    keys = _cohort_keys(config, dataset, block)
    return {"networks": encoders.networks_file(config, **keys, layer_width=bits or block["width"])}


def _cohort_repeats(config: dict, dataset: str, block: Block) -> int:
    return encoders.study_config(config, block["study"] or "capacity", dataset)["repeats"]


def _layer_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    found = encoders.model_files(config, dataset, block["model"], block["state"], str(repeat))
    return {role: path for role, path in found.items() if role != "dataset"}


def _layer_repeats(config: dict, dataset: str, block: Block) -> int:
    return len(encoders.model_repeats(config, dataset, block["model"], block["state"]))


def _layer_more(config: dict, dataset: str, block: Block) -> dict[str, Any]:
    return {"name": block["model"], "block": encoders.model_settings(config, block["model"])}


def _modulated_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    return {"modulations": tgsh.MODULATIONS.format(dataset=dataset, benchmark=block["benchmark"])}


def _modulated_repeats(config: dict, dataset: str, block: Block) -> int:
    tgsh.benchmark_config(config, block["benchmark"])
    return tgsh.flynet_config(config, dataset)["repeats"]


def _modulated_more(config: dict, dataset: str, block: Block) -> dict[str, Any]:
    tasks, number = tgsh.tasks(config, dataset, block["benchmark"]), int(block["task"] or 0)
    if not 0 <= number < len(tasks):
        raise InputError(
            f"config: comparison.sources: task {number} of the benchmark {block['benchmark']}; expected 0 to "
            f"{len(tasks) - 1}"
        )
    return {"task": number}


def task_of(config: dict, dataset: str, block: Block) -> str:
    """Return the task of equihash whose network a source takes; `{dataset}` in its name stands for the dataset.

    Raises:
        InputError: there is no such task, or its images are of another dataset.
    """
    task = str(block["task"]).replace("{dataset}", dataset)
    bank = equihash.block(config, "tasks", task)["bank"]
    images = equihash.block(config, "banks", bank)["dataset"]
    if images not in of_one_train_split(config, dataset):
        raise InputError(
            f"config: equihash.tasks.{task}: its images are of {images or f'the bank {bank}'}; expected those of "
            f"{dataset}, on which comparison.retrieval.{dataset} measures it: what it is trained on must not be asked"
        )
    return task


def of_one_train_split(config: dict, dataset: str) -> tuple[str, ...]:
    """Return the datasets that have a dataset's train split: itself and, if it divides no train split, the divided."""
    block = dataset_config(config, dataset)
    if block["reader"] != "division":
        return (dataset,)
    protocol = config["retrieval_protocols"][block["protocol"]]
    other = any(protocol[key] is not None for key in ("queries_a_class", "train_a_class", "unseen"))
    return (dataset,) if other else (dataset, block["dataset"])


def _hash_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    task, model = task_of(config, dataset, block), block["model"]
    found = equihash.model_config(config, task, model)
    values = {} if bits == found["bits"] else {"bits": bits}
    variant = equihash.variant_of(found)
    if block["state"] == "untrained":
        variant = equihash.UNTRAINED
        values |= equihash.untrained_values(found) if values else {}
    variant = equihash.variant_name(values) or variant
    seed = equihash.seeds(config, task, model)[repeat]
    return {"weights": equihash.WEIGHTS.format(task=task, model=model, variant=variant, seed=seed)}


def _hash_repeats(config: dict, dataset: str, block: Block) -> int:
    return len(equihash.seeds(config, task_of(config, dataset, block), block["model"]))


def _hash_more(config: dict, dataset: str, block: Block) -> dict[str, Any]:
    return {"task": equihash.task_settings(config, task_of(config, dataset, block))}


def _fitted_files(config: dict, dataset: str, block: Block, bits: int, repeat: int) -> dict[str, str]:
    return {"fitted": FITTED.format(dataset=dataset, source=block["name"])}


def _fitted_repeats(config: dict, dataset: str, block: Block) -> int:
    return block["repeats"]


def _fitted(fit: str, *, random: bool) -> Kind:
    return Kind(
        "rehash.comparison.projections:open_fitted",
        ("of", "bits", *(["repeats"] if random else [])),
        _fitted_files,
        _fitted_repeats if random else once,
        fit=fit,
    )


KINDS: dict[str, Kind] = {
    "cohort": Kind(
        "rehash.hash_encoders.encoders:cohort",
        ("study", "protocol", "depth", "layer", "state", "real", "width", "bits"),
        _cohort_files,
        _cohort_repeats,
        ("state", "layer"),
    ),
    "layer": Kind(
        "rehash.hash_encoders.models.encoder:layer",
        ("model", "node", "pool", "state", "real", "bits"),
        _layer_files,
        _layer_repeats,
        ("node", "pool", "state"),
        _layer_more,
    ),
    "tgsh": Kind(
        "rehash.tgsh.encoder:modulated",
        ("benchmark", "task", "state", "real", "bits"),
        _modulated_files,
        _modulated_repeats,
        ("state",),
        _modulated_more,
    ),
    "equihash": Kind(
        "rehash.equihash.encoder:network",
        ("task", "model", "state", "bits"),
        _hash_files,
        _hash_repeats,
        (),
        _hash_more,
    ),
    "simhash": _fitted("simhash", random=True),
    "pca": _fitted("pca", random=False),
    "itq": _fitted("itq", random=True),
    "spectral": _fitted("spectral", random=False),
    "pixels": Kind("rehash.comparison.pixels:pixels", (), real=True),
    "file": Kind("", ("path", "real"), settings=("real",)),
}
# What every block has besides the keys that its kind takes.
COMMON = ("kind", "name", "title")


def kind_of(block: Block) -> Kind:
    """Return the kind of a source's block."""
    if block["kind"] not in KINDS:
        raise unknown("kind", block["kind"], KINDS, "config: comparison.sources")
    return KINDS[block["kind"]]


def is_real(block: Block) -> bool:
    """Return whether a source's codes are real numbers, which are compared by their cosine."""
    return kind_of(block).real or bool(block["real"])


def needs_images(block: Block) -> bool:
    """Return whether a source takes images only, and no vectors."""
    return block["kind"] in ("tgsh", "equihash")
