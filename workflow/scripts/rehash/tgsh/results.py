"""What the report says of the wing's figures: tables of numbers for readers, and claims."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from rehash.intervals import mean_interval
from rehash.tables import mean_and_sd, summarise
from rehash.tgsh.forgetting import MEASURES, continual_measures
from rehash.tgsh.methods import METHODS
from rehash.tgsh.summaries import by_distance, digit_chance, right_shares, tasks_interval
from rehash.tgsh.tasks import COLUMNS, NAMES
from rehash.verdicts import (
    DEFINITION,
    NOTHING,
    SINGLE,
    Claim,
    Claims,
    Verdicts,
    against_predicted,
    compared,
    difference,
    verdict,
)

TITLE = "Task-specific geometric sensitive hashing"
SHORT = "T-GSH"  # in lists of the works
CITED = "Hong and Pavlic (2023), arXiv 2401.02437"
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
_HASHES = (
    "The units' signs hash better, beyond the spread",
    NOTHING,
    "The units' signs hash worse, beyond the spread",
)
RHO_BITS = 16  # of the hashes that the report tells of
_TOLD_AS = {"average_accuracy": "The average accuracy", "forgetting": "Forgetting"}
_APART = ("Two settings, so no verdict",) * 3
_BETTER = ("What it keeps helps, beyond the spread", NOTHING, "What it keeps harms, beyond the spread")
_FORGETS = ("It forgets less, beyond the spread", NOTHING, "It forgets more, beyond the spread")


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
    table = table[["task", *NAMES, *(name for name in COLUMNS if name in table)]].fillna("")
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
    more = [name for name in COLUMNS if name in table]
    columns = _summary(table.fillna(dict.fromkeys(more, "")), ["task", *varied, *more], metrics)
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


def manifolds_summary(manifolds: pd.DataFrame, pairs: pd.DataFrame, signs: pd.DataFrame) -> pd.DataFrame:
    """Summarise the measures of manifolds, of the second clause and of sign bits, for each state of the modulations."""
    metrics = {
        "variance": "variance within a task",
        "distance": "squared distance of tasks",
        "ratio": "ratio",
        "digit_ratio": "ratio of digits in a task",
        "clause_two": "second clause holds",
        "clause_two_one_image": "of one image in both tasks",
    }
    known = {column: words for column, words in metrics.items() if manifolds[column].notna().any()}
    found = _summary(manifolds, ["length", "state"], known).rename(columns={"length": "responses"})
    bits = signs[signs.bits == RHO_BITS].groupby(["state", "repeat"], as_index=False)[["rho", "rho_hyperplanes"]].mean()
    if bits.rho.isna().all():
        return found
    names = {"rho": f"rho of {RHO_BITS} sign bits", "rho_hyperplanes": "of random hyperplanes"}
    return found.merge(_summary(bits, ["state"], names).drop(columns="n"), on="state", how="left")


def transfer_summary(table: pd.DataFrame, correlation: pd.DataFrame) -> pd.DataFrame:
    """Summarise the accuracy of modulations on their own task, and on others by distance, in both states."""
    parts = {"its own task": table[table.modulation == table.task]}
    others = table[table.modulation != table.task]
    parts |= {f"others, {words}": rows for words, rows in _by_nearness(others).items()}
    rows = []
    for words, part in parts.items():
        means = part.groupby(["state", "repeat"], as_index=False).accuracy.mean()
        rows.append(_summary(means, ["state"], {"accuracy": "accuracy"}).assign(**{"shown on": words}))
    found = pd.concat(rows, ignore_index=True)
    return found[["shown on", "state", "n", "accuracy"]]


def _by_nearness(others: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the pairs of two tasks, all, and those of the nearest and of the farthest quarter of distances."""
    known = others[others.distance.notna()]
    if known.distance.round(6).nunique() < 4:
        return {"all": others} if len(others) else {}
    low, high = known.distance.quantile([0.25, 0.75]).round(6)
    near, far = known[known.distance.round(6) <= low], known[known.distance.round(6) >= high]
    return {"all": others, f"nearest ({low:.2g} pixels at most)": near, f"farthest (from {high:.2g} pixels)": far}


