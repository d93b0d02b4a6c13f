"""What the Snakefile computes for this wing: paths, cells, job lists and targets as pure functions of the config."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehash.errors import InputError, unknown
from rehash.graph import DATASET, dataset_config, dataset_text, outside_content
from rehash.hash_encoders.columns import kmeans_split
from rehash.hash_encoders.models.python_files import python_digest
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.studies import PUBLISHED, STUDIES
from rehash.outside import located

FOLDER = "results/hash_encoders/{dataset}/"
STUDY = FOLDER + "{study}"
COHORT = FOLDER + "networks/{study}/{protocol}/depth={depth}/layer_width={layer_width}/"
NETWORKS = f"{COHORT}networks_{{repeats}}.safetensors"
MODEL = FOLDER + "models/{model}/"
MODEL_REPEAT = f"{MODEL}repeat={{repeat}}/"
MODEL_NETWORK = f"{MODEL_REPEAT}network.safetensors"
OF_STATE = f"{MODEL}{{state}}/repeat={{repeat}}/"
LAYER_CODES, LAYER_TABLE = f"{OF_STATE}codes.h5", f"{OF_STATE}layers.csv"
MODEL_LINES = f"{OF_STATE}regions.csv"
LAYERS, MODEL_REGIONS = FOLDER + "layers", FOLDER + "layers_regions"
DOWNLOADED_WEIGHTS = "results/downloads/models/{model}/{file}"
STATES = ("trained", "untrained")
# Keys of a model's block that its training depends on, besides its file: what it is, and what it is shown.
_TRAINED = ("source", "call", "name", "arguments", "inputs", "image_size", "channels")
# In the report's order: the studies, then the figures that use the networks or tables of other studies.
ORDER = (
    *(*STUDIES, "depth", "random_inputs", "phase_chart", "layers", "layers_regions"),
    *("regions", "regions_time", "published"),
)
REGIONS = {"capacity": "regions", "training_time": "regions_time"}  # the figure of the regions of a study's networks
COLLECTED = (*STUDIES, "random_inputs")  # studies whose tables are combined from one table per cohort


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


def depths(block: dict) -> list[int]:
    """Return the depths of a study's networks in rising order; its block has one number, or a list of them."""
    found = block["depth"]
    return sorted(found) if isinstance(found, list) else [found]


