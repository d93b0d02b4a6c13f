"""Checks of retrieval protocols, and of the datasets that are divided by them, which the schema cannot express."""

from __future__ import annotations

from rehash.errors import InputError, unknown

# Keys that say how raw files become samples, which of a division is done.
_OF_RAW_FILES = ("path", "checksum", "mirrors", "files", "class_names", "first_label", "value_range", "scale")


def check_protocols(config: dict) -> None:
    """Raise an InputError if settings of a retrieval protocol contradict each other."""
    for name, protocol in config["retrieval_protocols"].items():
        where = f"config: retrieval_protocols.{name}"
        trained, searched, unseen = (protocol[key] for key in ("train_a_class", "train_in_gallery", "unseen"))
        if unseen is not None and searched is not None:
            raise InputError(
                f"{where}.train_in_gallery: with unseen classes no training sample is of a class that is searched; "
                "leave it out"
            )
        themselves = protocol["searched"] == "queries"
        if themselves and searched is not None:
            raise InputError(
                f"{where}.train_in_gallery: with searched: queries no training sample is searched; leave it out"
            )
        if trained is None and searched is not None:
            raise InputError(
                f"{where}.train_in_gallery: without train_a_class networks are trained on all samples that are "
                "searched; leave it out, or add train_a_class"
            )
        if trained is not None and searched is None and unseen is None and not themselves:
            raise InputError(
                f"{where}: has train_a_class; expected train_in_gallery, too: true if the {trained} training samples "
                "of each class are searched with the others, false if not"
            )
        if isinstance(unseen, list) and len(unseen) < 2:
            raise InputError(
                f"{where}.unseen: one class, '{unseen[0]}'; expected two or more, since all that is found of one class "
                "is right"
            )
        _check_sizes(protocol, where)


def _check_sizes(protocol: dict, where: str) -> None:
    """Raise an InputError if no number of classes gives the sizes that a protocol states."""
    sizes = protocol["sizes"] or {}
    of_sizes = {"queries": "queries_a_class", "train": "train_a_class"}
    stated = {size: (sizes[size], protocol[key]) for size, key in of_sizes.items() if sizes.get(size) and protocol[key]}
    for size, (number, each) in stated.items():
        if number % each:
            raise InputError(
                f"{where}.sizes.{size}: is {number:,}, and {of_sizes[size]} {each}; expected a multiple of that"
            )
    classes = {size: number // each for size, (number, each) in stated.items()}
    if len(set(classes.values())) > 1 and protocol["unseen"] is None:
        raise InputError(
            f"{where}.sizes: the queries are of {classes['queries']} classes, the training samples of "
            f"{classes['train']}; expected as many"
        )
    if protocol["train_in_gallery"] and sizes.get("gallery", 0) and sizes.get("train", 0) > sizes["gallery"]:
        raise InputError(
            f"{where}.sizes: {sizes['train']:,} train samples, which are in the gallery of {sizes['gallery']:,}"
        )


def check_division(config: dict, name: str) -> None:
    """Raise an InputError unless a dataset divides another one of the config by a protocol of the config."""
    block, where = config["datasets"][name], f"config: datasets.{name}"
    for key in ("dataset", "protocol"):
        if not block[key]:
            raise InputError(f"{where}: reader division needs {key}")
    for key in _OF_RAW_FILES:
        if block[key]:
            raise InputError(
                f"{where}.{key}: is of raw files; a division takes its samples from the dataset {block['dataset']}, as "
                "they are there. Leave it out"
            )
    whole, protocol = block["dataset"], block["protocol"]
    others = [other for other, of in config["datasets"].items() if of["reader"] != "division"]
    if whole == name or config["datasets"].get(whole, {}).get("reader") == "division":
        what = "itself" if whole == name else f"'{whole}', which divides another dataset"
        raise InputError(f"{where}.dataset: divides {what}; expected a whole dataset: {', '.join(others)}")
    if whole not in config["datasets"]:
        raise unknown("dataset", whole, others, f"{where}.dataset")
    if protocol not in config["retrieval_protocols"]:
        raise unknown("retrieval protocol", protocol, config["retrieval_protocols"], f"{where}.protocol")
    unseen, names = config["retrieval_protocols"][protocol]["unseen"], config["datasets"][whole]["class_names"]
    if isinstance(unseen, list) and names:
        for label in unseen:
            if label not in names:
                raise unknown("class", label, names, f"{where}: config: retrieval_protocols.{protocol}.unseen")


def check_common_classes(config: dict, dataset: str, where: str) -> None:
    """Raise an InputError if a dataset's test split has none of the classes of its train split."""
    protocol = config["datasets"][dataset]["protocol"]
    if protocol and config["retrieval_protocols"][protocol]["unseen"] is not None:
        raise InputError(
            f"{where}: the dataset {dataset} is divided by the protocol {protocol}, whose queries are of classes that "
            "nothing is trained on: accuracies on them would be 0, whatever was learned. Take it out; the comparison "
            "measures codes of unseen classes"
        )
