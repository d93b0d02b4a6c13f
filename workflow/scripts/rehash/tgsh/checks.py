"""Checks of the config's part `tgsh` that the schema cannot express."""

from __future__ import annotations

from rehash.config import check_images
from rehash.datasets.checks import check_common_classes
from rehash.errors import InputError, unknown
from rehash.tgsh import plan
from rehash.tgsh.kinds import KINDS, check_encoder
from rehash.tgsh.streams import declared_tasks
from rehash.tgsh.tasks import class_numbers

_OF_EVERY_KIND = ("kind", "units", "decoder", "modulation")


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown name, or has networks, tasks or images that do not fit."""
    wing = config["tgsh"]
    for name, block in wing["encoders"].items():
        _check_settings(name, block)
    for name, block in wing["benchmarks"].items():
        declared_tasks(block, f"config: tgsh.benchmarks.{name}")
    for name in wing["datasets"]:
        if name in config["datasets"]:
            check_images(config, name, "config: tgsh.datasets")
            check_common_classes(config, name, "config: tgsh.datasets")
        if name not in wing["flynet"]:
            raise unknown("dataset without FlyNet", name, wing["flynet"], "config: tgsh.datasets")
    for part in ("flynet", "baselines", "held_out"):
        for name, block in wing[part].items():
            if name not in config["datasets"]:
                raise unknown("dataset", name, config["datasets"], f"config: tgsh.{part}")
            check_images(config, name, f"config: tgsh.{part}.{name}")
            check_common_classes(config, name, f"config: tgsh.{part}.{name}")
            if name not in wing["flynet"]:
                raise unknown("dataset without FlyNet", name, wing["flynet"], f"config: tgsh.{part}")
            for benchmark in block["benchmarks"] or []:
                base = benchmark.partition("-")[0]
                if base not in wing["benchmarks"]:
                    raise unknown("benchmark", base, wing["benchmarks"], f"config: tgsh.{part}.{name}.benchmarks")
    for name in wing["flynet"]:
        _check_networks(config, name)
    for name, block in wing["baselines"].items():
        for benchmark in block["benchmarks"]:
            plan.network_config(config, name, benchmark)
    for name, block in wing["held_out"].items():
        for benchmark in block["benchmarks"]:
            plan.held_out_params(config, name, benchmark)
            plan.modulations_of_shared_images(config, name, benchmark)
        if (classes := plan.known_classes(config, name)) is not None:
            class_numbers(block["classes"], classes, f"config: tgsh.held_out.{name}.classes")


def _check_settings(name: str, block: dict) -> None:
    where, kind = f"config: tgsh.encoders.{name}", block["kind"] or (name if name in KINDS else plan.DEFAULT)
    takes = KINDS[kind].takes
    for key, value in block.items():
        if value is not None and key not in (*_OF_EVERY_KIND, *takes):
            raise InputError(
                f"{where}.{key}: means nothing to an encoder of the kind {kind}; it takes "
                f"{', '.join(takes) or 'nothing else'}"
            )


def _check_networks(config: dict, dataset: str) -> None:
    """Raise an InputError if a network of a dataset, or a task of a benchmark, does not fit it."""
    where, shape = f"config: tgsh.flynet.{dataset}", plan.image_shape(config, dataset)
    for name in config["tgsh"]["flynet"][dataset]["encoders"]:
        if name not in (*config["tgsh"]["encoders"], *KINDS):
            raise unknown("encoder", name, (*config["tgsh"]["encoders"], *KINDS), f"{where}.encoders")
    for benchmark in plan.benchmarks_of(config, dataset):
        network = plan.network_config(config, dataset, benchmark)
        place = f"config: tgsh.encoders.{plan.network_name(benchmark)} on {dataset}"
        check_encoder(network["encoder"], network["units"], place, shape)
        for task in plan.tasks(config, dataset, benchmark):
            other, named = task.get("dataset"), f"config: tgsh.benchmarks.{benchmark.partition('-')[0]}"
            if other is None:
                continue
            if other not in config["datasets"]:
                raise unknown("dataset", other, config["datasets"], named)
            check_images(config, other, named)
            theirs = plan.image_shape(config, other)
            if shape and theirs and shape != theirs:
                sizes = (" x ".join(map(str, each)) for each in (shape, theirs))
                raise InputError(
                    f"{named}: images of {dataset} are {next(sizes)} and those of {other} {next(sizes)}; a frozen "
                    f"network has one size of images: expected datasets of one size. If {dataset} is not to run this "
                    f"benchmark, list its own in tgsh.flynet.{dataset}.benchmarks"
                )
