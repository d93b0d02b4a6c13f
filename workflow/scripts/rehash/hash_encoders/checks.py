"""Checks of the config's part `hash_encoders`: the schema of its studies' blocks, and references between parts."""

from __future__ import annotations

import copy
from dataclasses import fields

from rehash.datasets.checks import check_common_classes
from rehash.errors import InputError, unknown
from rehash.hash_encoders.plan import is_address, weights_addresses, weights_name
from rehash.hash_encoders.protocols import PERCEPTRONS_ONLY, Protocol
from rehash.hash_encoders.studies import STUDIES


def extend(schema: dict) -> None:
    """Add a block for each study to the schema, which at first has only the keys that all studies share."""
    properties = schema["properties"]["hash_encoders"]["properties"]
    common = properties.pop("study")
    studies = {}
    for name, study in STUDIES.items():
        block = copy.deepcopy(common)
        block["properties"] |= copy.deepcopy(study.keys)
        block["required"] += [key for key, of in study.keys.items() if "default" not in of]
        studies[name] = {
            "type": "object", "default": {}, "description": study.about, "additionalProperties": block,
        }  # fmt: skip
    # Their place in the schema decides their place in the documentation.
    after = list(properties).index("protocols") + 1
    items = list(properties.items())
    properties.clear()
    properties.update([*items[:after], *studies.items(), *items[after:]])


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown dataset or protocol, or settings contradict each other."""
    wing = config["hash_encoders"]
    for name, protocol in wing["protocols"].items():
        if protocol["decay_every"] and protocol["decay_epochs"]:
            raise InputError(
                f"config: hash_encoders.protocols.{name}: decay_every is {protocol['decay_every']} and decay_epochs "
                f"{protocol['decay_epochs']}; expected one or the other: decay_every: null, or decay_epochs: null"
            )
    _check_models(wing)
    blocks = (*STUDIES, "layers", "regions")
    for name in wing["datasets"]:
        if name not in config["datasets"]:
            raise unknown("dataset", name, config["datasets"], "config: hash_encoders.datasets")
        check_common_classes(config, name, "config: hash_encoders.datasets")
        if not any(name in wing[study] for study in blocks):
            raise InputError(
                f"config: hash_encoders.datasets: no study has a block for '{name}'; add one, for example "
                f"hash_encoders.capacity.{name}: {{layer_widths: [10, 40]}}"
            )
    for study in (*blocks, "published"):
        for name, block in wing[study].items():
            where = f"config: hash_encoders.{study}"
            if name not in config["datasets"]:
                raise unknown("dataset", name, config["datasets"], where)
            for protocol in block.get("protocols", []):
                if protocol not in wing["protocols"]:
                    raise unknown("protocol", protocol, wing["protocols"], f"{where}.{name}.protocols")
    thresholds = wing["phase_chart"]["thresholds"]
    for low, high in (("redundancy_near_zero", "redundancy_high"), ("categorization_low", "categorization_high")):
        if thresholds[low] >= thresholds[high]:
            raise InputError(
                f"config: hash_encoders.phase_chart.thresholds: {low} is {thresholds[low]}; expected less than {high}, "
                f"which is {thresholds[high]}"
            )
    for name, block in wing["regions"].items():
        _check_regions(wing, name, block)


def _check_regions(wing: dict, name: str, block: dict) -> None:
    """Raise an InputError if a dataset's regions are of studies that it has not, or settings contradict each other."""
    where = f"config: hash_encoders.regions.{name}"
    for study in block["studies"]:
        if name not in wing[study]:
            raise InputError(
                f"{where}.studies: {name} has no study '{study}'; add a block hash_encoders.{study}.{name}, or name "
                "only studies that it has"
            )
    if block["epochs"] and "training_time" not in block["studies"]:
        raise InputError(
            f"{where}.epochs: only networks of training_time are kept at epochs; expected studies: [training_time], or "
            "epochs: null"
        )


# The keys of a model's block that each source needs, and those that it may have besides those of every source.
_NEEDED = {
    "file": ("path", "call"),
    "torchvision": ("name",),
    "rehash": ("name",),
    "cohort": ("protocol", "layer_width"),
}
_MAY_HAVE = {
    "file": ("arguments", "weights", "checksum", "protocol", "inputs", "image_size", "channels"),
    "torchvision": ("arguments", "weights", "checksum", "protocol", "inputs", "image_size", "channels"),
    "rehash": ("arguments", "weights", "checksum", "protocol", "inputs", "image_size", "channels"),
    "cohort": ("study", "depth"),
}


def _check_models(wing: dict) -> None:
    """Raise an InputError if a model has keys that do not go together, or a layers' block names an unknown model."""
    for name, model in wing["models"].items():
        where, source = f"config: hash_encoders.models.{name}", model["source"]
        for key in _NEEDED[source]:
            if model[key] is None:
                raise InputError(f"{where}: source {source} needs {key}")
        known = (*_NEEDED[source], *_MAY_HAVE[source], "source", "nodes", "repeats")
        for key, value in model.items():
            if value is not None and key not in known:
                others = " and ".join(other for other in _NEEDED if key in (*_NEEDED[other], *_MAY_HAVE[other]))
                raise InputError(f"{where}.{key}: is of source {others}, and this is of source {source}; leave it out")
        if model["protocol"] is not None and model["protocol"] not in wing["protocols"]:
            raise unknown("protocol", model["protocol"], wing["protocols"], f"{where}.protocol")
        if source != "cohort" and model["protocol"] and model["weights"]:
            raise InputError(f"{where}: has weights, and a protocol to train by; expected one or the other")
        if source != "cohort" and model["protocol"]:
            _check_protocol(wing, model["protocol"], where)
        if model["checksum"] and not model["weights"]:
            raise InputError(f"{where}: has a checksum and no weights; leave it out")
        if isinstance(model["inputs"], str) and model["inputs"] not in ("unit", "imagenet"):
            raise unknown(
                "value", model["inputs"], ("unit", "imagenet", "{mean: [...], std: [...]}"), f"{where}.inputs"
            )
        _check_addresses(model, where)
    for dataset, block in wing["layers"].items():
        for name in block["models"]:
            if name not in wing["models"]:
                raise unknown("model", name, wing["models"], f"config: hash_encoders.layers.{dataset}.models")


def _check_addresses(model: dict, where: str) -> None:
    addresses = weights_addresses(model["weights"])
    for address in addresses:
        if not is_address(address) or not weights_name(address) or "?" in address:
            raise InputError(
                f"{where}.weights: {address}; expected a path, or addresses (https://...) that end in a file's name"
            )
    if len({weights_name(address) for address in addresses}) > 1:
        raise InputError(f"{where}.weights: addresses of files with different names; expected one file on several")
    if addresses and not model["checksum"]:
        raise InputError(f"{where}: weights at an address need a checksum, the MD5 of the file")


def _check_protocol(wing: dict, protocol: str, where: str) -> None:
    """Raise an InputError if a protocol by which a network is trained has settings of multilayer perceptrons."""
    defaults = {field.name: field.default for field in fields(Protocol)}
    for key in PERCEPTRONS_ONLY:
        if (found := wing["protocols"][protocol][key]) != defaults[key]:
            raise InputError(
                f"{where}.protocol: {key} of hash_encoders.protocols.{protocol} is {found}, which is for multilayer "
                "perceptrons only: this network says itself what its layers are and how they start, and its own inputs "
                f"(mean, std) what it is shown. Give it a protocol without {key}"
            )