def held_out_summary(forward: pd.DataFrame, curve: pd.DataFrame, one_shot: pd.DataFrame) -> pd.DataFrame:
    """Summarise how fast new tasks are learned from both starts, and one-shot learning, means over the new tasks."""
    metrics = {
        "accuracy_start": "a new task: accuracy before the first step",
        "accuracy_final": "a new task: accuracy at the end",
        "steps": "a new task: steps to 95% of its own end",
        "steps_to_same": "a new task: steps to 95% of the random start's end",
    }
    learned = forward.melt(["repeat", "task", "start"], list(metrics)).rename(columns={"start": "modulation"})
    learned["measured"] = learned.variable.map(metrics)
    shots = one_shot.melt(["repeat", "held_out", "modulation"], ["accuracy", "accuracy_known"]).dropna(subset="value")
    of = {"accuracy": "", "accuracy_known": ", on the other classes"}
    shots["measured"] = [f"one image a class, a new {row.held_out}: accuracy{of[row.variable]}" for row in
                         shots.itertuples()]  # fmt: skip
    rows = pd.concat([learned, shots])
    means = rows.groupby(["measured", "modulation", "repeat"], as_index=False, sort=False).value.mean()
    return _summary(means, ["measured", "modulation"], {"value": "value"})


def orthogonality_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise how far cosines of untrained modulations are from 0, by width, beside the prediction."""
    rows = summarise(table, ["of", "units"], ["deviation", "predicted"])
    columns = {"cosine of": rows.of, "units": rows.units, "n": rows.n}
    spreads = [f"{mean:.4f}" + (f" ± {sd:.4f}" if sd == sd else "") for mean, sd in
               zip(rows.deviation_mean, rows.deviation_sd)]  # fmt: skip
    return pd.DataFrame({**columns, "deviation": spreads, "predicted": rows.predicted_mean.map("{:.4f}".format)})


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


def baselines_summary(table: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Summarise what is left after the last task, and what a task costs, of every method, by setting.

    Numbers that a method does not have are empty: with one task forgetting and transfer, and forward transfer where a
    task has parameters of its own.
    """
    measures = continual_measures(table)
    rows = [
        {"setting": setting, "method": METHODS[name].title, "n": len(part)}
        | {metric.replace("_", " "): _cell(part[metric]) for metric in MEASURES if measures[metric].notna().any()}
        for (setting, name), part in measures.groupby(["setting", "method"], sort=False)
    ]
    order = measures[["setting", "method"]].drop_duplicates()
    spent = order[["method"]].merge(costs, on="method", how="left")
    cells = {
        "numbers learned a task": spent.learned.map("{:,.0f}".format),
        "numbers kept a task": spent["kept"].map("{:,.0f}".format),
        "images kept (kB)": spent.memory_bytes.map(lambda size: f"{size / 1000:,.0f}" if size else ""),
        "seconds a task": spent.seconds.map("{:.3g}".format),
    }
    found = pd.DataFrame(rows).assign(**cells)
    places = [list(METHODS).index(name) for name in order.method]
    return found.iloc[sorted(range(len(found)), key=places.__getitem__)].reset_index(drop=True)


def _cell(values: pd.Series) -> str:
    return "" if values.isna().all() else mean_and_sd(values.mean(), values.std())


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
        text = "Too few tasks, or all at one distance, or at none: no rank correlation of similarity and distance."
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


