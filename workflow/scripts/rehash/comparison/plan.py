"""What the Snakefile computes for this wing: paths, encoders, job lists and targets as pure functions of the config."""

from __future__ import annotations

from typing import Any

from rehash.comparison.kinds import FITTED as FITTED  # a path of the rules
from rehash.comparison.kinds import Block, is_real, kind_of
from rehash.digest import code_digest
from rehash.errors import InputError, unknown
from rehash.graph import DATASET, dataset_config, dataset_text, outside_content
from rehash.hash_encoders import plan as encoders
from rehash.outside import located

FOLDER = "results/comparison/{dataset}/"
SOURCE = FOLDER + "{source}/"
CODES = SOURCE + "codes.h5"
MEASURED = SOURCE + "retrieval"
CURVES = SOURCE + "curves"
RETRIEVAL = FOLDER + "retrieval"
TRADE = FOLDER + "trade"
ALL_CURVES = FOLDER + "precision_recall"
TIMES = FOLDER + "encoding_time"
PUBLISHED = FOLDER + "published"


def source_config(config: dict, source: str) -> Block:
    """Return the config's block of a source of codes, with its name.

    Raises:
        InputError: there is no such source; names the nearest one.
    """
    sources = config["comparison"]["sources"]
    if source not in sources:
        raise unknown("source", source, sources, "config: comparison.sources")
    return {**sources[source], "name": source}


def retrieval_config(config: dict, dataset: str) -> dict[str, Any]:
    """Return the config's block of the comparison on a dataset.

    Raises:
        InputError: there is no such dataset, or it has no block.
    """
    dataset_config(config, dataset)
    blocks = config["comparison"]["retrieval"]
    if dataset not in blocks:
        beside = f"; add one beside {', '.join(sorted(blocks))}" if blocks else ""
        raise InputError(f"config: comparison.retrieval: no block for dataset '{dataset}'{beside}")
    return blocks[dataset]


def protocol_of(config: dict, dataset: str) -> str:
    """Return the name of the retrieval protocol by which a dataset is measured.

    It is that of a dataset that was divided by one, else that of its block of comparison.retrieval.
    """
    return dataset_config(config, dataset).get("protocol") or retrieval_config(config, dataset)["protocol"]


def bits_of(config: dict, dataset: str, source: str) -> list[int]:
    """Return the lengths of a source's codes on a dataset, rising: its own, or those of the dataset's block."""
    block = source_config(config, source)
    if is_real(block):
        return [0]
    return sorted(block["bits"] or retrieval_config(config, dataset)["bits"])


def encoder_of(config: dict, source: str, dataset: str, bits: int, repeat: int) -> dict[str, Any]:
    """Return how one encoder of a source is opened: its opener's name, its files by role and its settings.

    Args:
        bits: the length of its codes; 0 for real numbers.

    Raises:
        InputError: the source has no such repeat, or what it is made of is not in the config.
    """
    block, where = source_config(config, source), f"config: comparison.sources.{source}"
    kind = kind_of(block)
    if not kind.open:
        raise InputError(f"{where}: codes of a file have no encoder, which is needed here; take another source")
    if not 0 <= repeat < (count := kind.repeats(config, dataset, block)):
        raise InputError(f"{where}: repeat {repeat} on {dataset}; it has {count}, numbered from 0")
    return {
        "open": kind.open,
        "files": {**encoder_files(config, dataset, source, bits, repeat), **outside_files(config, source)},
        "settings": _settings(config, dataset, block),
        "where": where,
    }


def _settings(config: dict, dataset: str, block: Block) -> dict[str, Any]:
    kind = kind_of(block)
    found = {key: block[key] for key in kind.settings} | kind.more(config, dataset, block)
    return found | ({"kind": kind.fit, "of": features_of(config, dataset, block)} if kind.fit else {})


def features_of(config: dict, dataset: str, block: Block) -> dict[str, Any] | None:
    """Return how the first encoder of real numbers is opened on which a source is fitted; None of pixels."""
    if not block["of"]:
        return None
    inner = source_config(config, block["of"])
    return {"open": kind_of(inner).open, "settings": _settings(config, dataset, inner), "repeat": 0}


def feature_files(config: dict, dataset: str, source: str) -> dict[str, str]:
    """Return the files of the encoder of real numbers on which a source is fitted; none where that is pixels."""
    of = source_config(config, source)["of"]
    return encoder_files(config, dataset, of, 0, 0) if of else {}


def encoder_files(config: dict, dataset: str, source: str, bits: int, repeat: int) -> dict[str, str]:
    """Return the files that the graph makes for one encoder, and for the features it is fitted on, by role."""
    block = source_config(config, source)
    own = kind_of(block).files(config, dataset, block, bits, repeat)
    return own | feature_files(config, dataset, source)


def encoders_of(config: dict, dataset: str, source: str) -> list[dict[str, Any]]:
    """List the encoders of a source on a dataset, by rising bits and repeat: bits, repeat and files by role."""
    block = source_config(config, source)
    if not kind_of(block).open:
        return []  # codes of a user's own are made elsewhere
    count = kind_of(block).repeats(config, dataset, block)
    if not count:
        raise InputError(
            f"config: comparison.sources.{source}: there is no {block['state']} network of {block['model']} on "
            f"{dataset}; give the model weights or a protocol, or say state: untrained"
        )
    return [
        {"bits": bits, "repeat": repeat, "files": encoder_files(config, dataset, source, bits, repeat)}
        for bits in bits_of(config, dataset, source)
        for repeat in range(count)
    ]


