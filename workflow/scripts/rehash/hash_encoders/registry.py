"""The figures of the wing: the registry from which rules, targets and the report's sections are made."""

from __future__ import annotations

from rehash.figures.registry import Figure, Wing
from rehash.hash_encoders import plan
from rehash.hash_encoders.studies import STUDIES

_DRAWN, _SAID = "rehash.hash_encoders.figures", "rehash.hash_encoders.results"
_HEADLINES = "rehash.hash_encoders.headlines"

# The report's main figures, the first three of these that there are.
MAIN = ("capacity", "phase_chart", "training_time", "sample_size", "layers", "depth", "published", "regions")


def _study(name: str) -> Figure:
    return Figure(
        about=f"Draw the study {name.replace('_', ' ')}: redundancy and categorization against what it varies.",
        title=name.replace("_", " "),
        stem=plan.FOLDER + name,
        caption=name,
        draw=STUDIES[name].draw,
        summary=f"{_SAID}:study_summary",
        claims=STUDIES[name].claims,
        headline=f"{_HEADLINES}:{'capacity' if name == 'capacity' else 'study'}_headline" if name in MAIN else "",
        settings=lambda config, dataset: plan.drawing(config, name, dataset),
    )


FIGURES = {name: _study(name) for name in STUDIES} | {
    "depth": Figure(
        about="Draw redundancy and categorization of the capacity study's networks against their depth.",
        title="depth",
        stem=plan.FOLDER + "depth",
        caption="depth",
        tables=(plan.FOLDER + "capacity.csv",),
        provenance=plan.FOLDER + "capacity.json",
        draw=f"{_DRAWN}.depth:plot_depth",
        summary=f"{_SAID}:depth_summary",
        claims=f"{_SAID}:depth_claims",
    ),
    "random_inputs": Figure(
        about="Draw the codes that networks give to random and shuffled inputs, against training time.",
        title="random inputs",
        stem=plan.FOLDER + "random_inputs",
        caption="random_inputs",
        draw=f"{_DRAWN}.studies:plot_random_inputs",
        summary=f"{_SAID}:random_inputs_summary",
        claims=f"{_SAID}:random_inputs_claims",
    ),
    "phase_chart": Figure(
        about="Draw the activation hash phase chart, for paper and as an interactive page.",
        title="phase chart",
        stem=plan.FOLDER + "phase_chart",
        caption="phase_chart",
        draw=f"{_DRAWN}.phase_chart:plot_phase_chart",
        page=f"{_DRAWN}.phase_chart:interactive_phase_chart",
        summary=f"{_SAID}:phase_chart_summary",
        claims=f"{_SAID}:phase_chart_claims",
        headline=f"{_HEADLINES}:phase_chart_headline",
        settings=plan.chart_settings,
        group="overview",
    ),
    "layers": Figure(
        about="Draw the properties of networks' layers against depth, trained beside untrained.",
        title="layers of networks",
        stem=plan.LAYERS,
        caption="layers",
        draw=f"{_DRAWN}.layers:plot_layers",
        summary=f"{_SAID}:layers_summary",
        claims=f"{_SAID}:layers_claims",
        headline=f"{_HEADLINES}:layers_headline",
    ),
    "layers_regions": Figure(
        about="Draw how far the linear regions of networks of any shape reach around inputs.",
        title="linear regions of networks",
        stem=plan.MODEL_REGIONS,
        caption="layers_regions",
        draw=f"{_DRAWN}.model_regions:plot_model_regions",
        summary=f"{_SAID}:model_regions_summary",
        claims=f"{_SAID}:model_regions_claims",
    ),
    "regions": Figure(
        about="Draw how far linear regions reach, and a plane through three inputs cut into them.",
        title="linear regions",
        stem=plan.FOLDER + "regions",
        caption="regions",
        tables=(plan.FOLDER + "regions.csv", plan.FOLDER + "regions_slices.csv"),
        draw=f"{_DRAWN}.regions:plot_regions",
        summary=f"{_SAID}:regions_summary",
        claims=f"{_SAID}:regions_claims",
    ),
    "regions_time": Figure(
        about="Draw how far linear regions reach against training time, beside the redundancy of the same networks.",
        title="linear regions over training",
        stem=plan.FOLDER + "regions_time",
        caption="regions_time",
        tables=tuple(plan.FOLDER + name for name in ("regions.csv", "regions_slices.csv", "training_time.csv")),
        provenance=plan.FOLDER + "regions.json",
        draw=f"{_DRAWN}.regions_time:plot_regions_time",
        summary=f"{_SAID}:regions_time_summary",
        claims=f"{_SAID}:regions_time_claims",
    ),
    "published": Figure(
        about="Draw published curves beside ours.",
        title="published values",
        stem=plan.FOLDER + "published",
        caption="published",
        draw=f"{_DRAWN}.published:plot_published",
        summary=f"{_SAID}:published_summary",
        claims=f"{_SAID}:published_claims",
        published=f"{_HEADLINES}:published_values",
        group="overview",
    ),
}
WING = Wing(
    "hash_encoders",
    FIGURES,
    plan.asked,
    plan.data_text,
    main=MAIN,
    published=("published_hash_encoders.csv",),
    networks=plan.networks_shown,
)
