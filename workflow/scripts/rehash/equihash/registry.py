"""The figures of the wing: the registry from which rules, targets and the report's sections are made."""

from __future__ import annotations

from rehash.equihash import plan
from rehash.figures.registry import Figure, Wing

# The report's main figures, the first three of these that there are.
MAIN = ("distances", "probes", "perfect_retrieval", "retrieval", "training", "views")
_TOLD = MAIN[:4]  # those that have a headline


def _figure(name: str, about: str, title: str, stem: str, draw: str, *, claims: bool = False, **more: object) -> Figure:
    results = "rehash.equihash.results"
    return Figure(
        about=about,
        title=title,
        stem=stem,
        caption=f"equihash_{name}",
        draw=f"rehash.equihash.figures.{draw}",
        summary=f"{results}:{name}_summary",
        claims=f"{results}:{name}_claims" if claims else "",
        headline=f"rehash.equihash.headlines:{name}_headline" if name in _TOLD else "",
        **more,
    )


_DISTANCES, _DIAGNOSTICS = f"{plan.TASK}distances", f"{plan.TASK}diagnostics"

FIGURES = {
    "views": _figure(
        "views",
        "Draw a task's contact sheet: labels in rows, views in columns.",
        "views of a label",
        f"{plan.TASK}views",
        "contact_sheet:draw_views",
        tables=(f"{plan.TASK}views.h5",),
        evidence=(f"{plan.TASK}views.csv",),
    ),
    "perlin": _figure(
        "perlin",
        "Draw fields of a Perlin bank, their values and their spectra.",
        "Perlin noise",
        f"{plan.PERLIN}spectrum",
        "perlin:draw_perlin",
        tables=(plan.PERLIN_BANK, f"{plan.PERLIN}spectrum.csv"),
    ),
    "training": _figure(
        "training",
        "Draw what a task's models learned, step by step.",
        "what training teaches",
        f"{plan.TASK}training",
        "training:plot_training",
    ),
    "diagnostics": _figure(
        "diagnostics",
        "Draw what goes on within the training of a task's models: gradients, saturation, what each term asks.",
        "training diagnostics",
        _DIAGNOSTICS,
        "diagnostics:plot_diagnostics",
        tables=(f"{_DIAGNOSTICS}.csv", f"{plan.TASK}histograms.csv"),
        provenance=f"{plan.TASK}training.json",
    ),
    "distances": _figure(
        "distances",
        "Draw a task's Hamming distances, and recall and fallout, trained and untrained.",
        "distances, trained and untrained",
        _DISTANCES,
        "distances:plot_distances",
        tables=(f"{_DISTANCES}_histogram.csv", f"{_DISTANCES}.csv", f"{_DISTANCES}_statistics.csv"),
        claims=True,
    ),
    "family": _figure(
        "family",
        "Draw recall against irrelevant collisions over a family of ablations.",
        "a family of ablations",
        plan.FAMILY,
        "family:plot_family",
    ),
    "retrieval": _figure(
        "retrieval",
        "Draw what an index answers, against the size of its database.",
        "what an index answers",
        f"{plan.DATABASE}retrieval",
        "retrieval:plot_retrieval",
        evidence=(f"{plan.DATABASE}predicted.csv",),
        claims=True,
    ),
    "bucket_sizes": _figure(
        "bucket_sizes",
        "Draw how many buckets of an index have 1, 2, ... items.",
        "items a bucket",
        f"{plan.DATABASE}bucket_sizes",
        "index:plot_bucket_sizes",
        provenance=f"{plan.DATABASE}retrieval.json",
    ),
    "query_buckets": _figure(
        "query_buckets",
        "Draw how many items queries retrieve, by whether they found what they asked for.",
        "items a query retrieves",
        f"{plan.DATABASE}query_buckets",
        "query_buckets:plot_query_buckets",
        provenance=f"{plan.DATABASE}retrieval.json",
    ),
    "probes": _figure(
        "probes",
        "Draw recall and precision against the number of probes.",
        "multi-probing",
        f"{plan.DATABASE}probes",
        "index:plot_probes",
        provenance=f"{plan.DATABASE}retrieval.json",
    ),
    "gallery": _figure(
        "gallery",
        "Draw queries and what an index retrieves for them, right and wrong.",
        "queries and what they retrieve",
        f"{plan.INDEXED}gallery",
        "gallery:draw_gallery",
        tables=tuple(f"{plan.INDEXED}{name}" for name in ("gallery.h5", "gallery.csv", "gallery_rates.csv")),
    ),
    "checkpoints": _figure(
        "checkpoints",
        "Draw what an index answers against how long its network was trained.",
        "retrieval against training time",
        f"{plan.DATABASE}checkpoints",
        "checkpoints:plot_checkpoints",
    ),
    # This figure is not in the report, which shows the distances of the task instead.
    "pair_distances": _figure(
        "distances",
        "Draw Hamming distances of the pairs of a database, and recall and fallout.",
        "distances of a database's pairs",
        f"{plan.DATABASE}distances",
        "distances:plot_distances",
        tables=(
            f"{plan.DATABASE}distances.csv",
            f"{plan.DATABASE}retrieval.csv",
            f"{plan.DATABASE}distances_statistics.csv",
        ),
        provenance=f"{plan.DATABASE}retrieval.json",
    ),
    "perfect_retrieval": _figure(
        "perfect_retrieval",
        "Draw perfect-retrieval rates against the size of the database, published and ours.",
        "perfect retrieval, published and ours",
        plan.PERFECT,
        "retrieval:plot_published",
        claims=True,
        published="rehash.equihash.headlines:published_values",
        group="overview",
    ),
}
WING = Wing(
    "equihash",
    FIGURES,
    plan.asked,
    plan.data_text,
    main=MAIN,
    published=("published_equihash.csv",),
    networks=plan.networks_shown,
)
