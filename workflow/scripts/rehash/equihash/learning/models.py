"""Models whose fingerprints are computed from views: hash networks of this wing, and encoders of any other origin."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rehash.datasets.layout import described
from rehash.encoders import Wanted
from rehash.equihash.images.task import Task
from rehash.equihash.learning.folding import ARITHMETIC
from rehash.equihash.learning.precision import arithmetic
from rehash.equihash.learning.weights import Network, open_network
from rehash.errors import InputError
from rehash.store import file_digest, value_digest


@dataclass(frozen=True)
class CodeSource:
    """An encoder that stands in the place of a hash network (`rehash.encoders`), and how it is opened.

    Attributes:
        keys: task, model and variant.
        open: its opener, "module:function".
        files: what was trained or fitted, by role. settings: what else the opener is given.
        dataset: the path of the dataset that it was made on.
        bits: the length of a code. repeat: which of the encoders that differ in random numbers only.
        seed: the root seed. where: the key of the config that asks, for messages.
    """

    keys: dict[str, str]
    open: str
    files: dict[str, str]
    settings: dict[str, Any]
    dataset: str
    bits: int
    repeat: int
    seed: int
    where: str


Model = str | Path | CodeSource


def asked_model(inputs: Any, source: dict[str, Any] | None) -> Model:
    """Return the model that a job encodes with: its network's file or, if it has none, its source of codes.

    Args:
        inputs: of the job: weights, or code_files and code_datasets.
        source: of its params, see `rehash.equihash.plan.code_params`.
    """
    return inputs.weights if source is None else asked_sources(inputs, [source])[0]


def asked_sources(inputs: Any, sources: Sequence[dict[str, Any]]) -> list[CodeSource]:
    """Return the sources of codes that a job encodes with; its input code_files has the files of one after another."""
    paths, found = iter(inputs.code_files), []
    for source, dataset in zip(sources, inputs.code_datasets, strict=True):
        of = {name: value for name, value in source.items() if name != "roles"}
        found.append(CodeSource(**of, files={role: next(paths) for role in source["roles"]}, dataset=dataset))
    return found


def open_model(
    model: Model, task: Task, device: torch.device, precision: str = "float32"
) -> tuple[Network, dict[str, Any], str, dict[str, str]]:
    """Open a model as a function from a task's views to logits, float32 (n, bits).

    An encoder is shown images on [0, 1]: views of bytes are divided by 255, and what noise adds beyond black and white
    is cut off, as in the files of a picture. It computes in float32.

    Args:
        precision: what a hash network computes in (`rehash.equihash.learning.precision`).

    Returns:
        The function; keys, bits and seed of the model; a digest of all that it depends on, among it the version of the
        arithmetic (`rehash.equihash.learning.folding`); the digests of its files by path.

    Raises:
        InputError: a file is not what it should be, or views are not of the shape that the model takes.
    """
    if isinstance(model, CodeSource):
        return _open_source(model, task, device)
    network, about = open_network(model, task, device, precision)
    digest = file_digest(model)
    return network, about, value_digest({"network": digest, "arithmetic": ARITHMETIC}), {str(model): digest}


def _open_source(
    source: CodeSource, task: Task, device: torch.device
) -> tuple[Network, dict[str, Any], str, dict[str, str]]:
    shape, classes, checksum = described(source.dataset)
    name = Path(source.dataset).stem
    if shape != task.shape:
        found, expected = (" x ".join(map(str, sizes)) for sizes in (task.shape, shape))
        raise InputError(
            f"{source.where}: the views of the task {source.keys['task']} are {found}; its codes are of inputs as "
            f"those of the dataset {name}, {expected}. Take a task whose bank, grid and picture give such views (for "
            "single images grid: [1, 1]), or a source that was made on images of the task's size"
        )
    wanted = Wanted(
        bits=source.bits,
        repeat=source.repeat,
        shape=shape,
        classes=classes,
        data=checksum,
        dataset=name,
        seed=source.seed,
        device=device,
        where=source.where,
    )
    module, _, function = source.open.partition(":")
    # Imported by name, since this wing knows no other (rehash.digest is told the name, too).
    encoder = getattr(importlib.import_module(module), function)(source.files, source.settings, wanted)

    def logits(views: torch.Tensor) -> torch.Tensor:
        images = views.float().div(255) if views.dtype == torch.uint8 else views.clamp(0, 1)
        with arithmetic("float32", device):
            found = encoder(images)
        if found.shape != (len(views), source.bits) or found.dtype != torch.float32:
            raise InputError(
                f"{source.where}: the encoder gives {found.dtype} {tuple(found.shape)} for {len(views)} views; "
                f"expected float32 logits of {source.bits} bits each. Set bits to the length of the source's codes"
            )
        return found

    digests = {path: file_digest(path) for path in source.files.values()}
    made = {role: digests[path] for role, path in source.files.items()}
    made |= {key: getattr(source, key) for key in ("open", "settings", "bits", "repeat", "seed")}
    about = {"keys": source.keys, "bits": source.bits, "seed": source.repeat}
    made |= {"data": checksum, "arithmetic": ARITHMETIC}
    return logits, about, value_digest(made), {**digests, source.dataset: checksum}
