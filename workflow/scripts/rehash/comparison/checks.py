"""Checks of the config's part `comparison` that the schema cannot express."""

from __future__ import annotations

from typing import Any

from rehash.comparison.kinds import COMMON, KINDS, is_real, needs_images
from rehash.comparison.plan import source_config, source_params
from rehash.config import check_images, load_schema
from rehash.errors import InputError, unknown

# The keys of a source's block without which its kind means nothing.
_NEEDED = {"layer": ("model", "node"), "equihash": ("model", "task"), "file": ("path",)}


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown name, or says what a source's kind has no use for."""
    wing = config["comparison"]
    defaults = _defaults()
    for name, block in wing["sources"].items():
        _check_source(config, name, block, defaults)
    for part in ("retrieval", "published"):
        for dataset in wing[part]:
            if dataset not in config["datasets"]:
                raise unknown("dataset", dataset, config["datasets"], f"config: comparison.{part}")
    for dataset in (*wing["datasets"], *wing["published"]):
        if dataset not in wing["retrieval"]:
            raise unknown("dataset without retrieval", dataset, wing["retrieval"], "config: comparison.datasets")
    for dataset, block in wing["retrieval"].items():
        _check_retrieval(config, dataset, block)
    for dataset, block in wing["published"].items():
        for source in block["methods"]:
            there = wing["retrieval"][dataset]["sources"]
            if source not in there:
                raise unknown("source", source, there, f"config: comparison.published.{dataset}.methods")
    for dataset in wing["datasets"]:
        for source in wing["retrieval"][dataset]["sources"]:
            source_params(config, dataset, source)  # its errors name what the config lacks


def _defaults() -> dict[str, Any]:
    block = load_schema()["properties"]["comparison"]["properties"]["sources"]["additionalProperties"]
    return {key: value.get("default") for key, value in block["properties"].items()}


def _check_source(config: dict, name: str, block: dict[str, Any], defaults: dict[str, Any]) -> None:
    where, kind = f"config: comparison.sources.{name}", KINDS[block["kind"]]
    for key, value in block.items():
        if key not in (*COMMON, *kind.takes) and value != defaults[key]:
            raise InputError(
                f"{where}.{key}: means nothing to a source of the kind {block['kind']}; it takes "
                f"{', '.join(kind.takes) or 'nothing else'}"
            )
    for key in _NEEDED.get(block["kind"], ()):
        if block[key] is None:
            raise InputError(f"{where}: a source of the kind {block['kind']} needs {key}")
    if block["state"] == "unmodulated" and block["kind"] != "tgsh":
        raise InputError(f"{where}.state is unmodulated, which is for the kind tgsh; expected trained or untrained")
    if block["bits"] and is_real(block):
        raise InputError(f"{where}.bits: a source of real numbers has none; leave bits out, or real")
    if block["of"] is None:
        return
    of = source_config(config, block["of"])
    if not is_real(of) or of["kind"] in ("file", "pixels"):
        raise InputError(
            f"{where}.of: {block['of']} is no source of real numbers that an encoder makes; expected one with real: "
            "true, or no `of`, which takes pixels"
        )


def _check_retrieval(config: dict, dataset: str, block: dict[str, Any]) -> None:
    where, wing = f"config: comparison.retrieval.{dataset}", config["comparison"]
    divided = config["datasets"][dataset].get("protocol")
    if block["protocol"] not in config["retrieval_protocols"]:
        raise unknown("protocol", block["protocol"], config["retrieval_protocols"], f"{where}.protocol")
    if divided and block["protocol"] not in ("split", divided):
        raise InputError(
            f"{where}.protocol is {block['protocol']}, but the dataset is divided by {divided}; leave it out"
        )
    for source in block["sources"]:
        if source not in wing["sources"]:
            raise unknown("source", source, wing["sources"], f"{where}.sources")
        if needs_images(wing["sources"][source]):
            check_images(config, dataset, f"{where}.sources: {source}")
    if all(is_real(wing["sources"][source]) for source in block["sources"]):
        raise InputError(f"{where}.sources: all are of real numbers; expected one or more with bits to compare")
