"""The figures of the wing: the registry from which rules, targets and the report's sections are made."""

from __future__ import annotations

from rehash.figures.registry import Figure, Wing
from rehash.tgsh import plan


def _figure(name: str, about: str, title: str, draw: str, *tables: str, stem: str = "") -> Figure:
    stem, results = plan.FOLDER + (stem or name), "rehash.tgsh.results"
    return Figure(
        about=about,
        title=title,
        stem=stem,
        caption=f"tgsh_{stem.rpartition('/')[2]}",
        tables=tuple(plan.FOLDER + table for table in tables),
        draw=f"rehash.tgsh.figures.{draw}",
        summary=f"{results}:{name}_summary",
        claims="" if name == "tasks" else f"{results}:{name}_claims",
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
        "Draw what FlyNet and fully trained networks keep of every task as training goes on.",
        "fully trained networks",
        "baselines:plot_baselines",
    ),
}
WING = Wing("tgsh", FIGURES, plan.asked, plan.data_text)
