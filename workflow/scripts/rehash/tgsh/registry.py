"""The figures of the wing: the registry from which rules, targets and the report's sections are made."""

from __future__ import annotations

from rehash.figures.registry import Figure, Wing
from rehash.tgsh import plan

_HEADLINES = "rehash.tgsh.headlines"
# The report's main figures, the first three of these that there are.
MAIN = ("task_similarity", "hash_property", "accuracy", "held_out", "notebook", "transfer", "codes")
_TOLD = ("task_similarity", "hash_property", "accuracy", "held_out")  # those that have a headline


def _figure(
    name: str, about: str, title: str, draw: str, *tables: str, stem: str = "", folder: str = plan.FOLDER,
    provenance: str = "", evidence: tuple[str, ...] = (),
) -> Figure:  # fmt: skip
    stem, results = folder + (stem or name), "rehash.tgsh.results"
    return Figure(
        about=about,
        title=title,
        stem=stem,
        caption=f"tgsh_{stem.rpartition('/')[2]}",
        tables=tuple(plan.FOLDER + table for table in tables),
        evidence=tuple(plan.FOLDER + table for table in evidence),
        draw=f"rehash.tgsh.figures.{draw}",
        summary=f"{results}:{name}_summary",
        claims="" if name == "tasks" else f"{results}:{name}_claims",
        headline=f"{_HEADLINES}:{name}_headline" if name in _TOLD else "",
        published=f"{_HEADLINES}:published_values" if name == "notebook" else "",
        provenance=provenance and folder + provenance,
    )


FIGURES = {
    "tasks": _figure(
        "tasks",
        "Draw an image of some classes under every task of a benchmark.",
        "the tasks",
        "sheets:draw_tasks",
        *("tasks.h5", "tasks.csv"),
    ),
    "accuracy": _figure(
        "accuracy",
        "Draw the accuracy of every task after all are trained, and right after its own training.",
        "accuracy of every task",
        "measures:plot_accuracy",
    ),
    "notebook": _figure(
        "notebook",
        "Draw what the published notebook shows beside ours.",
        "the notebook beside ours",
        "measures:plot_notebook",
        *("published.csv", "published_similarity.csv"),
        stem="published",
    ),
    "task_similarity": _figure(
        "task_similarity",
        "Draw how alike the tasks' modulations are, and against how far apart the tasks lie.",
        "similarity of tasks",
        "relations:plot_task_similarity",
        *("task_similarity.csv", "task_correlation.csv"),
    ),
    "hash_property": _figure(
        "hash_property",
        "Draw similarities of modulated responses, ROC curves, and what nearest neighbours recover.",
        "the hash property",
        "responses:plot_hash_property",
        *("recovery.csv", "pair_similarity.csv", "roc.csv"),
    ),
    "manifolds": _figure(
        "manifolds",
        "Draw how far apart the tasks' manifolds lie, how often the definition's second clause holds, and sign bits.",
        "the definition, measured",
        "manifolds:plot_manifolds",
        *("manifolds.csv", "manifold_pairs.csv", "sign_bits.csv"),
        provenance="hash_property.json",
    ),
    "transfer": _figure(
        "transfer",
        "Draw the accuracy of every modulation on every task, against how far apart and how alike the two are.",
        "transfer between tasks",
        "transfer:plot_transfer",
        *("transfer.csv", "transfer_correlation.csv"),
    ),
    "codes": _figure(
        "codes",
        "Draw what the hash codes of modulated responses are worth, task by task.",
        "hash codes",
        "measures:plot_codes",
    ),
    "generated": _figure(
        "generated",
        "Draw the digits that the modulations generate, and how many are right.",
        "generated digits",
        "sheets:draw_generated",
        *("generated.h5", "generated.csv"),
    ),
    "baselines": _figure(
        "baselines",
        "Draw what FlyNet and its baselines keep of every task as training goes on.",
        "beside the field",
        "baselines:plot_baselines",
        evidence=("baseline_costs.csv",),
    ),
    "held_out": _figure(
        "held_out",
        "Draw how fast new tasks are learned from a known modulation, and what one image of a class is worth.",
        "held-out tasks and classes",
        "transfer:plot_held_out",
        *("forward.csv", "forward_curve.csv", "one_shot.csv"),
    ),
    "orthogonality": _figure(
        "orthogonality",
        "Draw how nearly orthogonal untrained modulations are, by width, beside the prediction.",
        "untrained modulations",
        "manifolds:plot_orthogonality",
        folder=plan.DATASET_FOLDER,
    ),
}
WING = Wing(
    "tgsh",
    FIGURES,
    plan.asked,
    plan.data_text,
    main=MAIN,
    published=("published_tgsh.csv", "published_tgsh_similarity.csv"),
)
