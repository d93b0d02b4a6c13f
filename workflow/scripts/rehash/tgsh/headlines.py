"""What the report says of the wing's main figures: the paper's claim, what came out, and whether it holds."""

from __future__ import annotations

import pandas as pd

from rehash.headlines import FAILS, HOLDS, PART, UNKNOWN, Headline, judged, networks, percent, points
from rehash.tables import mean_and_sd
from rehash.verdicts import difference, paired

_NOT_JUDGED = {
    "context": "ours are of other data, of another width or trained for longer than the notebook's",
    "no spread": "one network has no spread to judge by",
}


def task_similarity_headline(similarity: pd.DataFrame, correlation: pd.DataFrame) -> Headline | None:
    """State whether near tasks get similar modulations."""
    ranks = correlation.pivot(index="repeat", columns="state", values="spearman").dropna()
    if ranks.empty:
        return None
    tasks = pd.concat([similarity.task_a, similarity.task_b]).nunique()
    text = (
        f"On {_of(similarity)}, {tasks} tasks, the rank correlation of how alike two modulations are with how far "
        f"apart their tasks lie is {mean_and_sd(ranks.trained.mean(), ranks.trained.std())} after training and "
        f"{mean_and_sd(ranks.untrained.mean(), ranks.untrained.std())} before (-1: the nearer, the more alike; "
        f"{networks(len(ranks))}){difference(paired(ranks.untrained, ranks.trained))}"
    )
    return {
        "claimed": "One frozen random network serves many tasks, each with a modulation that it learns; and the "
        "modulations, which nobody tells how tasks relate, come out alike for tasks that are.",
        "found": text,
        "verdict": judged(ranks.untrained, ranks.trained, rises=False),
    }


def hash_property_headline(recovery: pd.DataFrame, pairs: pd.DataFrame, curves: pd.DataFrame) -> Headline | None:
    """State whether modulated responses tell tasks apart, and what training adds to the better control."""
    chosen = recovery[(recovery.measure == "ROC area") & (recovery.question == "same task")]
    areas = chosen.pivot(index="repeat", columns="state", values="value").dropna()
    if areas.empty:
        return None
    told = {state: mean_and_sd(areas[state].mean(), areas[state].std()) for state in areas}
    text = (
        f"On {_of(recovery)}, a pair of images in one task is more alike than a pair in two with probability "
        f"{told['trained']} after training, {told['unmodulated']} without a modulation and {told['untrained']} with a "
        f"random one (the area under the ROC curve; chance is 0.5; {networks(len(areas))})."
    )
    adds = judged(areas.untrained, areas.trained)
    if adds != UNKNOWN:
        text += f" Training adds {'to' if adds == HOLDS else 'nothing to'} what a random modulation does."
    return {
        "claimed": "Responses of the frozen network under a task's modulation are a hash of the task: alike within a "
        "task, unlike across tasks.",
        "found": text,
        "verdict": judged(areas.unmodulated, areas.trained),
    }


def accuracy_headline(table: pd.DataFrame) -> Headline:
    """State whether no task was forgotten, and what training adds to the mean accuracy."""
    kept, rows = int(table.accuracy_at_training.eq(table.accuracy_after_all).sum()), len(table)
    means = table.groupby("repeat")[["accuracy_untrained", "accuracy_after_all"]].mean()
    ends = means.accuracy_untrained, means.accuracy_after_all
    text = (
        f"On {_of(table)}, after all {table.task.nunique()} tasks the accuracy on {kept} of {rows} tasks and networks "
        f"is exactly what it was right after their training; its mean is {percent(ends[1])}, and {percent(ends[0])} "
        f"before training{points(*ends)}."
    )
    return {
        "claimed": "As each task learns only its own modulation, learning the next one forgets nothing.",
        "found": text,
        "verdict": HOLDS if kept == rows else PART if kept else FAILS,
    }


def held_out_headline(forward: pd.DataFrame, curve: pd.DataFrame, one_shot: pd.DataFrame) -> Headline:
    """State whether a task that is new is learned faster from the modulation of the nearest known one."""
    steps = forward.groupby(["repeat", "start"]).steps_to_same.mean().unstack()
    told = {start: mean_and_sd(steps[start].mean(), steps[start].std()) for start in steps}
    text = (
        f"A new task reaches 95% of the accuracy that a random start ends with after {told['nearest']} steps from the "
        f"nearest known task's modulation, and after {told['random']} from a random one ({networks(len(steps))})"
        f"{difference(paired(steps.random, steps.nearest))}"
    )
    return {
        "claimed": "What one task has learned helps with the next that is like it.",
        "found": text,
        "verdict": judged(steps.random, steps.nearest, rises=False),
    }


def published_values(accuracies: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return which of the notebook's values stand beside ours, and how: columns value and status."""
    values = [*zip(accuracies.angle, accuracies.epoch), *zip(pairs.state, pairs.angle_a, pairs.angle_b)]
    status = pd.concat([accuracies.verdict, pairs.verdict], ignore_index=True)
    return pd.DataFrame({"value": values, "status": status.replace(_NOT_JUDGED)})


def _of(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    return f"{first.dataset} (benchmark {first.benchmark})"