def source_inputs(config: dict, dataset: str, source: str) -> dict[str, Any]:
    """Return the files that the graph makes for the codes of a source: the dataset, and those of its encoders."""
    used = [path for one in encoders_of(config, dataset, source) for path in one["files"].values()]
    return {"dataset": DATASET.format(dataset=dataset), "files": list(dict.fromkeys(used))}


def outside_files(config: dict, source: str) -> dict[str, str]:
    """Return the paths of a source's files from outside, by role: of a network's code and weights, or of codes."""
    block = source_config(config, source)
    if block["kind"] == "layer":
        return encoders.model_places(config, block["model"], block["state"])
    if block["kind"] == "file":
        where = f"config: comparison.sources.{source}.path"
        return {f"path{number}": located(path, where) for number, path in enumerate(_listed(block["path"]))}
    return {}


def _listed(paths: str | list[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else paths


def outside_digests(config: dict, dataset: str, source: str, look: bool = True) -> dict[str, str]:
    """Return what tells whether a source's files from outside have changed: their checksums by role.

    Args:
        look: see `rehash.outside.content_digest`.
    """
    block = source_config(config, source)
    if block["kind"] == "layer":
        return encoders.model_content(config, dataset, block["model"], "0", block["state"], look=look)
    if block["kind"] == "file":
        where, built = f"config: comparison.sources.{source}.path", CODES.format(dataset=dataset, source=source)
        return {
            f"path{number}": outside_content(path, where, built, ("content", f"path{number}"), look=look)
            for number, path in enumerate(_listed(block["path"]))
        }
    return {}


def source_params(config: dict, dataset: str, source: str) -> dict[str, Any]:
    """Return what the codes of a source depend on besides the content of its files (see `encode.encode_source`)."""
    block = source_config(config, source)
    return {
        "name": source,
        "kind": block["kind"],
        "open": kind_of(block).open,
        "settings": _settings(config, dataset, block),
        "encoders": encoders_of(config, dataset, source),
        "dataset": dataset,
        "seed": config["seed"],
        "where": f"config: comparison.sources.{source}",
        "protocol": protocol_of(config, dataset),
        "sizes": config["retrieval_protocols"][protocol_of(config, dataset)]["sizes"],
    }


def fit_params(config: dict, dataset: str, source: str) -> dict[str, Any]:
    """Return what a source that is fitted depends on besides its files (see `fit.fit_source`)."""
    block = source_config(config, source)
    kind = kind_of(block)
    return {
        "kind": kind.fit,
        "of": features_of(config, dataset, block),
        "files": feature_files(config, dataset, source),
        "bits": bits_of(config, dataset, source),
        "repeats": list(range(kind.repeats(config, dataset, block))),
        "seed": config["seed"],
        "dataset": dataset,
        "where": f"config: comparison.sources.{source}",
    }


def fit_inputs(config: dict, dataset: str, source: str) -> dict[str, Any]:
    """Return the files that a source is fitted on: the dataset, and those of the features it is fitted on."""
    return {"dataset": DATASET.format(dataset=dataset), "files": list(feature_files(config, dataset, source).values())}


def source_digest(config: dict, source: str) -> str:
    """Return the digest of the code that encodes with a source, without the other kinds."""
    return _digest_with("encode_source", config, source, source_config(config, source)["of"])


def fit_digest(config: dict, source: str) -> str:
    """Return the digest of the code that fits a source, with that of its features."""
    return _digest_with("fit_source", config, source_config(config, source)["of"])


def _digest_with(script: str, config: dict, *sources: str | None) -> str:
    """Return the digest of a script and of the openers of sources, as far as these have any."""
    names = [kind_of(source_config(config, source)).open for source in sources if source]
    return code_digest(script, also=tuple(tuple(name.split(":")) for name in names if name))


def measured(config: dict, dataset: str, source: str) -> dict[str, Any]:
    """Return how the codes of a source are measured (see `retrieve.measure_retrieval`)."""
    block = retrieval_config(config, dataset)
    keys = ("at", "cutoffs", "radii", "queries_in_gallery", "resamples")
    return {
        "keys": {"dataset": dataset, "protocol": protocol_of(config, dataset), "source": source},
        "measured": {**{key: block[key] for key in keys}, "seed": config["seed"]},
    }


def compared_tables(config: dict, dataset: str, path: str) -> list[str]:
    """Return a path of each source of a dataset's comparison, in the order of the config."""
    return [path.format(dataset=dataset, source=source) for source in retrieval_config(config, dataset)["sources"]]


def titles(config: dict, dataset: str) -> dict[str, Any]:
    """Return what a figure says of the sources: their titles by name, in the order in which they are drawn."""
    sources = retrieval_config(config, dataset)["sources"]
    return {"titles": {name: source_config(config, name)["title"] or name.replace("_", " ") for name in sources}}


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """List the figures that the config asks for, in the report's order, each with its wildcards."""
    found = []
    for dataset in config["comparison"]["datasets"]:
        names = ["trade", "retrieval_of_codes", "precision_recall"]
        names += ["published_retrieval"] if dataset in config["comparison"]["published"] else []
        found += [(name, {"dataset": dataset}) for name in names]
    return found


def data_text(config: dict, name: str, dataset: str) -> str:
    """Say where the data of a figure come from, and by which protocol they are measured, for the report."""
    return f"{dataset_text(config, dataset)} Retrieval protocol: {protocol_of(config, dataset)}."


def published_counterpart(config: dict, dataset: str) -> dict[str, Any]:
    """Return the published dataset with which a dataset is compared, and the published methods by source.

    Raises:
        InputError: the dataset has no block of comparison.published.
    """
    blocks = config["comparison"]["published"]
    if dataset not in blocks:
        raise InputError(f"config: comparison.published: no block for dataset '{dataset}'")
    return {key: blocks[dataset][key] for key in ("dataset", "methods")}
