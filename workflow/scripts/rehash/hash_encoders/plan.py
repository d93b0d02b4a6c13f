"""What the Snakefile computes for this wing: paths, cells, job lists and targets as pure functions of the config."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

from rehash.errors import InputError, unknown
from rehash.graph import dataset_config, dataset_text, minutes
from rehash.hash_encoders.columns import kmeans_split

STUDY = "results/hash_encoders/{dataset}/{study}"
COHORT = "results/hash_encoders/{dataset}/networks/{study}/{protocol}/depth={depth}/layer_width={layer_width}/"
# Studies that train networks of their own, and those that look at the networks or tables of others.
TRAINED = ("capacity", "sample_size", "training_time", "regularisation", "label_noise", "instance_noise")
PUBLISHED = ("capacity", "sample_size", "training_time")
PLOTTED = (*TRAINED, "random_inputs")
FIGURES = (*PLOTTED, "phase_chart", "regions", "published")


def protocol_config(config: dict, protocol: str) -> dict:
    """The block of a training protocol."""
    protocols = config["hash_encoders"]["protocols"]
    if protocol not in protocols:
        raise unknown("protocol", protocol, protocols, "config: hash_encoders.protocols")
    return protocols[protocol]


def study_config(config: dict, study: str, dataset: str) -> dict:
    """The block of one study on one dataset.

    Raises:
        InputError: there is no such study or dataset, or the study has no block for the dataset.
    """
    if study not in config["hash_encoders"]:
        raise unknown("study", study, FIGURES, "config: hash_encoders")
    dataset_config(config, dataset)
    studies = config["hash_encoders"][study]
    if dataset not in studies:
        beside = f"; add one beside {', '.join(sorted(studies))}" if studies else ""
        raise InputError(f"config: hash_encoders.{study}: no block for dataset '{dataset}'{beside}")
    return studies[dataset]


def cells(config: dict, study: str, dataset: str) -> list[dict[str, Any]]:
    """The cells of a study: what each group of repeats is trained on, as the fields of hash_encoders.cells.Cell."""
    block = study_config(config, study, dataset)
    if study == "capacity":
        return [{"untrained": True}]
    if study == "training_time":
        return [{"epochs": sorted(block["epochs"])}]
    if study == "sample_size":
        return [{"sample_size": n, "tiled": block["tiled"]} for n in block["sample_sizes"]]
    if study == "regularisation":
        factors = ("l2", "batch_norm", "dropout")
        return [dict(zip(factors, values)) for values in product(*(block[factor] for factor in factors))]
    return [{study: share} for share in block["shares"]]


def cohorts(config: dict, study: str, dataset: str) -> list[str]:
    """Folders of a study's networks, one a protocol and width."""
    block = study_config(config, study, dataset)
    return [
        COHORT.format(dataset=dataset, study=study, protocol=protocol, depth=block["depth"], layer_width=width)
        for protocol in block["protocols"]
        for width in block["layer_widths"]
    ]


def study_tables(config: dict, study: str, dataset: str) -> list[str]:
    """The tables that a study collects."""
    if study == "random_inputs":
        return [f"{folder}random_inputs.csv" for folder in cohorts(config, "training_time", dataset)]
    return [f"{folder}properties.csv" for folder in cohorts(config, study, dataset)]


def drawn_split(config: dict, study: str, dataset: str) -> str:
    """Whose K-Means a study's figure draws: of the codes that the published panel is of, else of the test codes."""
    counterpart = config["hash_encoders"]["published"].get(dataset)
    return (counterpart and kmeans_split(study, counterpart["dataset"])) or "test"


def region_tables(config: dict, dataset: str, kind: str) -> list[str]:
    """The tables (kind: lines or slices) of the linear regions of a capacity study's networks."""
    block = study_config(config, "regions", dataset)
    capacity = study_config(config, "capacity", dataset)
    missing = [width for width in block["layer_widths"] if width not in capacity["layer_widths"]]
    if missing:
        raise unknown("layer width", missing[0], capacity["layer_widths"], f"config: hash_encoders.regions.{dataset}")
    return [
        f"{COHORT}regions_{kind}.csv".format(
            dataset=dataset, study="capacity", protocol=protocol, depth=capacity["depth"], layer_width=width
        )
        for protocol in capacity["protocols"]
        for width in block["layer_widths"]
    ]


