"""What the report says of the wing's figures: tables of numbers for readers, and claims."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rehash.tables import mean_and_sd, summarise
from rehash.tgsh.forgetting import continual_measures
from rehash.tgsh.summaries import by_distance, right_shares
from rehash.tgsh.tasks import NAMES
from rehash.verdicts import DEFINITION, NOTHING, SINGLE, Claim, Claims, compared, difference, verdict

TITLE = "Task-specific geometric sensitive hashing"
TEXT = (
    "T-GSH (Hong & Pavlic 2023): one frozen random network serves many tasks, here the same digits turned or moved in "
    "many ways, and each task learns only a modulation, a context vector and a strength that scale the frozen "
    "responses. The paper says that modulated responses are a hash of the task's manifold, alike within a task and "
    "unlike across tasks, and that the modulations themselves, the task vectors, show how tasks relate. The benchmark "
    "rotation is the published one. The paper has experiments on ShiftMNIST and AugmentMNIST, too, whose code was "
    "never published: shift and augment here have definitions of our own. Two controls tell what training adds: the "
    f"frozen response without a modulation, and modulations before training. {DEFINITION}"
)
_CONTROLS = {"unmodulated": "for the frozen response alone", "untrained": "before training"}
_AHEAD = ("FlyNet is ahead, beyond the spread", NOTHING, "FlyNet is behind, beyond the spread")
_ADDS = (
    "Training adds, beyond the spread",
    "Training adds nothing beyond the spread",
    "Training takes away, beyond the spread",
)
_METHODS = {"full_in_sequence": "one fully trained network in sequence", "full_per_task": "a full network a task"}


def _summary(table: pd.DataFrame, by: Sequence[str], metrics: dict[str, str]) -> pd.DataFrame:
    """Summarise `metrics` (column -> words) as mean and deviation over the rows of each group of `by`."""
    rows = summarise(table, by, list(metrics))
    columns = {key.replace("_", " "): rows[key] for key in (*by, "n")}
    return pd.DataFrame(columns | _spreads(rows, metrics))


def _spreads(rows: pd.DataFrame, metrics: dict[str, str]) -> dict[str, list[str]]:
    return {
        words: list(map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"])) for metric, words in metrics.items()
    }


def tasks_summary(table: pd.DataFrame) -> pd.DataFrame:
    """List the factors of each task as text cells, with their units in the column names."""
    table = table[["task", *NAMES]]
    units = {"angle": "angle (degrees)", "dx": "right (pixels)", "dy": "down (pixels)", "shear": "shear (degrees)"}
    return table.rename(columns=units).astype({"task": str}).map(lambda x: x if isinstance(x, str) else f"{x:g}")


def accuracy_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the three accuracies on every task as mean and spread over networks."""
    metrics = {
        "accuracy_untrained": "before training",
        "accuracy_at_training": "right after its own training",
        "accuracy_after_all": "after all tasks",
    }
    varied = [name for name in NAMES if table[name].nunique() > 1]
    columns = _summary(table, ["task", *varied], metrics)
    return columns.assign(**{name: columns[name].map("{:g}".format) for name in varied})