def cohorts(config: dict, study: str, dataset: str, layer_widths: list[int] | None = None) -> list[str]:
    """Return the folders of a study's networks, one per protocol, depth and width.

    Args:
        layer_widths: some of its widths; None takes all.
    """
    block = study_config(config, study, dataset)
    return [
        COHORT.format(dataset=dataset, study=study, protocol=protocol, depth=depth, layer_width=width)
        for protocol in block["protocols"]
        for depth in depths(block)
        for width in (block["layer_widths"] if layer_widths is None else layer_widths)
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
    """Return the paths of the tables of linear regions of the networks of a dataset (kind: lines or slices).

    Raises:
        InputError: a width or an epoch is not among those of the studies.
    """
    block, tables, where = study_config(config, "regions", dataset), [], f"config: hash_encoders.regions.{dataset}"
    for name in block["studies"]:
        study = study_config(config, name, dataset)
        for key, word in (("layer_widths", "layer width"), ("epochs", "epoch")):
            for value in (block[key] or ()) if key in study else ():
                if value not in study[key]:
                    raise unknown(f"{word} of {name}", value, study[key], f"{where}.{key}")
        tables += [f"{folder}regions_{kind}.csv" for folder in cohorts(config, name, dataset, block["layer_widths"])]
    return tables


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
        there = {study for study in (*STUDIES, "layers") if dataset in wing[study]}
        there |= {REGIONS[study] for study in wing["regions"].get(dataset, {"studies": []})["studies"]}
        if "layers" in there and wing["layers"][dataset]["lines"]:
            there.add("layers_regions")
        if dataset in wing["published"] and there & PUBLISHED.keys():
            there.add("published")
        if "capacity" in there and len(depths(wing["capacity"][dataset])) > 1:
            there.add("depth")
        if "training_time" in there:
            there.add("random_inputs")
        if {"training_time", "sample_size"} <= there:
            there.add("phase_chart")
        found += [(name, {"dataset": dataset}) for name in sorted(there, key=ORDER.index)]
    return found


def data_text(config: dict, name: str, dataset: str) -> str:
    """Say where the data of a figure come from, for the report."""
    return dataset_text(config, dataset)


def networks_shown(config: dict, name: str, dataset: str) -> list[str]:
    """List the models that a figure of layers shows; other figures are of networks that have no names."""
    layers = name in ("layers", "layers_regions")
    return list(config["hash_encoders"]["layers"][dataset]["models"]) if layers else []


def train_share(config: dict, study: str, dataset: str) -> float:
    """Return the share of the train split that a study trains on: that of its block, or the wing's default."""
    own = study_config(config, study, dataset)["train_share"]
    return config["hash_encoders"]["train_share"] if own is None else own


def networks_file(config: dict, study: str, dataset: str, protocol: str, depth: str, layer_width: str) -> str:
    """Return the path of a cohort's networks, as many repeats as the study's block asks for."""
    repeats = study_config(config, study, dataset)["repeats"]
    keys = {"study": study, "dataset": dataset, "protocol": protocol, "depth": depth, "layer_width": layer_width}
    return NETWORKS.format(**keys, repeats=repeats)


def training_params(config: dict, study: str, dataset: str, protocol: str, repeats: str) -> dict[str, Any]:
    """Return the settings that a training depends on besides its wildcards and its data."""
    return {
        "protocol": protocol_config(config, protocol),
        "cells": cells(config, study, dataset),
        "train_share": train_share(config, study, dataset),
        "repeats": int(repeats),
        "seed": config["seed"],
    }


def model_train_share(config: dict, dataset: str) -> float:
    """Return the share of the train split on which the networks of a dataset's layers are trained."""
    own = config["hash_encoders"]["layers"].get(dataset, {}).get("train_share")
    return config["hash_encoders"]["train_share"] if own is None else own


def model_protocol(config: dict, model: str) -> dict[str, Any]:
    """Return the protocol by which a network is trained.

    Raises:
        InputError: it has none.
    """
    protocol = model_config(config, model)["protocol"]
    if protocol is None:
        raise InputError(
            f"config: hash_encoders.models.{model}: has no protocol, so it is not trained; name one of "
            f"hash_encoders.protocols: {', '.join(config['hash_encoders']['protocols'])}"
        )
    return protocol_config(config, protocol)


def model_training_params(config: dict, dataset: str, model: str) -> dict[str, Any]:
    """Return the settings that the training of a network depends on besides its wildcards and its data.

    Of the protocol these are the ones that are not the default, so that a new setting changes nothing.
    """
    dataset_config(config, dataset)
    block, protocol = model_config(config, model), model_protocol(config, model)
    defaults = {field.name: field.default for field in fields(Protocol)}
    return {
        "model": {key: block[key] for key in _TRAINED},
        "protocol": {key: value for key, value in protocol.items() if value != defaults.get(key)},
        "train_share": model_train_share(config, dataset),
        "seed": config["seed"],
    }


def networks_planned(config: dict, study: str, dataset: str, repeats: str) -> int:
    """Return the number of networks of one job of a study, those included that an earlier job has trained."""
    return len(cells(config, study, dataset)) * int(repeats)


def regions_settings(config: dict, study: str, dataset: str) -> dict[str, Any]:
    """Return what is measured of the linear regions of a study's networks.

    Keys: lines, directions, slices, and the training_time study's epochs, None for all of another study's moments.

    Raises:
        InputError: the dataset has no block of regions, or it does not name the study.
    """
    block = study_config(config, "regions", dataset)
    if study not in block["studies"]:
        raise unknown("study", study, block["studies"], f"config: hash_encoders.regions.{dataset}.studies")
    settings = {"lines": block["lines"], "directions": block["directions"], "slices": block["slice"], "epochs": None}
    if study == "training_time":
        settings["epochs"] = sorted(block["epochs"] or study_config(config, study, dataset)["epochs"])
    return settings


def published_counterpart(config: dict, dataset: str) -> dict[str, str]:
    """Return the published dataset with which a dataset's studies are compared, and the role of the comparison."""
    return study_config(config, "published", dataset)


def model_config(config: dict, model: str) -> dict:
    """Return the config's block of a network whose layers are measured."""
    models = config["hash_encoders"]["models"]
    if model not in models:
        raise unknown("model", model, models, "config: hash_encoders.models")
    return models[model]


def model_repeats(config: dict, dataset: str, model: str, state: str) -> list[int]:
    """Return the numbers of a model's networks that are measured, trained or untrained; none if there are none."""
    block = model_config(config, model)
    repeats = list(range(block["repeats"]))
    if block["source"] == "cohort":
        study = study_config(config, block["study"] or "capacity", dataset)
        there = state == "trained" or "epochs" not in study or 0 in study["epochs"]
        return list(range(study["repeats"])) if there else []
    if state == "untrained" or block["protocol"]:
        return repeats
    return [0] if block["weights"] else []


def layer_tables(config: dict, dataset: str) -> list[str]:
    """Return the paths of the tables of layers that a dataset's block asks for, one for each network."""
    return _of_networks(config, dataset, LAYER_TABLE)


def model_region_tables(config: dict, dataset: str) -> list[str]:
    """Return the paths of the tables of lines through the regions of the same networks."""
    return _of_networks(config, dataset, MODEL_LINES)


def _of_networks(config: dict, dataset: str, path: str) -> list[str]:
    return [
        path.format(dataset=dataset, model=model, state=state, repeat=repeat)
        for model in study_config(config, "layers", dataset)["models"]
        for state in STATES
        for repeat in model_repeats(config, dataset, model, state)
    ]


def weights_addresses(weights: str | list[str] | None) -> list[str]:
    """Return the web addresses of a model's weights; none if they are a path, or there are none."""
    found = [weights] if isinstance(weights, str) else weights or []
    return found if isinstance(weights, list) or any(map(is_address, found)) else []


def is_address(text: str) -> bool:
    """Return whether a text is a web address."""
    return text.startswith(("http://", "https://"))


def weights_name(address: str) -> str:
    """Return the name of the file at an address."""
    return Path(urlsplit(address).path).name


def weights_mirrors(config: dict, model: str) -> list[str]:
    """Return the places on which a model's weights are, without the file's name."""
    return [address.rpartition("/")[0] for address in weights_addresses(model_config(config, model)["weights"])]


def weights_checksum(config: dict, model: str) -> str:
    """Return the MD5 that is expected of a model's weights."""
    return model_config(config, model)["checksum"]


def model_files(config: dict, dataset: str, model: str, state: str, repeat: str) -> dict[str, str]:
    """Return the files that the graph makes for the codes of a network: the dataset, and its weights if it has some."""
    block = model_config(config, model)
    found = {"dataset": DATASET.format(dataset=dataset)}
    if block["source"] == "cohort":
        return {**found, "network": cohort_file(config, dataset, model)}
    if state == "untrained":
        return found
    if block["protocol"]:
        return {**found, "network": MODEL_NETWORK.format(dataset=dataset, model=model, repeat=repeat)}
    if addresses := weights_addresses(block["weights"]):
        return {**found, "weights": DOWNLOADED_WEIGHTS.format(model=model, file=weights_name(addresses[0]))}
    return found


def cohort_file(config: dict, dataset: str, model: str) -> str:
    """Return the networks of the study that a model of source cohort names.

    Raises:
        InputError: the study has no such protocol, depth or width, or several depths of which the model names none.
    """
    block = model_config(config, model)
    study = block["study"] or "capacity"
    where, there = f"config: hash_encoders.models.{model}", study_config(config, study, dataset)
    known = {"protocol": there["protocols"], "depth": depths(there), "layer_width": there["layer_widths"]}
    asked = {key: block[key] for key in known}
    if asked["depth"] is None and len(known["depth"]) == 1:
        asked["depth"] = known["depth"][0]
    for key, valid in known.items():
        if asked[key] not in valid:
            raise unknown(key.replace("_", " "), asked[key], valid, f"{where}.{key}: hash_encoders.{study}.{dataset}")
    return networks_file(config, study, dataset, **asked)


def model_places(config: dict, model: str, state: str = "untrained") -> dict[str, str]:
    """Return where a network's files from outside are: its Python file, and its weights if it is trained."""
    block, where = model_config(config, model), f"config: hash_encoders.models.{model}"
    found = {"path": located(block["path"], f"{where}.path")} if block["path"] else {}
    if state == "trained" and block["weights"] and not weights_addresses(block["weights"]):
        found["weights"] = located(block["weights"], f"{where}.weights")
    return found


def model_content(
    config: dict, dataset: str, model: str, repeat: str, state: str = "untrained", look: bool = True
) -> dict[str, str]:
    """Return checksums of a network's files from outside: of its Python code, and of its weights if it is trained.

    Args:
        look: see `rehash.outside.content_digest`.

    Raises:
        InputError: a file is not there, or the weights have another checksum than the config says.
    """
    block, where = model_config(config, model), f"config: hash_encoders.models.{model}"
    found = {"path": python_digest(located(block["path"], f"{where}.path"))} if block["path"] else {}
    if state == "untrained" or not block["weights"]:
        return found
    if weights_addresses(block["weights"]):
        return {**found, "weights": block["checksum"]}
    built = LAYER_CODES.format(dataset=dataset, model=model, state=state, repeat=repeat)
    content = outside_content(block["weights"], f"{where}.weights", built, ("content", "weights"), look=look)
    if block["checksum"] and content != block["checksum"]:
        raise InputError(f"{where}.checksum: {block['weights']} has the MD5 {content}; expected {block['checksum']}")
    return {**found, "weights": content}


def model_settings(config: dict, model: str) -> dict[str, Any]:
    """Return what a model's block says of the network itself, not where its files are or which of it is measured."""
    elsewhere = ("path", "weights", "checksum", "repeats", "nodes")
    return {key: value for key, value in model_config(config, model).items() if key not in elsewhere}


def layers_encoding(config: dict, dataset: str, model: str) -> dict[str, Any]:
    """Return the settings that the codes of a network's layers depend on besides its files and wildcards."""
    block = study_config(config, "layers", dataset)
    return {
        "model": model_settings(config, model),
        "nodes": model_config(config, model)["nodes"] or block["nodes"],
        "wanted": {key: block[key] for key in ("pool", "bits", "max_bits")},
        "samples": {split: block[f"{split}_samples"] for split in ("train", "test")},
        "train_share": train_share(config, "layers", dataset),
        "seed": config["seed"],
    }


def model_regions(config: dict, dataset: str, model: str) -> dict[str, Any]:
    """Return the settings that the lines through a network's regions depend on besides its files and wildcards.

    Raises:
        InputError: the dataset's block of layers asks for no lines.
    """
    block = study_config(config, "layers", dataset)
    if not block["lines"]:
        raise InputError(f"config: hash_encoders.layers.{dataset}.lines is 0; expected a number of lines, such as 5")
    return {
        "model": model_settings(config, model),
        "lines": block["lines"],
        "directions": block["directions"],
        "train_share": train_share(config, "layers", dataset),
        "seed": config["seed"],
    }


def layers_measured(config: dict, dataset: str) -> dict[str, Any]:
    """Return how the codes of layers are measured."""
    block = study_config(config, "layers", dataset)
    limit = config["hash_encoders"]["one_vs_one_classes"]
    return {"each": block["each"], "classes": block["classes"], "one_vs_one_classes": limit}