def phase_chart_tables(config: dict, dataset: str) -> dict[str, str]:
    """Study -> table of what the phase chart is made of; the capacity study joins in where there is one."""
    needed = [study for study in ("sample_size", "training_time") if study_config(config, study, dataset)]
    joining = ["capacity"] if dataset in config["hash_encoders"]["capacity"] else []
    return {study: f"{STUDY.format(dataset=dataset, study=study)}.csv" for study in [*needed, *joining]}


def published_tables(config: dict, dataset: str) -> list[str]:
    """The study tables of a dataset that have published counterparts."""
    studies = [study for study in PUBLISHED if dataset in config["hash_encoders"][study]]
    return [f"{STUDY.format(dataset=dataset, study=study)}.csv" for study in studies]


def studies_of(config: dict, dataset: str) -> list[str]:
    """What the config asks for on a dataset, in the report's order."""
    wing = config["hash_encoders"]
    asked = [study for study in (*TRAINED, "regions") if dataset in wing[study]]
    if dataset in wing["published"] and set(PUBLISHED) & set(asked):
        asked.append("published")
    if "training_time" in asked:
        asked.append("random_inputs")
    if {"training_time", "sample_size"} <= set(asked):
        asked.append("phase_chart")
    return sorted(asked, key=FIGURES.index)


def figures(config: dict) -> list[dict[str, str]]:
    """What the report shows, in order: paper, dataset, study, caption, text, and the stem of its paths."""
    return [
        {
            "paper": "hash_encoders",
            "dataset": dataset,
            "study": study,
            "stem": STUDY.format(dataset=dataset, study=study),
            "caption": study,
            "text": dataset_text(config, dataset),
        }
        for dataset in config["hash_encoders"]["datasets"]
        for study in studies_of(config, dataset)
    ]


def targets(config: dict) -> list[str]:
    """Every table and figure of the wing."""
    return [
        f"{entry['stem']}{end}"
        for entry in figures(config)
        for end in (".csv", ".pdf", ".png", *([".html"] if entry["study"] == "phase_chart" else []))
    ]


def train_share(config: dict, study: str, dataset: str) -> float:
    """The share of the train split that a study's networks are trained on: the block's own, or the wing's."""
    own = study_config(config, study, dataset)["train_share"]
    return config["hash_encoders"]["train_share"] if own is None else own


def training_params(config: dict, study: str, dataset: str, protocol: str) -> dict[str, Any]:
    """What a training depends on besides its wildcards and its data."""
    return {
        "protocol": protocol_config(config, protocol),
        "cells": cells(config, study, dataset),
        "train_share": train_share(config, study, dataset),
        "repeats": study_config(config, study, dataset)["repeats"],
        **{key: config[key] for key in ("seed", "device", "threads")},
    }


def networks_planned(config: dict, study: str, dataset: str) -> int:
    """Networks that one job of a study trains."""
    return len(cells(config, study, dataset)) * study_config(config, study, dataset)["repeats"]


def training_minutes(config: dict, study: str, dataset: str, protocol: str, attempt: int) -> int:
    """A generous run time limit: 1 ms a step, network and layer, for MNIST's size trained to the last epoch."""
    block, study_block = protocol_config(config, protocol), study_config(config, study, dataset)
    steps = 0.0
    for cell in cells(config, study, dataset):
        inputs = 60_000 if cell.get("tiled", True) else cell["sample_size"]
        steps += max(cell.get("epochs", [block["epochs"]])) * math.ceil(inputs / block["batch_size"])
    return minutes(study_block["repeats"] * study_block["depth"] * steps * 0.001 / 60, attempt)


def state_mb(config: dict, study: str, dataset: str, depth: str, layer_width: str, **_: str) -> float:
    """Size of all networks of a job, with what an optimiser remembers of them, for pictures of CIFAR-10's size."""
    width = int(layer_width)
    parameters = (3072 + (int(depth) - 1) * width + 10) * width
    kept = sum(len(cell.get("epochs", (0, 1))) + 3 for cell in cells(config, study, dataset))
    return kept * study_config(config, study, dataset)["repeats"] * parameters * 4 / 1e6


def measuring_minutes(config: dict, study: str, dataset: str, attempt: int) -> int:
    """A generous run time limit: two minutes a network and snapshot, which is what 1,000 bits on CIFAR-10 take."""
    snapshots = sum(len(cell.get("epochs", (0, 1))) for cell in cells(config, study, dataset))
    return minutes(2 * snapshots * study_config(config, study, dataset)["repeats"], attempt)
