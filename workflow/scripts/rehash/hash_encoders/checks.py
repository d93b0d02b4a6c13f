"""Checks of the config's part `hash_encoders`: the schema of its studies' blocks, and references between parts."""

from __future__ import annotations

import copy

from rehash.errors import InputError, unknown
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
    blocks = (*STUDIES, "regions")
    for name in wing["datasets"]:
        if name not in config["datasets"]:
            raise unknown("dataset", name, config["datasets"], "config: hash_encoders.datasets")
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
    for name in set(wing["sample_size"]) & set(wing["training_time"]):
        depths = {s: wing[s][name]["depth"] for s in ("sample_size", "training_time", "capacity") if name in wing[s]}
        if len(set(depths.values())) > 1:
            raise InputError(f"config: hash_encoders: one phase chart of {name} needs one depth; found {depths}")
    for name in wing["regions"]:
        if name not in wing["capacity"]:
            raise unknown("dataset without a capacity study", name, wing["capacity"], "config: hash_encoders.regions")
