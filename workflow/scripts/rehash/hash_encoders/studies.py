"""The studies: what each varies, how it is drawn and what the report says of it.

A new study is an entry here and a caption. The block of the config's schema, the cells that are trained, the axis of
the figures and the sentences of the report follow from the entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from rehash.hash_encoders.columns import REGULARISERS
from rehash.hash_encoders.protocols import SLOPES

Block = dict[str, Any]  # the config's block of a study and a dataset


@dataclass(frozen=True)
class Study:
    """A study that trains networks of its own.

    Attributes:
        about: a description of the study, for the schema.
        column: the column of its table that the study varies.
        axis: the axis label of the column, with its unit. scale: of the axis, linear, log or symlog.
        word: the word that precedes a value of the column in a sentence.
        keys: the keys of its block in the config beyond those of all studies, each with its JSON schema.
        cells: a function from a block to its cells: what each group of repeats is trained on, as the fields of
            `rehash.hash_encoders.cells.Cell`.
        said: the columns of which the report states the change from the lowest to the highest value.
        snapshots: whether its rows are snapshots during one training, all of which count, and not only the ends.
        published: whether He et al. (2021) published its curves.
        draw, claims: functions of the table, "module:function"; the defaults suit most studies.
    """

    about: str
    column: str
    axis: str
    cells: Callable[[Block], list[dict[str, Any]]]
    scale: str = "linear"
    word: str = ""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: tuple[str, ...] = ("redundancy_train", "knn")
    snapshots: bool = False
    published: bool = False
    draw: str = "rehash.hash_encoders.figures.studies:plot_study"
    claims: str = "rehash.hash_encoders.results:study_claims"


def _list(of: str | list[str], description: str, *, default: list | None = None, **more: Any) -> dict[str, Any]:
    """Return the schema of a list of distinct items; `more` bounds the items, but `contains` applies to the list."""
    contains = {"contains": more.pop("contains")} if "contains" in more else {}
    optional = {} if default is None else {"default": default}
    items = {"type": of, **more}
    return {"type": "array", "minItems": 1, "uniqueItems": True, **contains, "items": items, **optional} | {
        "description": description
    }


_SHARES = _list(
    "number",
    "Shares of the training items that are corrupted.",
    default=[0, 0.2, 0.4, 0.6, 0.8, 1],
    minimum=0,
    maximum=1,
)


def _levels(of: str | list[str], description: str, *, default: list | None = None, **items: Any) -> dict[str, Any]:
    """Return the schema of the levels of a regulariser: a list as `_list`'s, or null for the protocol's setting."""
    described = _list(of, f"{description}; null keeps the protocol's setting.", **items)
    return described | {"type": ["array", "null"], "default": default}


def _grid(block: Block) -> list[dict[str, Any]]:
    """Return every combination of the levels of those regularisers that have some."""
    levels = {name: block[name] for name in REGULARISERS if block[name] is not None}
    if "patience" in levels:
        levels["patience"] = [epochs or False for epochs in levels["patience"]]
    return [dict(zip(levels, values)) for values in product(*levels.values())]


_TILED = {
    "type": "boolean",
    "default": True,
    "description": "Whether an epoch repeats a small sample until it has about as many steps as with all inputs, as "
    "the public scripts do; false shows each input once an epoch.",
}

STUDIES = {
    "capacity": Study(
        about="The capacity study (layer width), by dataset.",
        column="layer_width",
        axis="layer width (hidden units)",
        cells=lambda block: [{"untrained": True}],
        published=True,
        draw="rehash.hash_encoders.figures.capacity:plot_capacity",
        claims="rehash.hash_encoders.results:capacity_claims",
    ),
    "sample_size": Study(
        about="The sample-size study, by dataset.",
        column="sample_size",
        axis="sample size (training inputs)",
        scale="log",
        word="sample size",
        keys={
            "sample_sizes": _list("integer", "Numbers of training inputs, each the first so many.", minimum=2),
            "tiled": _TILED,
        },
        cells=lambda block: [{"sample_size": n, "tiled": block["tiled"]} for n in block["sample_sizes"]],
        published=True,
    ),
    "training_time": Study(
        about="The training-time study, by dataset; with it come random inputs through its networks.",
        column="epoch",
        axis="training time (epochs)",
        scale="symlog",
        word="epoch",
        keys={
            "epochs": _list(
                "integer",
                "Epochs after which the networks of one training, which does not stop early, are kept; 0 is before "
                "training.",
                minimum=0,
                contains={"minimum": 1},
            ),
            "sample_sizes": {
                **_list("integer", "", default=[], minimum=2),
                "minItems": 0,
                "description": "Smaller samples, each the first so many training inputs, on which networks are trained "
                "through the same epochs, besides those on all inputs; the phase chart then has a plane of sample size "
                "and training time.",
            },
            "tiled": _TILED,
        },
        cells=lambda block: [
            {"epochs": sorted(block["epochs"]), **sample}
            for sample in ({}, *({"sample_size": n, "tiled": block["tiled"]} for n in sorted(block["sample_sizes"])))
        ],
        snapshots=True,
        published=True,
    ),
    "regularisation": Study(
        about="The regularisation study (a grid of penalties, BatchNorm, dropout, activations, augmentation and early "
        "stopping), by dataset.",
        column="dropout",
        axis="dropout (share of hidden activations)",
        keys={
            "l2": _levels("number", "Penalties on hidden kernels", default=[0, 1.0e-4], minimum=0),
            "weight_decay": _levels("number", "Weight decays of all parameters", minimum=0),
            "batch_norm": _levels(
                "boolean",
                "Without and with BatchNorm; with it the scripts' settings where the protocol has none",
                default=[False, True],
            ),
            "dropout": _levels("number", "Dropout shares", default=[0, 0.2, 0.5], minimum=0, exclusiveMaximum=1),
            "activation": _levels("string", "Activations of hidden units", enum=list(SLOPES)),
            "augmentation": _levels(
                "boolean",
                "Without and with random changes of training images; with them, where the protocol has none, rotation "
                "by up to 15 degrees and shifts by up to 10%, as in the public scripts of convolutional networks. "
                "These mirror images, too, which makes other signs of digits and letters; a protocol's own "
                "augmentation says so for photographs",
            ),
            "patience": _levels(
                ["integer", "null"],
                "Early stopping: epochs without a better training loss after which a network stops, where null in the "
                "list never stops early",
                minimum=1,
            ),
        },
        cells=_grid,
        claims="rehash.hash_encoders.results:regularisation_claims",
    ),
    "label_noise": Study(
        about="The label-noise study, by dataset.",
        column="label_noise",
        axis="label noise (share of labels permuted)",
        word="share",
        keys={"shares": _SHARES},
        cells=lambda block: [{"label_noise": share} for share in block["shares"]],
    ),
    "instance_noise": Study(
        about="The instance-noise study, by dataset.",
        column="instance_noise",
        axis="instance noise (share of inputs)",
        word="share",
        keys={"shares": _SHARES},
        cells=lambda block: [{"instance_noise": share} for share in block["shares"]],
        said=("redundancy_test", "knn"),
    ),
}
PUBLISHED = {name: study for name, study in STUDIES.items() if study.published}
DEPTH_AXIS = "depth (hidden layers)"
# Names of the columns of all studies' tables: PROPERTIES in figures and tables, SAID in sentences.
PROPERTIES = {
    "redundancy_train": "redundancy ratio (training inputs)",
    "redundancy_test": "redundancy ratio (test inputs)",
    "kmeans_train": "K-Means accuracy (training codes)",
    "kmeans_test": "K-Means accuracy (test codes)",
    "kmeans_test_matched": "K-Means accuracy (test codes, one to one)",
    "knn": "K-NN accuracy",
    "lr": "logistic regression accuracy",
    "accuracy_test": "network accuracy (test inputs)",
    "redundancy": "redundancy ratio",
    "active_share": "share of hidden units on",
    "purity_train": "purity of shared codes (training inputs)",
    "purity_test": "purity of shared codes (test inputs)",
    "code_bits": "bits of a code that vary",
    "forward": "L2 distance to the first code change",
    "chord": "chord",
    "nearest_face": "nearest face, in any direction",
    "changes": "code changes between two inputs",
}
# Where lines through an input lead, both ways, in the order of figures and tables.
WAYS = {"input": "towards another input", "class_mean": "towards its class's mean", "random": "in a random direction"}
REGULARISER_WORDS = {"l2": "L2", "weight_decay": "weight decay", "batch_norm": "BatchNorm"}
ACTIVATION_WORDS = {"relu": "ReLU", "leaky": "leaky ReLU", "prelu": "parametric ReLU"}
SAID = {
    "redundancy_train": "the redundancy ratio on the training inputs",
    "redundancy_test": "the redundancy ratio on the test inputs",
    "knn": "the accuracy of K-NN on the codes",
    "redundancy": "the redundancy ratio",
    "chord": "the median L2 length of the chord",
    "nearest_face": "the median L2 distance to the nearest face",
}


def level_name(factor: str, level: Any) -> str:
    """Return the name of a level of a regulariser.

    >>> [level_name(*of) for of in (("l2", 1e-4), ("batch_norm", True), ("activation", "leaky"), ("patience", 10))]
    ['L2 0.0001', 'BatchNorm', 'leaky ReLU', 'patience 10']
    >>> [level_name(*of) for of in (("augmentation", False), ("patience", math.inf))]
    ['without augmentation', 'without early stopping']
    """
    word = REGULARISER_WORDS.get(factor, factor)
    if factor == "activation":
        return ACTIVATION_WORDS[level]
    if factor == "patience" and math.isinf(level):
        return "without early stopping"
    if factor in ("batch_norm", "augmentation"):
        return word if level else f"without {word}"
    return f"{word} {level:g}"