def manifolds_claims(manifolds: pd.DataFrame, pairs: pd.DataFrame, signs: pd.DataFrame) -> Claims:
    """State whether the manifolds of tasks lie apart, how often the second clause holds, and what sign bits are worth.

    Each is said beside both controls, the frozen response and modulations before training.
    """
    values = {
        (length, column): part.pivot(index="repeat", columns="state", values=column).dropna()
        for length, part in manifolds.groupby("length")
        for column in ("ratio", "digit_ratio", "clause_two")
    }
    words = {
        ("unit length", "ratio"): "The first clause, manifolds of two tasks far apart: the squared distance of two "
        "tasks' mean responses, by the variance within a task,",
        ("unit length", "clause_two"): "The second clause: the share of triples for which one digit in two tasks is "
        "further apart than two digits in one task (unit length)",
        ("as they are", "clause_two"): "The same share for responses as they are",
        ("unit length", "digit_ratio"): "GSH's measure: the squared distance of two digits' mean responses within a "
        "task, by the variance of one digit's,",
    }
    found = [_added(values[key], text) for key, text in words.items() if len(values[key])]
    if manifolds.repeat.nunique() == 1 and pairs.task_a.nunique() > 2:
        own = pairs[(pairs.length == "unit length") & (pairs.state == "trained")]
        words = "the share of triples for which the second clause holds is"
        found.append(_over_tasks(own, "clause_two", words, 0.5, "for distances without order"))
    bits = signs[signs.bits == RHO_BITS]
    rho = bits.pivot(index="repeat", columns="state", values="rho").dropna()
    if len(rho):
        what = f"rho = log p1 / log p2 of {RHO_BITS} sign bits, two images in one task against two tasks,"
        found.append(_added(rho, what, rises=False))
        closed = bits[bits.state == "trained"].set_index("repeat")
        names = ("for random hyperplanes (the closed form)", "for the signs of units")
        found.append(compared(closed.rho_hyperplanes, closed.rho, f"After training rho of {RHO_BITS} bits", names,
                              rises=False, verdicts=_HASHES))  # fmt: skip
    return found


def _over_tasks(pairs: pd.DataFrame, column: str, what: str, level: float, when: str) -> Claim:
    """State whether one network's mean over ordered pairs of tasks is above a level, by a bootstrap over the tasks."""
    low, high = tasks_interval(pairs, column)
    text = (
        f"After training {what} {pairs[column].mean():.3f} (95% interval {low:.3f} to {high:.3f}, a bootstrap over the "
        f"tasks, since there is one network); it is {level:.3f} {when}."
    )
    return {
        "verdict": f"{'Above' if low > level else 'Not above'} {level:.3f}, by an interval over tasks",
        "text": text,
    }


def transfer_claims(table: pd.DataFrame, correlation: pd.DataFrame) -> Claims:
    """State whether manifolds are common to tasks: what a modulation is worth on other tasks, near and far."""
    others = table[table.modulation != table.task]
    found = []
    for words, part in _by_nearness(others).items():
        means = part.groupby(["repeat", "state"]).accuracy.mean().unstack()
        which = "all other tasks" if words == "all" else f"the {words.partition(' (')[0]} other tasks"
        what = f"Manifolds common to tasks: the mean accuracy of a task's modulation on {which}"
        found.append(compared(means.untrained, means.trained, what, ("before training", "after training")))
    for beside, rises in (("distance", False), ("similarity", True)):
        ranks = correlation[correlation.beside == beside]
        ranks = ranks.pivot(index="repeat", columns="state", values="spearman").dropna()
        if len(ranks):
            what = f"Spearman's correlation of that accuracy and the {beside} of the two tasks"
            found.append(compared(ranks.untrained, ranks.trained, what, ("before training", "after training"),
                                  rises=rises))  # fmt: skip
    if table.repeat.nunique() == 1 and others.task.nunique() > 2:
        pairs = others.rename(columns={"modulation": "task_a", "task": "task_b"})
        chance = pairs[pairs.state == "untrained"].accuracy.mean()
        words = "the mean accuracy of a modulation on other tasks is"
        found.append(_over_tasks(pairs[pairs.state == "trained"], "accuracy", words, chance, "before training"))
    return [claim for claim in found if claim]


