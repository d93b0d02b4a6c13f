"""What the Snakefile computes for this wing: paths, cells, job lists and targets as pure functions of the config."""

from __future__ import annotations

from typing import Any

from rehash.errors import InputError, unknown
from rehash.graph import dataset_config, dataset_text
from rehash.hash_encoders.columns import kmeans_split
from rehash.hash_encoders.studies import PUBLISHED, STUDIES

FOLDER = "results/hash_encoders/{dataset}/"
STUDY = FOLDER + "{study}"
COHORT = FOLDER + "networks/{study}/{protocol}/depth={depth}/layer_width={layer_width}/"
NETWORKS = f"{COHORT}networks.safetensors"
# In the report's order: the studies, then the figures that use the networks or tables of other studies.
ORDER = (*STUDIES, "random_inputs", "phase_chart", "regions", "published")
COLLECTED = (*STUDIES, "random_inputs")  # studies whose tables are combined from one table per protocol and width


def protocol_config(config: dict, protocol: str) -> dict:
    """Return the config's block of a training protocol."""
    protocols = config["hash_encoders"]["protocols"]
    if protocol not in protocols:
        raise unknown("protocol", protocol, protocols, "config: hash_encoders.protocols")
    return protocols[protocol]


def study_config(config: dict, study: str, dataset: str) -> dict:
    """Return the config's block of one study on one dataset.

    Raises:
        InputError: there is no such study or dataset, or the study has no block for the dataset.
    """
    if study not in config["hash_encoders"]:
        raise unknown("study", study, ORDER, "config: hash_encoders")
    dataset_config(config, dataset)
    studies = config["hash_encoders"][study]
    if dataset not in studies:
        beside = f"; add one beside {', '.join(sorted(studies))}" if studies else ""
        raise InputError(f"config: hash_encoders.{study}: no block for dataset '{dataset}'{beside}")
    return studies[dataset]


def cells(config: dict, study: str, dataset: str) -> list[dict[str, Any]]:
    """Return the cells of a study, each as the fields of hash_encoders.cells.Cell."""
    return STUDIES[study].cells(study_config(config, study, dataset))


def cohorts(config: dict, study: str, dataset: str) -> list[str]:
    """Return the folders of a study's networks, one per protocol and width."""
    block = study_config(config, study, dataset)
    return [
        COHORT.format(dataset=dataset, study=study, protocol=protocol, depth=block["depth"], layer_width=width)
        for protocol in block["protocols"]
        for width in block["layer_widths"]
    ]


def study_tables(config: dict, study: str, dataset: str) -> list[str]:
    """Return the paths of the tables that a study collects."""
    if study == "random_inputs":
        return [f"{folder}random_inputs.csv" for folder in cohorts(config, "training_time", dataset)]
    return [f"{folder}properties.csv" for folder in cohorts(config, study, dataset)]


def drawn_split(config: dict, study: str, dataset: str) -> str:
    """Return the split whose codes the K-Means line of a study's figure is of.

    It is the split of the published panel if that is known, else test.
    """
    counterpart = config["hash_encoders"]["published"].get(dataset)
    return (counterpart and kmeans_split(study, counterpart["dataset"])) or "test"


def drawing(config: dict, study: str, dataset: str) -> dict[str, str]:
    """Return the settings that a study's figure depends on besides its table."""
    return {"kmeans": drawn_split(config, study, dataset)}


def chart_settings(config: dict) -> dict[str, Any]:
    """Return the settings that the phase chart depends on besides its tables."""
    return {"thresholds": config["hash_encoders"]["phase_chart"]["thresholds"]}


def region_tables(config: dict, dataset: str, kind: str) -> list[str]:
    """Return the paths of the tables of linear regions of the capacity study's networks (kind: lines or slices)."""
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
    """Return study -> path of the tables of the phase chart, with the capacity study if the dataset has one."""
    needed = [study for study in ("sample_size", "training_time") if study_config(config, study, dataset)]
    joining = ["capacity"] if dataset in config["hash_encoders"]["capacity"] else []
    return {study: f"{STUDY.format(dataset=dataset, study=study)}.csv" for study in [*needed, *joining]}


def published_tables(config: dict, dataset: str) -> list[str]:
    """Return the paths of a dataset's study tables that have published counterparts."""
    studies = [study for study in PUBLISHED if dataset in config["hash_encoders"][study]]
    return [f"{STUDY.format(dataset=dataset, study=study)}.csv" for study in studies]


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """List the figures that the config asks for, in the report's order, each with its wildcards."""
    wing, found = config["hash_encoders"], []
    for dataset in wing["datasets"]:
        there = {study for study in (*STUDIES, "regions") if dataset in wing[study]}
        if dataset in wing["published"] and there & PUBLISHED.keys():
            there.add("published")
        if "training_time" in there:
            there.add("random_inputs")
        if {"training_time", "sample_size"} <= there:
            there.add("phase_chart")
        found += [(name, {"dataset": dataset}) for name in sorted(there, key=ORDER.index)]
    return found


def data_text(config: dict, name: str, dataset: str) -> str:
    """Say where the data of a figure come from, for the report."""
    return dataset_text(config, dataset)


def train_share(config: dict, study: str, dataset: str) -> float:
    """Return the share of the train split that a study trains on: that of its block, or the wing's default."""
    own = study_config(config, study, dataset)["train_share"]
    return config["hash_encoders"]["train_share"] if own is None else own


def training_params(config: dict, study: str, dataset: str, protocol: str) -> dict[str, Any]:
    """Return the settings that a training depends on besides its wildcards and its data."""
    return {
        "protocol": protocol_config(config, protocol),
        "cells": cells(config, study, dataset),
        "train_share": train_share(config, study, dataset),
        "repeats": study_config(config, study, dataset)["repeats"],
        "seed": config["seed"],
    }


def networks_planned(config: dict, study: str, dataset: str) -> int:
    """Return the number of networks that one job of a study trains."""
    return len(cells(config, study, dataset)) * study_config(config, study, dataset)["repeats"]


def regions_lines(config: dict, dataset: str) -> int:
    """Return the number of lines that are followed through linear regions, per network and kind of points."""
    return study_config(config, "regions", dataset)["lines"]


def published_counterpart(config: dict, dataset: str) -> dict[str, str]:
    """Return the published dataset with which a dataset's studies are compared, and the role of the comparison."""
    return study_config(config, "published", dataset)
