"""Checks of the config's part `tgsh` that the schema cannot express."""

from __future__ import annotations

from rehash.config import check_images
from rehash.datasets.checks import check_common_classes
from rehash.errors import unknown


def check(config: dict) -> None:
    """Raise an InputError if the part refers to an unknown dataset or benchmark, or to one without FlyNet or images."""
    wing = config["tgsh"]
    for name in wing["datasets"]:
        if name in config["datasets"]:
            check_images(config, name, "config: tgsh.datasets")
            check_common_classes(config, name, "config: tgsh.datasets")
        if name not in wing["flynet"]:
            raise unknown("dataset without FlyNet", name, wing["flynet"], "config: tgsh.datasets")
    for part in ("flynet", "baselines"):
        for name, block in wing[part].items():
            if name not in config["datasets"]:
                raise unknown("dataset", name, config["datasets"], f"config: tgsh.{part}")
            check_images(config, name, f"config: tgsh.{part}.{name}")
            check_common_classes(config, name, f"config: tgsh.{part}.{name}")
            if part == "baselines" and name not in wing["flynet"]:
                raise unknown("dataset without FlyNet", name, wing["flynet"], "config: tgsh.baselines")
            for benchmark in block["benchmarks"] or []:
                if benchmark not in wing["benchmarks"]:
                    raise unknown("benchmark", benchmark, wing["benchmarks"], f"config: tgsh.{part}.{name}.benchmarks")