def held_out_claims(forward: pd.DataFrame, curve: pd.DataFrame, one_shot: pd.DataFrame) -> Claims:
    """State whether a known modulation is a better start, and what held-out tasks and classes gain from modulations."""
    means = forward.groupby(["repeat", "start"])[["accuracy_start", "accuracy_final", "steps", "steps_to_same"]].mean()
    names = ("from its own random start", "from the nearest known modulation")
    words = {
        "steps": ("Forward transfer: the number of steps in which a new task reaches 95% of its final accuracy", False),
        "steps_to_same": ("The number of steps to 95% of the random start's final accuracy", False),
        "accuracy_start": ("Its accuracy before the first step", True),
        "accuracy_final": ("Its accuracy at the end", True),
    }
    found = [
        compared(*(means[column].unstack()[start] for start in ("random", "nearest")), what, names, rises=rises)
        for column, (what, rises) in words.items()
    ]
    shots = one_shot.groupby(["held_out", "modulation", "repeat"])[["accuracy", "accuracy_known"]].mean()
    told = {"task": ("nearest", "with the nearest known modulation"), "class": ("without", "trained without it")}
    for held, (modulation, end) in told.items():
        if held in shots.index and (held, modulation) in shots.index.droplevel("repeat"):
            own = shots.loc[held].accuracy.unstack("modulation")
            control = own[list(_CONTROLS)].mean().idxmax()
            what = f"One image a class: the accuracy on a held-out {held} (chance {one_shot.chance.iloc[0]:.3f})"
            found.append(compared(own[control], own[modulation], what, (_CONTROLS[control], end), verdicts=_ADDS))
    return [claim for claim in found if claim]


def orthogonality_claims(table: pd.DataFrame) -> Claims:
    """State how many predicted deviations lie in the interval of what was found."""
    found = []
    for of, rows in table.groupby("of"):
        ends = []
        for units, each in rows.groupby("units"):
            low, high = mean_interval(each.deviation)
            ends.append({"name": f"{units:,} units", "found": each.deviation.mean(), "low": low, "high": high,
                         "predicted": each.predicted.mean()})  # fmt: skip
        what = f"Deviation of the cosine of {of}, before training, beside theory"
        found.append(against_predicted(pd.DataFrame(ends), what))
    return [claim for claim in found if claim]


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
        chance = f" (chance {digit_chance(table):.3f})"
        found.append(compared(right.untrained, right.trained, text + chance, ("before training", "after training")))
    return found


def baselines_claims(table: pd.DataFrame, costs: pd.DataFrame) -> Claims:
    """Compare methods with peers of their setting: what is told the task with FlyNet, others with plain training.

    Plain training in sequence stands beside FlyNet, too, without a verdict: it is not told the task.
    """
    measures = continual_measures(table)
    settings = measures.groupby("method").setting.first()
    by_repeat = measures.pivot(index="repeat", columns="method", values=list(MEASURES))
    plain, found = "full_in_sequence", []

    def add(metric: str, start: str, end: str, verdicts: Verdicts) -> None:
        if start in settings and end in settings:
            values, rises = by_repeat[metric][[start, end]].dropna(), metric != "forgetting"
            what = f"{_TOLD_AS[metric]} after the last task"
            ends = tuple(f"for {METHODS[name].words} ({settings[name]})" for name in (start, end))
            found.append(compared(values[start], values[end], what, ends, rises=rises, verdicts=verdicts))

    for name, each in METHODS.items():
        if each.told and name != "flynet":
            add("average_accuracy", name, "flynet", _AHEAD)
        elif each.keeps != "nothing":
            add("average_accuracy", plain, name, _BETTER)
            add("forgetting", plain, name, _FORGETS)
    for metric in _TOLD_AS:
        add(metric, plain, "flynet", _APART)
    return [claim for claim in found if claim]


def _added(values: pd.DataFrame, what: str, chance: float | None = None, *, rises: bool = True) -> Claim:
    """State what training adds to the better of its two controls; `values` has a row per repeat, a column per state.

    If not `rises`, less is better.
    """
    means = values[list(_CONTROLS)].mean()
    better = means.idxmax() if rises else means.idxmin()
    pairs = pd.DataFrame({"start": values[better], "end": values.trained})
    states = {**_CONTROLS, "trained": "after training"}
    told = ", ".join(f"{mean_and_sd(values[s].mean(), values[s].std())} {words}" for s, words in states.items())
    by_chance = "" if chance is None else f"; chance is {chance:.3f}"
    text = f"{what} is {told} (n = {len(values)}{by_chance})"
    control = "the frozen response" if better == "unmodulated" else "the untrained one"
    return {
        "text": text + difference(pairs, f"after training less {control}"),
        "verdict": verdict(pairs, _ADDS, rises),
    }
