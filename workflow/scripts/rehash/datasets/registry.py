"""The card of each dataset that the config asks for: its rule, its target and its section of the report."""

from __future__ import annotations

from rehash.figures.registry import Figure, Wing
from rehash.graph import dataset_text

CLASSES, FINDINGS = "results/datasets/{dataset}.csv", "results/datasets/{dataset}_findings.csv"


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """List the cards that the config asks for: of each dataset that a wing builds something from, in their order."""
    equihash, wings = config["equihash"], config["wings"]
    build = equihash["build"]
    tasks = [*build["tasks"], *build["models"], *build["families"]]
    tasks += [equihash["databases"][name]["task"] for name in build["databases"] if name in equihash["databases"]]
    banks = [equihash["tasks"][name]["bank"] for name in tasks if name in equihash["tasks"]]
    of_banks = [equihash["banks"][name]["dataset"] for name in banks if name in equihash["banks"]]
    of_wings = {
        **{wing: config[wing]["datasets"] for wing in ("comparison", "hash_encoders", "tgsh")},
        "equihash": of_banks,
    }
    names = [name for wing in wings for name in of_wings[wing] if name]
    return [("dataset", {"dataset": name}) for name in dict.fromkeys(names)]


def data_text(config: dict, name: str, dataset: str) -> str:
    """Say where the data of a card come from, for the report."""
    return dataset_text(config, dataset)


FIGURES = {
    "dataset": Figure(
        about="Draw the card of a dataset: samples of each class, values, the mean image, and some samples.",
        title="data card",
        stem="results/datasets/{dataset}",
        caption="dataset",
        tables=("results/datasets/{dataset}.h5", CLASSES, FINDINGS),
        draw="rehash.datasets.figures.card:draw_card",
        summary="rehash.datasets.results:summary",
        claims="rehash.datasets.results:claims",
    )
}
WING = Wing("datasets", FIGURES, asked, data_text, main=("dataset",))