def notebook_summary(accuracies: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """List every value of the notebook beside ours."""
    named = accuracies.assign(measured=[f"accuracy at {angle:g} degrees" for angle in accuracies.angle])
    when = {"untrained": "before training", "trained": "after training"}
    words = [f"similarity of {p.angle_a:g} and {p.angle_b:g} degrees, {when[p.state]}" for p in pairs.itertuples()]
    pairs = pairs.assign(measured=words, epoch=pairs.epochs.where(pairs.state == "trained", 0))
    table = pd.concat([named, pairs], ignore_index=True)
    columns = {
        **{name: table[name] for name in ("measured", "epoch")},
        "notebook": table.published.map("{:.3f}".format),
        "ours": list(map(mean_and_sd, table.ours, table.sd)),
        "n": table.n,
        "difference": table.difference.map("{:+.3f}".format),
        "verdict": table.verdict,
    }
    return pd.DataFrame(columns)


def task_similarity_summary(similarity: pd.DataFrame, correlation: pd.DataFrame) -> pd.DataFrame:
    """Summarise the cosines of task vectors by the distance of the tasks, before and after training."""
    rows = by_distance(similarity)
    if rows.empty:
        return rows
    metrics = {"similarity_untrained": "cosine before training", "similarity_trained": "cosine after training"}
    columns = {"distance (pixels)": rows.distance.map("{:.2f}".format), "pairs": rows.pairs, "n": rows.n}
    return pd.DataFrame(columns | _spreads(rows, metrics))


def hash_property_summary(recovery: pd.DataFrame, pairs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Summarise ROC areas, and the shares that nearest neighbours recover, for each state of the modulations."""
    table = recovery.assign(chance=recovery.chance.map("{:.3f}".format))
    return _summary(table, ["measure", "question", "state", "chance"], {"value": "value"})


def codes_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the measures of the hash codes, means over tasks, for each state of the modulations."""
    metrics = {
        "knn": "K-NN",
        "redundancy_test": "redundancy (test)",
        "active_share": "bits on",
        "collisions": "code shared",
        "collisions_digit": "shared with another digit",
    }
    means = table.groupby(["state", "repeat"], as_index=False)[list(metrics)].mean()
    return _summary(means, ["state"], metrics)


def generated_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the shares of generated images that are right, and their correlations, before and after training."""
    keys = ["state", "repeat"]
    shares = right_shares(table, keys).merge(table.groupby(keys, as_index=False).correlation.mean(), on=keys)
    metrics = {
        "recognised": "recognised as the digit",
        "nearest": "most like the digit's mean image",
        "correlation": "correlation with it",
    }
    return _summary(shares, ["state"], metrics)


def baselines_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise average accuracy, forgetting and backward transfer of every method."""
    names = ("average_accuracy", "forgetting", "backward_transfer")
    measures = continual_measures(table)
    # With one task, forgetting and transfer are NaN: leave out these columns, not the rows.
    found = {name: name.replace("_", " ") for name in names if measures[name].notna().any()}
    return _summary(measures, ["method"], found)


def accuracy_claims(table: pd.DataFrame) -> Claims:
    """State whether no task was forgotten, and what training adds to the mean accuracy."""
    kept, rows = int(table.accuracy_at_training.eq(table.accuracy_after_all).sum()), len(table)
    where = f"{table.repeat.nunique()} networks, {table.task.nunique()} tasks"
    forgotten = "no row differs" if kept == rows else f"{rows - kept} differ"
    means = table.groupby("repeat")[["accuracy_untrained", "accuracy_after_all"]].mean()
    by_task = table.groupby("task").accuracy_after_all.mean()
    return [
        {
            "verdict": f"Zero forgetting: {'holds' if kept == rows else 'does not hold'}",
            "text": f"The accuracy of a task right after its training equals that after all tasks in {kept} of {rows} "
            f"rows ({where}); {forgotten}.",
        },
        compared(
            means.accuracy_untrained,
            means.accuracy_after_all,
            "The mean accuracy over the tasks",
            ("before training", f"after all tasks (the tasks' means: {by_task.min():.3f} to {by_task.max():.3f})"),
        ),
    ]


def notebook_claims(accuracies: pd.DataFrame, pairs: pd.DataFrame) -> Claims:
    """State how many of the notebook's values lie inside our spread, for accuracies and for similarities."""
    shown = {
        ("accuracy", "angle", "angles"): accuracies,
        ("similarity of task vectors", "pair of tasks", "pairs of tasks"): pairs[pairs.state == "trained"],
    }
    return [_beside_notebook(table, *words) for words, table in shown.items() if len(table)]


def _beside_notebook(table: pd.DataFrame, what: str, item: str, items: str) -> Claim:
    """State how many values of one comparison lie inside our spread, or why none is judged."""
    largest = table.difference.abs().max()
    over = f"{len(table)} {item if len(table) == 1 else items}"
    told = f"Ours less the notebook's {what} differs by up to {largest:.3f} over {over}"
    first = table.iloc[0]
    if table.verdict.eq("context").all():
        ours = f"{first.dataset} with {first.units:,} units"
        if "epochs" in table:
            ours += f" and {first.epochs} epoch{'s' if first.epochs > 1 else ''}"
        text = f"{told}, but the notebook has full MNIST, 7,840 units and one epoch, and this is {ours}."
        return {"verdict": "Context, no comparison", "text": text}
    if table.verdict.eq("no spread").all():
        return {"verdict": SINGLE, "text": f"{told}."}
    inside = table.verdict.eq("inside").sum()
    text = f"{told}; inside means within two standard deviations of our {first.n} networks. Theirs is one network."
    return {"verdict": f"{inside} of {len(table)} {items} inside", "text": text}


def task_similarity_claims(similarity: pd.DataFrame, correlation: pd.DataFrame) -> Claims:
    """State whether near tasks have similar task vectors, before and after training."""
    ranks = correlation.pivot(index="repeat", columns="state", values="spearman").dropna()
    if ranks.empty:
        text = "Too few tasks, or all at one distance: no rank correlation of similarity and distance."
        return [{"verdict": "Nothing to correlate", "text": text}]
    return [
        compared(
            ranks.untrained,
            ranks.trained,
            "Near tasks get similar task vectors: Spearman's correlation of similarity and distance over the pairs",
            ("before training", "after training"),
            rises=False,
        )
    ]


def hash_property_claims(recovery: pd.DataFrame, pairs: pd.DataFrame, curves: pd.DataFrame) -> Claims:
    """State whether modulated responses hash by task, and what training adds to each question."""
    values = {
        key: part.pivot(index="repeat", columns="state", values="value").dropna()
        for key, part in recovery.groupby(["measure", "question"])
    }
    means = _mean_similarities(pairs)
    task = values["ROC area", "same task"]
    found = [
        compared(
            means["inter, same picture"],
            means["intra"],
            "Trained responses hash by task: the mean similarity",
            ("of one image in two tasks (inter)", "of two digits in one task (intra)"),
        ),
        compared(
            task.unmodulated,
            task.trained,
            "Modulation tells tasks apart: the ROC area for the same task",
            ("for the frozen response alone", "after training"),
        ),
    ]
    words = {
        ("ROC area", "same task"): "The ROC area for the same task (random task vectors are nearly orthogonal and so "
        "part all tasks; training brings near ones together)",
        ("ROC area", "same digit, within a task"): "The ROC area for the same digit within a task",
        ("ROC area", "same digit, across tasks"): "The ROC area for the same digit across tasks",
        ("nearest neighbour", "digit"): "The share of digits that the nearest neighbour recovers",
        ("nearest neighbour", "task"): "The share of tasks that the nearest neighbour recovers",
    }
    chances = recovery.groupby(["measure", "question"]).chance.first()
    # With one task there is no pair across tasks, and so no area of the questions across tasks.
    return [claim for claim in found if claim] + [
        _added(values[key], text, chances[key]) for key, text in words.items() if len(values[key])
    ]


def _mean_similarities(pairs: pd.DataFrame) -> pd.DataFrame:
    """Average the similarities of trained responses: one row per repeat, one column for each of two kinds of pairs."""
    trained = pairs[pairs.state == "trained"]
    sums = (trained.similarity * trained["count"]).groupby([trained.repeat, trained.kind]).sum()
    means = sums / trained.groupby(["repeat", "kind"])["count"].sum()
    return means.unstack().reindex(columns=["intra", "inter, same picture"])


def codes_claims(table: pd.DataFrame) -> Claims:
    """State how unique the codes are, and what training adds to the accuracy of K-NN on them."""
    columns = ["knn", "redundancy_test", "collisions", "collisions_digit"]
    means = table.groupby(["state", "repeat"])[columns].mean()
    trained = means.loc["trained"]
    text = (
        f"After training a share of {trained.collisions.mean():.2g} of the test images have a code that another has, "
        f"in any task, and {trained.collisions_digit.mean():.2g} one that another digit has; within a task the "
        f"redundancy ratio is {trained.redundancy_test.mean():.2g} (means over tasks, n = {len(trained)})."
    )
    unique = (trained[["collisions", "redundancy_test"]] == 0).all(axis=None)
    return [
        {"verdict": "Every image has a code of its own" if unique else "Some images share a code", "text": text},
        _added(means.knn.unstack("state"), "The accuracy of K-NN on the codes"),
    ]


def generated_claims(table: pd.DataFrame) -> Claims:
    """State whether training makes modulations generate images of the right digit."""
    words = {
        "recognised": "The share of generated images that the task's own network takes for the digit",
        "nearest": "The share of generated images that are most like the digit's mean image",
    }
    found = []
    for column, text in words.items():
        right = table[column].eq(table.digit).groupby([table.repeat, table.state]).mean().unstack()
        chance = f" (chance {1 / table.digit.nunique():.3f})"
        found.append(compared(right.untrained, right.trained, text + chance, ("before training", "after training")))
    return found


def baselines_claims(table: pd.DataFrame) -> Claims:
    """Compare FlyNet with fully trained networks in average accuracy and in forgetting."""
    measures = continual_measures(table).pivot(index="repeat", columns="method")
    found = []
    for method, words in _METHODS.items():
        for metric, text in {"average_accuracy": "The average accuracy", "forgetting": "Forgetting"}.items():
            values = measures[metric].reindex(columns=[method, "flynet"]).dropna()
            # With a network for each task, no later task can cause forgetting.
            if len(values) and (metric, method) != ("forgetting", "full_per_task"):
                rises = metric != "forgetting"
                ends = (f"for {words}", "for FlyNet")
                what = f"{text} after the last task"
                found.append(compared(values[method], values.flynet, what, ends, rises=rises, verdicts=_AHEAD))
    return found


def _added(values: pd.DataFrame, what: str, chance: float | None = None) -> Claim:
    """State what training adds to the better of its two controls; `values` has a row per repeat, a column per state."""
    better = values[list(_CONTROLS)].mean().idxmax()
    pairs = pd.DataFrame({"start": values[better], "end": values.trained})
    states = {**_CONTROLS, "trained": "after training"}
    told = ", ".join(f"{mean_and_sd(values[s].mean(), values[s].std())} {words}" for s, words in states.items())
    by_chance = "" if chance is None else f"; chance is {chance:.3f}"
    text = f"{what} is {told} (n = {len(values)}{by_chance})"
    control = "the frozen response" if better == "unmodulated" else "the untrained one"
    return {
        "text": text + difference(pairs, f"after training less {control}"),
        "verdict": verdict(pairs, _ADDS),
    }
